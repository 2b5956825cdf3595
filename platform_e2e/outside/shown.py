"""A stranger's text in one line of ours."""

from __future__ import annotations

from platform_e2e.terminal import visible


def shown(text: str) -> str:
    """Return a text without terminal control characters and line ends, after which it could pass for our own output."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
