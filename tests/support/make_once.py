"""What each of several processes does that need the same entry of the cache; toolbox/test_cache.py forks them."""

from __future__ import annotations

import threading
from pathlib import Path

from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache


def main(witness: Path, said: Path) -> None:
    """Make the entry where nobody has, and say where it is."""

    def make(directory: Path) -> None:
        with witness.open("a") as file:
            file.write("made\n")
        threading.Event().wait(0.3)
        (directory / "file").write_text("content")

    said.write_text(str(cache.entry("things", "k", make, phase="x", timeline=Timeline(None))))
