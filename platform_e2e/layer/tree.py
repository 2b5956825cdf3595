"""Look at a layer's directory before anything in it is read: nothing leads out of it, nothing in it is absurdly large."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.layer.errors import LayerError

LARGEST_FILE = 10 << 20
"""Bytes of any file that is pushed to the Git server inside the cluster. Argo CD's own bound for the manifests of one Application
(`reposerver.max.combined.directory.manifests.size`) is the same."""

LARGEST_LAYER = 100 << 20
"""Bytes of all files together."""

MOST_FILES = 20_000
"""A layer with more is most likely a home directory given by mistake."""

SKIPPED = frozenset({".git", "__pycache__"})
"""Directories that are not part of the layer."""


def files(root: Path) -> tuple[Path, ...]:
    """Return every file and symbolic link of the layer that is served, sorted.

    Args:
        root: the layer, an absolute path without symbolic links.

    Raises:
        LayerError: a link leads out of the layer, or in a circle, or a bound is exceeded.
        WrongUsage: the directory does not exist.
    """
    return look(root).files


@dataclass(frozen=True)
class Found:
    """What a directory has.

    Attributes:
        files: every file and symbolic link that is served, sorted.
        left_out: what is not, each with the reason: `PATH is left out: ...`.
    """

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def look(root: Path) -> Found:
    """Return every file of the layer, and what is left out: no Application can be made of it, so it refuses nothing.

    Args:
        root: the layer, an absolute path without symbolic links.

    Raises:
        LayerError, WrongUsage: as `files`.
    """
    if not root.is_dir():
        raise WrongUsage(f"{root} is not a directory", "name the directory of the layer with --layer DIR")
    found: list[Path] = []
    left_out: list[str] = []
    total = 0
    for path in _walk(root):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            _check_link(root, path)
        elif not stat.S_ISREG(status.st_mode):
            left_out.append(f"{paths.in_repository(path, root)} is left out: it is not a regular file")
            continue
        elif status.st_size > LARGEST_FILE:
            large = f"it is {status.st_size >> 20} MiB large, more than {LARGEST_FILE >> 20} MiB"
            left_out.append(f"{paths.in_repository(path, root)} is left out: {large}")
            continue
        else:
            total += status.st_size
        found.append(path)
        if len(found) > MOST_FILES:
            raise LayerError(".", None, f"has more than {MOST_FILES} files", "is this the layer's directory?")
        if total > LARGEST_LAYER:
            raise LayerError(
                ".", None, f"is more than {LARGEST_LAYER >> 20} MiB large", "is this the layer's directory?"
            )
    return Found(tuple(sorted(found)), tuple(sorted(left_out)))


LONGEST_NAME = 255
"""Bytes of the name of a file or directory (Linux, NAME_MAX)."""

LONGEST_PATH = 1024
"""Bytes of a path within a layer, so that it stays a path wherever the layer is (Linux, PATH_MAX: 4096)."""


def can_be(path: str) -> bool:
    """Tell whether a file or directory may have a path; to ask the system for one that it cannot have is an error."""
    encoded = path.encode(errors="replace")
    return (
        "\0" not in path
        and len(encoded) <= LONGEST_PATH
        and all(len(name) <= LONGEST_NAME for name in encoded.split(b"/"))
    )


def fingerprint(root: Path, paths: tuple[Path, ...]) -> str:
    """Return the SHA-256 over names and contents, so that a change of any file is seen."""
    total = hashlib.sha256()
    for path in paths:
        link = path.is_symlink()
        content = os.fsencode(path.readlink()) if link else path.read_bytes()
        name = path.relative_to(root).as_posix().encode()
        total.update(b"%d %d %b %d\n" % (link, len(name), name, len(content)))
        total.update(content)
    return total.hexdigest()


def contents(root: Path, paths: tuple[Path, ...], besides: Path | None = None) -> dict[str, str]:
    """Return for each file of the layer, by its path relative to it, the SHA-256 of its content as it is now.

    Args:
        root: the layer, an absolute path without symbolic links.
        paths: its files, as `files` returns them.
        besides: a directory that is not compared: the run itself writes there.
    """
    found = {}
    for path in paths:
        if besides is None or not path.is_relative_to(besides):
            # A file may go between the two looks; then it is not there.
            with contextlib.suppress(FileNotFoundError):
                found[path.relative_to(root).as_posix()] = fingerprint(root, (path,))
    return found


def _walk(root: Path) -> Iterator[Path]:
    for directory, names, entries in os.walk(root):
        here = Path(directory)
        # os.walk lists a link to a directory among the directories and does not follow it.
        yield from (here / name for name in names if (here / name).is_symlink())
        names[:] = sorted(name for name in names if name not in SKIPPED and not (here / name).is_symlink())
        yield from (here / name for name in entries)


def _check_link(root: Path, path: Path) -> None:
    target, file = path.readlink(), paths.in_repository(path, root)
    remedy = "put what it points to into the layer, or link to it by a relative path within the layer"
    if target.is_absolute():
        raise LayerError(file, None, f"is a symbolic link to the absolute path {target}", remedy)
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError:
        # As Argo CD, which looks at where it leads alone; what reads it is refused.
        real = path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
        raise LayerError(file, None, f"is a symbolic link to {target}, which does not exist", remedy) from error
    if not real.is_relative_to(root):
        raise LayerError(file, None, f"is a symbolic link to {target}, outside of the layer", remedy)
