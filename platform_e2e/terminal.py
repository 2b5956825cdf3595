"""Text of strangers on a terminal: what would steer it is shown instead of obeyed."""

from __future__ import annotations

PLAIN = frozenset("\n\t")
"""What is not printable and may be printed."""


def visible(text: str) -> str:
    r"""Return a text whose control characters are visible: the escape character as `\x1b`, one that turns lines round as `\u202e`.

    Args:
        text: from an API server, an archive, a layer, a kubeconfig: names, messages, events.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in PLAIN else sign.encode("unicode_escape").decode() for sign in text
    )
