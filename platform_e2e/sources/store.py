"""The store of fetched charts, repositories and files: each entry is complete and has its digest, or is not there.

An entry is made beside its place and renamed to it. What an entry is stands in `entry.json`; it has no credentials.

    charts/KEY/{entry.json,chart.tgz}    repositories/KEY/{entry.json,tree/}    files/KEY/{entry.json,content}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from platform_e2e import paths
from platform_e2e.git.urls import canonical
from platform_e2e.sources.lockfile import LockedChart, LockedFile, LockedRepository
from platform_e2e.toolbox.locks import FileLock
from platform_e2e.untrusted import documents, typed
from platform_e2e.untrusted.documents import NoDocument

Entry = TypeVar("Entry", LockedChart, LockedRepository, LockedFile)

LOCK_SECONDS = 2 * 3600.0
"""How long a command waits for another one that fetches."""


def digest_of(path: Path) -> str:
    """Return the digest of a file, or of the files of a directory: names, links and executable bits included."""
    total = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                total.update(block)
        return f"sha256:{total.hexdigest()}"
    for place, below, names in os.walk(path):
        below.sort()
        links = [name for name in below if Path(place, name).is_symlink()]
        for name in sorted([*names, *links]):
            each = Path(place, name)
            link = each.is_symlink()
            content = os.fsencode(each.readlink()) if link else each.read_bytes()
            kind = "link" if link else "program" if os.access(each, os.X_OK) else "file"
            head = f"{kind} {each.relative_to(path).as_posix()} {len(content)}\n"
            total.update(head.encode(errors="surrogateescape") + content)
    return f"sha256:{total.hexdigest()}"


@dataclass(frozen=True)
class Store:
    """What was fetched.

    Attributes:
        directory: of the store; made with its first entry.
    """

    directory: Path

    @classmethod
    def at(cls, directory: Path | None) -> Store:
        """Return the store in a directory, by default that of the cache."""
        return cls(directory or paths.cache() / "sources")

    @contextlib.contextmanager
    def changing(self, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the store for the one that fetches.

        Args:
            waiting: is told who else does.

        Raises:
            LockBusy: another process fetches for too long.
        """
        with FileLock(self.directory / "lock").held("fetches", waiting=waiting, timeout=LOCK_SECONDS):
            # Left by one that was killed; while the lock is held no other one writes.
            for left in self.directory.glob("*/.new-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def charts(self) -> list[tuple[LockedChart, Path]]:
        """Return the charts, each with its archive."""
        return self._entries("charts", "chart.tgz", LockedChart)

    def repositories(self) -> list[tuple[LockedRepository, Path]]:
        """Return the repositories, each with the directory of its files; of one revision the one fetched last comes last."""
        return self._entries("repositories", "tree", LockedRepository)

    def files(self) -> list[tuple[LockedFile, Path]]:
        """Return the files, each with its content; of one URL the one fetched last comes last."""
        return self._entries("files", "content", LockedFile)

    def add_chart(self, repository: str, name: str, version: str, archive: Path) -> LockedChart:
        """Add a chart.

        Args:
            repository: its URL, without credentials.
            name: of the chart.
            version: that its Chart.yaml states.
            archive: the .tgz.
        """
        entry = LockedChart(repository, name, version, digest_of(archive))
        self._add("charts", (repository, name, version, entry.digest), "chart.tgz", entry, archive)
        return entry

    def add_repository(self, url: str, revision: str, commit: str, tree: Path) -> LockedRepository:
        """Add a repository at a revision.

        Args:
            url: without credentials.
            revision: as the layer writes it.
            commit: which that is.
            tree: the directory of its files; it is moved.
        """
        entry = LockedRepository(url, revision, commit, digest_of(tree))
        self._add("repositories", (canonical(url), revision, commit), "tree", entry, tree)
        return entry

    def add_file(self, url: str, content: Path) -> LockedFile:
        """Add a file.

        Args:
            url: without credentials.
            content: a file that has it.
        """
        entry = LockedFile(url, digest_of(content))
        self._add("files", (url, entry.digest), "content", entry, content)
        return entry

    def _add(
        self,
        kind: str,
        named: tuple[str, ...],
        name: str,
        entry: LockedChart | LockedRepository | LockedFile,
        content: Path,
    ) -> None:
        key = hashlib.sha256("\0".join(named).encode()).hexdigest()[:32]
        place = self.directory / kind / key
        if place.is_dir():
            os.utime(place)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
        try:
            shutil.move(content, made / name)
            (made / "entry.json").write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")
            made.chmod(0o755)
            made.rename(place)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise

    def _entries(self, kind: str, name: str, into: type[Entry]) -> list[tuple[Entry, Path]]:
        found = []
        places = [each for each in (self.directory / kind).glob("[0-9a-f]*") if (each / name).exists()]
        for place in sorted(places, key=lambda each: (each.stat().st_mtime_ns, each.name)):
            with contextlib.suppress(OSError, NoDocument):
                entry = typed.strict(documents.from_json((place / "entry.json").read_bytes()), into)
                found.append((entry, place / name))
        return found
