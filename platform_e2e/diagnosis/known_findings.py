"""Findings of this run so far, shared by all of its processes: a cause is waited for once, and blocks where it was reported.

Several tests look at what one fault has broken. The first waits as long as its cause is worth; the others meet a cause that is
known, and end at once.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from platform_e2e.finding import Finding


class KnownFindings:
    """Remembers findings in a directory that all processes of a run share.

    Args:
        directory: of the memory; None remembers nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def note(self, finding: Finding, promise: str) -> None:
        """Remember a finding that waiting did not take away.

        Args:
            finding: what was found.
            promise: whose test reports it.
        """
        if self._directory is None:
            return
        # A full disk costs a wait, not the verdict.
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True)
            for name in _names(finding):
                with contextlib.suppress(FileExistsError), (self._directory / name).open("x") as file:
                    file.write(promise)

    def promise(self, finding: Finding) -> str | None:
        """Return whose test reports the cause of a finding; None where nothing of the kind was found yet."""
        if self._directory is None:
            return None
        for name in _names(finding):
            with contextlib.suppress(OSError, ValueError):
                return (self._directory / name).read_text()
        return None


def _names(finding: Finding) -> Iterator[str]:
    """Yield a name of a file for whatever tells a cause from others of the same kind."""
    cause = finding.cause
    if cause.id == "unexplained":
        texts = {finding.object}
    else:
        # The same pod is met through its Application, a Service and a monitor.
        texts = {cause.about, cause.through, cause.sentence, finding.object} - {""}
    for text in sorted(texts):
        yield hashlib.sha256(f"{cause.id} {text}".encode()).hexdigest()[:24]


_OF_PROCESS = [KnownFindings(None)]
"""The memory of the run that this process belongs to; a check deep in the library cannot be handed one."""


def current() -> KnownFindings:
    """Return the memory of the run that this process belongs to; outside of a run one that remembers nothing."""
    return _OF_PROCESS[-1]


@contextlib.contextmanager
def kept_in(directory: Path) -> Iterator[None]:
    """Make a directory the memory of this process while the block runs."""
    found = KnownFindings(directory)
    _OF_PROCESS.append(found)
    try:
        yield
    finally:
        _OF_PROCESS.remove(found)
