"""How git is started, everywhere: about the repository that is named, whatever hook this process was started from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
)
"""Variables that a git hook sets for what it starts (git rev-parse --local-env-vars); they would name another repository."""


def command(*words: str | Path, env: Mapping[str, str] | None = None) -> list[str | Path]:
    """Return the words of a call of git that inherits none of those variables.

    Args:
        words: after `git`.
        env: variables for this call alone, those above included.
    """
    unset = [word for name in INHERITED for word in ("-u", name)]
    return ["env", *unset, *(f"{name}={value}" for name, value in (env or {}).items()), "git", *words]
