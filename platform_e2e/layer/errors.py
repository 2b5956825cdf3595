"""The errors of this package: files of the layer that cannot be used, one or all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from platform_e2e.errors import WrongUsage
from platform_e2e.layer.not_judged import NotJudged


class LayerError(WrongUsage):
    """A file of the layer cannot be used; found before anything is started.

    Args:
        file: from the top of the repository that has the layer.
        line: from 1; None where the whole file is meant.
        problem: what is wrong, with the name of the object.
        remedy: what to change.
        object: named as in findings; empty where no object is meant, or its name is not known.
    """

    not_judged: tuple[NotJudged, ...] = ()
    """Where nothing of a layer can be judged: all that it has, with the reasons."""

    def __init__(self, file: str, line: int | None, problem: str, remedy: str = "", *, object: str = "") -> None:  # noqa: A002
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}", remedy)
        self.file = file
        self.line = line
        self.object = object


class OddShape(LayerError):
    """A field of an object has another form than its kind asks for, or the object is none."""


class NothingRendered(LayerError):
    """What Argo CD makes of an object is nothing, which it takes for a success."""


class WrongAnnotation(LayerError):
    """An annotation of the harness's own is misspelt: what the team meant is not known, so nothing is judged."""


class LayerErrors(WrongUsage):
    """Several files of the layer cannot be used: every refusal, so that one call tells all there is to mend.

    Args:
        refusals: at least one; one that says the same twice is told once.
        head: what follows from them, in one sentence.

    Attributes:
        refusals: the most useful first: those that say what to change before those that cannot, those with a line before those of
            a whole file, else as they were given.
    """

    not_judged: tuple[NotJudged, ...] = ()
    """Where nothing of a layer can be judged: all that it has, with the reasons."""

    def __init__(self, refusals: Iterable[LayerError], head: str = "the layer cannot be used") -> None:
        once = {str(refusal): refusal for refusal in refusals}
        self.refusals = tuple(sorted(once.values(), key=lambda refusal: (not refusal.remedy, refusal.line is None)))
        number = f"{len(self.refusals)} refusal{'' if len(self.refusals) == 1 else 's'}"
        super().__init__(
            "\n".join([f"{head}: {number}", *map(_entry, range(1, len(self.refusals) + 1), self.refusals)])
        )


def _entry(number: int, refusal: LayerError) -> str:
    """Return one refusal of a list, its remedy below it."""
    return f"{number:>4}. {refusal}".replace("\n", "\n      ")


def refuse(refusals: Iterable[LayerError], not_judged: Iterable[NotJudged] = ()) -> NoReturn:
    """Raise all refusals at once; a single one is raised as itself.

    Args:
        refusals: at least one.
        not_judged: all that the layer has, where nothing of it can be judged.

    Raises:
        LayerError: there is one.
        LayerErrors: there are several.
    """
    every = LayerErrors(refusals)
    error = every.refusals[0] if len(every.refusals) == 1 else every
    error.not_judged = tuple(not_judged)
    raise error
