"""Look through a directory for what a team may apply by hand: files, kustomizations and charts with Applications.

Nothing is rendered, and nothing is refused: what cannot be read is taken note of by its text.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import argo_objects, kustomize, manifests, tree, yamlfile
from platform_e2e.layer.argo_objects import ArgoObject, mapping, sequence, text
from platform_e2e.layer.errors import LayerError
from platform_e2e.untrusted import plainfile

KUSTOMIZATIONS = kustomize.NAMES
"""Names of a kustomization's file; Argo CD and kustomize know no other (api/konfig/general.go)."""

CHART = "Chart.yaml"

LARGEST = 10 << 20
"""Bytes of a file that is looked into; Argo CD's own bound for the manifests of one Application is the same."""

LARGE = 100_000
"""Bytes from which a file is taken for an object of Argo CD only by a line that begins with its kind: the installation of Argo CD
has its kinds in the schemas of two megabytes, which take seconds to parse."""

_NAMES_ARGO = re.compile(rb"argoproj\.io/")
_STATES = re.compile(rb"""^["']?kind["']?\s*:\s*["']?(?:Application|ApplicationSet|AppProject)\b""", re.MULTILINE)
_DEPLOYS = re.compile(
    rb"""^[\s{-]*["']?kind["']?\s*:\s*["']?(?:Application|ApplicationSet)["']?\s*(?:[,}#].*)?$""", re.MULTILINE
)
_CHARTS_OF_APPLICATIONS = re.compile(r"argocd-apps|(?:argo-?cd-)?apps?-of-apps?")
"""Charts that are made to render Applications, such as argo-helm's `argocd-apps`."""

_RESOURCES = ("resources", "bases", "components")
_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")


@dataclass(frozen=True)
class Kustomization:
    """A kustomization, with everything in the repository that it is made of.

    Attributes:
        directory: an absolute path.
        files: resources.
        parts: directories of other kustomizations.
        patches: files with patches.
        hints: whether it is known to render Applications that are in no file of it.
    """

    directory: Path
    files: frozenset[Path] = frozenset()
    parts: frozenset[Path] = frozenset()
    patches: frozenset[Path] = frozenset()
    hints: bool = False


OVERRIDES = ".argocd-source"
"""How files begin that change the source of an Application and are none themselves (docs/user-guide/parameters.md)."""


@dataclass
class Survey:
    """What a directory has.

    Attributes:
        directory: an absolute path without symbolic links.
        repository: the root of the repository that has it; what is outside is not looked at.
        files: manifests by their names.
        directories: all.
    """

    directory: Path
    repository: Path
    files: list[Path] = field(default_factory=list)
    directories: list[Path] = field(default_factory=list)
    _read: dict[Path, tuple[ArgoObject, ...]] = field(default_factory=dict)
    _alone: dict[Path, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, directory: Path, repository: Path) -> Survey:
        """Look for manifests; links are not followed, and a directory with more files than a layer may have is cut off."""
        found, count = cls(directory, repository), 0
        for where, names, entries in os.walk(directory):
            here = Path(where)
            names[:] = sorted(name for name in names if name not in tree.SKIPPED)
            found.directories.append(here)
            count += len(entries)
            found.files += [
                path
                for name in sorted(entries)
                if manifests.is_manifest(path := here / name) or name in KUSTOMIZATIONS
                if not path.is_symlink()
            ]
            if count > tree.MOST_FILES:
                break
        return found

    def name(self, path: Path) -> str:
        """Return the path of a file or directory from the repository's root."""
        return path.relative_to(self.repository).as_posix()

    def content(self, path: Path) -> bytes:
        """Return what a file contains; nothing of one that is too large, is behind a link or is outside of the repository."""
        try:
            return plainfile.read(path, LARGEST, self.repository)
        except (OSError, ValueError):
            return b""

    def objects(self, path: Path) -> tuple[ArgoObject, ...]:
        """Return the objects of Argo CD in a file; one without a name of a file that has one and cannot be read."""
        if path not in self._read:
            self._read[path], self._alone[path] = self._objects(path)
        return self._read[path]

    def only_objects(self, path: Path) -> bool:
        """Tell whether a file has objects of Argo CD and nothing else."""
        return bool(self.objects(path)) and self._alone[path]

    def _objects(self, path: Path) -> tuple[tuple[ArgoObject, ...], bool]:
        content = b"" if path.name.startswith(OVERRIDES) else self.content(path)
        if not _NAMES_ARGO.search(content) or (len(content) > LARGE and not _STATES.search(content)):
            return (), False
        try:
            documents = self.documents(path, content)
        except LayerError as error:
            unread = ArgoObject("Application", "", "", path, error.line or 1)
            return ((unread,) if _DEPLOYS.search(content) else ()), True
        found = [tuple(argo_objects.of_document(document, path)) for document in documents]
        return tuple(each for several in found for each in several), all(found)

    def documents(self, path: Path, content: bytes | None = None) -> list[yamlfile.Document]:
        """Return the documents of a file.

        Raises:
            LayerError: it cannot be read.
        """
        name = paths.in_repository(path, self.repository)
        text_ = yamlfile.decode(self.content(path) if content is None else content, name)
        return yamlfile.parse(text_, name)

    def mentioning(self, words: str) -> Iterator[tuple[Path, yamlfile.Document]]:
        """Yield the documents of each file that has some words, with its path; a file that cannot be read is passed over."""
        for path in self.files:
            content = self.content(path)
            if words.encode() in content:
                with contextlib.suppress(LayerError):
                    yield from ((path, document) for document in self.documents(path, content))

    @cached_property
    def charts(self) -> Mapping[Path, bool]:
        """Return the directory of each chart, and whether it renders Applications, by its text."""
        found = {path.parent: False for path in self.files if path.name == CHART}
        for chart in found:
            document = self._document(chart / CHART)
            needs = [mapping(each) for each in sequence(document.get("dependencies"))]
            found[chart] = any(_CHARTS_OF_APPLICATIONS.fullmatch(text(each.get("name"))) for each in needs)
        for path in self.files:
            chart_ = self.chart_of(path)
            if chart_ is not None and path.is_relative_to(chart_ / "templates") and not found[chart_]:
                content = self.content(path)
                found[chart_] = bool(_NAMES_ARGO.search(content) and _DEPLOYS.search(content))
        return found

    def chart_of(self, path: Path) -> Path | None:
        """Return the chart that a file belongs to."""
        return next((above for above in path.parents if above in self._chart_directories), None)

    @cached_property
    def _chart_directories(self) -> frozenset[Path]:
        return frozenset(path.parent for path in self.files if path.name == CHART)

    @cached_property
    def kustomizations(self) -> Mapping[Path, Kustomization]:
        """Return all kustomizations by their directories."""
        made: dict[Path, Kustomization] = {}
        for path in self.files:
            if path.name in KUSTOMIZATIONS and path.parent not in made:
                self._kustomization(path.parent, made, ())
        return made

    def _kustomization(
        self, directory: Path, made: dict[Path, Kustomization], above: tuple[Path, ...]
    ) -> Kustomization:
        if directory in made or directory in above:
            return made.get(directory, Kustomization(directory))
        file = next((directory / name for name in KUSTOMIZATIONS if (directory / name).is_file()), None)
        data = self._document(file) if file else {}
        files: set[Path] = set()
        parts: set[Path] = set()
        patches = {place for place in self._patches(directory, data) if place}
        charts = [
            mapping(each) for key in ("helmCharts", "helmChartInflationGenerator") for each in sequence(data.get(key))
        ]
        hints = any(_CHARTS_OF_APPLICATIONS.fullmatch(text(each.get("name"))) for each in charts)
        for key in _RESOURCES:
            for entry in sequence(data.get(key)):
                place = self._inside(directory, text(entry))
                if place is None:
                    continue
                if place.is_dir():
                    part = self._kustomization(place, made, (*above, directory))
                    files |= part.files
                    parts |= {place, *part.parts}
                    patches |= part.patches
                    hints = hints or part.hints
                else:
                    files.add(place)
        found = Kustomization(directory, frozenset(files), frozenset(parts), frozenset(patches), hints)
        made[directory] = found
        return found

    def _patches(self, directory: Path, data: Mapping[str, Any]) -> Iterator[Path | None]:
        for key in _PATCHES:
            for entry in sequence(data.get(key)):
                named = text(entry) or text(mapping(entry).get("path"))
                # A patch may be written there itself.
                if named and "\n" not in named:
                    yield self._inside(directory, named)

    def _inside(self, directory: Path, entry: str) -> Path | None:
        """Return the place in the repository that a kustomization names; None for any other, such as a URL."""
        if not tree.can_be(entry) or not entry or "://" in entry or entry.startswith("/"):
            return None
        place = Path(os.path.normpath(directory / entry))
        return place if place.is_relative_to(self.repository) and os.path.lexists(place) else None

    def _document(self, path: Path) -> Mapping[str, Any]:
        try:
            documents = self.documents(path)
        except LayerError:
            return {}
        return mapping(documents[0].data) if documents else {}
