"""Kept cases: a case in which a sound alert fires and one in which it does not, run on what became of it.

A team keeps such cases beside its layer (`alertCases` of platform-e2e.yaml): they hold the alert to what it did when they were kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from benchmarks.mutants.chosen import Mutant, Subject
from benchmarks.mutants.sources import Source
from platform_e2e.checks.alerts.book import Book
from platform_e2e.checks.alerts.derive import Derived, derive
from platform_e2e.checks.alerts.live import LiveSeries
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.rules.wanted import Rule, WantedRule
from platform_e2e.toolbox.promtool import Promtool

RULES, CASES = "rules.yaml", "kept.test.yaml"


class KeptCases:
    """The cases of all alerts of some sources.

    Args:
        sources: with the rules.
        prometheus: whose series the cases are made of.
    """

    def __init__(self, sources: Sequence[Source], prometheus: Prometheus) -> None:
        self._source = LiveSeries(prometheus)
        self.promtool = Promtool.built()
        self._rules: Mapping[str, list[Rule]] = {source.name: list(map(_rule, source.rules)) for source in sources}

    def of(self, subjects: Sequence[Subject]) -> dict[str, Derived]:
        """Return the cases of alerts, by the ids of their subjects; those of which none could be derived are left out.

        Args:
            subjects: sound alerts.
        """
        found: dict[str, Derived] = {}
        for name, rules in self._rules.items():
            mine = [each for each in subjects if each.source == name and each.rule is not None]
            only = [_rule(each.rule) for each in mine if each.rule is not None]
            derived = derive(rules, self._source, self.promtool, only)
            found |= {each.id: cases for each, cases in zip(mine, derived, strict=True) if cases.fires is not None}
        return found

    def refuse(self, mutant: Mutant, cases: Derived) -> str:
        """Return why the cases of a sound alert do not hold for a mutant of it; empty where they do.

        Args:
            mutant: of an alert.
            cases: of the sound alert.
        """
        sound, changed = mutant.sound.rule, mutant.changed.rule
        assert sound is not None
        assert changed is not None
        old, new = _rule(sound), _rule(changed)
        rules = [new if rule == old else rule for rule in self._rules[mutant.sound.source]]
        book = Book(rules)
        # Also what the mutant reads: a recorded series of another name may be one that is there.
        files = {RULES: json.dumps(book.file(book.named(new.alert))), CASES: cases.text([RULES])}
        failures = self.promtool.test(files)
        told = [*failures.files.values(), *(text for texts in failures.groups.values() for text in texts)]
        return " ".join(told[0].split())[:300] if told else ""


def _rule(wanted: WantedRule) -> Rule:
    return Rule(wanted.group, wanted.entry)
