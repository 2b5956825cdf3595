"""A synthetic case: series with what they do, and which alerts fire when; written as a unit test that promtool runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Labels = Mapping[str, str]

WIDTH = 118
"""Characters of a line."""


@dataclass(frozen=True)
class Fired:
    """One alert that fires, as it is sent: its labels and its rendered texts."""

    labels: Labels
    annotations: Labels


@dataclass(frozen=True)
class Line:
    """One series of a case.

    Attributes:
        series: its labels, the name among them.
        values: in promtool's notation.
        about: what it does, in words.
    """

    series: Labels
    values: str
    about: str


@dataclass(frozen=True)
class Case:
    """Series, and what an alert does with them.

    Attributes:
        name: of the group of tests.
        alert: name of the alert.
        interval: seconds between two samples.
        lines: the series.
        expected: by seconds since the beginning, what fires.
    """

    name: str
    alert: str
    interval: float
    lines: Sequence[Line]
    expected: Mapping[float, Sequence[Fired]]


def plain(case: Case) -> dict[str, Any]:
    """Return a case as a group of tests, for promtool alone."""
    return {
        "name": case.name,
        "interval": duration(case.interval),
        "input_series": [{"series": series_text(each.series), "values": each.values} for each in case.lines],
        "alert_rule_test": [
            {
                "eval_time": duration(at),
                "alertname": case.alert,
                "exp_alerts": [
                    {"exp_labels": _without_name(each.labels), "exp_annotations": dict(each.annotations)}
                    for each in fired
                ],
            }
            for at, fired in sorted(case.expected.items())
        ],
    }


def file_of(groups: Sequence[Any], rule_files: Sequence[str], interval: float) -> str:
    """Return a file of unit tests, for promtool alone."""
    return json.dumps(
        {"rule_files": list(rule_files), "evaluation_interval": duration(interval), "tests": list(groups)}
    )


def pretty(cases: Sequence[Case], rule_files: Sequence[str], about: Iterable[str]) -> str:
    """Return a file of unit tests as a person reads it, with a comment for each series.

    Args:
        cases: of one alert.
        rule_files: with the alert and what it reads.
        about: lines of the comment at the beginning.
    """
    interval = min(case.interval for case in cases)
    head = [f"# {line}".rstrip() for line in about]
    body = ["rule_files:", *(f"  - {_scalar(name)}" for name in rule_files)]
    body += [f"evaluation_interval: {duration(interval)}", "tests:"]
    for case in cases:
        body += [f"  - name: {_scalar(case.name)}", f"    interval: {duration(case.interval)}"]
        body += ["    input_series:" if case.lines else "    input_series: []"]
        for line in case.lines:
            body += [f"      # {_one_line(line.about)}"] if line.about else []
            body += [f"      - series: {_quoted(series_text(line.series))}", f"        values: {_quoted(line.values)}"]
        body += ["    alert_rule_test:"]
        for at, fired in sorted(case.expected.items()):
            body += [f"      - eval_time: {duration(at)}", f"        alertname: {_scalar(case.alert)}"]
            body += ["        exp_alerts:" if fired else "        exp_alerts: []"]
            for each in fired:
                body += _mapping("          - exp_labels:", _without_name(each.labels))
                body += _mapping("            exp_annotations:", each.annotations)
    return "\n".join([*head, *body]) + "\n"


def series_text(labels: Labels) -> str:
    """Return a series as PromQL writes it."""
    name = labels.get("__name__", "")
    inner = ", ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(labels.items()) if key != "__name__"
    )
    return f"{name}{{{inner}}}" if inner or not name else name


def duration(seconds: float) -> str:
    """Return seconds as Prometheus writes a duration, such as `1h5m`."""
    left = round(seconds * 1000)
    text = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _without_name(labels: Labels) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != "alertname"}


def _mapping(head: str, values: Labels) -> list[str]:
    if not values:
        return [f"{head} {{}}"]
    indent = " " * (len(head) - len(head.lstrip(" -")) + 2)
    return [head, *(f"{indent}{_scalar(key)}: {_quoted(value)}" for key, value in sorted(values.items()))]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _scalar(text: str) -> str:
    plain_text: str = yaml.safe_dump(text, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()
    return plain_text if "\n" not in plain_text else json.dumps(text, ensure_ascii=False)


def _quoted(text: str) -> str:
    simple = "\n" not in text and text.isprintable()
    return "'" + text.replace("'", "''") + "'" if simple else json.dumps(text, ensure_ascii=False)
