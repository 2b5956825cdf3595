"""Make one cluster: prepare its nodes, run k3d, and return the cluster's facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import (
    access,
    built,
    client_container,
    config,
    daemon,
    docker_objects,
    failures,
    image_sources,
    nodeimage,
    pulled,
)
from platform_e2e.cluster.k3d.access import NONE, Access
from platform_e2e.cluster.k3d.binary import Binary
from platform_e2e.cluster.k3d.config import K3dSpec, Volume
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.kubernetes.credentials import write
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Images, NodeFacts
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.shell import CommandError, run, stream
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import images
from platform_e2e.toolbox.artifacts import ensure_artifacts
from platform_e2e.toolbox.waiting import NotInTime

NAME = "k3d"

CREATE_SECONDS = 600.0
"""Timeout of `k3d cluster create`: 7 to 15 s were seen with all images loaded; the rest is for fetching them."""

COMMAND_SECONDS = 60.0
"""Timeout of k3d's other commands, which ask Docker a few questions."""


@dataclass(frozen=True)
class PreparedNodes:
    """The prepared nodes of one cluster.

    Attributes:
        image: the image of the containers.
        environment: environment variables of k3d.
        complete: called with the kubeconfig after k3d has ended; returns when every node is ready.
        volumes: the directories of this host in the containers.
        access: the nodes' way to registries.
    """

    image: str
    environment: Mapping[str, str]
    complete: Callable[[Path], None]
    volumes: tuple[Volume, ...] = ()
    access: Access = NONE


@dataclass(frozen=True)
class Making:
    """A cluster in the making.

    Attributes:
        spec: the requested cluster.
        docker: the Docker that gets it.
        daemon: the properties of its daemon.
        k3d: the command that makes it.
        plan: its addresses, as predicted.
        names: the names of its nodes, the servers first.
        directory: the directory for everything that is not in Docker.
        timeline: shows the progress.
    """

    spec: ClusterSpec
    docker: Docker
    daemon: Daemon
    k3d: Binary
    plan: Plan
    names: Sequence[str]
    directory: Path
    timeline: Timeline

    @property
    def name(self) -> str:
        """Return the cluster's name for k3d and Docker."""
        return naming.on_host(self.spec.name)

    def run(self) -> ClusterFacts:
        """Make it and return when every node takes pods.

        Raises:
            K3dFailed: k3d or Docker failed; the text has the meaning of their message.
            NotInTime: a node is not ready.
        """
        nodes = self._built() if self.spec.source is Images.BUILT else self._pulled()
        try:
            self._create(nodes)
            kubeconfig = self._kubeconfig()
            nodes.complete(kubeconfig)
        except BaseException:
            docker_objects.keep_logs(self.docker, self.name, self.directory / "logs" / "k3d")
            raise
        self.timeline.progress("cluster", f"{self.spec.nodes} node(s) ready")
        return self._facts(kubeconfig)

    def _built(self) -> PreparedNodes:
        """Return nodes that are built here."""
        artifacts = ensure_artifacts(self.timeline)
        image = nodeimage.ensure(self.docker, artifacts, self.timeline)
        tools = nodeimage.ensure_tools(self.docker, self.timeline)
        options = images.stand_in_options(self.spec.replaces)
        laid = built.lay(artifacts, self.plan, self.names, self.directory, stand_ins=options)
        # The cluster is closed: its DNS forwards no query, so the nodes' DNS needs no fix.
        environment = {"K3D_IMAGE_TOOLS": tools, "K3D_FIX_DNS": "0"}
        return PreparedNodes(image, environment, lambda _: laid.complete(self.directory), laid.volumes)

    def _pulled(self) -> PreparedNodes:
        """Return k3s' own nodes."""
        mirrors = image_sources.parse_mirror(self.spec.mirror)
        reached = access.lay(self.spec, self.docker, self.daemon, self.plan, names=self.names, directory=self.directory)
        for sentence in reached.notes:
            self.timeline.progress("cluster", sentence)
        image, tools = pulled.images(mirrors, self.k3d.version)
        for each in (image, tools):
            pulled.pull(self.docker, each, self.timeline)
        return PreparedNodes(
            image,
            {"K3D_IMAGE_TOOLS": tools, **reached.given},
            self._reach,
            access=reached,
        )

    def _reach(self, kubeconfig: Path) -> None:
        """Wait until every node takes pods; a firewall may be in the way on another machine."""
        try:
            pulled.wait_until_ready(kubeconfig, self.names)
        except (NotInTime, ApiError) as error:
            if not self.daemon.host:
                raise
            raise K3dFailed(
                f"this host must reach the nodes of cluster {self.spec.name} on {self.daemon.host}, got: {error.problem}",
                f"open the ports of Docker's containers in the firewall of {self.daemon.host}, or run this on that machine",
            ) from error

    def _create(self, nodes: PreparedNodes) -> None:
        """Run k3d, which makes the containers, and wait for its end."""
        shape = K3dSpec(
            self.name,
            nodes.image,
            self.spec.servers,
            self.spec.nodes - self.spec.servers,
            self.plan.segment,
            # On another machine a loopback address would be that machine's.
            api="0.0.0.0" if self.daemon.host else "127.0.0.1",
            host=self.daemon.host,
            volumes=nodes.volumes,
            registries=nodes.access.registries,
            mirrored=bool(self.spec.mirror),
            environment=tuple(nodes.access.proxies),
            files=nodes.access.files,
            rootless=self.daemon.rootless,
            device_mapper=self.daemon.storage == "btrfs",
        )
        file = self.directory / "k3d.yaml"
        file.write_text(config.render(shape))
        logs = self.directory / "logs" / "k3d"
        logs.mkdir(parents=True, exist_ok=True)
        self.timeline.progress(
            "cluster", f"segment {shape.subnet}; k3d {self.k3d.version}, {self.k3d.origin}, with {file}"
        )
        try:
            stream(
                [self.k3d.path, "cluster", "create", "--config", file],
                timeout=CREATE_SECONDS,
                on_line=lambda line: self.timeline.progress("cluster", f"k3d: {docker_objects.plain(line)}"),
                log_file=logs / "create.log",
                env={**docker_objects.environment_of(self.directory), **nodes.environment},
                tied=True,
            )
        except CommandError as error:
            output = docker_objects.plain(error.output)
            raise failures.explain(f"k3d could not make cluster {self.spec.name}", output) from error

    def _kubeconfig(self) -> Path:
        """Write the administrator's kubeconfig into the cluster's directory; the user's own stays unchanged."""
        words: list[str | Path] = [self.k3d.path, "kubeconfig", "get", self.name]
        told = run(words, timeout=COMMAND_SECONDS, env=docker_objects.environment_of(self.directory))
        write(self.directory, {"kubeconfig": told.stdout.encode()})
        return self.directory / "kubeconfig"

    def _probe(self, why: str) -> str:
        """Start a container that sends requests on the segment in this host's place, and return its address; `why` is shown."""
        if self.spec.source is Images.BUILT:
            image = client_container.ensure_built(self.docker, self.timeline)
        else:
            image = pulled.at(client_container.IMAGE, image_sources.parse_mirror(self.spec.mirror))
            pulled.pull(self.docker, image, self.timeline)
        address = client_container.start(self.docker, self.name, image)
        self.timeline.progress("cluster", f"{why}: {address}, a container, asks there")
        return address

    def _facts(self, kubeconfig: Path) -> ClusterFacts:
        why = daemon.why_no_client(self.daemon)
        bridge = "" if why else docker_objects.bridge(self.docker, self.name)
        asker = str(self.plan.host) if bridge else self._probe(why or "this host has no interface on the segment")
        found = docker_objects.addresses(self.docker, self.name)
        docker_objects.keep_out_of_pools(self.spec, self.plan, found)
        return ClusterFacts(
            name=self.spec.name,
            provider=NAME,
            directory=str(self.directory),
            kubeconfig=str(kubeconfig),
            kubernetes=Kube.from_kubeconfig(kubeconfig).version(),
            nodes=tuple(NodeFacts(name, str(found[name]), f"docker://{name}") for name in self.names),
            segment=str(self.plan.segment),
            host_address=asker,
            host_interface=bridge,
            pool_map=self.plan.pool_map,
            images=self.spec.source.value,
            stand_ins=self.spec.replaces,
            probe="" if bridge else client_container.container_name(self.name),
        )
