"""What the numbers come to: percentiles, what a wait costs, and which of the bars hold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MEDIAN_MS = 2.0
P99_MS = 10.0
REQUESTS = 5
CPU_SECONDS = 1.0
"""The bars, for ours alone; docs/waiting.md says what each of them is."""


@dataclass(frozen=True)
class Delays:
    """Delays of one contender in milliseconds; negative where a wait returned before the answer to the change had come."""

    trials: int
    minimum: float
    median: float
    mean: float
    p90: float
    p99: float
    maximum: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Delays:
        """Summarise samples; percentiles are interpolated between neighbours.

        Args:
            samples: in milliseconds, at least two.
        """
        cuts = statistics.quantiles(samples, n=100, method="inclusive")
        return cls(
            trials=len(samples),
            minimum=round(min(samples), 3),
            median=round(statistics.median(samples), 3),
            mean=round(statistics.fmean(samples), 3),
            p90=round(cuts[89], 3),
            p99=round(cuts[98], 3),
            maximum=round(max(samples), 3),
        )


@dataclass(frozen=True)
class Load:
    """What so many waits at once cost.

    Attributes:
        waits: how many.
        satisfied: how many of them returned.
        requests: to the API server.
        bytes: of HTTP, both directions.
        cpu: seconds of the client's processor time, its programs' included, without the import of its modules.
        seconds: from the first wait's begin to the last one's end.
    """

    waits: int
    satisfied: int
    requests: int
    bytes: int
    cpu: float
    seconds: float


@dataclass(frozen=True)
class Bar:
    """One bar of the benchmark.

    Attributes:
        what: is measured.
        limit: in words.
        measured: in words.
        holds: whether it does.
    """

    what: str
    limit: str
    measured: str
    holds: bool


def delay_bars(delays: Delays) -> list[Bar]:
    """Return the bars for delays."""
    what = f"delay of {delays.trials} trials"
    return [
        Bar(f"{what}, median", f"at most {MEDIAN_MS:g} ms", f"{delays.median:.2f} ms", delays.median <= MEDIAN_MS),
        Bar(f"{what}, p99", f"at most {P99_MS:g} ms", f"{delays.p99:.2f} ms", delays.p99 <= P99_MS),
    ]


def load_bars(load: Load) -> list[Bar]:
    """Return the bars for so many waits at once."""
    what = f"{load.waits} wait{'s' if load.waits != 1 else ''}"
    all_of_them = load.satisfied == load.waits
    return [
        Bar(
            f"{what}, requests",
            f"at most {REQUESTS}",
            str(load.requests) + ("" if all_of_them else f", and {load.waits - load.satisfied} did not return"),
            load.requests <= REQUESTS and all_of_them,
        ),
        Bar(f"{what}, CPU", f"at most {CPU_SECONDS:g} s", f"{load.cpu:.2f} s", load.cpu <= CPU_SECONDS),
    ]


def hostile_bar(waits: int, false: int, unjudged: int) -> Bar:
    """Return the bar for false verdicts; a wait that could not be judged does not count as a right one.

    Args:
        waits: how many there were.
        false: how many verdicts were false.
        unjudged: how many came to be ready too near to their deadline to be judged.
    """
    measured = str(false) + (f", {unjudged} could not be judged" if unjudged else "")
    return Bar(f"false verdicts of {waits} hostile waits", "none", measured, not false and not unjudged)


def ratio(theirs: float, ours: float) -> str:
    """Return how many times ours a peer's figure is; nothing where that says nothing."""
    return f"{theirs / ours:.1f} x" if ours > 0 else "-"
