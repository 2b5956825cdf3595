"""What a stranger wrote, as a terminal may have it."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
"""What programs colour their words with (ECMA-48, SGR); nothing is lost with it."""


def shown(text: str) -> str:
    """Return one line without what a terminal would obey: control characters, and letters that turn the direction of writing."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def lines(text: str) -> str:
    """Return a text of several lines likewise; line ends and tabulators stay."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in _COLOUR.sub("", text))
