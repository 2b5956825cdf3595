"""The wheel `platform-e2e-programs`: what a first run would compile and fetch, built on another machine.

It carries entries of the cache under the cache's own keys. An entry with another key than this version of the harness needs
is ignored, and built here as without the wheel. `platform_e2e.cluster.packing` writes it.

The wheel is searched beside this package and where Python installs packages, never in the current directory or along
PYTHONPATH: its programs run as root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import site
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness

PACKAGE = "platform_e2e_programs"
DISTRIBUTION = "platform-e2e-programs"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Prebuilt:
    """The content of the wheel.

    Attributes:
        directory: the directory of its package.
        version: the version of the wheel.
        go: version of Go that built its programs, which is part of their keys.
        programs: key of each program, by name.
        rootfs: key of each root file system, by kind.
        pieces: `modules.key` of the pieces of Go modules in it.
    """

    directory: Path
    version: str
    go: str
    programs: Mapping[str, str]
    rootfs: Mapping[str, str]
    pieces: str

    def __str__(self) -> str:
        """Name the wheel as pip does."""
        return f"{DISTRIBUTION} {self.version}"

    def program(self, name: str, key: str) -> Path | None:
        """Return a program, or None where the wheel has none with this key."""
        return self.directory / "programs" / name if self.programs.get(name) == key else None

    def root(self, kind: str, key: str) -> Path | None:
        """Return the archive of a root file system, or None where the wheel has none with this key."""
        return self.archive(self.directory, kind) if self.rootfs.get(kind) == key else None

    def module(self, directory: str, pieces: str) -> Path | None:
        """Return the pieces of a Go module, or None where the wheel lacks one that is needed."""
        path = self.modules(self.directory) / directory
        return path if self.pieces == pieces and path.is_dir() else None

    @staticmethod
    def archive(directory: Path, kind: str) -> Path:
        """Return the path of a root file system's archive in a package."""
        return directory / "rootfs" / f"{kind}.tar.xz"

    @staticmethod
    def modules(directory: Path) -> Path:
        """Return the directory of the Go modules' pieces in a package, named as in a module cache."""
        return directory / "modules"

    def write(self) -> None:
        """Write the manifest into the package."""
        written = {name: value for name, value in asdict(self).items() if name != "directory"}
        (self.directory / MANIFEST).write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


def places() -> tuple[Path, ...]:
    """Return the directories that can have the wheel: beside this package, in this environment, or of this user."""
    found = [paths.ROOT, *map(Path, site.getsitepackages())]
    if site.ENABLE_USER_SITE:
        found.append(Path(site.getusersitepackages()))
    return tuple(found)


def find() -> Prebuilt | None:
    """Return the installed wheel, or None where it is not installed.

    Raises:
        BrokenHarness: its manifest cannot be read.
    """
    manifests = (place / PACKAGE / MANIFEST for place in places())
    path = next((manifest for manifest in manifests if manifest.is_file()), None)
    if path is None:
        return None
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Prebuilt(directory=path.parent, **said)
    except (OSError, ValueError, TypeError) as error:
        raise BrokenHarness(
            f"{path} must be the manifest of {DISTRIBUTION} for this version, got one that cannot be read: {error}",
            f"install {DISTRIBUTION} of the same version as platform-e2e, or remove it",
        ) from error


def take(source: Path, target: Path) -> None:
    """Put a file of the wheel into the cache, as a program.

    Make a hard link, which takes no room, if the file belongs to this user and others cannot change it. Otherwise, and
    between file systems, copy it: another user must not be able to change what root starts.
    """
    status = source.stat()
    ours = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if ours and status.st_mode & stat.S_IXUSR:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)
    target.chmod(0o755)


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a root file system with owners, permissions and links as they were packed.

    Raises:
        BrokenHarness: the archive is damaged.
    """
    try:
        with tarfile.open(archive, "r:xz") as tar:
            # A root file system has set-user-id programs and absolute links, which newer Pythons leave out by default.
            tar.extraction_filter = lambda member, _: member
            tar.extractall(directory, numeric_owner=True)  # noqa: S202 - from an installed wheel, as the programs are
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BrokenHarness(f"{archive} cannot be unpacked: {error}", f"install {DISTRIBUTION} again") from error
