"""What Git says of a directory: its commit, and all of its uncommitted work as a patch, without touching index or objects."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import gitcommand, paths, shell
from platform_e2e.report import withheld

SECONDS = 20.0
"""How long git may take for one question; it only reads."""

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
    """Return what Git says of a directory; None where it is no checkout, or there is no git.

    Args:
        directory: of which the changes are wanted.
        besides: a directory in it whose changes are not wanted.
        new: endings of the files that Git does not know yet which are kept; all where none is named.

    Raises:
        CommandError: git does not come to an end.
    """
    if not directory.is_dir() or shell.which("git") is None:
        return None
    wanted = ("HEAD", "--show-toplevel", "--show-prefix", "--git-path", "index", "--git-path", "objects")
    head = git(directory, "rev-parse", *wanted)
    if head.returncode != 0:
        return None
    commit, top, prefix, index, objects = head.stdout.splitlines()[:5]
    scope = [f":(top){prefix}"]
    if besides is not None and besides.resolve().is_relative_to(Path(top)):
        scope.append(f":(top,exclude){besides.resolve().relative_to(top).as_posix()}")
    status = git(directory, "status", "--porcelain", "--", *scope).stdout.splitlines()
    with paths.scratch() as scratch:
        aside = _aside(directory, scratch, Path(directory, index), Path(directory, objects))
        left_out = _take_in_new_files(Path(top), scope, aside, new)
        patch = git(directory, "diff", *_DIFF, *_PREFIXES, "HEAD", "--", *scope, env=aside).stdout
    safe, taken_out = _redacted(patch)
    return Checkout(commit, prefix, tuple(status), safe, (*left_out, *taken_out))


def remote(directory: Path) -> str:
    """Return the remote repository of a directory's checkout, without credentials, and the directory's path in there.

    Returns:
        As `https://host/team/platform.git/envs/prod`; an empty string where it is no checkout, has no remote repository, or
        there is no git.
    """
    if not directory.is_dir() or shell.which("git") is None:
        return ""
    within = git(directory, "rev-parse", "--show-prefix")
    # As it is written down: what `insteadOf` makes of it is this machine's, and has a token in many CI systems.
    urls = git(directory, "config", "--get-regexp", r"^remote\..*\.url$")
    named = dict(line.split(" ", 1) for line in urls.stdout.splitlines() if " " in line)
    if within.returncode != 0 or not named:
        return ""
    url = _USER.sub("", named.get("remote.origin.url") or next(iter(named.values())))
    return f"{url.rstrip('/')}/{within.stdout.strip()}".rstrip("/")


def git(
    directory: Path, *words: str, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> shell.Completed:
    """Ask git something about a directory; whatever status it ends with is returned.

    A checkout that belongs to another user, as in many CI systems, is only read here.
    """
    return ask(directory, "-c", "safe.directory=*", *words, env=env, stdin=stdin)


def ask(
    directory: Path,
    *words: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = SECONDS,
    ok: Sequence[int] = range(256),
) -> shell.Completed:
    """Ask git something about a directory that it must trust by itself; by default whatever status it ends with is returned."""
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    return shell.run(
        gitcommand.command("-C", directory, *words, env=env),
        timeout=timeout,
        ok=ok,
        env=quiet,
        stdin=stdin,
    )


def _aside(directory: Path, scratch: Path, index: Path, objects: Path) -> dict[str, str]:
    """Return variables with which git writes into a directory of ours what it must write to compare new files."""
    (scratch / "objects").mkdir()
    aside = {
        "GIT_INDEX_FILE": str(scratch / "index"),
        "GIT_OBJECT_DIRECTORY": str(scratch / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects.resolve()),
    }
    if index.is_file():
        shutil.copyfile(index, scratch / "index")
    else:
        git(directory, "read-tree", "HEAD", env=aside)
    return aside


def _take_in_new_files(top: Path, scope: Sequence[str], aside: Mapping[str, str], endings: frozenset[str]) -> list[str]:
    """Let the index aside know the files that Git does not know yet; return which are not for a patch."""
    listed = git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", *scope, env=aside).stdout
    taken, left_out = [], []
    for name in filter(None, listed.split("\0")):
        path = top / name
        size = path.lstat().st_size if os.path.lexists(path) else 0
        if size > LARGEST_NEW_FILE:
            left_out.append(f"{name}: new, and {size >> 20} MiB large, more than {LARGEST_NEW_FILE >> 20} MiB")
        elif endings and path.suffix not in endings:
            left_out.append(f"{name}: new, and no source")
        else:
            taken.append(name)
    if taken:
        literally = {**aside, "GIT_LITERAL_PATHSPECS": "1"}
        words = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        git(top, *words, env=literally, stdin="\0".join(taken))
    return left_out


def _redacted(patch: str) -> tuple[str, list[str]]:
    """Return a patch without its secrets, and what was taken out of it."""
    if len(patch.encode()) > LARGEST_PATCH:
        return "", [f"all of it: {len(patch) >> 20} MiB, more than {LARGEST_PATCH >> 20} MiB"]
    kept, notes = [], []
    for section in re.split(r"(?m)^(?=diff --git )", patch):
        safe = withheld.section(section)
        kept.append(safe)
        name = section.splitlines()[0].partition(" b/")[2] if section else ""
        if "\ufffd" in section:
            notes.append(f"{name}: has bytes that are no UTF-8")
        if safe != section:
            whole = "\n@@" in safe or "\nGIT binary patch" in safe
            notes.append(f"{name}: {'values that look like secrets' if whole else 'it has a Secret'}")
    return "".join(kept), notes
