"""Dashboards: what Grafana's sidecar takes, datasources, variables, and panels that can never have data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import dashboards
from platform_e2e.checks.dashboards import grafana
from platform_e2e.checks.dashboards.panels import Shows
from platform_e2e.checks.dashboards.variables import values
from platform_e2e.checks.dashboards.wanted import Sidecar
from platform_e2e.checks.monitoring.prometheus import PrometheusError, Sample
from platform_e2e.checks.traffic import Traffic
from platform_e2e.finding import Finding, Promise
from platform_e2e.layer.renderer import Reason
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.toolbox import programs
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.rendered import rendered
from tests.fakes.series import Stored, stored

UP = 'up{job="chat", instance="a"}'


def panel(expr: str = "sum by (job) (up)", title: str = "Targets", **more: Any) -> dict[str, Any]:
    return {"title": title, "datasource": {"uid": "prometheus"}, "targets": [{"refId": "A", "expr": expr}], **more}


def model(*panels: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"uid": "shop", "title": "Shop", "panels": list(panels) or [panel()], **more}


def config_map(text: str, name: str = "shop", key: str = "shop.json", label: str = '{grafana_dashboard: "1"}') -> str:
    data = json.dumps(text)
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop, labels: {label}}}\ndata:\n  {key}: {data}\n"


def layer(*texts: str, **grafana: Any) -> Any:
    objects = rendered("---\n".join(texts))
    return SimpleNamespace(
        of_kind=lambda _: objects,
        releases=grafana.get("releases", ()),
        stand_ins=StandIns(grafana.get("containers", ())),
        located=lambda cause, otherwise: cause.located(otherwise.place(*cause.field)),
    )


def release(tmp_path: Path, values: str) -> Any:
    path = tmp_path / "values.yaml"
    path.write_text(values)
    return SimpleNamespace(chart="kube-prometheus-stack", values=path, place="")


class Asked(Stored):
    """Refuse what does not parse, as Prometheus does."""

    def query(self, expression: str) -> list[Sample]:
        if expression.count("(") != expression.count(")"):
            raise PrometheusError("Prometheus refuses /api/v1/query: parse error", "")
        return super().query(expression)


def watched(dashboard: dict[str, Any] | str, *series: str, **fields: Any) -> tuple[Any, list[Finding], Any]:
    """Return what is seen of a dashboard, its findings, and what is not known of it."""
    text = dashboard if isinstance(dashboard, str) else json.dumps(dashboard)
    grafana = fields.pop("grafana", {})
    all_of_it = layer(config_map(text, **{k: fields.pop(k) for k in ("key", "label") if k in fields}), **grafana)
    (wanted,) = dashboards.of_layer(all_of_it)
    prometheus = stored(*(series or (UP,)), **fields)
    prometheus.__class__ = Asked
    seen, findings = dashboards.watch(wanted, all_of_it, RecordedView(), prometheus, timeout=0)
    return seen, findings, dashboards.unknown(wanted, seen)


def cause(*args: Any, **fields: Any) -> tuple[str, str]:
    _, findings, _ = watched(*args, **fields)
    (found,) = findings
    assert (found.object, found.promise) == ("configmap/shop -n shop", Promise.DASHBOARDS)
    return found.cause.id, found.cause.sentence


def test_a_sound_dashboard_shows_data() -> None:
    seen, findings, unknown = watched(model(panel(), panel(title="Row", panels=[panel(title="Within")])))
    assert (findings, unknown) == ([], None)
    assert dashboards.figures(seen) == {
        "panels": 3,
        "panels with data": 3,
        "data": ["Targets", "Row", "Within"],
        "empty": [],
        "never": [],
        "unknown": [],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what", "it is not a JSON object"),
        ('{"panels": [}', "it is not JSON: Expecting value"),
        ('{"title": "a"}', "it has no panels"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    told = cause(text)
    assert told[0] == "dashboard-invalid"
    assert f"(shop.json of configmap/shop -n shop) cannot be shown: {said}" in told[1]


@pytest.mark.parametrize("label", ["{}", '{grafana_dashboard: "true"}'])
def test_without_the_label_the_sidecar_does_not_see_it(label: str) -> None:
    told = cause(model(), label=label)
    assert told[0] == "dashboard-unlabelled"
    assert told[1].startswith(
        "Grafana's sidecar takes ConfigMaps with the label grafana_dashboard=1, so that it does not"
    )


def test_other_configmaps_are_no_dashboards() -> None:
    every = layer(config_map("a: b", label="{}"), config_map('{"a": 1}', label="{}"), config_map("{", label="{}"))
    assert list(dashboards.of_layer(every)) == []


def test_a_key_of_another_ending_is_not_read() -> None:
    assert cause(model(), key="shop.yaml")[0] == "dashboard-file-name"


def test_a_uid_that_is_too_long_is_not_taken() -> None:
    assert cause(model(uid="x" * 41))[0] == "dashboard-invalid"


def test_the_values_of_the_release_say_where_the_sidecar_looks(tmp_path: Path) -> None:
    said = "grafana: {sidecar: {dashboards: {label: board, labelValue: '', searchNamespace: [monitoring, grafana]}}}\n"
    releases = [release(tmp_path, said)]
    assert Sidecar.of(layer(config_map(""), releases=releases)) == Sidecar(
        "board", "", frozenset({"monitoring", "grafana"})
    )
    told = cause(model(), label="{board: x}", grafana={"releases": releases})
    assert told[0] == "dashboard-namespace"
    assert "looks into grafana, monitoring, so that it does not see" in told[1]
    assert Sidecar.of(layer(config_map(""))) == Sidecar("grafana_dashboard", "1", None)


@pytest.mark.parametrize(
    ("datasource", "known"),
    [
        ({"uid": "prometheus"}, True),
        ("Prometheus", True),
        (None, True),
        ({"uid": "-- Mixed --"}, True),
        ({"uid": "${ds}"}, True),
        ("$ds", True),
        ({"uid": "${DS_PROMETHEUS}"}, False),
        ({"uid": "P1809F7CD0C75ACF3"}, False),
    ],
)
def test_a_datasource_that_there_is_not_is_told(datasource: Any, *, known: bool) -> None:
    board = model(
        panel(datasource=datasource), templating={"list": [{"name": "ds", "type": "datasource", "query": "prometheus"}]}
    )
    _, findings, _ = watched(board)
    assert [each.cause.id for each in findings] == ([] if known else ["dashboard-datasource-unknown"])


def test_a_datasource_of_the_values_is_known(tmp_path: Path) -> None:
    releases = [release(tmp_path, "grafana: {additionalDataSources: [{name: Loki, uid: loki}]}\n")]
    _, findings, _ = watched(model(panel(datasource={"uid": "loki"})), grafana={"releases": releases})
    assert findings == []


@pytest.mark.parametrize(
    ("expr", "told", "said"),
    [
        ("uup", "dashboard-metric-missing", "reads uup: no target delivers uup"),
        ('up{jobb="a"}', "dashboard-label-missing", "no series of up has the label jobb"),
        ('up{job="chats"}', "dashboard-value-missing", 'no series of up has job="chats"; there are chat'),
        ("sum(up", "dashboard-query-fails", "cannot be asked: Prometheus refuses /api/v1/query: parse error"),
    ],
)
def test_a_panel_that_can_never_have_data_is_told(expr: str, told: str, said: str) -> None:
    found = cause(model(panel(expr)))
    assert found[0] == told
    assert found[1].startswith("the panel Targets of the dashboard Shop (shop.json of configmap/shop -n shop) ")
    assert said in found[1]


def test_each_panel_is_told_and_one_that_is_hidden_is_not() -> None:
    hidden = {"refId": "B", "expr": "nothing", "hide": True}
    board = model(panel("a_total"), panel(title="Sound"), panel("b_total", "Other"), {**panel(), "targets": [hidden]})
    seen, findings, _ = watched(board)
    assert [each.cause.sentence.partition(" of ")[0] for each in findings] == ["the panel Targets", "the panel Other"]
    assert [each.title for each in seen.that_show(Shows.DATA)] == ["Sound"]


@pytest.mark.parametrize(
    ("expr", "legend", "told"),
    [
        ("up", "{{job}} at {{ instance }}", ""),
        ("up", "{{jobb}}", "names the label jobb in its legend, which its query does not return"),
        (
            "sum by (job) (up)",
            "{{instance}}",
            "names the label instance in its legend, which its query does not return",
        ),
        ("sum by (job) (up)", "__auto", ""),
        ("up", "{{cluster}} {{__name__}}", ""),
    ],
)
def test_a_legend_names_labels_that_the_query_returns(expr: str, legend: str, told: str) -> None:
    shown = panel()
    shown["targets"] = [{"expr": expr, "legendFormat": legend}]
    _, findings, _ = watched(model(shown))
    assert [each.cause.id for each in findings] == (["dashboard-legend-label"] if told else [])
    assert all(told in each.cause.sentence for each in findings)


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("rate(http_total[15s])", "dashboard-window-short"),
        ("rate(http_total[20s])", ""),
        ("rate(http_total[$__interval])", ""),
        ("rate(http_total[$__rate_interval])", ""),
        ("increase(http_total[60d])", "dashboard-window-unkept"),
        ("deriv(http_total[5m])", "dashboard-delta-of-counter"),
        ("rate(up[5m])", "dashboard-rate-of-gauge"),
        ("sum by (jobb) (up)", "dashboard-label-unknown"),
        ("up > 2", "dashboard-threshold-idle"),
        ("up * http_total", "dashboard-join-unmatched"),
        ("up * on (instance) group_left () max by (instance, job) (up)", "dashboard-join-ambiguous"),
    ],
)
def test_a_panel_whose_query_cannot_be_right_is_told(expr: str, told: str) -> None:
    types = {"http_total": "counter", "up": "gauge"}
    _, findings, _ = watched(model(panel(expr)), UP, 'http_total{job="x", instance="b"}', types=types)
    assert [each.cause.id for each in findings] == ([told] if told else [])


@pytest.mark.parametrize(
    ("expr", "unit", "told"),
    [
        ("process_start_time_seconds", "bytes", True),
        ("sum(process_start_time_seconds)", "mbytes", True),
        ("max by (job) (resident_bytes) - resident_bytes", "s", True),
        ("process_start_time_seconds", "dateTimeFromNow", False),
        ("resident_bytes", "bytes", False),
        ("resident_bytes", "short", False),
        ("resident_bytes / 1e9", "s", False),
        ("count(resident_bytes)", "s", False),
        ("timestamp(resident_bytes)", "s", False),
        ("bytes_per_seconds", "bytes", False),
        ("up", "bytes", False),
    ],
)
def test_what_is_measured_is_shown_in_a_unit_of_its_own(expr: str, unit: str, *, told: bool) -> None:
    series = [
        f'{name}{{job="a"}}' for name in ("up", "resident_bytes", "process_start_time_seconds", "bytes_per_seconds")
    ]
    _, findings, _ = watched(model(panel(expr, fieldConfig={"defaults": {"unit": unit}})), *series)
    assert [each.cause.id for each in findings] == (["dashboard-unit"] if told else [])
    overridden = {"defaults": {"unit": unit}, "overrides": [{"matcher": {}, "properties": []}]}
    _, findings, _ = watched(model(panel(expr, fieldConfig=overridden)), *series)
    assert findings == []


def test_a_panel_counts_once_however_many_queries_it_has() -> None:
    several = panel()
    several["targets"] = [{"expr": "up"}, {"expr": "sum(up)"}]
    text = {"type": "text", "title": "Read me"}
    row = {"type": "row", "title": "A row", "panels": [panel(title="Within")]}
    seen, _, _ = watched(model(several, text, row))
    assert dashboards.figures(seen)["panels"] == 2
    assert dashboards.figures(seen)["panels with data"] == 2


def test_the_worst_that_is_certain_of_a_panel_is_told() -> None:
    several = panel()
    several["targets"] = [{"expr": "up"}, {"expr": "uup"}]
    seen, findings, _ = watched(model(several))
    assert [each.cause.id for each in findings] == ["dashboard-metric-missing"]
    assert dashboards.figures(seen)["never"] == ["Targets (reads uup: no target delivers uup; there is up)"]


def test_a_library_panel_is_not_known() -> None:
    _, findings, unknown = watched(model({"title": "Shared", "libraryPanel": {"uid": "x", "name": "Shared"}}))
    assert findings == []
    assert unknown is not None
    assert "the panel Shared is a library panel: Grafana has its query, and not Git" in unknown.problem


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ({"name": "Restarts", "expr": "uup"}, True),
        ({"name": "Restarts", "target": {"expr": "uup"}}, True),
        ({"name": "Restarts", "expr": "uup", "enable": False}, False),
        ({"name": "Annotations & Alerts", "builtIn": 1, "datasource": "-- Grafana --"}, False),
    ],
)
def test_an_annotation_asks_for_what_there_is(annotation: dict[str, Any], *, told: bool) -> None:
    _, findings, _ = watched(model(annotations={"list": [annotation]}))
    assert [each.cause.sentence.partition(" of ")[0] for each in findings] == (
        ["the panel annotation Restarts"] if told else []
    )


def test_a_repeated_panel_shows_one_value_at_a_time() -> None:
    every = {"name": "job", "type": "query", "query": "label_values(up, job)", "multi": True}
    board = model(
        {"type": "row", "title": "Row of $job", "repeat": "job"},
        panel('up{job="$job"}', "Of the row"),
        {"type": "row", "title": "Next"},
        panel('up{job=~"$job"}', "All"),
        panel('up{job="$job"}', "Own", repeat="job"),
        templating={"list": [every]},
    )
    (wanted,) = dashboards.of_layer(layer(config_map(json.dumps(board))))
    assert [each.repeat for each in wanted.panels] == [("job",), ("job",), (), (), ("job",)]
    seen, findings, _ = watched(board, UP, 'up{job="shop"}')
    assert findings == []
    assert [each.title for each in seen.that_show(Shows.DATA)] == ["Of the row", "All", "Own"]


def test_a_viewer_may_choose_a_value_that_has_data() -> None:
    chosen = {"name": "pod", "type": "query", "query": "label_values(up, pod)"}
    board = model(panel('busy{pod="$pod"}'), templating={"list": [chosen]})
    seen, findings, _ = watched(board, 'up{pod="a"}', 'up{pod="b"}', 'busy{pod="b"}')
    assert [each.title for each in seen.that_show(Shows.NEVER)] == []
    assert findings == []
    assert len(seen.that_show(Shows.DATA)) == 1


@pytest.mark.parametrize("where", ["panel", "query"])
def test_the_datasource_of_a_panel_and_of_each_query_is_known(where: str) -> None:
    shown = panel(datasource={"uid": "other"} if where == "panel" else {"uid": "-- Mixed --"})
    shown["targets"][0]["datasource"] = {"uid": "prometheus" if where == "panel" else "other"}
    assert cause(model(shown))[0] == "dashboard-datasource-unknown"


def test_what_may_yet_come_is_empty_and_no_fault() -> None:
    series = ('http_total{code="200"}', 'http_total{code="404"}')
    seen, findings, unknown = watched(model(panel('http_total{code="500"}')), *series, types={"http_total": "counter"})
    assert (findings, unknown) == ([], None)
    assert dashboards.figures(seen)["empty"] == ['Targets (no series of http_total has code="500"; there are 200, 404)']


def test_a_query_that_cannot_be_read_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "query", lambda *_: [])
    _, findings, unknown = watched(model(panel("what[")))
    assert findings == []
    assert unknown is not None
    assert unknown.reason == Reason.SERIES
    assert "the panel Targets has a query that cannot be read here" in unknown.problem


@pytest.mark.parametrize(
    "more", [{}, {"templating": {"list": [{"name": "v", "type": "query", "query": "label_values(uup, a)"}]}}]
)
def test_beside_stand_ins_what_is_not_there_is_not_known(more: dict[str, Any]) -> None:
    seen, findings, unknown = watched(
        model(panel("uup"), panel(title="Sound"), **more), grafana={"containers": (None,)}
    )
    assert findings == []
    assert unknown is not None
    assert "a stand-in" in unknown.problem or "needs a variable" in unknown.problem
    assert [each.title for each in seen.that_show(Shows.DATA)] == ([] if more else ["Sound"])


def variables(*variables: dict[str, Any], series: tuple[str, ...] = (UP,)) -> tuple[dict[str, str], list[str]]:
    (wanted,) = dashboards.of_layer(layer(config_map(json.dumps(model(templating={"list": list(variables)})))))
    found = values(wanted, stored(*series))
    return {
        name: value for name, value in found.known.items() if not name.startswith("__") and name != "timeFilter"
    }, list(found.problems)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"type": "query", "query": "label_values(up, job)"}, "chat"),
        ({"type": "query", "query": {"query": 'label_values(up{instance="a"}, job)', "refId": "x"}}, "chat"),
        ({"type": "query", "query": "label_values(job)"}, "chat"),
        ({"type": "query", "query": "label_values(up, job)", "multi": True}, "(chat|shop)"),
        ({"type": "query", "query": "label_values(up, job)", "includeAll": True, "allValue": ".*"}, ".*"),
        ({"type": "query", "query": "label_values(up, job)", "regex": "/s.*/"}, "shop"),
        ({"type": "query", "query": "label_values(up, job)", "regex": "/(?<value>s..).*/i"}, "sho"),
        ({"type": "query", "query": "label_values(up, job)", "regex": "/(c..)t/"}, "cha"),
        ({"type": "query", "query": "label_values(up, job)", "regex": "/(?<=c)hat[/"}, "chat"),
        ({"type": "query", "query": "label_values(up, instance)", "regex": "a|b.*", "multi": True}, "(a|b\\\\.c)"),
        ({"type": "query", "query": "label_values(up, cluster)", "hide": 2}, ""),
        ({"type": "query", "query": "label_names(up)"}, "instance"),
        ({"type": "query", "query": "metrics(u.)"}, "up"),
        ({"type": "custom", "query": "a, b", "current": {}}, "a"),
        ({"type": "custom", "query": "a, b", "current": {"value": "b"}}, "b"),
        ({"type": "custom", "query": "a, b", "current": {"value": ["a", "b"]}}, "a|b"),
        ({"type": "interval", "query": "1m,5m", "current": {"value": "$__auto_interval"}}, "1m"),
        ({"type": "constant", "query": "x"}, "x"),
    ],
)
def test_the_value_of_a_variable(variable: dict[str, Any], value: str) -> None:
    known, problems = variables({"name": "v", **variable}, series=(UP, 'up{job="shop", instance="b.c"}'))
    assert (known, problems) == ({"v": value}, [])


def test_a_variable_may_name_another_one() -> None:
    first = {"name": "job", "type": "query", "query": "label_values(up, job)"}
    second = {"name": "instance", "type": "query", "query": 'label_values(up{job="$job"}, instance)'}
    assert variables(first, second) == ({"job": "chat", "instance": "a"}, [])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"query": "label_values(uup, job)"}, "the variable v has no value: label_values(uup, job) returns nothing"),
        ({"query": "label_values(up, job)", "regex": "x"}, "label_values(up, job) returns none that its regex takes"),
    ],
)
def test_a_variable_without_a_value_is_told(more: dict[str, Any], said: str) -> None:
    known, problems = variables({"name": "v", "type": "query", **more})
    assert known == {}
    assert said in problems[0]
    board = model(templating={"list": [{"name": "v", "type": "query", **more}]})
    assert cause(board)[0] == "dashboard-variable-empty"


def test_two_dashboards_with_one_uid_are_told() -> None:
    text = json.dumps(model())
    every = layer(config_map(text), config_map(text, name="copy"), config_map(json.dumps(model(uid="")), name="other"))
    (found,) = dashboards.shared_uids(every)
    assert (found.object, found.cause.id) == ("configmap/copy -n shop", "dashboard-uid-twice")
    assert (
        "has the uid shop, which the dashboard Shop (shop.json of configmap/shop -n shop) has too"
        in found.cause.sentence
    )


SEARCH = "/api/search?type=dash-db&limit=5000"

SOURCES = [{"uid": "prometheus", "name": "Prometheus", "isDefault": True}]


def in_grafana(board: dict[str, Any], found: list[dict[str, str]], sources: list[dict[str, Any]]) -> list[Finding]:
    answers = {SEARCH: found, "/api/datasources": sources}
    return grafana.check(layer(config_map(json.dumps(board))), grafana.observe(answers.__getitem__))


@pytest.mark.parametrize(
    ("uid", "datasource", "told"),
    [
        ("shop", {"uid": "prometheus"}, ""),
        ("shop", "Prometheus", ""),
        ("shop", "default", ""),
        ("shop", None, ""),
        ("shop", {"uid": "-- Mixed --"}, ""),
        ("shop", {"uid": "other"}, "dashboard-datasource-unknown"),
        ("other", {"uid": "prometheus"}, "dashboard-not-shown"),
    ],
)
def test_grafana_itself_has_each_dashboard_and_its_datasources(uid: str, datasource: Any, told: str) -> None:
    findings = in_grafana(model(panel(datasource=datasource)), [{"uid": uid, "title": "Other"}], SOURCES)
    assert [each.cause.id for each in findings] == ([told] if told else [])


def test_a_dashboard_without_a_uid_is_known_by_its_title() -> None:
    board = model()
    del board["uid"]
    assert in_grafana(board, [{"uid": "made-up", "title": "Shop"}], SOURCES) == []
    assert [each.cause.id for each in in_grafana(board, [], SOURCES)] == ["dashboard-not-shown"]


@pytest.mark.parametrize(
    ("ready", "image", "name"),
    [
        ("True", "docker.io/grafana/grafana:12.1.0", "g"),
        ("False", "grafana/grafana:12.1.0", ""),
        ("True", "stand-in", ""),
    ],
)
def test_a_grafana_that_runs_is_found(ready: str, image: str, name: str) -> None:
    status = {
        "conditions": [{"type": "Ready", "status": ready}],
        "containerStatuses": [{"name": "sidecar", "image": "x"}, {"name": "grafana", "image": image}],
    }
    there = made("v1/Pod", "g", "monitoring", status=status)
    there["metadata"]["labels"] = dict(grafana.LABELS)
    assert grafana.pod(RecordedView(there), "monitoring") == name


def test_grafana_is_asked_within_its_pod_and_no_password_is_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(argv: list[Any], *, timeout: float) -> Any:
        assert timeout > 0
        asked.append([str(word) for word in argv])
        return SimpleNamespace(stdout='{"a": 1}' if argv[-1] == "/api/a" else "nothing")

    monkeypatch.setattr(grafana, "run", run)
    monkeypatch.setattr(programs, "ensure", lambda *_: SimpleNamespace(path=lambda name: Path("/bin") / name))
    ask = grafana.inside(Path("/config"), "monitoring", "g")
    assert ask("/api/a") == {"a": 1}
    assert asked[0][:6] == ["/bin/kubectl", "--kubeconfig", "/config", "exec", "-n", "monitoring"]
    assert asked[0][-1] == "/api/a"
    with pytest.raises(grafana.GrafanaError, match="Grafana does not answer /api/b"):
        ask("/api/b")


def test_traffic_is_said_of_what_stays_empty() -> None:
    series = ('http_total{code="200"}', 'http_total{code="404"}')
    seen, _, _ = watched(model(panel('http_total{code="500"}')), *series, types={"http_total": "counter"})
    told = dashboards.figures(replace(seen, traffic=Traffic(20, 18)))
    assert told["empty"][0].endswith(", after 18 answers of the layer's applications)")
