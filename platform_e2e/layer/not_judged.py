"""What of a layer cannot be rendered here: named and counted, never dropped, and no reason to refuse the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_e2e.layer.renderer import Reason

if TYPE_CHECKING:
    from platform_e2e.layer.objects import Rendered

IN_WORDS: Mapping[str, str] = {
    Reason.SHAPE: "a field of it, or of what it renders, has another form than its kind asks for",
    Reason.REPOSITORY: "a repository that it reads is not here",
    Reason.CHART: "its chart is not in the store",
    Reason.PLUGIN: "a config management plugin renders it",
    Reason.GENERATOR: "a generator asks something other than Git and the clusters",
    Reason.LINK: "a symbolic link leads out of its repository",
    Reason.RENDER: "Argo CD refuses to render it",
    Reason.TIME: "it takes too long to render",
    Reason.MEMORY: "it takes too much memory to render",
    Reason.OPTIONS: "its kustomization may need an option that is not taken here",
    Reason.EMPTY: "it renders nothing that could be judged",
    Reason.DESTINATION: "it is for another cluster",
    Reason.ADDRESS: "a controller that is not here gives its address",
    Reason.FOUNDATION: "it is left out together with the foundation that it has among other objects",
    Reason.MONITOR: "what it tells to scrape is not compared with what is scraped",
    Reason.SERIES: "a rule of it reads what has not been seen, and may come with a fault",
    Reason.ALERT: "nothing made an alert fire, so that its way to a receiver is not known",
    Reason.CASE: "an alert of it for which no case could be derived in which it fires, and one in which it does not",
    Reason.ADMISSION: "it refuses an object of the harness, so that what that was for is not known",
    Reason.STAND_IN: "a stand-in runs in the place of the program that could prove it",
    Reason.SECRET: "its values cannot be had here, and were invented",
}
"""What a reason says to a reader; the word itself is what a team writes to accept it."""


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
        reads: directories of the layer that it, or what it would make, may read, relative to the layer; None where that is not
            known, since what is not rendered may be Applications itself.
        certain: whether Argo CD refuses it on each cluster, since nothing of a cluster, an option or a chart matters to it.
        destination: of an Application the namespace for objects that name none; None where it is not known.
    """

    object: str
    reason: str
    problem: str
    remedy: str
    file: str
    line: int | None
    reads: tuple[str, ...] | None = None
    certain: bool = False
    destination: str | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return kind in lower case, namespace and name, as `object` has them."""
        ref, _, namespace = self.object.partition(" -n ")
        kind, _, name = ref.partition("/")
        return kind, namespace, name

    @property
    def place(self) -> str:
        """Return the file, with the line where it is known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        """Return object, place and problem in one line."""
        return f"{self.object} ({self.place}): {self.problem}"

    def may_read(self, directory: str) -> bool:
        """Tell whether it may be what reads a directory of the layer.

        Args:
            directory: relative to the layer.
        """
        return self.reads is None or any(directory == read or directory.startswith(f"{read}/") for read in self.reads)


@dataclass(frozen=True)
class Accepted:
    """An object of which the team accepts that nothing is proven, for one reason.

    Attributes:
        object: named as in findings, whole: a pattern would accept what the team has not seen.
        reason: one of `renderer.Reason`; for another reason it is not accepted.
    """

    object: str
    reason: str

    def __str__(self) -> str:
        """Return object and reason as a person says them."""
        return f"{self.object} for reason {self.reason}"

    def covers(self, unknown: NotJudged) -> bool:
        """Tell whether it is this object, for this reason."""
        return (self.object, self.reason) == (unknown.object, unknown.reason)


def counted(found: Sequence[NotJudged]) -> str:
    """Return how many objects are not judged by reason, the most frequent first: `9 chart, 2 plugin`."""
    return ", ".join(f"{number} {reason}" for reason, number in Counter(each.reason for each in found).most_common())


WITHOUT_STAND_IN = "use nodes that can fetch its images (--images registry), or accept it in platform-e2e.yaml"
"""What makes known what stands behind a stand-in."""


def behind_stand_in(rendered: Rendered, problem: str) -> NotJudged:
    """Return an object of which a stand-in shows no more than a part.

    Args:
        rendered: the object.
        problem: what is not proven of it.
    """
    return NotJudged(str(rendered), Reason.STAND_IN, problem, WITHOUT_STAND_IN, rendered.file, rendered.line, ())
