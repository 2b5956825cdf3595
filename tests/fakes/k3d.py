"""What Docker says of itself and of the containers of k3d, for `docker.py`."""

from __future__ import annotations

import io
from ipaddress import IPv4Network
from typing import Any

from ruamel.yaml import YAML

from platform_e2e.cluster.k3d import config
from platform_e2e.cluster.k3d.config import K3dSpec
from platform_e2e.cluster.k3d.daemon import GIB, Daemon
from platform_e2e.cluster.k3d.docker import Docker
from tests.fakes.docker import FakeTools

TCP = Docker({"DOCKER_HOST": "tcp://build:2375"})
INFO: dict[str, Any] = {
    "ServerVersion": "28.2.2",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "MemTotal": 8 * GIB,
    "DockerRootDir": "/var/lib/docker",
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}
SOUND = Daemon("28.2.2", "Debian", 8 * GIB, "/var/lib/docker", 50 * GIB, "2", endpoint="unix:///var/run/docker.sock")


def container(
    name: str, address: str = "", *, running: bool = True, pinned: str = "", cluster: str = "c"
) -> dict[str, Any]:
    endpoint = {"IPAddress": address, "IPAMConfig": {"IPv4Address": pinned} if pinned else None}
    return {
        "Id": f"id-{name}",
        "Name": f"/{name}",
        "State": {"Running": running},
        "NetworkSettings": {"Networks": {f"k3d-{cluster}": endpoint}},
    }


def has(tools: FakeTools, *containers: dict[str, Any]) -> None:
    tools.says("docker ps", "\n".join(each["Id"] for each in containers))
    tools.says("docker container inspect", list(containers))


def rendered(**chosen: Any) -> Any:
    shape = K3dSpec(
        "c", "image", chosen.pop("servers", 1), chosen.pop("agents", 2), IPv4Network("10.89.0.0/24"), **chosen
    )
    return YAML(typ="safe").load(io.StringIO(config.render(shape)))
