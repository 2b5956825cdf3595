from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from platform_e2e.checks.monitoring.prometheus import (
    DroppedTarget,
    Loading,
    Prometheus,
    PrometheusError,
    Sample,
    moment,
)
from platform_e2e.kube.errors import api_error
from platform_e2e.layer.durations import seconds_of


def answering(data: Any, *, path: str, parameters: Mapping[str, str] | None = None) -> Prometheus:
    def get(asked: str, given: Mapping[str, str]) -> bytes:
        assert asked == path
        assert parameters is None or given == parameters
        return json.dumps({"status": "success", "data": data}).encode()

    return Prometheus(get)


def test_targets_are_read() -> None:
    entry = {
        "discoveredLabels": {"__address__": "10.244.0.5:9090"},
        "labels": {"job": "chat", "instance": "10.244.0.5:9090"},
        "scrapePool": "serviceMonitor/chat-dev/chat/0",
        "scrapeUrl": "http://10.244.0.5:9090/metrics",
        "lastError": "",
        "lastScrape": "2026-01-01T12:00:00.123456789Z",
        "health": "up",
    }
    (target,) = answering({"activeTargets": [entry]}, path="/api/v1/targets", parameters={"state": "active"}).targets()
    assert target.pool == "serviceMonitor/chat-dev/chat/0"
    assert target.last_scrape == datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)
    assert target.identity == frozenset({("job", "chat"), ("instance", "10.244.0.5:9090")})


def test_what_is_dropped_is_asked_by_pool() -> None:
    labels = {"__meta_kubernetes_namespace": "chat-dev", "__meta_kubernetes_pod_name": "chat-0"}
    data = {"droppedTargets": [{"discoveredLabels": labels, "scrapePool": "podMonitor/chat-dev/chat/0"}]}
    every = answering(data, path="/api/v1/targets", parameters={"state": "dropped"})
    assert every.dropped() == [DroppedTarget("podMonitor/chat-dev/chat/0", "chat-dev", "", "chat-0", "", "")]
    one = answering(data, path="/api/v1/targets", parameters={"state": "dropped", "scrapePool": "a/0"})
    assert len(one.dropped("a/0")) == 1


def test_how_the_configuration_was_loaded() -> None:
    data = {"reloadConfigSuccess": False, "lastConfigTime": "2026-01-01T12:00:00Z"}
    (loading,) = answering(data, path="/api/v1/status/runtimeinfo").loadings()
    assert loading == Loading(False, datetime(2026, 1, 1, 12, tzinfo=UTC))


def test_the_labels_of_a_series_count_without_its_name() -> None:
    series = [{"__name__": "up", "job": "a"}, {"__name__": "up", "job": "a", "pod": "b"}, {"__name__": "x"}]
    result = {"resultType": "vector", "result": [{"metric": labels, "value": [0, "1"]} for labels in series]}
    asked = answering(result, path="/api/v1/query", parameters={"query": '{job="a"}'})
    assert asked.label_counts('{job="a"}') == {"up": 2, "x": 0}


def test_a_query_returns_labels_without_the_name() -> None:
    result = {"resultType": "vector", "result": [{"metric": {"__name__": "up", "job": "chat"}, "value": [1.5, "1"]}]}
    assert answering(result, path="/api/v1/query", parameters={"query": "up"}).query("up") == [
        Sample({"job": "chat"}, 1.0)
    ]


def test_the_clock_is_prometheus_own() -> None:
    result = {"resultType": "scalar", "result": [1767268800.25, "1767268800.25"]}
    assert answering(result, path="/api/v1/query").now() == datetime(2026, 1, 1, 12, 0, 0, 250000, UTC)


def test_the_jobs_of_the_configuration() -> None:
    text = "global:\n  scrape_interval: 5s\nscrape_configs:\n- job_name: serviceMonitor/a/b/0\n  honor_labels: true\n- job_name: 'x y'\n"
    assert answering({"yaml": text}, path="/api/v1/status/config").scrape_jobs() == {"serviceMonitor/a/b/0", "x y"}


@pytest.mark.parametrize("body", [b"<html>", b'{"status": "error", "error": "parse error: unexpected end"}'])
def test_what_is_no_answer_names_the_question(body: bytes) -> None:
    with pytest.raises(PrometheusError, match=r"Prometheus answers /api/v1/query"):
        Prometheus(lambda _path, _parameters: body).query("up")


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-01T12:00:00Z", 0),
        ("2026-01-01T12:00:00.5Z", 500000),
        ("2026-01-01T12:00:00.123456789+00:00", 123456),
        # Never scraped: Go's zero time.
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_times_of_go_are_read(text: str, microsecond: int) -> None:
    assert moment(text).microsecond == microsecond
    assert moment(text).tzinfo is not None


def test_what_prometheus_refuses_is_told_in_its_words() -> None:
    def refused(_path: str, _parameters: Mapping[str, str]) -> bytes:
        answer = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error: unclosed left parenthesis"}
        raise api_error("GET services/prometheus", 400, answer, secret=False, retry=None)

    with pytest.raises(PrometheusError, match="Prometheus refuses /api/v1/query: 1:5: parse error"):
        Prometheus(refused).query("sum(up")


@pytest.mark.parametrize(("text", "wanted"), [("", 0), ("5s", 5), ("1m30s", 90), ("100ms", 0.1), ("1d", 86400)])
def test_durations(text: str, wanted: float) -> None:
    assert seconds_of(text) == wanted


def test_rules_are_read_with_their_group_and_file() -> None:
    rule = {
        "name": "Down",
        "query": "up == 0",
        "health": "ok",
        "lastEvaluation": "2026-01-01T12:00:00.5Z",
        "state": "firing",
    }
    record = {"name": "a:b", "query": "sum(up)", "health": "unknown", "lastEvaluation": "0001-01-01T00:00:00Z"}
    groups = [{"file": "/etc/rules/shop-rules-u1.yaml", "name": "g", "interval": 30, "rules": [rule, record]}]
    first, second = Prometheus(
        lambda *_: json.dumps({"status": "success", "data": {"groups": groups}}).encode()
    ).rules()
    assert (first.file, first.group, first.name, first.state, first.interval) == (
        "shop-rules-u1.yaml",
        "g",
        "Down",
        "firing",
        30,
    )
    assert first.evaluated is not None
    assert (second.evaluated, second.state, second.error) == (None, "", "")


@pytest.mark.parametrize(
    ("metric", "told"), [("a_total", "counter"), ("h_bucket", "histogram"), ("none", ""), ("", "")]
)
def test_the_type_of_a_metric_is_that_of_its_family(metric: str, told: str) -> None:
    known = {"a_total": [{"type": "counter"}], "h": [{"type": "histogram"}]}

    def get(_path: str, parameters: Mapping[str, str]) -> bytes:
        found = {name: known[name] for name in (parameters["metric"],) if name in known}
        return json.dumps({"status": "success", "data": found}).encode()

    assert Prometheus(get).type_of(metric) == told


@pytest.mark.parametrize(
    ("said", "seconds"), [("10d", 864000.0), ("1d12h", 129600.0), ("15d or 5GiB", 1296000.0), ("5GiB", 0.0), ("", 0.0)]
)
def test_how_long_samples_are_kept(said: str, seconds: float) -> None:
    assert answering({"storageRetention": said}, path="/api/v1/status/runtimeinfo").retention() == seconds


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([940.0, 955.0, 970.0, 985.0, 1000.0], 60.0),
        ([895.0, 910.0, 970.0, 985.0, 1000.0], 30.0),
        ([940.0, 955.0], 0.0),
        ([1000.0], 0.0),
    ],
)
def test_for_how_long_an_expression_has_had_a_result(times: list[float], seconds: float) -> None:
    prometheus = answering(
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[at, "1"] for at in times]}]},
        path="/api/v1/query_range",
    )
    prometheus.now = lambda: datetime.fromtimestamp(1000.0, UTC)  # type: ignore[method-assign]
    assert prometheus.held("up") == seconds


def test_the_help_of_a_metric_is_that_of_its_family() -> None:
    told = answering({"a": [{"type": "gauge", "help": "Whether a.", "unit": ""}]}, path="/api/v1/metadata")
    assert told.help_of("a") == "Whether a."
