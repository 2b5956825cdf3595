"""Every dashboard is one that Grafana shows: found by the sidecar, with known datasources, and series for each of its panels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.checks import helm_values
from platform_e2e.checks.dashboards.variables import values
from platform_e2e.checks.dashboards.wanted import SUFFIX, Panel, Sidecar, WantedDashboard, of_layer
from platform_e2e.checks.monitoring.prometheus import Prometheus, PrometheusError
from platform_e2e.checks.monitoring.series import delivered, for_certain, missing
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.argo_objects import mappings
from platform_e2e.layer.renderer import Reason
from platform_e2e.promql import PromQLError, parse, without_variables

LONGEST_UID = 40
"""Characters of a uid that Grafana takes (pkg/util/shortid_generator.go)."""

OWN = frozenset({"prometheus", "alertmanager", "Prometheus", "Alertmanager", "default", ""})
"""Datasources that kube-prometheus-stack provisions, by uid and by name (templates/grafana/configmaps-datasources.yaml)."""

GRAFANA = frozenset({"grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --", "-100", "__expr__"})
"""Those that Grafana has itself."""


@dataclass
class ObservedDashboard:
    """What was seen of a dashboard.

    Attributes:
        with_data: titles of the panels that show something.
        empty: by title of a panel why it shows nothing, though all that it reads may come.
        unknown: by title of a panel, or of all for a variable, why it cannot be judged here.
        certain: whether all that delivers series in production does so here.
    """

    with_data: list[str] = field(default_factory=list)
    empty: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    certain: bool = True


Problem = tuple[str, str, Cause]
"""Expected, observed and cause."""


def watch(
    wanted: WantedDashboard, layer: Layer, prometheus: Prometheus, *, timeout: float
) -> tuple[ObservedDashboard, list[Finding]]:
    """Look at a dashboard until nothing is wrong or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the dashboard.
        layer: that has it.
        prometheus: that its queries are asked of.
        timeout: seconds.
    """
    certain = delivered(layer)
    of_git = [_invalid(wanted)] if wanted.error else [*_provisioned(wanted, layer), *_datasources(wanted, layer)]
    return seen_until_no_findings(
        lambda: ObservedDashboard(certain=certain),
        lambda seen: [
            Finding(str(wanted.rendered), Promise.DASHBOARDS, expected, observed, layer.located(cause, wanted.rendered))
            for expected, observed, cause in of_git or _panels(wanted, prometheus, seen)
        ],
        timeout=timeout,
        what=f"{wanted} shows data",
    )


def figures(seen: ObservedDashboard) -> dict[str, Any]:
    """Return what the verdict's table shows of a dashboard."""
    return {"panels with data": len(seen.with_data), "empty": [f"{name} ({why})" for name, why in seen.empty.items()]}


def unknown(wanted: WantedDashboard, seen: ObservedDashboard) -> NotJudged | None:
    """Return which panels of a dashboard without a finding could not be judged."""
    if not seen.unknown:
        return None
    said = "; ".join(f"{name} {why}" for name, why in seen.unknown.items())
    remedy = "look at these panels in Grafana, and accept it in platform-e2e.yaml"
    where = wanted.rendered
    return NotJudged(str(where), Reason.SERIES, f"{wanted}: {said}", remedy, where.file, where.line, ())


def shared_uids(layer: Layer) -> Iterator[Finding]:
    """Yield the dashboards that have the uid of another one: Grafana shows one of them, and which is chance."""
    by_uid: dict[str, list[WantedDashboard]] = defaultdict(list)
    for each in of_layer(layer):
        if each.uid:
            by_uid[each.uid].append(each)
    for uid, several in by_uid.items():
        first, *others = several
        for each in others:
            sentence = f"{each} has the uid {uid}, which {first} has too: Grafana shows one of them"
            cause = Cause("dashboard-uid-twice", sentence, "give one of them another uid", field=("data", each.key))
            located = layer.located(cause, each.rendered)
            yield Finding(str(each.rendered), Promise.DASHBOARDS, "a uid of its own", uid, located)


def _invalid(wanted: WantedDashboard) -> Problem:
    cause = Cause(
        "dashboard-invalid",
        f"{wanted} cannot be shown: {wanted.error}",
        "export it from Grafana once more, or leave the key out of the ConfigMap",
        field=("data", wanted.key),
    )
    return "a dashboard", wanted.error, cause


def _provisioned(wanted: WantedDashboard, layer: Layer) -> Iterator[Problem]:
    """Yield why the sidecar does not give it to Grafana, or Grafana does not take it."""
    sidecar, where = Sidecar.of(layer), wanted.rendered
    has = where.labels.get(sidecar.label)
    if has is None or (sidecar.value and has != sidecar.value):
        label = f"{sidecar.label}={sidecar.value}"
        yield (
            f"the label {label}",
            f"{sidecar.label}={has}" if has else "none",
            Cause(
                "dashboard-unlabelled",
                f"Grafana's sidecar takes ConfigMaps with the label {label}, so that it does not see {wanted}",
                f"give {where} the label {label}",
                field=("metadata", "labels"),
            ),
        )
    elif sidecar.namespaces is not None and where.namespace not in sidecar.namespaces:
        looks = listed(sorted(sidecar.namespaces))
        yield (
            f"one of the namespaces {looks}",
            str(where.namespace),
            Cause(
                "dashboard-namespace",
                f"Grafana's sidecar looks into {looks}, so that it does not see {wanted}",
                "move it there, or widen grafana.sidecar.dashboards.searchNamespace in the values of the release",
            ),
        )
    elif not wanted.key.endswith(SUFFIX):
        sentence = f"{wanted} has a key that does not end with {SUFFIX}: Grafana reads no other file"
        cause = Cause("dashboard-file-name", sentence, f"let the key end with {SUFFIX}", field=("data", wanted.key))
        yield f"a key that ends with {SUFFIX}", wanted.key, cause
    elif len(wanted.uid) > LONGEST_UID:
        sentence = f"{wanted} has a uid of {len(wanted.uid)} characters; Grafana takes {LONGEST_UID}"
        yield f"at most {LONGEST_UID} characters", wanted.uid, Cause("dashboard-invalid", sentence, "shorten its uid")


def _datasources(wanted: WantedDashboard, layer: Layer) -> Iterator[Problem]:
    """Yield the datasources of panels that there are not."""
    known = OWN | GRAFANA | _of_values(layer)
    variables = {str(each.get("name")) for each in wanted.variables if each.get("type") == "datasource"}
    for panel in wanted.panels:
        uid = _uid(panel.datasource)
        name = uid.strip("${}").partition(":")[0] if uid.startswith("$") else ""
        if uid in known or (name and name in variables) or not panel.queries:
            continue
        why = f"its own variables do not have {name}" if name else f"there are {listed(sorted(known - GRAFANA - {''}))}"
        yield (
            "a datasource that there is",
            uid,
            Cause(
                "dashboard-datasource-unknown",
                f"the panel {panel.title} of {wanted} asks the datasource {uid}, and {why}",
                "name the uid of a datasource (prometheus), or add a variable of the type datasource",
                field=("data", wanted.key),
            ),
        )
        return


def _uid(datasource: Any) -> str:
    if isinstance(datasource, Mapping):
        return str(datasource.get("uid") or "")
    return str(datasource or "")


def _of_values(layer: Layer) -> frozenset[str]:
    """Return the datasources that the values of a release add, by uid and by name."""
    every = helm_values.of_chart(layer, "kube-prometheus-stack", "grafana", "additionalDataSources")
    return frozenset(
        str(each.get(name) or "") for added in every for each in mappings(added) for name in ("uid", "name")
    )


def _panels(wanted: WantedDashboard, prometheus: Prometheus, seen: ObservedDashboard) -> Iterator[Problem]:
    """Yield the panels that cannot show anything, and note how the others are."""
    known, without = values(wanted, prometheus)
    if without and not seen.certain:
        seen.unknown["every panel"] = f"needs a variable: {without[0]}"
        return
    for why in without:
        yield (
            "a value for each variable",
            "none",
            Cause(
                "dashboard-variable-empty",
                f"{why}, in {wanted}",
                "correct the query of the variable, or scrape what it asks for",
                field=("data", wanted.key),
            ),
        )
    for panel in wanted.panels if not without else ():
        told = [_judged(panel, without_variables(query, known), prometheus, seen) for query in panel.queries]
        for cause, sentence in [each for each in told if each is not None][:1]:
            yield (
                "data",
                "none",
                Cause(
                    cause,
                    f"the panel {panel.title} of {wanted} {sentence}",
                    "correct its query, or scrape what delivers it",
                    field=("data", wanted.key),
                ),
            )


def _judged(panel: Panel, query: str, prometheus: Prometheus, seen: ObservedDashboard) -> tuple[str, str] | None:
    """Return cause and sentence of a query that can never have data; else note whether it has some now."""
    try:
        found = prometheus.query(query)
    except PrometheusError as error:
        return "dashboard-query-fails", f"cannot be asked: {error.problem}"
    if found:
        seen.with_data.append(panel.title)
        return None
    try:
        selectors = parse(query).selectors
    except PromQLError as error:
        seen.unknown[f"the panel {panel.title}"] = f"has a query that cannot be read here: {error}"
        return None
    lacks = missing(selectors, prometheus, (), certain=seen.certain)
    told = for_certain(lacks)
    if told is not None:
        return f"dashboard-{told.lack}", f"reads {told.selector}: {told.sentence}"
    if lacks and not seen.certain:
        seen.unknown[f"the panel {panel.title}"] = f"reads {lacks[0].selector}: {lacks[0].sentence}"
        return None
    seen.empty[panel.title] = lacks[0].sentence if lacks else "what it reads is there, and meets no condition now"
    return None
