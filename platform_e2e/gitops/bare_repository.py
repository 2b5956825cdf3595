"""A bare Git repository on this machine, from which commits are pushed to the server in the cluster.

`git fast-import` writes commits without a checkout, so that processes can work on different branches of one repository at the
same time. Every change of a branch holds that branch's lock; the reference moves only from the commit on which the change was
built.
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
"""The author of every commit, who shows that this harness made it."""

_TIMEOUT = 30.0
"""Timeout of a local git command; a layer has some hundred small files and each takes milliseconds."""

_AUTHOR = {
    "GIT_AUTHOR_NAME": AUTHOR,
    "GIT_AUTHOR_EMAIL": f"{AUTHOR}@localhost",
    "GIT_COMMITTER_NAME": AUTHOR,
    "GIT_COMMITTER_EMAIL": f"{AUTHOR}@localhost",
}


class GitError(BrokenHarness):
    """A branch, commit or file does not exist, or a commit is impossible."""


@dataclass(frozen=True)
class File:
    """A file as Git stores it.

    Attributes:
        content: its bytes; for a symbolic link its target.
        mode: 100644, 100755 or 120000.
    """

    content: bytes
    mode: str = "100644"


@dataclass(frozen=True)
class PlannedCommit:
    """One commit to write.

    Attributes:
        message: the message of the commit.
        changes: for each path its new content, or None to remove the file.
        whole: whether the changes are the whole content of the commit; other files are removed.
    """

    message: str
    changes: Mapping[str, File | None]
    whole: bool = False


def files_of(directory: Path) -> dict[str, File]:
    """Return every file of a layer as Git would store it, committed or not, ignored or not.

    Args:
        directory: the directory of the layer.

    Raises:
        LayerError: a file cannot be stored in Git, or a link leads out of the layer.
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


class BareRepository:
    """Write and read one bare repository; any number of processes may use the same directory.

    Args:
        directory: the directory of the repository; `create` makes it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def create(cls, directory: Path) -> BareRepository:
        """Make the repository, or open the existing one."""
        directory.mkdir(parents=True, exist_ok=True)
        repository = cls(directory)
        with repository.lock("create"):
            if not (directory / "HEAD").exists():
                repository.git("init", "--quiet", "--bare", "--initial-branch=main", "--template=", str(directory))
                # Packing would delay a push, and the repository lives only as long as its cluster.
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
        """Run git on this repository, without the user's settings and a hook's variables."""
        words = (f"--git-dir={self.directory}", *arguments)
        return gitcommand.run(*words, stdin=stdin, ok=ok, timeout=timeout, env=_AUTHOR, inherit=inherit)

    @contextlib.contextmanager
    def lock(self, name: str, *, shared: bool = False) -> Iterator[None]:
        """Hold a lock between processes; the kernel releases it when its holder ends.

        Args:
            name: the locked thing, such as a branch.
            shared: whether several may hold it at once, while none holds it exclusively.
        """
        lock = FileLock(self.directory / f"platform-e2e-{quote(name, safe='')}.lock")
        with lock.held(f"changes {name} of {self.directory}", shared=shared):
            yield

    def head(self, branch: str) -> str | None:
        """Return the newest commit of a branch; None if the branch does not exist."""
        return self._commit(f"refs/heads/{branch}")

    def pushed(self, branch: str) -> str | None:
        """Return the commit of a branch that was pushed last; None if it never was."""
        return self._commit(f"refs/pushed/{branch}")

    def resolve(self, revision: str) -> str:
        """Return the commit of a branch's name or a commit's hash.

        Raises:
            GitError: it does not exist.
        """
        found = self._commit(f"{revision}^{{commit}}")
        if found is None:
            raise GitError(
                f"a revision must be an existing branch or commit, got {revision}",
                "publish the layer first, or name another",
            )
        return found

    def has(self, commit: str) -> bool:
        """Tell whether the history of any branch has a commit."""
        if self._commit(f"{commit}^{{commit}}") is None:
            return False
        return bool(self.git("for-each-ref", "--count=1", f"--contains={commit}", "refs/heads").stdout.strip())

    def read(self, revision: str, path: str) -> str:
        """Return the text of a file.

        Raises:
            GitError: the commit lacks the file, or it is not text.
        """
        found = self.git("show", f"{revision}:{path}", ok=(0, 128))
        if found.returncode:
            raise GitError(f"{path} is not in commit {revision[:12]}", "name a file relative to the layer's directory")
        if "\N{REPLACEMENT CHARACTER}" in found.stdout:
            raise GitError(f"{path} in commit {revision[:12]} is not text")
        return found.stdout

    def changed(self, before: str | None, after: str) -> tuple[str, ...]:
        """Return the files in which two commits differ; all files of `after` without `before`."""
        if before is None:
            found = self.git("ls-tree", "-r", "-z", "--name-only", after)
        else:
            found = self.git("diff", "--no-renames", "-z", "--name-only", before, after)
        return tuple(name for name in found.stdout.split("\0") if name)

    def log(self, branch: str) -> tuple[tuple[str, str], ...]:
        """Return commit and subject of a branch's history, the newest first."""
        found = self.git("log", "--first-parent", "--format=%H %s", f"refs/heads/{branch}", "--")
        return tuple((line[:40], line[41:]) for line in found.stdout.splitlines())

    def write(self, parent: str | None, steps: Sequence[PlannedCommit]) -> tuple[str, ...]:
        """Write commits on top of one another, without moving a branch.

        Args:
            parent: the parent of the first one; None to begin a history.
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
        """Move a branch to another commit.

        Args:
            branch: the branch; made if it does not exist.
            commit: the new commit.
            before: its present commit; None if it does not exist.

        Raises:
            CommandError: its present commit is not `before`.
        """
        self.git("update-ref", f"refs/heads/{branch}", commit, before or "0" * 40)

    def delete(self, branch: str) -> None:
        """Remove a branch, if it exists."""
        self.git("update-ref", "-d", f"refs/heads/{branch}")

    def _commit(self, name: str) -> str | None:
        return self.git("rev-parse", "--quiet", "--verify", name, ok=(0, 1, 128)).stdout.strip() or None

    def branches(self) -> dict[str, str]:
        """Return every branch with its newest commit."""
        found = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads/")
        return {line[41:]: line[:40] for line in found.stdout.splitlines()}

    def push(self, remote: str, commits: Mapping[str, str | None], *, timeout: float) -> None:
        """Move branches of a remote to commits, from any other commit, and record it.

        Args:
            remote: a URL or path; `ext::` is allowed.
            commits: for each branch its commit, or None to remove the branch.
            timeout: seconds.

        Raises:
            CommandError: the remote refused the push, or is unreachable.
        """
        refs = [f"+{sha or ''}:refs/heads/{branch}" for branch, sha in commits.items()]
        # git refuses this transport by default, because the URL could come from a foreign submodule; this one is ours.
        allowed = ("-c", "protocol.ext.allow=always", "-c", "protocol.file.allow=always")
        # It starts kubectl, which may need a proxy's variables.
        self.git(*allowed, "push", "--quiet", remote, *refs, timeout=timeout, inherit=True)
        lines = [f"update refs/pushed/{branch} {sha}" if sha else f"delete refs/pushed/{branch}"
                 for branch, sha in commits.items()]  # fmt: skip
        self.git("update-ref", "--stdin", stdin="\n".join([*lines, ""]))

    def revert(self, branch: str, commit: str) -> str:
        """Revert a commit of a branch by `git revert` and return the new commit; does not move the branch.

        Raises:
            GitError: later commits changed the same lines, or the commit or branch does not exist.
        """
        head = self.head(branch)
        if head is None:
            raise GitError(f"the branch {branch} must exist to revert {commit[:12]} on it")
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
    """Return the command of fast-import's stream that changes one file."""
    if not path or path.startswith("/") or ".." in path.split("/") or ".git" in path.split("/"):
        raise WrongUsage(
            f"the path of a file to change must be relative to the layer's directory, got {path!r}",
            "name it as the layer has it, such as argocd/applications/chat.yaml",
        )
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    name = b'"' + os.fsencode(escaped) + b'"'
    if file is None:
        return b"D " + name + b"\n"
    return b"M %s inline %s\ndata %d\n%s\n" % (file.mode.encode(), name, len(file.content), file.content)
