"""Read plain data of which nobody knows whether it has the expected shape: a run's files may be old, cut or damaged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Any]:
    """Return a list as it is, and an empty one in place of anything else."""
    return value if isinstance(value, list | tuple) else ()


def mappings(value: object) -> list[Mapping[str, Any]]:
    """Return the mappings of a list."""
    return [item for item in sequence(value) if isinstance(item, dict)]


def text(value: object) -> str:
    """Return a text as it is, a number as text, and an empty text in place of anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def texts(value: object) -> list[str]:
    """Return the texts of a list."""
    return [text(item) for item in sequence(value) if text(item)]


def number(value: object, otherwise: float = 0.0) -> float:
    """Return a finite number, and another in place of anything else."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else otherwise  # type: ignore[arg-type]


def count(value: object) -> int:
    """Return a number of things, and none in place of anything else."""
    return int(number(value))
