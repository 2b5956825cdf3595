"""The directory of a cluster: its files, its locks, and the processes that hold it.

Every process that uses a cluster holds a lock on its own file in `holders/`. The supervisor removes the cluster when all
these locks are free, unless the file `keep` exists.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Images
from platform_e2e.toolbox.locks import FileLock, this_process

NUMBERS = itertools.count()
"""Numbers that tell apart two holds of one process."""


@dataclass(frozen=True)
class ClusterDirectory:
    """The files of one cluster.

    Attributes:
        name: the name of the cluster.
    """

    name: str

    @property
    def path(self) -> Path:
        """Return the directory with all files of the cluster."""
        return paths.clusters() / self.name

    @property
    def lock(self) -> FileLock:
        """Return the lock for attaching, leaving and removing; it lies outside of the directory, which it outlives."""
        return FileLock(paths.clusters() / f".{self.name}.lock")

    @property
    def supervisor(self) -> FileLock:
        """Return the lock that the supervisor holds during its life."""
        return FileLock(self.path / "supervisor.lock")

    @property
    def log(self) -> Path:
        """Return the supervisor's log."""
        return self.path / "supervisor.log"

    @property
    def keep(self) -> Path:
        """Return the file whose presence keeps the cluster when no process uses it."""
        return self.path / "keep"

    @property
    def end(self) -> Path:
        """Return the file whose presence makes the supervisor remove the cluster even while processes use it."""
        return self.path / "end"

    @property
    def repository(self) -> Path | None:
        """Return the Git repository that the cluster is served from, which has commits that no checkout has; None before there is one."""
        found = self.path / "git"
        return found if found.is_dir() else None

    @property
    def facts_file(self) -> Path:
        """Return the file with the cluster's facts, which exists once the cluster is ready."""
        return self.path / "cluster.json"

    @property
    def failure_file(self) -> Path:
        """Return the file with the reason why the cluster could not be made."""
        return self.path / "failed.json"

    @property
    def spec_file(self) -> Path:
        """Return the file with the specification that the supervisor reads."""
        return self.path / "spec.json"

    def facts(self) -> ClusterFacts | None:
        """Return the cluster's facts, or None while it is being made."""
        try:
            return ClusterFacts.read(self.facts_file)
        except FileNotFoundError:
            return None

    def hold(self) -> Callable[[], None]:
        """Become a holder, and return a function that ends it. The caller must hold `lock`."""
        file = self.path / "holders" / f"{os.getpid()}-{next(NUMBERS)}"
        file.parent.mkdir(exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

        def release() -> None:
            file.unlink(missing_ok=True)
            os.close(descriptor)

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The file may have the description of a killed process with the same id.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, this_process().encode())
        except BaseException:
            release()
            raise
        return release

    def holders(self) -> list[str]:
        """Return the description of every process that holds the cluster."""
        found: list[str] = []
        # Another process may remove the directory at any time; `glob` fails if that happens while it reads.
        try:
            files = sorted((self.path / "holders").iterdir())
        except FileNotFoundError:
            return found
        for file in files:
            # A holder that leaves meanwhile is not counted.
            with contextlib.suppress(FileNotFoundError):
                if FileLock(file).is_held():
                    found.append(file.read_text())
        return found

    def generation(self) -> int:
        """Return how often the cluster was used again after its last holder had left."""
        try:
            return int((self.path / "generation").read_text())
        except FileNotFoundError:
            return 0

    def next_generation(self) -> None:
        """Increase the generation; the caller must hold `lock`, and the cluster must have no holder."""
        (self.path / "generation").write_text(str(self.generation() + 1))


def every_cluster() -> list[ClusterDirectory]:
    """Return the directory of every cluster of this user, sorted by name."""
    return [ClusterDirectory(path.name) for path in sorted(paths.clusters().glob("[!.]*")) if path.is_dir()]


def write_spec(path: Path, spec: ClusterSpec, provider: str, timeline: Path | None) -> None:
    """Store the specification for the supervisor."""
    data = {
        "name": spec.name,
        "nodes": spec.nodes,
        "pools": [[str(pool.first), str(pool.last)] for pool in spec.pools],
        "servers": spec.servers,
        "kubernetes": spec.kubernetes,
        "source": spec.source,
        "mirror": spec.mirror,
        "registries": list(spec.registries),
        "registry_ca": spec.registry_ca,
        "stand_ins": spec.stand_ins,
        "provider": provider,
        "timeline": None if timeline is None else str(timeline.absolute()),
    }
    path.write_text(json.dumps(data, indent=1))


def read_spec(path: Path) -> tuple[ClusterSpec, str, Path | None]:
    """Load what `write_spec` stored: the specification, the provider's name, the timeline's file."""
    data: dict[str, Any] = json.loads(path.read_text())
    spec = ClusterSpec(
        name=data["name"],
        nodes=data["nodes"],
        pools=tuple(AddressRange(IPv4Address(first), IPv4Address(last)) for first, last in data["pools"]),
        # A kept cluster may be older than these fields.
        servers=data.get("servers", 1),
        kubernetes=data["kubernetes"],
        source=Images(data.get("source", Images.BUILT)),
        mirror=data.get("mirror", ""),
        registries=tuple(data.get("registries", ())),
        registry_ca=data.get("registry_ca", ""),
        stand_ins=data.get("stand_ins", "none"),
    )
    return spec, data["provider"], Path(data["timeline"]) if data["timeline"] else None
