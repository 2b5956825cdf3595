"""What only k3d has: k3s' arguments, and a container that asks where this host cannot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from contract.conftest import Standing
from platform_e2e.checks.container_client import Container
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import client_container, docker_objects
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.provider import K3dProvider
from platform_e2e.cluster.provider import Provider
from platform_e2e.timeline import Timeline


@pytest.fixture(autouse=True)
def _k3d(provider: Provider) -> None:
    if provider.name != "k3d":
        pytest.skip(f"the provider is {provider.name}")


@pytest.fixture
def docker(standing: Standing) -> Docker:
    """Return the daemon that the cluster lives on."""
    return docker_objects.daemon_of(Path(standing.facts.directory))


@pytest.mark.scenario("C2")
def test_servicelb_and_traefik_are_off_on_every_server(standing: Standing, docker: Docker) -> None:
    """k3s is told so where it starts, and not only asked for so in a file."""
    containers = {docker_objects.name_of(each): each for each in docker.containers(naming.on_host(standing.spec.name))}
    for each in standing.facts.nodes[: standing.spec.servers]:
        arguments = containers[each.name]["Config"]["Cmd"]
        assert arguments[0] == "server"
        assert {"--disable=servicelb", "--disable=traefik"} <= set(arguments)


def test_the_configuration_of_k3d_is_kept_with_the_cluster(standing: Standing) -> None:
    """It can be read, and used again by hand."""
    text = (Path(standing.facts.directory) / "k3d.yaml").read_text()
    assert f"name: {naming.on_host(standing.spec.name)}" in text
    assert f"subnet: {standing.facts.segment}" in text


def test_a_container_sees_what_this_host_sees(standing: Standing, docker: Docker, timeline: Timeline) -> None:
    """So a host that is no client on Docker's networks judges addresses by the same means."""
    host = Outside.of(standing.facts).asker
    address = client_container.start(
        docker, naming.on_host(standing.spec.name), client_container.ensure_built(docker, timeline)
    )
    name = client_container.container_name(naming.on_host(standing.spec.name))
    container = Container(partial(K3dProvider().ask_from, replace(standing.facts, probe=name)), address)
    try:
        for each in standing.facts.nodes:
            seen, same = host.who_has(each.address, timeout=2), container.who_has(each.address, timeout=2)
            assert seen is not None
            assert same is not None
            assert seen.mac == same.mac
        server = standing.facts.nodes[0].address
        assert container.connect(server, 6443).connected
        assert not container.connect(server, 9).connected
    finally:
        docker.run("rm", "--force", name)
