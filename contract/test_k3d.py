"""Properties of k3d alone: k3s' arguments, and the container that sends requests in this host's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from contract.conftest import Standing
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.remote import Container
from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import parts, probe
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.provider import Provider
from platform_e2e.timeline import Timeline


@pytest.fixture(autouse=True)
def _k3d(provider: Provider) -> None:
    if provider.name != "k3d":
        pytest.skip(f"the provider is {provider.name}")


@pytest.fixture
def docker(standing: Standing) -> Docker:
    """Return the daemon of the cluster."""
    return parts.daemon_of(Path(standing.facts.directory))


def test_servicelb_and_traefik_are_off_on_every_server(standing: Standing, docker: Docker) -> None:
    """k3s gets the arguments at its start; the configuration file alone would not prove it."""
    containers = {parts.name_of(each): each for each in docker.containers(naming.on_host(standing.spec.name))}
    for each in standing.facts.nodes[: standing.spec.servers]:
        arguments = containers[each.name]["Config"]["Cmd"]
        assert arguments[0] == "server"
        assert {"--disable=servicelb", "--disable=traefik"} <= set(arguments)


def test_the_configuration_of_k3d_is_kept_with_the_cluster(standing: Standing) -> None:
    """A person can read it, and use it again."""
    text = (Path(standing.facts.directory) / "k3d.yaml").read_text()
    assert f"name: {naming.on_host(standing.spec.name)}" in text
    assert f"subnet: {standing.facts.segment}" in text


def test_a_container_sees_what_this_host_sees(standing: Standing, docker: Docker, timeline: Timeline) -> None:
    """So a host without an interface on Docker's networks judges addresses in the same way."""
    host = Outside.of(standing.facts).asker
    address = probe.start(docker, naming.on_host(standing.spec.name), probe.ensure_built(docker, timeline))
    name = probe.container_name(naming.on_host(standing.spec.name))

    def run(words: Sequence[str], timeout: float) -> str:
        return docker.run("exec", name, *words, timeout=timeout).stdout

    container = Container(run, address)
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
