"""A promtool that evaluates one condition instead of PromQL: for what is derived of alerts and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from platform_e2e.layer.durations import seconds_of
from platform_e2e.toolbox.promtool import Failures, Promtool, PromtoolError

Values = Mapping[str, float | None]
"""The value of each series at a time, by its name."""


def expanded(text: str) -> list[float | None]:
    """Return the samples that a text in promtool's notation stands for."""
    found: list[float | None] = []
    for word in text.split():
        gone = re.fullmatch(r"_(?:x(\d+))?|stale", word)
        if gone:
            found += [None] * int(gone[1] or 1)
            continue
        line = re.fullmatch(r"(-?[\d.e]+)(?:([+-][\d.e]+)?x(\d+))?", word)
        assert line is not None, word
        found += [float(line[1]) + float(line[2] or 0) * step for step in range(int(line[3] or 0) + 1)]
    return found


@dataclass
class Engine(Promtool):
    """Evaluate a condition.

    Attributes:
        condition: whether the expression returns something, from the values of all series.
        annotations: of an alert that fires.
        refused: why it would not load a rule.
        broken: why no run has results; empty where they have.
        files: of each run.
    """

    condition: Callable[[Values], bool]
    annotations: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""
    refused: str = ""
    files: list[Mapping[str, str]] = field(default_factory=list)

    def refusal(self, rules: Any) -> str:
        return self.refused

    def test(self, files: Mapping[str, str], *, timeout: float = 0) -> Failures:
        self.files.append(dict(files))
        if self.broken:
            raise PromtoolError(self.broken)
        groups: dict[tuple[str, str], list[str]] = {}
        for name, text in files.items():
            content = yaml.safe_load(text) if name.endswith(".test.yaml") else {}
            for group in content.get("tests", ()):
                rules = (
                    json.loads(files[content["rule_files"][0]])["groups"][0]["rules"] if content["rule_files"] else []
                )
                told = [*self._expressions(group), *self._alerts(group, rules)]
                if told:
                    groups[name, group["name"]] = told
        return Failures(groups, {})

    def _holds(self, group: Any, at: float) -> bool:
        step = round(at / seconds_of(group["interval"]))
        series = {each["series"].partition("{")[0]: expanded(each["values"]) for each in group["input_series"]}
        return self.condition({name: values[step] if step < len(values) else None for name, values in series.items()})

    def _expressions(self, group: Any) -> list[str]:
        asked = group.get("promql_expr_test", ())
        times = [each["eval_time"] for each in asked if self._holds(group, seconds_of(each["eval_time"]))]
        return [f'    expr: "x", time: {at},\n        exp: nil\n        got: {{}} 1E+00' for at in times]

    def _alerts(self, group: Any, rules: list[Any]) -> list[str]:
        found = []
        for asked in group.get("alert_rule_test", ()):
            rule = next(each for each in rules if each.get("alert") == asked["alertname"])
            at, held = seconds_of(asked["eval_time"]), seconds_of(rule.get("for", "0s"))
            step = seconds_of(group["interval"])
            times = [at - step * number for number in range(int(held / step) + 1)]
            fires = all(each >= 0 and self._holds(group, each) for each in times)
            if fires == bool(asked["exp_alerts"]):
                continue
            labels = ", ".join(f'{k}="{v}"' for k, v in {"alertname": rule["alert"], **rule.get("labels", {})}.items())
            texts = ", ".join(f'{k}="{v}"' for k, v in self.annotations.items())
            got = f"[\n  0:\n    Labels:{{{labels}}}\n    Annotations:{{{texts}}}\n  ]" if fires else "[]"
            found.append(f"    alertname: x, time: {asked['eval_time']}, \n        exp:[], \n        got:{got}")
        return found
