"""Follow what a team applies by hand to every object that Argo CD makes of it, and take note of what cannot be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from platform_e2e import paths
from platform_e2e.layer import (
    applications,
    applicationsets,
    destinations,
    foundation_forms,
    kustomize,
    manifests,
    own_annotations,
    rendering,
    shapes,
    taking,
    unread,
    yamlfile,
)
from platform_e2e.layer.applications import Application, Source
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.destinations import Aim, Destination
from platform_e2e.layer.errors import LayerError, NothingRendered, OddShape, WrongAnnotation, refuse
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.foundation_forms import Foundation
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered, described
from platform_e2e.layer.place import Root
from platform_e2e.layer.renderer import Problem, Reason, Render, Rendering
from platform_e2e.layer.survey import CHART
from platform_e2e.layer.taking import Taking
from platform_e2e.layer.units import Kind
from platform_e2e.layer.yamlfile import Document

_GROUP = "argoproj.io/"

_RESTRICTED = ": security; file "
"""How kustomize refuses a file outside of a kustomization, unless it is given `--load-restrictor LoadRestrictionsNone`."""

_Key = tuple[str, str]
"""Namespace and name of an Application or ApplicationSet."""


@dataclass
class Reading:
    """What was found so far; Applications may render further Applications.

    Attributes:
        root: the root of the repository.
        owns: tells whether a URL is that of the repository.
        options_left_out: of argocd-cm's `kustomize.buildOptions`, what was not given to kustomize.
        options_known: whether the repository has the configuration of its Argo CD.
        taking: the foundations that are taken out of it.
        foundations: those that were met.
        applications: all that were met.
        rendered: those that were rendered, with their objects.
        sets: ApplicationSets that are to be expanded.
        seen: all ApplicationSets that were met.
        applicationsets: those that were expanded.
        projects: AppProjects.
        environments: of the ApplicationSets.
        by_hand: files of what is applied by hand.
        rendered_roots: what is applied by hand once it is rendered.
        read: directories that Applications read something of.
        refused: what cannot be judged.
        errors: why, with file and line, in the same order.
    """

    root: Path
    owns: Callable[[str], bool]
    options_left_out: tuple[str, ...] = ()
    options_known: bool = True
    taking: Taking = field(default_factory=Taking)
    foundations: list[Foundation] = field(default_factory=list)
    applications: dict[_Key, Application] = field(default_factory=dict)
    rendered: dict[_Key, Application] = field(default_factory=dict)
    sets: list[Document] = field(default_factory=list)
    applicationsets: dict[_Key, ApplicationSet] = field(default_factory=dict)
    projects: dict[_Key, Rendered] = field(default_factory=dict)
    seen: list[Document] = field(default_factory=list)
    environments: list[Environment] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)
    rendered_roots: list[dict[str, Any]] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)
    refused: list[NotJudged] = field(default_factory=list)
    errors: list[LayerError] = field(default_factory=list)

    def begin(self, root: Root, url: str, render: Render) -> None:
        """Take note of what a team applies by hand.

        Args:
            root: what it is; a kustomization and a chart are rendered, files are read.
            url: of the repository.
            render: the renderer.
        """
        path = self.root / root.path
        match root.kind:
            case Kind.DIRECTORY:
                self._by_hand(manifests.directory(self.root, path, recurse=True, refused=self._refuse_file))
            case Kind.FILE:
                try:
                    documents = yamlfile.read(self.root, path)
                    self._by_hand([item for document in documents for item in manifests.objects(document)])
                except LayerError as error:
                    self._refuse_file(error)
            case _:
                manifest = root.application(url)
                file = paths.in_repository(path, self.root)
                application = applications.parse(Document(manifest, file, 1))
                self.foundations += foundation_forms.found_in(self.root, application)
                (made,) = render([manifest])
                try:
                    if made.problem is not None:
                        raise rendering.refusal(self.root, application, made.problem)
                    parts = rendering.inputs(self.root, application, made)
                    self.read |= unread.directories(self.root, parts)
                    objects = rendering.objects(application, made, parts)
                except LayerError as error:
                    reason = made.problem.reason if made.problem else Reason.RENDER
                    self._refuse(described(root.kind, root.path, None), reason, error)
                    for part in root.parts:
                        self.begin(part, url, render)
                    return
                self.rendered_roots += [each.object for each in objects]
                self.take(each.document for each in objects)

    def _by_hand(self, documents: Sequence[Document]) -> None:
        self.by_hand |= {document.file for document in documents}
        self.take(documents)

    def take(self, documents: Iterable[Document]) -> None:
        """Take note of the Applications, ApplicationSets and AppProjects among some objects, and check all for annotations."""
        for document in documents:
            metadata = document.data["metadata"]
            name = described(document.data["kind"], manifests.name_of(metadata), manifests.namespace_of(metadata))
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
            every = [self._without_foundations(self.applications[key]) for key in waiting]
            every = [each for each in every if taking.key_of(each) not in self.taking.apart]
            for application, made in zip(every, render([each.manifest for each in every]), strict=True):
                self._rendered(application, made)

    def _without_foundations(self, application: Application) -> Application:
        """Take note of an Application's foundations, and return the Application as it is without those that are taken out."""
        self.foundations += foundation_forms.found_in(self.root, application)
        gone = self.taking.without.get(taking.key_of(application), frozenset())
        if taking.key_of(application) in self.taking.apart:
            self.read |= {below for source in application.sources for below in unread.below(self.root, source.path)}
        if not gone:
            return application
        left = tuple(source for index, source in enumerate(application.sources) if index not in gone)
        return replace(application, manifest=self.taking.rest_of(application), sources=left)

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
            here = [self._here(application) for application in generated]
            self.environments.extend(applicationsets.environments(self.root, owner, here))
            self.applicationsets[_named(document)] = owner
        except LayerError as error:
            self._refuse(name, made.problem.reason if made.problem else _wrong(error), error)

    def _here(self, application: Application) -> Application:
        """Return an Application without the paths of its sources that are in other repositories: no file here is of them."""
        sources = (each if self.owns(each.repository) else replace(each, path="") for each in application.sources)
        return replace(application, sources=tuple(sources))

    def _rendered(self, whole: Application, made: Rendering) -> None:
        key, application = (whole.namespace, whole.name), self._here(whole)
        if made.problem is not None:
            # It would read them: they are not forgotten.
            self.read |= {below for source in application.sources for below in unread.below(self.root, source.path)}
            error = rendering.refusal(self.root, application, made.problem)
            # One of charts alone reads no manifests of the layer.
            reads = None if any(source.path for source in application.sources) else ()
            reason = self._reason(application, made.problem)
            certain = reason in {Reason.RENDER, Reason.LINK} and not any(map(self._depends, application.sources))
            self._refuse(str(application), reason, error, reads, certain=certain, destination=application.destination)
            return
        parts = rendering.inputs(self.root, application, made)
        self.read |= unread.directories(self.root, parts)
        try:
            objects = rendering.objects(application, made, parts)
            self.take(rendered.document for rendered in objects)
        except LayerError as error:
            self._refuse(str(application), _wrong(error), error, destination=application.destination)
            return
        self.rendered[key] = replace(whole, objects=objects)

    def _reason(self, application: Application, problem: Problem) -> Reason:
        """Return why an Application is not rendered: a kustomization may lack an option that it was not given."""
        source = application.sources[problem.source]
        kustomized = source.path and any((self.root / source.path / name).is_file() for name in kustomize.NAMES)
        missing = self.options_left_out or (not self.options_known and _RESTRICTED in problem.text)
        if problem.reason is Reason.RENDER and kustomized and missing:
            return Reason.OPTIONS
        return problem.reason

    def _depends(self, source: Source) -> bool:
        """Tell whether what a source becomes may depend on more than its files: charts ask the cluster what it serves."""
        directory = (self.root / source.path).resolve()
        if not source.path or not directory.is_relative_to(self.root):
            return True
        if (directory / CHART).exists() or any(directory.glob(".argocd-source*")):
            return True
        try:
            made_of = kustomize.reads(self.root, directory, strict=False, routes=False) if directory.is_dir() else None
        except LayerError:
            return True
        return made_of is not None and any(
            isinstance(each.data, dict) and any("helm" in str(key).lower() for key in each.data)
            for each in made_of.kustomizations
        )

    def aims(self, named: Sequence[str], by: str) -> dict[Destination, Aim]:
        """Return for each destination whether it is the cluster under test.

        Args:
            named: servers and names that are this cluster.
            by: what names them.
        """
        return destinations.judge((_destination(each) for each in self.applications.values()), named, by)

    def elsewhere(self, named: Sequence[str], by: str) -> dict[_Key, str]:
        """Return the Applications that are for another cluster, and why."""
        aims = self.aims(named, by)
        every = {key: aims[_destination(application)] for key, application in self.applications.items()}
        return {key: aim.why for key, aim in every.items() if not aim.here}

    def leave_out_others(self, named: Sequence[str], by: str) -> None:
        """Leave out the Applications that are for another cluster, also where the other one is taken for this cluster, too.

        Of two Applications that make the same object for two clusters one cluster can have only one.
        """
        others = self.elsewhere(named, by)
        others |= self._twice({key: each for key, each in self.rendered.items() if key not in others})
        for key, why in others.items():
            application = self.applications[key]
            if key in self.rendered:
                del self.rendered[key]
                error = rendering.error_at(application, ("spec", "destination"), f"{application}: {why}", "")
                self._refuse(str(application), Reason.DESTINATION, error)

    def _twice(self, here: Mapping[_Key, Application]) -> dict[_Key, str]:
        found: dict[_Key, str] = {}
        owners: dict[tuple[str, str, str | None, str], Application] = {}
        for key, application in sorted(here.items()):
            aim = _destination(application)
            first = next((owners[each.identity] for each in application.objects if each.identity in owners), None)
            if first is not None and destinations.others(_destination(first), aim):
                told = f"it makes for {aim} what {first} makes for {_destination(first)}"
                found[key] = f"{told}, and one cluster can have it once: choose one of them by --destination"
                continue
            for each in application.objects:
                owners.setdefault(each.identity, application)
        return found

    def _refuse_file(self, error: LayerError) -> None:
        """Take note of a file among the roots that cannot be read."""
        self._refuse(f"file/{error.file}", Reason.RENDER, error)

    def _refuse(
        self,
        name: str,
        reason: Reason,
        error: LayerError,
        reads: tuple[str, ...] | None = None,
        *,
        certain: bool = False,
        destination: str | None = None,
    ) -> None:
        if isinstance(error, WrongAnnotation):
            raise error
        problem = (error.problem.partition(": ")[2] or error.problem).removeprefix(f"{name}: ")
        reason = Reason.SHAPE if isinstance(error, OddShape) else reason
        self.refused.append(
            NotJudged(name, reason, problem, error.remedy, error.file, error.line, reads, certain, destination)
        )
        self.errors.append(error)

    def nothing(self, taken: Sequence[str]) -> NoReturn:
        """Refuse a layer of which nothing can be judged.

        Args:
            taken: what was taken for what.

        Raises:
            LayerError: there is one cause.
            LayerErrors: there are several.
        """
        if not self.errors:
            remedy = f"a layer that deploys nothing proves nothing; {'; '.join(taken)}"
            raise LayerError(".", None, "holds no Application", remedy)
        refuse(self.errors, self.refused)

    def _application(self, new: Application) -> None:
        known = self.applications.setdefault((new.namespace, new.name), new)
        if (known.file, known.line) != (new.file, new.line):
            problem = f"{new} is there a second time"
            raise LayerError(new.file, new.line, problem, f"the first is in {known.file}:{known.line}")

    def _applicationset(self, document: Document) -> None:
        shapes.demand_argo(document)
        key = _named(document)
        known = next((each for each in self.seen if _named(each) == key), None)
        if known is None:
            self.seen.append(document)
            self.sets.append(document)
        elif (known.file, known.line) != (document.file, document.line):
            problem = f"{described('ApplicationSet', key[1], key[0])} is there a second time"
            raise document.error(problem, f"the first is in {known.file}:{known.line}")

    def _project(self, document: Document) -> None:
        shapes.demand_argo(document)
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


def _destination(application: Application) -> Destination:
    spec = application.manifest["spec"].get("destination") or {}
    return Destination(str(spec.get("server") or ""), str(spec.get("name") or ""))


def _named(document: Document) -> _Key:
    metadata = document.data["metadata"]
    return metadata.get("namespace") or applications.NAMESPACE, metadata["name"]


def _wrong(error: LayerError) -> Reason:
    """Return why what was rendered is not judged."""
    return Reason.EMPTY if isinstance(error, NothingRendered) else Reason.RENDER


def _of_set(document: Document, problem: Problem) -> LayerError:
    """Return the error of an ApplicationSet that Argo CD's code does not expand."""
    name = document.data["metadata"]["name"]
    match problem.reason:
        case Reason.GENERATOR:
            text = f"ApplicationSet {name} has the generator {problem.text}, which asks something outside of Git"
            remedy = "name what it would generate in a list, or accept that its Applications are not judged"
        case Reason.REPOSITORY:
            text = f"ApplicationSet {name} has a generator that reads {problem.text}, of which there is no copy"
            _, _, remedy = rendering.ELSEWHERE[Reason.REPOSITORY]
        case _:
            text = f"ApplicationSet {name}: Argo CD cannot expand it: {' '.join(problem.text.split())}"
            remedy = "correct what Argo CD refuses"
    return document.error(text, remedy, ("spec",))
