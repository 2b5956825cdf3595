"""The variables of a dashboard, and the values that its queries are asked with.

What they mean is Grafana's (docs, dashboards/variables; for Prometheus datasources/prometheus/template-variables).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


HIDDEN = 2
"""`hide` of a variable that no viewer sees, so that none is expected to choose a value."""

_TRIED = 4
"""Values of a variable that takes one at a time with which a query is asked, where the first have no data."""


@dataclass(frozen=True)
class Variables:
    """What the variables of a dashboard stand for.

    Attributes:
        known: the value of each that a dashboard opens with.
        single: of those with several, single values that a viewer may choose.
        problems: why others have no value.
    """

    known: Mapping[str, str] = field(default_factory=lambda: dict(BUILT_IN))
    single: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: Sequence[str] = ()

    def choices(self, expression: str, *, repeated: Iterable[str] = ()) -> Iterator[Mapping[str, str]]:
        """Yield what a viewer may choose of the variables of an expression, what a dashboard opens with first.

        Args:
            expression: of a query.
            repeated: variables of which its panel shows one value at a time.
        """
        named = {name for name in self.single if re.search(rf"\b{re.escape(name)}\b", expression)}
        first = {name: self.single[name][0] for name in named & set(repeated)}
        yield {**self.known, **first}
        for number in range(min(_TRIED, max((len(self.single[name]) for name in named), default=0))):
            chosen = {name: self.single[name][min(number, len(self.single[name]) - 1)] for name in named}
            yield {**self.known, **chosen}


def values(dashboard: WantedDashboard, prometheus: Prometheus) -> Variables:
    """Return what each variable stands for, and why some have no value.

    Args:
        dashboard: that has them.
        prometheus: that is asked for those of a query.
    """
    known, problems = dict(BUILT_IN), []
    single: dict[str, Sequence[str]] = {}
    for variable in dashboard.variables:
        name = str(variable.get("name"))
        try:
            if variable.get("type") == "query":
                single[name] = _kept(variable, known, prometheus)
                known[name] = _opened(variable, single[name])
            else:
                known[name] = _stated(variable)
        except VariableError as error:
            problems.append(f"the variable {name} {error}")
    return Variables(known, {name: found for name, found in single.items() if found}, problems)


def _kept(variable: Mapping[str, Any], known: Mapping[str, str], prometheus: Prometheus) -> Sequence[str]:
    """Return the values that a variable's query has and its regex takes.

    Raises:
        VariableError: there are none, and one is expected.
    """
    found = _asked(variable, known, prometheus)
    kept = list(dict.fromkeys(_taken(str(variable.get("regex") or ""), found)))
    # A label that only several clusters have, such as `cluster`: its variable is hidden, and empty where there is one.
    if not kept and variable.get("hide") != HIDDEN:
        raise VariableError(
            f"has no value: {_query(variable)} returns " + ("nothing" if not found else "none that its regex takes")
        )
    return kept


def _taken(pattern: str, found: Sequence[str]) -> Iterator[str]:
    """Yield what a variable's regex takes of each value: its first group, where it has one."""
    written = re.fullmatch(r"/(.*)/[a-z]*", pattern, re.DOTALL)
    pattern = written[1] if written else pattern
    try:
        taken = [re.search(pattern.replace("(?<", "(?P<"), each) for each in found]
    except re.error:
        # JavaScript's, which Python does not read.
        yield from found
        return
    for each, value in zip(taken, found, strict=True):
        if each is not None and pattern:
            yield each.groupdict().get("value") or next(filter(None, each.groups()), value)
        elif each is not None:
            yield value


def _opened(variable: Mapping[str, Any], kept: Sequence[str]) -> str:
    """Return the value that a variable of a query has when its dashboard is opened."""
    if variable.get("includeAll") and variable.get("allValue"):
        return str(variable["allValue"])
    if variable.get("multi") or variable.get("includeAll"):
        return _any_of(kept[:_MOST])
    return kept[0] if kept else ""


def _any_of(values: Sequence[str]) -> str:
    """Return a pattern of several values, within quotes of PromQL, as Grafana writes it (prometheusSpecialRegexEscape)."""
    escaped = [re.sub(r"[$()*+.?\[\\\]^{|}]", lambda found: "\\\\" + found[0], each) for each in values]
    return f"({'|'.join(escaped)})" if len(escaped) > 1 else "".join(escaped)


def _stated(variable: Mapping[str, Any]) -> str:
    """Return the value of a variable that states its values itself."""
    current = variable.get("current")
    chosen = current.get("value") if isinstance(current, Mapping) else None
    if isinstance(chosen, list):
        chosen = "|".join(map(str, chosen))
    if chosen in {None, "", "$__all", "default"} or str(chosen).startswith("$__auto"):
        chosen = str(variable.get("query") or "").split(",")[0].strip()
    return str(chosen)


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
    if names:
        return list(_taken(names["pattern"], prometheus.names()))
    named = re.fullmatch(r"\s*label_names\((?P<selector>.*)\)\s*", query)
    if named:
        return sorted(prometheus.labels(named["selector"] or "up"))
    return [query]
