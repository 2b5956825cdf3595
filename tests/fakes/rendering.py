"""Render a layer without Argo CD's program: take it where a test needs a layer that was read, and not what Argo CD makes of it.

It knows directories, kustomizations by a function, and of ApplicationSets what `generators` and `templates` know. `contract/` compares
it with the program.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import Material, copies, foundation_values, kustomize, manifests, yamlfile
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.renderer import Engine, Problem, Reason, Render, RenderedSource, Renderer, Rendering
from tests.fakes import templates
from tests.fakes.generators import Expansion, GeneratorError
from tests.fakes.templates import TemplateError

Kustomize = Callable[[Path], list[dict[str, Any]]]
"""Turn the directory of a kustomization into objects."""


def no_kustomize(directory: Path) -> list[dict[str, Any]]:
    """Refuse: a test that renders a kustomization says what it becomes."""
    raise AssertionError(f"{directory} is a kustomization, and this test did not say what it becomes")


def renderer(build: Kustomize = no_kustomize) -> Renderer:
    """Return a renderer whose kustomizations become what a function says."""

    @contextlib.contextmanager
    def begin(material: Material) -> Iterator[Render]:
        with paths.scratch() as scratch:
            changed = {}
            for number, each in enumerate(material.repositories):
                if each.changed:
                    changed[each.directory] = scratch / str(number)
                    copies.copy(each.directory, scratch / str(number), None)
                    copies.change(scratch / str(number), each.changed, None)
            fake = _Fake(material, build, changed)
            yield Fake(lambda objects: [fake.render(each) for each in objects])

    return begin


ENGINE = Engine("limits", "3.2.11", "3.19.4", "5.8.1")


@dataclass(frozen=True)
class Fake:
    """Render by a function.

    Attributes:
        by: the function.
        engine: what is said to render.
    """

    by: Callable[[Sequence[Mapping[str, Any]]], list[Rendering]]
    engine: Engine = ENGINE

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        return self.by(objects)


class _Refused(Exception):
    def __init__(self, reason: Reason, text: str) -> None:
        self.reason, self.text = reason, text


class _Fake:
    def __init__(self, material: Material, build: Kustomize, changed: Mapping[Path, Path]) -> None:
        self._build = build
        self._directories = {
            url: changed.get(each.directory, each.directory) for each in material.repositories for url in each.urls
        }

    def render(self, manifest: Mapping[str, Any]) -> Rendering:
        if manifest["kind"] == "ApplicationSet":
            return self._expanded(manifest)
        spec = manifest["spec"]
        found: list[RenderedSource] = []
        for source in spec.get("sources") or [spec["source"]]:
            try:
                found.append(self._source(source))
            except _Refused as refused:
                return Rendering(problem=Problem(refused.reason, refused.text, len(found)))
        return Rendering(sources=tuple(found))

    def _expanded(self, manifest: Mapping[str, Any]) -> Rendering:
        spec = manifest["spec"]
        root = next(iter(self._directories.values()))
        expansion = Expansion(root, spec.get("goTemplate") is True)
        try:
            parameters = expansion.all(spec.get("generators") or [])
            written = [templates.substitute(spec["template"], values, go=expansion.go) for values in parameters]
        except (GeneratorError, TemplateError) as error:
            return Rendering(problem=Problem(Reason.RENDER, str(error)))
        except (AttributeError, TypeError, ValueError) as error:
            # Argo CD's types do not take such a generator.
            return Rendering(problem=Problem(Reason.SHAPE, str(error)))
        kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
        return Rendering(applications=tuple({**kind, **each} for each in written))

    def _source(self, source: Mapping[str, Any]) -> RenderedSource:
        if source.get("plugin"):
            raise _Refused(Reason.PLUGIN, str(source["plugin"].get("name")))
        if source.get("chart"):
            raise _Refused(Reason.CHART, f"{source['chart']} {source.get('targetRevision')} of {source['repoURL']}")
        root = self._directories.get(source["repoURL"])
        if root is None:
            raise _Refused(Reason.REPOSITORY, source["repoURL"])
        if source.get("ref") and not source.get("path"):
            return RenderedSource("Ref", ())
        directory, plain = (root / source["path"]).resolve(), source.get("directory") or {}
        if not directory.is_dir() or not directory.is_relative_to(root):
            raise _Refused(Reason.RENDER, f"{source['path']}: app path does not exist")
        made = _chart(root, directory, source.get("helm") or {})
        if made is not None:
            return made
        try:
            if not plain and kustomize.kustomization_in(root, directory):
                kustomize.reads(root, directory)
                return RenderedSource("Kustomize", tuple(each for each in self._build(directory) if each))
            found = manifests.directory(
                root,
                directory,
                recurse=plain.get("recurse") is True,
                include=plain.get("include") or "",
                exclude=plain.get("exclude") or "",
            )
        except LayerError as error:
            raise _Refused(Reason.RENDER, error.problem) from error
        return RenderedSource("Directory", tuple(document.data for document in found))


def _chart(root: Path, directory: Path, helm: Mapping[str, Any]) -> RenderedSource | None:
    """Return what a chart becomes, whose templates have no expressions; None where there is none."""
    if (directory / "templates" / "values.yaml").is_file():
        return _telling(root, directory, helm)
    if (directory / foundation_values.TELLING).is_dir():
        (document,) = yamlfile.read(root, directory / "kustomization.yaml")
        (chart,) = document.data["helmCharts"]
        files = [chart.get("valuesFile"), *chart.get("additionalValuesFiles", ())]
        here = {"valueFiles": [name for name in files if name], "valuesObject": chart.get("valuesInline")}
        return _telling(root, directory, here)
    if not (directory / "Chart.yaml").is_file() or not (directory / "templates").is_dir():
        return None
    if any(document.data.get("dependencies") for document in yamlfile.read(root, directory / "Chart.yaml")):
        raise _Refused(Reason.CHART, "a chart that it depends on")
    files = sorted(directory.glob("templates/*.yaml"))
    return RenderedSource("Helm", tuple(each.data for file in files for each in yamlfile.read(root, file)))


def _telling(root: Path, directory: Path, helm: Mapping[str, Any]) -> RenderedSource:
    """Return what the chart that tells its values becomes; parameters are not known here."""
    values: dict[str, Any] = {}
    own = directory / "values.yaml"
    named = [
        root / name.removeprefix("$values/") if "$" in name else directory / name
        for name in helm.get("valueFiles") or []
    ]
    for file in (own, *named):
        if not file.is_file() and file is not own and not helm.get("ignoreMissingValueFiles"):
            raise _Refused(Reason.RENDER, f"{file}: no such file")
        for document in yamlfile.read(root, file) if file.is_file() else ():
            values = _merged(values, document.data or {})
    # The object stands in place of the text.
    for document in yamlfile.parse("" if helm.get("valuesObject") else helm.get("values") or "", "values"):
        values = _merged(values, document.data or {})
    values = _merged(values, helm.get("valuesObject") or {})
    told = base64.b64encode(json.dumps(values).encode()).decode()
    metadata = {"name": "platform-e2e-values"}
    return RenderedSource(
        "Helm", ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"values": told}},)
    )


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    both = {**first, **second}
    for key in first.keys() & second.keys():
        if isinstance(first[key], dict) and isinstance(second[key], dict):
            both[key] = _merged(first[key], second[key])
    return both
