"""What Applications and ApplicationSets need besides their own repository: charts, repositories and files, in all that is rendered."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e.git.urls import without_credentials
from platform_e2e.layer import Material, Renderer, remote_bases, tree, vendored
from platform_e2e.layer.objects import described
from platform_e2e.layer.remote_bases import RemoteBase, RemoteFile
from platform_e2e.layer.renderer import Engine, Render, Rendering
from platform_e2e.layer.vendored import ChartWanted

LEVELS = 20
"""Kustomizations and charts of one source that are followed, one below the other."""


@dataclass(frozen=True)
class RepositoryWanted:
    """A Git repository at a revision.

    Attributes:
        url: without credentials.
        revision: as it is written; HEAD where none is.
    """

    url: str
    revision: str

    def __str__(self) -> str:
        """Name it as a refusal does."""
        return f"{self.url} at {self.revision}"


@dataclass(frozen=True)
class FileWanted:
    """A file that a kustomization reads.

    Attributes:
        url: without credentials.
    """

    url: str

    def __str__(self) -> str:
        """Name it as a refusal does."""
        return self.url


Wanted = ChartWanted | RepositoryWanted | FileWanted


@dataclass
class Asked:
    """What was rendered, and which objects need what.

    Attributes:
        owns: tells whether a URL is that of the layer's own repository.
        by: what is needed, with the objects that need it, in the order in which they were met.
    """

    owns: Callable[[str], bool]
    by: dict[Wanted, list[str]] = field(default_factory=dict)

    def around(self, renderer: Renderer) -> Renderer:
        """Return a renderer that takes note of what it is asked for."""

        @contextlib.contextmanager
        def begin(material: Material) -> Iterator[Render]:
            with renderer(material) as render:
                yield _Noting(render, lambda each: self.note(each, material))

        begun: Callable[[Material], AbstractContextManager[Render]] = begin
        return begun

    def note(self, manifest: Mapping[str, Any], material: Material) -> None:
        """Take note of what an object needs.

        Args:
            manifest: an Application or ApplicationSet.
            material: what there is: charts and kustomizations are followed in it.
        """
        metadata = _mapping(manifest.get("metadata"))
        name = described(str(manifest.get("kind")), str(metadata.get("name")), _text(metadata.get("namespace")) or None)
        for wanted in self._of(manifest, material):
            names = self.by.setdefault(wanted, [])
            if name not in names:
                names.append(name)

    def _of(self, manifest: Mapping[str, Any], material: Material) -> Iterator[Wanted]:
        spec = _mapping(manifest.get("spec"))
        if manifest.get("kind") == "ApplicationSet":
            for generator in _generators(spec):
                git = _mapping(generator.get("git"))
                url = _text(git.get("repoURL"))
                if url and "{{" not in url and not self.owns(url):
                    yield RepositoryWanted(without_credentials(url), _text(git.get("revision")) or "HEAD")
            return
        several = spec.get("sources")
        for source in several if isinstance(several, list) and several else [spec.get("source")]:
            yield from self._of_source(_mapping(source), material)

    def _of_source(self, source: Mapping[str, Any], material: Material) -> Iterator[Wanted]:
        url, path = _text(source.get("repoURL")), _text(source.get("path"))
        revision = _text(source.get("targetRevision"))
        if not url or source.get("plugin"):
            return
        if source.get("chart"):
            yield ChartWanted(without_credentials(url), _text(source.get("chart")), revision)
            return
        if url.startswith("oci://"):
            yield ChartWanted.of_artifact(url, revision)
            return
        if not self.owns(url):
            yield RepositoryWanted(without_credentials(url), revision or "HEAD")
        found = vendored.repository(material, without_credentials(url), revision)
        if found is not None and path and tree.can_be(path):
            yield from follow(found.directory, found.directory / path, material)


@dataclass(frozen=True)
class _Noting:
    """Render, and tell of each object that was asked for."""

    by: Render
    note: Callable[[Mapping[str, Any]], None]

    @property
    def engine(self) -> Engine:
        return self.by.engine

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        for each in objects:
            self.note(each)
        return self.by(objects)


def follow(root: Path, directory: Path, material: Material) -> Iterator[Wanted]:
    """Yield what a directory's chart and kustomization need, with all that they are made of.

    Args:
        root: of the repository.
        directory: of a source.
        material: what there is: bases in other repositories are followed in it.
    """
    waiting, seen = [(root, directory, 0)], set[Path]()
    while waiting:
        top, place, level = waiting.pop()
        place = place.resolve()
        if place in seen or not place.is_dir() or not place.is_relative_to(top) or level > LEVELS:
            continue
        seen.add(place)
        for found in (*_of_chart(top, place), *_of_kustomization(top, place, material)):
            if isinstance(found, tuple):
                waiting.append((*found, level + 1))
            else:
                yield found


_Below = tuple[Path, Path]
"""A directory that is followed, with the root of its repository."""


def _of_chart(root: Path, directory: Path) -> Iterator[Wanted | _Below]:
    for needed in vendored.dependencies(directory):
        if isinstance(needed, ChartWanted):
            yield ChartWanted(without_credentials(needed.repository), needed.name, needed.version)
        elif tree.can_be(needed.directory):
            yield root, directory / needed.directory


def _of_kustomization(root: Path, directory: Path, material: Material) -> Iterator[Wanted | _Below]:
    found = vendored.kustomization(directory)
    data = found[1] if found else {}
    for wanted in vendored.inflated(data):
        yield ChartWanted(without_credentials(wanted.repository), wanted.name, wanted.version)
    for entry in vendored.entries(data):
        match remote_bases.parse(entry):
            case RemoteFile(url):
                yield FileWanted(without_credentials(url))
            case RemoteBase(url, path, revision):
                yield RepositoryWanted(without_credentials(url), revision)
                other = vendored.repository(material, without_credentials(url), revision)
                if other is not None:
                    yield other.directory, other.directory / path
            case _ if tree.can_be(entry):
                yield root, directory / entry


def satisfied(wanted: Wanted, material: Material) -> bool:
    """Tell whether something is there."""
    match wanted:
        case ChartWanted():
            return vendored.find(material, wanted) is not None
        case RepositoryWanted(url, revision):
            return vendored.repository(material, url, revision) is not None
        case FileWanted(url):
            return url in material.files


def _generators(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    waiting, depth = [spec], 0
    while waiting and depth < LEVELS:
        depth += 1
        above, waiting = waiting, []
        for each in above:
            for generator in each.get("generators") or [] if isinstance(each.get("generators"), list) else []:
                yield _mapping(generator)
                waiting += [value for value in _mapping(generator).values() if isinstance(value, dict)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
"""User and password within a URL, in what a program says."""
