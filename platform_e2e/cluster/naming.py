"""How a cluster is called on this host: its name, and the identity of the cache that it belongs to.

What lies in the cache needs no more than the name. What is the host's or Docker's (cgroups, the interface, containers,
networks) is shared by every cache of the machine, and each cache may have a cluster `e2e`: one must never be taken for
another, or the one would be ended as what is left of the other.
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
"""In the cache: a random word, made when the cache is first asked for its identity."""

LENGTH = 10
"""Of an identity, in hexadecimal digits: k3d's names have 32 characters, a cluster's own name has up to 20."""


def on_host(cluster: str) -> str:
    """Return the name that a cluster of this cache has on this host.

    Args:
        cluster: its name in the cache.
    """
    return f"{cluster}-{_identity(paths.cache())}"


def in_cache(name: str) -> str:
    """Return the name that a cluster has in this cache, given the one that it has on this host."""
    return name.removesuffix(f"-{_identity(paths.cache())}")


def is_ours(name: str) -> bool:
    """Tell whether a name is that of a cluster of this cache on this host."""
    return name.endswith(f"-{_identity(paths.cache())}")


@functools.cache
def _identity(cache: Path) -> str:
    """Return the identity of a cache; a process that has asked once stays with the answer, also when the cache goes.

    The file's place and its number on its disk are part of it: a cache that was copied, moved or unpacked in another
    container has the same word in it and is another one.
    """
    file = cache / FILE
    try:
        word, where = _read(file)
    except OSError:
        # Who cannot write there has made no cluster; the answer must only be nobody else's.
        return secrets.token_hex(LENGTH // 2)
    whole = f"{file.resolve()}\0{where.st_dev}\0{where.st_ino}\0{word}"
    return hashlib.sha256(whole.encode()).hexdigest()[:LENGTH]


def _read(file: Path) -> tuple[str, os.stat_result]:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_name(f".{FILE}.{os.getpid()}-{threading.get_ident()}.new")
        try:
            scratch.write_text(secrets.token_hex(16))
            # Of two processes that come at once the first one's word is both's.
            with contextlib.suppress(FileExistsError):
                os.link(scratch, file)
        finally:
            scratch.unlink(missing_ok=True)
    with file.open() as opened:
        return opened.read(), os.fstat(opened.fileno())
