"""Replace a file as a whole: a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def atomic_write(path: Path, content: str | bytes) -> None:
    """Replace a file as a whole, or leave what was there.

    Written in place, a full disk would leave nothing of it.

    Args:
        path: of the file; beside it stands a file `.NAME.*.new` meanwhile.
        content: of the new file; a text is written in UTF-8.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = 0o666, replace: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write to, which gets its name when it is whole, or is removed.

    Args:
        path: of the file; beside it stands a file `.NAME.*.new` meanwhile.
        mode: of the file, less this process's umask.
        replace: whether one of that name may be there already.

    Raises:
        FileExistsError: one is there, and may not be replaced.
        OSError: it cannot be written; what was there still is.
    """
    # Of a name that cannot be known before, and never through a link: the directory may be one that others may write to.
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        if replace:
            scratch.replace(path)
        else:
            _name(scratch, path)
    finally:
        # Also after Ctrl-C; what is whole has its name by then.
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _name(scratch: Path, path: Path) -> None:
    """Give a file that is whole its name, unless another has it already."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: between the question and the renaming no other process is expected.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        scratch.rename(path)
