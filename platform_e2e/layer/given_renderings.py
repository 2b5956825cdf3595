"""What the team itself has rendered: the manifests in a directory stand for what an Application becomes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import applications, manifests
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.renderer import Engine, Material, Render, RenderedSource, Renderer, Rendering


def around(renderer: Renderer, given: Mapping[str, Path]) -> Renderer:
    """Return a renderer that takes Applications as the team has rendered them.

    Args:
        renderer: of all others.
        given: directories by name of an Application, `NAME` or `NAMESPACE/NAME`; absolute paths.
    """

    @contextlib.contextmanager
    def begin(material: Material) -> Iterator[Render]:
        with renderer(material) as render:
            yield GivenRenderings(render, given)

    return begin if given else renderer


def noted(layer: Layer, given: Mapping[str, Path]) -> Layer:
    """Return a layer with each Application's directory in it, and say which these are.

    Args:
        layer: that was read by `around`.
        given: as for `around`.

    Raises:
        WrongUsage: the layer has no Application of a name; the text has the names of those that it has.
    """
    if not given:
        return layer
    every = tuple(replace(each, given=directory_of(each.manifest, given)) for each in layer.applications)
    unjudged = [each.identity[1:] for each in layer.not_judged if each.identity[0] == "application"]
    _demand_used(given, [*((each.namespace, each.name) for each in every), *unjudged])
    said = [f"{each} is taken from {each.given}, as --rendered says" for each in every if each.given is not None]
    return replace(layer, applications=every, begins=(*layer.begins, *said))


GIVEN = "Given"
"""Type of a source that the team has rendered itself, beside those of Argo CD."""


class GivenRenderings:
    """Render Applications as the team says, and all others by a renderer.

    Args:
        by: what renders the others.
        given: directories by name of an Application, `NAME` or `NAMESPACE/NAME`; absolute paths.
    """

    def __init__(self, by: Render, given: Mapping[str, Path]) -> None:
        self._by = by
        self._given = given

    @property
    def engine(self) -> Engine:
        """Return what renders the others."""
        return self._by.engine

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        """Render objects, each by itself; one result for each, in their order.

        Raises:
            WrongUsage: a directory that is given has no manifests, or one that cannot be read.
        """
        directories = [directory_of(each, self._given) for each in objects]
        others = [each for each, directory in zip(objects, directories, strict=True) if directory is None]
        made = iter(self._by(others) if others else ())
        return [
            next(made) if directory is None else _read(each, directory)
            for each, directory in zip(objects, directories, strict=True)
        ]


def directory_of(manifest: Mapping[str, Any], given: Mapping[str, Path]) -> Path | None:
    """Return the directory with what an Application becomes; None where none is given for it."""
    metadata = manifest.get("metadata")
    if manifest.get("kind") != "Application" or not isinstance(metadata, Mapping):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace") or applications.NAMESPACE
    return given.get(f"{namespace}/{name}") or given.get(str(name))


def _demand_used(given: Mapping[str, Path], found: Sequence[tuple[str, str]]) -> None:
    known = {name for namespace, name in found} | {f"{namespace}/{name}" for namespace, name in found}
    for name in given:
        if name not in known:
            names = ", ".join(sorted({name for _, name in found})) or "none"
            raise WrongUsage(
                f"--rendered {name}=DIR must name an Application of the layer, got {name}", f"it has {names}"
            )


def _read(manifest: Mapping[str, Any], directory: Path) -> Rendering:
    """Return an Application as the manifests of a directory, which may lie anywhere."""
    option, remedy = f"--rendered {directory}", "render the Application into it once more"
    try:
        objects = tuple(document.data for document in manifests.directory(directory, directory, recurse=True))
    except LayerError as error:
        raise WrongUsage(f"{option} must have manifests: {error.file}: {error.problem}", remedy) from error
    if not objects:
        raise WrongUsage(f"{option} must have manifests, got none", remedy)
    spec = manifest.get("spec")
    several = spec.get("sources") if isinstance(spec, Mapping) else None
    others = len(several) - 1 if isinstance(several, list) and several else 0
    return Rendering((RenderedSource(GIVEN, objects), *(RenderedSource("Ref", ()) for _ in range(others))))
