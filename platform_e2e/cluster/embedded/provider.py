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
from platform_e2e.cluster import cgroups, cleanup, machine, naming, nodes
from platform_e2e.cluster.embedded import node_ops
from platform_e2e.cluster.kubernetes import addons, credentials, node, nodefiles
from platform_e2e.cluster.kubernetes.api import Api
from platform_e2e.cluster.kubernetes.node import Node
from platform_e2e.cluster.network import links, reservations
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.cluster.network.links import Network
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, NodeFacts, Problem
from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import background
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import images
from platform_e2e.toolbox.artifacts import Artifacts, ensure_artifacts
from platform_e2e.toolbox.waiting import wait_until
from platform_e2e.untrusted import plainfile

log = logging.getLogger(__name__)

API_SECONDS = 120.0
"""Timeout for the API server to answer: 8 s were seen on two idle processors, 30 with both busy."""

NODE_SECONDS = 120.0
"""Timeout after that for every node to be Ready: 3 s were seen."""

LOOKED_AT = 64 << 10
"""Bytes of the end of each log that are read for its last lines."""

NAME = "embedded"


class NodeEnded(BrokenHarness):
    """A node's first process ended while the cluster was being made."""


@dataclass(frozen=True)
class NodeProcess:
    """A node's first process, and the command line that starts it again."""

    process: subprocess.Popen[bytes]
    words: Sequence[str | Path]
    log: Path


@dataclass(frozen=True)
class RunningCluster:
    """The parts of a cluster that live in this process: its network and its nodes."""

    network: Network
    nodes: Mapping[str, NodeProcess]

    @property
    def processes(self) -> tuple[subprocess.Popen[bytes], ...]:
        """Return the first process of each node."""
        return tuple(each.process for each in self.nodes.values())


class EmbeddedProvider:
    """Make clusters of nodes that are process trees of this host.

    The process that calls `create` is their parent, and they end with it; in practice that is the supervisor.
    """

    name = NAME
    capabilities = frozenset(
        {
            Capability.NODES,
            Capability.NODE_NETWORK,
            Capability.LOAD_IMAGES,
            Capability.STOP_NODE,
            Capability.NETWORK_POLICIES,
        }
    )

    def __init__(self) -> None:
        self._running: dict[str, RunningCluster] = {}

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what prevents the cluster on this machine; changes nothing."""
        problems = machine.judge(machine.observe(), spec)
        if any(problem.fatal for problem in problems):
            # Another system has none of the parts that are checked below.
            return problems
        ours = (paths.clusters() / spec.name).exists()  # a kept cluster is used again
        if not ours and any(line.startswith("process ") for line in cleanup.find(spec.name)):
            # Its cgroups belong to this cache, so the new cluster would end together with it.
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
            spec: the requested cluster.
            directory: the directory of the cluster, for all of its files.
            timeline: shows the progress.

        Raises:
            NoFreeNetwork: every network that could be used is taken.
            NoCgroups: this process must not make cgroups.
            NodeEnded: a node's first process ended; the text has the ends of the logs.
            NotInTime: the API server or a node did not come up; the text has the ends of the logs.
        """
        artifacts = ensure_artifacts(timeline)
        try:
            return self._create(spec, directory, timeline, artifacts)
        except BaseException:
            self._end(spec.name)
            raise

    def _create(self, spec: ClusterSpec, directory: Path, timeline: Timeline, artifacts: Artifacts) -> ClusterFacts:
        names = [f"n{number + 1}" for number in range(spec.nodes)]
        plan = reservations.choose(directory, spec.pools, spec.nodes)
        timeline.progress("cluster", f"segment {plan.segment}, {spec.nodes} node(s)")
        nodes = [
            Node(name, number, directory / "nodes" / name, directory / "logs" / name)
            for number, name in enumerate(names)
        ]
        identities = self._lay(nodes, plan, names, artifacts)
        processes = self._start(spec, nodes, plan, artifacts)
        kubeconfig = directory / "kubeconfig"
        credentials.write(directory, {kubeconfig.name: identities.admin})
        api = Api(plan, identities, directory)

        def logs() -> str:
            return ends_of_logs(directory / "logs", processes)

        remedy = "read the logs; if the machine was only busy, run again"
        look = unless_ended(processes, directory / "logs", api.ready)
        wait_until(look, timeout=API_SECONDS, what="the API server is ready", most=0.1, explain=logs, remedy=remedy)
        timeline.progress("cluster", "the API server is ready")
        for path, obj in addons.objects(plan):
            api.create(path, obj)
        look = unless_ended(processes, directory / "logs", addons.NodeInitializer(api, plan, names).ready)
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
            stand_ins=spec.replaces,
        )

    def _lay(
        self, nodes: Sequence[Node], plan: Plan, names: Sequence[str], artifacts: Artifacts
    ) -> credentials.Identities:
        """Write the files that the nodes read when they start."""
        clamped = nodefiles.lacks_sys_resource(Path("/proc/self/status").read_text())
        identities = credentials.make(plan, names)
        for each in nodes:
            each.make_directories()
            credentials.write(each.directory / "upper", identities.nodes[each.name])
            for path, content in nodefiles.files(each, plan, names, clamped=clamped).items():
                file = each.directory / "upper" / path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        # The images of each node are hard links and a few copies, so that the threads wait for the disk.
        with ThreadPoolExecutor() as pool:
            list(pool.map(artifacts.lay, [each.directory / "containerd" for each in nodes]))
        return identities

    def _start(
        self, spec: ClusterSpec, nodes: Sequence[Node], plan: Plan, artifacts: Artifacts
    ) -> tuple[subprocess.Popen[bytes], ...]:
        """Make the network and the cgroups, and start every node."""
        cluster = spec.name
        hierarchies = cgroups.of_this_host()
        network = links.make(plan, cluster, [each.name for each in nodes])
        self._running[cluster] = RunningCluster(network, {})
        for each in nodes:
            groups = cgroups.make(hierarchies, cluster, each.name)
            config = node.launcher(
                each,
                plan,
                hierarchies,
                rootfs=artifacts.rootfs,
                programs=artifacts.programs.directory,
                stand_ins=images.stand_in_options(spec.replaces),
            )
            node.write_config(each, config)
            words = node.command(
                each,
                program=artifacts.programs.path("node"),
                network=network.path(each.name),
                groups=groups,
                parent=os.getpid(),
            )
            self._run(cluster, each.name, words, each.logs / "node.log")
        return self._running[cluster].processes

    def _run(self, cluster: str, name: str, words: Sequence[str | Path], log_file: Path) -> None:
        """Start a node. It ends with the thread that starts it."""
        started = NodeProcess(background(words, log_file=log_file, env=environment(cluster)), words, log_file)
        running = self._running[cluster]
        self._running[cluster] = replace(running, nodes={**running.nodes, name: started})

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether every node of the cluster still runs."""
        running = cgroups.of_this_host()
        return all(cgroups.processes(running, facts.name, each.name) for each in facts.nodes)

    def tend(self, name: str, directory: Path) -> None:
        """Start the requested nodes: they must be children of the process that made the cluster."""
        for node_name, taken in node_ops.wishes(directory):
            stopped = self._running[name].nodes[node_name]
            if stopped.process.poll() is not None:
                self._run(name, node_name, stopped.words, stopped.log)
                taken()

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        """Load an image, as `docker save` writes it, into every node."""
        node_ops.load_image(facts, archive)

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        """Kill every process of a node at once."""
        node_ops.stop_node(facts, node)

    def start_node(self, facts: ClusterFacts, node: str) -> None:
        """Ask the process that made the cluster to start a stopped node."""
        node_ops.start_node(facts, node)

    def enter(self, facts: ClusterFacts, node: str) -> Sequence[str]:
        """Return the command line of a shell in a node."""
        return [*nodes.enter(f"{node}@{facts.name}"), f"TERM={os.environ.get('TERM', 'dumb')}", "/bin/bash"]

    def ask_from(self, facts: ClusterFacts, words: Sequence[str], timeout: float) -> str:
        """Refuse: this host itself is on the segment of an embedded cluster, which so has no probe."""
        raise NotImplementedError(f"cluster {facts.name} has no container that asks in this host's place")

    def delete(self, name: str, directory: Path) -> None:
        """Remove every trace of the cluster, also of one that was only partly made."""
        self._end(name)
        cleanup.remove(name, directory)

    def _end(self, name: str) -> None:
        """End the parts of a cluster that live in this process."""
        running = self._running.pop(name, None)
        if running is None:
            return
        for process in running.processes:
            process.send_signal(signal.SIGKILL)
        for process in running.processes:
            process.wait()
        cleanup.end(name)
        running.network.close()

    def leftovers(self, name: str) -> Sequence[str]:
        """Return the existing traces of this cluster."""
        return cleanup.find(name)


def environment(cluster: str) -> dict[str, str]:
    """Return the environment variables of a node's processes, without any of the user's."""
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
    """Return a function that calls the given one, and raises at once when a node has ended.

    Args:
        processes: the processes of the nodes.
        logs: directory of the nodes' logs, for the error's text.
        look: returns True, or the reason why not yet.
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
    """Return the last lines of every log of the nodes' programs, for an error."""
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
