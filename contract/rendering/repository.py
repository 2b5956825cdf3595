"""One repository with all small layers side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

LAYERS = Path(__file__).parent / "layers.yaml"

NAMESPACE = "rendered"
"""The destination of an Application that says no other; nothing is synced to it."""


def content(url: str, revision: str, others: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of the repository.

    Args:
        url: of the repository.
        revision: the branch that Applications read.
        others: words that stand for what is served besides it, with its URLs.
    """
    found: dict[str, bytes] = {}
    for name, case in _layers({"REPOSITORY": url, "REVISION": revision, **others}).items():
        here = f"cases/{name}"
        for path, content in (case.get("files") or {}).items():
            found[f"{here}/{path}"] = content.encode()
        written = _object(name, case, {"repoURL": url, "targetRevision": revision, "path": here})
        if written is not None:
            found[f"argocd/{name}.json"] = json.dumps(written, indent=1).replace("HERE", here).encode()
    return found


def names(*, refused: bool = False) -> list[str]:
    """Return the names of the small layers; of those that Argo CD refuses, or of all others."""
    every = _layers({"REPOSITORY": "", "REVISION": ""}).items()
    return [
        name
        for name, case in every
        if bool(case.get("refused")) is refused and case.keys() & {"applicationset", "source", "sources"}
    ]


def read(file: Path) -> dict[str, Any]:
    """Return the object of a file."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _layers(words: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    text = LAYERS.read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    found: dict[str, dict[str, Any]] = YAML(typ="safe").load(text)
    return found


def _object(name: str, case: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any] | None:
    written = {"apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": name, "namespace": "argocd"}}
    if "applicationset" in case:
        spec = {**case["applicationset"], "template": {**case["applicationset"]["template"]}}
        spec["template"]["spec"] = _spec(spec["template"]["spec"], source)
        return {**written, "kind": "ApplicationSet", "spec": spec}
    if "source" in case or "sources" in case:
        return {**written, "kind": "Application", "spec": _spec(case, source)}
    return None


def _spec(case: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "project": "default",
        "destination": {
            "server": "https://kubernetes.default.svc",
            "namespace": case.get("namespace", NAMESPACE),
            **case.get("destination", {}),
        },
    }
    spec["destination"] = {key: value for key, value in spec["destination"].items() if value is not None}
    if "source" in case:
        spec["source"] = {**source, **case["source"]}
    if "sources" in case:
        # The path of one that only lends its files is left out.
        every = ({**source, **each} for each in case["sources"])
        spec["sources"] = [{key: value for key, value in each.items() if value != ""} for each in every]
    return spec
