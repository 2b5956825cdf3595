"""Docker's command line, which answers about the daemon and about a cluster's objects."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, Completed, run

SECONDS = 60.0
"""Timeout of one command; a busy daemon was seen to take a second."""

VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
"""Variables that choose the daemon for Docker's command line and for k3d."""

ABSENT = ("no such ", " not found")
"""Docker's messages for a missing object, of every kind and version."""

CLUSTER_LABEL = "k3d.cluster"
"""Label of every container and volume that k3d makes; networks are found by their names."""


class NoDocker(BrokenHarness):
    """The daemon does not answer."""


@dataclass(frozen=True)
class Docker:
    """One Docker daemon.

    Attributes:
        environment: variables that choose the daemon; empty for the one of Docker's own settings.
    """

    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_environment(cls) -> Docker:
        """Return the daemon that this process's variables choose."""
        return cls({name: os.environ[name] for name in VARIABLES if os.environ.get(name)})

    @classmethod
    def read(cls, path: Path) -> Docker:
        """Return the daemon that `write` stored, or this process's if none is stored."""
        try:
            return cls(json.loads(path.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return cls.of_environment()

    def write(self, path: Path) -> None:
        """Store the daemon's address: the cluster may be removed later from a shell with other variables."""
        path.write_text(json.dumps(dict(self.environment)))

    def run(self, *words: str | Path, timeout: float = SECONDS, ok: Sequence[int] = (0,)) -> Completed:
        """Run `docker WORDS`.

        Raises:
            CommandError: the command failed.
        """
        return run(["docker", *words], timeout=timeout, ok=ok, env=self.environment)

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return Docker's description of objects; leaves out those that were removed meanwhile.

        Args:
            kind: `container`, `network`, `volume` or `image`.
            names: names or ids.
        """
        if not names:
            return []
        done = self.run(kind, "inspect", *names, ok=(0, 1))
        if done.returncode and not any(words in done.stderr.lower() for words in ABSENT):
            raise CommandError(done.argv, f"ended with status {done.returncode}", done.stderr)
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return found

    def containers(self, cluster: str) -> list[dict[str, Any]]:
        """Return the containers of a cluster, stopped ones included, ordered by their names."""
        ids = self.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={CLUSTER_LABEL}={cluster}").stdout
        return sorted(self.inspect("container", ids.split()), key=lambda each: str(each["Name"]))

    def volumes(self, cluster: str) -> list[str]:
        """Return the names of a cluster's volumes."""
        return self.run("volume", "ls", "--quiet", "--filter", f"label={CLUSTER_LABEL}={cluster}").stdout.split()

    def network(self, cluster: str) -> dict[str, Any] | None:
        """Return a cluster's network, or None if it does not exist."""
        return next(iter(self.inspect("network", [network_name(cluster)])), None)

    def subnets(self) -> list[IPv4Network]:
        """Return the subnets of all networks of the daemon."""
        ids = self.run("network", "ls", "--quiet", "--no-trunc").stdout.split()
        configs = [config for each in self.inspect("network", ids) for config in each["IPAM"]["Config"] or []]
        return [IPv4Network(config["Subnet"]) for config in configs if ":" not in config.get("Subnet", ":")]

    def gateway(self) -> str:
        """Return the daemon's host on Docker's default network; empty if it is unknown."""
        for each in self.inspect("network", ["bridge"]):
            for config in each["IPAM"]["Config"] or []:
                if ":" not in config.get("Subnet", ":"):
                    # Some versions leave out a gateway that they chose themselves, which is the first address.
                    return str(config.get("Gateway") or IPv4Network(config["Subnet"])[1])
        return ""

    def has_image(self, name: str) -> bool:
        """Tell whether the daemon has an image."""
        return bool(self.inspect("image", [name]))


def network_name(cluster: str) -> str:
    """Return the name that k3d gives a cluster's network."""
    return f"k3d-{cluster}"
