"""What Argo CD is told beside the layer's own settings: whose health it must not wait for, and which kinds it must leave out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_e2e.atomic import atomic_write
from platform_e2e.foundations.manifests import Object
from platform_e2e.layer import yamlfile
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.left_out import excluded

CHART = "argo-cd"

EXCLUSIONS = "resource.exclusions"
"""Key of argocd-cm: kinds that Argo CD neither reads nor applies (docs/operator-manual/declarative-setup.md)."""

UNATTENDED = """\
hs = {}
hs.status = "Healthy"
hs.message = "platform-e2e: no real controller attends to it, so that nothing waits for its health"
return hs
"""


def of(layer: Layer) -> dict[str, Any]:
    """Return what argocd-cm says beside the layer's own: the health of kinds as Lua, exclusions as a list to append to those there are."""
    found: dict[str, Any] = {_health(*kind): UNATTENDED for kind in _unattended(layer)}
    kinds = excluded(layer.left_out)
    if kinds:
        found[EXCLUSIONS] = [
            {"apiGroups": [group], "kinds": [kind], "clusters": ["*"]} for group, kind in sorted(kinds)
        ]
    return found


def _unattended(layer: Layer) -> Collection[tuple[str, str]]:
    made = {(each.source.identity[0], each.source.kind) for each in layer.invented}
    return sorted({*layer.stand_ins.unattended, *made})


def _health(group: str, kind: str) -> str:
    return f"resource.customizations.health.{group}_{kind}"


def write(settings: Mapping[str, Any], rendered: Sequence[Object], path: Path) -> Path:
    """Write a file of values for the chart of Argo CD, and return its path.

    Args:
        settings: from `of`.
        rendered: the chart with the layer's own values, for what is there already.
        path: of the file.
    """
    there = next((each.get("data") or {} for each in rendered if each["metadata"]["name"] == "argocd-cm"), {})
    said = dict(settings)
    if EXCLUSIONS in said:
        before = [each.data for each in yamlfile.parse(str(there.get(EXCLUSIONS) or "[]"), EXCLUSIONS)]
        own = before[0] if before and isinstance(before[0], list) else []
        said[EXCLUSIONS] = yamlfile.as_json([*own, *said[EXCLUSIONS]], indent=None)
    atomic_write(path, yamlfile.as_json({"configs": {"cm": said}}))
    return path
