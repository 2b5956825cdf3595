"""The verdicts of an expectation on a state, and combinations of expectations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

S = TypeVar("S")


@dataclass(frozen=True)
class Met:
    """The expectation holds.

    Attributes:
        value: returned by `eventually`.
    """

    value: Any = None


@dataclass(frozen=True)
class Pending:
    """The expectation does not hold yet, and why, in words that a person can act on."""

    why: str


@dataclass(frozen=True)
class Failed:
    """The expectation can no longer hold, and why; the wait ends at once."""

    why: str


Verdict = Met | Pending | Failed

Expectation = Callable[[S], Verdict]
"""Judges one state. An absent object or kind is None, for which most expectations return `Pending`."""


def _join(verdicts: Sequence[Verdict]) -> Verdict:
    """Return `Met` if all are met, or else why some are not."""
    for kind in (Failed, Pending):
        whys = [verdict.why for verdict in verdicts if isinstance(verdict, kind)]
        if whys:
            return kind("; ".join(whys))
    return Met(tuple(verdict.value for verdict in verdicts if isinstance(verdict, Met)))


def met_all(expectations: Sequence[Expectation[S]]) -> Expectation[S]:
    """Return the expectation that all of them hold; its value is the tuple of their values."""
    return lambda state: _join([expectation(state) for expectation in expectations])


def met_each(expectations: Sequence[Expectation[Any]]) -> Expectation[tuple[Any, ...]]:
    """Return the expectation that each of them holds for the state at the same place; its value is the tuple of values."""
    return lambda states: _join([judge(state) for judge, state in zip(expectations, states, strict=True)])


def met_any(expectations: Sequence[Expectation[S]]) -> Expectation[S]:
    """Return the expectation that at least one holds; its value is that of the first. It fails when all have failed."""

    def judge(state: S) -> Verdict:
        verdicts = [expectation(state) for expectation in expectations]
        met = next((verdict for verdict in verdicts if isinstance(verdict, Met)), None)
        if met is not None:
            return met
        whys = "; or ".join(verdict.why for verdict in verdicts if not isinstance(verdict, Met))
        return Failed(whys) if all(isinstance(verdict, Failed) for verdict in verdicts) else Pending(whys)

    return judge
