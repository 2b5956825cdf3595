"""A bare Git repository on this machine: what the server in the cluster serves is made here and pushed there.

Commits are written by `git fast-import`, which needs no checkout, so that processes can work on different branches of one
repository at the same time. Every change of a branch holds that branch's lock; the reference moves only from the commit that
the change was built on.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.git import gitcommand
from platform_e2e.layer import tree
from platform_e2e.toolbox.locks import FileLock

AUTHOR = "platform-e2e"
"""Who every commit is by, so that a reader of the history knows whose it is."""

_TIMEOUT = 30.0
"""Seconds for a local git command; a layer has some hundred small files and each takes milliseconds."""

_AUTHOR = {
    "GIT_AUTHOR_NAME": AUTHOR,
    "GIT_AUTHOR_EMAIL": f"{AUTHOR}@localhost",
    "GIT_COMMITTER_NAME": AUTHOR,
    "GIT_COMMITTER_EMAIL": f"{AUTHOR}@localhost",
}


class GitError(BrokenHarness):
    """A branch or commit is not what the caller took it for."""


@dataclass(frozen=True)
class File:
    """A file as Git stores it.

    Attributes:
        content: its bytes; for a symbolic link where it leads.
        mode: 100644, 100755 or 120000.
    """

    content: bytes
    mode: str = "100644"


@dataclass(frozen=True)
class Step:
    """One commit to write.

    Attributes:
        message: of the commit.
        changes: path to new content, or to None for a file to remove.
        whole: the changes are all that the commit has; files that are not among them are removed.
    """

    message: str
    changes: Mapping[str, File | None]
    whole: bool = False


def files_of(directory: Path) -> dict[str, File]:
    """Return every file of a layer as Git would store it, committed or not, ignored or not.

    Args:
        directory: of the layer.

    Raises:
        LayerError: there is something that Git cannot keep, or a link that leads out of the layer.
    """
    root = directory.resolve()
    found = {}
    for path in tree.files(root):
        if path.is_symlink():
            file = File(os.fsencode(path.readlink()), "120000")
        else:
            executable = path.stat().st_mode & stat.S_IXUSR
            file = File(path.read_bytes(), "100755" if executable else "100644")
        found[path.relative_to(root).as_posix()] = file
    return found


class Repository:
    """Write and read one bare repository; any number of processes may use the same directory.

    Args:
        directory: of the repository; `create` makes it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> Repository:
        """Make the repository, or take the one that is there already."""
        directory.mkdir(parents=True, exist_ok=True)
        repository = cls(directory)
        with repository.lock("create"):
            if not (directory / "HEAD").exists():
                repository.git("init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(directory))
                # Packing again would stall a push; the repository lives no longer than its cluster.
                repository.git("config", "gc.auto", "0")
                repository.git("config", "core.fsync", "none")
        return repository

    def git(
        self,
        *arguments: str,
        stdin: str | bytes | None = None,
        ok: Sequence[int] = (0,),
        timeout: float = _TIMEOUT,
        inherit: bool = False,
    ) -> shell.Completed:
        """Run git on this repository, untouched by the user's settings and by a hook's variables."""
        words = (f"--git-dir={self.directory}", *arguments)
        return gitcommand.run(*words, stdin=stdin, ok=ok, timeout=timeout, env=_AUTHOR, inherit=inherit)

    @contextlib.contextmanager
    def lock(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock that processes share; the kernel frees it when its holder ends, however that happens.

        Args:
            name: what is locked, for instance a branch.
            shared: several may hold it at once, as long as none holds it alone.
        """
        lock = FileLock(self.directory / f"platform-e2e-{quote(name, safe='')}.lock")
        with lock.held(f"changes {name} of {self.directory}", shared=shared):
            yield

    def head(self, branch: str) -> str | None:
        """Return the commit that a branch is at; None where there is no such branch."""
        return self._commit(f"refs/heads/{branch}")

    def pushed(self, branch: str) -> str | None:
        """Return the commit of a branch that was pushed last; None where it never was."""
        return self._commit(f"refs/pushed/{branch}")

    def resolve(self, revision: str) -> str:
        """Return the commit that a branch's name or a commit's hash means.

        Raises:
            GitError: there is none.
        """
        found = self._commit(f"{revision}^{{commit}}")
        if found is None:
            raise GitError(f"there is no branch or commit {revision}", "publish the layer first, or name another")
        return found

    def read(self, revision: str, path: str) -> str:
        """Return the text of a file.

        Raises:
            GitError: the commit has no such file, or it is not text.
        """
        found = self.git("show", f"{revision}:{path}", ok=(0, 128))
        if found.returncode:
            raise GitError(f"{path} is not in commit {revision[:12]}", "name a file relative to the layer's directory")
        if "\N{REPLACEMENT CHARACTER}" in found.stdout:
            raise GitError(f"{path} in commit {revision[:12]} is not text")
        return found.stdout

    def changed(self, before: str | None, after: str) -> tuple[str, ...]:
        """Return the files in which two commits differ; all files of `after` where there is no `before`."""
        if before is None:
            found = self.git("ls-tree", "-r", "-z", "--name-only", after)
        else:
            found = self.git("diff", "--no-renames", "-z", "--name-only", before, after)
        return tuple(name for name in found.stdout.split("\0") if name)

    def log(self, branch: str) -> tuple[tuple[str, str], ...]:
        """Return commit and subject of a branch's history, the newest first."""
        found = self.git("log", "--first-parent", "--format=%H %s", f"refs/heads/{branch}", "--")
        return tuple((line[:40], line[41:]) for line in found.stdout.splitlines())

    def write(self, parent: str | None, steps: Sequence[Step]) -> tuple[str, ...]:
        """Write commits on top of one another, without moving any branch.

        Args:
            parent: the commit that the first one follows; None to begin a history.
            steps: one for each commit.

        Returns:
            The commits, in the same order.
        """
        scratch = f"refs/platform-e2e/{uuid.uuid4().hex}"
        stream = bytearray()
        for number, step in enumerate(steps, start=1):
            text = step.message.encode()
            stream += f"commit {scratch}\nmark :{number}\n".encode()
            stream += f"committer {AUTHOR} <{AUTHOR}@localhost> now\ndata {len(text)}\n".encode() + text + b"\n"
            if number == 1 and parent is not None:
                stream += f"from {parent}\n".encode()
            stream += b"deleteall\n" if step.whole else b""
            for path, file in step.changes.items():
                stream += _command(path, file)
            stream += f"get-mark :{number}\n".encode()
        stream += b"done\n"
        written = self.git("fast-import", "--quiet", "--done", "--date-format=now", stdin=bytes(stream))
        self.git("update-ref", "-d", scratch)
        return tuple(written.stdout.split())

    def move(self, branch: str, commit: str, before: str | None) -> None:
        """Let a branch name another commit.

        Args:
            branch: made where it does not exist.
            commit: that it shall name.
            before: that it names now, None where it does not exist.

        Raises:
            CommandError: it names another one than `before`.
        """
        self.git("update-ref", f"refs/heads/{branch}", commit, before or "0" * 40)

    def delete(self, branch: str) -> None:
        """Remove a branch; nothing happens where there is none."""
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def _commit(self, name: str) -> str | None:
        return self.git("rev-parse", "--quiet", "--verify", name, ok=(0, 1, 128)).stdout.strip() or None

    def branches(self) -> dict[str, str]:
        """Return every branch and the commit that it is at."""
        found = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/")
        return {line[41:]: line[:40] for line in found.stdout.splitlines()}

    def push(self, remote: str, commits: Mapping[str, str | None], *, timeout: float) -> None:
        """Let branches of a remote name commits, whatever they named before, and remember that they do.

        Args:
            remote: a URL or path; `ext::` is allowed.
            commits: branch to commit, or to None for a branch to remove.
            timeout: seconds.

        Raises:
            CommandError: the remote did not take it, or could not be reached.
        """
        refs = [f"+{sha or ''}:refs/heads/{branch}" for branch, sha in commits.items()]
        # git refuses this transport by default, since the URL could come from a stranger's submodule; this one is ours.
        allowed = ("-c", "protocol.ext.allow=always", "-c", "protocol.file.allow=always")
        # What it starts is kubectl, which may need a proxy's variables.
        self.git(*allowed, "push", "--quiet", remote, *refs, timeout=timeout, inherit=True)
        lines = [f"update refs/pushed/{branch} {sha}" if sha else f"delete refs/pushed/{branch}"
                 for branch, sha in commits.items()]  # fmt: skip
        self.git("update-ref", "--stdin", stdin="\n".join([*lines, ""]))

    def revert(self, branch: str, commit: str) -> str:
        """Undo a commit of a branch by `git revert` and return the new commit; the branch is not moved.

        Raises:
            GitError: later commits changed the same lines, or there is no such commit or branch.
        """
        head = self.head(branch)
        if head is None:
            raise GitError(f"there is no branch {branch} to revert {commit[:12]} on")
        with tempfile.TemporaryDirectory(prefix="revert-", dir=self.directory) as scratch:
            place = str(Path(scratch) / "tree")
            self.git("worktree", "add", "--quiet", "--detach", place, head)
            try:
                done = gitcommand.run(
                    "-C", place, "revert", "--no-edit", commit, env=_AUTHOR, timeout=_TIMEOUT, ok=(0, 1, 128)
                )
                if done.returncode:
                    said = (done.stderr or done.stdout).strip().splitlines() or [""]
                    raise GitError(
                        f"commit {commit[:12]} cannot be reverted on branch {branch}: {said[0]}",
                        "revert the later commits that touch the same lines first",
                    )
                return gitcommand.run("-C", place, "rev-parse", "HEAD").stdout.strip()
            finally:
                self.git("worktree", "remove", "--force", place)


def _command(path: str, file: File | None) -> bytes:
    """Return the line of fast-import's stream that changes one file."""
    if not path or path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
        raise WrongUsage(f"{path!r} is not a path relative to the layer's directory")
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    name = b'"' + os.fsencode(escaped) + b'"'
    if file is None:
        return b"D " + name + b"\n"
    return b"M %s inline %s\ndata %d\n%s\n" % (file.mode.encode(), name, len(file.content), file.content)
