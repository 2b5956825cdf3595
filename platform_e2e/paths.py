"""Where the harness keeps things: everything of a machine under one cache directory, results under artifacts/."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this code runs from."""

SCRATCH = "platform-e2e-"
"""How directories are called that are needed for a while."""

SCRATCH_SECONDS = 24 * 3600.0
"""How old one is that nobody has any more: the longest need is that of all breaks, two hours."""


def cache() -> Path:
    """Return the directory of all that may be deleted and built again: PLATFORM_E2E_CACHE or the user's cache."""
    chosen = os.environ.get("PLATFORM_E2E_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("platform-e2e")


def clusters() -> Path:
    """Return the directory that has one directory for each living cluster of this user."""
    return cache() / "clusters"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory for what a run needs for a while, in the cache: one that is killed leaves it, and somebody sweeps there."""
    parent = cache() / "scratch"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=parent)
    except OSError:
        # Whoever may not write there has no cluster, and may still ask what would be run.
        made = tempfile.TemporaryDirectory(prefix=SCRATCH)
    with made as directory:
        yield Path(directory)


def sweep_scratch() -> None:
    """Remove what killed runs have left of `scratch`; nothing there is needed for a day."""
    for left in (cache() / "scratch").glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > SCRATCH_SECONDS:
                shutil.rmtree(left)


def artifacts() -> Path:
    """Return the directory that has one directory for each run: PLATFORM_E2E_ARTIFACTS or artifacts/."""
    return Path(os.environ.get("PLATFORM_E2E_ARTIFACTS") or ROOT / "artifacts")
