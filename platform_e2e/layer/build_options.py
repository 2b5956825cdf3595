"""What the layer's own configuration tells its Argo CD about rendering: `kustomize.buildOptions`, and how patterns of files are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from platform_e2e.layer import foundation_values, yamlfile
from platform_e2e.layer.argo_objects import mapping, text
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.place import Place
from platform_e2e.layer.releases import Release
from platform_e2e.layer.survey import KUSTOMIZATIONS, Survey
from platform_e2e.layer.team_file import NAME
from platform_e2e.layer.yamlfile import Document

KEY = "kustomize.buildOptions"
OF_RESOURCE = "kustomizeBuildOptions"
"""The same in the resource ArgoCD of its operator."""

ENABLE_HELM = "--enable-helm"

_HELM_CHARTS = re.compile(rb"""^["']?(?:helmCharts|helmChartInflationGenerator)["']?\s*:""", re.MULTILINE)

_BUILDS = re.compile(rb"kustomize build[^\n]*--enable-helm")

VALUES = "foundations/values/argo-cd.yaml"

GLOBBING = "applicationsetcontroller.enable.new.git.file.globbing"
"""In argocd-cmd-params-cm: whether `*` in a pattern of a git generator's files stays within a directory."""

_IN_PARAMS = (("configs", "params"), ("argo-cd", "configs", "params"))

_CONFIGMAP = ("data",)
_IN_VALUES = (("configs", "cm"), ("argo-cd", "configs", "cm"), ("server", "config"), ("argo-cd", "server", "config"))
"""Where values of the chart argo-cd have argocd-cm, also below an umbrella chart; before chart 5.0 it was server.config."""


@dataclass(frozen=True)
class BuildOptions:
    """The options that Argo CD gives `kustomize build`.

    Attributes:
        text: of the options.
        place: file and line.
        others: where the repository says something else, such as for another environment: text and place.
    """

    text: str
    place: str
    others: tuple[tuple[str, str], ...] = ()


def build_options(place: Place) -> BuildOptions | None:
    """Return the options, from the first that has them: platform-e2e.yaml, the foundation argo-cd, the files of the layer.

    Args:
        place: where the layer begins.

    Returns:
        None where nothing has them: Argo CD then gives none.
    """
    return _found(place, place.survey)


def _found(place: Place, survey: Survey) -> BuildOptions | None:
    stated = place.said.content.kustomizeBuildOptions
    if stated is not None:
        return BuildOptions(stated, place.said.place(OF_RESOURCE))
    values = place.directory / VALUES
    found = list(_of_file(survey, values)) if values.is_file() else []
    if not found:
        mentions = [path for path in survey.files if path.name != NAME and _mentions(survey.content(path))]
        found = [each for path in mentions for each in _of_file(survey, path)]
    if not found:
        return None
    first = found[0]
    return BuildOptions(
        first.text, first.place, tuple((each.text, each.place) for each in found if each.text != first.text)
    )


def new_file_globbing(place: Place) -> bool:
    """Tell whether the layer's Argo CD reads patterns of a git generator's files in the new way.

    Args:
        place: where the layer begins.
    """
    for _, document in place.survey.mentioning(GLOBBING):
        data = mapping(document.data)
        holders = [data.get("data")] if data.get("kind") == "ConfigMap" else []
        for keys in _IN_PARAMS if "kind" not in data else ():
            holder: object = data
            for key in keys:
                holder = mapping(holder).get(key)
            holders.append(holder)
        if any(str(mapping(holder).get(GLOBBING)).lower() == "true" for holder in holders):
            return True
    return False


HEALTH = "resource.customizations.health.argoproj.io_Application"
"""Key of argocd-cm by which Argo CD assesses the health of an Application."""


def told(release: Release, options: str, *, globbing: bool) -> Release:
    """Return a release of Argo CD that is told what the layer was rendered with, so that the cluster renders the same.

    Args:
        release: of the chart argo-cd, that the harness installs by values of its own making.
        options: that the layer was rendered with.
        globbing: whether patterns were read in the new way.
    """
    documents = yamlfile.parse(release.values.read_text(encoding="utf-8"), release.values.name)
    values = dict(mapping(documents[0].data)) if documents else {}
    configs = dict(mapping(values.get("configs")))
    if release.brought:
        # A layer that does not set it stands on Argo CD's own default, by which no wave waits for an Application.
        configs["cm"] = {name: text for name, text in mapping(configs.get("cm")).items() if name != HEALTH}
    said: dict[str, dict[str, Any]] = {"cm": {KEY: options} if options else {}, "params": {}}
    if globbing:
        said["params"][GLOBBING] = True
    changed = {name: {**mapping(configs.get(name)), **more} for name, more in said.items() if more}
    if {**configs, **changed} == mapping(values.get("configs")):
        return release
    return replace(
        release, values=foundation_values.stored(release.chart, {**values, "configs": {**configs, **changed}})
    )


def given(place: Place) -> tuple[str, bool, tuple[str, ...]]:
    """Return the options that a layer is rendered with, whether they are known, and what is assumed of them, one sentence each.

    A kustomization with charts is built by no Argo CD that was not told `--enable-helm`, so in a repository that does not have the
    configuration of its Argo CD it was.

    Args:
        place: where the layer begins.
    """
    survey = place.survey
    options = _found(place, survey)
    if options is not None:
        more = _elsewhere(place, survey) if ENABLE_HELM not in options.text else ""
        if not more:
            return options.text, True, ()
        why = f"{KEY} ({options.place}) does not have {ENABLE_HELM}, which is given nevertheless: {more}"
        return f"{options.text} {ENABLE_HELM}".strip(), True, (why,)
    if (place.directory / VALUES).is_file():
        return "", True, ()
    with_charts = next(
        (path for path in survey.files if path.name in KUSTOMIZATIONS and _has_charts(survey, path)), None
    )
    if with_charts is None:
        return "", False, ()
    why = f"{KEY} is in no file: {ENABLE_HELM} is taken for it, since {survey.name(with_charts)} has charts; if that is wrong, write"
    return ENABLE_HELM, False, (f"{why} `{OF_RESOURCE}:` into {NAME}",)


def _elsewhere(place: Place, survey: Survey) -> str:
    """Return why kustomizations are built with charts although Argo CD itself is not told to; empty where nothing says so."""
    for root in place.roots:
        made_of = survey.kustomizations.get(place.repository / root.path)
        for directory in (made_of.directory, *made_of.parts) if made_of is not None else ():
            file = next((directory / name for name in KUSTOMIZATIONS if (directory / name).is_file()), None)
            if file is not None and _has_charts(survey, file):
                return f"{survey.name(file)} has charts and is built by hand"
    for path in survey.files:
        found = _BUILDS.search(survey.content(path))
        if found is not None and any(_has_charts(survey, each) for each in survey.files if each.name in KUSTOMIZATIONS):
            line = survey.content(path)[: found.start()].count(b"\n") + 1
            return f"a plugin builds kustomizations with it ({survey.name(path)}:{line})"
    return ""


def _has_charts(survey: Survey, path: Path) -> bool:
    return _HELM_CHARTS.search(survey.content(path)) is not None


def _mentions(content: bytes) -> bool:
    return KEY.encode() in content or OF_RESOURCE.encode() in content


def _of_file(survey: Survey, path: Path) -> Iterator[BuildOptions]:
    try:
        documents = survey.documents(path)
    except LayerError:
        # Such as a template; who needs the file says what is wrong with it.
        return
    for document in documents:
        for keys in _places(document):
            holder = document.data
            for key in keys[:-1]:
                holder = mapping(holder).get(key)
            stated = text(mapping(holder).get(keys[-1]))
            if stated:
                yield BuildOptions(stated.strip(), f"{document.file}:{document.line_of(*keys)}")


def _places(document: Document) -> Iterator[tuple[str, ...]]:
    """Yield the fields in which a document of that kind has the options."""
    data = mapping(document.data)
    kind, name = data.get("kind"), mapping(data.get("metadata")).get("name")
    if kind == "ConfigMap":
        if name == "argocd-cm":
            yield (*_CONFIGMAP, KEY)
    elif kind == "ArgoCD":
        yield "spec", OF_RESOURCE
    elif "kind" not in data:
        for keys in _IN_VALUES:
            yield (*keys, KEY)
