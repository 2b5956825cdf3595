"""How long a case lasts, and how far apart its samples are: as the windows and the `for` of an alert want."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import promql_parser as ast

from platform_e2e.checks.alerts.reach import Resolve
from platform_e2e.promql import children_of, selector_of

USUAL = 60.0
"""Seconds between two samples and two evaluations, as promtool has them by default."""

LONGEST = 240.0
"""Seconds between two samples at most: an instant selector looks back five minutes (promql/engine.go, lookbackDelta)."""

SAMPLES = 4
"""Samples that the shortest window must have."""

FEWEST = 2.5
"""The same in a case with very many samples."""

MANY = 1500
"""Samples of a case above which they are put further apart, as far as the windows allow."""


@dataclass(frozen=True)
class Span:
    """The time of a case.

    Attributes:
        interval: seconds between two samples, and between two evaluations.
        warm: seconds that its windows look back together.
        held: seconds of the alert's `for`.
    """

    interval: float
    warm: float
    held: float

    @property
    def steps(self) -> int:
        """Return the number of samples until the alert must have fired, if its condition holds all the time."""
        return math.ceil((self.warm + self.held) / self.interval) + 3

    @property
    def held_steps(self) -> int:
        """Return the number of evaluations of `for`."""
        return math.ceil(self.held / self.interval)


def of(tree: Any, held: float, resolve: Resolve) -> Span:
    """Return the span of the cases of an alert.

    Args:
        tree: its parsed expression.
        held: seconds of its `for`.
        resolve: returns what records a series.
    """
    windows: list[float] = []
    warm = _warm(tree, resolve, windows.append)
    finest = min(windows, default=USUAL * SAMPLES) / SAMPLES
    interval = min(USUAL, finest)
    if (warm + held) / interval > MANY:
        interval = max(interval, min(LONGEST, finest * SAMPLES / FEWEST))
    if 0 < held < interval:
        interval = held
    return Span(max(1.0, float(math.floor(interval))), warm, held)


def _warm(node: Any, resolve: Resolve, note: Callable[[float], None]) -> float:
    """Return how many seconds a node looks back, and note its windows."""
    mine = 0.0
    if isinstance(node, ast.MatrixSelector):
        mine = node.range.total_seconds()
        note(mine)
        return mine + _warm(node.vector_selector, resolve, note)
    if isinstance(node, ast.SubqueryExpr):
        mine = cast("timedelta", node.range).total_seconds()
        note(mine)
    offset = getattr(node, "offset", None)
    if offset is not None:
        mine += abs(offset.total_seconds())
    if isinstance(node, ast.VectorSelector):
        recorded = resolve(selector_of(node))
        # What is recorded comes one evaluation later.
        return mine + (_warm(recorded, resolve, note) + USUAL if recorded is not None else 0.0)
    return mine + max((_warm(child, resolve, note) for child in children_of(node)), default=0.0)
