"""What a kustomization is made of: where its objects and their fields are written, and what is wrong with it where it is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import bases, own_annotations, tree, yamlfile
from platform_e2e.layer.bases import Kustomization, Route
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.field_locations import Patch
from platform_e2e.layer.yamlfile import Document

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The file names that kustomize knows."""

_REMOTE = re.compile(r"://|^[\w.-]+@|[?&]ref=|^(github|gitlab|bitbucket)\.")
"""What a reference to another place looks like: a URL, git@host:…, …?ref=…, or the host names that kustomize knows."""

_BLOCK = re.compile(r"(?:[&!]\S*\s+)*\|[-+1-9]{0,2}\s*(?:\s#.*)?")
"""What is left of a line below which a text stands as it is (YAML 1.2, 8.1.1)."""

_FETCHING = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
"""Fields with which kustomize calls helm to fetch charts."""

_GENERATORS = ("configMapGenerator", "secretGenerator")
"""Fields that take files of any content."""

_PATCHES = ("patchesStrategicMerge", "patches", "patchesJson6902")
"""Fields that change what is written elsewhere."""

_PLUGINS = ("generators", "transformers", "validators")
"""Fields that name plugins; those that are not built in are programs or containers."""


@dataclass
class Reads:
    """All that a kustomization reads.

    Attributes:
        files: absolute paths, the kustomizations included.
        kustomizations: the documents of it and of those that it is made of.
        routes: the documents of its resources, each with the kustomizations through which it is rendered.
        faults: of patches, which kustomize takes and which do not say what they seem to.
    """

    files: set[Path] = field(default_factory=set)
    kustomizations: list[Document] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    faults: list[LayerError] = field(default_factory=list)


def kustomization_in(root: Path, directory: Path) -> Path | None:
    """Return the directory's kustomization, None where it has none.

    Raises:
        LayerError: it has more than one, which kustomize refuses.
    """
    found = [directory / name for name in NAMES if (directory / name).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise LayerError(paths.in_repository(directory, root), None, f"has both {names}", "keep one of them")
    return found[0] if found else None


def reads(root: Path, directory: Path, *, strict: bool = True, routes: bool = True) -> Reads:
    """Follow a kustomization through everything that it refers to.

    Args:
        root: the layer; nothing may lie outside of it.
        directory: that has the kustomization.
        strict: whether what cannot be followed is an error; else it is passed over, since Argo CD could render it.
        routes: whether the ways of its objects are wanted, too.

    Raises:
        LayerError: a reference leads elsewhere or nowhere, or a plugin would run or fetch something.
    """
    found = Reads()
    with _passed_over(strict=strict):
        top = _Follow(root, found, strict=strict).kustomization(directory, ())
        try:
            found.routes += bases.routes(top) if routes else ()
        except bases.TooMany as error:
            problem = "is made of more bases and objects than can be followed"
            raise top.documents[0].error(problem, "name each base once") from error
    return found


def _passed_over(*, strict: bool) -> contextlib.AbstractContextManager[None]:
    """Return a context in which what cannot be followed is left out, unless it is strict."""
    return contextlib.nullcontext() if strict else contextlib.suppress(LayerError)


@dataclass
class _Follow:
    """The walk from kustomization to kustomization."""

    root: Path
    found: Reads
    strict: bool
    read: dict[Path, list[Document]] = field(default_factory=dict)
    made: dict[Path, Kustomization] = field(default_factory=dict)

    def kustomization(self, directory: Path, above: tuple[Path, ...]) -> Kustomization:
        path = kustomization_in(self.root, directory)
        if path is None:
            name = paths.in_repository(directory, self.root)
            raise LayerError(name, None, "is used as a kustomization and has none", f"add {NAMES[0]}")
        if directory in above:
            raise LayerError(paths.in_repository(path, self.root), 1, "is made of itself", "break the circle")
        if len(above) > bases.DEEPEST:
            problem = f"is a base {bases.DEEPEST} levels below the one that is rendered"
            raise LayerError(paths.in_repository(path, self.root), 1, problem, "refer to it from fewer levels")
        if path in self.made:
            return self.made[path]
        self.found.files.add(path)
        kustomization = self.made[path] = Kustomization()
        file = paths.in_repository(path, self.root)
        for document in yamlfile.read(self.root, path) or [Document({}, file, 1)]:
            if not isinstance(document.data, dict):
                raise document.error("is not a kustomization: it must be a mapping")
            own_annotations.check(document, "")
            self.found.kustomizations.append(document)
            kustomization.documents.append(document)
            self._document(kustomization, document, directory, (*above, directory))
        return kustomization

    def _document(
        self, kustomization: Kustomization, document: Document, directory: Path, above: tuple[Path, ...]
    ) -> None:
        for name in _FETCHING:
            with self._passed_over():
                if document.data.get(name):
                    remedy = (
                        "set kustomize.buildOptions to --enable-helm, as Argo CD needs it too, and commit the chart"
                    )
                    raise document.error(f"{name} fetches a chart while rendering", remedy, (name,))
        for name in ("resources", "bases", "components"):
            with self._passed_over():
                for at, entry in _entries(document, name):
                    with self._passed_over():
                        path = self._local(document, directory, entry, at)
                        self._resource(kustomization, path, above, component=name == "components")
        with self._passed_over():
            self._files(kustomization, document, directory)
        for name in _PLUGINS:
            with self._passed_over():
                for at, entry in _entries(document, name):
                    with self._passed_over():
                        self._plugin(document, directory, entry, at)

    def _passed_over(self) -> contextlib.AbstractContextManager[None]:
        return _passed_over(strict=self.strict)

    @contextlib.contextmanager
    def _faulty(self) -> Iterator[None]:
        """Take note of a patch that cannot be read: kustomize takes the last of two equal keys in it without a word."""
        try:
            yield
        except LayerError as error:
            if self.strict:
                raise
            self.found.faults.append(error)

    def _resource(self, kustomization: Kustomization, path: Path, above: tuple[Path, ...], *, component: bool) -> None:
        if path.is_dir():
            found = self.kustomization(path, above)
            (kustomization.components if component else kustomization.bases).append(found)
        else:
            self.found.files.add(path)
            kustomization.objects += self._documents(path)

    def _files(self, kustomization: Kustomization, document: Document, directory: Path) -> None:
        for at, entry in _files(document):
            with self._passed_over():
                path = self._local(document, directory, entry, at)
                if path.is_dir():
                    raise document.error(f"{at[0]} refers to the directory {entry}", "name the file itself", at)
                self.found.files.add(path)
                if at[0] in _PATCHES:
                    with self._faulty():
                        documents = self._documents(path)
                        kustomization.patches += [Patch(each, _target(document, at)) for each in documents]
                elif at[0] not in _GENERATORS:
                    self._documents(path)
        lines: list[str] = []
        for at, text in _inline_patches(document):
            with self._faulty():
                lines = lines or self._lines(directory)
                found = _inline(document, text, at, lines)
                kustomization.patches += [Patch(each, _target(document, at)) for each in found]

    def _documents(self, path: Path) -> list[Document]:
        """Return the documents of a file, which is read once: several targets may name it."""
        if path not in self.read:
            self.read[path] = yamlfile.read(self.root, path)
        return self.read[path]

    def _lines(self, directory: Path) -> list[str]:
        """Return the lines of a directory's kustomization."""
        path = kustomization_in(self.root, directory) or directory / NAMES[0]
        return yamlfile.decode(path.read_bytes(), paths.in_repository(path, self.root)).split("\n")

    def _local(self, document: Document, directory: Path, entry: Any, at: tuple[str | int, ...]) -> Path:
        """Return the path that an entry means."""
        remedy = "put it into the layer and refer to it by a relative path"
        if not isinstance(entry, str) or not entry:
            raise document.error(f"{at[0]} has an entry that is not a path: {entry!r}", remedy, at)
        if not tree.can_be(entry):
            raise document.error(f"{at[0]} has an entry that no file can have as its path: {entry[:80]!r}", remedy, at)
        path = (directory / entry).resolve()
        if _REMOTE.search(entry) and not path.exists():
            raise document.error(f"{at[0]} refers to {entry}, which would be fetched while rendering", remedy, at)
        if Path(entry).is_absolute():
            raise document.error(f"{at[0]} refers to the absolute path {entry}", remedy, at)
        if not path.is_relative_to(self.root):
            raise document.error(f"{at[0]} refers to {entry}, outside of the layer", remedy, at)
        if not path.exists():
            raise document.error(f"{at[0]} refers to {entry}, which does not exist in the layer", remedy, at)
        return path

    def _plugin(self, document: Document, directory: Path, entry: Any, at: tuple[str | int, ...]) -> None:
        if isinstance(entry, str) and "\n" in entry:
            configurations = yamlfile.parse(entry, document.file)
        else:
            path = self._local(document, directory, entry, at)
            if path.is_dir():
                raise document.error(f"{at[0]} refers to the directory {entry}", "name the plugin's own file", at)
            self.found.files.add(path)
            configurations = yamlfile.read(self.root, path)
        for configuration in configurations:
            data = configuration.data if isinstance(configuration.data, dict) else {}
            if data.get("apiVersion") != "builtin" or data.get("kind") == "HelmChartInflationGenerator":
                problem = f"{at[0]} has {data.get('kind')}, a plugin that runs a program or fetches while rendering"
                raise document.error(problem, "use kustomize's built-in plugins, or commit what it renders", at)


def _entries(document: Document, name: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Return the entries of a list field, each with its place."""
    value = document.data.get(name) or []
    if not isinstance(value, list):
        raise document.error(f"{name} must be a list", "", (name,))
    for index, entry in enumerate(value):
        yield (name, index), entry


def _files(document: Document) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Return every entry that names a file that is not a resource, each with its place."""
    for name in ("crds", "configurations"):
        yield from _entries(document, name)
    for at, entry in _entries(document, "patchesStrategicMerge"):
        if not (isinstance(entry, str) and "\n" in entry):
            yield at, entry
    for name in ("patches", "patchesJson6902", "replacements"):
        for at, entry in _entries(document, name):
            if isinstance(entry, dict) and entry.get("path"):
                yield (*at, "path"), entry["path"]
    for name in _GENERATORS:
        for at, entry in _entries(document, name):
            yield from ((at, file) for file in _generator_files(document, at, entry))
    schema = document.data.get("openapi")
    if isinstance(schema, dict) and schema.get("path"):
        yield ("openapi", "path"), schema["path"]


def _inline_patches(document: Document) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Return every patch that is written in the kustomization itself, with its place."""
    for at, entry in _entries(document, "patchesStrategicMerge"):
        if isinstance(entry, str) and "\n" in entry:
            yield at, entry
    for name in ("patches", "patchesJson6902"):
        for at, entry in _entries(document, name):
            if isinstance(entry, dict) and isinstance(entry.get("patch"), str):
                yield (*at, "patch"), entry["patch"]


def _target(document: Document, at: tuple[str | int, ...]) -> dict[str, Any] | None:
    """Return what an entry of a kustomization says that its patch is for; None where the patch itself does."""
    entry = document.data[at[0]][at[1]] if len(at) > 1 else None
    target = entry.get("target") if isinstance(entry, dict) else None
    return target if isinstance(target, dict) else None


def _inline(document: Document, text: str, at: tuple[str | int, ...], lines: Sequence[str]) -> list[Document]:
    """Return the documents of an inline patch with the lines of the kustomization.

    Args:
        document: the kustomization.
        text: the patch.
        at: where it is.
        lines: of the kustomization's file.

    Raises:
        LayerError: it is not valid YAML; at the line of the patch.
    """
    holder = document.node.part(*at[:-1]) if document.node is not None else None
    line = document.line_of(*at)
    try:
        found = yamlfile.parse(text, document.file)
    except LayerError as error:
        raise document.error(f"the patch {error.problem.partition(': ')[2]}", at=at) from error
    place = holder.places.get(at[-1]) if holder is not None else None
    # The place of a value follows that of its key; that of an alias is where its anchor is.
    row, column = place[-2:] if place else (-1, 0)
    if row == line - 1 and row < len(lines) and _BLOCK.fullmatch(lines[row], column):
        # The text begins in the line below its `|`.
        return [replace(each, line=each.line + line, offset=line) for each in found]
    return [replace(each, line=line, node=None) for each in found]


def _generator_files(document: Document, at: tuple[str | int, ...], generator: Any) -> Iterator[str]:
    """Return the files of a generator, which are written as `file` or `key=file`."""
    if isinstance(generator, dict):
        for field_name in ("files", "envs"):
            entries = generator.get(field_name) or []
            if not isinstance(entries, list):
                problem = f"{at[0]} has an entry whose {field_name} must be a list"
                raise document.error(problem, at=(*at, field_name))
            yield from (str(entry).rpartition("=")[2] for entry in entries)
        if generator.get("env"):
            yield str(generator["env"])
