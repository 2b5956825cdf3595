"""Which of the clusters that an Argo CD knows is the one under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.layer import clusters
from platform_e2e.layer.clusters import Cluster
from platform_e2e.layer.place import Place


@dataclass(frozen=True)
class UnderTest:
    """Which cluster is under test.

    Attributes:
        named: its names and servers, as the user or the team says.
        by: who says so.
        clusters: that Argo CD knows.
    """

    named: tuple[str, ...]
    by: str
    clusters: tuple[Cluster, ...]

    @classmethod
    def of(cls, begins: Place, here: Sequence[str], file: Path | None) -> UnderTest:
        """Find out what names it."""
        said = begins.said.content
        every = [*(clusters.read(file) if file else ()), *said.clusters]
        every += clusters.of_layer(begins.survey)
        known = tuple({each.name: each for each in reversed(every)}.values())
        named = clusters.with_aliases(here or said.destinations, known)
        return cls(named, "--destination" if here else "platform-e2e.yaml", known)

    @property
    def secrets(self) -> tuple[dict[str, Any], ...]:
        """Return the Secrets of the clusters that are known, as they are in production."""
        return tuple(each.secret(here=False) for each in self.clusters)
