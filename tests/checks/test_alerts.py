"""What is derived of alerts: numbers that meet comparisons, series that can be joined, cases, and what is wrong with an alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest

from platform_e2e.checks import alerts
from platform_e2e.checks.alerts import kept, span
from platform_e2e.checks.alerts.book import Book, of_groups
from platform_e2e.checks.alerts.case import Fired, duration, series_text
from platform_e2e.checks.alerts.derive import Derived, derive
from platform_e2e.checks.alerts.joins import joins_of
from platform_e2e.checks.alerts.live import LiveSeries
from platform_e2e.checks.alerts.notation import written
from platform_e2e.checks.alerts.numbers import Number, holds, meeting
from platform_e2e.checks.alerts.patterns import sample_of
from platform_e2e.checks.alerts.populations import choices, find
from platform_e2e.checks.alerts.reach import Solver, key_of
from platform_e2e.checks.alerts.search import alerts_in
from platform_e2e.checks.alerts.shapes import Moment, Shape
from platform_e2e.checks.rules.wanted import Rule
from platform_e2e.finding import Promise
from platform_e2e.layer.renderer import Reason
from platform_e2e.promql import parse
from tests.fakes.promtool import Engine, Values, expanded
from tests.fakes.rendered import rendered
from tests.fakes.series import stored

SOLVER = Solver(lambda _: None, 60.0)


def fires(expression: str) -> list[dict[str, str]]:
    """Return what series do for an expression to return something, in words."""
    found = SOLVER.fires(promql_parser.parse(expression))
    return [{key: shape.text() for key, shape in each.items()} for each in found]


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("used / on (pool) size > 0.8", {"used{}": "stays at 84", "size{}": "stays at 100"}),
        ("(size - free) / size > 0.9", {"size{}": "stays at 100", "free{}": "stays at 5.5"}),
        ("time() - at > 3600", {"at{}": "a time 3780 s ago"}),
        ("absent(x)", {"x{}": "not there"}),
        ("x == 1 unless y", {"x{}": "stays at 1", "y{}": "not there"}),
        ("rate(x[5m]) > 2", {"x{}": "rises by 2.1 in a second"}),
        ("increase(x[5m]) > 30", {"x{}": "rises by 0.105 in a second"}),
        ("changes(x[10m]) > 5", {"x{}": "stays at 1, flips by 1"}),
        ("-x < -3", {"x{}": "stays at 3.15"}),
        ("count(x == 0) > 0", {"x{}": "stays at 0"}),
    ],
)
def test_an_expression_is_solved_near_its_threshold(expression: str, first: Mapping[str, str]) -> None:
    assert fires(expression)[0] == first


def test_conditions_that_exclude_each_other_are_met_by_nothing() -> None:
    assert fires("x > 5 and x < 3") == []


def test_silence_differs_from_what_fires_in_one_selector() -> None:
    tree = promql_parser.parse("x > 5")
    (key,) = (fired := next(SOLVER.fires(tree)))
    assert fired[key].level == 5.25
    assert next(SOLVER.silent(tree, fired))[key].level == 5.0


@pytest.mark.parametrize("operator", [">", ">=", "<", "<=", "==", "!="])
@pytest.mark.parametrize("bound", [-2.0, 0.0, 0.5, 1.0, 86400.0])
def test_numbers_meet_a_comparison(operator: str, bound: float) -> None:
    found = list(meeting(operator, Number(bound)))
    assert found
    assert all(holds(operator, each, Number(bound)) for each in found)


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([1.0, 1.0, 1.0], "1x2"),
        ([0.0, 60.0, 120.0], "0+60x2"),
        ([5.0, 4.5, 4.0], "5-0.5x2"),
        ([1.0, 2.0], "1 2"),
        ([None, None, 3.0, None, None, None], "_x2 3 stale _x2"),
        ([], ""),
    ],
)
def test_samples_are_written_as_promtool_reads_them(samples: list[float | None], text: str) -> None:
    assert written(samples) == text
    assert expanded(text) == samples


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("5..", "500"),
        ("chat-.+", "chat-0"),
        ("Unknown|Internal", "Unknown"),
        ("(?:a|b)c{2}", "acc"),
        (r"10\.\d+", "10.5"),
        ("[abc]+", "a"),
        ("a{999}", "a"),
        ("", ""),
        ("[^a]", None),
        ("(?=a)", None),
        ("(" * 50, None),
        ("a)", None),
        ("a" * 600, None),
    ],
)
def test_a_text_that_a_pattern_matches_is_made_without_running_it(pattern: str, text: str | None) -> None:
    assert sample_of(pattern) == text


def test_shapes_are_there_for_a_time() -> None:
    def values(shape: Shape, **labels: str) -> list[float | None]:
        return [shape.value(Moment(step, step * 60.0, 240.0, step * 60.0), labels) for step in range(5)]

    assert values(Shape(level=1.0, until=120.0)) == [1.0, 1.0, 1.0, None, None]
    assert values(Shape(level=1.0, until=120.0, then=0.0))[-1] == 0.0
    assert values(Shape(level=1.0, since=60.0)) == [None, None, None, 1.0, 1.0]
    assert values(Shape(level=10.0, slope=-1.0))[-2:] == [70.0, 10.0]
    assert values(Shape(slope=-1.0))[-1] == 0.0
    assert values(Shape(slope=1.0, bound=2.0), le="1") == [0.0] * 5
    assert values(Shape(slope=1.0, bound=2.0), le="+Inf")[-1] == 240.0
    assert values(Shape(level=-5.0, clock=1.0))[-1] == 235.0
    assert values(Shape(level=1.0, flips=1.0)) == [1.0, 2.0, 1.0, 2.0, 1.0]


def test_a_case_lasts_as_long_as_windows_and_for() -> None:
    def of(text: str, held: float = 0.0) -> span.Span:
        return span.of(promql_parser.parse(text), held, lambda _: None)

    assert of("x > 1", 600).steps == 13
    assert of("rate(x[1m]) > 1").interval == 15.0
    assert of("x offset 1h").warm == 3600.0
    assert of("max_over_time(rate(x[5m])[1h:1m]) > 1").warm == 3900.0
    assert of("x > 1", 30).interval == 30.0
    assert of("rate(x[3d]) > 1").interval == 240.0
    assert duration(3900) == "1h5m"


def test_series_are_those_that_there_are() -> None:
    source = LiveSeries(stored('app{name="a", sync="Synced"}', 'app{name="b", sync="Synced"}'))
    (here,) = parse('app{sync="Synced"}').selectors
    assert [each["name"] for each in find(here, source).series] == ["a", "b"]
    (other,) = parse('app{sync!="Synced"}').selectors
    found = find(other, source)
    assert found.invented == ('sync="other"',)
    assert {each["sync"] for each in found.series} == {"other"}
    (label,) = parse('app{state="x"}').selectors
    assert find(label, source).lack == "no series of app has the label state"
    (metric,) = parse("ap").selectors
    assert find(metric, source).lack == "no target delivers ap"
    (target,) = parse('app{job="x"}').selectors
    assert find(target, source).lack == 'no series of app has job="x"'


def test_series_are_chosen_so_that_they_can_be_joined() -> None:
    tree = promql_parser.parse('x{k="v"} * on (pod) group_left y > 0')
    selectors = {key_of(each): each for each in Book(()).leaves(tree)}
    source = LiveSeries(stored('x{k="v", pod="b", node="n"}', 'y{pod="a", node="n"}', 'y{pod="b", node="m"}'))
    found = {key: find(each, source) for key, each in selectors.items()}
    best = choices(selectors, found, joins_of(tree, Book(())))[0]
    assert best.series["y{}"][0]["pod"] == "b"


class Recorded:
    """A source with one series of each metric."""

    def series(self, selector: Any, most: int) -> list[Mapping[str, str]]:
        return [{"__name__": selector.name, "job": "j"}] if not selector.name.startswith("no_") else []


def derived(expression: str, condition: Callable[[Values], bool], **fields: Any) -> tuple[Derived, Engine]:
    """Return what is derived of one alert where the engine evaluates a condition."""
    engine = Engine(condition, fields.pop("annotations", {}))
    rule = Rule("g", {"alert": "A", "expr": expression, "labels": {"severity": "high"}, **fields})
    (found,) = derive([rule], Recorded(), engine)
    return found, engine


def test_both_cases_of_an_alert_are_derived() -> None:
    found, _ = derived("x > 5", lambda v: (v.get("x") or 0) > 5, **{"for": "2m", "annotations": {"summary": "s"}})
    assert found.fires is not None
    assert found.silent is not None
    assert [line.values for line in found.fires.lines] == ["5.25x4"]
    assert [line.values for line in found.silent.lines] == ["5x4"]
    assert found.fires.expected == {60.0: (), 120.0: found.alerts}
    assert found.alerts == [Fired({"alertname": "A", "severity": "high"}, {"summary": "s"})]
    assert found.why == ""
    text = found.text(["rules.yaml"])
    assert "      # x: stays at 5.25\n      - series: 'x{job=\"j\"}'\n        values: '5.25x4'\n" in text
    assert "severity: 'high'" in text


def test_an_alert_that_nothing_lets_fire_never_does() -> None:
    found, _ = derived("x > 5 and x < 3", lambda _: False)
    assert (found.never, found.fires, found.why) == (True, None, "no values were found with which it fires")


@pytest.mark.parametrize(
    "expression",
    [
        "x == 1 and on (a) x == 2",  # another series may have the other value
        "count(x) > 1",  # there may be more of it
        "stddev(x) > 5",
        "hour() > 25",
    ],
)
def test_what_values_alone_do_not_tell_is_not_called_impossible(expression: str) -> None:
    found, _ = derived(expression, lambda _: False)
    assert not found.never
    assert found.why


def test_series_that_are_missing_are_named_and_nothing_is_found() -> None:
    found, _ = derived("no_such > 5", lambda v: "no_such" in v)
    assert (found.missing, found.fires) == (("no target delivers no_such",), None)
    assert not found.never


def test_an_expression_that_cannot_be_read_has_no_case() -> None:
    found, _ = derived("x >", lambda _: True)
    assert found.why == "its expression cannot be read here"


def test_an_engine_that_does_not_end_leaves_an_alert_without_case() -> None:
    engine = Engine(lambda _: True, broken="did not end within 5 s")
    (found,) = derive([Rule("g", {"alert": "A", "expr": "x > 5"})], Recorded(), engine)
    assert found.why == "it cannot be evaluated: promtool did not end within 5 s"
    assert not found.never


def test_what_promtool_prints_of_alerts_is_read() -> None:
    text = '[\n 0:\n  Labels:{alertname="A", path="C:\\\\x", "a.b"="c"}\n  Annotations:{s="say \\"hi\\"\\n"}\n ]'
    assert alerts_in(text) == [Fired({"alertname": "A", "path": "C:\\x", "a.b": "c"}, {"s": 'say "hi"\n'})]


def test_what_is_recorded_comes_before_what_reads_it() -> None:
    groups = [
        {"name": "g", "rules": [{"alert": "A", "expr": "b > 1"}]},
        {"name": "h", "rules": [{"record": "b", "expr": "sum(a)"}, {"record": "a", "expr": "x"}]},
    ]
    book = Book(list(of_groups(groups)))
    names = [rule.get("record") or rule["alert"] for rule in book.file(book.named("A"))["groups"][0]["rules"]]
    assert names == ["a", "b", "A"]
    assert [str(each) for each in book.leaves(promql_parser.parse("b > 1"))] == ["x"]


@pytest.mark.parametrize(
    "records", [{"a:b": "a:b + rate(x[5m])"}, {"a:b": "sum(c:d)", "c:d": "a:b or rate(x[5m])"}], ids=["itself", "two"]
)
def test_a_recorded_series_that_is_made_of_itself_is_read_as_it_is(records: dict[str, str]) -> None:
    """Prometheus takes the sample of the evaluation before; who follows it would never end."""
    groups = [{"name": "g", "rules": [{"record": name, "expr": expr} for name, expr in records.items()]}]
    book = Book(list(of_groups(groups)))
    alert = Rule("g", {"alert": "A", "expr": "a:b > 1"})
    assert [str(each) for each in book.leaves(promql_parser.parse("a:b > 1"))] == ["a:b"]
    assert sorted(rule.record for rule in book.needed([alert])) == sorted(records)
    (found,) = derive([*book.rules, alert], Recorded(), Engine(lambda _: True), [alert])
    assert found.fires is not None


RULES = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: rules, namespace: shop}
spec:
  groups:
  - name: g
    rules:
    - alert: A
      expr: x > 5
      for: 2m
      labels: {severity: high}
      annotations: {summary: s}
"""


def layer_of(tmp_path: Path, text: str = RULES) -> Any:
    """Return a layer that has one PrometheusRule, and keeps cases in `cases`."""
    objects = rendered(text)
    (tmp_path / ".git").mkdir(exist_ok=True)
    (tmp_path / "cases").mkdir(exist_ok=True)
    return SimpleNamespace(
        rendered=objects,
        of_kind=lambda _: objects,
        located=lambda cause, otherwise: cause.located(otherwise.place(*cause.field)),
        directory=tmp_path,
        alert_cases="cases",
        not_judged=(),
    )


def test_findings_name_what_is_wrong(tmp_path: Path) -> None:
    layer = layer_of(tmp_path)
    (wanted,) = alerts.of_layer(layer)
    rule = Rule("g", wanted.entry)
    (never,) = alerts.check(wanted, Derived(rule, never=True, why="w"), layer)
    assert (never.promise, never.cause.id) == (Promise.ALERTS, "alert-never-fires")
    (brief,) = alerts.check(wanted, Derived(rule, lasts=True, why="w"), layer)
    assert brief.cause.id == "alert-for-unreachable"
    assert "120 s" in brief.cause.sentence
    assert alerts.check(wanted, Derived(rule, missing=("m",), lasts=True), layer) == []
    told = alerts.unknown(wanted, Derived(rule, why="w"))
    assert told is not None
    assert (told.reason, told.problem) == (Reason.CASE, "the alert A has no case in which it fires: w")
    assert alerts.unknown(wanted, Derived(rule)) is None


@pytest.mark.parametrize("text", ["<error expanding template: no such thing>", "a <no value> b"])
def test_a_text_that_cannot_be_rendered_is_told(tmp_path: Path, text: str) -> None:
    layer = layer_of(tmp_path)
    found, _ = derived("x > 5", lambda v: (v.get("x") or 0) > 5, annotations={"summary": text})
    (wanted,) = alerts.of_layer(layer)
    (told,) = alerts.check(wanted, found, layer)
    assert told.cause.id == "alert-text-fails"
    assert told.cause.sentence.startswith("the annotation summary of the alert A ")


KEPT = """
rule_files: [/etc/passwd]
evaluation_interval: 1m
tests:
  - name: it fires
    interval: 1m
    input_series:
      - series: x
        values: '6x4'
    alert_rule_test:
      - eval_time: 2m
        alertname: A
        exp_alerts:
          - exp_labels: {severity: high}
"""


def kept_finding(tmp_path: Path, text: str, threshold: float = 5) -> tuple[str, str] | None:
    layer = layer_of(tmp_path)
    (tmp_path / "cases" / "A.test.yaml").write_text(text)
    (each,) = kept.of_layer(layer)
    assert each.id == "A"
    found = kept.check(each, layer, Engine(lambda v: (v.get("x") or 0) > threshold))
    return (found[0].cause.id, found[0].cause.remedy) if found else None


def test_a_kept_case_holds_or_is_told_with_its_line(tmp_path: Path) -> None:
    assert kept_finding(tmp_path, KEPT) is None
    told = kept_finding(tmp_path, KEPT, threshold=9)
    assert told is not None
    assert told[0] == "alert-case-fails"
    assert told[1].endswith("(cases/A.test.yaml:5)")


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ("alertname: A", "alertname: B", "alert-case-stale"),
        ("alert_rule_test:", "other:", "alert-case-invalid"),
        ("tests:", "no:", "alert-case-invalid"),
        ("'6x4'", "'6x4000000000'", "alert-case-invalid"),
        ("eval_time: 2m", "eval_time: 100y", "alert-case-invalid"),
        ("tests:", "tests: [", "alert-case-invalid"),
    ],
)
def test_what_is_no_case_is_told(tmp_path: Path, before: str, after: str, cause: str) -> None:
    told = kept_finding(tmp_path, KEPT.replace(before, after))
    assert told is not None
    assert told[0] == cause


def test_an_alert_of_what_is_not_judged_is_no_stale_one(tmp_path: Path) -> None:
    layer = layer_of(tmp_path)
    (tmp_path / "cases" / "B.test.yaml").write_text(KEPT.replace("alertname: A", "alertname: B"))
    (each,) = kept.of_layer(layer)
    assert kept.unknown(each, layer) is None
    layer.not_judged = (SimpleNamespace(object="application/a -n argocd"),)
    assert kept.check(each, layer, Engine(lambda _: True)) == []
    told = kept.unknown(each, layer)
    assert told is not None
    assert told.problem.endswith("application/a -n argocd is not judged")


def test_no_file_that_a_kept_case_names_is_opened(tmp_path: Path) -> None:
    layer = layer_of(tmp_path)
    (tmp_path / "cases" / "A.test.yaml").write_text(KEPT)
    engine = Engine(lambda v: (v.get("x") or 0) > 5)
    (each,) = kept.of_layer(layer)
    kept.check(each, layer, engine)
    ((_, files),) = enumerate(engine.files)
    assert "passwd" not in files["kept.test.yaml"]


def test_a_directory_of_cases_that_is_not_there_is_told(tmp_path: Path) -> None:
    layer = layer_of(tmp_path)
    layer.alert_cases = "elsewhere"
    (each,) = kept.of_layer(layer)
    assert kept.check(each, layer, Engine(lambda _: True))[0].cause.id == "alert-case-invalid"
    layer.alert_cases = ""
    assert list(kept.of_layer(layer)) == []


def test_cases_are_written_into_the_run(tmp_path: Path) -> None:
    layer = layer_of(tmp_path)
    engine = Engine(lambda v: (v.get("x") or 0) > 5)
    found = alerts.Synthetic(layer, Recorded(), lambda: engine, tmp_path / "alerts")
    (wanted,) = alerts.of_layer(layer)
    assert alerts.figures(found.of(wanted)) == {"cases that fire": 1, "cases that do not": 1}
    assert sorted(path.name for path in (tmp_path / "alerts").iterdir()) == ["A.rules.yaml", "A.test.yaml"]


def test_a_series_is_written_as_promql() -> None:
    assert series_text({"__name__": "x", "a": 'b"c'}) == 'x{a="b\\"c"}'
