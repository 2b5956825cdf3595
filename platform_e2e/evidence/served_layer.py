"""The layer as the git server in the cluster serves it, as an archive without secrets."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platform_e2e import redact
from platform_e2e.git import gitcommand
from platform_e2e.redact import patches

GIT_SECONDS = 20.0
"""For one local git command; it takes milliseconds."""

NOTE = "NOT-AS-SERVED.txt"
"""Name, in the archive, of the list of what differs from what is served."""


@dataclass(frozen=True)
class ArchivedFile:
    """One file of an archive: path, content, and whether it may be executed."""

    path: str
    content: bytes
    executable: bool = False


def served(repository: Path, branch: str) -> tuple[str, bytes]:
    """Return the commit that a branch is at, and its tree without secrets as a tar.gz.

    What may be kept of a file is what the run's own copy of the layer keeps; a note in the archive names what is not.

    Args:
        repository: bare, on this machine; what it has is what was pushed.
        branch: which one.

    Raises:
        CommandError: there is no such repository or branch.
    """
    git = partial(gitcommand.run, f"--git-dir={repository.absolute()}", timeout=GIT_SECONDS)
    sha = git("rev-parse", "--verify", f"refs/heads/{branch}").stdout.strip()
    # Beside the repository, which has the same content; it goes with the cluster, whatever happens.
    with tempfile.TemporaryDirectory(prefix="served-", dir=repository) as scratch:
        path = Path(scratch) / "layer.tar"
        git("archive", "--format=tar", f"--output={path.absolute()}", sha)
        with tarfile.open(path) as tree:
            members = [(member, tree.extractfile(member)) for member in tree if member.isfile()]
            files = [
                ArchivedFile(member.name, file.read() if file else b"", bool(member.mode & 0o100))
                for member, file in members
            ]
    return sha, packed(without_secrets(files, sha))


def without_secrets(files: Iterable[ArchivedFile], sha: str) -> list[ArchivedFile]:
    """Return the files without secrets, and the note that says of which."""
    kept, notes = [], []
    for file in files:
        content, taken = patches.file(file.path, file.content)
        if taken:
            notes.append(f"{file.path}: without {taken}")
        kept.append(ArchivedFile(file.path, content, file.executable))
    head = f"The layer as it was served at commit {sha}."
    said = "\n".join(
        ["Not as served:", *(redact.text(note) for note in notes)] if notes else ["Every file is as served."]
    )
    return [*kept, ArchivedFile(NOTE, f"{head}\n{said}\n".encode())]


def packed(files: Iterable[ArchivedFile]) -> bytes:
    """Return files as a tar.gz that is the same for the same files: sorted, without owners and times."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(files, key=lambda file: file.path):
            info = tarfile.TarInfo(file.path)
            info.size, info.mode = len(file.content), 0o755 if file.executable else 0o644
            archive.addfile(info, io.BytesIO(file.content))
    return gzip.compress(plain.getvalue(), mtime=0)
