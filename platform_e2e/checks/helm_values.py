"""The values of releases: what they say, and which of them holds an object, with file and line, for a remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.diagnosis.objects import at
from platform_e2e.foundations import manifests
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer, Release, yamlfile
from platform_e2e.layer.yamlfile import Document

FIELDS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), frozenset(fields.lower().split()))
    for words, fields in (
        (r"untolerated taint", "tolerations nodeSelector affinity"),
        (r"node affinity|selector|no node wants|node\(s\) didn't", "nodeSelector affinity nodeAffinity tolerations"),
        (r"topology spread", "topologySpreadConstraints"),
        (
            r"insufficient|exceeded quota|OOMKilled|status 137",
            "resources requests limits cpu memory replicas replicaCount",
        ),
        (r"\bport", "hostPort hostNetwork ports port nodePort"),
        (r"image|pull", "image repository tag registry digest"),
        (r"priority ?class", "priorityClassName"),
        (r"service ?account", "serviceAccount serviceAccountName"),
        (r"PersistentVolumeClaim|storage", "storageClassName storageClass persistence storageSpec volumeClaimTemplate"),
        (r"secret|configmap|mount", "existingSecret secret secretName configMap volumes extraVolumes envFrom env"),
        (r"probe|unhealthy", "readinessProbe livenessProbe startupProbe"),
        (r"ended|crash|exit|status \d", "args extraArgs command env extraEnv config logLevel logFormat"),
    )
)
"""What is said of an object that cannot run, and the fields that charts let one set for it, in lower case."""


def location_in(root: Path, release: Release, item: Object | None, said: str) -> str:
    """Return file and line of the value that holds an object, with its path; the file alone where none is recognised.

    Args:
        root: the layer's directory.
        release: whose values may be the reason.
        item: the object that holds the release, as the cluster has it, or None.
        said: what is said of it; Helm's own sentence may name the value.
    """
    file = _file(root, release)
    documents = _documents(root, release)
    if release.place or not documents:
        return file
    scored = [
        (_score(keys, value, item, said), keys, document) for document in documents for keys, value in _leaves(document)
    ]
    best = max(scored, key=lambda match: match[0], default=None)
    if best is None or best[0] < _ENOUGH:
        return file
    _, keys, document = best
    return f"{file}:{document.line_of(*keys)}, {'.'.join(map(str, keys))}"


def of_chart(layer: Layer, chart: str, *keys: str) -> Iterator[Any]:
    """Yield what the values of each release of a chart say; None where they say nothing.

    Args:
        layer: that has the releases.
        chart: of them.
        keys: that lead to the value.
    """
    for release in layer.releases:
        if release.chart == chart:
            yield from of_release(release, *keys)


def of_release(release: Release, *keys: str) -> Iterator[Any]:
    """Yield what the values of a release say, None where they say nothing; nothing where there is no file of them."""
    if release.values.is_file():
        yield at(manifests.read(release.values), *keys)


def location_of(root: Path, release: Release, *keys: str) -> str:
    """Return file and line of a value of a release; the line of the nearest one around it where it is not there.

    Args:
        root: the layer's directory.
        release: that has the value.
        keys: that lead to it.
    """
    documents = _documents(root, release)
    line = f":{documents[0].line_of(*keys)}" if documents and not release.place else ""
    return f"{_file(root, release)}{line}"


def _file(root: Path, release: Release) -> str:
    """Return the file that has a release's values: of one that was taken out of the layer the place where it is written."""
    if release.place:
        return release.place
    try:
        return paths.in_repository(release.values, root)
    except ValueError:
        # The harness's own, of a layer that lies elsewhere.
        return str(release.values)


def _documents(root: Path, release: Release) -> list[Document]:
    if not release.values.is_file():
        return []
    return yamlfile.read(root if release.values.is_relative_to(root) else release.values.parent, release.values)


_NAMED, _FIELD, _SAME, _OWN = 8, 4, 3, 2
_ENOUGH = _FIELD + _OWN
"""A field that fits is not enough: another component of the same release may set it too, unless the object has the value."""


def _leaves(document: Document) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield path and value of every single value; an empty map or list is one."""

    def below(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        inner = [leaf for key, item in items for leaf in below(item, (*path, key))]
        yield from inner or [(path, value)]

    yield from (leaf for leaf in below(document.data, ()) if leaf[0])


def _score(keys: tuple[str | int, ...], value: Any, item: Object | None, said: str) -> int:
    """Return how likely it is that a value is meant."""
    names = [str(key).lower() for key in keys]
    score = 0
    if len(keys) > 1 and any(separator.join(map(str, keys)) in said for separator in (".", "/")):
        score += _NAMED
    fields = next((fields for words, fields in FIELDS if words.search(said)), frozenset())
    if fields.intersection(names):
        score += _FIELD
    if item is None:
        return score
    metadata = item.get("metadata") or {}
    component = re.sub(
        r"[^a-z0-9]", "", " ".join([str(metadata.get("name")), *(metadata.get("labels") or {}).values()]).lower()
    )
    if any(re.sub(r"[^a-z0-9]", "", name) in component for name in names[:-1] if len(name) > 2):
        score += _OWN
    if _is_in(str(value), item.get("spec")):
        score += _SAME
    return score


def _is_in(text: str, value: Any) -> bool:
    """Tell whether a value of some length, or a short one as a whole, stands in an object."""
    if isinstance(value, dict):
        return any(_is_in(text, below) for below in value.values())
    if isinstance(value, list):
        return any(_is_in(text, below) for below in value)
    return str(value) == text or (len(text) > 3 and text in str(value))
