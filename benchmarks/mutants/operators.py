"""What a mutant changes: eight operators, each with its variants.

They say what people get wrong - a letter, a copied name, a comparison - and know nothing of the checks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.mutants.words import Role, Word, words

METRIC, LABEL, VALUE, WINDOW = "metric", "label", "value", "window"
THRESHOLD, JOIN, TEMPLATE, DATASOURCE = "threshold", "join", "template", "datasource"

OPERATORS = (METRIC, LABEL, VALUE, WINDOW, THRESHOLD, JOIN, TEMPLATE, DATASOURCE)

SHORT = "1m"
"""A window that has two scrapes of the usual 30 s: fewer than the four that a rate needs where one of them can fail."""

LONG = "30d"
"""A window in which what was wrong for a minute is seen for a month."""

FACTOR = 100
"""Between a share and a per cent."""

TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "==", "on": "ignoring", "ignoring": "on"}

_TEMPLATE = re.compile(r"(?<=\$labels\.)\w+")
_LEGEND = re.compile(r"(?<=\{\{)\s*(\w+)\s*(?=\}\})")
_VARIABLE = re.compile(r"\$")

Change = tuple[str, str, str]
"""Operator, variant, and the text with the change."""


@dataclass
class Known:
    """What all rules and dashboards at hand name: what can be taken for something else comes from there.

    Attributes:
        metrics: that are read.
        values: by label those that it is compared with.
    """

    metrics: set[str] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, expressions: Iterable[str]) -> Known:
        """Return what expressions name."""
        known = cls()
        for word in (each for expression in expressions for each in words(expression)):
            if word.role is Role.METRIC:
                known.metrics.add(word.text)
            elif word.role is Role.VALUE and re.fullmatch(r"[\w.-]+", word.text):
                known.values.setdefault(word.label, set()).add(word.text)
        return known

    def family(self, metric: str) -> Sequence[str]:
        """Return the other metrics with the longest common beginning of whole words, of which there is at least one."""
        longest: dict[int, list[str]] = {}
        for other in sorted(self.metrics - {metric}):
            longest.setdefault(_common(metric, other), []).append(other)
        most = max(longest, default=0)
        return longest[most] if most else []


def _common(one: str, other: str) -> int:
    count = 0
    for mine, its in zip(one.split("_"), other.split("_"), strict=False):
        if mine != its:
            break
        count += 1
    return count


def misspelt(word: str, chance: random.Random) -> str | None:
    """Return a word with two letters exchanged, one left out or one doubled; None where it is shorter than three."""
    letters = [number for number in range(1, len(word) - 1) if word[number].isalpha()]
    if not letters:
        return None
    at = chance.choice(letters)
    ways = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]]
    if word[at + 1].isalpha() and word[at] != word[at + 1]:
        ways.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    return chance.choice(ways)


def of_expression(expression: str, known: Known, seed: str) -> Iterator[Change]:
    """Yield every change of an expression, the same for the same seed.

    Args:
        expression: PromQL, with Grafana's variables or without.
        known: what can be taken for something else.
        seed: of the letters and names that are chosen.
    """
    found = list(words(expression))
    for number, word in enumerate(found):
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - chooses letters
        yield from _changes(expression, word, found, known, chance)


def _changes(
    expression: str, word: Word, found: Sequence[Word], known: Known, chance: random.Random
) -> Iterator[Change]:
    for operator, variant, text in _instead(word, known, chance):
        if text is not None and text != word.text:
            yield operator, variant, expression[: word.start] + text + expression[word.end :]
    if word.role is Role.JOINED:
        yield from _without(expression, word, found)


def _instead(word: Word, known: Known, chance: random.Random) -> Iterator[tuple[str, str, str | None]]:
    """Yield operator, variant and what a word becomes; None where it has nothing to become."""
    role = word.role
    if role is Role.METRIC:
        yield METRIC, "misspelt", misspelt(word.text, chance)
        yield METRIC, "another of its family", _any(known.family(word.text), chance)
    elif role is Role.VALUE:
        yield from _values(word, known, chance)
    elif role is Role.WINDOW and ":" not in word.text:
        yield WINDOW, "short", SHORT
        yield WINDOW, "long", LONG
    elif role in {Role.MATCHED, Role.GROUPED}:
        yield LABEL, "misspelt", misspelt(word.text, chance)
    elif role is Role.JOINED:
        yield JOIN, "label misspelt", misspelt(word.text, chance)
    elif role is Role.BOUND:
        yield THRESHOLD, "factor", f"{float(word.text) * FACTOR or FACTOR:g}"
    elif role in SIMPLE:
        operator, variant = SIMPLE[role]
        yield operator, variant, TURNED.get(word.text, "")


SIMPLE = {
    Role.COMPARISON: (THRESHOLD, "turned"),
    Role.MATCHING: (JOIN, "turned"),
    Role.GROUP: (JOIN, "group dropped"),
}
"""Words with one other form, or none."""


def _values(word: Word, known: Known, chance: random.Random) -> Iterator[tuple[str, str, str | None]]:
    letters = max(re.findall(r"[A-Za-z]+", word.text), key=len, default="")
    if _VARIABLE.search(word.text) or not re.search(r"\w", word.text):
        return
    wrong = misspelt(letters, chance)
    yield VALUE, "misspelt", word.text.replace(letters, wrong, 1) if wrong else None
    yield VALUE, "another of its label", _any(sorted(known.values.get(word.label, set()) - {word.text}), chance)


def _any(names: Sequence[str], chance: random.Random) -> str | None:
    return chance.choice(names) if names else None


def _without(expression: str, word: Word, found: Sequence[Word]) -> Iterator[Change]:
    """Yield the expression with one label fewer in a list that has others."""
    opened = expression.rindex("(", 0, word.start)
    closed = expression.index(")", word.end)
    rest = [each.text for each in found if each.role is Role.JOINED and opened < each.start < closed and each != word]
    if rest:
        yield JOIN, "label dropped", f"{expression[: opened + 1]}{', '.join(rest)}{expression[closed:]}"


def of_texts(texts: Mapping[str, str], seed: str) -> Iterator[tuple[str, Change]]:
    """Yield each text of an alert with a label misspelt that it names, and which text it is.

    Args:
        texts: annotations or labels.
        seed: of the letters that are chosen.
    """
    for name, text in texts.items():
        for change in _named(_TEMPLATE, text, f"{seed} {name}"):
            yield name, change


def of_legend(legend: str, seed: str) -> Iterator[Change]:
    """Yield a panel's legend with a label misspelt that it names."""
    yield from _named(_LEGEND, legend, seed)


def _named(pattern: re.Pattern[str], text: str, seed: str) -> Iterator[Change]:
    for number, found in enumerate(pattern.finditer(text)):
        name = found[0].strip()
        wrong = misspelt(name, random.Random(f"{seed} {number}"))  # noqa: S311 - chooses letters
        if wrong is not None and wrong != name:
            changed = text[: found.start()] + found[0].replace(name, wrong) + text[found.end() :]
            yield TEMPLATE, "label misspelt", changed


def of_datasource(uid: str, seed: str) -> Iterator[Change]:
    """Yield the uid of a datasource, or the name of a variable that stands for it, misspelt."""
    letters = max(re.findall(r"[A-Za-z]+", uid), key=len, default="")
    wrong = misspelt(letters, random.Random(seed))  # noqa: S311 - chooses letters
    if wrong is not None and wrong != letters:
        yield DATASOURCE, "misspelt", uid.replace(letters, wrong, 1)
