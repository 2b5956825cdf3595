"""What is learned from Docker and k3d, with programs of their names that say what a test has written down."""

from __future__ import annotations

import io
import json
import tarfile
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import naming, providers
from platform_e2e.cluster.k3d import (
    binary,
    daemon,
    docker_objects,
    failures,
    image_sources,
    inventory,
    judging,
    network,
    node_ops,
    pulled,
)
from platform_e2e.cluster.k3d.daemon import GIB, Daemon, Silence
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.k3d.provider import K3dProvider
from platform_e2e.cluster.network import addressing
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Images, NodeFacts
from platform_e2e.errors import WrongUsage
from platform_e2e.shell import CommandError
from tests.fakes.docker import FakeTools, tools
from tests.fakes.k3d import INFO, SOUND, TCP, container, has

__all__ = ["tools"]

POOL = AddressRange.parse("10.89.0.200-10.89.0.220")
QUAY = image_sources.Supplies(("quay.io",))


@pytest.fixture(autouse=True)
def frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user who may send frames, whoever runs the tests."""
    monkeypatch.setattr(daemon, "may_send_frames", lambda: True)


# --- the daemon


def test_a_daemon_is_read_from_what_docker_info_says(tools: FakeTools) -> None:
    tools.says("docker info", INFO)
    found = daemon.ask(TCP)
    assert isinstance(found, Daemon)
    assert (str(found), found.cgroups, found.rootless, found.memory) == ("Docker 28.2.2", "2", False, 8 * GIB)
    assert not found.local, "it listens on another machine"
    assert not found.reachable


def test_a_daemon_on_a_socket_of_this_host_is_local() -> None:
    found = daemon.read(INFO, "unix:///var/run/docker.sock")
    assert found.local
    assert found.reachable


def test_docker_desktop_lives_in_a_machine_of_its_own() -> None:
    found = daemon.read({**INFO, "OperatingSystem": "Docker Desktop"}, "unix:///home/me/.docker/desktop/docker.sock")
    assert str(found) == "Docker Desktop 28.2.2"
    assert not found.local


def test_a_rootless_daemon_has_networks_of_its_own() -> None:
    found = daemon.read({**INFO, "SecurityOptions": ["name=rootless"]}, "unix:///run/user/1000/docker.sock")
    assert str(found) == "rootless Docker 28.2.2"
    assert found.local
    assert not found.reachable


def test_no_docker_command_is_a_silence_with_the_remedy(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "which", lambda _: None)
    found = daemon.ask(Docker())
    assert isinstance(found, Silence)
    assert found.reason == "there is no docker command on PATH"
    assert "docs.docker.com" in found.remedy


def test_no_socket_is_a_silence_without_asking_docker(tools: FakeTools, tmp_path: Path) -> None:
    found = daemon.ask(Docker({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}))
    assert isinstance(found, Silence)
    assert found.reason == f"no Docker daemon answers at {tmp_path}/docker.sock: No such file or directory"
    assert tools.asked() == []


def test_a_daemon_that_answers_with_an_error_is_a_silence(tools: FakeTools) -> None:
    tools.says("docker info", {"ServerErrors": ["Cannot connect to the Docker daemon at tcp://build:2375."]})
    found = daemon.ask(TCP)
    assert isinstance(found, Silence)
    assert "Cannot connect to the Docker daemon" in found.reason


@pytest.mark.parametrize(
    ("change", "spec", "what", "remedy"),
    [
        ({"version": "19.03.1"}, {}, "Docker 19.03.1 is older than 20.10", "install a newer Docker"),
        ({"memory": 2 * GIB}, {}, "Docker 28.2.2 has 2.0 GiB of memory; 1 node(s) need 4 GiB", "to its machine"),
        (
            {"memory": 5 * GIB},
            {"nodes": 3},
            "Docker 28.2.2 has 5.0 GiB of memory; 3 node(s) need 6 GiB",
            "fewer --nodes",
        ),
        ({"free": GIB}, {}, "1.0 GiB are free below /var/lib/docker; Docker needs 6 GiB there", "docker system prune"),
    ],
)
def test_what_a_daemon_lacks_is_named_with_the_remedy(
    change: dict[str, Any], spec: dict[str, Any], what: str, remedy: str
) -> None:
    (problem,) = judging.judge(Daemon(**{**SOUND.__dict__, **change}), ClusterSpec("c", **spec))
    assert problem.what == what
    assert remedy in problem.remedy
    assert problem.fatal


def test_docker_desktops_memory_is_a_setting() -> None:
    desktop = Daemon("28.2.2", "Docker Desktop", 2 * GIB, local=False)
    little, elsewhere = judging.judge(desktop, ClusterSpec("c", source=Images.REGISTRY))
    assert "in its settings, under Resources" in little.remedy
    assert "addresses are asked for from a container on the cluster's network" in elsewhere.what
    assert not elsewhere.fatal


def test_a_rootless_daemon_wants_cgroups_v2_and_a_registry() -> None:
    rootless = Daemon("28.2.2", "Debian", 8 * GIB, cgroups="1", rootless=True)
    whats = [problem.what for problem in judging.judge(rootless, ClusterSpec("c")) if problem.fatal]
    assert whats == [
        "rootless Docker 28.2.2 has cgroups of version 1; k3s needs version 2 there",
        "rootless Docker 28.2.2 cannot run nodes that are built here: their files belong to root",
    ]


def test_a_sound_daemon_has_no_problem() -> None:
    assert judging.judge(SOUND, ClusterSpec("c")) == []


# --- which provider


@pytest.fixture
def answering(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    monkeypatch.setattr(daemon, "ask", lambda _docker: SOUND)
    return tools


def registries(monkeypatch: pytest.MonkeyPatch, *silent: str) -> None:
    def ask(url: str, ca: str = "") -> str:
        return "ConnectionError" if any(name in url for name in silent) else ""

    monkeypatch.setattr(image_sources, "ask", ask)
    monkeypatch.setattr(image_sources, "cannot_build", lambda *, local: "" if local else "it is elsewhere")


def test_without_docker_it_is_the_embedded_cluster_and_the_reason_is_said(
    tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "ask", lambda _docker: Silence("no Docker daemon answers at /s", "start Docker"))
    choice = providers.decide("auto")
    assert str(choice) == "embedded with images built: no Docker daemon answers at /s"
    with pytest.raises(providers.NoDaemon, match=r"k3d needs Docker: no Docker daemon answers at /s\n.*start Docker"):
        providers.decide("k3d")


def test_with_docker_and_registries_it_is_k3d(answering: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    registries(monkeypatch)
    assert str(providers.decide("auto")) == (
        "k3d with images registry: Docker 28.2.2 answers; images: every registry answers"
    )


def test_without_registries_k3d_has_nodes_that_are_built(answering: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    registries(monkeypatch, "quay.io", "ghcr.io")
    choice = providers.decide("auto", supplies=QUAY)
    assert (choice.provider, choice.images) == ("k3d", Images.BUILT)
    assert "ghcr.io and quay.io cannot be reached (ConnectionError)" in choice.reason


def test_without_registries_and_without_building_it_is_embedded(
    answering: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    registries(monkeypatch, "quay.io")
    monkeypatch.setattr(image_sources, "cannot_build", lambda *, local: "images are built by root only")
    choice = providers.decide("auto", supplies=QUAY)
    assert choice.provider == "embedded"
    assert choice.reason == (
        "Docker 28.2.2 answers, but quay.io cannot be reached (ConnectionError), and images are built by root only"
    )
    with pytest.raises(providers.NoImages, match=r"k3d cannot get its images: quay.io cannot be reached"):
        providers.decide("k3d", supplies=QUAY)
    with pytest.raises(providers.NoImages, match=r"--registry-mirror"):
        providers.decide("auto", "registry", supplies=QUAY)


def test_a_mirror_is_asked_in_place_of_the_registries(answering: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    registries(monkeypatch, "quay.io", "docker.io")
    choice = providers.decide("auto", "auto", "http://mirror:5000")
    assert (choice.provider, choice.images) == ("k3d", Images.MIRROR)
    registries(monkeypatch, "mirror")
    with pytest.raises(providers.NoImages, match="http://mirror:5000 cannot be reached"):
        providers.decide("auto", "auto", "http://mirror:5000")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("kinder",), "the provider must be one of auto, embedded, k3d, got `kinder`"),
        (("embedded", "registry"), "the embedded cluster builds its images and takes no others"),
        (("k3d", "mirror"), "--images mirror must come with a mirror, got none"),
        (("k3d", "built", "http://m"), "--registry-mirror has no use with --images built"),
        (
            ("k3d", "mirror", "mirror"),
            "--registry-mirror must be a URL, or REGISTRY=URL once for each registry, got `mirror`",
        ),
    ],
)
def test_options_that_do_not_fit_together_are_refused(answering: FakeTools, asked: tuple[str, ...], text: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        providers.decide(*asked)
    assert text in str(caught.value)


def test_building_needs_linux_root_and_a_daemon_that_sees_the_files() -> None:
    assert image_sources.cannot_build(local=True, system="linux", user=0) == ""
    assert "Linux only" in image_sources.cannot_build(local=True, system="darwin", user=0)
    assert "root only" in image_sources.cannot_build(local=True, system="linux", user=1000)
    assert "on this host" in image_sources.cannot_build(local=False, system="linux", user=0)


# --- mirrors


def test_mirrors_are_for_every_registry_or_for_some() -> None:
    assert image_sources.parse_mirror("https://mirror/") == {"*": "https://mirror"}
    assert image_sources.parse_mirror("docker.io=http://a:5000, quay.io=http://b") == {
        "docker.io": "http://a:5000",
        "quay.io": "http://b",
    }


def test_an_image_is_fetched_from_the_mirror_of_its_registry() -> None:
    node, tools = pulled.images({"docker.io": "http://cache:5000"}, "v5.9.0")
    assert node.startswith("cache:5000/rancher/k3s:v1.")
    assert tools == "ghcr.io/k3d-io/k3d-tools:5.9.0"


# --- k3d itself


def test_k3d_on_path_is_used_where_it_fits(tools: FakeTools) -> None:
    tools.says("k3d version", "k3d version v5.10.1\nk3s version v1.33.4-k3s1 (default)\n")
    found = binary.on_path()
    assert found is not None
    assert (found.path, found.version, found.origin) == (tools.bin / "k3d", "v5.10.1", "on PATH")


@pytest.mark.parametrize("said", ["k3d version v5.6.3", "k3d version v6.0.0", "k3d version v5-dev", ""])
def test_another_k3d_on_path_is_left_alone(tools: FakeTools, said: str) -> None:
    tools.says("k3d version", said)
    assert binary.on_path() is None


@pytest.mark.parametrize(
    ("output", "sentence", "remedy"),
    [
        ("toomanyrequests: You have reached your unauthenticated pull rate limit.", "pull limit is reached", "login"),
        ("write /x: no space left on device", "Docker's disk is full", "docker system df"),
        (
            "FATA[0000] Failed to create cluster 'c' because a cluster with that name already exists",
            "exists",
            "--cluster",
        ),
        ("Error: Pool overlaps with other one on this address space", "network overlaps", "run again"),
        (
            "driver failed: Bind for 127.0.0.1:6443 failed: port is already allocated",
            "a port that k3d chose",
            "run again",
        ),
        ("Cannot connect to the Docker daemon at unix:///s. Is it running?", "daemon has gone away", "start it again"),
        ("runc create failed: unable to apply caps: operation not permitted", "CAP_SYS_RESOURCE", ".ci/docker"),
        ("dial tcp: lookup ghcr.io on 10.0.0.1:53: no such host", "a registry cannot be reached", "--registry-mirror"),
        (
            "manifest for m:5000/rancher/k3s:v1 not found: manifest unknown",
            "does not have an image",
            "mirror must have",
        ),
        ("something new", "k3d could not make cluster c", "logs are kept"),
    ],
)
def test_what_k3d_prints_becomes_a_cause_and_a_remedy(output: str, sentence: str, remedy: str) -> None:
    error = failures.explain("k3d could not make cluster c", f"INFO[0000] Prep: Network\n{output}\n")
    assert sentence in error.problem
    assert output in error.problem
    assert remedy in error.remedy


def test_an_image_that_cannot_be_fetched_says_why(tools: FakeTools) -> None:
    from platform_e2e.timeline import Timeline

    tools.says("docker image inspect", "[]", err="Error: No such image: x", status=1)
    tools.says("docker pull", err="toomanyrequests: slow down", status=1)
    with pytest.raises(K3dFailed, match="the image x cannot be fetched: the registry's pull limit is reached"):
        pulled.pull(Docker(), "x", Timeline(None))


# --- a cluster's parts


def test_containers_volumes_and_network_are_found_by_the_clusters_name(
    answering: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(answering, container("k3d-c-server-0", "10.89.0.3"), container("k3d-c-agent-0"))
    answering.says("docker volume ls", "k3d-c-images\n")
    answering.says("docker network inspect k3d-c", [{"Id": "0123456789abcdef"}])
    assert docker_objects.find(Docker(), "c") == [
        "container k3d-c-agent-0",
        "container k3d-c-server-0",
        "volume k3d-c-images",
        "network k3d-c",
    ]
    assert "docker ps --all --quiet --no-trunc --filter label=k3d.cluster=c" in answering.asked()
    assert docker_objects.addresses(Docker(), "c") == {"k3d-c-server-0": IPv4Address("10.89.0.3")}


def test_everything_is_removed_containers_first(answering: FakeTools) -> None:
    has(answering, container("k3d-c-server-0"))
    answering.says("docker volume ls", "k3d-c-images\n")
    answering.says("docker network inspect k3d-c", [{"Id": "1"}])
    docker_objects.remove(Docker(), "c")
    removals = [line for line in answering.asked() if " rm " in line]
    assert removals == [
        "docker rm --force --volumes id-k3d-c-server-0",
        "docker volume rm --force k3d-c-images",
        "docker network rm k3d-c",
    ]


@pytest.mark.parametrize(
    "said", ["Error: No such network: k3d-c", "Error response from daemon: network k3d-c not found"]
)
def test_what_is_not_there_is_not_removed(answering: FakeTools, said: str) -> None:
    has(answering)
    answering.says("docker network inspect", "[]", err=said, status=1)
    docker_objects.remove(Docker(), "c")
    assert not [line for line in answering.asked() if " rm " in line]


def test_a_cluster_stays_known_while_no_daemon_answers(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "ask", lambda _docker: Silence("no Docker daemon answers at /s", "start Docker"))
    assert docker_objects.find(Docker(), "c") == []
    assert docker_objects.running(Docker(), "c") == set()
    with pytest.raises(K3dFailed, match=r"cluster c cannot be removed: no Docker daemon.*\n.*start Docker, then run"):
        docker_objects.remove(Docker(), "c")


def test_another_error_of_docker_is_not_taken_for_nothing_there(tools: FakeTools) -> None:
    tools.says("docker network inspect", "[]", err="permission denied while trying to connect", status=1)
    with pytest.raises(CommandError, match="permission denied"):
        Docker().network("c")


def test_the_daemon_of_a_cluster_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///one.sock")
    Docker.of_environment().write(tmp_path / docker_objects.DAEMON)
    monkeypatch.setenv("DOCKER_HOST", "unix:///two.sock")
    assert docker_objects.daemon_of(tmp_path).environment == {"DOCKER_HOST": "unix:///one.sock"}
    assert docker_objects.daemon_of(tmp_path / "none").environment == {"DOCKER_HOST": "unix:///two.sock"}
    # What k3d leaves in the directory for temporary files goes with the cluster.
    assert docker_objects.environment_of(tmp_path) == {
        "DOCKER_HOST": "unix:///one.sock",
        "TMPDIR": str(tmp_path / "scratch"),
    }
    assert (tmp_path / "scratch").is_dir()


def test_networks_of_docker_are_taken(tools: FakeTools) -> None:
    tools.says("docker network ls", "a\nb\n")
    described = [
        {"IPAM": {"Config": [{"Subnet": "10.89.0.0/24"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
    ]
    tools.says("docker network inspect", described)
    assert Docker().subnets() == [IPv4Network("10.89.0.0/24")]


def test_a_container_with_an_address_of_a_pool_is_refused() -> None:
    plan = network.foreseen(addressing.plan([POOL], 1, [], first=12), 1, 0)
    spec = ClusterSpec("c", pools=(POOL,))
    docker_objects.keep_out_of_pools(spec, plan, {"k3d-c-server-0": IPv4Address("10.89.0.3")})
    with pytest.raises(K3dFailed, match=r"k3d-c-tools has the address 10.89.0.201, which is in the pool"):
        docker_objects.keep_out_of_pools(spec, plan, {"k3d-c-tools": IPv4Address("10.89.0.201")})


def test_a_name_that_docker_has_already_is_said_before_anything_is_made(
    answering: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    has(answering, container("k3d-c-server-0"))
    problems = K3dProvider().doctor(ClusterSpec("c", source=Images.REGISTRY))
    own = naming.on_host("c")
    assert f"docker ps --all --quiet --no-trunc --filter label=k3d.cluster={own}" in answering.asked()
    taken = [problem for problem in problems if f"Docker has a k3d cluster {own} already" in problem.what]
    assert [problem.remedy for problem in taken] == [
        f"choose another name with --cluster, or remove it: k3d cluster delete {own}"
    ]
    (tmp_path / "clusters" / "c").mkdir(parents=True)
    kept = K3dProvider().doctor(ClusterSpec("c", source=Images.REGISTRY))
    assert not [problem for problem in kept if "already" in problem.what], "a kept one is used again"


# --- a cluster that stands


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a cache of its own, and return how the cluster is called in Docker."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    return naming.on_host("c")


def facts(directory: Path) -> ClusterFacts:
    nodes = (NodeFacts("k3d-c-agent-0", "10.89.0.2", "docker://k3d-c-agent-0"),)
    return ClusterFacts("c", "k3d", str(directory), "", "v1", nodes)


def test_a_stopped_node_keeps_its_address(tools: FakeTools, tmp_path: Path, own: str) -> None:
    has(tools, container("k3d-c-agent-0", running=False, cluster=own))
    node_ops.stop_node(facts(tmp_path), "k3d-c-agent-0")
    assert [line for line in tools.asked() if "inspect" not in line] == [
        "docker kill k3d-c-agent-0",
        f"docker network disconnect --force k3d-{own} k3d-c-agent-0",
        f"docker network connect --ip 10.89.0.2 k3d-{own} k3d-c-agent-0",
    ]


def test_an_address_that_is_the_nodes_own_already_is_left(tools: FakeTools, tmp_path: Path, own: str) -> None:
    has(tools, container("k3d-c-agent-0", running=False, pinned="10.89.0.2", cluster=own))
    node_ops.stop_node(facts(tmp_path), "k3d-c-agent-0")
    assert not [line for line in tools.asked() if "network connect" in line]


def test_a_node_without_the_image_after_loading_it_is_named(tools: FakeTools, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    digest = "a" * 64
    with tarfile.open(archive, "w") as tar:
        data = json.dumps([{"Config": f"blobs/sha256/{digest}"}]).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    tools.says("k3d version", "k3d version v5.9.0")
    tools.says("docker exec", "{}")
    node_ops.load_image(facts(tmp_path), archive)
    assert f"docker exec k3d-c-agent-0 ctr -n k8s.io content get sha256:{digest}" in tools.asked()
    tools.says("docker exec", err="not found", status=1)
    with pytest.raises(K3dFailed, match=f"node k3d-c-agent-0 must have the image sha256:{digest}"):
        node_ops.load_image(facts(tmp_path), archive)


# --- what is compared before and after a run


def test_every_container_volume_and_network_is_a_line(answering: FakeTools) -> None:
    answering.says("docker ps --all --format", "k3d-c-server-0\nsomebodys\n")
    answering.says("docker volume ls --format", "data\n")
    answering.says("docker network ls --format", "bridge\n")
    assert inventory.lines() == [
        "docker container k3d-c-server-0",
        "docker container somebodys",
        "docker volume data",
        "docker network bridge",
    ]


def test_what_belongs_to_another_cluster_is_known_by_ids_names_and_mounts(answering: FakeTools) -> None:
    other = container("k3d-c-server-0")
    other["NetworkSettings"]["SandboxKey"] = "/run/docker/netns/1"
    other["GraphDriver"] = {"Data": {"MergedDir": "/var/lib/docker/overlay2/x/merged"}}
    has(answering, other)
    answering.says("docker volume ls", "k3d-c-images\n")
    answering.says("docker network inspect k3d-c", [{"Id": "0123456789abcdef"}])
    assert inventory.belongings(["c"]) == {
        "id-k3d-c-server-0",
        "k3d-c-server-0",
        "/run/docker/netns/1",
        "/var/lib/docker/overlay2/x/merged",
        "k3d-c-images",
        "k3d-c",
    }


def test_without_a_daemon_there_is_nothing_to_compare(tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "ask", lambda _docker: Silence("no Docker daemon answers at /s", "start Docker"))
    assert inventory.lines() == []
    assert inventory.belongings(["c"]) == frozenset()
