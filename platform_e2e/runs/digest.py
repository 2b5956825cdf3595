"""Tell whether two runs had the same layer and the same harness, uncommitted work included."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from platform_e2e.git import repository

DIGITS = 20
"""Hexadecimal digits of a digest: 80 bits, as many as a person may have to compare."""

NO_CONTENT = frozenset({".git", "__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"})
"""Directories with files that change nothing of what is tested."""


def tree(*roots: Path) -> str:
    """Return a digest of names, contents and executable bits of files and of all files below directories.

    Args:
        roots: files and directories; one that does not exist counts as absent.

    Returns:
        Hexadecimal digits, or an empty string where something cannot be read: then nothing can be said to be the same.
    """
    digest = hashlib.sha256()
    try:
        for root in roots:
            for path in _files(root):
                digest.update(_entry(path, root))
    except OSError:
        return ""
    return digest.hexdigest()[:DIGITS]


def head(directory: Path) -> str:
    """Return the commit that a directory's checkout is at, or an empty string."""
    with repository.opened(directory) as found:
        return found.commit if found is not None else ""


def _files(root: Path) -> Iterable[Path]:
    """Return all files in an order that no file system decides."""
    return sorted(_walk(root)) if root.is_dir() and not root.is_symlink() else [root] if root.exists() else []


def _walk(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root, onerror=_raise):
        names[:] = [name for name in names if name not in NO_CONTENT]
        linked = [name for name in names if Path(directory, name).is_symlink()]
        yield from (Path(directory, name) for name in (*files, *linked))


def _raise(error: OSError) -> None:
    raise error


def _entry(path: Path, root: Path) -> bytes:
    """Return what one file adds: each part has its length before it, so that no two trees look alike."""
    name = os.fsencode(path.relative_to(root) if path != root else path.name)
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        kind, content = b"l", os.fsencode(path.readlink())
    elif stat.S_ISREG(mode):
        kind, content = (b"x" if mode & 0o100 else b"f"), path.read_bytes()
    else:
        # To open a named pipe is to wait for its writer, which may be for ever.
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return b"%d:%s%s%d:%s" % (len(name), name, kind, len(content), hashlib.sha256(content).digest())
