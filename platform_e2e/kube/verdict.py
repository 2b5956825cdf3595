"""What an expectation says about a state, and how several expectations are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

S = TypeVar("S")


@dataclass(frozen=True)
class Met:
    """Say that the expectation holds.

    Attributes:
        value: what `eventually` returns to its caller.
    """

    value: Any = None


@dataclass(frozen=True)
class Pending:
    """Say that the expectation does not hold yet, and why, in words a person can act on."""

    why: str


@dataclass(frozen=True)
class Failed:
    """Say that the expectation cannot hold any more, and why; the wait ends at once."""

    why: str


Verdict = Met | Pending | Failed

Expectation = Callable[[S], Verdict]
"""Judges one state. It gets None for an absent object and an absent kind, so absence is pending unless it says otherwise."""


def _join(verdicts: Sequence[Verdict]) -> Verdict:
    """Return that all are met, or what keeps some from it."""
    for kind in (Failed, Pending):
        whys = [verdict.why for verdict in verdicts if isinstance(verdict, kind)]
        if whys:
            return kind("; ".join(whys))
    return Met(tuple(verdict.value for verdict in verdicts if isinstance(verdict, Met)))


def met_all(expectations: Sequence[Expectation[S]]) -> Expectation[S]:
    """Return the expectation that all of them hold; its value is the tuple of their values."""
    return lambda state: _join([expectation(state) for expectation in expectations])


def met_each(expectations: Sequence[Expectation[Any]]) -> Expectation[tuple[Any, ...]]:
    """Return the expectation that each of them holds for the state at its place; its value is the tuple of values."""
    return lambda states: _join([judge(state) for judge, state in zip(expectations, states, strict=True)])


def met_any(expectations: Sequence[Expectation[S]]) -> Expectation[S]:
    """Return the expectation that one of them holds; its value is that one's. It fails when all have failed."""

    def judge(state: S) -> Verdict:
        verdicts = [expectation(state) for expectation in expectations]
        met = next((verdict for verdict in verdicts if isinstance(verdict, Met)), None)
        if met is not None:
            return met
        whys = "; or ".join(verdict.why for verdict in verdicts if not isinstance(verdict, Met))
        return Failed(whys) if all(isinstance(verdict, Failed) for verdict in verdicts) else Pending(whys)

    return judge
