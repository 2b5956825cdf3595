"""The phases of a bring-up: the foundations by Helm, and the layer by Argo CD, on an existing cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.loadbalancer.observe import moved
from platform_e2e.cluster import providers
from platform_e2e.cluster.directory import ClusterDirectory, read_spec
from platform_e2e.cluster.k3d import appimage, docker_objects, image_sources
from platform_e2e.cluster.provider import ClusterFacts, Images
from platform_e2e.diagnosis.causes import unexplained
from platform_e2e.diagnosis.explain import unexplained_of
from platform_e2e.diagnosis.give_up import worth_waiting
from platform_e2e.finding import Cause
from platform_e2e.foundations import (
    Installed,
    ReleaseFailed,
    alert_receiver,
    alertmanager_settings,
    argocd_settings,
    install,
    release_store,
    restore_sealing_key,
)
from platform_e2e.foundations.embedded import CHARTS
from platform_e2e.foundations.failure import ImageNotDelivered
from platform_e2e.foundations.verify import READY_SECONDS
from platform_e2e.gitops import leftovers
from platform_e2e.gitops.argocd import APPLICATION
from platform_e2e.gitops.deploy import Deployment, deploy, refresh_all, wait_converged
from platform_e2e.gitops.elsewhere import Elsewhere
from platform_e2e.gitops.git import GitServer
from platform_e2e.gitops.rollout import GiveUp, Held
from platform_e2e.kube.client import Kube
from platform_e2e.kube.progress import SLOW
from platform_e2e.layer import Application, Layer, Release
from platform_e2e.settings import Settings
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import images, programs

METALLB = "metallb"

SEALED_SECRETS = "sealed-secrets"
"""The chart whose controller must find the team's backup of its key at its first start."""

CONVERGE_SECONDS = READY_SECONDS + 300.0
"""Timeout of all Applications, while the foundations are installed in parallel: longer than that of the foundations, to which Argo CD
belongs. The wait ends earlier when nothing moves; the timeout is for a layer that keeps moving. 80 s from an empty cluster is usual."""


@dataclass(frozen=True)
class Phases:
    """The two phases in which foundations and layer come up in parallel; every bring-up uses them.

    Attributes:
        kube: the cluster.
        facts: the facts of the cluster.
        layer: the layer to apply.
        settings: the sealing key, the charts, and whether to refuse other versions.
        releases: the foundations, with their versions.
        built: the programs helm and kubectl.
        timeline: shows the progress.
    """

    kube: Kube
    facts: ClusterFacts
    layer: Layer
    settings: Settings
    releases: Sequence[Release]
    built: programs.Programs
    timeline: Timeline

    def foundations(self) -> tuple[list[Installed], list[ReleaseFailed]]:
        """Install or verify the foundations; return the ready ones, and the failures of the others."""
        helm = self.built.path("helm")
        if any(release.chart == alertmanager_settings.CHART for release in self.releases):
            receive_alerts(self.kube, self.facts, self.layer)
        found = install_foundations(
            self.kube,
            self.facts,
            self.settings,
            self.releases,
            helm=helm,
            timeline=self.timeline,
            argocd=argocd_settings.of(self.layer),
        )
        if not any(failure.release == METALLB for failure in found[1]):
            for each in self.layer.brought_pools.objects:
                self.kube.apply(moved(each, self.facts.pool_map))
        return found

    def git(self) -> GitServer:
        """Return the git server of the cluster, starting it if it does not run yet."""
        return git_server(self.kube, self.facts, self.layer, self.built.path("kubectl"))

    def applications(self, foundations_ready: Callable[[], bool]) -> tuple[GitServer, Deployment]:
        """Serve the layer, apply its roots as a team does, and wait until all Applications have converged."""
        load_own_images(self.facts, self.layer, self.timeline)
        git = self.git()
        return git, apply_layer(
            self.kube, self.facts, self.layer, git, self.timeline, foundations_ready=foundations_ready
        )


def from_registry(facts: ClusterFacts) -> bool:
    """Tell whether the cluster fetches images, so that it can run every pinned version."""
    return facts.images != Images.BUILT.value


def install_foundations(
    kube: Kube,
    facts: ClusterFacts,
    settings: Settings,
    releases: Sequence[Release],
    *,
    helm: Path,
    timeline: Timeline,
    argocd: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[list[Installed], list[ReleaseFailed]]:
    """Load the team's key, then install or verify the foundations; return the ready ones, and the failures of the others.

    Args:
        kube: the cluster.
        facts: the facts of the cluster.
        settings: the sealing key, the charts, and whether to refuse other versions.
        releases: the foundations.
        helm: the path of helm.
        timeline: shows the progress.
        argocd: settings of Argo CD beside the layer's own.

    Raises:
        MadeForAnother: a kept cluster has a release that the layer lacks.
    """
    others = release_store.others(kube, releases)
    if others:
        # Helm would leave its CRDs and the objects of these kinds.
        raise leftovers.MadeForAnother(facts.name, f"it has {', '.join(others)} of an earlier layer")
    if any(release.chart == SEALED_SECRETS for release in releases) and settings.sealing_key is not None:
        restore_sealing_key(kube, settings.sealing_key)
    return install(
        kube,
        releases,
        helm=helm,
        kubeconfig=Path(facts.kubeconfig),
        charts_dir=settings.charts_dir,
        module_directory=None if from_registry(facts) else programs.module_directory,
        strict_versions=settings.strict_versions,
        beside=(APPLICATION,),
        argocd=argocd,
        timeline=timeline,
    )


def argocd_image(facts: ClusterFacts, layer: Layer) -> str:
    """Return the image of Argo CD, which every cluster has: the harness's own pods use it."""
    argocd = CHARTS["argo-cd"].images["argocd"]
    pinned = [release.app_version for release in layer.releases if release.chart == "argo-cd"]
    return str(replace(argocd, tag=pinned[0]) if pinned and from_registry(facts) else argocd)


def receive_alerts(kube: Kube, facts: ClusterFacts, layer: Layer) -> None:
    """Start what takes the place of Alertmanager's receivers, without waiting for its pod."""
    for each in alert_receiver.manifests(argocd_image(facts, layer)):
        kube.apply(each)


def git_server(kube: Kube, facts: ClusterFacts, layer: Layer, kubectl: Path) -> GitServer:
    """Return the git server of a cluster, starting it if it does not run yet."""
    return GitServer.start(
        kube,
        Path(facts.kubeconfig),
        kubectl,
        image=argocd_image(facts, layer),
        directory=Path(facts.directory) / "git",
        charts=bool(Elsewhere.of(layer).charts),
    )


def apply_layer(
    kube: Kube,
    facts: ClusterFacts,
    layer: Layer,
    git: GitServer,
    timeline: Timeline,
    *,
    foundations_ready: Callable[[], bool] = lambda: True,
) -> Deployment:
    """Serve a layer, apply its roots as a team does, and wait until all Applications have converged or nothing moves any longer.

    An Application with a lasting cause is abandoned.

    Args:
        kube: the cluster.
        facts: the facts of the cluster.
        layer: the layer to apply.
        git: the server from which Argo CD reads.
        timeline: shows the progress.
        foundations_ready: tells whether the foundations are ready, or will not be; before that nothing is given up, because they may
            bring what an Application lacks.

    Raises:
        ImageNotDelivered: an existing registry does not deliver an image of the layer.
    """
    done = deploy(
        kube,
        layer,
        git,
        timeline=timeline,
        timeout=CONVERGE_SECONDS,
        pool_map=facts.pool_map,
        give_up=GiveUp(lambda app: worth_waiting(app, kube), foundations_ready),
    )
    if done.commit.before is not None and done.commit.pushed and _tidied(kube, facts, layer, timeline, settled=False):
        # Something of this layer may have waited for the removal.
        seconds, held = _converged(kube, layer, done.commit.sha, timeline)
        done = replace(done, seconds=seconds, held=held)
    for name, held_by in done.held.items():
        cause = held_by.cause
        # If the foundations have come the network works: then a registry that does not exist has a misspelt name.
        if cause and cause.id == "pod-image" and from_registry(facts) and SLOW.search(cause.sentence):
            image = cause.about.removeprefix("image ")
            raise ImageNotDelivered(image, cause.sentence, str(layer.application(name)))
    return done


def compare_again(
    kube: Kube, facts: ClusterFacts, layer: Layer, sha: str, timeline: Timeline
) -> tuple[Mapping[str, float], Mapping[str, Cause]]:
    """Have all Applications compared with Git and synced again, after a foundation of a kept cluster has changed.

    The new foundation may render, judge, mark or complete objects in another way, and Argo CD takes what it finds for its own work.

    Args:
        kube: the cluster.
        facts: the facts of the cluster.
        layer: the applied layer.
        sha: the served commit.
        timeline: shows the progress.

    Returns:
        For each converged Application the seconds until then, and for each other one the cause.

    Raises:
        MadeForAnother: the cluster has leftovers of an earlier layer that cannot be removed.
    """
    # A hard refresh: renderings with other options have the same key in the cache.
    refresh_all(kube, layer, hard=True)
    seconds, _ = _converged(kube, layer, sha, timeline)
    leftovers.sync_again(kube, layer, seconds)
    seconds, held = _converged(kube, layer, sha, timeline)
    if _tidied(kube, facts, layer, timeline, settled=True):
        seconds, held = _converged(kube, layer, sha, timeline)
    return seconds, causes(kube, layer, held)


def _tidied(kube: Kube, facts: ClusterFacts, layer: Layer, timeline: Timeline, *, settled: bool) -> bool:
    """Remove the leftovers of earlier layers from a kept cluster, report them, and tell whether there were any."""
    removed = leftovers.remove(kube, layer, cluster=facts.name, spared=TESTS, settled=settled)
    if removed:
        timeline.event("fact", "leftovers", text=f"removed of an earlier layer: {', '.join(removed)}")
    return bool(removed)


def _converged(
    kube: Kube, layer: Layer, sha: str, timeline: Timeline
) -> tuple[Mapping[str, float], Mapping[str, Held]]:
    """Wait until every Application matches a commit, on a cluster whose layer had come up before."""
    return wait_converged(
        kube,
        layer,
        sha,
        timeline=timeline,
        timeout=CONVERGE_SECONDS,
        give_up=GiveUp(lambda app: worth_waiting(app, kube)),
    )


def causes(kube: Kube, layer: Layer, held: Mapping[str, Held]) -> dict[str, Cause]:
    """Return for each abandoned Application its cause, `unexplained` if none is known.

    Args:
        kube: the cluster.
        layer: the layer of the Applications.
        held: the reason for each of them.
    """
    return {name: _cause(kube, layer.application(name), reason) for name, reason in held.items()}


def _cause(kube: Kube, application: Application, held: Held) -> Cause:
    if held.cause is not None:
        return held.cause
    if not held.refused:
        live = kube.get(APPLICATION, application.name, application.namespace)
        return unexplained_of(live, kube, held.why) if live else unexplained(held.why)
    return Cause(
        "application-refused",
        f"{application} is not in the cluster, for the API server takes it, its ApplicationSet or its project not: {held.why}",
        f"correct what the sentence names ({application.file}:{application.line}); a namespace must exist before it",
    )


def load_own_images(facts: ClusterFacts, layer: Layer, timeline: Timeline) -> None:
    """Build the images of the layer's own applications with Docker and load them into the nodes: no registry has them."""
    if not from_registry(facts):
        return
    directory = Path(facts.directory)
    docker = docker_objects.daemon_of(directory)
    named = images.names(layer.directory / "apps")
    mirrors = image_sources.parse_mirror(read_spec(ClusterDirectory(facts.name).spec_file)[0].mirror)
    with timeline.phase("images", "images of the layer's own applications"):
        for file in sorted(layer.directory.glob(f"apps/*/{appimage.CONTAINERFILE}")):
            name = named.get(file.parent.name)
            if name is not None:
                timeline.progress("images", f"builds {name}")
                archive = directory / f"{file.parent.name}.tar"
                appimage.build(docker, file.parent, name, archive, mirrors)
                providers.choose(facts.provider).load_image(facts, archive)
                archive.unlink()
