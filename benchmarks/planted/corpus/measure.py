"""Run every text through a redactor, whichever it is, and say what it missed and what it should have left alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.planted.corpus.records import innocuous, shapes
from benchmarks.planted.search import coats


@dataclass(frozen=True)
class Measured:
    """What a redactor did.

    Attributes:
        missed: ids of planted shapes of which a secret was still there, in whichever coat.
        changed: ids of innocuous texts that are not what they were.
        planted: how many shapes there were.
        innocuous: how many innocuous texts.
    """

    missed: tuple[str, ...]
    changed: tuple[str, ...]
    planted: int
    innocuous: int


def measure(redact: Callable[[str, str], str], source: random.Random) -> Measured:
    """Measure a redactor.

    Args:
        redact: takes the name of a file and its text, returns the text without secrets.
        source: where the values come from.
    """
    missed, changed = [], []
    planted, harmless = shapes(), innocuous()
    for shape in planted:
        filled = shape.fill(source)
        left = redact(shape.file, filled.text).encode()
        if any(coat in left for secret in filled.secrets for coat in coats(secret).values()):
            missed.append(shape.id)
    for one in harmless:
        text = one.fill(source).text
        if redact(one.file, text) != text:
            changed.append(one.id)
    return Measured(tuple(missed), tuple(changed), len(planted), len(harmless))
