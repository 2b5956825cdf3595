"""Partial reads: what a user may not read is skipped with its reason, and the rest is still read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from platform_e2e.checks.alerts.routes import RoutesError
from platform_e2e.checks.monitoring.prometheus import PrometheusError
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.kube.answers import understood
from platform_e2e.kube.errors import ApiError, Forbidden

T = TypeVar("T")


class SkippedParts:
    """Collect what could not be read, once for each part.

    Attributes:
        parts: by name, why.
        refused: those of them that the API server refused, or answered with what cannot be read; others are not there.
    """

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.refused: list[str] = []

    def add(self, part: str, why: str) -> None:
        """Note why a part is skipped."""
        self.parts.setdefault(part, why)

    @contextlib.contextmanager
    def skipping(self, part: str) -> Iterator[None]:
        """Go on after what the API server refuses; a cluster that does not answer at all is an error."""
        try:
            with understood(part):
                yield
        except Forbidden as error:
            self.refused.append(part)
            self.add(part, f"forbidden: {error.message}")
        except ApiError as error:
            if error.status == 0:
                raise
            self.refused.append(part)
            self.add(part, error.problem)
        except (PrometheusError, RoutesError, BlockedByPromise) as error:
            self.add(part, error.problem)

    def read(self, part: str, work: Callable[[], T], otherwise: T) -> T:
        """Return what the work returns, or something else where it may not be read.

        Args:
            part: what is read, in words.
            work: reads it.
            otherwise: stands in its place.
        """
        found = [otherwise]
        with self.skipping(part):
            found.append(work())
        return found[-1]
