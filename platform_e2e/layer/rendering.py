"""From an Application to the objects that Argo CD will apply for it, each with the file and line where it is written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import kustomize, manifests
from platform_e2e.layer.applications import Application, Source
from platform_e2e.layer.bases import Route
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.kustomize import Reads, Renderer
from platform_e2e.layer.objects import CLUSTER_SCOPED, Rendered
from platform_e2e.layer.patch_targets import Subject
from platform_e2e.layer.yamlfile import Document


@dataclass(frozen=True)
class Input:
    """What one source of an Application is made of, read and checked but not rendered.

    Attributes:
        directory: of the source.
        documents: the objects of a plain directory; empty for a kustomization.
        reads: all that a kustomization reads; None for a plain directory.
    """

    directory: Path
    documents: list[Document]
    reads: Reads | None


def inputs(root: Path, application: Application) -> list[Input]:
    """Read all that an Application is made of; nothing is rendered, so no program is needed to find what is wrong.

    Args:
        root: the layer.
        application: as parsed.

    Raises:
        LayerError: a path does not exist, or a file cannot be used.
    """
    return [_input(root, application, source) for source in application.sources]


def render(application: Application, made_of: list[Input], renderer: Renderer) -> tuple[Rendered, ...]:
    """Return what an Application renders, in the order of its sources.

    Args:
        application: as parsed; its `objects` are not looked at.
        made_of: what `inputs` returned for it.
        renderer: for kustomizations.

    Raises:
        LayerError: it cannot be rendered, renders nothing, or an object twice.
    """
    found = [document for part in made_of for document in _documents(part, renderer)]
    if not found:
        problem = f"{application}: renders nothing from {', '.join(source.path for source in application.sources)}"
        raise LayerError(
            application.file, application.line, problem, "an Application without objects is always healthy"
        )
    scopes = CLUSTER_SCOPED | _cluster_scoped(found)
    objects = tuple(_rendered(document, application, scopes) for document in found)
    seen: dict[tuple[str, str, str | None, str], Rendered] = {}
    for rendered in objects:
        other = seen.setdefault(rendered.identity, rendered)
        if other is not rendered:
            raise rendered.error(
                f"is rendered twice by {application}", f"the other is in {other.file}:{other.line or 1}"
            )
    return objects


def scoped(applications: Sequence[Application]) -> tuple[Application, ...]:
    """Return Applications with their objects in no namespace where a CRD of another Application says that their kind has none.

    Argo CD asks the API server, which knows every CRD by then.

    Args:
        applications: all of the layer, rendered.
    """
    written = [rendered.object for application in applications for rendered in application.objects]
    kinds = {
        (spec.get("group"), spec["names"]["kind"])
        for spec in (each.get("spec") or {} for each in written if each["kind"] == "CustomResourceDefinition")
        if spec.get("scope") == "Cluster"
    }

    def without(rendered: Rendered) -> Rendered:
        if rendered.namespace is None or rendered.identity[:2] not in kinds:
            return rendered
        metadata = {name: value for name, value in rendered.object["metadata"].items() if name != "namespace"}
        return replace(rendered, object={**rendered.object, "metadata": metadata})

    return tuple(replace(application, objects=tuple(map(without, application.objects))) for application in applications)


def _input(root: Path, application: Application, source: Source) -> Input:
    directory = (root / source.path).resolve()
    if not directory.is_dir() or not directory.is_relative_to(root):
        problem = f"{application}: its path {source.path} is not a directory of the layer"
        raise LayerError(application.file, application.line, problem, "Argo CD would say: app path does not exist")
    if (directory / "Chart.yaml").is_file():
        problem = f"{application}: its path {source.path} is a Helm chart, which is not rendered here"
        raise LayerError(application.file, application.line, problem, "use a directory or a kustomization")
    for name in _overrides(application):
        if (directory / name).exists():
            file = paths.in_repository(directory / name, root)
            problem = f"changes how Argo CD renders {application}, which is not followed here"
            raise LayerError(file, 1, problem, "write it into the Application's source or the kustomization")
    # Any field of spec.source.directory makes Argo CD read a plain directory, even where there is a kustomization.
    explicit = source.recurse or source.include or source.exclude
    if not explicit and kustomize.kustomization_in(root, directory):
        return Input(directory, [], kustomize.reads(root, directory))
    documents = manifests.directory(
        root, directory, recurse=source.recurse, include=source.include, exclude=source.exclude
    )
    return Input(directory, documents, None)


def _overrides(application: Application) -> tuple[str, ...]:
    """Return the files beside manifests that Argo CD merges into a source (reposerver/repository/repository.go)."""
    names = (application.name, f"{application.namespace}_{application.name}")
    return (".argocd-source.yaml", *(f".argocd-source-{name}.yaml" for name in names))


def _documents(part: Input, renderer: Renderer) -> list[Document]:
    if part.reads is None:
        return part.documents
    try:
        rendered = renderer(part.directory)
    except LayerError as error:
        said = error.problem.partition(": ")[2] or error.problem
        raise LayerError(part.reads.kustomizations[0].file, 1, said) from error
    objects = [item.data for data in rendered if data for item in _objects(data, part.reads)]
    written = _Written.of(part.reads) if objects else _Written()
    return [_located(data, part.reads, written) for data in objects]


def _objects(data: Any, reads: Reads) -> list[Document]:
    """Return the objects of what a renderer returned, which is checked like a file's content."""
    kustomization = reads.kustomizations[0]
    found = list(manifests.objects(Document(data, kustomization.file, 1)))
    if not found:
        raise kustomization.error("renders something that is not a Kubernetes object")
    return found


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
    """The objects of a kustomization's resources, by kind, and by kind and the name that they should have when rendered."""

    by_kind: dict[str, list[_Candidate]] = field(default_factory=dict)
    by_name: dict[tuple[str, str], list[_Candidate]] = field(default_factory=dict)

    @classmethod
    def of(cls, reads: Reads) -> _Written:
        found = cls()
        for route in reads.routes:
            for item in manifests.objects(route.document):
                candidate = _Candidate(item, route, route.names(item.data), route.namespaces(item.data))
                found.by_kind.setdefault(item.data["kind"], []).append(candidate)
                found.by_name.setdefault((item.data["kind"], candidate.names[-1]), []).append(candidate)
        return found

    def nearest(self, data: dict[str, Any]) -> _Candidate | None:
        """Return what a rendered object comes from; the first of several alike."""
        kind, name, namespace = data["kind"], data["metadata"]["name"], data["metadata"].get("namespace")
        several = self.by_name.get((kind, name)) or self.by_kind.get(kind, [])
        apart = [
            (distance, candidate)
            for candidate in several
            if (distance := candidate.distance(name, namespace)) is not None
        ]
        return min(apart, key=lambda each: each[0])[1] if apart else None


def _located(data: dict[str, Any], reads: Reads, written: _Written) -> Document:
    """Find where a rendered object is written: a resource of the same kind and name, else a generator, else the kustomization."""
    kustomization = reads.kustomizations[0]
    found = written.nearest(data)
    if found is None:
        return _generated(data, reads) or Document(data, kustomization.file, 1)
    metadata = data["metadata"]
    subject = Subject(
        (found.document.data, data),
        {metadata["name"], *found.names},
        {metadata.get("namespace"), *found.namespaces},
    )
    about = [(patch, patch.is_about(subject)) for patch in found.route.patches]
    patches = tuple(patch for patch, is_so in about if is_so)
    possible = tuple(patch for patch, is_so in about if is_so is None)
    fields = Written(found.document, patches, found.route.kustomizations, possible)
    return Document(data, found.document.file, found.document.line, written=fields)


def _generated(data: dict[str, Any], reads: Reads) -> Document | None:
    field = {"ConfigMap": "configMapGenerator", "Secret": "secretGenerator"}.get(data["kind"])
    for kustomization in reads.kustomizations:
        for index, generator in enumerate(kustomization.data.get(field) or [] if field else []):
            if isinstance(generator, dict) and str(generator.get("name")) in data["metadata"]["name"]:
                return Document(data, kustomization.file, kustomization.line_of(str(field), index))
    return None


def _cluster_scoped(documents: list[Document]) -> AbstractSet[str]:
    """Return the kinds of CRDs among the objects that have no namespace."""
    definitions = [
        document.data.get("spec") or {} for document in documents if document.data["kind"] == "CustomResourceDefinition"
    ]
    return {spec["names"]["kind"] for spec in definitions if spec.get("scope") == "Cluster"}


def _rendered(document: Document, application: Application, cluster_scoped: AbstractSet[str]) -> Rendered:
    data = copy.deepcopy(document.data)
    if data["kind"] in cluster_scoped:
        data["metadata"].pop("namespace", None)
    elif not data["metadata"].get("namespace") and application.destination:
        # As Argo CD does before it applies.
        data["metadata"]["namespace"] = application.destination
    return Rendered(data, application.name, document.file, document.line, Written.of(document))
