"""Which mutants there are, and which of them are taken: the same for the same sources and seed, whatever kills them.

Each mutant has a rank that only its own name and the seed give, so that a rule more or less changes no other choice.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from benchmarks.mutants.operators import OPERATORS, Change, Known, of_datasource, of_expression, of_legend, of_texts
from benchmarks.mutants.sources import Source
from platform_e2e.checks.dashboards.wanted import WantedDashboard, flat
from platform_e2e.checks.dashboards.wanted import read as read_dashboard
from platform_e2e.checks.rules.wanted import WantedRule

SEED = "16"
"""Of the mutants that are told in docs/rules-and-panels.md."""

MUTANTS = 200


@dataclass(frozen=True)
class Subject:
    """A rule, or one panel of a dashboard.

    Attributes:
        source: that has it.
        rule: None for a panel.
        dashboard: with no other panel; None for a rule.
        panel: the number of the panel among all of its dashboard.
    """

    source: str
    rule: WantedRule | None = None
    dashboard: WantedDashboard | None = None
    panel: int = 0

    @property
    def id(self) -> str:
        """Return what names it among all."""
        if self.rule is not None:
            number, index = self.rule.at
            return f"{self.source} {self.rule.id}-{number}-{index}"
        assert self.dashboard is not None
        return f"{self.source} {self.dashboard.id}-{self.panel}"

    def __str__(self) -> str:
        """Name it in a line."""
        if self.rule is not None:
            return f"{self.source} {self.rule.name}"
        assert self.dashboard is not None
        return f"{self.source} {self.dashboard.title}: {self.dashboard.panels[0].title}"


@dataclass(frozen=True)
class Mutant:
    """A subject with one change.

    Attributes:
        sound: what is changed.
        changed: with the change.
        operator, variant: what was done.
        field: in which field, such as `expr`.
        before, after: the text of the field.
    """

    sound: Subject
    changed: Subject
    operator: str
    variant: str
    field: str
    before: str
    after: str

    @property
    def id(self) -> str:
        """Return what names it among all."""
        return f"{self.sound.id} {self.field} {self.operator} {self.variant} {self.after}"


def subjects(source: Source) -> Iterator[Subject]:
    """Yield every rule and every panel with a query of a source."""
    for rule in source.rules:
        yield Subject(source.name, rule=rule)
    for board in source.dashboards:
        for number, panel in enumerate(board.panels):
            if panel.queries:
                yield Subject(source.name, dashboard=replace(board, panels=(panel,)), panel=number)


def known(sources: Sequence[Source]) -> Known:
    """Return what all rules and dashboards name."""
    return Known.of(
        expression for source in sources for subject in subjects(source) for expression in _expressions(subject)
    )


def _expressions(subject: Subject) -> Sequence[str]:
    if subject.rule is not None:
        return [subject.rule.expression]
    assert subject.dashboard is not None
    return [query.expression for query in subject.dashboard.panels[0].queries]


def mutants(subject: Subject, names: Known, seed: str) -> Iterator[Mutant]:
    """Yield every mutant of a subject.

    Args:
        subject: the rule or panel.
        names: what can be taken for something else.
        seed: of the letters and names that are chosen.
    """
    found = _of_rule(subject, names, seed) if subject.rule is not None else _of_panel(subject, names, seed)
    seen: set[str] = set()
    for each in found:
        if each.id not in seen:
            seen.add(each.id)
            yield each


def _of_rule(subject: Subject, names: Known, seed: str) -> Iterator[Mutant]:
    rule = subject.rule
    assert rule is not None
    mine = f"{seed} {subject.id}"
    for operator, variant, after in of_expression(rule.expression, names, mine):
        changed = replace(subject, rule=replace(rule, entry={**rule.entry, "expr": after}))
        yield Mutant(subject, changed, operator, variant, "expr", rule.expression, after)
    for field in ("annotations", "labels") if rule.alert else ():
        texts = rule.texts(field)
        for name, (operator, variant, after) in of_texts(texts, f"{mine} {field}"):
            entry = {**rule.entry, field: {**texts, name: after}}
            changed = replace(subject, rule=replace(rule, entry=entry))
            yield Mutant(subject, changed, operator, variant, f"{field}.{name}", texts[name], after)


def _of_panel(subject: Subject, names: Known, seed: str) -> Iterator[Mutant]:
    board = subject.dashboard
    assert board is not None
    mine = f"{seed} {subject.id}"
    targets = list(flat(board.model))[subject.panel].get("targets") or []
    for number, target in enumerate(targets):
        if target.get("hide"):
            continue
        ways: dict[str, Callable[[str, str], Iterator[Change]]] = {
            "expr": lambda text, seed: of_expression(text, names, seed),
            "legendFormat": of_legend,
        }
        for field, way in ways.items():
            before = str(target.get(field) or "")
            for operator, variant, after in way(before, f"{mine} {number}"):
                changed = _with(subject, lambda panel, n=number, f=field, a=after: panel["targets"][n].update({f: a}))  # type: ignore[misc]
                yield Mutant(subject, changed, operator, variant, f"targets.{number}.{field}", before, after)
    uid = _uid(list(flat(board.model))[subject.panel])
    for operator, variant, after in of_datasource(uid, mine) if uid else ():
        changed = _with(subject, lambda panel: _rename(panel, uid, after))  # noqa: B023  called at once
        yield Mutant(subject, changed, operator, variant, "datasource", uid, after)


def _uid(panel: Mapping[str, object]) -> str:
    """Return the uid, or name, of the first datasource that a panel names."""
    targets = panel.get("targets")
    places = [panel, *(targets if isinstance(targets, list) else [])]
    for datasource in (each.get("datasource") for each in places):
        uid = datasource.get("uid") if isinstance(datasource, dict) else datasource
        if uid:
            return str(uid)
    return ""


def _rename(panel: dict[str, object], before: str, after: str) -> None:
    targets = panel.get("targets")
    for each in (panel, *(targets if isinstance(targets, list) else [])):
        datasource = each.get("datasource")
        if isinstance(datasource, dict) and datasource.get("uid") == before:
            datasource["uid"] = after
        elif datasource == before:
            each["datasource"] = after


def _with(subject: Subject, change: Callable[[dict[str, object]], object]) -> Subject:
    """Return a panel that is changed in its dashboard's own JSON, so that it is read as any other."""
    board = subject.dashboard
    assert board is not None
    model = copy.deepcopy(dict(board.model))
    change(dict(enumerate(flat(model)))[subject.panel])  # type: ignore[arg-type]
    changed = read_dashboard(board.rendered, board.key, json.dumps(model))
    return replace(subject, dashboard=replace(changed, panels=(changed.panels[subject.panel],)))


def choose(found: Sequence[Mutant], seed: str, count: int = MUTANTS) -> list[Mutant]:
    """Return as many mutants of each operator as of any other; what one has too few of the others bring.

    Rules and panels of each source take turns, by their rank.

    Args:
        found: all.
        seed: of the ranks.
        count: how many.
    """
    queues = {operator: _in_turn([each for each in found if each.operator == operator], seed) for operator in OPERATORS}
    rounds = zip_longest(*queues.values())
    return [each for several in rounds for each in several if each is not None][:count]


def _in_turn(found: Sequence[Mutant], seed: str) -> list[Mutant]:
    groups: dict[tuple[str, bool], list[Mutant]] = {}
    for each in sorted(found, key=lambda mutant: rank(mutant, seed)):
        groups.setdefault((each.sound.source, each.sound.rule is not None), []).append(each)
    return [each for several in zip_longest(*(groups[key] for key in sorted(groups))) for each in several if each]


def rank(mutant: Mutant, seed: str) -> str:
    """Return what a mutant is sorted by."""
    return hashlib.sha256(f"{seed} {mutant.id}".encode()).hexdigest()
