"""A text that a pattern of a selector matches, without running a stranger's pattern: its first alternative, as short as can be."""

from __future__ import annotations

LONGEST = 500
"""Characters of a pattern that is read."""

_CLASSES = {"d": "5", "w": "x", "s": " ", "D": "x", "S": "x", "W": "-"}
"""A character of each class of RE2 (github.com/google/re2/wiki/Syntax)."""

_QUANTIFIERS = frozenset("*+?{")


def sample_of(pattern: str) -> str | None:
    """Return a text that a pattern matches as a whole; None where it has what is not read here.

    Args:
        pattern: RE2.
    """
    if len(pattern) > LONGEST:
        return None
    reader = _Reader(pattern)
    text = reader.alternatives()
    return text if reader.at == len(pattern) else None


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self._depth = 0

    def alternatives(self) -> str | None:
        """Read as far as a group goes, and return the first alternative that is not empty."""
        self._depth += 1
        if self._depth > 20:
            return None
        found: list[str] = []
        while True:
            text = self._sequence()
            if text is None:
                return None
            found.append(text)
            if not self._take("|"):
                break
        self._depth -= 1
        return next((each for each in found if each), "")

    def _take(self, character: str) -> bool:
        if self.pattern[self.at : self.at + 1] != character:
            return False
        self.at += 1
        return True

    def _sequence(self) -> str | None:
        text = ""
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            part = self._atom()
            if part is None:
                return None
            text += part * self._times()
        return text

    def _times(self) -> int:
        """Return how often what comes before a quantifier is taken: once, where it may be left out as well."""
        rest = self.pattern[self.at :]
        if not rest or rest[0] not in _QUANTIFIERS:
            return 1
        if rest[0] == "{":
            inside, _, _ = rest[1:].partition("}")
            self.at += len(inside) + 2
            least = inside.partition(",")[0]
            times = max(1, int(least)) if least.isdecimal() and len(least) < 3 else 1
        else:
            self.at += 1
            times = 1
        self._take("?")
        return times

    def _atom(self) -> str | None:
        character = self.pattern[self.at]
        self.at += 1
        match character:
            case "^" | "$":
                return ""
            case ".":
                return "0"
            case "\\":
                return self._escaped()
            case "[":
                return self._class()
            case "(":
                return self._group()
            case _:
                return character

    def _escaped(self) -> str | None:
        character = self.pattern[self.at : self.at + 1]
        self.at += 1
        if character in _CLASSES:
            return _CLASSES[character]
        return character if character and not character.isalnum() else None

    def _class(self) -> str | None:
        inside, closed, _ = self.pattern[self.at :].partition("]")
        if not closed or not inside or inside[0] in "^[":
            return None
        self.at += len(inside) + 1
        return _CLASSES.get(inside[1:2]) if inside[0] == "\\" else inside[0]

    def _group(self) -> str | None:
        for start in ("?:", "?i:"):
            if self.pattern.startswith(start, self.at):
                self.at += len(start)
        if self._take("?"):
            return None
        text = self.alternatives()
        return text if self._take(")") else None
