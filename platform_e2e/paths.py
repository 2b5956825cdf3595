"""Where the harness keeps things: everything of a machine under one cache directory, results under artifacts/."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this code runs from."""


def cache() -> Path:
    """Return the directory of all that may be deleted and built again: PLATFORM_E2E_CACHE or the user's cache."""
    chosen = os.environ.get("PLATFORM_E2E_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("platform-e2e")


def clusters() -> Path:
    """Return the directory that has one directory for each living cluster of this user."""
    return cache() / "clusters"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory for what is needed for a while: within the cache, so that a run that is killed leaves it nowhere else."""
    place = cache() / "scratch"
    parent: Path | None = place
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        # Whoever may not write there has no cluster, and may still ask what would be run.
        parent = None
    with tempfile.TemporaryDirectory(prefix="platform-e2e-", dir=parent) as directory:
        yield Path(directory)


def artifacts() -> Path:
    """Return the directory that has one directory for each run: PLATFORM_E2E_ARTIFACTS or artifacts/."""
    return Path(os.environ.get("PLATFORM_E2E_ARTIFACTS") or ROOT / "artifacts")
