"""What Git says of a directory: its commit, and all of its uncommitted work as a patch, without touching index or objects."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.git import repository
from platform_e2e.git.repository import Repository
from platform_e2e.redact import patches

LARGEST_NEW_FILE = 1 << 20
"""Bytes of a file that Git does not know yet: a manifest or a source has less, a core dump has more."""

LARGEST_PATCH = 5 << 20
"""Bytes of a patch: ten times the text of this whole repository."""

_DIFF = ("--binary", "--unified=100000", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--full-index")
"""Whole files as context: that a change is one of a Secret is said at the top of it. Nothing of the user's own settings."""

_USER = re.compile(r"(?<=://)[^/]*@|^[^/:@]+@(?=[^/]+:)")
"""Who asks a repository, and with which password, in an URL or in `user@host:path`."""

_PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class Checkout:
    """What Git says of one directory.

    Attributes:
        commit: 40 hexadecimal digits.
        prefix: of the directory within its repository, with a slash at its end; empty where it is all of it.
        uncommitted: changed and new files, as `git status --porcelain` has them.
        patch: of all that, new files included, redacted; `git apply` at the top of the repository makes it again.
        withheld: what is not in the patch, one sentence for each file.
    """

    commit: str
    prefix: str
    uncommitted: tuple[str, ...]
    patch: str
    withheld: tuple[str, ...]


def describe(directory: Path, *, besides: Path | None = None, new: frozenset[str] = frozenset()) -> Checkout | None:
    """Return what Git says of a directory; None where it is not a checkout, or Git is not installed.

    Args:
        directory: of which the changes are wanted.
        besides: a directory in it; its changes are not wanted.
        new: endings of the files that Git does not know yet which are kept; all where none is named.

    Raises:
        CommandError: git does not come to an end.
    """
    with repository.opened(directory) as found:
        if found is None or not found.commit:
            return None
        scope = [f":(top){found.prefix}"]
        if besides is not None and besides.resolve().is_relative_to(found.top):
            scope.append(f":(top,exclude){besides.resolve().relative_to(found.top).as_posix()}")
        status = found.git("status", "--porcelain", "--", *scope).stdout.splitlines()
        left_out = _take_in_new_files(found, scope, new)
        patch = found.git("diff", *_DIFF, *_PREFIXES, "HEAD", "--", *scope).stdout
        safe, taken_out = _redacted(patch)
        return Checkout(found.commit, found.prefix, tuple(status), safe, (*left_out, *taken_out))


def remote(directory: Path) -> str:
    """Return the remote repository of a directory's checkout, without credentials, and the directory's path in there.

    Returns:
        As `https://host/team/platform.git/envs/prod`; an empty string where it is not a checkout, has no remote repository, or
        Git is not installed.
    """
    with repository.opened(directory) as found:
        if found is None or not found.urls:
            return ""
        # As the configuration has it: what `insteadOf` makes of it is this machine's, and has a token in many CI systems.
        url = _USER.sub("", found.urls.get("origin") or next(iter(found.urls.values())))
        return f"{url.rstrip('/')}/{found.prefix}".rstrip("/")


def _take_in_new_files(found: Repository, scope: Sequence[str], endings: frozenset[str]) -> list[str]:
    """Let our copy of the index know the files that Git does not know yet; return which are not for a patch."""
    listed = found.git("ls-files", "--full-name", "--others", "--exclude-standard", "-z", "--", *scope).stdout
    taken, left_out = [], []
    for name in filter(None, listed.split("\0")):
        path = found.top / name
        size = path.lstat().st_size if os.path.lexists(path) else 0
        if name.endswith("/"):
            left_out.append(f"{name}: new, and a repository of its own")
        elif size > LARGEST_NEW_FILE:
            left_out.append(f"{name}: new, and {size >> 20} MiB large, more than {LARGEST_NEW_FILE >> 20} MiB")
        elif endings and path.suffix not in endings:
            left_out.append(f"{name}: new, and no source")
        else:
            taken.append(f":(top,literal){name}")
    if taken:
        words = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        found.git(*words, stdin="\0".join(taken))
    return left_out


def _redacted(patch: str) -> tuple[str, list[str]]:
    """Return a patch without its secrets, and what was taken out of it."""
    if len(patch.encode()) > LARGEST_PATCH:
        return "", [f"all of it: {len(patch) >> 20} MiB, more than {LARGEST_PATCH >> 20} MiB"]
    kept, notes = [], []
    for section in re.split(r"(?m)^(?=diff --git )", patch):
        safe = patches.section(section)
        kept.append(safe)
        name = section.splitlines()[0].partition(" b/")[2] if section else ""
        if "\ufffd" in section:
            notes.append(f"{name}: has bytes that are not UTF-8")
        if safe != section:
            whole = "\n@@" in safe or "\nGIT binary patch" in safe
            notes.append(f"{name}: {'values that look like secrets' if whole else 'it has a Secret'}")
    return "".join(kept), notes
