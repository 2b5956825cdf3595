from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from platform_e2e.checks.monitoring.prometheus import Prometheus, PrometheusError, Sample, moment


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
