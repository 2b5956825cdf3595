"""The lock file beside a layer: what was fetched for it, each with its digest, so that every run reads the same."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from platform_e2e.atomic import atomic_write
from platform_e2e.errors import WrongUsage
from platform_e2e.untrusted import documents, plainfile, typed
from platform_e2e.untrusted.documents import NoDocument

NAME = "platform-e2e.lock"

FORMAT = 1
"""Version of the file's form."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class LockedChart:
    """A chart.

    Attributes:
        repository: URL of its repository, without credentials.
        name: of the chart.
        version: of the chart.
        digest: of the archive.
    """

    repository: str
    name: str
    version: str
    digest: str


@dataclass(frozen=True, order=True)
class LockedRepository:
    """A Git repository at one revision.

    Attributes:
        url: without credentials.
        revision: as the layer writes it; HEAD where it writes none.
        commit: which that was.
        digest: of its files.
    """

    url: str
    revision: str
    commit: str
    digest: str


@dataclass(frozen=True, order=True)
class LockedFile:
    """A file that a kustomization reads.

    Attributes:
        url: without credentials.
        digest: of its content.
    """

    url: str
    digest: str


@dataclass(frozen=True)
class LockFile:
    """What was fetched for a layer.

    Attributes:
        version: of the file's form.
        charts: each version once.
        repositories: each revision once.
        files: each URL once.
    """

    version: int = FORMAT
    charts: tuple[LockedChart, ...] = ()
    repositories: tuple[LockedRepository, ...] = ()
    files: tuple[LockedFile, ...] = ()


def read(directory: Path) -> LockFile | None:
    """Return the lock file of a layer, None where there is none.

    Args:
        directory: of the layer.

    Raises:
        WrongUsage: it cannot be read.
    """
    path = directory / NAME
    remedy = f"take back the {NAME} that Git has, or remove it and fetch again"
    try:
        with plainfile.opened(path) as file:
            found = typed.strict(documents.from_json(file.read(documents.LARGEST_JSON + 1)), LockFile)
    except FileNotFoundError:
        return None
    except (OSError, NoDocument) as error:
        raise WrongUsage(f"{path} must be a lock file that this harness has written, got: {error}", remedy) from error
    if found.version != FORMAT:
        raise WrongUsage(
            f"{path} must have version {FORMAT}, got {found.version}", "take the harness that has written it"
        )
    digests = [each.digest for each in found.charts]
    digests += [each.digest for each in found.repositories] + [each.digest for each in found.files]
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise WrongUsage(f"{path}: a digest must be sha256: and 64 digits, got `{digest}`", remedy)
    return found


def write(directory: Path, found: LockFile) -> Path:
    """Write the lock file of a layer, and return its path; a file that would stay the same is not touched.

    Raises:
        OSError: it cannot be written.
    """
    ordered = LockFile(
        FORMAT, tuple(sorted(found.charts)), tuple(sorted(found.repositories)), tuple(sorted(found.files))
    )
    text = json.dumps(asdict(ordered), indent=2) + "\n"
    path = directory / NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        atomic_write(path, text)
    return path
