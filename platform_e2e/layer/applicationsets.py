"""ApplicationSets: the Applications that they generate, and the directories that look as if they should be among them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e.finding import Promise
from platform_e2e.layer import applications, kustomize, own_annotations, tree, yamlfile
from platform_e2e.layer.applications import Application
from platform_e2e.layer.errors import NothingRendered
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.objects import described
from platform_e2e.layer.own_annotations import EXEMPT
from platform_e2e.layer.yamlfile import Document

_EXPRESSION = re.compile(r"\{\{-?.*?-?\}\}", re.DOTALL)
"""A place in a template that takes a parameter."""


@dataclass(frozen=True)
class ApplicationSet:
    """One ApplicationSet.

    Attributes:
        name: of the ApplicationSet.
        namespace: of the ApplicationSet.
        file: where it is written.
        line: from 1.
        generates: names of the Applications that it makes.
        manifest: the whole object.
        written: where each of its fields is written.
    """

    name: str
    namespace: str
    file: str
    line: int
    generates: tuple[str, ...]
    manifest: dict[str, Any]
    written: Written | None = field(default=None, repr=False, compare=False)

    def place(self, *field: str | int) -> str:
        """Return the file and line where a field of it is written, for a remedy."""
        return self.written.place(self.manifest, field) if self.written else f"{self.file}:{self.line}"

    @property
    def annotations(self) -> Mapping[str, str]:
        """Return its annotations."""
        return self.manifest["metadata"].get("annotations") or {}

    def __str__(self) -> str:
        """Name it as findings do."""
        return described("ApplicationSet", self.name, self.namespace)


@dataclass(frozen=True)
class Environment:
    """A directory beside those that an ApplicationSet's Applications read: an environment that must exist.

    Attributes:
        name: of the directory, such as staging.
        path: of the directory, relative to the layer.
        applicationset: whose environment it is.
        application: the generated Application that reads it; None if it does not exist.
        exempt: why there need be none, or None.
        file: of the ApplicationSet, from the top of the repository that has the layer.
        place: file and line of its generators.
    """

    name: str
    path: str
    applicationset: str
    application: str | None
    exempt: str | None
    file: str
    place: str


def parse(document: Document, generated: Sequence[Mapping[str, Any]]) -> tuple[ApplicationSet, tuple[Application, ...]]:
    """Return an ApplicationSet and the Applications that it generates.

    Args:
        document: the ApplicationSet.
        generated: what Argo CD's own code makes of it.

    Raises:
        LayerError: it generates nothing, the same name twice, or an Application that cannot be used.
    """
    metadata = document.data["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace") or applications.NAMESPACE
    found = [_application(document, name, namespace, data) for data in generated]
    if not found:
        remedy = "correct the generators (a list with elements, directories that exist in the layer, labels that a cluster here has), or remove the ApplicationSet"
        problem = f"ApplicationSet {name} must generate at least one Application, got none"
        raise NothingRendered(document.file, document.line_of("spec", "generators"), problem, remedy)
    for index, application in enumerate(found):
        if any(application.name == other.name for other in found[:index]):
            problem = f"ApplicationSet {name} generates the Application {application.name} twice"
            raise document.error(problem, "use a parameter that differs in metadata.name", ("spec", "template"))
    names = tuple(application.name for application in found)
    return ApplicationSet(
        name, namespace, document.file, document.line, names, document.data, Written.of(document)
    ), tuple(found)


def _application(document: Document, owner: str, namespace: str, generated: Mapping[str, Any]) -> Application:
    metadata = {**(generated.get("metadata") or {}), "namespace": namespace}
    if not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise document.error(f"ApplicationSet {owner} has a template without metadata.name", at=("spec", "template"))
    # The controller fills in the status; it is nothing that Git says.
    data = {**{key: value for key, value in generated.items() if key != "status"}, "metadata": metadata}
    # The generated object has no lines of its own: `node` stays empty, so every error names the ApplicationSet's.
    found = applications.parse(replace(document, data=data, node=None), generated_by=owner)
    node = document.node.part("spec", "template") if document.node is not None else None
    return replace(found, written=Written(replace(document, data=data, node=node)))


def environments(root: Path, owner: ApplicationSet, generated: Sequence[Application]) -> tuple[Environment, ...]:
    """Return every directory that an ApplicationSet could read, whether it does or not.

    The expectation comes from the directories, so that one which drops out of the generator is missed.

    Args:
        root: the layer.
        owner: the ApplicationSet.
        generated: its Applications; where all of them read other repositories, no directory here is meant.

    Raises:
        LayerError: a kustomization among them cannot be read, or has an unknown annotation of the harness.
    """
    by_path = {
        source.path: application.name for application in generated for source in application.sources if source.path
    }
    if generated and not by_path:
        return ()
    found = {path: name for path, name in by_path.items() if _has_manifests(root / path)}
    for pattern in _patterns(owner, by_path):
        for path in sorted(root.glob(pattern)):
            # Argo CD's generator passes over directories that are hidden (reposerver/repository/repository.go, GetGitDirectories).
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_dir() and not hidden and _has_manifests(path):
                found.setdefault(path.relative_to(root).as_posix(), "")
    exempt = owner.annotations.get(EXEMPT + Promise.ENVIRONMENTS)
    return tuple(
        Environment(
            PurePosixPath(path).name,
            path,
            owner.name,
            name or None,
            exempt or _exempt(root, root / path),
            owner.file,
            owner.place("spec", "generators"),
        )
        for path, name in sorted(found.items())
    )


def _patterns(owner: ApplicationSet, paths: Mapping[str, str]) -> set[str]:
    """Return globs of the directories that the template's path could mean.

    A template such as overlays/{{.environment}} is its own pattern; of one that is a single parameter, the directories beside
    those that it stands for.
    """
    spec = owner.manifest["spec"]["template"].get("spec") or {}
    written = [source.get("path") or "" for source in [*(spec.get("sources") or []), spec.get("source") or {}]]
    # Nothing is looked for outside of the layer, nor what cannot be there.
    written = [path for path in written if tree.can_be(path) and ".." not in _EXPRESSION.sub("*", path)]
    found = set()
    for path in written:
        pattern = re.sub(r"\*+", "*", _EXPRESSION.sub("*", path))
        if pattern.strip("*/"):
            found.add(pattern.strip("/"))
        elif pattern:
            found |= {(PurePosixPath(directory).parent / "*").as_posix() for directory in paths}
    return {pattern for pattern in found if "*" in pattern}


def _has_manifests(path: Path) -> bool:
    suffixes = {".yaml", ".yml", ".json"}
    names = itertools.islice(path.iterdir(), 1000) if path.is_dir() else ()
    return any(entry.suffix in suffixes or entry.name in kustomize.NAMES for entry in names)


def _exempt(root: Path, path: Path) -> str | None:
    """Return the reason that the metadata of a directory's own kustomization gives."""
    kustomization = kustomize.kustomization_in(root, path)
    documents = yamlfile.read(root, kustomization) if kustomization else []
    for document in documents:
        own_annotations.check(document, "")
    metadata = documents[0].data.get("metadata") if documents and isinstance(documents[0].data, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations.get(EXEMPT + Promise.ENVIRONMENTS) if isinstance(annotations, dict) else None
