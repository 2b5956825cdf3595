"""The name of a cluster on this host: its name in the cache, and the identity of that cache.

In the cache the name alone is unique. cgroups, the interface, containers and networks belong to the host or to Docker and are
shared by all caches of the machine, and each cache may have a cluster `e2e`: a cluster must never be taken for another
cache's, or one run would remove the other's cluster as a leftover.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import threading
from pathlib import Path

from platform_e2e import paths

FILE = "identity"
"""File in the cache with a random word, made when the cache's identity is first needed."""

LENGTH = 10
"""Hexadecimal digits of an identity: k3d's names have 32 characters, a cluster's own name has up to 20."""


def on_host(cluster: str) -> str:
    """Return the name on this host of a cluster of this cache.

    Args:
        cluster: its name in the cache.
    """
    return f"{cluster}-{_identity(paths.cache())}"


def in_cache(name: str) -> str:
    """Return the name in this cache of a cluster, given its name on this host."""
    return name.removesuffix(f"-{_identity(paths.cache())}")


def is_ours(name: str) -> bool:
    """Tell whether a name on this host belongs to a cluster of this cache."""
    return name.endswith(f"-{_identity(paths.cache())}")


@functools.cache
def _identity(cache: Path) -> str:
    """Return the identity of a cache; a process keeps its first answer, also if the cache is removed.

    The file's path and inode are part of it: a cache that was copied, moved or unpacked in another container has the same
    word and gets another identity.
    """
    file = cache / FILE
    try:
        word, where = _read(file)
    except OSError:
        # A user who cannot write there has made no cluster; the identity must only differ from all others.
        return secrets.token_hex(LENGTH // 2)
    whole = f"{file.resolve()}\0{where.st_dev}\0{where.st_ino}\0{word}"
    return hashlib.sha256(whole.encode()).hexdigest()[:LENGTH]


def _read(file: Path) -> tuple[str, os.stat_result]:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_name(f".{FILE}.{os.getpid()}-{threading.get_ident()}.new")
        try:
            scratch.write_text(secrets.token_hex(16))
            # If two processes write it at once, both use the first one's word.
            with contextlib.suppress(FileExistsError):
                os.link(scratch, file)
        finally:
            scratch.unlink(missing_ok=True)
    with file.open() as opened:
        return opened.read(), os.fstat(opened.fileno())
