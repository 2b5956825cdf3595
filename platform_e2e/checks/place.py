"""Where something is written, for a remedy that can be followed without searching."""

from __future__ import annotations

from dataclasses import replace

from platform_e2e.finding import Cause
from platform_e2e.layer import Rendered


def place_of(rendered: Rendered) -> str:
    """Return file and line of a rendered object; the file alone where the line is not known.

    Files that patch it come first: a base is shared, and what is wrong in one overlay only is most often written there.
    """
    written = f"{rendered.file}:{rendered.line}" if rendered.line else rendered.file
    return f"{', '.join(rendered.patches)}, which patches {written}" if rendered.patches else written


def placed(cause: Cause, place: str) -> Cause:
    """Return a cause whose remedy names file and line; the cause as it is where they are not known."""
    return replace(cause, remedy=f"{cause.remedy} ({place})") if place else cause
