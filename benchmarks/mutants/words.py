"""The words of a PromQL expression and where each stands, also of one with Grafana's variables.

promql-parser tells no positions, and takes no variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_WORD = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<window>\[[^\]]*\])
    |(?P<variable>\$\{[^}]*\}|\$\w+|\[\[[^\]]*\]\])
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w:]))
    |(?P<name>[a-zA-Z_:][\w:]*)
    |(?P<operator>==|!=|>=|<=|=~|!~|[=<>+\-*/%^])
    |(?P<bracket>[(){},])""",
    re.VERBOSE,
)

AGGREGATIONS = frozenset(
    {"sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "quantile"}
    | {"bottomk", "topk", "limitk", "limit_ratio"}
)
"""Operators that take series together (docs/querying/operators.md)."""

GROUPINGS = frozenset({"by", "without"})
MATCHINGS = frozenset({"on", "ignoring"})
GROUPS = frozenset({"group_left", "group_right"})
KEYWORDS = (
    GROUPINGS | MATCHINGS | GROUPS | {"bool", "offset", "and", "or", "unless", "atan2", "inf", "nan", "start", "end"}
)

COMPARISONS = frozenset({"==", "!=", ">=", "<=", ">", "<"})
MATCHES = frozenset({"=", "!=", "=~", "!~"})


class Role(StrEnum):
    """What a word is in its expression."""

    METRIC = "metric"
    MATCHED = "matched label"
    GROUPED = "grouped label"
    JOINED = "joined label"
    TAKEN = "label of a group"
    VALUE = "value"
    WINDOW = "window"
    COMPARISON = "comparison"
    BOUND = "number after a comparison"
    MATCHING = "on or ignoring"
    GROUP = "group_left or group_right"


LISTS = {
    **dict.fromkeys(GROUPINGS, Role.GROUPED),
    **dict.fromkeys(MATCHINGS, Role.JOINED),
    **dict.fromkeys(GROUPS, Role.TAKEN),
}
"""What the names in brackets are after a word."""


@dataclass(frozen=True)
class Word:
    """One word.

    Attributes:
        role: what it is.
        start, end: where it stands.
        text: the word; of a string or a window what is within.
        label: of a value the name of its label.
    """

    role: Role
    start: int
    end: int
    text: str
    label: str = ""


def words(expression: str) -> Iterator[Word]:
    """Yield the words of an expression that can be changed.

    Args:
        expression: PromQL.
    """
    found = [each for each in _WORD.finditer(expression) if each.lastgroup != "comment"]
    within, listed, label, before = 0, None, "", ""
    for each, following in zip(found, [*found[1:], None], strict=True):
        text, after = each[0], following[0] if following else ""
        if text in {"{", "}"}:
            within += 1 if text == "{" else -1
        if within:
            label = text if each.lastgroup == "name" else label
            yield from _of_selector(each, after, label)
        else:
            listed = None if text == ")" else LISTS.get(text.lower(), listed)
            if text.lower() in GROUPS and after != "(":
                listed = None
            yield from _outside(each, before, after, listed, expression)
        before = text


def _of_selector(found: re.Match[str], after: str, label: str) -> Iterator[Word]:
    """Yield a word between braces."""
    start, end = found.span()
    if found.lastgroup == "name" and after in MATCHES:
        yield Word(Role.MATCHED, start, end, found[0])
    elif found.lastgroup == "string":
        yield Word(Role.VALUE, start + 1, end - 1, found[0][1:-1], label)


def _outside(found: re.Match[str], before: str, after: str, listed: Role | None, expression: str) -> Iterator[Word]:
    """Yield a word of no selector."""
    kind, text, (start, end) = found.lastgroup, found[0], found.span()
    if kind == "window":
        yield Word(Role.WINDOW, start + 1, end - 1, text[1:-1])
    elif kind == "operator" and text in COMPARISONS:
        yield Word(Role.COMPARISON, start, end, text)
    elif kind == "number" and before in COMPARISONS | {"bool"}:
        yield Word(Role.BOUND, start, end, text)
    elif kind == "name" and text.lower() in MATCHINGS:
        yield Word(Role.MATCHING, start, end, text)
    elif kind == "name" and text.lower() in GROUPS:
        yield Word(Role.GROUP, start, expression.find(")", end) + 1 if after == "(" else end, text)
    elif kind == "name" and text.lower() not in GROUPINGS and listed:
        yield Word(listed, start, end, text)
    elif kind == "name" and after != "(" and text.lower() not in KEYWORDS | AGGREGATIONS:
        yield Word(Role.METRIC, start, end, text)
