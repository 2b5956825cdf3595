"""The values that a layer gives a foundation, worked out by Argo CD, helm and kustomize themselves.

In place of the foundation's chart they are given one that does nothing but tell its values: so files, texts, parameters and their
precedence are exactly what they are in production.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.atomic import atomic_write
from platform_e2e.layer import yamlfile
from platform_e2e.layer.argo_objects import mapping, sequence, text
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.foundation_forms import Form, Foundation
from platform_e2e.layer.renderer import Render, Rendering
from platform_e2e.layer.survey import CHART

TELLING = ".platform-e2e-values"
"""Directory of the chart that tells its values."""

_HEAD = b"apiVersion: v2\nname: values\nversion: 0.0.0\n"
_TEMPLATE = b"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: platform-e2e-values
data:
  values: {{ .Values | toJson | b64enc }}
"""
_ALL, _THERE, _NO_FILES = range(3)
"""Which of the files with values are asked for: all, those that are there, none."""


@dataclass(frozen=True)
class Told:
    """The values of a foundation.

    Attributes:
        values: those that the layer gives; its chart's own defaults are not among them.
        lacking: what of them cannot be read here, one sentence each.
    """

    values: Mapping[str, Any]
    lacking: tuple[str, ...] = ()


def laid(root: Path, found: Sequence[Foundation]) -> dict[str, bytes | None]:
    """Return the files to render the values of foundations from, by path from the repository's root; None for one to remove."""
    files: dict[str, bytes | None] = dict(_chart(TELLING))
    for each in found:
        if each.directory is None or each.form in (Form.MANIFESTS, Form.OBJECTS):
            continue
        place = each.directory.relative_to(root).as_posix()
        if each.form is Form.KUSTOMIZE:
            files |= _kustomization(root, each, place)
        else:
            for path in each.directory.rglob("*"):
                below = path.relative_to(each.directory)
                if path.is_file() and below.parts[0] in {
                    "templates",
                    "charts",
                    "crds",
                    "values.schema.json",
                    "Chart.lock",
                }:
                    files[f"{place}/{below.as_posix()}"] = None
            if each.form is Form.COPY:
                # What the chart itself has there are its defaults.
                files[f"{place}/values.yaml"] = b"{}\n"
            files |= _chart(place, values=False)
    return files


def _chart(place: str, *, values: bool = True) -> dict[str, bytes | None]:
    files: dict[str, bytes | None] = {f"{place}/{CHART}": _HEAD, f"{place}/templates/values.yaml": _TEMPLATE}
    return files | ({f"{place}/values.yaml": b"{}\n"} if values else {})


def _kustomization(root: Path, found: Foundation, place: str) -> dict[str, bytes | None]:
    """Return a kustomization that has only this chart, which is not fetched: it lies where kustomize looks first."""
    entry = _entry(root, found)
    # A name that is a path would be looked for below it.
    entry = {key: value for key, value in entry.items() if key not in {"repo", "version", "includeCRDs", "kubeVersion"}}
    entry |= {"name": found.chart, "releaseName": found.release}
    made = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "helmGlobals": {"chartHome": TELLING},
        "helmCharts": [entry],
    }
    assert found.file is not None  # noqa: S101  what was read is there
    name = found.file.relative_to(root).as_posix()
    return {name: yamlfile.as_json(made).encode(), **_chart(f"{place}/{TELLING}/{found.chart}")}


def _entry(root: Path, found: Foundation) -> dict[str, Any]:
    try:
        documents = yamlfile.read(root, found.file) if found.file else []
    except LayerError:
        documents = []
    every = sequence(mapping(documents[0].data).get("helmCharts")) if documents else ()
    return dict(mapping(every[found.index])) if found.index < len(every) else {}


def told(found: Sequence[Foundation], url: str, root: Path, render: Render) -> list[Told]:
    """Return the values of each foundation.

    Args:
        found: the foundations.
        url: of the repository.
        root: its root.
        render: renders the repository as `laid` changes it.
    """
    every = list(found)
    answers: dict[int, Told] = {}
    for ask in (_ALL, _THERE, _NO_FILES):
        left = [number for number in range(len(every)) if number not in answers]
        manifests = [_manifest(every[number], url, root, ask) for number in left]
        for number, (_, lacking), made in zip(left, manifests, render([each for each, _ in manifests]), strict=True):
            values = _read(made)
            if values is not None:
                answers[number] = Told(_below(every[number], values), tuple(lacking))
            elif ask == _NO_FILES:
                why = " ".join(made.problem.text.split())[-300:] if made.problem else "nothing was rendered"
                answers[number] = Told({}, (f"its values cannot be read: {why}",))
    return [answers[number] for number in range(len(every))]


def _manifest(found: Foundation, url: str, root: Path, ask: int) -> tuple[dict[str, Any], list[str]]:
    """Return an Application that renders the values alone, and what it leaves out of them."""
    spec = found.application.manifest["spec"]
    every = [mapping(each) for each in sequence(spec.get("sources"))] or [mapping(spec.get("source"))]
    own = every[found.source]
    source: dict[str, Any] = {"repoURL": url, "targetRevision": "HEAD", "path": TELLING}
    lacking: list[str] = []
    if found.directory is not None:
        source["path"] = found.directory.relative_to(root).as_posix()
    if found.form is not Form.KUSTOMIZE and isinstance(own.get("helm"), dict):
        source["helm"], lacking = _helm(own["helm"], ask)
    elif found.form is Form.KUSTOMIZE and ask != _ALL:
        lacking = ["what its kustomization names as its values"]
        source["path"] = TELLING
    lent = [dict(each) for each in every if each.get("ref") and each is not own]
    manifest = {
        **found.application.manifest,
        "spec": {
            **{key: value for key, value in spec.items() if key not in {"source", "sources"}},
            "sources": [source, *lent],
        },
    }
    return manifest, lacking


def _helm(helm: Mapping[str, Any], ask: int) -> tuple[dict[str, Any], list[str]]:
    files = [each for each in sequence(helm.get("valueFiles")) if isinstance(each, str)]
    kept = {key: value for key, value in helm.items() if key != "valueFiles"}
    if ask == _ALL:
        return dict(helm), []
    here = [name for name in files if "://" not in name] if ask == _THERE else []
    lacking = [f"its file of values {name} is not here" for name in files if name not in here]
    if here:
        kept |= {"valueFiles": here, "ignoreMissingValueFiles": True}
    if ask == _NO_FILES:
        kept.pop("fileParameters", None)
    elif len(lacking) < len(files):
        lacking.append(f"those of {', '.join(here)} are left out that are not here")
    return kept, lacking


def _read(made: Rendering) -> dict[str, Any] | None:
    """Return the values in what was rendered; None where they are not there."""
    for source in made.sources:
        for each in source.objects:
            encoded = text(mapping(each.get("data")).get("values"))
            if text(mapping(each.get("metadata")).get("name")).endswith("platform-e2e-values") and encoded:
                try:
                    values = json.loads(base64.b64decode(encoded))
                except (binascii.Error, ValueError):
                    return None
                return values if isinstance(values, dict) else None
    return None


def _below(found: Foundation, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dependency's values, which are below its name, with what is for all."""
    if found.form is not Form.UMBRELLA:
        return dict(values)
    own = dict(mapping(values.get(found.key)))
    shared = mapping(values.get("global"))
    if shared:
        own["global"] = {**shared, **mapping(own.get("global"))}
    return own


def disabled(found: Foundation, told: Mapping[str, Any]) -> bool:
    """Tell whether an umbrella's own values switch the dependency off, as Helm reads its condition.

    Args:
        found: the foundation.
        told: its values, without those of the umbrella around it.
    """
    for path in found.condition.split(","):
        keys = path.strip().split(".")
        value: Any = told
        for key in keys[1:] if keys[0] == found.key else keys:
            value = mapping(value).get(key)
        if isinstance(value, bool):
            return not value
    return False


def stored(chart: str, values: Mapping[str, Any]) -> Path:
    """Return a file with values, which has its name from its content."""
    content = yamlfile.as_json(values, sort_keys=True).encode()
    path = paths.cache() / "foundation-values" / f"{chart}-{hashlib.sha256(content).hexdigest()[:20]}.yaml"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)
    return path
