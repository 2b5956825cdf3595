"""What of a layer cannot be rendered here: named and counted, never dropped, and no reason to refuse the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class NotJudged:
    """An object of the layer of which nothing is proven.

    Attributes:
        object: named as in findings, such as `application/cert-manager -n argocd`.
        reason: one of `renderer.Reason`.
        problem: what is missing or wrong, in one line.
        remedy: what to do so that it is judged.
        file: where the object is written, from the top of the repository that has the layer.
        line: from 1; None where it is not known.
    """

    object: str
    reason: str
    problem: str
    remedy: str
    file: str
    line: int | None

    def __str__(self) -> str:
        """Return object, place and problem in one line."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.object} ({place}): {self.problem}"


def counted(found: Sequence[NotJudged]) -> str:
    """Return how many objects are not judged by reason, the most frequent first: `9 chart, 2 plugin`."""
    return ", ".join(f"{number} {reason}" for reason, number in Counter(each.reason for each in found).most_common())
