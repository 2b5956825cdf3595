"""Read the shapes and the innocuous texts from the files beside this module.

A file has one text after the other. Each begins with a line `=== ID | FILE NAME` or `=== ID | FILE NAME | RULE SET RULE`, and
is what follows until the next such line. Where a rule set is named, the kind of secret is one of its rules.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.planted.corpus.template import Filler

HERE = Path(__file__).parent

HEAD = "=== "


class Filled(NamedTuple):
    """A text with values of its own.

    Attributes:
        text: as it stands in the file.
        secrets: what must not be found anywhere, as it is and as it is written where that is base64; none of an innocuous text.
    """

    text: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class Planted:
    """A small file that has a secret.

    Attributes:
        id: says what it is, and stays.
        file: the name that the file would have.
        rule_set: the public rule set that has this kind; empty where it is a spelling of ours.
        rule: its name there.
        template: the text, with marks where values go; see `template`.
    """

    id: str
    file: str
    rule_set: str
    rule: str
    template: str

    def fill(self, source: random.Random) -> Filled:
        """Return the text with fresh values."""
        filler = Filler(source)
        text = filler.fill(self.template)
        return Filled(text, tuple(dict.fromkeys(filler.secrets)))


@dataclass(frozen=True)
class Innocuous:
    """A small file that has none, and must stay as it is.

    Attributes:
        id: says what it is, and stays.
        file: the name that the file would have.
        template: the text, with marks where hashes and the like go.
    """

    id: str
    file: str
    template: str

    def fill(self, source: random.Random) -> Filled:
        """Return the text with fresh values."""
        return Filled(Filler(source).fill(self.template), ())


def shapes() -> list[Planted]:
    """Return every file that has a secret."""
    found = []
    for (name, file, *rule), text in _entries("planted"):
        rule_set, _, rule_name = "".join(rule).partition(" ")
        found.append(Planted(name, file, rule_set, rule_name, text))
    return found


def innocuous() -> list[Innocuous]:
    """Return every file that has none."""
    return [Innocuous(name, file, text) for (name, file), text in _entries("innocuous")]


def _entries(directory: str) -> Iterator[tuple[list[str], str]]:
    for path in sorted((HERE / directory).glob("*.txt")):
        head: list[str] = []
        lines: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.startswith(HEAD):
                if head:
                    yield head, "".join(lines)
                head, lines = [part.strip() for part in line.removeprefix(HEAD).split("|")], []
            else:
                lines.append(line)
        yield head, "".join(lines)
