"""How much of a layer a run judges, and what of the rest the team accepts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from platform_e2e.layer.layer import Layer
from platform_e2e.layer.not_judged import Accepted, NotJudged, counted

APPLICATION, APPLICATIONSET = "application/", "applicationset/"
"""How the names of these objects begin, as findings have them."""


@dataclass(frozen=True)
class Coverage:
    """What of a layer is judged.

    Attributes:
        applications: how many Applications are judged.
        not_judged: the objects of which nothing is proven.
        accepted: what the team accepts of these.
        require_all: whether it may accept nothing this time.
    """

    applications: int = 0
    not_judged: tuple[NotJudged, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    require_all: bool = False

    @classmethod
    def of(cls, layer: Layer, *, require_all: bool = False) -> Coverage:
        """Return what of a layer is judged."""
        return cls(len(layer.applications), (*layer.not_judged, *layer.unproven), layer.accepted, require_all)

    def accepts(self, unknown: NotJudged) -> bool:
        """Tell whether the team accepts that an object is not judged for its reason."""
        return not self.require_all and any(each.covers(unknown) for each in self.accepted)

    def stale(self, unknown: Iterable[NotJudged]) -> tuple[Accepted, ...]:
        """Return what the team accepts although it is not so any more.

        Args:
            unknown: everything that is not judged.
        """
        found = tuple(unknown)
        return tuple(each for each in self.accepted if not any(each.covers(one) for one in found))

    @property
    def lacking(self) -> str:
        """Return how many things are not judged, in a few words: `16 Applications`; empty where all are."""
        return " and ".join(f"{len(found)} {name}" for name, found in self._by_kind() if found)

    @property
    def sentence(self) -> str:
        """Return how many Applications are judged, and of what is not how many for which reason; empty where all are."""
        (_, own), *others = self._by_kind()
        if not self.not_judged:
            return ""
        every = self.applications + len(own)
        told = [f"{self.applications} of {every} Application{'' if every == 1 else 's'} judged"]
        told += [f"{len(own)} not: {counted(own)}"] if own else []
        told += [f"{len(found)} {name} not: {counted(found)}" for name, found in others if found]
        return "; ".join(told)

    def _by_kind(self) -> tuple[tuple[str, list[NotJudged]], ...]:
        """Return what is not judged by the kind of its object, each with the noun for that number."""
        own = [each for each in self.not_judged if each.object.startswith(APPLICATION)]
        sets = [each for each in self.not_judged if each.object.startswith(APPLICATIONSET)]
        rest = [each for each in self.not_judged if each not in own and each not in sets]
        named = (("Application", own), ("ApplicationSet", sets), ("other object", rest))
        return tuple((noun if len(found) == 1 else f"{noun}s", found) for noun, found in named)
