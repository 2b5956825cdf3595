"""From an Application to the objects that Argo CD will apply for it, each with the file and line where it is written."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import inventory, kustomize, manifests, shapes
from platform_e2e.layer.applications import Application, Source
from platform_e2e.layer.bases import Route
from platform_e2e.layer.errors import LayerError, NothingRendered
from platform_e2e.layer.field_locations import Keys, Written
from platform_e2e.layer.kustomize import Reads
from platform_e2e.layer.objects import CLUSTER_SCOPED, Rendered
from platform_e2e.layer.patch_targets import Subject
from platform_e2e.layer.renderer import Problem, Reason, RenderedSource, Rendering
from platform_e2e.layer.survey import CHART
from platform_e2e.layer.yamlfile import Document


@dataclass(frozen=True)
class Input:
    """The files of this repository that one source of an Application is made of, as far as they can be followed.

    Attributes:
        directory: of the source; None where it is not one of this repository, such as a chart's.
        documents: the objects of a plain directory; empty for anything else.
        reads: all that a kustomization reads; None for anything else.
        chart: whether it is a Helm chart.
    """

    directory: Path | None = None
    documents: list[Document] = field(default_factory=list)
    reads: Reads | None = None
    chart: bool = False


def inputs(root: Path, application: Application, rendering: Rendering) -> list[Input]:
    """Return the files that an Application is made of; what cannot be followed is passed over, since it was rendered.

    Args:
        root: the repository's root.
        application: as parsed.
        rendering: what it became.
    """
    pairs = zip(application.sources, rendering.sources, strict=True)
    return [_input(root, source, rendered.type) for source, rendered in pairs]


def objects(application: Application, rendering: Rendering, made_of: list[Input]) -> tuple[Rendered, ...]:
    """Return what an Application renders, in the order of its sources, each object with the place where it is written.

    Args:
        application: as parsed; its `objects` are not looked at.
        rendering: what it became.
        made_of: what `inputs` returned for it.

    Raises:
        OddShape: a field that is read has another form than its kind asks for.
        LayerError: it renders something that is not an object, or a pool of what are no addresses.
        NothingRendered: it renders nothing from files.
    """
    for part in made_of:
        if part.reads is not None and part.reads.faults:
            raise part.reads.faults[0]
    found = [
        document
        for rendered, part, source in zip(rendering.sources, made_of, application.sources, strict=True)
        for document in _documents(application, source, rendered, part)
    ]
    if not found and not any(part.chart for part in made_of):
        places = ", ".join(source.path or source.repository for source in application.sources)
        problem = f"{application}: renders nothing from {places}"
        raise NothingRendered(
            application.file, application.line, problem, "an Application without objects is always healthy"
        )
    scopes = CLUSTER_SCOPED | _cluster_scoped(found)
    objects = [_rendered(document, application, scopes) for document in found]
    for rendered in objects:
        shapes.demand(shapes.rendered(rendered.object), rendered.object, str(rendered), rendered.place)
        if rendered.kind == "IPAddressPool":
            inventory.pool(rendered)
    # Of an object that is there twice Argo CD warns, and applies the last (controller/state.go, DeduplicateTargetObjects).
    last = {each.identity: number for number, each in enumerate(objects) if "name" in each.object["metadata"]}
    return tuple(each for number, each in enumerate(objects) if last.get(each.identity, number) == number)


_ACCEPT = "or accept in platform-e2e.yaml that it is not judged"


def refusal(root: Path, application: Application, problem: Problem) -> LayerError:
    """Return why an Application is not rendered, with the file and line that is wrong where that can be found.

    Args:
        root: the repository's root.
        application: as parsed.
        problem: what Argo CD says.
    """
    index = problem.source
    at: Keys = ("spec", "sources", index) if application.manifest["spec"].get("sources") else ("spec", "source")
    if problem.reason in ELSEWHERE:
        field, text, remedy = ELSEWHERE[problem.reason]
        path = application.sources[index].path
        own = problem.reason is Reason.REPOSITORY and problem.text == application.sources[index].repository
        if own and path and (root / path).is_dir():
            remedy = f"if that is this repository, since it has {path}, write `urls: [{problem.text}]` into platform-e2e.yaml; else {remedy}"
        return error_at(application, (*at, *field), text.format(problem.text), remedy)
    source = application.sources[index]
    said = _SAID.sub("", " ".join(problem.text.split()))
    if "must specify --enable-helm" in said:
        text = "its kustomization has charts, which Argo CD renders only where kustomize.buildOptions has --enable-helm"
        remedy = "add it in argocd-cm, or write kustomizeBuildOptions into platform-e2e.yaml"
        return error_at(application, at, text, remedy)
    wrong = _wrong_files(root, application, source, said) if source.path else None
    return wrong or error_at(application, at, f"Argo CD cannot render it: {said}", "correct what Argo CD refuses")


ELSEWHERE: Mapping[Reason, tuple[Keys, str, str]] = {
    Reason.CHART: (
        ("chart",),
        "its chart is of another place: {}",
        f"fetch it ({paths.command('fetch')} --layer DIR) or give it by --charts-dir, {_ACCEPT}",
    ),
    Reason.REPOSITORY: (
        ("repoURL",),
        "it reads {}, of which there is no copy",
        f"fetch it ({paths.command('fetch')} --layer DIR) or give it by --repository URL=DIR, {_ACCEPT}",
    ),
    Reason.PLUGIN: (
        ("plugin",),
        "it is rendered by a config management plugin: {}",
        f"give what it renders by --rendered APP=DIR, {_ACCEPT}",
    ),
    Reason.TIME: ((), "{}", "render less at once"),
    Reason.MEMORY: ((), "{}", "render less at once"),
    Reason.LINK: (
        (),
        "its repository has a link that leads out of it: {}",
        "put what it points to into the repository",
    ),
}
"""For each reason that is not in the files: the field of the source that it is about, the problem, and the remedy."""


def _wrong_files(root: Path, application: Application, source: Source, said: str) -> LayerError | None:
    """Return what is wrong with the files of a source; None where that is not in the files, as far as can be told."""
    directory = (root / source.path).resolve()
    if not directory.is_dir() or not directory.is_relative_to(root):
        text = f"{application}: its path {source.path} is not a directory of the layer"
        return LayerError(application.file, application.line, text, "Argo CD would say: app path does not exist")
    if (directory / CHART).is_file():
        # Its files are templates, of which helm says what is wrong.
        return None
    try:
        _strictly(root, directory, source)
        kustomization = kustomize.kustomization_in(root, directory)
    except LayerError as error:
        return error
    if kustomization is None:
        return None
    file = paths.in_repository(kustomization, root)
    return LayerError(file, 1, f"kustomize cannot build it: {said}", "correct what kustomize refuses")


_SAID = re.compile(r"^.*?failed exit status \d+: (?:Error: )?")
"""What Argo CD puts before the words of kustomize and helm: the command."""


def error_at(application: Application, at: Keys, text: str, remedy: str) -> LayerError:
    """Return an error about a field of an Application."""
    file, _, line = application.place(*at).rpartition(":")
    return LayerError(file, int(line) if line.isdigit() else None, f"{application}: {text}", remedy)


def scoped(applications: Sequence[Application]) -> tuple[Application, ...]:
    """Return Applications with their objects in no namespace where a CRD of another Application says that their kind has none.

    Argo CD asks the API server, which knows every CRD by then.

    Args:
        applications: all of the layer, rendered.
    """
    every = [rendered.object for application in applications for rendered in application.objects]
    kinds = {kind for each in every for kind in _without_namespace(each)}

    def without(rendered: Rendered) -> Rendered:
        if rendered.namespace is None or rendered.identity[:2] not in kinds:
            return rendered
        metadata = {name: value for name, value in rendered.object["metadata"].items() if name != "namespace"}
        return replace(rendered, object={**rendered.object, "metadata": metadata})

    return tuple(replace(application, objects=tuple(map(without, application.objects))) for application in applications)


def _input(root: Path, source: Source, kind: str) -> Input:
    directory = (root / source.path).resolve() if source.path else None
    if directory is None or not directory.is_dir() or not directory.is_relative_to(root):
        return Input(chart=kind == "Helm")
    match kind:
        case "Kustomize":
            return Input(directory, reads=kustomize.reads(root, directory, strict=False))
        case "Directory":
            found = manifests.directory(
                root,
                directory,
                recurse=source.recurse,
                include=source.include,
                exclude=source.exclude,
                refused=lambda _: None,
            )
            return Input(directory, documents=found)
    return Input(directory, chart=kind == "Helm")


def _strictly(root: Path, directory: Path, source: Source) -> None:
    """Raise what is wrong with the files of a source, if that can be told; of a chart helm tells it."""
    if (directory / CHART).is_file():
        return
    if source.recurse or source.include or source.exclude or not kustomize.kustomization_in(root, directory):
        manifests.directory(root, directory, recurse=source.recurse, include=source.include, exclude=source.exclude)
    else:
        kustomize.reads(root, directory)


def _documents(application: Application, source: Source, rendered: RenderedSource, part: Input) -> list[Document]:
    written = _Written.of(part)
    fallback = _place(application, source, part)
    return [
        _located(item.data, part, written, fallback) for data in rendered.objects for item in _objects(data, fallback)
    ]


def _objects(data: Any, fallback: Document) -> list[Document]:
    """Return the objects of what was rendered, which is checked like a file's content."""
    found = list(manifests.objects(Document(data, fallback.file, fallback.line, whole=False)))
    if not found and data:
        raise fallback.error("renders something that is not a Kubernetes object")
    return found


def _place(application: Application, source: Source, part: Input) -> Document:
    """Return where an object is said to be written whose own place is not known: the kustomization, or the Application's source."""
    if part.reads is not None and part.reads.kustomizations:
        return part.reads.kustomizations[0]
    index = application.sources.index(source)
    at = ("spec", "sources", index) if application.manifest["spec"].get("sources") else ("spec", "source")
    file, _, line = application.place(*at).rpartition(":")
    return Document({}, file, int(line) if line.isdigit() else application.line)


@dataclass(frozen=True)
class _Candidate:
    """An object as it is written, on one way to what is rendered."""

    document: Document
    route: Route
    names: list[str]
    namespaces: list[str | None]

    def distance(self, name: str, namespace: str | None) -> tuple[int, int] | None:
        """Tell how far a rendered object is from what is to be expected of this one; None where it is another one."""
        # What a patch or a plugin has named anew is expected less than what is as written; the written name is inside then.
        apart = 0 if self.names[-1] == name else 1 if self.names[0] == name else 2 if self.names[0] in name else None
        if apart is None:
            return None
        return apart, 0 if self.namespaces[-1] == namespace else 1 if self.namespaces[0] in (namespace, None) else 2


@dataclass(frozen=True)
class _Written:
    """The objects of a source's files, by kind, and by kind and the name that they should have when rendered.

    `turns` counts how often an object of that kind, name and namespace was asked for.
    """

    by_kind: dict[str, list[_Candidate]] = field(default_factory=dict)
    by_name: dict[tuple[str, str], list[_Candidate]] = field(default_factory=dict)
    turns: dict[tuple[str, str, str | None], int] = field(default_factory=dict)

    @classmethod
    def of(cls, part: Input) -> _Written:
        found = cls()
        routes = part.reads.routes if part.reads else [Route(document, ()) for document in part.documents]
        for route in routes:
            # A document that has no name was not rendered from here, or the renderer would have refused it.
            with contextlib.suppress(LayerError):
                for item in manifests.objects(route.document):
                    candidate = _Candidate(item, route, route.names(item.data), route.namespaces(item.data))
                    found.by_kind.setdefault(item.data["kind"], []).append(candidate)
                    found.by_name.setdefault((item.data["kind"], candidate.names[-1]), []).append(candidate)
        return found

    def nearest(self, data: dict[str, Any]) -> _Candidate | None:
        """Return what a rendered object comes from; of several alike each comes in its turn."""
        kind, name, namespace = (
            data["kind"],
            manifests.name_of(data["metadata"]),
            manifests.namespace_of(data["metadata"]),
        )
        several = self.by_name.get((kind, name)) or self.by_kind.get(kind, [])
        apart = [
            (distance, candidate)
            for candidate in several
            if (distance := candidate.distance(name, namespace)) is not None
        ]
        if not apart:
            return None
        least = min(distance for distance, _ in apart)
        alike = [candidate for distance, candidate in apart if distance == least]
        turn = self.turns[kind, name, namespace] = self.turns.get((kind, name, namespace), -1) + 1
        return alike[min(turn, len(alike) - 1)]


def _located(data: dict[str, Any], part: Input, written: _Written, fallback: Document) -> Document:
    """Find where a rendered object is written: a resource of the same kind and name, else a generator, else what renders it."""
    found = written.nearest(data)
    if found is None:
        made = _generated(data, part.reads) if part.reads else None
        return made or Document(data, fallback.file, fallback.line, whole=False)
    metadata = data["metadata"]
    subject = Subject(
        (found.document.data, data),
        {manifests.name_of(metadata), *found.names},
        {manifests.namespace_of(metadata), *found.namespaces},
    )
    about = [(patch, patch.is_about(subject)) for patch in found.route.patches]
    patches = tuple(patch for patch, is_so in about if is_so)
    possible = tuple(patch for patch, is_so in about if is_so is None)
    fields = Written(found.document, patches, found.route.kustomizations, possible)
    return Document(data, found.document.file, found.document.line, written=fields)


def _generated(data: dict[str, Any], reads: Reads) -> Document | None:
    field = {"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}.get(data["kind"])
    for kustomization in reads.kustomizations:
        entries = kustomization.data.get(field) if field else None
        for index, generator in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(generator, dict) and str(generator.get("name")) in manifests.name_of(data["metadata"]):
                return Document(data, kustomization.file, kustomization.line_of(str(field), index), whole=False)
    return None


def _cluster_scoped(documents: list[Document]) -> AbstractSet[str]:
    """Return the kinds of CRDs among the objects that have no namespace."""
    return {kind for document in documents for _, kind in _without_namespace(document.data)}


def _without_namespace(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return group and kind that a CRD says to have no namespace."""
    spec = data.get("spec")
    if data["kind"] != "CustomResourceDefinition" or not isinstance(spec, dict) or spec.get("scope") != "Cluster":
        return []
    names = spec.get("names")
    return [(str(spec.get("group")), str(names.get("kind")))] if isinstance(names, dict) else []


def _rendered(document: Document, application: Application, cluster_scoped: AbstractSet[str]) -> Rendered:
    data = copy.deepcopy(document.data)
    if data["kind"] in cluster_scoped:
        data["metadata"].pop("namespace", None)
    elif not data["metadata"].get("namespace") and application.destination:
        # As Argo CD does before it applies.
        data["metadata"]["namespace"] = application.destination
    return Rendered(data, application.name, document.file, document.line, Written.of(document))
