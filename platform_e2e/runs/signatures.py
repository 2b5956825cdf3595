"""Seal a run with a key of this cache, and recognise by the seal the runs that this cache has made.

The key never leaves the cache, and the seal covers every file that a replay reads. So a copy of a run of this cache is recognised,
and a copy in which a byte was changed is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from platform_e2e import paths
from platform_e2e.untrusted import plainfile

SEAL = "run.seal"
"""The file in a run's directory."""

KEY = "key-of-runs"
"""The file in the cache."""

KEY_BYTES = 32
"""As many as SHA-256 returns (RFC 2104)."""

LARGEST = 64 << 20
"""Bytes of a sealed file; a replay reads fewer."""


def seal(directory: Path, names: frozenset[str]) -> None:
    """Seal a run's directory after its last change.

    Args:
        directory: of the run.
        names: of the files that a replay reads.

    Raises:
        OSError: the seal cannot be written; a replay of the run then needs --trust.
    """
    files = {}
    for name in names - {SEAL}:
        with contextlib.suppress(FileNotFoundError):
            files[name] = plainfile.read(directory / name, LARGEST)
    (directory / SEAL).write_text(_seal(_key(make=True), files) + "\n", encoding="ascii")


def is_sealed(files: Mapping[str, bytes]) -> bool:
    """Tell whether this cache has sealed exactly these files of a run.

    Args:
        files: content by name, the seal among them.
    """
    try:
        key = _key(make=False)
    except OSError:
        return False
    rest = {name: content for name, content in files.items() if name != SEAL}
    return hmac.compare_digest(files.get(SEAL, b"").strip(), _seal(key, rest).encode())


def _seal(key: bytes, files: Mapping[str, bytes]) -> str:
    # Names have no line end, and all digests have the same length: no two sets of files give the same text.
    text = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(*, make: bool) -> bytes:
    path = paths.cache() / KEY
    try:
        key = plainfile.read(path, KEY_BYTES)
    except FileNotFoundError:
        if not make:
            raise
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f".{KEY}.{secrets.token_hex(8)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        # Where two runs end at the same time, the first one makes the key.
        with contextlib.suppress(FileExistsError):
            os.link(scratch, path)
        scratch.unlink()
        key = plainfile.read(path, KEY_BYTES)
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} must have {KEY_BYTES} bytes, got {len(key)}")
    return key
