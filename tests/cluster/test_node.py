from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.cluster import cgroups
from platform_e2e.cluster.k3d import nodeimage
from platform_e2e.cluster.kubernetes import addons, controlplane, node, nodefiles
from platform_e2e.cluster.kubernetes.node import Node
from platform_e2e.cluster.network import addressing
from platform_e2e.toolbox import gomod, images
from platform_e2e.toolbox.programs import Programs

PLAN = addressing.plan([], 2, [])
NAMES = ["n1", "n2"]
HIERARCHIES = cgroups.parse((Path(__file__).parents[1] / "data" / "mountinfo" / "v2.txt").read_text())


def made(number: int, directory: Path = Path("/cache/clusters/c")) -> Node:
    name = NAMES[number]
    return Node(name, number, directory / "nodes" / name, directory / "logs" / name)


def launcher(number: int) -> dict[str, Any]:
    return node.launcher(
        made(number), PLAN, HIERARCHIES, rootfs=Path("/cache/rootfs"), programs=Path("/cache/programs")
    )


def programs(number: int) -> dict[str, dict[str, Any]]:
    return {program["name"]: program for program in launcher(number)["programs"]}


def words(argv: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in argv[1:])


def test_only_the_server_runs_the_control_plane() -> None:
    assert sorted(programs(0)) == [
        "containerd",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-router",
        "kube-scheduler",
        "kubelet",
    ]
    assert sorted(programs(1)) == ["containerd", "kube-proxy", "kube-router", "kubelet"]


@pytest.mark.parametrize("number", [0, 1])
def test_what_a_program_waits_for_runs_on_the_same_node(number: int) -> None:
    there = programs(number)
    waited = {name for program in there.values() for name in program.get("after", [])}
    assert waited <= set(there)
    assert "containerd" in waited


def test_what_is_waited_for_can_tell_when_it_is_ready() -> None:
    there = programs(0)
    assert all(there[name].get("ready") for program in there.values() for name in program.get("after", []))


def test_every_program_has_its_own_log_in_the_clusters_directory() -> None:
    logs = [program["log"] for program in programs(0).values()]
    assert len(set(logs)) == len(logs)
    binds = {mount["target"]: mount["source"] for mount in launcher(0)["mounts"] if mount["type"] == "bind"}
    assert {str(Path(log).parent) for log in logs} == {"/var/log"}
    assert binds["/var/log"] == "/cache/clusters/c/logs/n1"


def test_the_shared_root_file_system_is_only_read() -> None:
    overlay = launcher(1)["mounts"][0]
    assert overlay["options"] == [
        "lowerdir=/cache/rootfs",
        "upperdir=/cache/clusters/c/nodes/n2/upper",
        "workdir=/cache/clusters/c/nodes/n2/work",
    ]
    binds = {mount["source"]: mount["options"] for mount in launcher(1)["mounts"] if mount["type"] == "bind"}
    assert "ro" in binds["/cache/programs"]


def test_containers_directories_are_not_on_the_overlay() -> None:
    targets = {mount["target"] for mount in launcher(0)["mounts"] if mount["type"] == "bind"}
    assert targets >= {"/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd"}


def flatten(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *flatten(each))
    elif isinstance(value, list):
        for each in value:
            yield from flatten(each)
    else:
        yield str(value)


def test_what_runs_inside_knows_nothing_of_how_the_node_is_kept_apart() -> None:
    assert not [text for text in flatten(node.inside(made(0), PLAN)) if "/cache" in text or "cgroup" in text]


def test_the_api_server_has_what_kubeadm_gives_it() -> None:
    given = words(controlplane.api_server(PLAN))
    assert given["authorization-mode"] == "Node,RBAC"
    assert given["enable-admission-plugins"] == "NodeRestriction"
    assert given["requestheader-allowed-names"] == "front-proxy-client"
    assert given["service-cluster-ip-range"] == str(PLAN.services)
    assert given["advertise-address"] == str(PLAN.nodes[0])


@pytest.mark.parametrize("clamped", [True, False])
def test_containerd_asks_for_less_only_where_the_machine_gives_less(clamped: bool) -> None:
    config = tomllib.loads(nodefiles.containerd(clamped=clamped))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    options = cri["containerd"]["runtimes"]["runc"]["options"]
    assert cri["restrict_oom_score_adj"] is clamped
    assert options.get("BinaryName") == (f"{node.PROGRAMS}/oci-runtime" if clamped else None)


@pytest.mark.parametrize(("bounding", "lacks"), [("000001fffeffffff", True), ("000001ffffffffff", False)])
def test_the_missing_capability_is_read_from_the_bounding_set(bounding: str, lacks: bool) -> None:
    status = f"Name:\tpython\nCapEff:\t000001ffffffffff\nCapBnd:\t{bounding}\n"
    assert nodefiles.lacks_sys_resource(status) is lacks


def test_pods_of_each_node_get_addresses_of_its_own_network() -> None:
    for number in (0, 1):
        files = nodefiles.files(made(number), PLAN, NAMES, clamped=False)
        config = json.loads(files["/etc/cni/net.d/10-bridge.conflist"])
        assert config["plugins"][0]["ipam"]["ranges"] == [[{"subnet": str(PLAN.pods_of(number))}]]


def test_every_node_knows_the_others_by_name() -> None:
    hosts = nodefiles.files(made(1), PLAN, NAMES, clamped=False)["/etc/hosts"].decode()
    assert f"{PLAN.nodes[0]} n1\n{PLAN.nodes[1]} n2\n" in hosts


def test_the_images_that_a_bare_cluster_needs_are_in_the_store() -> None:
    assert {nodefiles.PAUSE, addons.COREDNS_IMAGE} <= set(images.table())


def test_corednss_version_is_the_one_that_is_built() -> None:
    assert addons.COREDNS_IMAGE.endswith(gomod.read().module("github.com/coredns/coredns").version)


def test_the_command_line_names_every_cgroup() -> None:
    line = node.command(
        made(0), program=Path("/p/node"), network=Path("/proc/7/fd/3"), groups=[Path("/g/a"), Path("/g/b")], parent=7
    )
    assert [str(word) for word in line] == [
        *("/p/node", "enter", "-parent", "7", "-network", "/proc/7/fd/3"),
        *("-cgroup", "/g/a", "-cgroup", "/g/b", "/cache/clusters/c/nodes/n1/node.json"),
    ]


def test_the_kubelet_asks_the_program_of_stand_ins_where_there_is_one() -> None:
    plain = {each["name"]: each for each in node.inside(made(0), PLAN)["programs"]}
    assert "stand-ins" not in plain
    programs = {each["name"]: each for each in node.inside(made(0), PLAN, stand_ins=["--image=a"])["programs"]}
    between = programs["stand-ins"]
    assert between["argv"][-1] == "--image=a"
    assert between["after"] == ["containerd"]
    assert programs["kubelet"]["after"][0] == "stand-ins"
    assert f"--container-runtime-endpoint=unix://{node.STAND_INS_SOCKET}" in programs["kubelet"]["argv"]


def test_the_image_of_k3ds_nodes_has_every_program_that_they_start(tmp_path: Path) -> None:
    """All but containerd, which is Debian's."""
    for name in nodeimage.BUILT:
        (tmp_path / name).touch()
    there = {Path(each.path).name for each in nodeimage.entries(Programs(tmp_path, dict.fromkeys(nodeimage.BUILT, "")))}
    inside = node.inside(made(0), PLAN, contained=True, stand_ins=["--all"])
    assert {each["argv"][0] for each in inside["programs"]} - there == {"containerd"}
