"""The route tree is evaluated as Alertmanager does it (dispatch/route_test.go, config/config_test.go, pkg/labels/parse_test.go)."""

from __future__ import annotations

import pytest

from platform_e2e.checks.alerts.routes import Matcher, RoutesError, Routing, matchers

CONFIG = """
route:
  receiver: notify-def
  routes:
  - match: {owner: team-A}
    receiver: notify-A
    routes:
    - match: {env: testing}
      receiver: notify-testing
    - match: {env: production}
      receiver: notify-productionA
      continue: true
    - match_re: {env: "produ.*"}
      receiver: notify-productionB
  - match_re: {owner: "team-(B|C)"}
    receiver: notify-BC
  - matchers: ['group_by=~"role.*"', ' env = "testing" ']
    routes:
    - matchers: [wait != ""]
receivers:
- name: notify-def
- name: notify-A
  webhook_configs: [{url: http://a}]
- name: notify-testing
  slack_configs: [{channel: a}, {channel: b}]
- name: notify-productionA
  email_configs: []
- name: notify-productionB
  pagerduty_configs: [{routing_key: x}]
- name: notify-BC
  webhook_configs: [{url: http://bc}]
"""
"""The example of upstream's test of routes, with receivers."""


@pytest.mark.parametrize(
    ("labels", "taking"),
    [
        ({"owner": "team-A"}, ["notify-A"]),
        ({"owner": "team-A", "env": "unset"}, ["notify-A"]),
        ({"owner": "team-C"}, ["notify-BC"]),
        ({"owner": "team-Cx"}, ["notify-def"]),
        ({"owner": "team-A", "env": "testing"}, ["notify-testing"]),
        ({"owner": "team-A", "env": "production"}, ["notify-productionA", "notify-productionB"]),
        ({"group_by": "role", "env": "testing"}, ["notify-def"]),
        ({"group_by": "role", "env": "testing", "wait": "1"}, ["notify-def"]),
        ({}, ["notify-def"]),
    ],
)
def test_first_route_that_matches_takes_an_alert_and_continue_tries_the_next(
    labels: dict[str, str], taking: list[str]
) -> None:
    assert [route.receiver for route in Routing.parse(CONFIG).root.taking(labels)] == taking


def test_receivers_are_those_that_have_an_integration() -> None:
    routing = Routing.parse(CONFIG)
    assert routing.receivers({"owner": "team-A", "env": "production"}) == ["notify-productionB"]
    assert routing.receivers({}) == []
    assert routing.integrations["notify-testing"] == ["slack", "slack"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("severity = critical", [("severity", "=", "critical")]),
        ('severity="critical"', [("severity", "=", "critical")]),
        ("{a=b}", [("a", "=", "b")]),
        ('{foo="bar", baz!~"q.x|y{2}",}', [("foo", "=", "bar"), ("baz", "!~", "q.x|y{2}")]),
        ('a="x, \\"y\\"\\n"', [("a", "=", 'x, "y"\n')]),
        ("severity =~ warning|info", [("severity", "=~", "warning|info")]),
        ('pool != ""', [("pool", "!=", "")]),
        ('"the name"=~x', [("the name", "=~", "x")]),
    ],
)
def test_matchers_are_read_in_every_form(written: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(each.name, each.operator, each.value) for each in matchers(written)] == expected


@pytest.mark.parametrize("written", ["severity", "= a", 'a="b', "a=~b c=d,,"])
def test_matcher_that_cannot_be_read_is_told(written: str) -> None:
    with pytest.raises(RoutesError, match="must be NAME OPERATOR VALUE, got"):
        matchers(written)


def test_pattern_that_python_does_not_know_is_told() -> None:
    with pytest.raises(RoutesError, match=r"got `a=~"):
        Matcher("a", "=~", r"\pL+").matches({"a": "b"})


@pytest.mark.parametrize(
    ("operator", "value", "found", "expected"),
    [
        ("=", "", None, True),
        ("!=", "", None, False),
        ("!=", "a", None, True),
        ("=~", ".*", None, True),
        ("=~", "a|b", "ab", False),
        ("=~", "a.b", "a\nb", True),
        ("!~", "a.*", "b", True),
    ],
)
def test_label_that_is_not_there_is_empty_and_patterns_match_the_whole(
    operator: str, value: str, found: str | None, expected: bool
) -> None:
    labels = {} if found is None else {"x": found}
    assert Matcher("x", operator, value).matches(labels) is expected


def test_inhibition_needs_equal_labels_and_two_that_are_not_there_are_equal() -> None:
    (rule,) = Routing.parse(
        "inhibit_rules: [{source_match: {severity: critical}, target_match_re: {severity: warning|info}, equal: [pool]}]"
    ).inhibitions
    critical = {"severity": "critical", "pool": "a"}
    assert rule.holds(critical, {"severity": "info", "pool": "a"})
    assert not rule.holds(critical, {"severity": "info", "pool": "b"})
    assert not rule.holds(critical, {"severity": "critical", "pool": "a"})
    assert rule.holds({"severity": "critical"}, {"severity": "warning"})


@pytest.mark.parametrize(
    ("interval", "endless"),
    [
        ("{}", True),
        ("{times: [{start_time: '00:00', end_time: '24:00'}]}", True),
        ("{times: [{start_time: '00:00', end_time: '24:00'}], weekdays: ['saturday']}", False),
        ("{weekdays: ['sunday:saturday'], location: Europe/Berlin}", True),
        ("{months: ['1:12'], days_of_month: ['1:31']}", True),
        ("{years: ['2030']}", False),
        ("{times: [{start_time: '09:00', end_time: '17:00'}]}", False),
    ],
)
def test_time_interval_that_is_always_is_recognised(interval: str, endless: bool) -> None:
    config = f"time_intervals: [{{name: x, time_intervals: [{interval}]}}]"
    assert Routing.parse(config).always == (frozenset({"x"}) if endless else frozenset())


def test_routes_of_what_is_given_and_what_is_loaded_are_equal_in_any_order_of_their_matchers() -> None:
    given = "route: {receiver: a, routes: [{matchers: [x = y, a = b]}]}\ninhibit_rules: [{equal: [b, a]}]"
    loaded = "route: {receiver: a, routes: [{matchers: ['a=\"b\"', 'x=\"y\"']}]}\ninhibit_rules: [{equal: [a, b]}]"
    assert Routing.parse(given) == Routing.parse(loaded)
