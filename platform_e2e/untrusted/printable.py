"""Print untrusted text within one line."""

from __future__ import annotations

from platform_e2e.terminal import visible


def shown(text: str) -> str:
    """Return a text with visible control characters and line ends: a new line could pass for one of this program."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
