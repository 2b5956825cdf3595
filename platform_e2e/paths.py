"""Where the harness keeps things: everything of a machine under one cache directory, results under artifacts/."""

from __future__ import annotations

import os
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


def artifacts() -> Path:
    """Return the directory that has one directory for each run: PLATFORM_E2E_ARTIFACTS or artifacts/."""
    return Path(os.environ.get("PLATFORM_E2E_ARTIFACTS") or ROOT / "artifacts")
