"""Samples as promtool's unit tests write them: `0+60x9` for ten samples that rise by 60, `_x3` for three that are missing.

The notation is that of Prometheus' promtool (docs/configuration/unit_testing_rules.md, series).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from platform_e2e.checks.alerts.shapes import number

GONE = "stale"
"""The sample with which a series ends, so that it is gone at once and not after the five minutes of the lookback."""


def written(samples: Sequence[float | None]) -> str:
    """Return samples in the notation of promtool; what ends is marked as gone.

    Args:
        samples: one for each interval, None where there is none.
    """
    words: list[str] = []
    at = 0
    while at < len(samples):
        first = samples[at]
        if first is None:
            ends = at > 0 and samples[at - 1] is not None
            length = _missing(samples, at)
            words += [GONE] if ends else []
            words += _repeated("_", length - ends)
            at += length
            continue
        step, length = _line(samples, at)
        if length == 1:
            words.append(number(first))
        elif not step:
            words.append(f"{number(first)}x{length - 1}")
        else:
            words.append(f"{number(first)}{'+' if step > 0 else '-'}{number(abs(step))}x{length - 1}")
        at += length
    return " ".join(words)


def _repeated(word: str, times: int) -> list[str]:
    return [f"{word}x{times}" if times > 1 else word] if times else []


def _missing(samples: Sequence[float | None], at: int) -> int:
    length = 0
    while at + length < len(samples) and samples[at + length] is None:
        length += 1
    return length


def _line(samples: Sequence[float | None], at: int) -> tuple[float, int]:
    """Return by how much the samples from one on change each time, and how many do."""
    first, second = samples[at], samples[at + 1] if at + 1 < len(samples) else None
    if first is None or second is None:
        return 0.0, 1
    step, length = float(f"{second - first:.12g}"), 2
    while at + length < len(samples):
        value = samples[at + length]
        if value is None or not math.isclose(value, first + step * length, rel_tol=1e-9, abs_tol=1e-9):
            break
        length += 1
    # Two numbers that differ are no line yet.
    return (step, length) if length > 2 or not step else (0.0, 1)
