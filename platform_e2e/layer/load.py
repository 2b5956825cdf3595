"""Read a layer: follow every Application to its objects, and say with file and line what cannot be used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e import paths
from platform_e2e.finding import Promise
from platform_e2e.layer import (
    api_versions,
    build_options,
    clusters,
    foundation_choice,
    foundation_forms,
    foundation_values,
    inventory,
    not_here,
    place,
    releases,
    rendering,
    taking,
    taking_out,
    tree,
    unread,
    values_beside,
    vendored,
)
from platform_e2e.layer.allowed_options import allowed_options
from platform_e2e.layer.applications import Application
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.foundation_forms import Form
from platform_e2e.layer.foundation_values import Told
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.objects import Exemption, Rendered, described, exemptions
from platform_e2e.layer.place import Place
from platform_e2e.layer.reading import Reading
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Engine, Material, Render, Renderer, Rendering, Repository
from platform_e2e.layer.taking import Taken, Taking
from platform_e2e.layer.team_file import Said
from platform_e2e.layer.under_test import UnderTest
from platform_e2e.layer.unread import Unread


def load(
    directory: Path,
    renderer: Renderer,
    *,
    roots: Sequence[str] = (),
    besides: Path | None = None,
    material: Material | None = None,
    foundations: Path | None = None,
    here: Sequence[str] = (),
    known_clusters: Path | None = None,
) -> Layer:
    """Read a layer.

    Args:
        directory: of the layer, in a repository or the root of one.
        renderer: of Applications and ApplicationSets.
        roots: paths of what is applied by hand; found by default.
        besides: a directory that the run itself writes to: a change there is none of the layer.
        material: what there is besides the layer itself: charts and other repositories.
        foundations: a file like foundations.yaml; what it lists stands in place of what the layer has of the same charts.

        here: names and servers of clusters that are the one under test; platform-e2e.yaml says them by default.
        known_clusters: a file with clusters that Argo CD knows.

    Raises:
        LayerError, LayerErrors: nothing of the layer can be judged; the text has file and line of all that keeps it from that.
        WrongUsage: the directory does not exist, or is not a layer.
        BrokenHarness: the renderer cannot be run.
    """
    begins = place.place(directory, roots)
    root = begins.repository
    looked = tree.look(root)
    files = looked.files
    apart = besides.resolve() if besides else None
    # Before anything is read, so that what is written meanwhile counts as changed.
    contents = tree.contents(root, files, apart)
    named = releases.read(begins.directory, foundations) if foundations else ()
    listed = () if named else releases.read(begins.directory)
    options, known, assumed = build_options.given(begins)
    globbing = build_options.new_file_globbing(begins)
    made_of = replace(_material(begins, named or listed, material or Material(()), options), new_file_globbing=globbing)
    _, left_out = allowed_options(made_of.build_options)
    aim = UnderTest.of(begins, here, known_clusters)
    made_of = replace(made_of, clusters=(*made_of.clusters, *aim.secrets))
    found, engine = _read(begins, renderer, made_of, left_out, aim, options_known=known, take=not listed)
    reasons = (*begins.reasons, *_taken(found.taking))
    if not found.rendered:
        found.nothing(reasons)
    every = tuple(sorted(found.rendered.values(), key=lambda application: application.name))
    every = tuple(
        replace(application, allowed_by=found.project_of(application)) for application in rendering.scoped(every)
    )
    rendered = tuple(rendered for application in every for rendered in application.objects)
    if not listed:
        instead = {each.chart for each in named}
        listed = (*named, *(each.release for each in found.taking.taken if each.release.chart not in instead))
        beside = [
            values_beside.taken(each, begins.survey)
            for each in releases.brought((each.object for each in rendered), listed)
        ]
        listed = (*listed, *(each for each, _ in beside if not each.brought))
        reasons = (*reasons, *(text for _, text in beside if text))
        own = tuple(each for each, _ in beside if each.brought)
        names = ", ".join(f"{each.chart} {each.version}" for each in own)
        reasons = (*reasons, f"the layer has no {names}, so the harness brings it") if own else reasons
        passed = allowed_options(options)[0]
        listed = tuple(
            build_options.told(each, passed, globbing=globbing) if each.chart == ARGO_CD and each not in named else each
            for each in (*listed, *own)
        )
    brought_pools = not_here.pools(rendered, listed, found.refused)
    found.refused += not_here.not_judged(rendered, listed)
    found.refused += found.taking.lost
    left = unread.unread(root, files, found.read | _by_hand(begins), found.environments)
    return Layer(
        directory=root,
        files=files,
        releases=listed,
        applications=every,
        applicationsets=tuple(found.applicationsets.values()),
        projects=tuple(found.projects.values()),
        environments=_environments(found.environments, every),
        rendered=rendered,
        pools=(*(inventory.pool(each) for each in rendered if each.kind == "IPAddressPool"), *brought_pools.pools),
        brought_pools=brought_pools,
        exemptions=_exemptions(found, rendered, left),
        unread=left,
        not_judged=tuple(found.refused),
        accepted=begins.said.content.accept,
        unmanaged_changes_break=begins.said.content.unmanagedChanges == "break",
        limits=begins.said.content.limits,
        alert_cases=_alert_cases(begins.said),
        by_hand=frozenset(found.by_hand),
        rendered_roots=tuple(found.rendered_roots),
        urls=begins.urls,
        engine=engine,
        material=made_of,
        options_left_out=left_out,
        begins=(*reasons, *assumed, *looked.left_out),
        contents=contents,
        besides=apart,
        here=clusters.here(found.aims(aim.named, aim.by), aim.clusters, aim.named, clusters.among(rendered)),
        taking=found.taking,
    )


def _alert_cases(said: Said) -> str:
    """Return the directory with kept cases of alerts, from the top of the repository that has the layer."""
    stated = said.content.alertCases
    return str(PurePosixPath(said.document.file).parent / stated) if stated and said.document else ""


def _read(
    begins: Place,
    renderer: Renderer,
    made_of: Material,
    left_out: tuple[str, ...],
    aim: UnderTest,
    *,
    options_known: bool,
    take: bool,
) -> tuple[Reading, Engine]:
    """Read all, charts as often as they must be told of further APIs: those of the CRDs that the layer itself installs.

    What is recognised as a foundation is taken out of what is read after the first time.
    """
    inflates = {"Helm", "Kustomize"} if "--enable-helm" in made_of.build_options.split() else {"Helm"}
    known: dict[str, _Known] = {}
    taken = Taking()
    for number in range(_ROUNDS):
        found = Reading(
            begins.repository,
            owns=begins.owns,
            options_left_out=left_out,
            options_known=options_known,
            taking=taken,
        )
        with renderer(made_of) as render:
            once = _Once(render, known)
            for each in begins.roots:
                found.begin(each, begins.urls[0], once)
            found.render(once)
        if take and number == 0:
            known_of = {taking.key_of(each.application) for each in found.foundations}
            found.foundations += [
                foundation
                for key, application in found.rendered.items()
                if key not in known_of
                for foundation in foundation_forms.among(application)
            ]
        if take and number == 0 and found.foundations:
            taken = _take(begins, renderer, made_of, found, aim)
            made_of = _without_foundations(made_of, taken)
            known = {
                text: each
                for text, each in known.items()
                if not each.may_ask(inflates) and not taking_out.concerns(begins.repository, taken, each.object)
            }
            if taken.taken or taken.said:
                continue
        found.leave_out_others(aim.named, aim.by)
        every = (rendered for application in found.rendered.values() for rendered in application.objects)
        more = [name for name in api_versions.of_layer(every) if name not in made_of.api_versions]
        asking = {key for key, each in known.items() if each.may_ask(inflates)}
        if not more or not asking:
            break
        made_of = replace(made_of, api_versions=(*made_of.api_versions, *more))
        known = {key: each for key, each in known.items() if key not in asking}
    return found, once.engine


def _take(begins: Place, renderer: Renderer, made_of: Material, found: Reading, aim: UnderTest) -> Taking:
    """Return the foundations that were met, as they are installed, with what of the layer is left."""
    root = begins.repository
    elsewhere = found.elsewhere(aim.named, aim.by)
    wanted = foundation_choice.chosen(found.foundations, elsewhere, found.applications)
    said = list(wanted.said)
    own, *others = made_of.repositories
    telling = replace(
        made_of,
        repositories=(replace(own, changed={**own.changed, **foundation_values.laid(root, wanted.installed)}), *others),
        build_options="--enable-helm --load-restrictor=LoadRestrictionsNone",
    )
    with renderer(telling) as render:
        asked = [each for each in wanted.installed if each.form not in (Form.MANIFESTS, Form.OBJECTS)]
        told = dict(zip(map(id, asked), foundation_values.told(asked, begins.urls[0], root, render), strict=True))
    taken = []
    for each in wanted.installed:
        values = told.get(id(each), Told({}))
        if foundation_values.disabled(each, values.values):
            said.append(f"{each.label} ({each.place}) is not a foundation: its condition {each.condition} is false")
            continue
        release, remarks = foundation_choice.release_of(each, values.values)
        taken.append(Taken(each, release, (*remarks, *(f"{each.label}: {text}" for text in values.lacking))))
    charts = {each.foundation.chart for each in taken}
    return taking_out.take(root, taken, [each for each in wanted.again if each.chart in charts], said)


def _without_foundations(made_of: Material, taken: Taking) -> Material:
    """Return what the layer is rendered from without its foundations, and with the APIs that they bring."""
    own, *others = made_of.repositories
    releases = [each.release for each in taken.taken]
    names = [name for name in api_versions.of_foundations(releases) if name not in made_of.api_versions]
    changed = replace(own, changed={**own.changed, **taken.changed})
    return replace(made_of, repositories=(changed, *others), api_versions=(*made_of.api_versions, *names))


def _taken(taken: Taking) -> tuple[str, ...]:
    """Say which foundations were taken from where, what is not as in production, and what was not taken, one sentence each."""
    every = [
        f"{each} is taken as a foundation: it is installed first, and left out of what is served"
        for each in taken.taken
    ]
    return (*every, *(text for each in taken.taken for text in each.remarks), *taken.said)


@dataclass(frozen=True)
class _Known:
    """What an object became."""

    object: Mapping[str, Any]
    made: Rendering

    def may_ask(self, inflates: Collection[str]) -> bool:
        """Tell whether it may depend on the APIs that there are."""
        return self.made.problem is not None or any(each.type in inflates for each in self.made.sources)


@dataclass(frozen=True)
class _Once:
    """Render only what is not known: which APIs there are matters to charts alone.

    Attributes:
        by: the renderer.
        known: what objects became, by their text.
    """

    by: Render
    known: dict[str, _Known]

    @property
    def engine(self) -> Engine:
        return self.by.engine

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        texts = [repr(each) for each in objects]
        new = {text: each for text, each in zip(texts, objects, strict=True) if text not in self.known}
        made = zip(new.items(), self.by(list(new.values())), strict=True)
        self.known.update({text: _Known(each, rendering) for (text, each), rendering in made})
        return [self.known[text].made for text in texts]


ARGO_CD = "argo-cd"
"""The chart that renders the layer on the cluster."""

_ROUNDS = 4
"""How often a layer is read: a chart may have a CRD only where another chart's is. One that never has enough is told no more."""


def _material(begins: Place, listed: Sequence[Release], given: Material, options: str) -> Material:
    """Return what the layer is rendered from: its own repository, what is given, and what its own Argo CD is told."""
    every = replace(
        given,
        repositories=(Repository(begins.repository, begins.urls), *given.repositories),
        build_options=options,
        api_versions=(*given.api_versions, *api_versions.of_foundations(listed)),
    )
    vendor = vendored.Vendor(every)
    added = (replace(each, changed=vendor.added(each.directory)) for each in every.repositories)
    return replace(every, repositories=tuple(added))


def _by_hand(begins: Place) -> set[Path]:
    """Return the directories of what is applied by hand: no Application need read them."""
    every = [begins.repository / root.path for root in begins.roots]
    found = {path if path.is_dir() else path.parent for path in every}
    return found | {below for path in found for below in path.rglob("*") if below.is_dir()}


def _environments(found: Sequence[Environment], every: Sequence[Application]) -> tuple[Environment, ...]:
    """Return environments without those that another ApplicationSet or Application reads: these belong to it, and are not missing."""
    read = {source.path.strip("/") for application in every for source in application.sources}
    return tuple(each for each in found if each.application is not None or each.path.strip("/") not in read)


def _exemptions(found: Reading, rendered: tuple[Rendered, ...], left: tuple[Unread, ...]) -> tuple[Exemption, ...]:
    """Return every exemption once; Applications and ApplicationSets may also be among the rendered."""
    written: list[Application | ApplicationSet | Rendered] = [*found.rendered.values(), *found.applicationsets.values()]
    every = {
        (exemption.object, exemption.promise): exemption
        for thing in (*written, *rendered)
        for exemption in exemptions(thing.annotations, str(thing), thing.file, thing.line)
    }
    for environment in found.environments:
        if environment.exempt and environment.application is None:
            subject = described("Environment", environment.path, None)
            exemption = Exemption(subject, Promise.ENVIRONMENTS, environment.exempt, environment.file)
            every[subject, Promise.ENVIRONMENTS] = exemption
    for directory in left:
        if directory.exempt:
            named = paths.in_repository(found.root / directory.path, found.root)
            exemption = Exemption(str(directory), Promise.APPLICATIONS, directory.exempt, named)
            every[str(directory), Promise.APPLICATIONS] = exemption
    return tuple(every.values())
