"""Bring up a platform on a new cluster for incidents: the cluster by its lease, then the phases of foundations and layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import supplies
from platform_e2e.bringup_phases import Phases, from_registry
from platform_e2e.checks.foundations import WAITS, broken
from platform_e2e.cluster import acquisition, providers
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Images
from platform_e2e.diagnosis.explain.metallb_pools import ranges_moved
from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import Installed, ReleaseFailed
from platform_e2e.gitops.deploy import Deployment
from platform_e2e.gitops.git import GitServer
from platform_e2e.kube.client import Kube
from platform_e2e.layer import Layer, Release
from platform_e2e.parallel import together
from platform_e2e.paths import command
from platform_e2e.settings import Settings
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs


@dataclass(frozen=True)
class RunningPlatform:
    """A platform that is up, as far as its layer allows.

    Attributes:
        facts: the facts of the cluster.
        kube: its client.
        layer: the applied layer.
        git: the server from which Argo CD reads.
        sha: the served commit.
        installed: the foundations.
        late: why some Applications have not converged or some releases wait for the layer; empty if all have converged, or are blocked by
            a known cause.
    """

    facts: ClusterFacts
    kube: Kube
    layer: Layer
    git: GitServer
    sha: str
    installed: Sequence[Installed]
    late: str = ""


@contextlib.contextmanager
def bring_up(
    settings: Settings,
    layer: Layer,
    *,
    nodes: int,
    releases: Sequence[Release],
    timeline: Timeline,
    made: Callable[[ClusterFacts], None],
) -> Iterator[RunningPlatform]:
    """Make a cluster that stays, and apply a layer to it.

    Args:
        settings: the provider, and the cluster's name.
        layer: the layer to apply.
        nodes: the number of nodes.
        releases: the foundations, with their versions.
        timeline: shows the progress.
        made: called with the cluster as soon as it exists, because it stays from then on, even if the rest fails.

    Raises:
        WrongUsage: a cluster of that name exists.
        HarnessError: the cluster or a foundation did not come up.
    """
    if ClusterDirectory(settings.cluster).path.exists():
        raise WrongUsage(
            f"there is a cluster {settings.cluster} already",
            f"remove it: {command('cluster')} down {settings.cluster}, or name another one by --cluster",
        )
    needed = supplies.of(settings)
    choice = providers.decide(settings.provider, settings.images, settings.registry_mirror or "", supplies=needed)
    spec = ClusterSpec(
        settings.cluster,
        nodes,
        tuple(layer.pool_ranges()),
        source=Images(choice.images),
        mirror=settings.registry_mirror or "",
        registries=needed.registries,
        registry_ca=needed.ca,
    )
    provider = providers.choose(choice.provider)
    with contextlib.ExitStack() as entered:
        with timeline.phase("cluster", f"{nodes} node(s) by {choice}"):
            held = acquisition.acquire(spec, provider, keep=lambda: True, timeline=timeline)
            facts = entered.enter_context(held).facts
            made(facts)
        entered.enter_context(ranges_moved(facts.pool_map))
        built = programs.ensure(timeline, programs.TOOLS_OF_HOST if from_registry(facts) else ())
        kube = entered.enter_context(Kube.from_kubeconfig(Path(facts.kubeconfig)))

        phases = Phases(kube, facts, layer, settings, releases, built, timeline)

        def foundations() -> tuple[list[Installed], list[ReleaseFailed]]:
            with timeline.phase("foundations"):
                return phases.foundations()

        def applications(foundations_ready: Callable[[], bool]) -> tuple[GitServer, Deployment]:
            with timeline.phase("applications"):
                return phases.applications(foundations_ready)

        (installed, failures), (git, done) = together(foundations, applications)
        # An incident's layer may be the incident: the checks report an Application with a known cause.
        late = [f"{name}: {held.why}" for name, held in done.held.items() if held.cause is None]
        late += _waiting_for_layer(kube, layer, failures)
        yield RunningPlatform(facts, kube, layer, git, done.commit.sha, installed, "; ".join(late))


def _waiting_for_layer(kube: Kube, layer: Layer, failures: Sequence[ReleaseFailed]) -> list[str]:
    """Return what releases that are not ready wait for, each with what blocks it.

    Raises:
        ReleaseFailed: a release waits for nothing that the layer brings.
    """
    named = {release.name: release for release in layer.releases}
    told = [
        (failure, broken(failure, named[failure.release], layer.directory, kube, layer.rendered))
        for failure in failures
    ]
    own = [failure for failure, finding in told if WAITS not in finding.details]
    if own:
        raise own[0].beside(own[1:])
    return [f"{finding.object}: {finding.cause.sentence}" for _, finding in told]
