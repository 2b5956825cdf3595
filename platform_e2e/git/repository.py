"""A foreign Git repository, read as data: its objects, its index and its HEAD, never its configuration.

Git runs programs that a repository's configuration names. So Git gets a directory of our own with our configuration, which
borrows the other repository's objects; this module resolves HEAD. So neither the owner of a checkout matters, nor the `config`
of a bare repository that a layer contains as files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths, shell
from platform_e2e.git import gitcommand
from platform_e2e.untrusted import plainfile

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A commit, by either of Git's hashes."""

COMMIT_OR_PREFIX = re.compile(r"[0-9a-f]{7,64}")
"""A commit, or its first digits; Git abbreviates to seven at least."""

LARGEST_TEXT = 64 << 20
"""Largest HEAD, packed-refs or configuration in bytes; packed-refs of a million references have as many."""

LARGEST_INDEX = 512 << 20
"""Largest index in bytes; that of two million files has about as many."""

ROOMS = (".git", "gitdir: ")
"""The name that makes a directory a checkout, and the beginning of that file if it refers to another directory."""

LOOKING = frozenset({"status", "diff"})
"""Commands that enter submodules, whose own configuration Git then obeys, if the checkout's `.gitmodules` has `ignore = none`: that
has precedence over every setting, and only the option over it."""

REMOTE = re.compile(r"remote\.(.+)\.url", re.DOTALL)

TAKEN: Mapping[str, re.Pattern[str]] = {
    "core.filemode": re.compile("true|false"),
    "core.ignorecase": re.compile("true|false"),
    "core.symlinks": re.compile("true|false"),
    "core.precomposeunicode": re.compile("true|false"),
    "core.autocrlf": re.compile("true|false|input"),
    "core.eol": re.compile("lf|crlf|native"),
    "extensions.objectformat": re.compile("sha1|sha256"),
}
"""Settings of the other repository about the storage of its files, with the accepted values; none names a program."""


@dataclass(frozen=True)
class Repository:
    """A repository to read.

    Attributes:
        top: the top of its checkout; its own directory if it is bare.
        prefix: the path of the opened directory within `top`, with a slash at its end; empty for all of it.
        commit: the commit of HEAD; empty if it has none yet.
        stated: the settings about the storage of files and about remotes: names in small letters, and values.
        own: our directory, which Git uses as the repository.
        theirs: the other repository's directory of Git, which is only read.
        index: whether it has an index, and so a checkout.
    """

    top: Path
    prefix: str
    commit: str
    stated: Sequence[tuple[str, str]]
    own: Path
    theirs: Path
    index: bool

    @property
    def urls(self) -> dict[str, str]:
        """Return the URLs of its remotes by name, unchanged."""
        return _urls(self.stated)

    @property
    def shallow(self) -> bool:
        """Tell whether it has only the newest part of its history."""
        return os.path.lexists(self.theirs / "shallow")

    def references(self) -> frozenset[str] | None:
        """Return the full names of its branches and tags, also remote ones; None if they are stored in tables (reftable)."""
        if os.path.lexists(self.theirs / "reftable"):
            return None
        names: set[str] = set()
        if (self.theirs / "refs").is_symlink():
            return None
        for directory, _, files in os.walk(self.theirs / "refs"):
            names |= {Path(directory, name).relative_to(self.theirs).as_posix() for name in files}
        with contextlib.suppress(OSError):
            lines = _text(self.theirs / "packed-refs").splitlines()
            names |= {line.partition(" ")[2] for line in lines if line[:1] not in {"#", "^"}}
        return frozenset(names - {""})

    def git(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = gitcommand.SECONDS,
        ok: Sequence[int] = range(256),
    ) -> shell.Completed:
        """Run a git command; by default every exit status is accepted.

        Args:
            words: the words after `git`.
            env: additional environment variables.
            stdin: its standard input.
            timeout: seconds.
            ok: accepted exit statuses.
        """
        if words[0] in LOOKING:
            words = (words[0], "--ignore-submodules=all", *words[1:])
        place = {"GIT_DIR": str(self.own), **({"GIT_WORK_TREE": str(self.top)} if self.index else {})}
        directory = self.top / self.prefix
        return gitcommand.run(
            *words,
            env={**place, **(env or {})},
            stdin=stdin,
            timeout=timeout,
            ok=ok,
            cwd=directory if self.index and directory.is_dir() else self.own,
        )

    def has(self, commit: str) -> bool:
        """Tell whether it has a commit."""
        return bool(COMMIT.fullmatch(commit)) and not self.git("cat-file", "-e", f"{commit}^{{commit}}").returncode

    def write(self, commit: str, prefix: str, target: Path, names: Sequence[str] = ()) -> str:
        """Write files as in a checkout, and return Git's complaint, or an empty text.

        Args:
            commit: the commit that has the files.
            prefix: the directory in it, which becomes `target`.
            target: an empty directory.
            names: the names of files below the prefix; all by default.
        """
        index = {"GIT_INDEX_FILE": str(self.own / "index-of-commit"), "GIT_WORK_TREE": str(target)}
        tree = f"{commit}:{prefix.rstrip('/')}"
        chosen = ("--stdin", "-z") if names else ("--all",)
        for words, stdin in (
            (("read-tree", tree), None),
            (("checkout-index", "--quiet", f"--prefix={target}/", *chosen), "\0".join(names) or None),
        ):
            done = self.git(*words, env=index, stdin=stdin)
            # A named file that the commit lacks is simply missing afterwards.
            if done.returncode and (words[0] == "read-tree" or not names):
                return next(iter(done.stderr.splitlines()), "") or f"git {words[0]} failed"
        return ""


@contextlib.contextmanager
def opened(directory: Path, *, bare: bool = False) -> Iterator[Repository | None]:
    """Yield the repository of a checkout that contains the directory; None if there is none, or git is missing.

    Args:
        directory: in a checkout.
        bare: whether the directory is itself a repository without a checkout; only for our own.
    """
    found = None
    if shell.which("git") is not None and directory.is_dir():
        place = directory.resolve()
        found = (place, place, place) if bare else _found(place)
    if found is None:
        yield None
        return
    top, own, common = found
    with paths.scratch() as scratch:
        try:
            stated = _stated(common)
            made = _borrowed(top, own, common, scratch / "git", _settings(stated), index=not bare)
        except OSError:
            # A repository with unreadable parts, or a named pipe instead of a file, is ignored.
            yield None
            return
        inside = "" if bare else directory.resolve().relative_to(top).as_posix()
        prefix = "" if inside in {"", "."} else f"{inside}/"
        yield Repository(top, prefix, _head(own, common), stated, made, common, not bare)


def located(directory: Path) -> tuple[Path, dict[str, str]] | None:
    """Return the top of the checkout that contains a directory, and the URLs of its remotes by name, unchanged.

    Args:
        directory: in a checkout.

    Returns:
        None where no checkout contains it, or git is missing.
    """
    if shell.which("git") is None or not directory.is_dir():
        return None
    found = _found(directory.resolve())
    if found is None:
        return None
    with contextlib.suppress(OSError):
        return found[0], _urls(_stated(found[2]))
    return found[0], {}


def _urls(stated: Sequence[tuple[str, str]]) -> dict[str, str]:
    found = ((REMOTE.fullmatch(name), value) for name, value in stated)
    return {match[1]: value for match, value in found if match}


def _found(place: Path) -> tuple[Path, Path, Path] | None:
    """Return the top of a checkout, its directory of Git, and the one that it shares with other checkouts."""
    for top in (place, *place.parents):
        git = top / ROOMS[0]
        if not os.path.lexists(git):
            continue
        with contextlib.suppress(OSError):
            own = git if git.is_dir() else Path(top, _named(git, ROOMS[1])).resolve()
            common = own
            if (own / "commondir").exists():
                common = Path(own, _text(own / "commondir").strip()).resolve()
            return (top, own, common) if _is_its_own(top, git, own, common) else None
        return None
    return None


def _is_its_own(top: Path, git: Path, own: Path, common: Path) -> bool:
    """Tell whether a directory of Git belongs to a checkout, and a stranger's file does not merely lead to it.

    A user who unpacks an archive as root owns its `.git`, wherever that leads: the content there would be shown as lost by the
    checkout. So another directory must name the checkout, and no link within it may lead further.
    """
    if git.is_symlink() or (own != git and not _names(own, common, top)):
        return False
    if common != own and own.parent != common / "worktrees":
        return False
    objects = common / "objects"
    with os.scandir(objects) as entries:
        if objects.is_symlink() or any(entry.is_symlink() for entry in entries):
            return False
    whose = top.stat().st_uid
    # A checkout of another user must not lead to files that only this user may read.
    return whose == os.geteuid() or (
        all(directory.stat().st_uid == whose for directory in (own, common) if directory != git)
        and not os.path.lexists(objects / "info" / "alternates")
    )


def _names(own: Path, common: Path, top: Path) -> bool:
    """Tell whether a directory of Git names the checkout: a worktree's names the checkout's `.git`, a submodule's its top."""
    if own != common:
        return Path(own, _text(own / "gitdir").strip()).resolve() == top / ROOMS[0]
    stated = dict(_stated(common))
    return "core.worktree" in stated and Path(own, stated["core.worktree"]).resolve() == top


def _named(file: Path, mark: str) -> str:
    text = _text(file)
    if not text.startswith(mark):
        raise OSError(f"{file} names no directory")
    return text.removeprefix(mark).rstrip("\n")


def _text(path: Path, below: Path | None = None) -> str:
    return plainfile.read(path, LARGEST_TEXT, below).decode(errors="replace")


def _borrowed(top: Path, own: Path, common: Path, made: Path, settings: Mapping[str, str], *, index: bool) -> Path:
    """Make our directory of Git, with the other one's objects and a copy of its index."""
    for name in ("objects/info", "refs", "info"):
        (made / name).mkdir(parents=True)
    objects = common / "objects"
    for name in ("alternates", "commit-graph"):
        if os.path.lexists(objects / "info" / name):
            plainfile.opened(objects / "info" / name).close()
    (made / "objects" / "info" / "alternates").write_text(f"{_quoted(objects)}\n", encoding="utf-8")
    commit = _head(own, common)
    (made / "HEAD").write_text(f"{commit or 'ref: refs/heads/none'}\n", encoding="utf-8")
    lines = [
        "[core]",
        f"\trepositoryformatversion = {int('extensions.objectformat' in settings)}",
        f"\tbare = {str(not index).lower()}",
    ]
    for name, value in settings.items():
        section, _, key = name.partition(".")
        lines += [f"[{section}]", f"\t{key} = {value}"]
    (made / "config").write_text("\n".join([*lines, ""]), encoding="utf-8")
    if index:
        for source in (own / "index", *sorted(own.glob("sharedindex.*"))):
            _copied(source, made / source.name, LARGEST_INDEX)
        _copied(common / "info" / "exclude", made / "info" / "exclude", LARGEST_TEXT)
        if not (made / "index").exists() and commit:
            env = {"GIT_DIR": str(made), "GIT_WORK_TREE": str(top)}
            gitcommand.run("read-tree", commit, env=env, cwd=made, ok=range(256))
    if index and os.path.lexists(common / "shallow"):
        _copied(common / "shallow", made / "shallow", LARGEST_TEXT)
    return made


def _quoted(path: Path) -> str:
    """Return a path for a line of `alternates`: quoted if it could be read as something else."""
    text = str(path)
    if re.fullmatch(r"[\w./@+-]+", text):
        return text
    return (
        '"'
        + "".join(
            f"\\{byte:03o}" if byte < 33 or byte > 126 or byte in b'"\\' else chr(byte) for byte in os.fsencode(path)
        )
        + '"'
    )


def _copied(source: Path, target: Path, most: int) -> None:
    """Copy a plain file, if it exists."""
    with contextlib.suppress(FileNotFoundError), plainfile.opened(source) as file:
        if os.fstat(file.fileno()).st_size <= most:
            with target.open("xb") as copy:
                shutil.copyfileobj(file, copy)
            # Git reads a file again if its time is not before the index's (git-racy(7)): with a later time of the index it would miss
            # a change of the same second and size.
            at = os.fstat(file.fileno())
            os.utime(target, ns=(at.st_atime_ns, at.st_mtime_ns))


def _stated(common: Path) -> list[tuple[str, str]]:
    """Return a repository's settings about the storage of files and about remotes; its includes are not read."""
    text = _text(common / "config") if os.path.lexists(common / "config") else ""
    words = ("config", "--file", "-", "--no-includes", "--null", "--get-regexp", r"^(core|extensions|remote)\.")
    said = gitcommand.run(*words, stdin=text, ok=range(256), cwd=Path("/"), env={"GIT_DIR": gitcommand.NOTHING})
    # Each is a name in small letters, a line end, and the value.
    return [(name, value) for name, _, value in (entry.partition("\n") for entry in said.stdout.split("\0")) if value]


def _settings(stated: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the settings about the storage of files."""
    return {name: value.lower() for name, value in stated if name in TAKEN and TAKEN[name].fullmatch(value.lower())}


def _head(own: Path, common: Path) -> str:
    """Return the commit of HEAD; empty if it cannot be read, as with references in tables (reftable)."""
    name = "HEAD"
    for _ in range(5):  # as many symbolic references as Git follows
        text = ""
        for place in (own, common):
            with contextlib.suppress(OSError):
                text = text or _text(place / name, below=place).strip()
        if COMMIT.fullmatch(text):
            return text
        if not text.startswith("ref: "):
            return _packed(common, name)
        name = text.removeprefix("ref: ").strip()
        if not re.fullmatch(r"refs(?:/[^/\s.][^/\s]*)+", name) or ".." in name:
            return ""
    return ""


def _packed(common: Path, name: str) -> str:
    """Return the commit of a packed reference."""
    with contextlib.suppress(OSError):
        for line in _text(common / "packed-refs").splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name and COMMIT.fullmatch(commit):
                return commit
    return ""
