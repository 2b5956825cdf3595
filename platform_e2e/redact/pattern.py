"""Shapes: patterns of secrets that are recognised without a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_e2e.redact.names import HIDDEN, placeholder
from platform_e2e.regex import compiled


@dataclass(frozen=True)
class Shape:
    """One pattern.

    Attributes:
        needles: every text that matches has one of these, in lower case.
        pattern: its group `head` stays; its group `value` may be a placeholder already.
        then: the placeholder of the secret.
        sure: every text that matches also matches this, which is quicker to search for as it begins with a literal.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    then: str = HIDDEN
    sure: re.Pattern[str] | None = None

    def sub(self, text: str) -> str:
        """Return a text without the secrets of this shape."""
        if self.sure is not None and self.sure.search(text) is None:
            return text
        return self.pattern.sub(self._shown, text)

    def _shown(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        if (value := groups.get("value")) and (placeholder(value) or _placeholder(value)):
            return found[0]
        return (groups.get("head") or "") + self.then


def _placeholder(value: str) -> bool:
    """Tell whether the first word is a placeholder: a value without a clear end is taken to be the rest of the line."""
    first = value.split(None, 1)[0].strip("`.,;") if value.strip() else ""
    return placeholder(first) or (first == value.strip() and first.isalpha() and first.islower() and len(first) < 8)


def shape(needles: str, pattern: str, then: str = HIDDEN, flags: int = 0, *, sure: str = "") -> Shape:
    """Return a shape.

    Args:
        needles: separated by blanks; `␣` is a blank within a needle.
        pattern: see `Shape`.
        then: the placeholder of the secret.
        flags: of the pattern.
        sure: see `Shape`.
    """
    found = tuple(needle.replace("␣", " ") for needle in needles.split())
    return Shape(found, compiled(pattern, flags), then, compiled(sure) if sure else None)


def without(shapes: tuple[Shape, ...], text: str, lower: str) -> str:
    """Return a text without the secrets of some shapes.

    Args:
        shapes: in the order in which they are applied.
        text: to redact.
        lower: the same in lower case.
    """
    for candidate in shapes:
        # A loop and not a generator: redacting a run's evidence spends most of its time here.
        for needle in candidate.needles:
            if needle in lower:
                text = candidate.sub(text)
                break
    return text
