"""foundations.yaml: the Helm releases that the layer stands on, with their pins."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import foundation_values, own_annotations, tree, yamlfile
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.yamlfile import Document

FILE = "foundations/foundations.yaml"
"""Where a layer lists its releases."""

OWN = (Path(__file__).with_name("own") / "foundations").resolve().parent
"""Has the foundations of this project's own layer: a link in a checkout, their files in a wheel."""

_OF_GROUP = {
    "bitnami.com": "sealed-secrets",
    "metallb.io": "metallb",
    "monitoring.coreos.com": "kube-prometheus-stack",
}
"""The charts that serve the kinds of an API group."""

_KEYS = {"appVersion": "app_version"}
"""Names in the file that differ from those of the attributes; Helm writes appVersion."""


@dataclass(frozen=True)
class Release:
    """One Helm release.

    Attributes:
        name: of the release.
        chart: name of the chart in its repository.
        repository: URL of the chart repository.
        version: exact version of the chart.
        app_version: version of the product in it.
        namespace: that it is installed into.
        values: the values file, an absolute path.
        brought: whether the harness brings it, since the layer has none; its metrics are then promised by none.
        place: file and line of what in the layer was taken for it; empty for one that a foundations.yaml lists.
    """

    name: str
    chart: str
    repository: str
    version: str
    app_version: str
    namespace: str
    values: Path
    brought: bool = False
    place: str = ""

    def __str__(self) -> str:
        """Name it as findings do."""
        return f"release/{self.name} -n {self.namespace}"


def read(root: Path, file: Path | None = None) -> tuple[Release, ...]:
    """Return the layer's releases in the order of the file; none where it has no foundations.

    Args:
        root: the layer.
        file: that the user names in its place; the values that it names are looked for beside it.

    Raises:
        LayerError: an entry lacks a field, has an unknown one, is there twice, its values file does not exist, or that
            has an unknown annotation of the harness.
    """
    path, root = (root / FILE, root) if file is None else (file.resolve(), file.resolve().parent)
    if not path.exists():
        return ()
    documents = yamlfile.read(root, path)
    if (
        len(documents) != 1
        or not isinstance(documents[0].data, dict)
        or not isinstance(documents[0].data.get("releases"), list)
    ):
        raise LayerError(paths.in_repository(path, root), 1, "must be one document with a list `releases`")
    document = documents[0]
    found = [_release(path, root, document, index) for index in range(len(document.data["releases"]))]
    if file is not None:
        found = [
            replace(release, place=f"{file}:{document.line_of('releases', index)}")
            for index, release in enumerate(found)
        ]
    for index, release in enumerate(found):
        if any(release.name == other.name for other in found[:index]):
            raise document.error(f"the release {release.name} is there twice", at=("releases", index))
    return tuple(found)


def brought(objects: Iterable[Mapping[str, Any]], have: Iterable[Release] = ()) -> tuple[Release, ...]:
    """Return the releases that the harness brings to a layer that does not have them: Argo CD, and those whose kinds it uses.

    They are those of this project's own layer.

    Args:
        objects: of the layer, rendered.
        have: the releases that it has.
    """
    there = {release.chart for release in have}
    used = {chart for each in objects for chart in _needed(each)} | {"argo-cd"}
    own = (replace(release, brought=True) for release in _own() if release.chart in used - there)
    return tuple(replace(each, values=_for_any_layer(each)) for each in own)


@functools.cache
def _own() -> tuple[Release, ...]:
    """Return the releases of this project's own layer, whose file stays the same while a process runs."""
    return read(OWN)


_ANY_LAYER: Mapping[str, Mapping[str, Any]] = {
    "kube-prometheus-stack": {
        # Every monitor, whatever labels the layer's own Prometheus asks for; and no Grafana, which asks for a Secret of its layer.
        "prometheus": {
            "prometheusSpec": {
                f"{kind}SelectorNilUsesHelmValues": False
                for kind in ("serviceMonitor", "podMonitor", "probe", "rule", "scrapeConfig")
            }
        },
        "grafana": {"enabled": False},
    }
}
"""Values of the harness's own releases that fit its own layer alone, as any other layer needs them."""


def _for_any_layer(release: Release) -> Path:
    """Return the values with which the harness brings a release to a layer that is not its own."""
    more = _ANY_LAYER.get(release.chart)
    if more is None:
        return release.values
    documents = yamlfile.parse(release.values.read_text(encoding="utf-8"), release.values.name)
    values = dict(documents[0].data)
    for key, below in more.items():
        values[key] = {**(values.get(key) or {}), **below} if key != "grafana" else below
    return foundation_values.stored(release.chart, values)


def _needed(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the charts without which an object would mean nothing."""
    group = str(data.get("apiVersion")).partition("/")[0]
    if group in _OF_GROUP:
        yield _OF_GROUP[group]
    spec = data.get("spec")
    if data.get("kind") == "Service" and isinstance(spec, Mapping) and spec.get("type") == "LoadBalancer":
        yield "metallb"


def _release(file: Path, root: Path, document: Document, index: int) -> Release:
    entry: Any = document.data["releases"][index]
    at: tuple[str | int, ...] = ("releases", index)
    if not isinstance(entry, dict):
        raise document.error("a release must be a mapping", at=at)
    given: dict[str, Any] = {_KEYS.get(str(key), str(key)): value for key, value in entry.items()}
    known = {field.name for field in fields(Release)} - {"brought", "place"}
    name = given.get("name", "without a name")
    for key in given:
        if key not in known:
            raise document.error(f"the release {name} has an unknown field {key}", at=(*at, key))
    for key in sorted(known):
        if not isinstance(given.get(key), str) or not given[key]:
            shown = next((written for written, attribute in _KEYS.items() if attribute == key), key)
            raise document.error(f"the release {name} must have {shown} as a text", "quote numbers", at)
    if not tree.can_be(given["values"]):
        raise document.error(f"the release {name} has values in what no file can have as its path", at=(*at, "values"))
    values = file.parent / given["values"]
    if not values.resolve().is_relative_to(root) or not values.is_file():
        problem = f"the release {name} has values in {given['values']}, which is not a file of the layer"
        raise document.error(problem, f"the path starts at {file.parent.name}/", (*at, "values"))
    # Read only to find what is wrong with it before a cluster is started.
    for each in yamlfile.read(root, values):
        own_annotations.check(each, "")
    return Release(**{**given, "values": values.resolve()})
