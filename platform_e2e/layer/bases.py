"""What kustomizations are made of, and through which of them each object is rendered: only these change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from platform_e2e.layer import manifests
from platform_e2e.layer.field_locations import Patch
from platform_e2e.layer.yamlfile import Document

MOST_STEPS = 200_000
"""Kustomizations that all objects pass through together; a few thousand objects with five levels of overlays are within it."""

DEEPEST = 50
"""Levels of kustomizations, one made of the other; the deepest in use have five."""


class TooMany(ValueError):
    """A kustomization is made of more others than can be followed, or of too many levels: bases of bases double with each."""


@dataclass(eq=False)
class Kustomization:
    """One kustomization, which is read once however many refer to it.

    Attributes:
        documents: of its file.
        objects: documents of the files that it names as resources.
        patches: that it has, in the order of its file.
        bases: that it names as resources.
        components: that it names; each changes what was rendered before it (kustomize 5, accumulateComponents).
    """

    documents: list[Document] = field(default_factory=list)
    objects: list[Document] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    bases: list[Kustomization] = field(default_factory=list)
    components: list[Kustomization] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return a field that is a text; empty where there is none."""
        values = [each.data.get(name) for each in self.documents]
        return next((value for value in values if isinstance(value, str)), "")


@dataclass(frozen=True)
class Route:
    """One way of a document to what is rendered; a base of two overlays is rendered twice.

    Attributes:
        document: of one or several objects.
        through: the kustomizations on its way, the innermost first.
    """

    document: Document
    through: tuple[Kustomization, ...]

    @cached_property
    def kustomizations(self) -> tuple[Document, ...]:
        """Return their documents, the outermost first."""
        return tuple(document for each in reversed(self.through) for document in reversed(each.documents))

    @cached_property
    def patches(self) -> tuple[Patch, ...]:
        """Return their patches, the one that is applied last first."""
        return tuple(patch for each in reversed(self.through) for patch in reversed(each.patches))

    def names(self, data: Any) -> list[str]:
        """Return the names that an object has on its way, the written one first."""
        found = [manifests.name_of(data["metadata"])]
        for each in self.through:
            found.append(f"{each.text('namePrefix')}{found[-1]}{each.text('nameSuffix')}")
        return found

    def namespaces(self, data: Any) -> list[str | None]:
        """Return the namespaces that an object has on its way, the written one first."""
        found = [manifests.namespace_of(data["metadata"])]
        for each in self.through:
            found.append(each.text("namespace") or found[-1])
        return found


def routes(top: Kustomization) -> list[Route]:
    """Return every way of every document to what a kustomization renders.

    Raises:
        TooMany: there are more than can be followed.
    """
    return [Route(document, through) for document, through in _Walk().accumulated(top)]


_Ways = list[tuple[Document, tuple[Kustomization, ...]]]


@dataclass(frozen=True)
class _Done:
    """What was found of a kustomization that is met again, and the steps and levels that it took."""

    ways: _Ways
    steps: int
    height: int


class _Walk:
    """Follow kustomizations in the order of kustomize (5, api/internal/target/kusttarget.go, accumulateTarget).

    Each is followed once. Where it is met again its steps count again, since kustomize renders it again.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._deepest = 0
        self._done: dict[Kustomization, _Done] = {}
        self._changing: dict[Kustomization, tuple[tuple[Kustomization, ...], int]] = {}

    def accumulated(self, kustomization: Kustomization, level: int = 0) -> _Ways:
        """Return the documents that a kustomization renders, each with its way to there."""
        done = self._done.get(kustomization)
        self._reach(level + (done.height if done else 0))
        if done:
            self._spend(done.steps)
            return done.ways
        before, above = self._steps, self._deepest
        self._deepest = level
        found: _Ways = [(document, ()) for document in kustomization.objects]
        for base in kustomization.bases:
            found += self.accumulated(base, level + 1)
        for component in kustomization.components:
            inside = self.accumulated(component, level + 1)
            found = self._further(found, self._applied(component)) + inside
        ways = self._further(found, (kustomization,))
        self._done[kustomization] = _Done(ways, self._steps - before, self._deepest - level)
        self._deepest = max(above, self._deepest)
        return ways

    def _applied(self, component: Kustomization) -> tuple[Kustomization, ...]:
        """Return what changes the objects that were there before a component: its own components, and itself."""
        if component in self._changing:
            applied, steps = self._changing[component]
            self._spend(steps)
            return applied
        before = self._steps
        inner = [each for part in component.components for each in self._applied(part)]
        self._spend(1 + len(inner))
        applied = (*inner, component)
        self._changing[component] = applied, self._steps - before
        return applied

    def _further(self, found: _Ways, through: tuple[Kustomization, ...]) -> _Ways:
        self._spend(len(through) + sum(len(way) + len(through) for _, way in found))
        return [(document, (*way, *through)) for document, way in found]

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise TooMany

    def _reach(self, level: int) -> None:
        self._deepest = max(self._deepest, level)
        if level > DEEPEST:
            raise TooMany
