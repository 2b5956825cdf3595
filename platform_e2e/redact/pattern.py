"""One pattern of a secret that is recognised by how it looks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_e2e.possessive import compiled
from platform_e2e.redact.names import HIDDEN, placeholder


@dataclass(frozen=True)
class Shape:
    """One pattern.

    Attributes:
        needles: one of these, in lower case, is in every text that has it.
        pattern: with a group `head` for what stays before the secret, and a group `value` for what may only stand in its place.
        then: stands in the secret's place.
        sure: is in every text that has it, too, and is quicker to look for: it begins with a literal.
    """

    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    then: str = HIDDEN
    sure: re.Pattern[str] | None = None

    def sub(self, text: str) -> str:
        """Return a text without it."""
        if self.sure is not None and self.sure.search(text) is None:
            return text
        return self.pattern.sub(self._shown, text)

    def _shown(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        if (value := groups.get("value")) and (placeholder(value) or _placeholder(value)):
            return found[0]
        return (groups.get("head") or "") + self.then


def _placeholder(value: str) -> bool:
    """Tell whether the first word of it is one: the rest of a line is taken for a value where nothing says where it ends."""
    first = value.split(None, 1)[0].strip("`.,;") if value.strip() else ""
    return placeholder(first) or (first == value.strip() and first.isalpha() and first.islower() and len(first) < 8)


def shape(needles: str, pattern: str, then: str = HIDDEN, flags: int = 0, *, sure: str = "") -> Shape:
    """Return a pattern.

    Args:
        needles: with blanks between them; `␣` is a blank in one.
        pattern: see `Shape`.
        then: stands in the secret's place.
        flags: of the pattern.
        sure: see `Shape`.
    """
    found = tuple(needle.replace("␣", " ") for needle in needles.split())
    return Shape(found, compiled(pattern, flags), then, compiled(sure) if sure else None)


def without(shapes: tuple[Shape, ...], text: str, lower: str) -> str:
    """Return a text without what any of the shapes recognises.

    Args:
        shapes: in the order in which they are looked for.
        text: to look through.
        lower: the same in lower case.
    """
    for one in shapes:
        # No generator: this is most of what it costs to redact a run's evidence.
        for needle in one.needles:
            if needle in lower:
                text = one.sub(text)
                break
    return text
