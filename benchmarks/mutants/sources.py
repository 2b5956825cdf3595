"""Where rules and dashboards come from: a layer, a chart, and files of other people's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from platform_e2e.checks import dashboards, rules
from platform_e2e.checks.dashboards.wanted import WantedDashboard
from platform_e2e.checks.dashboards.wanted import read as read_dashboard
from platform_e2e.checks.rules.wanted import WantedRule, of_object
from platform_e2e.layer import Layer, Rendered
from platform_e2e.layer.argo_objects import mapping, mappings

SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Source:
    """Rules and dashboards of one origin.

    Attributes:
        name: of it, such as `layer`.
        rules: all.
        dashboards: all.
    """

    name: str
    rules: tuple[WantedRule, ...]
    dashboards: tuple[WantedDashboard, ...]


def of_layer(layer: Layer) -> Source:
    """Return what a layer has."""
    return Source("layer", tuple(rules.of_layer(layer)), tuple(dashboards.of_layer(layer)))


def of_objects(name: str, objects: Sequence[dict[str, Any]], file: str) -> Source:
    """Return what rendered objects have.

    Args:
        name: of the source.
        objects: PrometheusRules and ConfigMaps count.
        file: that they are from.
    """
    rendered = [Rendered(each, name, file, None) for each in objects if each.get("kind") and each.get("metadata")]
    found = [rule for each in rendered if each.kind == "PrometheusRule" for rule in of_object(each)]
    shown = [board for each in rendered if each.kind == "ConfigMap" for board in _boards(each)]
    return Source(name, tuple(found), tuple(shown))


def of_files(name: str, path: Path) -> Source:
    """Return what a file, or all files of a directory, have.

    PrometheusRules, Prometheus' own files of rules, ConfigMaps with dashboards, and dashboards as Grafana exports them.

    Args:
        name: of the source.
        path: of the file or the directory.
    """
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
    objects = [_object(each, file) for file in files for each in _documents(file)]
    return of_objects(name, objects, str(path))


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    text = file.read_text(encoding="utf-8")
    found = [json.loads(text)] if file.suffix == ".json" else yaml.safe_load_all(text)
    for each in found:
        if isinstance(each, dict):
            yield from map(dict, mappings(each["items"])) if isinstance(each.get("items"), list) else [each]


def _object(document: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return a document as the object that has it in a cluster."""
    metadata = {"name": file.stem, "namespace": "monitoring"}
    if "kind" in document:
        return document
    if "groups" in document:
        spec = {"groups": document["groups"]}
        return {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata,
            "spec": spec,
        }
    if "panels" in document or "rows" in document:
        data = {file.name: json.dumps(document)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return {}


def _boards(rendered: Rendered) -> Iterator[WantedDashboard]:
    for key, text in mapping(rendered.object.get("data")).items():
        board = read_dashboard(rendered, str(key), str(text))
        if board.model and not board.error:
            yield board
