"""Kustomizations: everything they read must lie in the layer; the real kustomize then renders them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml.scalarstring import LiteralScalarString

from platform_e2e import paths, shell
from platform_e2e.errors import BrokenHarness
from platform_e2e.layer import own_annotations, yamlfile
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.written import Patch
from platform_e2e.layer.yamlfile import Document

Renderer = Callable[[Path], list[dict[str, Any]]]
"""Turn the directory of a kustomization into objects."""

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The file names that kustomize knows."""

RENDER_TIMEOUT = 30.0
"""Seconds for one `kustomize build` of local files; 0.1 is usual."""

_REMOTE = re.compile(r"://|^[\w.-]+@|[?&]ref=|^(github|gitlab|bitbucket)\.")
"""What a reference to another place looks like: a URL, git@host:…, …?ref=…, or the host names that kustomize knows."""

_FETCHING = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
"""Fields with which kustomize calls helm to fetch charts."""

_GENERATORS = ("configMapGenerator", "secretGenerator")
"""Fields that take files of any content."""

_PLUGINS = ("generators", "transformers", "validators")
"""Fields that name plugins; those that are not built in are programs or containers."""


@dataclass
class Reads:
    """All that a kustomization reads.

    Attributes:
        files: absolute paths, the kustomizations included.
        objects: documents of its resources: what is rendered was written there.
        kustomizations: the documents of it and of those that it is made of.
        patches: what changes what is written elsewhere, the innermost kustomization's first.
    """

    files: set[Path] = field(default_factory=set)
    objects: list[Document] = field(default_factory=list)
    kustomizations: list[Document] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)


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


def kustomize_build(program: Path) -> Renderer:
    """Return a renderer that runs the real kustomize.

    It can start no other program and reach no network: kustomize looks git, helm and plugins up on PATH.

    Args:
        program: the kustomize to run.

    Raises (the renderer):
        LayerError: kustomize refuses the directory; the text is its own.
        CommandError: the program cannot be started.
    """

    def render(directory: Path) -> list[dict[str, Any]]:
        env = {"PATH": os.devnull, "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        file = next((name for name in NAMES if (directory / name).is_file()), NAMES[0])
        done = shell.run([program, "build", directory], timeout=RENDER_TIMEOUT, ok=(0, 1), env=env)
        if done.returncode:
            said = done.stderr.strip().removeprefix("Error: ").replace(str(directory), directory.name)
            raise LayerError(f"{directory.name}/{file}", None, f"kustomize cannot build it: {said}")
        return [document.data for document in yamlfile.parse(done.stdout, f"{directory.name} (rendered)")]

    return render


def unavailable(directory: Path) -> list[dict[str, Any]]:
    """Refuse: the renderer of callers that brought none.

    Raises:
        BrokenHarness: always.
    """
    raise BrokenHarness(f"{directory} is a kustomization and no kustomize was given", "pass kustomize_build(PROGRAM)")


def reads(root: Path, directory: Path) -> Reads:
    """Follow a kustomization through everything that it refers to.

    Args:
        root: the layer; nothing may lie outside of it.
        directory: that has the kustomization.

    Raises:
        LayerError: a reference leads elsewhere or nowhere, or a plugin would run or fetch something.
    """
    found = Reads()
    _Follow(root, found).kustomization(directory, ())
    return found


@dataclass
class _Follow:
    """The walk from kustomization to kustomization."""

    root: Path
    found: Reads

    def kustomization(self, directory: Path, above: tuple[Path, ...]) -> None:
        path = kustomization_in(self.root, directory)
        if path is None:
            name = paths.in_repository(directory, self.root)
            raise LayerError(name, None, "is used as a kustomization and has none", f"add {NAMES[0]}")
        if directory in above:
            raise LayerError(paths.in_repository(path, self.root), 1, "is made of itself", "break the circle")
        if path in self.found.files:
            return
        self.found.files.add(path)
        for document in yamlfile.read(self.root, path):
            if not isinstance(document.data, dict):
                raise document.error("is not a kustomization: it must be a mapping")
            own_annotations.check(document, "")
            self.found.kustomizations.append(document)
            self._document(document, directory, (*above, directory))

    def _document(self, document: Document, directory: Path, above: tuple[Path, ...]) -> None:
        for name in _FETCHING:
            if document.data.get(name):
                remedy = "render the chart and commit the result, or let an Application with a Helm source install it"
                raise document.error(f"{name} fetches a chart while rendering", remedy, (name,))
        for name in ("resources", "bases", "components"):
            for at, entry in _entries(document, name):
                path = self._local(document, directory, entry, at)
                if path.is_dir():
                    self.kustomization(path, above)
                else:
                    self._resource(path)
        self._files(document, directory)
        for name in _PLUGINS:
            for at, entry in _entries(document, name):
                self._plugin(document, directory, entry, at)

    def _files(self, document: Document, directory: Path) -> None:
        for at, entry in _files(document):
            path = self._local(document, directory, entry, at)
            if path not in self.found.files and at[0] not in _GENERATORS:
                # Kustomize takes the last of two equal keys in a patch without a word.
                self.found.patches += [Patch(each, _target(document, at)) for each in yamlfile.read(self.root, path)]
            self.found.files.add(path)
        for at, text in _inline_patches(document):
            self.found.patches += [Patch(each, _target(document, at)) for each in _inline(document, text, at)]

    def _resource(self, path: Path) -> None:
        if path not in self.found.files:
            self.found.files.add(path)
            self.found.objects.extend(yamlfile.read(self.root, path))

    def _local(self, document: Document, directory: Path, entry: Any, at: tuple[str | int, ...]) -> Path:
        """Return the path that an entry means."""
        remedy = "put it into the layer and refer to it by a relative path"
        if not isinstance(entry, str) or not entry:
            raise document.error(f"{at[0]} has an entry that is not a path: {entry!r}", remedy, at)
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
            yield from ((at, file) for file in _generator_files(entry))
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


def _target(document: Document, at: tuple[str | int, ...]) -> dict[str, Any]:
    """Return what an entry of a kustomization says that its patch is for; empty where the patch itself does."""
    entry = document.data[at[0]][at[1]] if len(at) > 1 else None
    target = entry.get("target") if isinstance(entry, dict) else None
    return target if isinstance(target, dict) else {}


def _inline(document: Document, text: str, at: tuple[str | int, ...]) -> list[Document]:
    """Return the documents of an inline patch with the lines of the kustomization.

    Raises:
        LayerError: it is not valid YAML; at the line of the patch.
    """
    node: Any = document.node
    for key in at:
        node = node[key] if node is not None else None
    line = document.line_of(*at)
    try:
        found = yamlfile.parse(text, document.file)
        if isinstance(node, LiteralScalarString):
            # The text begins in the line below its `|`.
            return [replace(each, line=each.line + line, offset=line) for each in found]
        return [replace(each, line=line, node=None) for each in found]
    except LayerError as error:
        raise document.error(f"the patch {error.problem.partition(': ')[2]}", at=at) from error


def _generator_files(generator: Any) -> Iterator[str]:
    """Return the files of a generator, which are written as `file` or `key=file`."""
    if isinstance(generator, dict):
        for field_name in ("files", "envs"):
            yield from (str(entry).rpartition("=")[2] for entry in generator.get(field_name) or [])
        if generator.get("env"):
            yield str(generator["env"])
