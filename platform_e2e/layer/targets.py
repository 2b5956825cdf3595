"""What the patches of a kustomization are for: their targets, matched as kustomize does and in time that is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LONGEST_PATTERN = 1_000
"""Characters of a target's pattern; a name has at most 253 (RFC 1123)."""

MOST_CHOICES = 50
"""Alternatives of a target's pattern."""


def fits(pattern: Any, texts: Iterable[str]) -> bool:
    """Tell whether a target's pattern matches one of several texts as a whole; none matches every text.

    Of regular expressions only `.*` and `|` are read, which are what kustomizations have: others could take for ever.

    Args:
        pattern: as the kustomization says.
        texts: each a name of the same thing, as written and as rendered.
    """
    if not pattern:
        return True
    choices = str(pattern)[: LONGEST_PATTERN + 1].split("|")
    if len(str(pattern)) > LONGEST_PATTERN or len(choices) > MOST_CHOICES:
        return False
    pieces = [choice.removeprefix("^").removesuffix("$").split(".*") for choice in choices]
    return any(_has(text, several) for text in texts for several in pieces)


def _has(text: str, pieces: list[str]) -> bool:
    """Tell whether a text is made of several pieces in their order, with anything between them and nothing around."""
    first, *others = pieces
    if not others:
        return text == first
    *middle, last = others
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in middle:
        # Where the leftmost place leaves no room for the rest, no later one does.
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
