"""Keep a copy of the layer under test in the run's directory, so that a replay has it when the layer has changed."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from platform_e2e.layer import tree
from platform_e2e.redact import patches
from platform_e2e.untrusted import archive
from platform_e2e.untrusted.archive import Content

COPY = "layer.tar.gz"
"""The layer's files, in the run's directory."""

SUMS = "layer.sha256"
"""Their checksums in the format of sha256sum, without files that lost a secret: by the checksum the secret could be guessed."""

LARGEST_COPY = 20 << 20
"""Bytes of the copy; a layer of some hundred manifests has some ten thousand."""


def take(layer: Path, directory: Path, committed: Callable[[str], bool]) -> dict[str, Any]:
    """Write the copy and its checksums, and return their description for run.json.

    Args:
        layer: directory of the layer.
        directory: of the run.
        committed: tells whether a file of the layer, given by its relative path, is in Git unchanged.

    Raises:
        LayerError: the layer has what no layer may have.
    """
    root = layer.resolve()
    contents: dict[str, Content] = {}
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
    hidden = {str(entry["path"]) for entry in lacking}
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


def pack(contents: Mapping[str, Content]) -> bytes:
    """Return files and links as a .tar.gz; the same files always give the same bytes.

    Args:
        contents: by relative path.
    """
    out = io.BytesIO()
    archive.pack(out, contents)
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
