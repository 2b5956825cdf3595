"""A file that is written anew: whoever reads it meanwhile sees the one before or the new one, and both whole."""

from __future__ import annotations

import contextlib
from pathlib import Path


def write_anew(path: Path, content: str | bytes) -> None:
    """Write a file anew as a whole, or leave what was there.

    Written in place, a full disk would leave nothing of it.

    Args:
        path: of the file; beside it stands `.NAME.new` meanwhile.
        content: of the new file; a text is written in UTF-8.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise
