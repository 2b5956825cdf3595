"""Where a cluster lives: its directory, its lock, and those who hold it.

Every process that uses a cluster keeps a lock on a file of its own in `holders/`. The supervisor removes the cluster
when none of these locks is held any more, unless the file `keep` says that the cluster stays.
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
"""Tells two holds of one process apart."""


@dataclass(frozen=True)
class ClusterDirectory:
    """The files of one cluster.

    Attributes:
        name: of the cluster.
    """

    name: str

    @property
    def path(self) -> Path:
        """Return the directory of all that belongs to the cluster."""
        return paths.clusters() / self.name

    @property
    def lock(self) -> FileLock:
        """Return the lock for coming, going and removing; it is outside of the directory, which it outlives."""
        return FileLock(paths.clusters() / f".{self.name}.lock")

    @property
    def supervisor(self) -> FileLock:
        """Return the lock that the supervisor holds as long as it lives."""
        return FileLock(self.path / "supervisor.lock")

    @property
    def log(self) -> Path:
        """Return the supervisor's log."""
        return self.path / "supervisor.log"

    @property
    def keep(self) -> Path:
        """Return the file whose presence keeps the cluster when nobody uses it."""
        return self.path / "keep"

    @property
    def end(self) -> Path:
        """Return the file whose presence ends the cluster although somebody uses it."""
        return self.path / "end"

    @property
    def facts_file(self) -> Path:
        """Return the file that is there once the cluster can be used."""
        return self.path / "cluster.json"

    @property
    def failure_file(self) -> Path:
        """Return the file that says why the cluster could not be made."""
        return self.path / "failed.json"

    @property
    def spec_file(self) -> Path:
        """Return the file that tells the supervisor what to make."""
        return self.path / "spec.json"

    def facts(self) -> ClusterFacts | None:
        """Return the cluster's facts, or None as long as it is being made."""
        try:
            return ClusterFacts.read(self.facts_file)
        except FileNotFoundError:
            return None

    def hold(self) -> Callable[[], None]:
        """Become a holder, and return what ends that. The caller holds `lock` meanwhile."""
        file = self.path / "holders" / f"{os.getpid()}-{next(NUMBERS)}"
        file.parent.mkdir(exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

        def release() -> None:
            file.unlink(missing_ok=True)
            os.close(descriptor)

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A process of the same number that was killed may have left its words.
            os.ftruncate(descriptor, 0)
            os.write(descriptor, this_process().encode())
        except BaseException:
            release()
            raise
        return release

    def holders(self) -> list[str]:
        """Return the words of every process that holds the cluster."""
        found: list[str] = []
        # Whoever removes the cluster takes the directory away; `glob` fails where that happens while it looks.
        try:
            files = sorted((self.path / "holders").iterdir())
        except FileNotFoundError:
            return found
        for file in files:
            # One that goes while we look is none.
            with contextlib.suppress(FileNotFoundError):
                if FileLock(file).is_held():
                    found.append(file.read_text())
        return found

    def generation(self) -> int:
        """Return how often the cluster was taken up again after nobody had held it."""
        try:
            return int((self.path / "generation").read_text())
        except FileNotFoundError:
            return 0

    def next_generation(self) -> None:
        """Count up; the caller holds `lock` and nobody holds the cluster."""
        (self.path / "generation").write_text(str(self.generation() + 1))


def every_cluster() -> list[ClusterDirectory]:
    """Return the place of every cluster of this user, in order of their names."""
    return [ClusterDirectory(path.name) for path in sorted(paths.clusters().glob("[!.]*")) if path.is_dir()]


def write_spec(path: Path, spec: ClusterSpec, provider: str, timeline: Path | None) -> None:
    """Store what the supervisor needs to know."""
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
        # A kept cluster may be older than these.
        servers=data.get("servers", 1),
        kubernetes=data["kubernetes"],
        source=Images(data.get("source", Images.BUILT)),
        mirror=data.get("mirror", ""),
        registries=tuple(data.get("registries", ())),
        registry_ca=data.get("registry_ca", ""),
    )
    return spec, data["provider"], Path(data["timeline"]) if data["timeline"] else None
