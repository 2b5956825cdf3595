"""Each link of the chain from a PrometheusRule to an alert that can fire, and what is not known of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import rules
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.monitoring.prometheus import ActiveAlert
from platform_e2e.checks.rules.check import broken, check, judged_by_promtool
from platform_e2e.checks.rules.observe import ObservedRule, observe, unloaded
from platform_e2e.finding import Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.layer.limits import Limits
from platform_e2e.layer.renderer import Reason
from tests.fakes.monitoring import RELEASE, monitor, prometheus
from tests.fakes.promtool import Engine
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.rendered import rendered
from tests.fakes.series import NOW, Stored, loaded, stored

RULES = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: rules, namespace: shop, uid: u1, labels: {{release: {release}}}, creationTimestamp: "2026-11-30T11:00:00Z"}}
spec:
  groups:
  - name: g
    rules:
    - {kind}: {name}
      expr: {expr}
      annotations: {{summary: "{summary}"}}
"""

SOUND = 'up{job="chat"} == 0'

CHAT = 'up{job="chat", instance="a", namespace="shop"}'


class Case:
    """One rule of a layer, and a cluster that has it."""

    def __init__(
        self,
        expr: str = SOUND,
        *series: str,
        summary: str = "{{ $labels.job }}",
        release: str = RELEASE["release"],
        record: str = "",
        **fields: Any,
    ) -> None:
        kind, name = ("record", record) if record else ("alert", "Down")
        text = RULES.format(kind=kind, name=name, expr=f"'{expr}'", summary=summary, release=release)
        self.objects = rendered(text)
        layer: Any = SimpleNamespace(
            rendered=self.objects,
            limits=Limits(),
            of_kind=lambda _: self.objects,
            located=lambda cause, otherwise: cause.located(otherwise.place(*cause.field)),
        )
        self.layer = layer
        self.wanted = next(iter(rules.of_layer(self.layer)))
        self.live: Object | None = self.objects[0].object
        self.takers = [prometheus(ruleSelector={"matchLabels": RELEASE}, ruleNamespaceSelector={})]
        fields.setdefault("loaded", [loaded(expr, name)])
        self.prometheus: Stored = stored(*(series or (CHAT,)), **fields)

    def seen(self) -> ObservedRule:
        live = [self.live] if self.live else []
        return observe(self.wanted, RecordedView(*self.takers, *live), self.prometheus, ["Down"])

    def finding(self) -> Finding | None:
        found = check(self.wanted, self.seen(), self.layer)
        assert len(found) <= 1
        return found[0] if found else None


def cause(case: Case) -> tuple[str, str]:
    found = case.finding()
    assert found is not None
    assert (found.object, found.promise) == ("prometheusrule/rules -n shop", Promise.RULES)
    return found.cause.id, found.cause.sentence


def test_a_sound_rule_has_no_finding_and_is_counted() -> None:
    case = Case()
    assert case.finding() is None
    assert rules.unknown(case.wanted, case.seen()) is None
    assert rules.figures(case.wanted, case.seen()) == {"alerts": 1, "selectors": 1}
    assert case.wanted.id == "shop/rules-g-Down"


def test_what_is_not_in_the_cluster_is_missing() -> None:
    case = Case()
    case.live = None
    assert cause(case)[0] == "object-missing"


def test_what_no_prometheus_selects_is_told_as_for_a_monitor() -> None:
    said = "no Prometheus selects prometheusrule/rules -n shop: prometheus/stack -n monitoring wants release"
    assert cause(Case(release="other")) == ("rule-unselected", f"{said}=kube-prometheus-stack (it has release=other)")


@pytest.mark.parametrize(
    ("has", "said"),
    [
        ([], "Prometheus has not loaded the alert Down of the group g: it has no such group"),
        ([loaded("up == 1")], "Prometheus has not loaded the alert Down of the group g: the group is there without it"),
        (
            [loaded(SOUND, file="shop-other-u2.yaml")],
            "Prometheus has not loaded the alert Down of the group g: it has no",
        ),
    ],
)
def test_what_is_not_loaded_is_told(has: list[Any], said: str) -> None:
    told = cause(Case(loaded=has))
    assert told[0] == "rule-not-loaded"
    assert told[1].startswith(said)


def test_how_prometheus_writes_an_expression_does_not_matter() -> None:
    assert Case("sum by(job)(up)>5", summary="", loaded=[loaded("sum by (job) (up) > 5")]).finding() is None


def test_an_error_of_the_evaluation_is_told_in_its_words() -> None:
    told = cause(Case(loaded=[loaded(SOUND, health="err", error="found duplicate series")]))
    assert told == ("rule-failing", "the alert Down cannot be evaluated: found duplicate series")


@pytest.mark.parametrize("when", [None, NOW - timedelta(seconds=100), NOW - timedelta(hours=2)])
def test_a_rule_that_is_evaluated_no_more_is_told(when: Any) -> None:
    assert cause(Case(loaded=[loaded(SOUND, evaluated=when)]))[0] == "rule-not-evaluated"


def test_a_rule_that_was_not_evaluated_since_its_change_is_told() -> None:
    case = Case()
    assert case.live is not None
    case.live["metadata"]["managedFields"] = [{"time": "2026-11-30T11:59:59.5Z"}]
    assert cause(case)[0] == "rule-not-evaluated"


@pytest.mark.parametrize(
    ("expr", "series", "told", "said"),
    [
        ("upp > 2", (CHAT,), "rule-metric-missing", "the alert Down reads upp: no target delivers upp"),
        (
            "chat_client > 2", (CHAT, 'chat_clients{job="chat"}'), "rule-metric-missing",
            "the alert Down reads chat_client: no target delivers chat_client; there is chat_clients",
        ),
        ('up{jobb="chat"} > 2', (CHAT,), "rule-label-missing", 'reads up{jobb="chat"}: no series of up has the label jobb'),
        ('up{jobb!="chat"} > 2', (CHAT,), "rule-label-missing", 'reads up{jobb!="chat"}: no series of up has the label jobb'),
        ('up{job="chatt"} > 2', (CHAT,), "rule-value-missing", 'no series of up has job="chatt"; there are chat'),
        ('up{job=~"a|b"} > 2', (CHAT,), "rule-value-missing", 'no series of up has job=~"a|b"; there are chat'),
        (
            'up{job="chat", namespace="b"} > 2', (CHAT, 'up{job="other", instance="b", namespace="b"}'),
            "rule-selector-unmatched", 'no series of up has job="chat", namespace="b" together',
        ),
        ('ALERTS{alertname="Dwn"} == 1', (CHAT,), "rule-value-missing", "there is no alert Dwn"),
        ('{__name__=~"chat_.*"} > 2', (CHAT,), "rule-metric-missing", 'no target delivers {__name__=~"chat_.*"}'),
    ],
)  # fmt: skip
def test_what_matches_nothing_is_told_with_what_there_is(
    expr: str, series: tuple[str, ...], told: str, said: str
) -> None:
    found = cause(Case(expr, *series, summary=""))
    assert found[0] == told
    assert said in found[1]


@pytest.mark.parametrize(
    "expr",
    ['up{job=~"chat|other"}', 'up{job!="x"}', 'up{job=~".*"}', 'up{more=""}', 'absent(up{job="chat"})', 'ALERTS{alertname="Down"} == 1'],
)  # fmt: skip
def test_what_there_is_is_no_finding(expr: str) -> None:
    assert Case(expr, summary="").finding() is None


def test_a_state_that_has_not_been_is_not_known() -> None:
    now, before = ('app{name="a", state="Synced"}', 'app{name="a", state="OutOfSync"}')
    case = Case('app{state="Degraded"} == 1', now, gone=[before], summary="")
    assert case.finding() is None
    told = rules.unknown(case.wanted, case.seen())
    assert told is not None
    assert (told.object, told.reason) == ("prometheusrule/rules -n shop", Reason.SERIES)
    assert 'no series of app has state="Degraded"; there are Synced' in told.problem
    assert cause(Case('app{state="Syncd"} == 1', now, gone=[before]))[0] == "rule-value-missing", "it is misspelt"


def test_a_job_that_targets_have_had_before_is_not_one_that_may_come() -> None:
    now, before = ('up{job="chat-metrics", instance="a"}', 'up{job="chat", instance="a"}')
    expr = 'absent(up{job="chat"})'
    told = cause(Case(expr, now, gone=[before], loaded=[loaded(expr, state="pending")], summary=""))
    assert told[0] == "alert-firing"
    assert cause(Case('up{job="chat"} == 0', now, gone=[before]))[0] == "rule-value-missing"


def test_a_code_that_no_answer_has_had_is_not_known() -> None:
    series = ('http_total{code="200", job="chat", instance="a"}', 'http_total{code="404", job="chat", instance="a"}')
    case = Case('rate(http_total{code="500"}[5m]) > 0', *series, types={"http_total": "counter"}, summary="")
    assert case.finding() is None
    assert rules.unknown(case.wanted, case.seen()) is not None


def test_what_is_no_promql_here_is_not_known() -> None:
    case = Case("up[", loaded=[loaded("up[")])
    assert case.finding() is None
    told = rules.unknown(case.wanted, case.seen())
    assert told is not None
    assert "cannot be read here" in told.problem


@pytest.mark.parametrize(
    ("expr", "kind", "told"),
    [
        ("rate(x[10s]) > 1", "counter", "rule-window-short"),
        ("rate(x[20s]) > 1", "counter", ""),
        ("max_over_time(x[10s]) > 1", "gauge", ""),
        ("rate(x[5m]) > 1", "gauge", "rule-rate-of-gauge"),
        ("increase(x[5m]) > 1", "counter", ""),
        ("delta(x[5m]) > 1", "counter", "rule-delta-of-counter"),
        ("deriv(x[5m]) > 1", "gauge", ""),
        ("rate(x[5m]) > 1", "", ""),
    ],
)
def test_windows_and_types(expr: str, kind: str, told: str) -> None:
    case = Case(expr, 'x{job="chat", instance="a"}', types={"x": kind}, summary="")
    if told:
        assert cause(case)[0] == told
    else:
        assert case.finding() is None


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [({}, "scraped every 30 s"), ({"interval": "1m30s"}, "scraped every 90 s"), ({"interval": "5s"}, "")],
)
def test_the_interval_is_that_of_the_team_and_not_of_the_test(endpoint: dict[str, Any], told: str) -> None:
    expr = "rate(x[1m]) > 1"
    case = Case(expr, 'x{job="chat", instance="a"}', types={"x": "counter"}, summary="")
    target = replace(case.prometheus.targets()[0], pool="serviceMonitor/chat-dev/chat/0")
    case.prometheus.targets = lambda: [target]  # type: ignore[method-assign]
    case.takers.append(monitor(endpoints=[endpoint]))
    found = case.finding()
    assert (found is None) == (not told)
    assert found is None or told in found.cause.sentence


def test_two_vectors_whose_labels_are_never_equal_are_told() -> None:
    series = ('a{pool="x", job="one"}', 'b{pool="x", job="two"}')
    told = cause(Case("a >= b", *series, summary=""))
    assert told == (
        "rule-join-unmatched",
        "the alert Down joins a by >= with b: both have series, and none are equal in all labels",
    )
    assert Case("a >= on (pool) b", *series, summary="").finding() is None
    assert Case("a >= b", series[0], 'b{pool="x", job="one"}', summary="").finding() is None


def test_a_text_that_names_a_label_which_is_dropped_is_told() -> None:
    told = cause(Case("sum by (job) (up) > 5", summary="{{ $labels.instance }}"))
    assert told == (
        "rule-template-label",
        "the annotation summary of the alert Down names the label instance, which its expression does not return",
    )
    assert Case("x > 5", 'x{instance="a"}', summary="{{ $labels.instance }}").finding() is None
    assert Case("x > 5", 'x{instance="a"}', summary="{{ $labels.other }}").finding() is not None
    assert Case("x > 5", 'x{instance="a"}', summary="{{ $labels.cluster }}").finding() is None


def test_an_alert_that_fires_while_all_is_sound_is_told() -> None:
    told = cause(Case("up == 1", loaded=[loaded("up == 1", state="firing")]))
    assert told == ("alert-firing", "the alert Down fires, and nothing else of the platform is broken")
    assert Case("up == 1", loaded=[loaded("up == 1", state="pending")]).finding() is None
    assert Case("vector(1)", loaded=[loaded("vector(1)", state="firing")], summary="").finding() is None


def test_an_alert_that_asks_for_what_there_is_not_is_told_before_its_time() -> None:
    expr = 'absent(up{job="cht"})'
    told = cause(Case(expr, loaded=[loaded(expr, state="pending")], summary=""))
    assert told == (
        "alert-firing",
        'the alert Down is about to fire: it reads up{job="cht"}, and no series of up has job="cht"; there are chat',
    )


@pytest.mark.parametrize(
    ("held", "there", "told"), [(300.0, 300.0, True), (300.0, 900.0, False), (45.0, 45.0, False), (345.0, 400.0, True)]
)
def test_an_alert_whose_condition_was_never_otherwise_is_told_before_its_time(
    held: float, there: float, *, told: bool
) -> None:
    expr = "changes(up[2m]) > 1"
    found = Case(expr, loaded=[loaded(expr, state="pending")], met={expr: held, "count(up)": there}).finding()
    assert (found is not None) == told
    if found is not None:
        assert found.cause.id == "alert-pending"
        assert found.cause.sentence == (
            f"the alert Down is about to fire: its condition has been met for {held:g} s, ever since there is what it "
            "reads, and nothing else of the platform is broken"
        )


def test_what_is_broken_on_purpose_by_another_test_is_no_pending_alert() -> None:
    expr = 'up{name="e2e-1"} == 0'
    met = {expr: 300.0, 'count(up{name="e2e-1"})': 300.0}
    case = Case(expr, 'up{name="e2e-1", job="x"}', loaded=[loaded(expr, state="pending")], met=met)
    assert case.finding() is not None
    case.takers.append(made("v1/Namespace", "e2e-1", labels={TESTS: "e2e-1"}))
    assert case.finding() is None


def test_an_alert_that_fires_for_nothing_but_what_a_test_breaks_is_none() -> None:
    theirs = ActiveAlert("Down", "firing", {"alertname": "Down", "exported_namespace": "e2e-0123abcd"})
    case = Case("up == 1", loaded=[loaded("up == 1", state="firing")], active=[theirs])
    # Its namespace is gone already.
    assert case.finding() is None
    case.prometheus.active = [replace(theirs, labels={"exported_namespace": "e2e-of-a-team"})]
    assert case.finding() is not None
    case.takers.append(made("v1/Namespace", "e2e-of-a-team", labels={TESTS: "x"}))
    assert case.finding() is None
    case.prometheus.active = [theirs, replace(theirs, labels={"alertname": "Down", "exported_namespace": "chat-dev"})]
    assert case.finding() is not None


def test_a_window_that_remembers_what_was_before_is_waited_for() -> None:
    expr = "changes(up[10m]) > 1"
    case = Case(expr, loaded=[loaded(expr, state="pending")], met={expr: 300.0, "count(up)": 300.0})
    assert case.finding() is None


@pytest.mark.parametrize(
    ("expr", "held", "waits", "state"),
    [
        ("up == 1", 400.0, "5m", "firing"),
        ("up == 1", 100.0, "5m", "pending"),
        ("up == 1", 0.0, "", "firing"),
        ('up{job="other"} == 1', 0.0, "5m", "inactive"),
    ],
)
def test_a_rule_that_is_not_loaded_is_evaluated(expr: str, held: float, waits: str, state: str) -> None:
    case = Case(expr, met={expr: held})
    wanted = replace(case.wanted, entry={**case.wanted.entry, "for": waits})
    seen = unloaded(wanted, RecordedView(), case.prometheus, ["Down"])
    assert seen.loaded is not None
    assert (seen.loaded.state, seen.loaded.health) == (state, "ok")


def test_a_rule_that_is_not_loaded_fails_as_it_would() -> None:
    case = Case("up == 1", refused={"up == 1": "many-to-many"})
    problem = broken(case.wanted, unloaded(case.wanted, RecordedView(), case.prometheus, ["Down"]))
    assert problem is not None
    assert problem[2].id == "rule-failing"
    assert "many-to-many" in problem[2].sentence


def test_what_a_ruler_of_thanos_evaluates_is_not_known() -> None:
    case = Case(release="other")
    case.takers.append(
        made(
            "monitoring.coreos.com/v1/ThanosRuler", "r", "shop", spec={"ruleSelector": {}, "ruleNamespaceSelector": {}}
        )
    )
    assert case.finding() is None
    told = rules.unknown(case.wanted, case.seen())
    assert told is not None
    assert told.problem == "thanosruler/r -n shop evaluates the alert Down, which is not asked here"


def test_beside_stand_ins_what_is_not_there_is_not_known() -> None:
    expr = 'absent(uup{job="x"})'
    case = Case(expr, loaded=[loaded(expr, state="firing")], summary="{{ $labels.other }}")
    seen = observe(case.wanted, RecordedView(*case.takers, case.live or {}), case.prometheus, ["Down"], certain=False)
    assert check(case.wanted, seen, case.layer) == []
    told = rules.unknown(case.wanted, seen)
    assert told is not None
    assert "a stand-in or another build may run here in the place of what delivers it" in told.problem
    sound = observe(Case().wanted, RecordedView(*case.takers, case.live or {}), case.prometheus, [], certain=False)
    assert sound.read.missing == []


def test_a_series_that_two_rules_record_is_told_with_both_places() -> None:
    case = Case("sum(up)", record="up:sum", summary="")
    twice = [
        *case.objects,
        *rendered(RULES.format(kind="record", name="up:sum", expr="'count(up)'", summary="", release="x")),
    ]
    case.layer.of_kind = lambda _: twice
    first, second = rules.of_layer(case.layer)
    (found,) = check(second, case.seen(), case.layer)
    assert found.cause.id == "rule-recorded-twice"
    assert (
        "records up:sum, which prometheusrule/rules -n shop records too (manifests/shop.yaml:9)" in found.cause.sentence
    )
    assert check(first, case.seen(), case.layer) == []


def test_without_an_alert_that_fires_always_nobody_knows_that_alerts_come() -> None:
    case = Case()
    (found,) = rules.without_watchdog(case.layer, case.prometheus)
    assert found.cause.id == "alerting-without-watchdog"
    case.prometheus.loaded = [loaded("vector(1)", state="firing")]
    assert rules.without_watchdog(case.layer, case.prometheus) == []
    recorded = Case("sum(up)", record="up:sum")
    assert rules.without_watchdog(recorded.layer, recorded.prometheus) == [], "it has no alert"


class Receiving(RecordedView):
    """Has an Alertmanager that answers."""

    def __init__(self, answer: bytes) -> None:
        labels = {"operated-alertmanager": "true"}
        super().__init__(made("v1/Service", "alertmanager-operated", "monitoring", labels))
        self.answer = answer

    def proxy(self, namespace: str, service: str, port: str | int, path: str, *_: Any, **__: Any) -> bytes:
        assert (namespace, service, port, path) == ("monitoring", "alertmanager-operated", 9093, "/api/v2/alerts")
        return self.answer


@pytest.mark.parametrize(
    ("answer", "urls", "told"),
    [
        (b'[{"labels": {"alertname": "Watchdog"}}]', ["http://a"], ""),
        (b'[{"labels": {"alertname": "Other"}}]', ["http://a"], "alert-not-received"),
        (b"[]", [], "alertmanager-missing"),
        (b"<html>", ["http://a"], "alert-not-received"),
    ],
)
def test_an_alert_that_fires_must_be_received(answer: bytes, urls: list[str], told: str) -> None:
    case = Case()
    case.prometheus.alertmanagers = lambda: urls  # type: ignore[method-assign]
    assert rules.lost(case.layer, case.prometheus, Receiving(answer)) == [], "none fires"
    case.prometheus.loaded = [loaded("vector(1)", "Watchdog", state="firing")]
    findings = rules.lost(case.layer, case.prometheus, Receiving(answer))
    assert [each.cause.id for each in findings] == ([told] if told else [])
    assert all("Prometheus fires Watchdog, and " in each.cause.sentence for each in findings)


def test_an_exempt_object_has_no_case() -> None:
    case = Case()
    case.objects[0].object["metadata"]["annotations"] = {"platform-e2e/exempt-rules": "of another team"}
    assert list(rules.of_layer(case.layer)) == []


def test_the_finding_names_the_line_of_the_expression() -> None:
    found = Case("upp").finding()
    assert found is not None
    assert found.cause.remedy.endswith("(manifests/shop.yaml:10)")


def test_what_cannot_be_parsed_here_is_a_finding_only_where_prometheus_would_not_load_it() -> None:
    case = Case("up{", loaded=[])
    engine = Engine(lambda _: False, refused="1:4: parse error: unexpected end of input")
    seen = judged_by_promtool(case.wanted, case.seen(), lambda: engine)
    (found,) = check(case.wanted, seen, case.layer)
    assert found.cause.id == "rule-not-parsed"
    assert found.cause.sentence == "Prometheus would not load the alert Down: 1:4: parse error: unexpected end of input"
    loaded_already = Case("up{")
    seen = judged_by_promtool(loaded_already.wanted, loaded_already.seen(), lambda: engine)
    assert check(loaded_already.wanted, seen, loaded_already.layer) == []
    told = rules.unknown(loaded_already.wanted, seen)
    assert told is not None
    assert "cannot be read here" in told.problem
