"""Ask the queries of each panel, and judge whether it shows something, may yet, or never can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from platform_e2e.checks.dashboards.variables import Variables
from platform_e2e.checks.dashboards.wanted import Panel, Query, WantedDashboard
from platform_e2e.checks.expressions import FLAWS, USUAL, Flaw, ReadExpression, read
from platform_e2e.checks.expressions.quantity import BYTES, SECONDS
from platform_e2e.checks.monitoring.prometheus import Prometheus, PrometheusError
from platform_e2e.checks.monitoring.series import for_certain
from platform_e2e.diagnosis.objects import listed
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.promql import PromQLError, without_variables

GENEROUS = {"__interval": "1h", "__rate_interval": "1h"}
"""In place of windows that Grafana makes long enough itself: only those that are written are judged."""

UNITS: Mapping[str, frozenset[str]] = {
    SECONDS: frozenset(
        {"ns", "µs", "ms", "s", "m", "h", "d", "dtdurations", "dtdurationms", "clocks", "clockms"}
        | {"dateTimeAsIso", "dateTimeAsUS", "dateTimeAsLocal", "dateTimeAsSystem", "dateTimeFromNow"}
    ),
    BYTES: frozenset(
        {"bytes", "decbytes", "bits", "decbits", "Bps", "binBps", "bps", "binbps"}
        | {f"{form}{many}bytes" for many in ("k", "m", "g", "t", "p") for form in ("", "dec")}
        | {f"{many}{unit}" for many in ("K", "M", "G", "T", "P") for unit in ("Bs", "iBs", "bits", "ibits")}
    ),
}
"""Units of Grafana of what is measured (packages/grafana-data/src/valueFormats/categories.ts)."""

_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Shows(StrEnum):
    """What a panel shows."""

    DATA = "data"
    EMPTY = "empty"
    """Nothing, though all that it reads is there or may come."""
    NEVER = "never"
    """Something that cannot be right, or nothing, whatever happens."""
    UNKNOWN = "unknown"
    """It cannot be judged here."""


@dataclass
class JudgedPanel:
    """One panel and what it shows.

    Attributes:
        title: of the panel.
        shows: what it shows.
        why: it shows nothing, or is not known; empty where it shows data.
        flaw: what cannot be right; None where all can.
        lacks: whether a part of what it reads is not there.
    """

    title: str
    shows: Shows
    why: str = ""
    flaw: Flaw | None = None
    lacks: bool = False


@dataclass(frozen=True)
class Asked:
    """What panels are asked of.

    Attributes:
        view: of the cluster.
        prometheus: that has the series.
        variables: of the dashboard.
        certain: whether all that delivers series in production does so here.
        usual: seconds between two scrapes of what says no interval itself.
    """

    view: ReadApi
    prometheus: Prometheus
    variables: Variables = field(default_factory=Variables)
    certain: bool = True
    usual: float = USUAL


def judged(dashboard: WantedDashboard, asked: Asked) -> Iterator[JudgedPanel]:
    """Yield what each panel of a dashboard shows: one of rows or text shows no data, and is left out.

    Args:
        dashboard: with panels.
        asked: what they are asked of.
    """
    for panel in dashboard.panels:
        if panel.library:
            yield JudgedPanel(panel.title, Shows.UNKNOWN, "is a library panel: Grafana has its query, and not Git")
        elif panel.queries:
            yield _judged(panel, asked)


def _judged(panel: Panel, asked: Asked) -> JudgedPanel:
    """Return what a panel shows: the worst that is certain of one query, else the best of all."""
    found = [_asked(panel, query, asked) for query in panel.queries]
    order = (Shows.NEVER, Shows.DATA, Shows.UNKNOWN, Shows.EMPTY)
    return replace(min(found, key=lambda each: order.index(each.shows)), lacks=any(each.lacks for each in found))


def _asked(panel: Panel, query: Query, asked: Asked) -> JudgedPanel:
    """Judge one query of a panel."""
    known = asked.variables.known
    try:
        # A viewer may choose any value of a variable that takes one: one of the first may have no data.
        data = any(
            asked.prometheus.query(without_variables(query.expression, chosen))
            for chosen in asked.variables.choices(query.expression, repeated=panel.repeat)
        )
    except PrometheusError as error:
        flaw = Flaw("query-fails", "data", "an error", f"cannot be asked: {error.problem}", "correct its query")
        return JudgedPanel(panel.title, Shows.NEVER, error.problem, flaw)
    try:
        text = without_variables(query.expression, {**known, **GENEROUS})
        seen = read(text, asked.view, asked.prometheus, certain=asked.certain, usual=asked.usual)
    except PromQLError as error:
        why = f"has a query that cannot be read here: {error}"
        return JudgedPanel(panel.title, Shows.UNKNOWN, why)
    # Of what shows data, a part may be there in one place and another in another: `a or b`.
    reads, *others = FLAWS
    judges = others if data else [reads, *others]
    found = (
        next(filter(None, (judge(seen) for judge in judges)), None) or _legend(query, seen, known) or _unit(panel, seen)
    )
    if found is not None:
        return JudgedPanel(panel.title, Shows.NEVER, found.sentence, found)
    if data:
        return JudgedPanel(panel.title, Shows.DATA, lacks=bool(seen.missing))
    return _without_data(panel, seen, asked)


def _without_data(panel: Panel, seen: ReadExpression, asked: Asked) -> JudgedPanel:
    lacks = seen.missing
    if lacks and not asked.certain and for_certain(lacks) is None:
        return JudgedPanel(panel.title, Shows.UNKNOWN, f"reads {lacks[0].selector}: {lacks[0].sentence}")
    why = lacks[0].sentence if lacks else "what it reads is there, and meets no condition now"
    return JudgedPanel(panel.title, Shows.EMPTY, why, lacks=bool(lacks))


def _legend(query: Query, seen: ReadExpression, known: Mapping[str, str]) -> Flaw | None:
    """Judge whether a query returns the labels that its legend names."""
    if seen.missing:
        return None
    for label in _LEGEND.findall(without_variables(query.legend, known)):
        if label != "__name__" and not seen.returns(label):
            sentence = f"names the label {label} in its legend, which its query does not return"
            remedy = "keep the label in the query, or leave it out of the legend"
            return Flaw("legend-label", f"{label} among the labels", "it is not", sentence, remedy)
    return None


def _unit(panel: Panel, seen: ReadExpression) -> Flaw | None:
    """Judge whether a panel shows bytes as bytes and seconds as a time."""
    told = next((quantity for quantity, units in UNITS.items() if panel.unit in units), "")
    if not told or seen.quantity in {"", told} or seen.expression is None:
        return None
    names = listed(sorted({each.name for each in seen.expression.selectors}))
    sentence = f"shows {names}, which is in {seen.quantity}, in the unit {panel.unit}, which is for {told}"
    return Flaw("unit", f"a unit of {seen.quantity}", panel.unit, sentence, "correct its query, or its unit")
