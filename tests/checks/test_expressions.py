"""What cannot be right of an expression: names, windows, comparisons and joins that no measurement can mend."""

from __future__ import annotations

import math
from typing import Any

import promql_parser
import pytest

from platform_e2e.checks.expressions import first_flaw, read
from platform_e2e.checks.expressions.bounds import ANY, POSITIVE, SHARE, Bounds, bounds_of
from platform_e2e.checks.expressions.conditions import without
from platform_e2e.checks.expressions.delivered import Delivered
from tests.fakes.recorded_view import RecordedView
from tests.fakes.series import stored

UP = 'up{job="chat", instance="a", namespace="shop"}'

REQUESTS = 'http_requests_total{job="chat", code="200", pod="p"}'

NODES = ('node_info{node="n", provider="x"}', 'node_load{node="n", job="ksm"}')


def flaw(text: str, *series: str, **fields: Any) -> tuple[str, str]:
    """Return kind and sentence of the first flaw; both empty where there is none."""
    found = first_flaw(read(text, RecordedView(), stored(*(series or (UP, REQUESTS)), **fields)))
    return (found.kind, found.sentence) if found else ("", "")


@pytest.mark.parametrize(
    "text",
    [
        "sum by (job) (up) == 0",
        "sum by (cluster, job) (up) == 0",
        'up{cluster=""} == 0',
        'label_replace(up, "place", "$1", "instance", "(.+)") == 0',
        "rate(http_requests_total[5m]) > 1e9",
        'sum(ALERTS{alertname="Down"}) by (namespace) > 1',
    ],
)
def test_what_can_be_right_has_no_flaw(text: str) -> None:
    found = read(text, RecordedView(), stored(UP, REQUESTS), ["Down"])
    assert first_flaw(found) is None


@pytest.mark.parametrize(
    ("text", "place", "near"),
    [
        ("sum by (jobb) (up) == 0", "by (...)", "; there is job"),
        ("sum without (instanse) (up) == 0", "without (...)", "; there is instance"),
        ("sum by (shelf) (up) == 0", "by (...)", ""),
        ("up == on (jobb) up", "on (...)", "; there is job"),
        ("up == on (job) group_left (nmespace) up", "group_left or group_right", "; there is namespace"),
        ('label_replace(up, "place", "$1", "instnce", "(.+)") == 0', "label_replace(...)", "; there is instance"),
        ('up{instnce=""} == 0', "a condition", "; there is instance"),
    ],
)
def test_a_label_that_nothing_has_is_told(text: str, place: str, near: str) -> None:
    kind, sentence = flaw(text)
    assert kind == "label-unknown"
    assert sentence.endswith(f"in {place}, which no series has that it reads{near}")


def test_what_is_not_all_there_says_nothing_of_labels() -> None:
    seen = read('sum by (type) (http_requests_total{code="500"})', RecordedView(), stored(UP, REQUESTS), certain=False)
    assert first_flaw(seen) is None


@pytest.mark.parametrize(
    ("text", "keeps", "kind"),
    [
        ("rate(http_requests_total[2d]) > 1", 86400.0, "window-unkept"),
        ("rate(http_requests_total[2d]) > 1", 0.0, ""),
        ("rate(http_requests_total[1d]) > 1", 86400.0, ""),
        ("avg_over_time(up[2d]) < 0.5", 86400.0, ""),
        ("changes(up[10s]) > 1", 86400.0, "window-short"),
        ("max_over_time(up[10s]) < 1", 86400.0, ""),
    ],
)
def test_windows(text: str, keeps: float, kind: str) -> None:
    assert flaw(text, keeps=keeps, types={"up": "gauge", "http_requests_total": "counter"})[0] == kind


def test_a_window_that_is_not_kept_is_told_in_hours() -> None:
    said = (
        "takes rate of http_requests_total over 48 h, and Prometheus keeps 24 h: the result is that of a shorter time"
    )
    assert flaw("rate(http_requests_total[2d]) > 1", keeps=86400.0) == ("window-unkept", said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("up == 2", "compares up == 2, which is never true: it is between 0 and 1"),
        ("up != 2", "compares up != 2, which is always true: it is between 0 and 1"),
        ("2 < up", "compares up > 2, which is never true: it is between 0 and 1"),
        ("count(up) < 1", "compares count(up) < 1, which is never true: it is at least 1"),
        ("chat_info != 1", "compares chat_info != 1, which is never true: it is always 1"),
        (
            'sum(rate(http_requests_total{code="200"}[5m])) / sum(rate(http_requests_total[5m])) > 95',
            "which is never true: it is between 0 and 1",
        ),
    ],
)
def test_a_comparison_that_decides_nothing_is_told(text: str, said: str) -> None:
    series = (UP, REQUESTS, 'chat_info{version="1"}')
    kind, sentence = flaw(
        text, *series, helps={"chat_info": "Information about chat."}, types={"http_requests_total": "counter"}
    )
    assert kind == "threshold-idle"
    assert sentence.endswith(said)


def test_what_has_been_otherwise_says_more_than_its_help() -> None:
    helps = {"chat_ready": "Whether it is ready.", "chat_lag": "Number of messages behind."}
    assert flaw("chat_ready == 3", "chat_ready{}", helps=helps, amounts={"chat_ready": -1.0}) == ("", "")
    assert flaw("chat_ready == 3", "chat_ready{}", helps=helps)[0] == "threshold-idle"
    assert flaw("chat_lag < 0", "chat_lag{}", helps=helps, amounts={"chat_lag": 7.0})[0] == "threshold-idle"
    assert flaw("chat_lag < 0", "chat_lag{}", helps=helps, amounts={"chat_lag": -7.0}) == ("", "")
    assert flaw("chat_lag < 0", "chat_lag{}") == ("", "")


class Metrics:
    """A counter, a share, a histogram up to ten seconds, and gauges that can be anything."""

    def samples(self, name: str) -> Bounds:
        return {"up": SHARE}.get(name, POSITIVE if name.endswith(("_total", "_bucket", "_count")) else ANY)

    def buckets(self, name: str) -> Bounds:
        return (0.0, 10.0) if name == "slow_seconds_bucket" else ANY


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("x", ANY),
        ("-(up)", (-1.0, 0.0)),
        ("(2 + 3) * 4", (20.0, 20.0)),
        ("1 - up", SHARE),
        ("up * 100", (0.0, 100.0)),
        ("100 - up * 100", (0.0, 100.0)),
        ("a_total + b_total", POSITIVE),
        ("a_total * up", POSITIVE),
        ("a_total / b_total", POSITIVE),
        ("a_failed_total / a_total", SHARE),
        ("rate(a_errors_total[5m]) / rate(a_total[5m])", SHARE),
        ('a_total{code="5"} / on (job) a_total', SHARE),
        ('a_total / on (job) a_total{code="5"}', POSITIVE),
        ('sum by (x) (rate(s_bucket{le="1"}[5m])) / sum by (x) (rate(s_count[5m]))', SHARE),
        ("sum by (x) (a_failed_total) / sum by (y) (a_total)", POSITIVE),
        ("max(a_total) / min(a_total)", POSITIVE),
        ("sum(up)", POSITIVE),
        ("avg(up)", SHARE),
        ("avg_over_time(up[5m])", SHARE),
        ("sum_over_time(up[5m])", POSITIVE),
        ("avg_over_time((up == 1)[5m:1m])", SHARE),
        ("count(x)", (1.0, math.inf)),
        ("absent(x)", (1.0, 1.0)),
        ("up > bool 0", SHARE),
        ("up == 1 or a_total", POSITIVE),
        ("up and x", SHARE),
        ("histogram_quantile(0.9, sum by (le) (rate(slow_seconds_bucket[5m])))", (0.0, 10.0)),
        ("histogram_quantile(0.9, other)", ANY),
        ("delta(x[5m])", ANY),
        ("x - up", ANY),
        ("ln(up)", ANY),
    ],
)
def test_between_which_values_an_expression_lies(text: str, bounds: Bounds) -> None:
    assert bounds_of(promql_parser.parse(text), Metrics()) == bounds


def test_a_histogram_reaches_to_its_last_finite_bucket() -> None:
    found = Delivered(stored('s_bucket{le="0.5"}', 's_bucket{le="10"}', 's_bucket{le="+Inf"}'))
    assert found.buckets("s_bucket") == (0.0, 10.0)
    assert found.buckets("other") == ANY


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("up == 0", "up"),
        ("0 == up", "up"),
        ("(up > bool 0) == 1", "((up) > bool (1))"),
        ("up > on (job) group_left (x) other", "(up) - on (job) group_left (x) (other)"),
        ("sum by (job) (rate(a[5m]) > 5) > 1", "sum by (job) (rate(a[5m]))"),
        ("topk without (x) (3, up > 1)", "topk without (x) (3, up)"),
        ("a unless b", "a"),
        ("absent(up == 1)", "absent(up == 1)"),
        ("-(a > 1)", "-((a))"),
    ],
)
def test_what_is_left_when_each_condition_is_met(text: str, rest: str) -> None:
    expected = rest.replace("((up) > bool (1))", "((up) > bool (0))")
    assert without(promql_parser.parse(text)) == expected


def test_an_error_that_only_a_fault_brings_is_told() -> None:
    why = "many-to-many matching not allowed"
    kind, sentence = flaw("(node_load > 9) * on (node) node_info", *NODES, refused={"* on": why})
    assert kind == "fails-when-met"
    assert why in sentence


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("node_load * on (node) group_left () max by (node, provider) (node_info)", "provider"),
        ("max by (node, job) (node_load) * on (node) max by (node) (node_info)", "job"),
        ("node_load * on (node) group_left (provider) max by (node, provider) (node_info)", ""),
        ("node_load * on (node) group_left () topk by (node) (1, node_info)", ""),
        ("node_load and on (node) max by (node, provider) (node_info)", ""),
        ("node_load * on (node) group_left () node_info", ""),
    ],
)
def test_a_join_that_compares_too_few_labels_is_told(text: str, labels: str) -> None:
    kind, sentence = flaw(text, *NODES)
    assert kind == ("join-ambiguous" if labels else "")
    assert f"which has a series for each {labels}" in sentence if labels else not sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('up{namespace!~"shopping|shopp"} == 0', "no series of up has namespace=shopp; there is shop"),
        ('up{instance!="place-eins"} == 0', "no series of up has instance=place-eins; there is place-einst"),
        ('up{namespace!~"other"} == 0', ""),
        ('up{instance!="place-1"} == 0', ""),
        ('up{namespace!~"sho.+"} == 0', ""),
    ],
)
def test_a_slip_among_values_that_are_not_to_be_is_told(text: str, said: str) -> None:
    series = (UP, 'up{namespace="shop", instance="place-2"}', 'up{namespace="shop", instance="place-einst"}')
    assert flaw(text, *series) == (("value-missing", f"reads {text.partition(' ==')[0]}: {said}") if said else ("", ""))
