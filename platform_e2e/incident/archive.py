"""Write and read the archive of an incident: a .tar.gz of small plain files, redacted when written, untrusted when read."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from platform_e2e import redact
from platform_e2e.atomic import whole_file
from platform_e2e.checks.drifted_objects import Drift, kept
from platform_e2e.errors import WrongUsage
from platform_e2e.incident.model import Incident, plain_drift
from platform_e2e.kube.objects import Object
from platform_e2e.untrusted import archive
from platform_e2e.untrusted.members import ArchiveLimits, Member
from platform_e2e.untrusted.printable import shown
from platform_e2e.untrusted.tarformat import MemberKind

MOST_BYTES = 48 << 20
"""Of all files together, unpacked; a layer of a thousand objects has about 2 MB, five thousand events about as much."""

MOST_FILES = 10_000
"""In one archive, directories among them; a layer of a thousand objects has about a hundred."""

CAPTURE_AGAIN = "name what `platform-e2e capture` has written, get that file again, or capture again"


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write an archive as a whole or not at all, readable by its owner only.

    Args:
        path: of the archive.
        files: redacted content by name; names have `/` between their parts.

    Raises:
        WrongUsage: it cannot be written there, or is larger than what `read` accepts.
    """
    total = sum(map(len, files.values()))
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise WrongUsage(
            f"the incident must have at most {MOST_FILES} files with {MOST_BYTES} bytes, got {len(files)} files with {total} bytes",
            "name the Applications that it is about: --app NAME",
        )
    try:
        with whole_file(path, mode=0o600, replace=False) as file:
            archive.pack(file, {name: (MemberKind.FILE, content, False) for name, content in sorted(files.items())})
    except FileExistsError as error:
        raise taken(path) from error
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}", "name another file by --output") from error


def taken(path: Path) -> WrongUsage:
    """Return the error for a file that exists already: no file is replaced."""
    return WrongUsage(f"{path} exists already", "name another file by --output, or move that file away")


def read(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by name; no part of it reaches the disk.

    Args:
        path: of the archive.

    Raises:
        WrongUsage: it does not exist or cannot be read.
        UnsafeArchive: it is not an archive, or has a member that `capture` never writes.
    """
    # A header of 512 bytes for each, and what fills it up to a multiple of that.
    limits = ArchiveLimits(MOST_BYTES + MOST_FILES * 1024 + (1 << 16), MOST_FILES, MOST_BYTES, MOST_BYTES)
    with archive.readable(shown(str(path)), "name an incident that `platform-e2e capture` has written"):
        files = archive.read(path, str(path), CAPTURE_AGAIN, limits).files
    return {str(name): content for name, content in files.items()}


def unpack(files: Mapping[str, bytes], target: Path, prefix: str = "") -> None:
    """Write files below a directory.

    Args:
        files: of an archive that `read` returned.
        target: the directory; it must be empty or absent.
        prefix: of the names of the files to write, which are written without it.
    """
    chosen = {
        PurePosixPath(name.removeprefix(prefix)): content for name, content in files.items() if name.startswith(prefix)
    }
    archive.write_below(target, ((Member(name, MemberKind.FILE), content) for name, content in chosen.items()))


def files_of(incident: Incident, apps: Sequence[Object], lines: Sequence[str]) -> dict[str, bytes]:
    """Return the files of an archive without those of the layer, all redacted once more.

    Args:
        incident: what was captured.
        apps: the live Applications.
        lines: one for each event.
    """
    found = {
        "incident.json": _json(incident.head()),
        "applications.json": _json([kept(app) for app in apps]),
        "foundations.json": _json([release.__dict__ for release in incident.foundations]),
        "findings.json": _json([finding.as_json() for finding in incident.findings]),
        "alerts.json": _json(list(incident.alerts)),
        "events.txt": "".join(f"{redact.text(line)}\n" for line in lines).encode(),
    }
    for index, drift in enumerate(incident.drift):
        kind = drift.kind.rsplit("/", 1)[-1].lower()
        where = f"{drift.namespace}." if drift.namespace else ""
        found[f"drift/{index:03}-{kind}-{where}{drift.name}.yaml".replace(":", "-")] = _yaml(drift)
    return found


def _json(value: Any) -> bytes:
    return (json.dumps(redact.plain(value), indent=1, default=str) + "\n").encode()


def _yaml(drift: Drift) -> bytes:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    written = io.StringIO()
    yaml.dump(_plain(redact.plain(plain_drift(drift))), written)
    return written.getvalue().encode()


def _plain(value: Any) -> Any:
    """Return plain data without the types of ruamel.yaml."""
    return json.loads(json.dumps(value, default=str))
