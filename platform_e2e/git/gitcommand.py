"""Run Git, for every repository with our own settings and environment.

Git runs programs that its configuration names: filters, hooks, `core.fsmonitor`, transports, pagers, diff and merge drivers. So
the configuration of the system and of the user is never read, Git's variables of this process are not passed on, and a foreign
repository is read only through platform_e2e/git/repository.py, without its configuration.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_e2e import shell

SECONDS = 20.0
"""Default timeout; a large checkout answers in two seconds."""

NOTHING = os.devnull
"""Replaces a directory or file: has no hook and no setting."""

SETTINGS: Mapping[str, str] = {
    "core.fsmonitor": "false",
    "core.hooksPath": NOTHING,
    "core.attributesFile": NOTHING,
    "core.excludesFile": NOTHING,
    "core.alternateRefsCommand": "false",
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.askPass": "false",
    "core.editor": "false",
    "core.pager": "cat",
    "credential.helper": "",
    "diff.ignoreSubmodules": "all",
    "status.submoduleSummary": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "gpg.program": "false",
    "commit.gpgSign": "false",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "uploadpack.packObjectsHook": "",
}
"""Settings with precedence over all files of settings, by GIT_CONFIG_COUNT of git-config(1); before 2.31 only the empty files apply.
`status` and `diff` would run what a submodule's own configuration names, so that they do not enter submodules."""

ENVIRONMENT: Mapping[str, str] = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": NOTHING,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_ASKPASS": "false",
    "GIT_SSH_COMMAND": "false",
    "LC_ALL": "C.UTF-8",
    # A Git before 2.32 does not know GIT_CONFIG_GLOBAL: give it a home without a configuration.
    "HOME": "/nonexistent",
}

_SET = {
    "GIT_CONFIG_COUNT": str(len(SETTINGS)),
    **{f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(SETTINGS)},
    **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(SETTINGS.values())},
}

KEPT = ("PATH", "TMPDIR")
"""Variables of this process that every call gets."""


def run(
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    timeout: float = SECONDS,
    ok: Sequence[int] = (0,),
    inherit: bool = False,
) -> shell.Completed:
    """Run Git to its end.

    Args:
        words: the words after `git`; a `-c` among them has precedence over `SETTINGS`.
        env: additional environment variables.
        stdin: its standard input.
        cwd: its working directory.
        timeout: seconds.
        ok: accepted exit statuses.
        inherit: pass on all variables except Git's; a program that our own push starts may need them.

    Raises:
        CommandError: git is missing, did not end in time, or ended with another status.
    """
    own = {name: value for name, value in os.environ.items() if name in KEPT or (inherit and _harmless(name))}
    return shell.run(
        ["git", *words],
        timeout=timeout,
        ok=ok,
        stdin=stdin,
        cwd=cwd,
        env={**own, **ENVIRONMENT, **_SET, **({"HOME": os.environ.get("HOME", "/")} if inherit else {}), **(env or {})},
        alone=True,
    )


def _harmless(name: str) -> bool:
    """Tell whether Git ignores a variable."""
    return not name.startswith(("GIT_", "SSH_")) and name not in {"EDITOR", "VISUAL", "PAGER", "XDG_CONFIG_HOME"}


def fetch(*words: str | Path, timeout: float, cwd: Path | None = None) -> shell.Completed:
    """Run Git as the user who fetches: with their credential helpers, ssh agent and proxies, and no transport but the usual ones.

    A helper asks nothing: a run has no terminal. Hooks and filters of a foreign repository are not run.

    Args:
        words: the words after `git`.
        timeout: seconds.
        cwd: its working directory.

    Raises:
        CommandError: git is missing, did not end in time, or ended with another status than 0.
    """
    quiet = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "http:https:ssh",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        "LC_ALL": "C.UTF-8",
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in ASKING or name.startswith("GIT_CONFIG")
    }
    settings = ("core.hooksPath=" + NOTHING, "core.fsmonitor=false", "gc.auto=0", "submodule.recurse=false")
    options = [word for setting in settings for word in ("-c", setting)]
    return shell.run(["git", *options, *words], timeout=timeout, cwd=cwd, env={**kept, **quiet}, alone=True)


ASKING = frozenset(
    {"GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_PROXY_SSL_CAINFO"}
)
"""Git's variables by which a user's credentials and certificates are found."""
