"""The provider under test, and a cluster of it with two nodes that most tests share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import acquisition, providers
from platform_e2e.cluster.lease import Lease
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, Provider
from platform_e2e.cluster.providers import Choice
from platform_e2e.kube.client import Kube
from platform_e2e.pytest_plugin.options import settings_of
from platform_e2e.timeline import Timeline

POOL = AddressRange.parse("10.89.0.200-10.89.0.220")
"""The demo layer's pool."""

NODES = 2


@dataclass(frozen=True)
class Standing:
    """A cluster that the tests share.

    Attributes:
        provider: the provider that made it.
        spec: the requested cluster.
        held: this process's lease on it.
        kube: a client with an administrator's rights.
    """

    provider: Provider
    spec: ClusterSpec
    held: Lease
    kube: Kube

    @property
    def facts(self) -> ClusterFacts:
        """Return the provider's facts about it."""
        return self.held.facts


@pytest.fixture(scope="session")
def choice(pytestconfig: pytest.Config) -> Choice:
    """Return the chosen provider, and the source of its images."""
    settings = settings_of(pytestconfig)
    return providers.decide(settings.provider, settings.images, settings.registry_mirror or "")


@pytest.fixture(scope="session")
def provider(choice: Choice) -> Provider:
    """Return the provider under test."""
    return providers.choose(choice.provider)


@pytest.fixture(scope="session")
def spec(choice: Choice, pytestconfig: pytest.Config) -> ClusterSpec:
    """Return the requested cluster; each has a name of its own."""
    settings = settings_of(pytestconfig)
    return ClusterSpec(
        named("c"),
        NODES,
        (POOL,),
        source=choice.images,
        mirror=settings.registry_mirror or "",
        registry_ca=str(settings.registry_ca or ""),
        stand_ins=settings.stand_ins,
    )


def named(prefix: str) -> str:
    """Return a unique name."""
    return f"{prefix}-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def timeline(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    """Return a timeline among pytest's temporary files."""
    return Timeline(tmp_path_factory.mktemp("contract") / "timeline.jsonl")


@pytest.fixture(scope="session")
def standing(provider: Provider, spec: ClusterSpec, timeline: Timeline) -> Iterator[Standing]:
    """Make the cluster that the tests share, and check at the end that no trace of it remains."""
    with acquisition.acquire(spec, provider, keep=lambda: False, timeline=timeline) as held:
        yield Standing(provider, spec, held, Kube.from_kubeconfig(Path(held.facts.kubeconfig)))
    assert provider.leftovers(spec.name) == []


@pytest.fixture(autouse=True)
def _able(request: pytest.FixtureRequest, provider: Provider) -> None:
    """Skip tests for which the provider lacks a capability."""
    needed = {Capability(name) for marker in request.node.iter_markers("needs") for name in marker.args}
    lacking = sorted(needed - provider.capabilities)
    if lacking:
        pytest.skip(f"the provider {provider.name} cannot do: {', '.join(lacking)}")


@pytest.fixture
def small(spec: ClusterSpec) -> ClusterSpec:
    """Return the request for a test's own cluster: one node."""
    return replace(spec, name=named("s"), nodes=1)
