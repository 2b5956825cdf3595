"""The provider `embedded`: real Kubernetes in private namespaces of this host, without Docker and without a registry."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import machine, naming
from platform_e2e.cluster.embedded import (
    addons,
    cgroups,
    identity,
    links,
    materials,
    node,
    nodefiles,
    remains,
    reservations,
    testinfra,
    upkeep,
)
from platform_e2e.cluster.embedded.api import Api
from platform_e2e.cluster.embedded.links import Network
from platform_e2e.cluster.embedded.materials import Materials
from platform_e2e.cluster.embedded.network import Plan
from platform_e2e.cluster.embedded.node import Node
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, NodeFacts, Problem
from platform_e2e.cluster.waiting import wait_until
from platform_e2e.errors import BrokenHarness
from platform_e2e.outside import plainfile
from platform_e2e.shell import background
from platform_e2e.timeline import Timeline

log = logging.getLogger(__name__)

API_SECONDS = 120.0
"""For the API server to answer: 8 s were seen on two idle processors, 30 with both busy."""

NODE_SECONDS = 120.0
"""For every node to be Ready after that: 3 s were seen."""

LOOKED_AT = 64 << 10
"""Bytes of the end of each log, for its last lines."""

NAME = "embedded"


class NodeEnded(BrokenHarness):
    """A node's first process has ended while the cluster was being made."""


@dataclass(frozen=True)
class NodeProcess:
    """A node's first process, and the command line that starts it again."""

    process: subprocess.Popen[bytes]
    words: Sequence[str | Path]
    log: Path


@dataclass(frozen=True)
class Running:
    """What this process holds of a cluster that it has made: its network and its nodes."""

    network: Network
    nodes: Mapping[str, NodeProcess]

    @property
    def processes(self) -> tuple[subprocess.Popen[bytes], ...]:
        """Return the first process of each node."""
        return tuple(each.process for each in self.nodes.values())


class EmbeddedProvider:
    """Make clusters of nodes that are process trees of this host.

    The process that calls `create` is their parent, and they end with it; `supervisor` is that process.
    """

    name = NAME
    capabilities = frozenset({Capability.NODES, Capability.NODE_NETWORK, Capability.LOAD_IMAGES, Capability.STOP_NODE})

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what keeps the cluster from being made on this machine; nothing is changed."""
        problems = machine.judge(machine.observe(), spec)
        if any(problem.fatal for problem in problems):
            # Another system has nothing of what is looked at below.
            return problems
        ours = (paths.clusters() / spec.name).exists()  # a kept one is used again
        if not ours and any(line.startswith("process ") for line in remains.find(spec.name)):
            # Its cgroups are this cache's, so the new one would be ended together with it.
            problems.append(
                Problem(
                    f"an earlier cluster {spec.name} still runs, whose directory in {paths.clusters()} is gone",
                    "run again: its supervisor removes it; else choose another name with --cluster",
                )
            )
        return problems

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        """Make the cluster and return when every node takes pods.

        Args:
            spec: what is asked for.
            directory: of the cluster; everything of it goes there.
            timeline: shows what is being done.

        Raises:
            NoFreeNetwork: every network that could be used is taken.
            NoCgroups: this process may make none.
            NodeEnded: a node's first process has ended; the text has the ends of the logs.
            NotInTime: the API server or a node did not come up; the text has the ends of the logs.
        """
        stock = materials.ensure(timeline)
        try:
            return self._create(spec, directory, timeline, stock)
        except BaseException:
            self._end(spec.name)
            raise

    def _create(self, spec: ClusterSpec, directory: Path, timeline: Timeline, stock: Materials) -> ClusterFacts:
        names = [f"n{number + 1}" for number in range(spec.nodes)]
        plan = reservations.choose(directory, spec.pools, spec.nodes)
        timeline.progress("cluster", f"segment {plan.segment}, {spec.nodes} node(s)")
        nodes = [
            Node(name, number, directory / "nodes" / name, directory / "logs" / name)
            for number, name in enumerate(names)
        ]
        identities = self._lay(nodes, plan, names, stock)
        processes = self._start(spec.name, nodes, plan, stock)
        kubeconfig = directory / "kubeconfig"
        identity.write(directory, {kubeconfig.name: identities.admin})
        api = Api(plan, identities, directory)

        def logs() -> str:
            return ends_of_logs(directory / "logs", processes)

        remedy = "see what the logs say; where the machine was only busy, run again"
        look = unless_ended(processes, directory / "logs", api.ready)
        wait_until(look, timeout=API_SECONDS, what="the API server is ready", most=0.1, explain=logs, remedy=remedy)
        timeline.progress("cluster", "the API server is ready")
        for path, obj in addons.objects(plan):
            api.create(path, obj)
        look = unless_ended(processes, directory / "logs", addons.Nodes(api, plan, names).ready)
        wait_until(look, timeout=NODE_SECONDS, what="every node is ready", most=0.1, explain=logs, remedy=remedy)
        timeline.progress("cluster", f"{spec.nodes} node(s) ready")
        return ClusterFacts(
            name=spec.name,
            provider=self.name,
            directory=str(directory),
            kubeconfig=str(kubeconfig),
            kubernetes=api.version(),
            nodes=tuple(
                NodeFacts(name, str(address), f"{NAME}://{name}@{spec.name}")
                for name, address in zip(names, plan.nodes, strict=True)
            ),
            segment=str(plan.segment),
            host_address=str(plan.host),
            host_interface=links.interface(spec.name),
            pool_map=plan.pool_map,
        )

    def _lay(self, nodes: Sequence[Node], plan: Plan, names: Sequence[str], stock: Materials) -> identity.Identities:
        """Write what the nodes find when they start."""
        clamped = nodefiles.lacks_sys_resource(Path("/proc/self/status").read_text())
        identities = identity.make(plan, names)
        for each in nodes:
            each.make_directories()
            identity.write(each.directory / "upper", identities.nodes[each.name])
            for path, content in nodefiles.files(each, plan, names, clamped=clamped).items():
                file = each.directory / "upper" / path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        # The images of each node: hard links and a few copies, so the disk is what they wait for.
        with ThreadPoolExecutor() as pool:
            list(pool.map(stock.lay, [each.directory / "containerd" for each in nodes]))
        return identities

    def _start(
        self, cluster: str, nodes: Sequence[Node], plan: Plan, stock: Materials
    ) -> tuple[subprocess.Popen[bytes], ...]:
        """Make the network and the cgroups, and start every node."""
        hierarchies = cgroups.of_this_host()
        network = links.make(plan, cluster, [each.name for each in nodes])
        self._running[cluster] = Running(network, {})
        for each in nodes:
            groups = cgroups.make(hierarchies, cluster, each.name)
            config = node.launcher(each, plan, hierarchies, rootfs=stock.rootfs, programs=stock.programs.directory)
            node.write_config(each, config)
            words = node.command(
                each,
                program=stock.programs.path("node"),
                network=network.path(each.name),
                groups=groups,
                parent=os.getpid(),
            )
            self._run(cluster, each.name, words, each.logs / "node.log")
        return self._running[cluster].processes

    def _run(self, cluster: str, name: str, words: Sequence[str | Path], log_file: Path) -> None:
        """Start a node. It ends with the thread that does this."""
        started = NodeProcess(background(words, log_file=log_file, env=environment(cluster)), words, log_file)
        running = self._running[cluster]
        self._running[cluster] = replace(running, nodes={**running.nodes, name: started})

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether every node of the cluster still runs."""
        running = cgroups.of_this_host()
        return all(cgroups.processes(running, facts.name, each.name) for each in facts.nodes)

    def tend(self, name: str, directory: Path) -> None:
        """Start the stopped nodes that are asked for: they must be children of the process that made the cluster."""
        for node_name, taken in upkeep.wishes(directory):
            stopped = self._running[name].nodes[node_name]
            if stopped.process.poll() is not None:
                self._run(name, node_name, stopped.words, stopped.log)
                taken()

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        """Load an image, as `docker save` writes it, into every node."""
        upkeep.load_image(facts, archive)

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        """Kill every process of a node at once."""
        upkeep.stop_node(facts, node)

    def start_node(self, facts: ClusterFacts, node: str) -> None:
        """Have a stopped node started by the process that made the cluster."""
        upkeep.start_node(facts, node)

    def enter(self, facts: ClusterFacts, node: str) -> Sequence[str]:
        """Return the command line of a shell in a node."""
        return [*testinfra.enter(f"{node}@{facts.name}"), f"TERM={os.environ.get('TERM', 'dumb')}", "/bin/bash"]

    def ask_from(self, facts: ClusterFacts, words: Sequence[str], timeout: float) -> str:
        """Refuse: this host itself is on the segment of an embedded cluster, which so has no probe."""
        raise NotImplementedError(f"cluster {facts.name} has no container that asks in this host's place")

    def delete(self, name: str, directory: Path) -> None:
        """Remove every trace of the cluster, whoever made it and however far it came."""
        self._end(name)
        remains.remove(name, directory)

    def _end(self, name: str) -> None:
        """End what this process has started of a cluster."""
        running = self._running.pop(name, None)
        if running is None:
            return
        for process in running.processes:
            process.send_signal(signal.SIGKILL)
        for process in running.processes:
            process.wait()
        remains.end(name)
        running.network.close()

    def leftovers(self, name: str) -> Sequence[str]:
        """Return what of this cluster still exists."""
        return remains.find(name)


def environment(cluster: str) -> dict[str, str]:
    """Return the variables of a node's processes: none of the user's own."""
    return {
        "PATH": node.PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "KUBECONFIG": "/etc/kubernetes/admin.conf",
        "PLATFORM_E2E_CLUSTER_NAME": naming.on_host(cluster),
    }


def unless_ended(
    processes: Sequence[subprocess.Popen[bytes]], logs: Path, look: Callable[[], bool | str]
) -> Callable[[], bool | str]:
    """Return what looks as the given function does, but gives up at once when a node has ended.

    Args:
        processes: of the nodes.
        logs: directory of the nodes' logs, for the error's text.
        look: returns True, or why not yet.
    """

    def looks() -> bool | str:
        if any(process.poll() is not None for process in processes):
            raise NodeEnded(
                f"a node does not start\n{ends_of_logs(logs, processes)}",
                "read node.log above; the cache must lie on a file system that carries overlays, which an overlay itself does not",
            )
        return look()

    return looks


def ends_of_logs(directory: Path, processes: Sequence[subprocess.Popen[bytes]]) -> str:
    """Return the last lines of every log of the nodes' programs, to be read when the cluster does not come up."""
    told = [
        f"node process {process.pid} has ended with status {process.returncode}"
        for process in processes
        if process.poll() is not None
    ]
    for file in plainfile.in_directories(directory, ".log"):
        try:
            content, _ = plainfile.end_of(file, LOOKED_AT, directory)
        except OSError as error:
            told.append(f"{file.parent.name}/{file.name} {error.strerror}")
            continue
        lines = content.decode(errors="replace").splitlines()[-5:]
        told += [f"{file.parent.name}/{file.name}:", *(f"  {line[:300]}" for line in lines)]
    return "\n".join(told)
