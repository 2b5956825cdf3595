"""The one way in which Git is run: with settings and an environment of our own, whosever repository it is about.

Git runs programs that its configuration names: filters, hooks, `core.fsmonitor`, transports, pagers, a diff or merge driver.
So the configuration of the system and of the user is never read, no variable of this process that Git knows is handed on, and
a foreign repository is read through platform_e2e/git/repository.py alone, without its configuration.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_e2e import shell

SECONDS = 20.0
"""How long one question may take; a large checkout answers in two."""

NOTHING = os.devnull
"""In place of a directory or file: has no hook and no setting."""

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
"""Settings that outrank every file of settings, by GIT_CONFIG_COUNT of git-config(1); before 2.31 there are only those that no
file has. What a submodule's own configuration names is run by `status` and `diff`, so that submodules are not looked into."""

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
    # Of a Git that does not know GIT_CONFIG_GLOBAL (before 2.32) there is no home with a configuration.
    "HOME": "/nonexistent",
}

_SET = {
    "GIT_CONFIG_COUNT": str(len(SETTINGS)),
    **{f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(SETTINGS)},
    **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(SETTINGS.values())},
}

KEPT = ("PATH", "TMPDIR")
"""Variables of this process that every call has."""


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
        words: after `git`; a `-c` among them outranks `SETTINGS`.
        env: variables for this call.
        stdin: what it reads.
        cwd: its working directory.
        timeout: seconds.
        ok: exit statuses that are not errors.
        inherit: hand on all variables that are not Git's; a program that a push of ours starts may need them.

    Raises:
        CommandError: git is not installed, did not end in time, or ended with another status.
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
    """Tell whether a variable is none that Git obeys."""
    return not name.startswith(("GIT_", "SSH_")) and name not in {"EDITOR", "VISUAL", "PAGER", "XDG_CONFIG_HOME"}
