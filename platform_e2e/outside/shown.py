"""What a stranger wrote, in one line of ours."""

from __future__ import annotations

from platform_e2e.terminal import visible


def shown(text: str) -> str:
    """Return a text without what a terminal would obey, and without ends of lines, after which it could pass for ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
