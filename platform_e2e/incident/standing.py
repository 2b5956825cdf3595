"""A platform on a cluster of its own, without pytest: the cluster by its lease, the foundations by Helm, the layer by Argo CD."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from platform_e2e.cluster import lease, providers
from platform_e2e.cluster.embedded import images, programs
from platform_e2e.cluster.k3d import appimage, parts
from platform_e2e.cluster.place import Place
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Images
from platform_e2e.errors import WrongUsage
from platform_e2e.explain import explain, patience
from platform_e2e.foundations import Installed, install, restore_sealing_key
from platform_e2e.foundations.embedded import CHARTS
from platform_e2e.gitops.deploy import deploy
from platform_e2e.gitops.git import GitServer
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.kube.waiting import WaitError
from platform_e2e.layer import Layer, Release
from platform_e2e.settings import Settings
from platform_e2e.timeline import Timeline

SEALED_SECRETS = "sealed-secrets"
"""The chart whose controller needs the team's backup of its key before it starts for the first time."""

CONVERGE_SECONDS = 300.0
"""For all Applications; those that something holds for good are left behind earlier."""


@dataclass(frozen=True)
class Standing:
    """A platform that is up, as far as its layer lets it be.

    Attributes:
        facts: of the cluster.
        kube: its client.
        layer: that was applied.
        git: the server that Argo CD reads from.
        sha: the commit that is served.
        installed: the foundations.
        late: why not every Application has converged; empty where all have, or are held by a known cause.
    """

    facts: ClusterFacts
    kube: Kube
    layer: Layer
    git: GitServer
    sha: str
    installed: Sequence[Installed]
    late: str = ""


@contextlib.contextmanager
def stand(
    settings: Settings, layer: Layer, *, nodes: int, releases: Sequence[Release], timeline: Timeline
) -> Iterator[Standing]:
    """Make a cluster that stays, and apply a layer to it.

    Args:
        settings: which provider, and the cluster's name.
        layer: to apply.
        nodes: how many.
        releases: the foundations, in the versions that are wanted.
        timeline: is told what goes on.

    Raises:
        WrongUsage: there is a cluster of that name already.
        HarnessError: the cluster or a foundation did not come up.
    """
    if Place(settings.cluster).directory.exists():
        raise WrongUsage(
            f"there is a cluster {settings.cluster} already",
            f"remove it: nox -s cluster -- down {settings.cluster}, or name another one by --cluster",
        )
    choice = providers.decide(settings.provider, settings.images, settings.registry_mirror or "")
    pools = tuple(layer.pool_ranges())
    mirror = settings.registry_mirror or ""
    spec = ClusterSpec(settings.cluster, nodes, pools, source=Images(choice.images), mirror=mirror)
    provider = providers.choose(choice.provider)
    with timeline.phase("cluster", f"{nodes} node(s) by {choice}"):
        held = lease.acquire(spec, provider, keep=lambda: True, timeline=timeline)
        entered = contextlib.ExitStack()
        facts = entered.enter_context(held).facts
    with entered, Kube.from_kubeconfig(Path(facts.kubeconfig)) as kube:
        with timeline.phase("foundations"):
            installed = _install(kube, facts, settings, releases, timeline)
        git = git_server(kube, facts, layer)
        _load_own_images(facts, layer, timeline)
        with timeline.phase("applications"):
            sha, late = _deploy(kube, facts, layer, git, timeline)
        yield Standing(facts, kube, layer, git, sha, installed, late)


def _from_registry(facts: ClusterFacts) -> bool:
    """Tell whether the cluster fetches images, so that it can have whatever is pinned."""
    return facts.images != Images.BUILT.value


def _install(
    kube: Kube, facts: ClusterFacts, settings: Settings, releases: Sequence[Release], timeline: Timeline
) -> list[Installed]:
    if any(release.chart == SEALED_SECRETS for release in releases):
        restore_sealing_key(kube, settings.sealing_key)
    return install(
        kube,
        releases,
        helm=programs.ensure(timeline).path("helm"),
        kubeconfig=Path(facts.kubeconfig),
        charts_dir=settings.charts_dir,
        module_directory=None if _from_registry(facts) else programs.module_directory,
        strict_versions=settings.strict_versions,
        timeline=timeline,
    )


def git_server(kube: Kube, facts: ClusterFacts, layer: Layer) -> GitServer:
    """Return the git server of a cluster, started where it does not run yet; it has Argo CD's image, which is there anyway."""
    argocd = CHARTS["argo-cd"].images["argocd"]
    pinned = [release.app_version for release in layer.releases if release.chart == "argo-cd"]
    image = str(replace(argocd, tag=pinned[0]) if pinned and _from_registry(facts) else argocd)
    kubectl = programs.ensure(Timeline(None)).path("kubectl")
    return GitServer.start(kube, Path(facts.kubeconfig), kubectl, image=image, directory=Path(facts.directory) / "git")


def _deploy(kube: Kube, facts: ClusterFacts, layer: Layer, git: GitServer, timeline: Timeline) -> tuple[str, str]:
    """Serve and apply the layer; return the commit, and why not all has converged."""

    def hopeless(app: Object) -> tuple[str, float] | None:
        cause = explain(app, kube)
        limit = patience(cause) if cause else None
        return (cause.id, limit) if cause and limit is not None else None

    try:
        done = deploy(
            kube,
            layer,
            git,
            timeline=timeline,
            timeout=CONVERGE_SECONDS,
            pool_map=facts.pool_map,
            explain=lambda app: explain(app, kube),
            hopeless=hopeless,
        )
    except WaitError as error:
        # An incident's layer may be the incident: what it lacks is told by the checks.
        return git.head(), error.report.last
    return done.commit.sha, ""


def _load_own_images(facts: ClusterFacts, layer: Layer, timeline: Timeline) -> None:
    """Build the images of the layer's own applications with Docker and load them: no registry has them."""
    if not _from_registry(facts):
        return
    directory = Path(facts.directory)
    named = images.names(layer.directory / "apps")
    with timeline.phase("images", "images of the layer's own applications"):
        for file in sorted(layer.directory.glob(f"apps/*/{appimage.CONTAINERFILE}")):
            name = named.get(file.parent.name)
            if name is not None:
                archive = directory / f"{file.parent.name}.tar"
                appimage.build(parts.daemon_of(directory), file.parent, name, archive)
                providers.choose(facts.provider).load_image(facts, archive)
                archive.unlink()
