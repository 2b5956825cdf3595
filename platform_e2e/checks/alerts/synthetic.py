"""The cases of all alerts of a layer: derived once, together, and written into the run's directory as evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import yaml

from platform_e2e import redact
from platform_e2e.checks.alerts.book import Book
from platform_e2e.checks.alerts.check import of_layer, rules_of
from platform_e2e.checks.alerts.derive import Derived, derive
from platform_e2e.checks.alerts.populations import Source
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.layer import Layer
from platform_e2e.toolbox.promtool import Promtool

DIRECTORY = "alerts"
"""Of a run: where the cases of its alerts are."""

SUFFIX = ".test.yaml"


class Synthetic:
    """The cases of a layer's alerts.

    Args:
        layer: that has the alerts.
        source: of the series that there are.
        promtool: returns what evaluates, the first time that it is needed.
        directory: where the cases are written.
    """

    def __init__(self, layer: Layer, source: Source, promtool: Callable[[], Promtool], directory: Path) -> None:
        self._source, self._directory = source, directory
        self._promtool = promtool
        self._rules = rules_of(layer)
        self._alerts = list(of_layer(layer))
        self._book = Book(self._rules)

    def of(self, wanted: WantedRule) -> Derived:
        """Return the cases of an alert; of one whose series were not there yet, derived once more."""
        found = self._all[wanted.id]
        if found.missing and found.fires is None:
            (found,) = derive(self._rules, self._source, self.promtool, [wanted])
            self._write(wanted, found)
        return found

    @cached_property
    def promtool(self) -> Promtool:
        """Return what evaluates."""
        return self._promtool()

    @cached_property
    def _all(self) -> Mapping[str, Derived]:
        derived = derive(self._rules, self._source, self.promtool, self._alerts)
        found = {wanted.id: each for wanted, each in zip(self._alerts, derived, strict=True)}
        for wanted in self._alerts:
            self._write(wanted, found[wanted.id])
        return found

    def _write(self, wanted: WantedRule, derived: Derived) -> None:
        if derived.fires is None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        name = name_of(wanted, [each.name for each in self._alerts])
        rules = f"{name}.rules.yaml"
        slices = yaml.safe_dump(
            self._book.file(self._book.named(wanted.alert)), sort_keys=False, width=120, allow_unicode=True
        )
        for file, text in ((rules, slices), (name + SUFFIX, derived.text([rules]))):
            (self._directory / file).write_text(redact.text(text), encoding="utf-8")


def name_of(wanted: WantedRule, names: Sequence[str]) -> str:
    """Return the name of the files of an alert: its own, and with that its severity and place where several have it.

    Args:
        wanted: the alert.
        names: of all alerts.
    """
    plain = re.sub(r"[^\w.-]", "-", wanted.name)
    if names.count(wanted.name) < 2:
        return plain
    return "-".join([plain, re.sub(r"[^\w.-]", "-", wanted.texts("labels").get("severity", "")), *map(str, wanted.at)])
