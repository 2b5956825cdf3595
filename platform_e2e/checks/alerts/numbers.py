"""Numbers that an expression compares: constants, and times that go with the clock; and which ones meet a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

NEAR = 0.05
"""How far from a threshold a value is at first, as a part of it: near enough that another threshold is told apart."""

NEGATED = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Number:
    """A constant, plus the clock so many times.

    Attributes:
        constant: what does not change.
        clock: how many times the clock, which is what time() returns, is in it.
    """

    constant: float
    clock: float = 0.0

    def __neg__(self) -> Number:
        """Return it with the other sign."""
        return Number(-self.constant, -self.clock)


def combine(operator: str, left: Number, right: Number) -> Number | None:
    """Return what an operator makes of two numbers; None where that is no number of this kind."""
    a, b = left.constant, right.constant
    try:
        match operator:
            case "+":
                found = Number(a + b, left.clock + right.clock)
            case "-":
                found = Number(a - b, left.clock - right.clock)
            case "*" if not left.clock or not right.clock:
                found = Number(a * b, left.clock * b + right.clock * a)
            case "/" if not right.clock:
                found = Number(a / b, left.clock / b)
            case "%" if not left.clock and not right.clock:
                found = Number(math.fmod(a, b))
            case "^" if not left.clock and not right.clock:
                found = Number(float(a**b))
            case _:
                return None
    except (ArithmeticError, TypeError, ValueError):
        return None
    return found if math.isfinite(found.constant) else None


def left_for(operator: str, wanted: Number, right: Number) -> Number | None:
    """Return the left side with which an operator gives a number."""
    inverse = {"+": "-", "-": "+", "*": "/", "/": "*"}.get(operator)
    return combine(inverse, wanted, right) if inverse else None


def right_for(operator: str, wanted: Number, left: Number) -> Number | None:
    """Return the right side with which an operator gives a number."""
    match operator:
        case "+":
            return combine("-", wanted, left)
        case "*":
            return combine("/", wanted, left)
        case "-" | "/":
            return combine(operator, left, wanted)
        case _:
            return None


def holds(operator: str, left: Number, right: Number) -> bool | None:
    """Tell whether a comparison holds; None where that changes with the clock."""
    if left.clock != right.clock:
        return None
    a, b = left.constant, right.constant
    if math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
        return operator in {"==", ">=", "<="}
    return {">": a > b, ">=": a > b, "<": a < b, "<=": a < b, "==": False, "!=": True}[operator]


def meeting(operator: str, bound: Number) -> Iterator[Number]:
    """Yield numbers that are in a relation to another one, the nearest first.

    Args:
        operator: a comparison.
        bound: what they are compared with.
    """
    at = bound.constant
    away = abs(at) * NEAR or 1.0
    whole = 1.0 if at == int(at) and abs(at) < 1e9 else away
    above, below = [at + away, at + whole, at + 4 * away, 2 * abs(at) + 1, abs(at) * 1e3 + 1e3], [at - away, at - whole]
    below += [at - 4 * away, at / 2 if at > 0 else 2 * at - 1, 0.0 if at > 0 else at - 1, at - abs(at) * 1e3 - 1e3]
    found = {
        ">": above,
        ">=": [at, *above],
        "<": below,
        "<=": [at, *below],
        "==": [at],
        "!=": [at - whole, at + whole, *above, *below] if at > 0 else [at + whole, at - whole, *above, *below],
    }[operator]
    for each in dict.fromkeys(float(f"{value:.9g}") for value in found):
        yield Number(each, bound.clock)
