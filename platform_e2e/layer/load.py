"""Read a layer: follow every Application to its objects, and say with file and line what cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Promise
from platform_e2e.layer import (
    applications,
    applicationsets,
    inventory,
    manifests,
    own_annotations,
    releases,
    rendering,
    tree,
    unread,
)
from platform_e2e.layer.applications import Application
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.errors import LayerError, WrongAnnotation
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Exemption, Rendered, described, exemptions
from platform_e2e.layer.renderer import Material, Problem, Reason, Render, Renderer, Rendering, Repository
from platform_e2e.layer.unread import Unread
from platform_e2e.layer.yamlfile import Document

ROOTS = "argocd"
"""The directory that a team applies by hand once: its Applications, ApplicationSets and AppProjects."""

_GROUP = "argoproj.io/"


def load(
    directory: Path, renderer: Renderer, *, besides: Path | None = None, material: Material | None = None
) -> Layer:
    """Read a layer.

    Args:
        directory: of the layer; it is the root of the repository that Argo CD reads.
        renderer: of Applications and ApplicationSets.
        besides: a directory that the run itself writes to: a change there is none of the layer.
        material: what there is besides the layer itself: charts, other repositories, options.

    Raises:
        LayerError: nothing of the layer can be judged; the text has file and line.
        WrongUsage: the directory does not exist, or is not a layer.
        BrokenHarness: the renderer cannot be run.
    """
    root = directory.resolve()
    files = tree.files(root)
    apart = besides.resolve() if besides else None
    # Before anything is read, so that what is written meanwhile counts as changed.
    contents = tree.contents(root, files, apart)
    if not (root / ROOTS).is_dir():
        raise WrongUsage(
            f"{root} is not a layer: it must have a directory {ROOTS}/", "name the layer's directory with --layer DIR"
        )
    listed = releases.read(root)
    found = _Reading(root)
    found.take(manifests.directory(root, root / ROOTS, recurse=True, refused=found.refuse_file))
    if found.applications or found.sets:
        with renderer(_material(root, found, material or Material(()))) as render:
            found.render(render)
    if not found.rendered:
        raise found.nothing()
    every = tuple(sorted(found.rendered.values(), key=lambda application: application.name))
    every = tuple(
        replace(application, allowed_by=found.project_of(application)) for application in rendering.scoped(every)
    )
    rendered = tuple(rendered for application in every for rendered in application.objects)
    left = unread.unread(root, files, found.read, found.environments)
    return Layer(
        directory=root,
        files=files,
        releases=listed,
        applications=every,
        applicationsets=tuple(found.applicationsets.values()),
        projects=tuple(found.projects.values()),
        environments=tuple(found.environments),
        rendered=rendered,
        pools=tuple(inventory.pool(pool) for pool in rendered if pool.kind == "IPAddressPool"),
        exemptions=_exemptions(found, rendered, left),
        unread=left,
        not_judged=tuple(found.refused),
        contents=contents,
        besides=apart,
    )


def _material(root: Path, found: _Reading, given: Material) -> Material:
    """Return what the layer is rendered from: itself, under the URL that most of its Applications name, and what is given."""
    named = Counter(
        source.repository
        for application in found.applications.values()
        for source in application.sources
        if not source.chart
    )
    for document in found.sets:
        named.update(applicationsets.repositories(document))
    own = Repository(root, tuple(url for url, _ in named.most_common(1)))
    return replace(given, repositories=(own, *given.repositories))


_Key = tuple[str, str]
"""Namespace and name of an Application or ApplicationSet."""


@dataclass
class _Reading:
    """What was found so far; Applications may render further Applications."""

    root: Path
    applications: dict[_Key, Application] = field(default_factory=dict)
    rendered: dict[_Key, Application] = field(default_factory=dict)
    sets: list[Document] = field(default_factory=list)
    applicationsets: dict[_Key, ApplicationSet] = field(default_factory=dict)
    projects: dict[_Key, Rendered] = field(default_factory=dict)
    seen: list[Document] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)
    refused: list[NotJudged] = field(default_factory=list)
    errors: list[LayerError] = field(default_factory=list)

    def take(self, documents: Iterable[Document]) -> None:
        """Take note of the Applications, ApplicationSets and AppProjects among some objects, and check all for annotations."""
        for document in documents:
            metadata = document.data["metadata"]
            name = described(document.data["kind"], manifests.name_of(metadata), metadata.get("namespace"))
            own_annotations.check(document, name)
            if not str(document.data["apiVersion"]).startswith(_GROUP):
                continue
            try:
                match document.data["kind"]:
                    case "Application":
                        self._application(applications.parse(document))
                    case "ApplicationSet":
                        self._applicationset(document)
                    case "AppProject":
                        self._project(document)
            except LayerError as error:
                self._refuse(name, Reason.SHAPE, error)

    def render(self, render: Render) -> None:
        """Render every Application and ApplicationSet, also those that an Application renders."""
        done: set[_Key] = set()
        while self.sets or self.applications.keys() - done:
            sets, self.sets = self.sets, []
            for document, made in zip(sets, render([document.data for document in sets]), strict=True):
                self._expand(document, made)
            waiting = [key for key in self.applications if key not in done]
            done.update(waiting)
            every = [self.applications[key] for key in waiting]
            for application, made in zip(every, render([each.manifest for each in every]), strict=True):
                self._rendered(application, made)

    def _expand(self, document: Document, made: Rendering) -> None:
        name = described("ApplicationSet", *_named(document)[::-1])
        try:
            if made.problem is not None:
                raise _of_set(document, made.problem)
            owner, generated = applicationsets.parse(document, made.applications)
            for application in generated:
                written = Document(
                    application.manifest, application.file, application.line, written=application.written
                )
                own_annotations.check(written, str(application))
                self._application(application)
            self.environments.extend(applicationsets.environments(self.root, owner, generated))
            self.applicationsets[_named(document)] = owner
        except LayerError as error:
            self._refuse(name, made.problem.reason if made.problem else Reason.RENDER, error)

    def _rendered(self, application: Application, made: Rendering) -> None:
        key = (application.namespace, application.name)
        if made.problem is not None:
            self._refuse(str(application), made.problem.reason, rendering.refusal(self.root, application, made.problem))
            return
        parts = rendering.inputs(self.root, application, made)
        self.read |= unread.directories(self.root, parts)
        try:
            objects = rendering.objects(application, made, parts)
            self.take(rendered.document for rendered in objects)
        except LayerError as error:
            self._refuse(str(application), Reason.RENDER, error)
            return
        self.rendered[key] = replace(application, objects=objects)

    def refuse_file(self, error: LayerError) -> None:
        """Take note of a file among the roots that cannot be read."""
        self._refuse(f"file/{error.file}", Reason.RENDER, error)

    def _refuse(self, name: str, reason: Reason, error: LayerError) -> None:
        if isinstance(error, WrongAnnotation):
            raise error
        problem = (error.problem.partition(": ")[2] or error.problem).removeprefix(f"{name}: ")
        self.refused.append(NotJudged(name, reason, problem, error.remedy, error.file, error.line))
        self.errors.append(error)

    def nothing(self) -> LayerError:
        """Return the error of a layer of which nothing can be judged."""
        if self.errors:
            return self.errors[0]
        return LayerError(
            paths.in_repository(self.root / ROOTS, self.root),
            None,
            "holds no Application and no ApplicationSet",
            "a layer that deploys nothing proves nothing",
        )

    def _application(self, new: Application) -> None:
        known = self.applications.setdefault((new.namespace, new.name), new)
        if (known.file, known.line) != (new.file, new.line):
            problem = f"{new} is there a second time"
            raise LayerError(new.file, new.line, problem, f"the first is in {known.file}:{known.line}")

    def _applicationset(self, document: Document) -> None:
        key = _named(document)
        known = next((each for each in self.seen if _named(each) == key), None)
        if known is None:
            self.seen.append(document)
            self.sets.append(document)
        elif (known.file, known.line) != (document.file, document.line):
            problem = f"{described('ApplicationSet', key[1], key[0])} is there a second time"
            raise document.error(problem, f"the first is in {known.file}:{known.line}")

    def _project(self, document: Document) -> None:
        metadata = document.data["metadata"]
        key = (metadata.get("namespace") or applications.NAMESPACE, metadata["name"])
        data = {**document.data, "metadata": {**metadata, "namespace": key[0]}}
        self.projects.setdefault(key, Rendered(data, "", document.file, document.line, Written.of(document)))

    def project_of(self, application: Application) -> Rendered | None:
        """Return the AppProject of an Application, which may live in a namespace of its own, projects beside Argo CD alone."""
        places = (applications.NAMESPACE, application.namespace)
        return next(
            (self.projects[key] for place in places if (key := (place, application.project)) in self.projects), None
        )


def _named(document: Document) -> _Key:
    metadata = document.data["metadata"]
    return metadata.get("namespace") or applications.NAMESPACE, metadata["name"]


def _of_set(document: Document, problem: Problem) -> LayerError:
    """Return the error of an ApplicationSet that Argo CD's code does not expand."""
    name = document.data["metadata"]["name"]
    match problem.reason:
        case Reason.GENERATOR:
            text = f"ApplicationSet {name} has the generator {problem.text}, which asks something outside of Git"
            remedy = "name what it would generate in a list, or accept that its Applications are not judged"
        case Reason.REPOSITORY:
            text = f"ApplicationSet {name} has a generator that reads {problem.text}, of which there is no copy"
            remedy = f"give a copy with --repository {problem.text}=DIR"
        case _:
            text = f"ApplicationSet {name}: Argo CD cannot expand it: {' '.join(problem.text.split())}"
            remedy = "correct what Argo CD refuses"
    return document.error(text, remedy, ("spec",))


def _exemptions(found: _Reading, rendered: tuple[Rendered, ...], left: tuple[Unread, ...]) -> tuple[Exemption, ...]:
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
