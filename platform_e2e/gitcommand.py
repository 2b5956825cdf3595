"""How git is asked about a repository: the one that is named, whatever hook this process was started from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
"""Variables of `git rev-parse --local-env-vars` that a hook sets for what it starts; they would name another repository."""

SETTINGS = ("GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT")
"""Two more of them: settings of the caller. A user may trust a checkout by them; a repository of ours has its own."""


def command(*words: str | Path, env: Mapping[str, str] | None = None, own: bool = False) -> list[str | Path]:
    """Return the words of a call of git that inherits no repository.

    Args:
        words: after `git`.
        env: variables for this call alone, those above included.
        own: whether the repository is the harness's own, so that the caller's settings are left out too.
    """
    unset = [word for name in (*LOCAL, *(SETTINGS if own else ())) for word in ("-u", name)]
    return ["env", *unset, *(f"{name}={value}" for name, value in (env or {}).items()), "git", *words]
