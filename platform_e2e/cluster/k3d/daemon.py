"""The properties of a Docker daemon, and the reasons why a daemon does not answer."""

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
"""Timeout of `docker info`; a tenth of a second is usual."""

SOCKET_SECONDS = 1.0

OLDEST = (20, 10)
"""Debian 12's; older ones have no private cgroups and were not tried."""

CONTROLLERS = {
    "cpu": ("CPUShares", "CpuCfsQuota"),
    "cpuset": ("CPUSet",),
    "memory": ("MemoryLimit",),
    "pids": ("PidsLimit",),
}
"""Cgroup controllers that a kubelet needs, and the field of `docker info` for each."""

PODMANS_STORE = "containers/storage"
"""The end of the path of Podman's directory, for every user."""


@dataclass(frozen=True)
class Daemon:
    """A Docker daemon.

    Attributes:
        version: the daemon's version.
        system: the operating system that it runs on, by its own name for it.
        memory: its bytes of memory.
        root: its directory, as a path on its machine.
        free: free bytes there, or None if this host cannot see it.
        cgroups: the version of cgroups, `1` or `2`.
        rootless: whether it runs without root.
        local: whether it sees this host's files and this host sees its networks.
        endpoint: the address that it listens on.
        storage: the file system of its directory, such as `extfs` or `btrfs`; empty if it does not report one.
        insecure: registries and networks that its settings reach by http or without a known certificate.
        undelegated: cgroup controllers that k3s needs and it lacks; it may not have requested them.
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
        """Tell whether it runs in Docker Desktop's virtual machine."""
        return "docker desktop" in self.system.lower()

    @property
    def host(self) -> str:
        """Return the address of the other machine that it runs on; empty if it runs on this one."""
        scheme, _, rest = self.endpoint.partition("://")
        if scheme not in {"tcp", "ssh", "http", "https"}:
            return ""
        name = urlsplit(f"//{rest}").hostname or ""
        return "" if name == "localhost" or name.startswith("127.") or name == "::1" else name

    @property
    def reachable(self) -> bool:
        """Tell whether this host has an interface on the daemon's networks."""
        return self.local and not self.rootless

    def __str__(self) -> str:
        """Return a name for a person."""
        kind = "Docker Desktop" if self.desktop else "rootless Docker" if self.rootless else "Docker"
        return f"{kind} {self.version}"


@dataclass(frozen=True)
class Silence:
    """The reason why no daemon answers, and the remedy."""

    reason: str
    remedy: str


def ask(docker: Docker) -> Daemon | Silence:
    """Return the daemon's properties, or why none answers; quick, and changes nothing."""
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
    """Return a daemon from the answer to `docker info`.

    Args:
        said: the answer.
        endpoint: the address that it listens on.
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
    """Return why this process cannot send requests on the daemon's networks itself, as a clause; empty if it can."""
    if not daemon.reachable:
        return f"this host has no access to the networks of {daemon}"
    return "" if may_send_frames() else "this user may not send ARP requests (CAP_NET_RAW)"


def may_send_frames() -> bool:
    """Tell, by trying, whether this process may send frames: a capability counts only in the namespace that owns the network."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def _podman(docker: Docker, said: Mapping[str, Any], endpoint: str) -> str | None:
    """Return the version of Podman if it answers in place of Docker, or None.

    Podman's own command has another format of `info`. Behind Docker's command, Podman reports its own version, which is lower
    than any Docker in use, and its components identify it.
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
    """Return the daemon's `insecure-registries`: hosts, with their ports, and networks."""
    hosts = (name for name, each in (settings.get("IndexConfigs") or {}).items() if each.get("Secure") is False)
    return (*map(str, hosts), *map(str, settings.get("InsecureRegistryCIDRs") or ()))


def _storage(said: Mapping[str, Any]) -> str:
    """Return the file system of the daemon's directory."""
    driver = str(said.get("Driver", ""))
    backing = {str(row[0]): str(row[1]) for row in said.get("DriverStatus") or () if len(row) == 2}
    return driver if driver in {"btrfs", "zfs"} else backing.get("Backing Filesystem", "")


def _endpoint(docker: Docker) -> str:
    """Return the daemon's address, without asking it."""
    host = docker.environment.get("DOCKER_HOST")
    if host:
        return _by_address(host)
    if docker.environment.get("DOCKER_CONTEXT") or (Path.home() / ".docker" / "config.json").exists():
        with contextlib.suppress(CommandError):
            words = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
            return _by_address(docker.run(*words, timeout=INFO_SECONDS).stdout.strip())
    return "unix:///var/run/docker.sock"


def _by_address(endpoint: str) -> str:
    """Return an endpoint with the machine's real name instead of an alias of ssh's configuration, which only ssh can resolve."""
    if not endpoint.startswith("ssh://") or which("ssh") is None:
        return endpoint
    split = urlsplit(endpoint)
    with contextlib.suppress(CommandError):
        # ssh -G prints the settings that it would use, and opens no connection.
        for line in run(["ssh", "-G", "--", split.hostname or ""], timeout=INFO_SECONDS).stdout.splitlines():
            if line.startswith("hostname "):
                return split._replace(netloc=line.removeprefix("hostname ")).geturl()
    return endpoint


def _no_socket(endpoint: str) -> Silence | None:
    """Return why no daemon listens at a socket of this host; ignores other endpoints."""
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
    """Return the first two numbers of a version."""
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2] if part.isdecimal())


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1].strip()
