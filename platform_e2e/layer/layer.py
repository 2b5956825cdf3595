"""The layer as a whole: everything that a run compares a cluster with, read from files before any cluster exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Cause
from platform_e2e.layer import inventory, not_here, objects, tree
from platform_e2e.layer.applications import Application
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.clusters import Here
from platform_e2e.layer.invented import Invented
from platform_e2e.layer.inventory import LoadBalancer, MetricsService, Pool
from platform_e2e.layer.left_out import LeftOut
from platform_e2e.layer.limits import Limits
from platform_e2e.layer.not_here import Brought
from platform_e2e.layer.not_judged import Accepted, NotJudged
from platform_e2e.layer.objects import Exemption, Rendered
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Engine, Material
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.layer.taking import Taking
from platform_e2e.layer.unread import Unread

_NAMED = 5
"""How many changed files an error names."""


@dataclass(frozen=True)
class Layer:
    """A layer that was read and found usable.

    Attributes:
        directory: where it is, an absolute path.
        files: all of its files.
        releases: the Helm releases that it stands on.
        applications: all Applications, written and generated, by name.
        applicationsets: all ApplicationSets.
        projects: all AppProjects.
        environments: every directory that an ApplicationSet could read, whether it does or not.
        rendered: every object of every Application.
        pools: the address pools.
        exemptions: every promise that something in the layer says it does not make.
        unread: manifests that no Application reads.
        not_judged: Applications and ApplicationSets that cannot be rendered here; none of `applications` is among them.
        by_hand: files of what is applied by hand, from the top of the repository that has the layer.
        rendered_roots: what is applied by hand once it is rendered: the objects of kustomizations and charts.
        urls: of its repository, in all known spellings.
        engine: what rendered it.
        material: what it was rendered from: its own repository, the first, other ones, and charts.
        options_left_out: of argocd-cm's `kustomize.buildOptions`, what was not given to kustomize.
        begins: what was taken for what, and why, one sentence each.
        accepted: of which of these the team accepts that they are not judged.
        alert_cases: the directory with cases of alerts that the team keeps, from the top of the repository; empty where it keeps none.
        stand_ins: which containers run stand-ins, and what follows.
        invented: the Secrets whose values cannot be had here.
        left_out: objects that are not served; `rendered` and `applications` do not have them.
        contents: the SHA-256 of each file when the reading began, by its path relative to the layer.
        besides: a directory whose files are not compared, because the run itself writes there.
        taking: the foundations that were taken out of it.
        here: how the cluster under test is called on itself.
        unmanaged_changes_break: whether the team takes a change by hand of a field that Git does not state for a broken promise.
        brought_pools: that the harness brings, where its addresses come from elsewhere; they are among `pools`.
        limits: that the team states for its monitoring.
    """

    directory: Path
    files: tuple[Path, ...] = field(repr=False)
    releases: tuple[Release, ...]
    applications: tuple[Application, ...]
    applicationsets: tuple[ApplicationSet, ...]
    projects: tuple[Rendered, ...]
    environments: tuple[Environment, ...]
    rendered: tuple[Rendered, ...] = field(repr=False)
    pools: tuple[Pool, ...]
    exemptions: tuple[Exemption, ...]
    unread: tuple[Unread, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    by_hand: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    rendered_roots: tuple[dict[str, Any], ...] = field(default=(), repr=False, compare=False)
    urls: tuple[str, ...] = field(default=(), compare=False)
    engine: Engine | None = field(default=None, compare=False)
    material: Material = field(default=Material(()), repr=False, compare=False)
    options_left_out: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    alert_cases: str = ""
    stand_ins: StandIns = field(default_factory=StandIns, compare=False)
    invented: tuple[Invented, ...] = field(default=(), repr=False, compare=False)
    left_out: tuple[LeftOut, ...] = field(default=(), repr=False, compare=False)
    contents: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    besides: Path | None = field(default=None, repr=False, compare=False)
    brought_pools: Brought = field(default_factory=Brought)
    unmanaged_changes_break: bool = False
    here: Here = field(default_factory=Here, repr=False, compare=False)
    taking: Taking = field(default_factory=Taking, repr=False, compare=False)
    limits: Limits = field(default_factory=Limits)

    @property
    def rendered_by(self) -> tuple[str, ...]:
        """Return what rendered it, and what may make a difference to the Argo CD that it is for; one sentence each."""
        if self.engine is None:
            return ()
        engine = self.engine
        said = [f"rendered by Argo CD {engine.argocd} (helm {engine.helm}, kustomize {engine.kustomize})"]
        for release in self.releases:
            theirs = release.app_version.removeprefix("v")
            if release.chart == "argo-cd" and theirs.split(".")[:2] != engine.argocd.split(".")[:2]:
                said.append(f"warning: it is for Argo CD {theirs}, which may render it otherwise")
        if self.taking.taken:
            said.append(f"foundations taken from it: {', '.join(map(str, self.taking.taken))}")
            said += [f"warning: {text}" for each in self.taking.taken for text in each.remarks]
        own = [f"{release.chart} {release.version}" for release in self.releases if release.brought]
        if own:
            said.append(f"it has no foundations of these kinds, so they are the harness's own: {', '.join(own)}")
        said += [f"warning: {text}" for text in self.brought_pools.said]
        if self.stand_ins.sentence:
            said.append(self.stand_ins.sentence)
        if self.options_left_out:
            said.append(
                f"warning: kustomize is not given {', '.join(self.options_left_out)}: what needs it is not judged"
            )
        return tuple(said)

    @property
    def aside(self) -> tuple[NotJudged, ...]:
        """Return what is not judged, with the Applications that are nothing but a foundation: the cluster may have these, too."""
        return (*self.not_judged, *self.taking.aside)

    @property
    def waited_for_in_vain(self) -> tuple[NotJudged, ...]:
        """Return what is not judged and may never be healthy here: an Application that waits for nothing else is not judged either."""
        return (*self.aside, *self.stand_ins.claims.devices)

    @property
    def taken_out(self) -> Mapping[str, bytes | None]:
        """Return the files as they are without the foundations that were taken out of them, by path from the layer's directory."""
        return self.taking.changed

    @property
    def unproven(self) -> tuple[NotJudged, ...]:
        """Return what only the real program, or the real value, could prove of what is judged otherwise."""
        return (*self.stand_ins.unknown, *(each.unknown for each in self.invented))

    def of_kind(self, kind: str) -> tuple[Rendered, ...]:
        """Return the rendered objects of one kind, given alone (Service) or with its group and version (v1/Service).

        Hooks are left out: they come and go with a sync.
        """
        return tuple(rendered for rendered in self.rendered if rendered.kept and kind in (rendered.kind, rendered.api))

    def located(self, cause: Cause, otherwise: Rendered | None = None) -> Cause:
        """Return a cause whose remedy names the file and line of the field to change, where the layer has that object.

        Args:
            cause: that may name another object to be changed, or one that led to it.
            otherwise: the object to be changed where it names none.
        """
        return objects.located(cause, self.rendered, otherwise)

    def relative(self, file: str) -> str:
        """Return the path of a file from the layer's directory, as the served repository has it.

        Args:
            file: from the top of the repository that has the layer, as documents and Applications name it.
        """
        return (paths.repository_of(self.directory) / file).relative_to(self.directory).as_posix()

    def application(self, name: str) -> Application:
        """Return an Application by its name.

        Raises:
            KeyError: the layer has none of that name.
        """
        for application in self.applications:
            if application.name == name:
                return application
        raise KeyError(
            f"the layer has no Application {name}; it has {', '.join(application.name for application in self.applications)}"
        )

    def pool_ranges(self) -> tuple[AddressRange, ...]:
        """Return the IPv4 ranges of all pools, as written in Git."""
        return tuple(block for pool in self.pools for block in pool.ranges)

    def load_balancers(self, *, every: bool = False) -> tuple[LoadBalancer, ...]:
        """Return every Service of type LoadBalancer that is judged: each promises to answer at an address of a pool.

        Args:
            every: whether those are among them whose address comes from a controller that is not here.
        """
        services = (service for service in self.of_kind("v1/Service") if service.spec.get("type") == "LoadBalancer")
        apart = set() if every else {each.object for each in self.not_judged}
        return tuple(inventory.load_balancer(service) for service in services if str(service) not in apart)

    def monitors(self) -> tuple[Rendered, ...]:
        """Return every ServiceMonitor and PodMonitor: each promises to be scraped."""
        return self.of_kind("ServiceMonitor") + self.of_kind("PodMonitor")

    def metrics_services(self) -> tuple[MetricsService, ...]:
        """Return every port that a rendered Service calls metrics: each promises to have a monitor."""
        every = inventory.metrics_services(self.of_kind("v1/Service"))
        return tuple(
            each for each in every if not any(not_here.scrapes(other, each.service) for other in self.rendered)
        )

    def expected_environments(self) -> tuple[Environment, ...]:
        """Return the environments that must exist: all but the exempt."""
        return tuple(environment for environment in self.environments if environment.exempt is None)

    def shared(self) -> tuple[tuple[Rendered, ...], ...]:
        """Return the objects that more than one Application renders: they would overwrite each other for ever."""
        owners: dict[tuple[str, str, str | None, str], list[Rendered]] = {}
        for rendered in self.rendered:
            owners.setdefault(rendered.identity, []).append(rendered)
        return tuple(tuple(several) for several in owners.values() if len(several) > 1)

    def fingerprint(self) -> str:
        """Return the SHA-256 over the names and contents of all files, as they are now."""
        return tree.fingerprint(self.directory, tree.files(self.directory))

    def demand_unchanged(self) -> None:
        """Refuse to go on with files that are not those that were read: what is expected was worked out from these.

        Raises:
            WrongUsage: a file was written, added or removed since.
        """
        self.demand_read_as(tree.contents(self.directory, tree.files(self.directory), self.besides))

    def demand_read_as(self, contents: Mapping[str, str]) -> None:
        """Refuse another state of the layer than the one that was read here.

        Args:
            contents: of the other state, as the attribute has them.

        Raises:
            WrongUsage: they differ; the text names the files.
        """
        names = sorted(name for name, _ in self.contents.items() ^ contents.items())
        if names:
            different = list(
                dict.fromkeys(paths.in_repository(self.directory / name, self.directory) for name in names)
            )
            more = f" and {len(different) - _NAMED} more" if len(different) > _NAMED else ""
            raise WrongUsage(
                f"the layer has changed since this run read it: {', '.join(different[:_NAMED])}{more}", "run again"
            )
