"""Where something is written, for a remedy that can be followed without searching."""

from __future__ import annotations

from platform_e2e.layer import Rendered


def place_of(rendered: Rendered) -> str:
    """Return file and line of a rendered object; the file alone where the line is not known."""
    return f"{rendered.file}:{rendered.line}" if rendered.line else rendered.file
