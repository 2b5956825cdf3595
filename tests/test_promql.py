"""What is read of PromQL: selectors, windows, joins, labels of the result, templates and variables."""

from __future__ import annotations

import pytest

from platform_e2e import promql
from platform_e2e.promql import Labels, PromQLError, parse


@pytest.mark.parametrize(
    ("text", "selectors"),
    [
        ("vector(1)", []),
        ('up{job="a"} == 0', [('up{job="a"}', None, "")]),
        ("rate(x_total[5m]) / 3", [("x_total", 300.0, "rate")]),
        ("max_over_time(rate(x[1m])[10m:1m])", [("x", 60.0, "rate")]),
        ('absent(x{a="b"})', [('x{a="b"}', None, "")]),
        ('{__name__=~"a.*", b!="c"}', [('{__name__=~"a.*", b!="c"}', None, "")]),
        ('{__name__="a"}', [("a", None, "")]),
        ("topk(3, x) or on (a) x", [("x", None, "")]),
        ("quantile(scalar(y), x)", [("y", None, ""), ("x", None, "")]),
    ],
)
def test_what_an_expression_reads(text: str, selectors: list[tuple[str, float | None, str]]) -> None:
    found = [(str(each), each.window, each.function) for each in parse(text).selectors]
    assert sorted(found, key=str) == sorted(selectors, key=str)
    assert parse(text).constant == (not selectors)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("x", Labels()),
        ("sum(x)", Labels(frozenset())),
        ("sum by (a, b) (x)", Labels(frozenset({"a", "b"}))),
        ("sum without (a) (x)", Labels(dropped=frozenset({"a"}))),
        ("sum without (a) (sum by (a, b) (x))", Labels(frozenset({"b"}), dropped=frozenset({"a"}))),
        ("topk(2, sum by (a) (x))", Labels(frozenset({"a"}))),
        ('count_values("v", x)', Labels(frozenset({"v"}))),
        ("x > 3", Labels()),
        ("3 < x", Labels()),
        ("x / on (a) y", Labels(frozenset({"a"}))),
        ("x / ignoring (a) y", Labels(dropped=frozenset({"a"}))),
        ("x * on (a) group_left (c) y", Labels(added=frozenset({"c"}))),
        ("x * on (a) group_right (c) sum by (a) (y)", Labels(frozenset({"a"}), frozenset({"c"}))),
        ("x unless on (a) sum by (a) (y)", Labels()),
        ("sum by (a) (x) or sum by (b) (y)", Labels(frozenset({"a", "b"}))),
        ('label_replace(sum(x), "n", "$1", "m", "(.*)")', Labels(frozenset(), frozenset({"n"}))),
        ("histogram_quantile(0.9, sum by (le, a) (rate(x_bucket[5m])))", Labels(frozenset({"le", "a"}), dropped=frozenset({"le"}))),
        ('absent(x{a="1", b=~"2"})', Labels(frozenset({"a"}))),
        ("-(x)", Labels()),
        ("vector(1)", Labels(frozenset())),
    ],
)  # fmt: skip
def test_which_labels_a_result_has(text: str, labels: Labels) -> None:
    assert parse(text).labels == labels


def test_a_label_may_be_one_of_the_series_that_are_read() -> None:
    read = frozenset({"a", "b"})
    assert parse("x").labels.may_have("a", read)
    assert not parse("x").labels.may_have("c", read)
    assert not parse("sum without (a) (x)").labels.may_have("a", read)
    assert parse("x * on (a) group_left (c) y").labels.may_have("c", read)


@pytest.mark.parametrize(
    ("text", "joins"),
    [
        ("x > 3", []),
        ("x > scalar(y)", []),
        ("x or y", []),
        ("x unless y", []),
        ("x / on (a) y > 0", [("x", "/", "y", "on (a)")]),
        ("x and y", [("x", "and", "y", "")]),
        ("sum(x) / (sum(y) * 2)", [("sum(x)", "/", "(sum(y) * 2)", "")]),
    ],
)
def test_which_vectors_are_joined(text: str, joins: list[tuple[str, str, str, str]]) -> None:
    assert [(each.left, each.operator, each.right, each.matching) for each in parse(text).joins] == joins


@pytest.mark.parametrize("text", ["sum(", "rate(x)", "x{", "", "x[$__range]"])
def test_what_is_not_promql_is_told(text: str) -> None:
    with pytest.raises(PromQLError, match=r"\w"):
        parse(text)


def test_two_expressions_are_the_same_however_they_are_written() -> None:
    assert promql.same('sum by(a)(x{b="c",d="e"})>1', 'sum by (a) (x{b="c", d="e"}) > 1')
    assert not promql.same("x > 1", "x > 2")
    assert promql.same("x[", "x [")


def test_a_template_names_labels() -> None:
    assert list(promql.templated('{{ $labels.pod }} of {{ index $labels "a-b" }}: {{ $value }}')) == ["pod", "a-b"]


def test_variables_of_grafana_are_replaced() -> None:
    text = 'rate(x{a="$a", b=~"${b:regex}", c="[[c]]", d="$d"}[$__rate_interval])'
    values = {"a": "1", "b": "2|3", "c": "4", "__rate_interval": "1m"}
    assert promql.without_variables(text, values) == 'rate(x{a="1", b=~"2|3", c="4", d="$d"}[1m])'


def test_a_condition_is_written_so_that_it_is_read_again() -> None:
    (selector,) = parse(r'x{a="q\"uo\\te"}').selectors
    assert parse(str(selector)).selectors == (selector,)
