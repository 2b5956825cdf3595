"""The file that an incident travels in: a tar.gz of small plain files, written redacted and read as hostile input."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from platform_e2e import redact
from platform_e2e.atomic import whole_file
from platform_e2e.checks.drift import Drift, kept
from platform_e2e.errors import WrongUsage
from platform_e2e.incident.model import Incident, plain_drift
from platform_e2e.kube.objects import Object
from platform_e2e.outside import archive, plainfile
from platform_e2e.outside.archive import Limits, UnsafeArchive
from platform_e2e.outside.shown import shown
from platform_e2e.outside.tarformat import Kind

MOST_BYTES = 48 << 20
"""Of all files together, unpacked; a layer of a thousand objects has about 2 MB, five thousand events about as much."""

MOST_FILES = 10_000
"""In one archive, directories among them; a layer of a thousand objects has about a hundred."""

CAPTURE_AGAIN = "get the file again, or capture again: platform-e2e capture"


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write an archive so that a reader sees the whole or nothing; only its owner may read it.

    Args:
        path: of the archive.
        files: name, with `/`, to content that is redacted already.

    Raises:
        WrongUsage: it cannot be written there, or is larger than what `read` takes.
    """
    total = sum(map(len, files.values()))
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise WrongUsage(
            f"the incident has {len(files)} files with {total} bytes, more than the {MOST_FILES} files with {MOST_BYTES} bytes "
            "that are taken",
            "name the Applications that it is about: --app NAME",
        )
    try:
        with (
            whole_file(path, mode=0o600, replace=False) as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|") as tar,
        ):
            for name, content in sorted(files.items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
    except FileExistsError as error:
        raise taken(path) from error
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}", "name another file by --output") from error


def taken(path: Path) -> WrongUsage:
    """Return the error that a file of that name exists, which is not replaced."""
    return WrongUsage(f"{path} is there already", "name another file by --output, or move that one away")


def read(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by name; nothing of it reaches the disk.

    Args:
        path: of the archive.

    Raises:
        WrongUsage: there is no such file.
        UnsafeArchive: it is none, or has something that no capture writes.
    """
    # A header of 512 bytes for each, and what fills it up to a multiple of that.
    limits = Limits(MOST_BYTES + MOST_FILES * 1024 + (1 << 16), MOST_FILES, MOST_BYTES, MOST_BYTES)
    files = {}
    try:
        with plainfile.opened(path.resolve()) as file:
            for member, content in archive.members(
                file, str(path), CAPTURE_AGAIN, limits, lambda one: one.kind is Kind.FILE
            ):
                if member.kind is Kind.FILE:
                    files[str(member.name)] = content
                elif member.kind is not Kind.DIRECTORY:
                    raise UnsafeArchive(f"{path} has {shown(str(member.name))}: it is not a plain file", CAPTURE_AGAIN)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise WrongUsage(
            f"{shown(str(path))} cannot be read: {why}", "name an incident that `platform-e2e capture` has written"
        ) from error
    return files


def unpack(files: Mapping[str, bytes], target: Path, prefix: str = "") -> None:
    """Write files below a directory.

    Args:
        files: of an archive that `read` returned.
        target: the directory; it must be empty or absent.
        prefix: only files whose names begin with it, and without it.
    """
    for name, content in files.items():
        if name.startswith(prefix):
            path = target / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def files_of(incident: Incident, apps: Sequence[Object], lines: Sequence[str]) -> dict[str, bytes]:
    """Return the files of an archive without the layer's, all of them redacted once more.

    Args:
        incident: what was read.
        apps: the Applications as the cluster has them.
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
    for index, one in enumerate(incident.drift):
        kind = one.kind.rsplit("/", 1)[-1].lower()
        where = f"{one.namespace}." if one.namespace else ""
        found[f"drift/{index:03}-{kind}-{where}{one.name}.yaml".replace(":", "-")] = _yaml(one)
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
    """Return plain data without the types that ruamel gives what it has read."""
    return json.loads(json.dumps(value, default=str))
