"""The state of the platform as a whole, kept once for a run: Argo CD, MetalLB, Prometheus, versions, the layer, the nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from platform_e2e import redact
from platform_e2e.errors import HarnessError
from platform_e2e.evidence import application_tree, metallb, monitoring, nodes, served_layer, versions
from platform_e2e.evidence.asking import Asking
from platform_e2e.evidence.store import Store
from platform_e2e.gitops import argocd
from platform_e2e.untrusted import plainfile

LOG_LINES = 500
"""How many last lines of each container's log are kept: some minutes of a chatty controller."""

OWNED_KINDS = ("apps/v1/ReplicaSet", "batch/v1/Job", "v1/Pod", "discovery.k8s.io/v1/EndpointSlice")
"""What controllers make of what is in Git."""

TROUBLE = (HarnessError, OSError, LookupError, ValueError, TypeError, AttributeError)
"""What reading may end with, an answer of another form than known included; evidence never fails a run."""

Job = tuple[str, Callable[[], None]]
"""What is kept, in words, and how."""


@dataclass(frozen=True)
class Beside:
    """What is known of the cluster beside its API.

    Attributes:
        hosts: by the name of a node a function that returns testinfra's host of it.
        logs: directory of the nodes' own logs on this machine, one directory for each node; None where there is none.
        repository: what the git server in the cluster has, on this machine; None where there is none.
        branch: that Argo CD reads.
        foundations: facts of the timeline about releases.
    """

    hosts: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    logs: Path | None = None
    repository: Path | None = None
    branch: str = "main"
    foundations: Sequence[Mapping[str, Any]] = ()


class StateCollector:
    """Keep the state of the platform.

    Args:
        asking: the cluster.
        store: where it goes.
        beside: what else can be looked at.
    """

    def __init__(self, asking: Asking, store: Store, beside: Beside) -> None:
        self.asking = asking
        self.store = store
        self.beside = beside

    def jobs(self, namespaces: Sequence[str]) -> list[Job]:
        """Return what keeps it, in the order of what is needed most.

        Args:
            namespaces: of the foundations.
        """
        return [
            ("trees of the Applications", self._trees),
            ("versions", self._versions),
            ("layer as served", self._served),
            ("logs of the nodes", self._node_logs),
            ("MetalLB's metrics", self._metallb),
            ("Prometheus and Alertmanager", self._monitoring),
            *((f"facts of node {name}", partial(self._node, name, namespaces)) for name in self.beside.hosts),
        ]

    def _trees(self) -> None:
        """Keep what Argo CD knows of each Application, down to the pods."""
        # Without secrets before messages are put into one line: a block of YAML could not be recognised there.
        owned = [redact.plain(obj) for kind in OWNED_KINDS for obj in self.asking.list(kind)]
        roots = application_tree.trees([redact.plain(obj) for obj in self.asking.list(argocd.APPLICATION)], owned)
        if roots:
            self.store.text(
                "argocd/tree.txt",
                application_tree.as_text(roots),
                "every Application with its resources, down to the pods",
            )
            self.store.json("argocd/tree.json", [root.as_json() for root in roots], "the same for programs")

    def _versions(self) -> None:
        """Keep what ran."""
        found = versions.versions(
            self.asking.version(), self.asking.list("v1/Node"), self.asking.list("v1/Pod"), self.beside.foundations
        )
        self.store.text("versions.txt", versions.as_text(found), "versions of everything, images by digest")
        self.store.json("versions.json", found, "the same for programs")

    def _served(self) -> None:
        """Keep the layer as it is served."""
        if self.beside.repository is None or not self.beside.repository.exists():
            self.store.left_out("layer as served", "nothing was served yet")
            return
        sha, archive = served_layer.served(self.beside.repository, self.beside.branch)
        self.store.data(f"layer-{sha[:12]}.tar.gz", archive, f"the layer as served at {sha}, without Secrets")

    def _node_logs(self) -> None:
        """Keep the ends of the nodes' own logs, of kubelet, containerd and the control plane."""
        logs = self.beside.logs
        for path in plainfile.in_directories(logs, ".log") if logs else ():
            name = f"nodes/{path.relative_to(logs) if logs else path}"
            try:
                # Pods of the layer may write there, whatever they like.
                content, size = plainfile.end_of(path, self.store.most, logs)
            except plainfile.NotPlain as error:
                self.store.left_out(name, f"it {error.strerror}")
                continue
            lines = content.decode(errors="replace").splitlines(keepends=True)
            more = f"of this log the last {LOG_LINES} lines; it has {size} bytes" if len(lines) > LOG_LINES else ""
            self.store.text(name, "".join(lines[-LOG_LINES:]), "log of the node", keep="end", more=more)

    def _metallb(self) -> None:
        """Keep the metrics of controller and speakers."""
        for pod in self.asking.list("v1/Pod"):
            port = metallb.metrics_port(pod)
            if port is not None:
                meta = pod["metadata"]
                try:
                    told = metallb.own(self.asking.pod(meta["namespace"], meta["name"], port, "/metrics"))
                    self.store.text(f"metallb/{meta['name']}.metrics.txt", told, "MetalLB's own metrics")
                except TROUBLE as error:
                    self.store.left_out(f"metallb/{meta['name']}.metrics.txt", f"could not be read: {error}")

    def _monitoring(self) -> None:
        """Keep what each Prometheus and Alertmanager says of itself."""
        for namespace, service in monitoring.services(self.asking):
            directory = f"{service.partition('-')[0]}-{namespace}"
            for name, what, ask in monitoring.answers(self.asking, namespace, service):
                try:
                    answer = redact.plain(ask())
                except TROUBLE as error:
                    self.store.left_out(f"{directory}/{name}.json", f"could not be read: {error}")
                    continue
                self.store.json(f"{directory}/{name}.json", answer, what)
                if name == "targets":
                    self.store.text(
                        f"{directory}/targets.txt", monitoring.targets_text(answer), "active targets as a table"
                    )

    def _node(self, name: str, namespaces: Sequence[str]) -> None:
        """Keep what only the node itself knows."""
        services = [
            "/".join((s["metadata"]["namespace"], s["metadata"]["name"]))
            for s in self.asking.list("v1/Service")
            if (s.get("spec") or {}).get("type") == "LoadBalancer" or s["metadata"]["namespace"] in namespaces
        ]
        self.store.text(
            f"nodes/{name}/facts.txt", nodes.facts(self.beside.hosts[name](), services), "what the node says of itself"
        )
