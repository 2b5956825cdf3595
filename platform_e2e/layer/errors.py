"""The errors of this package: a file of the layer that cannot be used."""

from __future__ import annotations

from platform_e2e.errors import WrongUsage


class LayerError(WrongUsage):
    """A file of the layer cannot be used; found before anything is started.

    Args:
        file: from the top of the repository that has the layer.
        line: from 1; None where the whole file is meant.
        problem: what is wrong, with the name of the object.
        remedy: what to change.
    """

    def __init__(self, file: str, line: int | None, problem: str, remedy: str = "") -> None:
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}", remedy)
        self.file = file
        self.line = line


class WrongAnnotation(LayerError):
    """An annotation of the harness's own is misspelt: what the team meant is not known, so nothing is judged."""
