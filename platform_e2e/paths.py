"""Where the harness keeps things: everything of a machine under one cache directory, results under artifacts/."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = Path(__file__).resolve().parent
"""This package."""

ROOT = PACKAGE.parent
"""The directory that Python finds the package in: a checkout of the harness, or where packages are installed."""

CHECKOUT = ROOT if (ROOT / "pyproject.toml").is_file() and (ROOT / "fixtures").is_dir() else None
"""The checkout of the harness that this code runs from; None where it is installed."""

PROJECT = "PLATFORM_E2E_PROJECT"
"""The variable that says to a cluster's supervisor what `project` is to the process that started it."""

MARKS = (".git", "pyproject.toml")
"""What a repository has at its top."""


def project() -> Path:
    """Return the top of the repository whose platform is under test.

    It is the nearest directory upwards from the current one that has `.git` or `pyproject.toml`; where there is none, the
    checkout of the harness, or the current directory. A cluster's supervisor, which stands in no repository, is told.
    """
    told = os.environ.get(PROJECT)
    if told:
        return Path(told)
    here = Path.cwd()
    found = (place for place in (here, *here.parents) if any((place / mark).exists() for mark in MARKS))
    return next(found, CHECKOUT or here)


def repository_of(directory: Path) -> Path:
    """Return the top of the repository that has a directory; the directory itself where it is in none.

    Args:
        directory: an absolute path, such as that of a layer, which may lie in another repository than the current directory.
    """
    # Of texts: it is asked for each file that is read, and a Path for each level took a tenth of the time.
    above = [str(place) for place in (directory, *directory.parents)]
    found = next((place for mark in MARKS for place in above if os.path.exists(f"{place}/{mark}")), None)  # noqa: PTH110
    return directory if found is None else Path(found)


def in_repository(path: Path, directory: Path) -> str:
    """Return how a person names a file: by its path from the top of the repository that has it.

    Args:
        path: of the file, within the directory.
        directory: an absolute path, such as that of a layer.
    """
    return path.relative_to(repository_of(directory)).as_posix()


SCRATCH = "platform-e2e-"
"""How directories are called that are needed for a while."""

SCRATCH_SECONDS = 24 * 3600.0
"""How old one is that no process uses: the longest need is that of all breaks, two hours."""


def command(name: str, *, more: bool = True) -> str:
    """Return how a person here runs a command: by nox in a checkout of the harness, else as it is installed.

    Args:
        name: of the command; `e2e` runs the tests of the platform.
        more: whether arguments follow.
    """
    if CHECKOUT is not None:
        return f"nox -s {name} --" if more else f"nox -s {name}"
    return "pytest" if name == "e2e" else f"platform-e2e {name}"


def cache() -> Path:
    """Return the directory of all that may be deleted and built again: PLATFORM_E2E_CACHE or the user's cache."""
    chosen = os.environ.get("PLATFORM_E2E_CACHE")
    return Path(chosen).absolute() if chosen else user_cache_path("platform-e2e")


def clusters() -> Path:
    """Return the directory that has one directory for each living cluster of this user."""
    return cache() / "clusters"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory for what a run needs for a while, in the cache: one that is killed leaves it, and a later one removes it."""
    parent = cache() / "scratch"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=parent)
    except OSError:
        # A user who may not write there has no cluster, and may still ask what would be run.
        made = tempfile.TemporaryDirectory(prefix=SCRATCH)
    with made as directory:
        yield Path(directory)


def sweep_scratch() -> None:
    """Remove what killed runs have left of `scratch`; nothing there is needed for a day."""
    for left in (cache() / "scratch").glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > SCRATCH_SECONDS:
                shutil.rmtree(left)


def artifacts() -> Path:
    """Return the directory that has one directory for each run: PLATFORM_E2E_ARTIFACTS or artifacts/ of the project."""
    return Path(os.environ.get("PLATFORM_E2E_ARTIFACTS") or project() / "artifacts")


def hide_from_git(directory: Path) -> None:
    """Let Git pass over a directory of results, which may lie in anybody's repository; it is made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), (directory / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("# Made by platform-e2e: results are not part of the repository.\n*\n")
