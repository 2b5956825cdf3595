"""A file that is written anew: whoever reads it meanwhile sees the one before or the new one, and both whole."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file anew as a whole, or leave what was there.

    Written in place, a full disk would leave nothing of it.

    Args:
        path: of the file; beside it stands a file `.NAME.*.new` meanwhile.
        content: of the new file; a text is written in UTF-8.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    # Of a name of its own: another process may write the same file at the same time.
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    try:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)
        scratch.replace(path)
    except BaseException:
        # An interruption too.
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise
