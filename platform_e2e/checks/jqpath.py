"""jq paths: the fields of an object that one selects, for the part of jq in which `jqPathExpressions` are written, without programs.

Argo CD lets gojq delete what the expression leads to. Here fields, items, `select` with comparisons and `?` are followed;
whatever else jq knows ends the walk, and what it has reached so far may be more than what is meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.checks.git_differences import escaped, value_at

STEP = re.compile(
    r"\.?\[\s*(?P<any>)\]\??|\.?\[\s*(?P<index>-?\d+)\s*\]\??|\.?\[\s*\"(?P<quoted>(?:[^\"\\]|\\.)*)\"\s*\]\??"
    r"|\.\"(?P<text>(?:[^\"\\]|\\.)*)\"\??|\.(?P<name>[A-Za-z_]\w*)\??|\.(?=\s*(?:$|\|))"
)
"""A step that names one field, one item, or all of them; the last one is `.`, where the walk stays."""

LITERAL = r"\"(?:[^\"\\]|\\.)*\"|-?\d+(?:\.\d+)?|true|false|null"

TERM = re.compile(
    rf"(?P<path>\.[^\s=!|()]*)\s*(?:(?P<sign>==|!=)\s*(?P<value>{LITERAL})"
    r"|\|\s*(?P<call>test|startswith|endswith)\(\s*(?P<text>\"(?:[^\"\\]|\\.)*\")\s*\))"
)
"""One comparison within `select`."""

SELECT = re.compile(r"select\((?P<inside>.*)\)")

Chosen = Callable[[Any], bool]


@dataclass(frozen=True)
class Reached:
    """Where an expression leads.

    Attributes:
        pointers: JSON pointers into the object.
        exact: whether these are what jq means; else each may be above it.
    """

    pointers: tuple[str, ...]
    exact: bool


def reached(expression: str, obj: Any) -> Reached:
    """Return where a jq path leads in an object.

    Args:
        expression: as in jqPathExpressions.
        obj: the object.
    """
    found = [""]
    for position, stage in enumerate(_stages(expression)):
        chosen = _selection(stage)
        if chosen is not None:
            found = [pointer for pointer in found if chosen(value_at(obj, pointer))]
            continue
        rest = stage
        while rest:
            step = STEP.match(rest)
            if step is None or (rest is stage and position and not rest.startswith(".")):
                return Reached(tuple(found) if found != [""] else (), exact=False)
            found = [into for pointer in found for into in _into(pointer, value_at(obj, pointer), step)]
            rest = rest[step.end() :].strip()
    return Reached(tuple(found), exact=True)


def _stages(expression: str) -> Iterator[str]:
    """Yield what stands between the pipes of an expression, those within brackets and texts aside."""
    depth, start, quoted = 0, 0, False
    for place, sign in enumerate(expression):
        if sign == '"' and expression[place - 1 : place] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (sign in "([") - (sign in ")]")
            if sign == "|" and depth == 0:
                yield expression[start:place].strip()
                start = place + 1
    yield expression[start:].strip()


def _into(pointer: str, value: Any, step: re.Match[str]) -> Iterator[str]:
    """Yield where a step leads; nowhere where the object has no such field or item."""
    if step["any"] is not None:
        names = range(len(value)) if isinstance(value, list) else value if isinstance(value, Mapping) else ()
        yield from (f"{pointer}/{escaped(name)}" for name in names)
    elif step["index"] is not None:
        index = int(step["index"])
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield f"{pointer}/{index % len(value)}"
    else:
        text = next((step[group] for group in ("quoted", "text") if step[group] is not None), None)
        name = json.loads(f'"{text}"', strict=False) if text is not None else step["name"]
        if name is None:
            yield pointer
        elif isinstance(value, Mapping) and name in value:
            yield f"{pointer}/{escaped(name)}"


def _selection(stage: str) -> Chosen | None:
    """Return what `select(...)` demands of a value; None where the stage is something else or says more."""
    found = SELECT.fullmatch(stage)
    if found is None:
        return None
    parts = re.split(r"\s+(and|or)\s+", found["inside"].strip())
    terms = [_term(part) for part in parts[::2]]
    known = [term for term in terms if term is not None]
    joints = set(parts[1::2])
    if len(known) != len(terms) or len(joints) > 1:
        return None
    join = any if joints == {"or"} else all
    return lambda value: join(term(value) for term in known)


def _term(text: str) -> Chosen | None:
    """Return what one comparison demands of a value, or None."""
    found = TERM.fullmatch(text.strip())
    if found is None:
        return None
    path = found["path"]
    if found["call"]:
        wanted = json.loads(found["text"])
        return lambda value: any(_called(str(found["call"]), item, wanted) for item in _values(path, value))
    literal = json.loads(found["value"])
    if found["sign"] == "==":
        return lambda value: literal in _values(path, value)
    return lambda value: literal not in _values(path, value)


def _values(path: str, value: Any) -> list[Any]:
    """Return what a path within `select` leads to; one null where it leads nowhere, as jq has it."""
    return [value_at(value, pointer) for pointer in reached(path, value).pointers] or [None]


def _called(name: str, value: Any, wanted: str) -> bool:
    """Return what one of jq's functions of texts says."""
    if not isinstance(value, str):
        return False
    if name == "test":
        # Without its repetitions: an expression of a stranger must not keep this process busy.
        return wanted.strip("^$") in value if re.fullmatch(r"[\w.^$/-]*", wanted) else True
    return value.startswith(wanted) if name == "startswith" else value.endswith(wanted)
