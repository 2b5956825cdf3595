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
        promises: by name of a part those that are not known without it; empty where its reader says none.
    """

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.refused: list[str] = []
        self.promises: dict[str, dict[str, None]] = {}

    def add(self, part: str, why: str, *promises: str) -> None:
        """Note why a part is skipped.

        Args:
            part: what is skipped, in words.
            why: the reason; the first one of a part is kept.
            promises: that are not known without it.
        """
        self.parts.setdefault(part, why)
        self.promises.setdefault(part, {}).update(dict.fromkeys(promises))

    @contextlib.contextmanager
    def skipping(self, part: str, *promises: str) -> Iterator[None]:
        """Go on after what the API server refuses; a cluster that does not answer at all is an error.

        Args:
            part: what is read, in words.
            promises: that are not known without it.
        """
        try:
            with understood(part):
                yield
        except Forbidden as error:
            self.refused.append(part)
            self.add(part, f"forbidden: {error.message}", *promises)
        except ApiError as error:
            if error.status == 0:
                raise
            self.refused.append(part)
            self.add(part, error.problem, *promises)
        except (PrometheusError, RoutesError, BlockedByPromise) as error:
            self.add(part, error.problem)

    def read(self, part: str, work: Callable[[], T], otherwise: T, *promises: str) -> T:
        """Return what the work returns, or something else where it may not be read.

        Args:
            part: what is read, in words.
            work: reads it.
            otherwise: stands in its place.
            promises: that are not known without it.
        """
        found = [otherwise]
        with self.skipping(part, *promises):
            found.append(work())
        return found[-1]
