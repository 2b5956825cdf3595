"""Connections between pods of the contract, tried from within a pod's network by its node's own shell."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract import pods
from contract.conftest import Standing
from contract.policy_cases import NAMESPACES, TCP, Try
from platform_e2e.checks import network_probe
from platform_e2e.cluster import nodes
from platform_e2e.kube.objects import Object

COREFILE = "".join(f".:{port} " for port in TCP) + "{\n  errors\n}\n"

CONNECT_SECONDS = 2
"""Timeout of one connection within the cluster: it takes a millisecond, and what is closed is refused at once."""

QUERY = r"\x00\x11\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"
"""A question to a name server for the root's name servers, as it goes over TCP; over UDP without its first two bytes."""


@dataclass(frozen=True)
class Pods:
    """The pods that the policies are tried on, which all answer at the same ports.

    Attributes:
        standing: the cluster.
        found: the pods by their names, `NAME` or `NAMESPACE/NAME`.
        dns: the address of the cluster's DNS.
        by_node_port: the port of a node that leads to each port of the pod `server`.
    """

    standing: Standing
    found: Mapping[str, Object]
    dns: str
    by_node_port: Mapping[int, int]

    def open(self, tries: Collection[Try]) -> dict[Try, bool]:
        """Try connections, and return which of them are answered."""
        result: dict[Try, bool] = {}
        for node in self.standing.facts.nodes:
            mine = [each for each in tries if each.source != "host" and self._node(each.source) == node.name]
            if not mine:
                continue
            script = "\n".join(f"{{ {self._shell(each)}; }} && echo open || echo closed" for each in mine)
            said = nodes.host(node).check_output("bash -c %s", script).split()
            result |= dict(zip(mine, [word == "open" for word in said], strict=True))
        for each in tries:
            if each.source == "host":
                address = next(n.address for n in self.standing.facts.nodes if n.name == self._node(each.target))
                answer = network_probe.connect(address, self.by_node_port[each.port], CONNECT_SECONDS)
                result[each] = not answer.get("problem")
        return result

    def address(self, name: str) -> str:
        """Return the address of a pod."""
        return str(self.found[name]["status"]["podIP"])

    def hold(self, source: str, target: str, port: int, questions: int) -> list[str]:
        """Ask many questions on one connection, two a second, and return what became of each: `answered` or `silent`.

        Args:
            source: name of the pod that asks.
            target: name of the pod that is asked.
            port: at the target.
            questions: how many.
        """
        ask = f"printf '{QUERY}' >&3 && timeout 1 head -c 12 <&3 | grep -q ''"
        script = (
            f"exec 3<>/dev/tcp/{self.address(target)}/{port}; for i in $(seq {questions}); do "
            f"if {ask}; then echo answered; else echo silent; fi; sleep 0.5; done"
        )
        node = next(each for each in self.standing.facts.nodes if each.name == self._node(source))
        return str(nodes.host(node).check_output("bash -c %s", self._within(source, script))).split()

    def _node(self, name: str) -> str:
        return str(self.found[name]["spec"]["nodeName"])

    def _shell(self, each: Try) -> str:
        address = self.dns if each.target == "dns" else self.address(each.target)
        question = QUERY.removeprefix(r"\x00\x11")
        script = f"exec 3<>/dev/{each.protocol}/{address}/{each.port}"
        if each.protocol == "udp":
            script += f" && printf '{question}' >&3 && head -c 12 <&3 | grep -q ''"
        return self._within(each.source, f"{script}", CONNECT_SECONDS)

    def _within(self, name: str, script: str, seconds: int = 60) -> str:
        """Return a command line that runs a script in the network of a pod."""
        container = self.found[name]["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        process = f"$(ctr -n k8s.io tasks ls | grep ^{container} | tr -s ' ' | cut -d ' ' -f 2)"
        quiet = f"timeout {seconds} bash -c {shlex.quote(script)} 2>/dev/null"
        return f"nsenter --net=/proc/{process}/ns/net {quiet}"


def made(standing: Standing) -> Iterator[Pods]:
    """Make the namespaces and the pods, and remove them at the end.

    `server`, `client` and `stranger` are in one namespace on the first node, `far` there on the last one, and `apart/client`
    in another namespace on the last one.
    """
    kube, first, last = standing.kube, standing.facts.nodes[0].name, standing.facts.nodes[-1].name
    for name, labels in NAMESPACES.items():
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        config = {"metadata": {"name": "ports", "namespace": name}, "data": {"Corefile": COREFILE}}
        kube.create({"apiVersion": "v1", "kind": "ConfigMap", **config})
    found = {
        name: _pod(standing, name.rpartition("/")[2], node, name.rpartition("/")[0] or "near")
        for name, node in {
            "server": first,
            "client": first,
            "stranger": first,
            "far": last,
            "apart/client": last,
        }.items()
    }
    ports = [{"name": f"p{port}", "port": port} for port in TCP]
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "selector": {"app": "server"}, "ports": ports}
    service = kube.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": "near"}, "spec": spec}
    )
    dns = kube.get("v1/Service", "kube-dns", "kube-system") or {}
    yield Pods(
        standing,
        found,
        str(dns["spec"]["clusterIP"]),
        {port["port"]: port["nodePort"] for port in service["spec"]["ports"]},
    )
    for name in NAMESPACES:
        kube.delete("v1/Namespace", name)


def _pod(standing: Standing, name: str, node: str, namespace: str) -> Object:
    probe: dict[str, Any] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    return pods.run(
        standing,
        name,
        node,
        [{"name": "ports", "configMap": {"name": "ports"}}],
        namespace=namespace,
        image=pods.dns_image(standing),
        args=["-conf", "/config/Corefile"],
        ports=[{"containerPort": port, **({"name": named} if named else {})} for port, named in TCP.items()],
        readinessProbe=probe,
        volumeMounts=[{"name": "ports", "mountPath": "/config"}],
    )
