from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.k3d import network, versions
from platform_e2e.cluster.k3d.config import Volume
from platform_e2e.cluster.k3d.versions import Version
from platform_e2e.cluster.network import addressing
from tests.fakes.k3d import rendered


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("k3d version v5.9.0\nk3s version v1.32.5-k3s1 (default)\n", Version(5, 9, 0)),
        ("k3d version v5.10.0", Version(5, 10, 0)),
        ("k3d version v5.7.0-rc.1", None),
        ("k3d version v5-dev", None),
        ("something else", None),
    ],
)
def test_what_k3d_says_of_its_version(said: str, version: Version | None) -> None:
    assert versions.parse(said) == version


def test_versions_are_compared_as_numbers() -> None:
    assert versions.fits(Version(5, 10, 0))
    assert versions.fits(Version(5, 9, 0))
    assert not versions.fits(Version(5, 6, 3))
    assert not versions.fits(Version(6, 0, 0))


def test_the_pinned_version_fits_and_is_a_release_of_its_own_module() -> None:
    found = versions.parse(f"k3d version {versions.pinned()}")
    assert found is not None
    assert versions.fits(found)


def test_the_node_image_has_the_kubernetes_of_the_embedded_cluster() -> None:
    from platform_e2e.toolbox import gomod

    assert versions.K3S.split("-")[0] == gomod.read().module("k8s.io/kubernetes").version


def test_servicelb_and_traefik_are_off_on_every_server() -> None:
    arguments = rendered()["options"]["k3s"]["extraArgs"]
    for part in ("servicelb", "traefik"):
        assert {"arg": f"--disable={part}", "nodeFilters": ["server:*"]} in arguments


def test_the_users_kubeconfig_is_left_alone() -> None:
    assert rendered()["options"]["kubeconfig"] == {"updateDefaultKubeconfig": False, "switchCurrentContext": False}


def test_the_api_server_is_published_on_this_host_only_at_a_port_of_k3ds_choice() -> None:
    assert rendered()["kubeAPI"] == {"hostIP": "127.0.0.1"}


def test_shape_and_network_are_as_asked() -> None:
    made = rendered(servers=3, agents=1)
    assert (made["servers"], made["agents"], made["subnet"], made["image"]) == (3, 1, "10.89.0.0/24", "image")


def test_volumes_say_which_node_sees_them_and_how() -> None:
    made = rendered(volumes=(Volume(Path("/a"), "/b", "agent:0", read_only=True), Volume(Path("/c"), "/d", "server:0")))
    assert made["volumes"] == [
        {"volume": "/a:/b:ro", "nodeFilters": ["agent:0"]},
        {"volume": "/c:/d", "nodeFilters": ["server:0"]},
    ]


def test_addresses_are_foreseen_as_k3d_and_docker_give_them_away() -> None:
    pool = AddressRange.parse("10.89.0.200-10.89.0.220")
    plan = network.foreseen(addressing.plan([pool], 3, []), 1, 2)
    assert plan.host == IPv4Address("10.89.0.1")
    assert [str(node) for node in plan.nodes] == ["10.89.0.3", "10.89.0.2", "10.89.0.4"]


def test_servers_have_the_addresses_after_the_tools() -> None:
    plan = network.foreseen(addressing.plan([], 3, []), 3, 0)
    assert [str(node).split(".")[-1] for node in plan.nodes] == ["3", "4", "5"]
