"""What a Docker daemon says of itself, and what of it keeps k3d from working there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.shell import CommandError, run, which

GIB = 1024**3

INFO_SECONDS = 10.0
"""For `docker info`; a tenth of a second is usual."""

SOCKET_SECONDS = 1.0

OLDEST = (20, 10)
"""Debian 12's; what is older has no private cgroups and was not tried."""

CONTROLLERS = {
    "cpu": ("CPUShares", "CpuCfsQuota"),
    "cpuset": ("CPUSet",),
    "memory": ("MemoryLimit",),
    "pids": ("PidsLimit",),
}
"""Controllers of cgroups that a kubelet needs, and where `docker info` says that the daemon has them."""

PODMANS_STORE = "containers/storage"
"""The end of Podman's directory, whoever runs it."""


@dataclass(frozen=True)
class Daemon:
    """A Docker daemon.

    Attributes:
        version: of it.
        system: the operating system that it runs on, as it calls it.
        memory: bytes that it has.
        root: its directory, as the daemon sees it.
        free: free bytes there, None where this host cannot see it.
        cgroups: version, `1` or `2`.
        rootless: whether it runs without root.
        local: whether it sees this host's files and this host its networks.
        endpoint: where it listens.
        storage: file system that its files lie on, such as `extfs` or `btrfs`; empty where it does not say.
        insecure: registries and networks that it asks by http or without a known certificate, by its settings.
        undelegated: controllers of cgroups that it lacks, of those that k3s needs; it may not have asked for them.
    """

    version: str
    system: str = ""
    memory: int = 0
    root: str = ""
    free: int | None = None
    cgroups: str = ""
    rootless: bool = False
    local: bool = True
    endpoint: str = ""
    storage: str = ""
    insecure: tuple[str, ...] = ()
    undelegated: tuple[str, ...] = ()

    @property
    def desktop(self) -> bool:
        """Tell whether it lives in Docker Desktop's virtual machine."""
        return "docker desktop" in self.system.lower()

    @property
    def host(self) -> str:
        """Return the other machine that it lives on, as this one reaches it; empty where it lives on this one."""
        scheme, _, rest = self.endpoint.partition("://")
        if scheme not in {"tcp", "ssh", "http", "https"}:
            return ""
        name = urlsplit(f"//{rest}").hostname or ""
        return "" if name == "localhost" or name.startswith("127.") or name == "::1" else name

    @property
    def reachable(self) -> bool:
        """Tell whether this host is a client on the daemon's networks."""
        return self.local and not self.rootless

    def __str__(self) -> str:
        """Name it as a person would."""
        kind = "Docker Desktop" if self.desktop else "rootless Docker" if self.rootless else "Docker"
        return f"{kind} {self.version}"


@dataclass(frozen=True)
class Silence:
    """Why no daemon answers."""

    reason: str
    remedy: str


def ask(docker: Docker) -> Daemon | Silence:
    """Return what the daemon says of itself, or why none answers; quick, and nothing is changed."""
    if which("docker") is None:
        return Silence("there is no docker command on PATH", "install Docker: https://docs.docker.com/engine/install/")
    endpoint = _endpoint(docker)
    silent = _no_socket(endpoint)
    if silent:
        return silent
    try:
        said = json.loads(docker.run("info", "--format", "{{json .}}", timeout=INFO_SECONDS).stdout)
    except (CommandError, json.JSONDecodeError) as error:
        return Silence(
            f"the Docker daemon at {endpoint} does not answer: {_last_line(str(error))}", "see `docker info`"
        )
    podman = _podman(docker, said, endpoint)
    if podman is not None:
        return Silence(
            f"{f'Podman {podman}'.rstrip()} answers at {endpoint}, and Podman is not supported",
            "use Docker 20.10 or newer (DOCKER_HOST says which daemon is asked), or --provider embedded on Linux as root",
        )
    if said.get("ServerErrors"):
        return Silence(
            f"the Docker daemon at {endpoint} does not answer: {said['ServerErrors'][0]}", "see `docker info`"
        )
    return read(said, endpoint)


def read(said: Mapping[str, Any], endpoint: str) -> Daemon:
    """Return the daemon from what `docker info` says.

    Args:
        said: its answer.
        endpoint: where it listens.
    """
    options = [str(option) for option in said.get("SecurityOptions") or []]
    system = str(said.get("OperatingSystem", ""))
    local = sys.platform == "linux" and endpoint.startswith("unix://") and "docker desktop" not in system.lower()
    root = Path(str(said.get("DockerRootDir", "")))
    return Daemon(
        version=str(said.get("ServerVersion", "")),
        system=system,
        memory=int(said.get("MemTotal", 0)),
        root=str(root),
        free=_free(root) if local else None,
        cgroups=str(said.get("CgroupVersion", "")),
        rootless=any("rootless" in option for option in options),
        local=local,
        endpoint=endpoint,
        storage=_storage(said),
        insecure=_insecure(said.get("RegistryConfig") or {}),
        undelegated=tuple(
            name for name, keys in CONTROLLERS.items() if not all(said.get(key, True) is not False for key in keys)
        ),
    )


def why_no_client(daemon: Daemon) -> str:
    """Return why this process cannot ask on the daemon's networks itself, as the start of a sentence; empty where it can."""
    if not daemon.reachable:
        return f"this host is no client on the networks of {daemon}"
    return "" if may_send_frames() else "this user may not send ARP requests (CAP_NET_RAW)"


def may_send_frames() -> bool:
    """Tell whether this process may send frames. Tried, not read: a capability counts in the namespace that owns the network."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def _podman(docker: Docker, said: Mapping[str, Any], endpoint: str) -> str | None:
    """Return the version of Podman where it answers in Docker's place, or None.

    Podman's own command has another form of `info`. Behind Docker's, Podman states its own version, which is older than any
    Docker that is used, and says by its components what it is.
    """
    if "host" in said and "store" in said:
        return str((said.get("version") or {}).get("Version", ""))
    version = str(said.get("ServerVersion", ""))
    if "podman" in endpoint or str(said.get("DockerRootDir", "")).rstrip("/").endswith(PODMANS_STORE):
        return version
    if not version or numbers(version) >= OLDEST:
        return None
    with contextlib.suppress(CommandError, json.JSONDecodeError):
        words = ("version", "--format", "{{json .Server.Components}}")
        for each in json.loads(docker.run(*words, timeout=INFO_SECONDS).stdout) or ():
            if "podman" in str(each.get("Name", "")).lower():
                return version
    return None


def _insecure(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the daemon's `insecure-registries` are: hosts, with their ports, and networks."""
    hosts = (name for name, each in (settings.get("IndexConfigs") or {}).items() if each.get("Secure") is False)
    return (*map(str, hosts), *map(str, settings.get("InsecureRegistryCIDRs") or ()))


def _storage(said: Mapping[str, Any]) -> str:
    """Return the file system below the daemon's directory."""
    driver = str(said.get("Driver", ""))
    backing = {str(row[0]): str(row[1]) for row in said.get("DriverStatus") or () if len(row) == 2}
    return driver if driver in {"btrfs", "zfs"} else backing.get("Backing Filesystem", "")


def _endpoint(docker: Docker) -> str:
    """Return where the daemon listens, without asking it."""
    host = docker.environment.get("DOCKER_HOST")
    if host:
        return _by_address(host)
    if docker.environment.get("DOCKER_CONTEXT") or (Path.home() / ".docker" / "config.json").exists():
        with contextlib.suppress(CommandError):
            words = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
            return _by_address(docker.run(*words, timeout=INFO_SECONDS).stdout.strip())
    return "unix:///var/run/docker.sock"


def _by_address(endpoint: str) -> str:
    """Return an endpoint with the machine's own name where it is an alias of ssh's configuration, which nothing else knows."""
    if not endpoint.startswith("ssh://") or which("ssh") is None:
        return endpoint
    split = urlsplit(endpoint)
    with contextlib.suppress(CommandError):
        # It prints what would be used, and connects nowhere.
        for line in run(["ssh", "-G", "--", split.hostname or ""], timeout=INFO_SECONDS).stdout.splitlines():
            if line.startswith("hostname "):
                return split._replace(netloc=line.removeprefix("hostname ")).geturl()
    return endpoint


def _no_socket(endpoint: str) -> Silence | None:
    """Return why nobody listens at a socket of this host; other endpoints are not looked at."""
    if not endpoint.startswith("unix://"):
        return None
    path = endpoint.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(SOCKET_SECONDS)
        try:
            probe.connect(path)
        except PermissionError:
            return Silence(
                f"user {os.geteuid()} may not use the Docker daemon at {path}",
                "add the user to the group docker, or run as root",
            )
        except OSError as error:
            return Silence(f"no Docker daemon answers at {path}: {error.strerror or error}", "start Docker")
    return None


def _free(root: Path) -> int | None:
    try:
        stats = os.statvfs(root)
    except OSError:
        return None
    return stats.f_bavail * stats.f_frsize


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's first two numbers."""
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2] if part.isdecimal())


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip()
