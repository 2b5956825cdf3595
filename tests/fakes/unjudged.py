"""Objects that are not judged, for tests of what becomes of them."""

from __future__ import annotations

from typing import Any

from platform_e2e.layer.not_judged import NotJudged


def unjudged(name: str, reason: str = "chart", **fields: Any) -> NotJudged:
    """Return an Application that is not judged."""
    told = {
        "object": f"application/{name} -n argocd",
        "problem": f"the chart {name} 1.2.3 of https://charts.example.com is not in the store",
        "remedy": f"fetch it: platform-e2e fetch --layer layers/{name}",
        "file": f"apps/{name}.yaml",
        "line": 4,
        **fields,
    }
    return NotJudged(reason=reason, **told)


def unjudged_set(name: str) -> NotJudged:
    """Return an ApplicationSet that is not judged."""
    return unjudged(name, "generator", object=f"applicationset/{name} -n argocd")
