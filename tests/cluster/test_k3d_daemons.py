"""Daemons that are not root's own on this Linux: an ordinary user's, rootless ones, those of other machines, Podman."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.cluster import naming, providers
from platform_e2e.cluster.k3d import (
    appimage,
    binary,
    client_container,
    daemon,
    failures,
    judging,
    making,
    network,
    versions,
)
from platform_e2e.cluster.k3d.daemon import GIB, Daemon, Silence
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.network import addressing
from platform_e2e.cluster.provider import ClusterSpec, Images
from platform_e2e.timeline import Timeline
from tests.fakes.docker import FakeTools, tools
from tests.fakes.k3d import INFO, SOUND, TCP, container, has, rendered

__all__ = ["tools"]

REGISTRY = ClusterSpec("c", source=Images.REGISTRY)
ROOTLESS = Daemon("28.2.2", "Debian", 8 * GIB, cgroups="2", rootless=True, endpoint="unix:///run/user/1000/docker.sock")


may_send_frames = daemon.may_send_frames


@pytest.fixture(autouse=True)
def frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user who may send frames, whoever runs the tests."""
    monkeypatch.setattr(daemon, "may_send_frames", lambda: True)


# --- a user without root


@pytest.mark.point("user-without-root")
@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT])
def test_who_may_not_send_frames_asks_from_the_container_and_is_told_before_a_build(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(daemon, "may_send_frames", may_send_frames)
    monkeypatch.setattr("socket.socket", refuse)
    assert "CAP_NET_RAW" in daemon.why_no_client(SOUND)
    (note,) = judging.judge(SOUND, REGISTRY)
    assert note.what == (
        "this user may not send ARP requests (CAP_NET_RAW): addresses are asked for from a container on the cluster's network"
    )
    assert not note.fatal


@pytest.mark.point("user-without-root")
@pytest.mark.parametrize("may_send", [True, False])
def test_a_cluster_of_who_may_not_send_frames_has_a_container_that_asks(
    tools: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_send: bool
) -> None:
    monkeypatch.setattr(daemon, "why_no_client", lambda _: "" if may_send else "it may not")
    monkeypatch.setattr("platform_e2e.cluster.k3d.docker_objects.bridge", lambda *_: "br-0123456789ab")
    monkeypatch.setattr(making.Making, "_probe", lambda *_: "10.89.0.9")
    has(tools, container("k3d-c-server-0", "10.89.0.3", cluster=naming.on_host("c")))

    class Cluster:
        @staticmethod
        def version() -> str:
            return "v1.34.4"

    monkeypatch.setattr("platform_e2e.cluster.k3d.making.Kube.from_kubeconfig", lambda _: Cluster())
    plan = network.foreseen(addressing.plan([], 1, []), 1, 0)
    made = making.Making(
        REGISTRY,
        Docker(),
        SOUND,
        binary.Binary(Path("k3d"), "v5.9.0", ""),
        plan,
        ["k3d-c-server-0"],
        tmp_path,
        Timeline(None),
    )
    facts = made._facts(tmp_path / "kubeconfig")
    assert (facts.host_interface, facts.host_address, facts.probe) == (
        ("br-0123456789ab", "10.89.0.1", "")
        if may_send
        else ("", "10.89.0.9", client_container.container_name(naming.on_host("c")))
    )


@pytest.mark.point("user-without-root")
def test_the_container_may_send_frames_whatever_the_daemons_default(
    tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(tools, container("k3d-c-probe", "10.89.0.9"))
    client_container.start(Docker(), "c", "python")
    (line,) = [line for line in tools.asked() if line.startswith("docker run")]
    assert "--cap-add NET_RAW" in line


# --- rootless Docker


@pytest.mark.point("rootless-docker")
def test_the_kubelet_of_rootless_docker_is_told_that_it_has_no_root() -> None:
    gate = {"arg": "--kubelet-arg=feature-gates=KubeletInUserNamespace=true", "nodeFilters": ["all"]}
    assert gate in rendered(rootless=True)["options"]["k3s"]["extraArgs"]
    assert gate not in rendered()["options"]["k3s"]["extraArgs"]


@pytest.mark.point("rootless-docker")
@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"CPUSet": False}, "cpuset"),
        ({"CPUShares": False, "CpuCfsQuota": False}, "cpu"),
        ({"CPUSet": False, "CpuCfsQuota": False, "PidsLimit": False}, "cpu, cpuset and pids"),
        ({"MemoryLimit": False}, "memory"),
    ],
)
def test_controllers_that_are_not_delegated_are_named(said: dict[str, Any], missing: str) -> None:
    found = daemon.read({**INFO, "SecurityOptions": ["name=rootless"], **said}, ROOTLESS.endpoint)
    (problem,) = [one for one in judging.judge(found, REGISTRY) if one.fatal]
    assert problem.what.startswith("rootless Docker 28.2.2 was not given the cgroup controller")
    assert f" {missing}; k3s needs " in problem.what
    assert "Delegate=cpu cpuset io memory pids" in problem.remedy


@pytest.mark.point("rootless-docker")
def test_a_rootless_daemon_with_all_controllers_runs_clusters() -> None:
    said = {"CPUSet": True, "CPUShares": True, "CpuCfsQuota": True, "MemoryLimit": True, "PidsLimit": True}
    found = daemon.read({**INFO, "SecurityOptions": ["name=rootless"], **said}, ROOTLESS.endpoint)
    assert [one.what for one in judging.judge(found, REGISTRY) if one.fatal] == []


@pytest.mark.point("rootless-docker")
def test_a_daemon_of_root_has_every_controller_whatever_it_says() -> None:
    """On cgroups of version 1 a daemon says of some that it has them not, and containers run all the same."""
    assert judging.judge(daemon.read({**INFO, "CPUSet": False}, "unix:///var/run/docker.sock"), REGISTRY) == []


# --- Podman


PODMANS: list[tuple[dict[str, Any], str]] = [
    ({"host": {"arch": "amd64"}, "store": {}, "version": {"Version": "5.6.2"}}, "unix:///var/run/docker.sock"),
    ({**INFO, "ServerVersion": "5.6.2"}, "unix:///run/user/1000/podman/podman.sock"),
    (
        {**INFO, "ServerVersion": "5.6.2", "DockerRootDir": "/home/me/.local/share/containers/storage"},
        "unix:///var/run/docker.sock",
    ),
]


@pytest.mark.point("podman")
@pytest.mark.parametrize(("said", "endpoint"), PODMANS)
def test_podman_is_refused_by_its_name(
    tools: FakeTools, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], endpoint: str
) -> None:
    monkeypatch.setattr(daemon, "_no_socket", lambda _: None)
    tools.says("docker info", said)
    found = daemon.ask(Docker({"DOCKER_HOST": endpoint}))
    assert isinstance(found, Silence)
    assert found.reason == f"Podman 5.6.2 answers at {endpoint}, and Podman is not supported"
    assert "--provider embedded" in found.remedy


@pytest.mark.point("podman")
def test_podman_behind_dockers_api_is_known_by_its_components(tools: FakeTools) -> None:
    tools.says("docker info", {**INFO, "ServerVersion": "5.6.2"})
    tools.says("docker version", [{"Name": "Podman Engine", "Version": "5.6.2"}, {"Name": "Conmon"}])
    found = daemon.ask(TCP)
    assert isinstance(found, Silence)
    assert found.reason == "Podman 5.6.2 answers at tcp://build:2375, and Podman is not supported"
    assert "older" not in found.reason


@pytest.mark.point("podman")
def test_an_old_docker_is_no_podman(tools: FakeTools) -> None:
    tools.says("docker info", {**INFO, "ServerVersion": "19.3.1"})
    tools.says("docker version", [{"Name": "Engine", "Version": "19.3.1"}])
    found = daemon.ask(TCP)
    assert isinstance(found, Daemon)
    assert "older than 20.10" in judging.judge(found, REGISTRY)[0].what


@pytest.mark.point("podman")
def test_a_run_that_names_no_provider_takes_embedded_beside_podman(
    tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://build:2375")
    tools.says("docker info", {"host": {}, "store": {}, "version": {"Version": "4.9.3"}})
    assert providers.decide("auto").provider == "embedded"


# --- what Docker, a registry and k3d say


@pytest.mark.point("docker-failures-named")
@pytest.mark.parametrize(
    ("output", "sentence", "remedy"),
    [
        (
            'Get "https://cache:5000/v2/": http: server gave HTTP response to HTTPS client',
            "speaks http, and Docker connects by https",
            "insecure-registries",
        ),
        (
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "certificate is not trusted",
            "--registry-ca",
        ),
        ("x509: certificate has expired or is not yet valid: current time", "certificate is not trusted", "clock"),
        ("unauthorized: authentication required", "wants a login", "docker login"),
        ("401 Unauthorized", "wants a login", "docker login"),
        (
            "denied: requested access to the resource is denied",
            "allow this account",
            "docker login",
        ),
        (
            "pull access denied for team/app, repository does not exist or may require 'docker login'",
            "does not have an image of that name, or does not show it to this account",
            "docker login",
        ),
        (
            'error getting credentials - err: exec: "docker-credential-desktop": executable file not found',
            "credential",
            "credsStore",
        ),
        ("proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused", "proxy", "HTTP_PROXY"),
        ("407 Proxy Authentication Required", "proxy", "HTTP_PROXY"),
    ],
)
def test_a_failure_of_a_registry_has_its_own_remedy(output: str, sentence: str, remedy: str) -> None:
    error = failures.explain("the image cannot be fetched", f"Error response from daemon: {output}")
    assert sentence in error.problem.splitlines()[0]
    assert remedy in error.remedy


@pytest.mark.point("docker-failures-named")
@pytest.mark.parametrize("said", ["v5.9.0-rc.0", "v5.10.0-dev.3", "v5.7.1-beta"])
def test_a_k3d_that_is_no_release_is_left_alone(tools: FakeTools, said: str) -> None:
    """Its image for tools has another name than a release's, if there is one."""
    tools.says("k3d version", f"k3d version {said}\nk3s version v1.33.4-k3s1 (default)")
    assert binary.on_path() is None
    assert versions.parse(f"k3d version {said}") is None


@pytest.mark.point("docker-failures-named")
def test_an_image_is_built_without_attestations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They make a list of what Docker's containerd store would else save as one image, which nodes cannot import."""
    seen: list[tuple[str, str | None]] = []

    def note(docker: Docker, *words: object, **_: object) -> None:
        seen.append((str(words[0]), docker.environment.get("BUILDX_NO_DEFAULT_ATTESTATIONS")))

    monkeypatch.setattr(Docker, "run", note)
    appimage.build(Docker({"DOCKER_HOST": "unix:///s"}), tmp_path, "chat:1", tmp_path / "chat.tar", {})
    assert seen == [("build", "1"), ("save", None)]


@pytest.mark.point("docker-failures-named")
def test_zfs_has_one_server_only() -> None:
    for status in ({"Driver": "zfs"}, {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "zfs"]]}):
        found = daemon.read({**INFO, **status}, "unix:///var/run/docker.sock")
        (problem,) = judging.judge(found, replace(REGISTRY, nodes=3, servers=3))
        assert "keeps its files on ZFS, where several servers do not form a cluster" in problem.what
        assert judging.judge(found, REGISTRY) == []


@pytest.mark.point("docker-failures-named")
def test_on_btrfs_the_nodes_see_the_hosts_device_mapper() -> None:
    assert daemon.read({**INFO, "Driver": "btrfs"}, "unix:///s").storage == "btrfs"
    volumes = rendered(device_mapper=True)["volumes"]
    assert {"volume": "/dev/mapper:/dev/mapper", "nodeFilters": ["all"]} in volumes
