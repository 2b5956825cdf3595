"""Every dashboard is one that Grafana shows: found by the sidecar, with known datasources, and series for each of its panels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from platform_e2e.checks import helm_values
from platform_e2e.checks.dashboards.panels import Asked, JudgedPanel, Shows, judged
from platform_e2e.checks.dashboards.variables import values
from platform_e2e.checks.dashboards.wanted import SUFFIX, Sidecar, WantedDashboard, of_layer
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.series import delivered, usual_interval
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.checks.traffic import Traffic
from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.argo_objects import mappings
from platform_e2e.layer.renderer import Reason

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
        panels: each with what it shows.
        unknown: why none can be judged here; empty where they can.
        certain: whether all that delivers series in production does so here.
        traffic: that was made for the layer's applications before.
    """

    panels: list[JudgedPanel] = field(default_factory=list)
    unknown: str = ""
    certain: bool = True
    traffic: Traffic = field(default_factory=Traffic)

    def that_show(self, what: Shows) -> list[JudgedPanel]:
        """Return the panels that show data, nothing, or what is not known."""
        return [panel for panel in self.panels if panel.shows is what]


Problem = tuple[str, str, Cause]
"""Expected, observed and cause."""


def watch(
    wanted: WantedDashboard,
    layer: Layer,
    view: ReadApi,
    prometheus: Prometheus,
    *,
    timeout: float,
    traffic: Traffic = Traffic(),  # noqa: B008  cannot be changed
) -> tuple[ObservedDashboard, list[Finding]]:
    """Look at a dashboard until nothing is wrong or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the dashboard.
        layer: that has it.
        view: of the cluster.
        prometheus: that its queries are asked of.
        timeout: seconds.
        traffic: that was made for the layer's applications before.
    """
    certain, usual = delivered(layer), usual_interval(layer)
    of_git = [_invalid(wanted)] if wanted.error else [*_provisioned(wanted, layer), *datasources(wanted, layer)]
    return seen_until_no_findings(
        lambda: (
            ObservedDashboard(certain=certain)
            if of_git
            else replace(observe(wanted, Asked(view, prometheus, certain=certain, usual=usual)), traffic=traffic)
        ),
        lambda seen: [
            Finding(str(wanted.rendered), Promise.DASHBOARDS, expected, observed, layer.located(cause, wanted.rendered))
            for expected, observed, cause in of_git or problems(wanted, seen)
        ],
        timeout=timeout,
        what=f"{wanted} shows data",
    )


def observe(wanted: WantedDashboard, asked: Asked) -> ObservedDashboard:
    """Ask the variables of a dashboard for their values, and each panel for its data.

    Args:
        wanted: the dashboard.
        asked: of what, without variables.
    """
    variables = values(wanted, asked.prometheus)
    if variables.problems and not asked.certain:
        return ObservedDashboard(unknown=f"every panel needs a variable: {variables.problems[0]}", certain=False)
    if variables.problems:
        empty = [JudgedPanel(why, Shows.NEVER) for why in variables.problems]
        return ObservedDashboard(empty)
    return ObservedDashboard(list(judged(wanted, replace(asked, variables=variables))), certain=asked.certain)


def problems(wanted: WantedDashboard, seen: ObservedDashboard) -> Iterator[Problem]:
    """Yield what is wrong with the variables and panels of a dashboard.

    Args:
        wanted: the dashboard.
        seen: what was seen of it.
    """
    for panel in seen.that_show(Shows.NEVER):
        flaw = panel.flaw
        if flaw is None:
            sentence, remedy = (
                f"{panel.title}, in {wanted}",
                "correct the query of the variable, or scrape what it asks for",
            )
            cause = Cause("dashboard-variable-empty", sentence, remedy, field=("data", wanted.key))
            yield "a value for each variable", "none", cause
            continue
        sentence = f"the panel {panel.title} of {wanted} {flaw.sentence}"
        cause = Cause(f"dashboard-{flaw.kind}", sentence, flaw.remedy, field=("data", wanted.key))
        yield flaw.expected, flaw.observed, cause


def figures(seen: ObservedDashboard) -> dict[str, Any]:
    """Return what the verdict's table shows of a dashboard: how many panels show data, and what each other one shows."""
    return {
        "panels": len(seen.panels),
        "panels with data": len(seen.that_show(Shows.DATA)),
        "data": [panel.title for panel in seen.that_show(Shows.DATA)],
        **{
            str(shows): [f"{panel.title} ({_why(panel, seen)})" for panel in seen.that_show(shows)]
            for shows in (Shows.EMPTY, Shows.NEVER, Shows.UNKNOWN)
        },
    }


def _why(panel: JudgedPanel, seen: ObservedDashboard) -> str:
    """Say why a panel is empty, and that nothing came of the traffic that was made."""
    after = str(seen.traffic) if panel.shows is Shows.EMPTY else ""
    return f"{panel.why}, {after}" if after else panel.why


def unknown(wanted: WantedDashboard, seen: ObservedDashboard) -> NotJudged | None:
    """Return which panels of a dashboard without a finding could not be judged."""
    told = [f"the panel {panel.title} {panel.why}" for panel in seen.that_show(Shows.UNKNOWN)]
    if seen.unknown:
        told.append(seen.unknown)
    if not told:
        return None
    remedy = "look at these panels in Grafana, and accept it in platform-e2e.yaml"
    where = wanted.rendered
    return NotJudged(str(where), Reason.SERIES, f"{wanted}: {'; '.join(told)}", remedy, where.file, where.line, ())


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


def datasources(wanted: WantedDashboard, layer: Layer) -> Iterator[Problem]:
    """Yield the first datasource of a panel that there is not.

    Args:
        wanted: the dashboard.
        layer: whose values say which there are.
    """
    known = OWN | GRAFANA | _of_values(layer)
    variables = {str(each.get("name")) for each in wanted.variables if each.get("type") == "datasource"}
    asked = [(panel, datasource_of(each)) for panel in wanted.panels for each in panel.datasources]
    for panel, uid in asked:
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


def datasource_of(datasource: Any) -> str:
    """Return the uid, or name, of a datasource as a panel writes it; empty for the default."""
    if isinstance(datasource, Mapping):
        return str(datasource.get("uid") or "")
    return str(datasource or "")


def _of_values(layer: Layer) -> frozenset[str]:
    """Return the datasources that the values of a release add, by uid and by name."""
    every = helm_values.of_chart(layer, "kube-prometheus-stack", "grafana", "additionalDataSources")
    return frozenset(
        str(each.get(name) or "") for added in every for each in mappings(added) for name in ("uid", "name")
    )
