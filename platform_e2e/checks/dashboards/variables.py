"""The variables of a dashboard, and the values that its queries are asked with.

What they mean is Grafana's (docs, dashboards/variables; for Prometheus datasources/prometheus/template-variables).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.checks.dashboards.wanted import WantedDashboard
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.promql import without_variables

BUILT_IN: Mapping[str, str] = {
    "__interval": "1m",
    "__interval_ms": "60000",
    "__rate_interval": "2m",
    "__range": "1h",
    "__range_s": "3600",
    "__range_ms": "3600000",
    "__from": "0",
    "__to": "0",
    "__dashboard": "x",
    "timeFilter": "",
}
"""What Grafana puts in itself, for an hour of which a point is shown for each minute."""

_VALUES = re.compile(r"\s*label_values\(\s*(?:(?P<selector>.+?)\s*,\s*)?(?P<label>\w+)\s*\)\s*", re.DOTALL)
_RESULT = re.compile(r"\s*query_result\((?P<query>.+)\)\s*", re.DOTALL)

_MOST = 200
"""Values of one variable that a query is asked with: each makes it longer."""


class VariableError(Exception):
    """A variable has no value; the text says why."""


def values(dashboard: WantedDashboard, prometheus: Prometheus) -> tuple[dict[str, str], list[str]]:
    """Return what each variable stands for, and why some have no value.

    Args:
        dashboard: that has them.
        prometheus: that is asked for those of a query.
    """
    known, problems = dict(BUILT_IN), []
    for variable in dashboard.variables:
        name = str(variable.get("name"))
        try:
            known[name] = _value(variable, known, prometheus)
        except VariableError as error:
            problems.append(f"the variable {name} {error}")
    return known, problems


def _value(variable: Mapping[str, Any], known: Mapping[str, str], prometheus: Prometheus) -> str:
    kind = variable.get("type")
    if kind == "query":
        found = _asked(variable, known, prometheus)
        pattern = str(variable.get("regex") or "").strip("/")
        kept = [each for each in found if not pattern or re.search(pattern, each)] if _sound(pattern) else found
        if not kept:
            raise VariableError(
                f"has no value: {_query(variable)} returns " + ("nothing" if not found else "none that its regex takes")
            )
        if variable.get("multi") or variable.get("includeAll"):
            return str(variable.get("allValue") or "|".join(map(re.escape, kept[:_MOST])))
        return kept[0]
    current = variable.get("current")
    chosen = current.get("value") if isinstance(current, Mapping) else None
    if isinstance(chosen, list):
        chosen = "|".join(map(str, chosen))
    if chosen in {None, "", "$__all", "$__auto_interval", "default"}:
        chosen = str(variable.get("query") or "").split(",")[0].strip()
    return str(chosen)


def _sound(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _query(variable: Mapping[str, Any]) -> str:
    query = variable.get("query")
    return str(query.get("query", "")) if isinstance(query, Mapping) else str(query or variable.get("definition") or "")


def _asked(variable: Mapping[str, Any], known: Mapping[str, str], prometheus: Prometheus) -> Sequence[str]:
    """Return the values that the query of a variable has."""
    query = without_variables(_query(variable), known)
    found = _VALUES.fullmatch(query)
    if found:
        return prometheus.values(found["label"], found["selector"] or f'{{{found["label"]}!=""}}')
    result = _RESULT.fullmatch(query)
    if result:
        return [
            " ".join(f'{k}="{v}"' for k, v in sorted(each.labels.items())) for each in prometheus.query(result["query"])
        ]
    names = re.fullmatch(r"\s*metrics\((?P<pattern>.+)\)\s*", query)
    if names and _sound(names["pattern"]):
        return [name for name in prometheus.names() if re.search(names["pattern"], name)]
    return [query]
