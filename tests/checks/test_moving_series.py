"""Counters that traffic moves, the WebSocket client, Prometheus after a restart, the webhook of rules, and alerts of an idle platform."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import external_client, network_probe
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.monitoring import broken_scrapes, moving_series, restart
from platform_e2e.checks.monitoring.prometheus import LoadedRule, Sample
from platform_e2e.checks.rules import admission, firing
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object
from platform_e2e.layer import LoadBalancer, Probe
from platform_e2e.layer.limits import Limits
from platform_e2e.layer.stand_ins import StandIn, StandIns
from tests.checks.test_inventory import NOW, TARGET, Scraping
from tests.fakes.monitoring import prometheus, service
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.rendered import rendered
from tests.fakes.series import loaded

LAYER = """
apiVersion: v1
kind: Service
metadata: {name: chat, namespace: chat-dev}
spec: {type: LoadBalancer, selector: {app: chat}, ports: [{port: 80}]}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: chat
  namespace: chat-dev
  labels: {release: kube-prometheus-stack}
  annotations: {platform-e2e/series: "chat_connected_clients,chat_messages_total"}
spec: {selector: {matchLabels: {app: chat}}, endpoints: [{port: metrics}]}
"""

POD = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"})
LIVE = {
    **service("chat"),
    "status": {"loadBalancer": {"ingress": [{"ip": "10.89.0.201"}]}},
}


class Counting(Scraping):
    """Answer with sums that grow by a step with each question."""

    def __init__(self, step: float) -> None:
        super().__init__([replace(TARGET, labels={"namespace": "chat-dev", "pod": "chat-0"})])
        self.step, self.value = step, 1.0

    def query(self, expression: str) -> list[Sample]:
        assert expression == 'sum(chat_messages_total{namespace="chat-dev", pod=~"chat-0"})'
        self.value += self.step
        return [Sample({}, self.value)]

    def type_of(self, metric: str) -> str:
        return "counter" if metric.endswith("_total") else "gauge"


class Asked:
    """A client that records what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, address: str, probe: Probe, times: int = 1) -> ProbeResult:
        self.asked.append(f"{address}:{probe.port} {times}")
        return ProbeResult("HTTP", "http://a/", "", True, 0.1, times)

    def talk(self, address: str, probe: Probe, path: str, times: int = 1) -> ProbeResult:
        self.asked.append(f"{address}{path} {times}")
        return ProbeResult("WebSocket", "http://a/ws", "it answers `404`", False, 0.1, times)


def layer(*stand_ins: StandIn) -> Any:
    chat, monitor = rendered(LAYER)
    return SimpleNamespace(
        monitors=lambda: [monitor],
        located=lambda cause, otherwise: cause.located(otherwise.place()),
        stand_ins=StandIns(stand_ins),
        limits=Limits(),
        rendered=[chat, monitor],
    )


def watched(prometheus_: Counting, of: Any = None) -> list[moving_series.Watched]:
    of = of or layer()
    balancer = LoadBalancer(of.rendered[0], (), Probe(80), None, "/ws")
    return moving_series.watched(balancer, of, RecordedView(prometheus(), LIVE, POD), prometheus_)


@pytest.mark.parametrize(("step", "still"), [(1.0, False), (0.0, True)])
def test_a_declared_counter_must_grow(step: float, still: bool) -> None:
    (watch,) = watched(Counting(step))
    assert watch.counters == ["chat_messages_total"]
    client = Asked()
    balancer = LoadBalancer(layer().rendered[0], (), Probe(80), None, "/ws")
    results = moving_series.make(balancer, watch.service, client)  # type: ignore[arg-type]
    assert client.asked == ["10.89.0.201:80 20", "10.89.0.201/ws 20"]
    findings = moving_series.check(replace(watch, before=watch.sums()), results, layer())
    assert [each.cause.id for each in findings] == (["series-still"] if still else [])
    for finding in findings:
        said = "chat_messages_total of servicemonitor/chat -n chat-dev has not grown after 20 of HTTP at http://a/, 20 of WebSocket"
        assert finding.cause.sentence == f"{said} at http://a/ws; http://a/ws: it answers `404`"


def test_nothing_is_watched_where_no_pod_or_no_counter_is_behind() -> None:
    of = layer()
    balancer = LoadBalancer(of.rendered[0], (), None, None)
    assert moving_series.watched(balancer, of, RecordedView(prometheus(), LIVE), Counting(0)) == []
    assert moving_series.watched(balancer, of, RecordedView(prometheus(), POD), Counting(0)) == []
    other = Counting(0)
    other.known = [replace(TARGET, labels={"namespace": "chat-dev", "pod": "other"})]
    assert watched(other) == []
    assert moving_series.make(balancer, LIVE, Asked()) == []  # type: ignore[arg-type]


def test_beside_a_stand_in_nothing_is_proven() -> None:
    (watch,) = watched(Counting(0))
    assert moving_series.unknown(watch, layer()) is None
    workload = rendered("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat, namespace: chat-dev}\n")[0]
    unknown = moving_series.unknown(watch, layer(StandIn(workload, "chat", "x")))
    assert unknown is not None
    assert unknown.problem == "whether its series move is not known"


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Any:
    """Return the port of a server that answers one connection, first with the bytes of the parameter, then with a frame."""
    head, frame = request.param
    server = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            got.append(connection.recv(4096))
            connection.sendall(head)
            if frame is not None:
                got.append(connection.recv(4096))
                connection.sendall(frame)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1], got
    thread.join(5)
    server.close()


SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize(
    ("answering", "problem"),
    [
        ((SWITCHES, b"\x81\x02ok"), ""),
        ((SWITCHES, b""), "it ends the connection without a message"),
        ((b"HTTP/1.1 404 Not Found\r\n\r\n", None), "it answers `HTTP/1.1 404 Not Found`"),
        ((b"", None), "it answers ``"),
    ],
    indirect=["answering"],
)
def test_a_message_is_sent_over_a_websocket(answering: Any, problem: str) -> None:
    port, got = answering
    result = external_client.talk("127.0.0.1", Probe(port), "/ws")
    assert (result.problem, result.where) == (problem, f"http://127.0.0.1:{port}/ws")
    assert got[0].startswith(b"GET /ws HTTP/1.1\r\n")
    if not problem:
        assert got[1] == b"\x81\x8c\x00\x00\x00\x00platform-e2e"


def test_what_does_not_listen_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = network_probe.serve(
        {
            "what": "websocket",
            "scheme": "http",
            "address": "127.0.0.1",
            "port": port,
            "path": "/",
            "timeout": 1,
            "times": 2,
        }
    )
    assert "refused" in said["answers"][0]["problem"]


BEFORE = restart.Work(frozenset({"a/0", "b/0"}), frozenset({("f", "g", "Down")}), NOW)


@pytest.mark.parametrize(
    ("after", "spec", "cause", "said"),
    [
        (BEFORE, {}, "", ""),
        (None, {}, "prometheus-not-back", "it does not answer"),
        (replace(BEFORE, pools=frozenset({"a/0"})), {}, "prometheus-not-back", "it lacks 1 scrape pool (b/0)"),
        (replace(BEFORE, rules=frozenset()), {}, "prometheus-not-back", "it lacks 1 rule (f/g/Down)"),
        (replace(BEFORE, kept=False), {}, "", ""),
        (
            replace(BEFORE, kept=False), {"storage": {"volumeClaimTemplate": {"spec": {}}}},
            "prometheus-forgets", "has a volume (storage.volumeClaimTemplate)",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_after_a_restart_is_told(
    after: restart.Work | None, spec: dict[str, Any], cause: str, said: str
) -> None:
    findings = restart.check(BEFORE, after, RecordedView(prometheus(**spec)))
    assert [each.cause.id for each in findings] == ([cause] if cause else [])
    assert all(said in each.cause.sentence for each in findings)


def test_what_another_test_has_taken_away_meanwhile_is_not_missed() -> None:
    uid = "d45a28eb-259f-4a7d-b100-9935fc19cd6a"
    file = f"/etc/prometheus/rules/x/monitoring-layer-{uid}.yaml"
    before = restart.Work(frozenset({"serviceMonitor/dev/chat/0"}), frozenset({(file, "g", "Down")}), NOW)
    after = restart.Work(frozenset(), frozenset(), NOW)
    stack = prometheus()
    assert restart.check(before, after, RecordedView(stack)) == []
    rule = made("monitoring.coreos.com/v1/PrometheusRule", "layer", "monitoring", metadata={"uid": uid})
    monitor = made("monitoring.coreos.com/v1/ServiceMonitor", "chat", "dev")
    (finding,) = restart.check(before, after, RecordedView(stack, rule, monitor))
    assert finding.observed == f"it lacks 1 scrape pool (serviceMonitor/dev/chat/0); 1 rule ({file}/g/Down)"


def test_the_work_of_a_prometheus_is_what_it_scrapes_and_evaluates() -> None:
    class Working(Scraping):
        def rules(self) -> list[LoadedRule]:
            return [loaded("up")]

        def query(self, expression: str) -> list[Sample]:
            assert expression == f"count(last_over_time(up[1m] @ {NOW.timestamp():.3f}))"
            return []

    view = RecordedView(prometheus())
    asked = Working([TARGET, replace(TARGET, pool="x/0", health="down")])
    rules = frozenset({("shop-rules-u1.yaml", "g", "Down")})
    assert restart.observe(view, asked) == restart.Work(frozenset({TARGET.pool}), rules, NOW)
    seen = restart.observe(view, asked, NOW)
    assert seen is not None
    assert restart.figures(seen) == {"series before a restart": "lost with the pod: no volume"}
    assert restart.figures(None) == {}

    class Gone(Scraping):
        def now(self) -> datetime:
            raise ApiError("GET", 503, "Unavailable", "no endpoints")

        def rules(self) -> list[LoadedRule]:
            return []

    assert restart.observe(view, Gone()) is None


def pod(uid: str, status: str = "True") -> Object:
    conditions = [{"type": "Ready", "status": status}]
    found = made("v1/Pod", "p-0", "monitoring", restart.OF_PROMETHEUS, status={"conditions": conditions})
    found["metadata"]["uid"] = uid
    return found


@pytest.mark.parametrize(
    ("now", "there"), [([pod("2")], True), ([pod("1")], False), ([pod("2", "False")], False), ([], False)]
)
def test_a_pod_is_replaced_once_another_one_is_ready(now: list[Object], there: bool) -> None:
    assert restart.replaced({("monitoring", "p-0"): "1"}, RecordedView(*now)) is there


VALUES = "prometheusOperator: {{admissionWebhooks: {{{}}}}}\n"
HOOK = made(
    "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration", "stack",
    webhooks=[{"failurePolicy": "Ignore", "rules": [{"resources": ["prometheusrules"]}]}, {"rules": []}],
)  # fmt: skip


@pytest.fixture
def release(tmp_path: Any) -> Any:
    """Return a function that makes a layer whose release of the stack has some values."""

    def of(said: str) -> Any:
        (tmp_path / "stack.yaml").write_text(VALUES.format(said) if said else "{}\n", encoding="utf-8")
        values = tmp_path / "stack.yaml"
        stack = SimpleNamespace(chart="kube-prometheus-stack", brought=False, values=values, place="", name="stack")
        return SimpleNamespace(releases=[stack], directory=tmp_path)

    return of


@pytest.mark.parametrize(
    ("said", "hooks", "told"),
    [
        ("failurePolicy: Ignore", [HOOK], "the webhook's failurePolicy is Ignore: "),
        ("failurePolicy: Fail", [HOOK], ""),
        ("", [HOOK], ""),
        ("enabled: false", [], "no webhook looks at rules, "),
        ("enabled: false", [HOOK], ""),
    ],
)
def test_what_values_say_of_the_webhook_is_told(said: str, hooks: list[Object], told: str, release: Any) -> None:
    findings = admission.policies(release(said), RecordedView(*hooks))
    assert bool(findings) == bool(told)
    for finding in findings:
        assert finding.cause.id == "rule-webhook-open"
        assert finding.cause.sentence.startswith(told)
        assert finding.cause.remedy.endswith(":1)")


def test_the_policy_is_shown() -> None:
    assert admission.figures(RecordedView(HOOK)) == {"failurePolicy": ["Ignore"]}


class Admitting:
    """An API server whose webhook answers as it is told."""

    def __init__(self, refused: str = "", *, marks: bool = True) -> None:
        self.refused, self.marks = refused, marks

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        assert dry_run
        if obj["metadata"]["name"] == "control-bad" and self.refused:
            raise ApiError("POST", 400, "BadRequest", self.refused)
        marked = {"prometheus-operator-validated": "true"} if self.marks else {}
        return {**obj, "metadata": {**obj["metadata"], "annotations": marked}}


DENIED = 'admission webhook "prometheusrulevalidate.monitoring.coreos.com" denied the request: Rules are not valid'


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (Admitting(DENIED), ""),
        (Admitting(), "the API server takes a PrometheusRule whose expression does not parse"),
        (Admitting(DENIED, marks=False), "a PrometheusRule that is valid does not get the annotation"),
    ],
)
def test_a_bad_rule_is_refused_and_a_good_one_is_marked(server: Any, said: str, release: Any) -> None:
    findings = admission.refuses(release("failurePolicy: Fail"), server, "x")
    assert [each.cause.id for each in findings] == (["rule-webhook-open"] if said else [])
    assert all(each.cause.sentence.startswith(said) for each in findings)


def test_another_error_is_no_answer_of_the_webhook(release: Any) -> None:
    with pytest.raises(ApiError, match="no such kind"):
        admission.refuses(release(""), Admitting("no such kind"), "x")  # type: ignore[arg-type]


def _fires(rule: LoadedRule, *rules: Object) -> list[str]:
    class Firing(Scraping):
        def rules(self) -> list[LoadedRule]:
            return [rule]

    of: Any = SimpleNamespace(of_kind=lambda _: [])
    return [each.object for each in firing(of, Firing(), RecordedView(prometheus(), *rules))]


def test_an_alert_of_a_release_that_fires_is_told() -> None:
    source = made("monitoring.coreos.com/v1/PrometheusRule", "rules", "shop")
    source["metadata"]["uid"] = "u1"
    rule = loaded("up == 0", state="firing")
    assert _fires(rule, source) == ["prometheusrule/rules -n shop"]
    assert _fires(rule) == [], "its rules are gone with the next loading"
    assert _fires(replace(rule, state="pending"), source) == []
    assert _fires(replace(rule, query="vector(1)"), source) == []
    assert _fires(replace(rule, name="InfoInhibitor"), source) == []


def _about(cause: str) -> Finding:
    return Finding("x", "rules", "a", "b", Cause(cause, "s", "r"))


@pytest.mark.parametrize("monitors", [0, 1])
def test_what_a_rule_misses_is_told_by_the_monitor_that_is_not_scraped(monitors: int) -> None:
    _, monitor = rendered(LAYER)
    of: Any = SimpleNamespace(
        monitors=lambda: [monitor] * monitors, metrics_services=tuple, releases=[], rendered=[monitor],
        limits=Limits(), located=lambda cause, otherwise: cause.located(otherwise.place()),
    )  # fmt: skip
    view = RecordedView(prometheus())
    told = broken_scrapes.behind([_about("rule-metric-missing")], of, view, Scraping())
    assert [each.cause.id for each in told] == ["object-missing"] * monitors
    assert broken_scrapes.behind([_about("rule-window-short")], of, view, Scraping()) == []
    assert broken_scrapes.behind([], of, view, Scraping()) == []
