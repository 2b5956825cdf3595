"""What Applications, ApplicationSets and AppProjects say before anything is rendered: which paths of which repository they read.

A statement of such an object may be missing or of any type: what is not as it should be counts as not said, since here nothing is
judged. Who renders the object says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import normpath
from typing import Any

from platform_e2e.layer.yamlfile import Document

GROUP = "argoproj.io/"
KINDS = ("Application", "ApplicationSet", "AppProject")
DEPLOYING = KINDS[:2]
"""The kinds that render something; a project only allows."""

NAMESPACE = "argocd"
"""Where an object belongs that names no namespace."""

ANY = "**"
"""In a path: what only a rendering can tell."""

_EXPRESSION = re.compile(r"\{\{-?([^{}]*)-?\}\}")
_PATH_OF_GENERATOR = ("path", "path.path")
_ONE_SEGMENT = re.compile(r"path\.basename\w*|path\[\d+\]|index path\.segments \d+")

MOST_PATHS = 200
"""Paths that one ApplicationSet is followed to: a list generator may have any number of elements."""


@dataclass(frozen=True)
class Reads:
    """A directory that an Application reads, or directories of which a pattern is known.

    Attributes:
        repository: its URL; with `{{` where only a rendering can tell.
        path: from the repository's root, with `*` within a segment and `**` across several.
        recurse: whether directories below it are read too.
        include: pattern that the path of a file below it must match, empty for all.
        exclude: pattern that it must not match, empty for none.
    """

    repository: str
    path: str
    recurse: bool = False
    include: str = ""
    exclude: str = ""

    @property
    def exact(self) -> bool:
        """Tell whether the path is one directory."""
        return not any(sign in self.path for sign in "*?[")


@dataclass(frozen=True)
class ArgoObject:
    """An object of Argo CD as it is written.

    Attributes:
        kind: one of `KINDS`.
        name: of the object; empty where it is not a text.
        namespace: of the object.
        file: an absolute path.
        line: from 1.
        reads: of Git; a chart from a repository of charts is not among them.
        aims: server, name of the cluster and namespace of each destination.
        generated: URLs of repositories in which it reads paths that only a rendering can tell.
    """

    kind: str
    name: str
    namespace: str
    file: Path
    line: int
    reads: tuple[Reads, ...] = ()
    aims: tuple[tuple[str, str, str], ...] = ()
    generated: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what only one object of a cluster can have."""
        return self.kind, self.namespace, self.name


def of_document(document: Document, file: Path) -> Iterator[ArgoObject]:
    """Yield the objects of Argo CD in a document, also those of a list."""
    yield from _of_data(document.data, document, file)


def _of_data(data: Any, document: Document, file: Path) -> Iterator[ArgoObject]:
    found = mapping(data)
    for item in sequence(found.get("items")):
        yield from _of_data(item, document, file)
    kind = text(found.get("kind"))
    if kind not in KINDS or not text(found.get("apiVersion")).startswith(GROUP):
        return
    metadata, spec = mapping(found.get("metadata")), mapping(found.get("spec"))
    template, generators = spec, []
    if kind == "ApplicationSet":
        template, generators = mapping(mapping(spec.get("template")).get("spec")), list(_generators(spec))
    every = [mapping(template.get("source")), *(mapping(source) for source in sequence(template.get("sources")))]
    aim = mapping(template.get("destination"))
    yield ArgoObject(
        kind,
        text(metadata.get("name")),
        text(metadata.get("namespace")) or NAMESPACE,
        file,
        document.line,
        tuple(reads for source in every for reads in _reads(source, generators)) if kind in DEPLOYING else (),
        ((text(aim.get("server")), text(aim.get("name")), text(aim.get("namespace"))),) if aim else (),
        tuple(
            url
            for source in every
            if "{{" in text(source.get("path")) and "{{" not in (url := text(source.get("repoURL")))
        ),
    )


def _reads(source: Mapping[str, Any], generators: Sequence[Mapping[str, Any]]) -> Iterator[Reads]:
    path, repository = text(source.get("path")), text(source.get("repoURL"))
    if not path or source.get("chart") or repository.startswith("oci://"):
        return
    directory = mapping(source.get("directory"))
    for each in _paths(path, generators):
        clean = normpath(each.strip().lstrip("/"))
        if clean == ".." or clean.startswith("../") or not clean.strip("*/?"):
            continue
        yield Reads(
            repository,
            clean,
            directory.get("recurse") is True,
            text(directory.get("include")),
            text(directory.get("exclude")),
        )


def _generators(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every generator, also those in a matrix or a merge."""
    pending = [holder]
    while pending:
        for generator in sequence(pending.pop().get("generators")):
            yield mapping(generator)
            pending += [mapping(mapping(generator).get(kind)) for kind in ("matrix", "merge")]


def _paths(template: str, generators: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the paths that a template gives with the generators, as patterns where these do not say it."""
    if "{{" not in template:
        return [template]
    of_git = [
        pattern
        for generator in generators
        for key in ("directories", "files")
        for entry in sequence(mapping(generator.get("git")).get(key))
        if (pattern := _directory(text(mapping(entry).get("path")), key)) and mapping(entry).get("exclude") is not True
    ]
    elements = [
        mapping(element)
        for generator in generators
        for element in sequence(mapping(generator.get("list")).get("elements"))
    ]
    found = [template]
    for match in _EXPRESSION.finditer(template):
        name = match[1].strip().replace(" .", " ").removeprefix(".")
        values = [text(element[name]) for element in elements if text(element.get(name))]
        if name in _PATH_OF_GENERATOR:
            values = of_git
        elif _ONE_SEGMENT.fullmatch(name):
            values = ["*"]
        found = [path.replace(match[0], value) for path in found for value in values or [ANY]][:MOST_PATHS]
    # An expression with braces within it is left.
    return list(dict.fromkeys(path for path in found if "{{" not in path))


def _directory(pattern: str, key: str) -> str:
    """Return the pattern of the directories that a pattern of a git generator finds."""
    return pattern if key == "directories" else pattern.rpartition("/")[0]


def fits(pattern: str, path: str) -> bool:
    """Tell whether a path has the form of a pattern, in one pass: `**` stands for any number of segments."""
    names = [] if path == "." else path.split("/")
    ends = {0}
    for part in pattern.split("/"):
        if part == ANY:
            ends = set(range(min(ends), len(names) + 1)) if ends else ends
        elif part != ".":
            ends = {end + 1 for end in ends if end < len(names) and fnmatchcase(names[end], part)}
    return len(names) in ends


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list; none for anything else."""
    return [each for each in sequence(value) if isinstance(each, dict)]


def text(value: Any) -> str:
    """Return a text; an empty one for anything else."""
    return value if isinstance(value, str) else ""
