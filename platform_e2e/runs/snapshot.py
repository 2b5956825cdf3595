"""Keep a copy of the layer under test in the run's directory: what was run can be run again when its directory has changed."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from platform_e2e.layer import tree
from platform_e2e.redact import patches

COPY = "layer.tar.gz"
"""The layer's files, in the run's directory."""

SUMS = "layer.sha256"
"""Their checksums, as sha256sum writes them; not of a file from which something was taken out, whose checksum could tell it."""

LARGEST_COPY = 20 << 20
"""Bytes of the copy; a layer of some hundred manifests has some ten thousand."""


def take(layer: Path, directory: Path, committed: Callable[[str], bool]) -> dict[str, Any]:
    """Write the copy and its checksums, and return what run.json says of them.

    Args:
        layer: its directory.
        directory: of the run.
        committed: tells whether a file of the layer, by its relative path, is in Git unchanged.

    Raises:
        LayerError: the layer has what no layer may have.
    """
    root = layer.resolve()
    contents: dict[str, tuple[str, bytes, bool]] = {}
    lacking = []
    for path in tree.files(root):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            contents[name] = ("link", os.fsencode(path.readlink()), False)
            continue
        kept, why = patches.file(name, path.read_bytes())
        contents[name] = ("file", kept, os.access(path, os.X_OK))
        if why:
            lacking.append({"path": name, "what": why, "committed": committed(name)})
    hidden = {str(one["path"]) for one in lacking}
    listed = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, (_, content, _) in contents.items()
        if name not in hidden
    )
    (directory / SUMS).write_text(listed, encoding="utf-8")
    packed = pack(contents)
    said = {"files": len(contents), "digest": digest(listed), "withheld": lacking}
    if len(packed) > LARGEST_COPY:
        return {**said, "copy": "", "too_large": len(packed)}
    (directory / COPY).write_bytes(packed)
    return {**said, "copy": COPY}


def pack(contents: Mapping[str, tuple[str, bytes, bool]]) -> bytes:
    """Return files and links as a compressed archive; the same files always give the same bytes.

    Args:
        contents: by relative path `link` or `file`, the content or where the link leads, whether it can be executed.
    """
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        for name, (kind, content, executable) in contents.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if executable else 0o644
            if kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(content)
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def sums(layer: Path) -> dict[str, str]:
    """Return the checksum of each file and link of a layer by its relative path."""
    found = {}
    for path in tree.files(layer):
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[path.relative_to(layer).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def parse_sums(listed: str) -> dict[str, str]:
    """Return what `sums` returned, from the text of a file of checksums."""
    return {name: value for value, _, name in (line.partition("  ") for line in listed.splitlines()) if name}


def digest(listed: str) -> str:
    """Return the digest of a layer: the SHA-256 of its file of checksums."""
    return "sha256:" + hashlib.sha256(listed.encode()).hexdigest()
