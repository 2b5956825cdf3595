"""Conditions on one field of an object: `.status.phase=Running`, `.spec.ports[0].name!=http`, `.data['a.b']`.

    eventually(kube.one("v1/Pod", "chat", "chat-dev"), field(".status.phase=Running").judge, timeout=60, what="chat runs")

A field that is absent, null or empty meets no condition.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.objects import Object
from platform_e2e.kube.readiness import ABSENT
from platform_e2e.kube.verdict import Met, Pending, Verdict

STEP = re.compile(
    r"""\.(?P<key>(?:\\.|[^\\.\[\]=!{}'"\s])+) | \[(?P<index>\d+)\] | \[(?P<all>\*)\] | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
"""One step of a path: a key with dots escaped as for kubectl, an index, all items of a list, or a quoted key."""

HIDDEN_KIND = "Secret"
"""Kind of which no value is shown: even an annotation may contain all its data, such as kubectl's."""

SHOWN = 80
"""Characters of a value that are shown."""

Step = str | int | None
"""A key, an index, or None for all items of a list."""


@dataclass(frozen=True)
class Field:
    """A condition on one field.

    Attributes:
        written: the path as it was written.
        steps: the path, from the object down.
        value: that the field must or must not have; None if it must only be present and not empty.
        negated: whether the field must have another value.
    """

    written: str
    steps: tuple[Step, ...]
    value: str | None = None
    negated: bool = False

    @property
    def phrase(self) -> str:
        """Return the condition in words that follow the object's name."""
        if self.value is None:
            return f"has {self.written}"
        return f"has {self.written}{'!=' if self.negated else '='}{self.value}"

    def judge(self, obj: Object | None) -> Verdict:
        """Judge an object. The value is that of the field, or a list where the path leads to several."""
        if obj is None:
            return ABSENT
        found = [value for value in _follow(obj, self.steps) if value not in (None, "", [], {})]
        if not found:
            return Pending(f"has no {self.written}")
        if self.value is None:
            return Met(found[0] if len(found) == 1 else found)
        if all((_text(value) == self.value) is not self.negated for value in found):
            return Met(found[0] if len(found) == 1 else found)
        hidden = obj.get("kind") == HIDDEN_KIND
        shown = "a value that is not shown" if hidden else ", ".join(_short(_text(value)) for value in found)
        return Pending(f"{self.written} is {shown}" + ("" if self.negated else f", not {self.value}"))


def field(text: str) -> Field:
    """Parse a condition on a field.

    Args:
        text: `PATH`, `PATH=VALUE`, `PATH==VALUE` or `PATH!=VALUE`; the path may be in braces as for kubectl.

    Raises:
        WrongUsage: the path cannot be parsed.
    """
    rest = text.strip()
    braced = rest.startswith("{")
    rest = rest.removeprefix("{")
    if not rest.startswith((".", "[")):
        rest = f".{rest}"
    steps: list[Step] = []
    place = 0
    while found := STEP.match(rest, place):
        steps.append(_step(found))
        place = found.end()
    path, rest = rest[:place], rest[place:]
    closed = rest.startswith("}") == braced
    rest = rest.removeprefix("}")
    operator = re.match(r"(!=|==?)(.*)", rest, re.DOTALL)
    if not steps or not closed or (rest and not operator):
        raise WrongUsage(
            f"a field must be written PATH, PATH=VALUE or PATH!=VALUE, got `{text}`",
            "write a path such as .status.phase, .spec.ports[0].name or .data['a.b']",
        )
    if operator is None:
        return Field(path, tuple(steps))
    return Field(path, tuple(steps), operator[2].strip("'\""), operator[1] == "!=")


def _step(found: re.Match[str]) -> Step:
    if found["index"]:
        return int(found["index"])
    if found["all"]:
        return None
    return found["quoted"] if found["quote"] else re.sub(r"\\(.)", r"\1", found["key"])


def _follow(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """Yield the values at the end of a path."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield from _follow(value[step], rest)
    elif isinstance(value, list):
        for item in value if step is None else value[step : step + 1]:
            yield from _follow(item, rest)


def _text(value: Any) -> str:
    """Return a value as a person writes it: true, 3, Running, and JSON for lists and mappings."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
