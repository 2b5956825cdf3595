"""The delay from the API server's answer to a PATCH until the wait for it returns, on one monotonic clock.

Waits are begun in groups, left until their watches stand, and then satisfied one after the other. The groups of all
contenders take turns, so that whatever the machine does meanwhile concerns all alike. Linux has one monotonic clock for all
processes; the driver reads it when the head of the answer has come, the contender's process when its wait has returned.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence

from benchmarks.waits.contender import READY
from benchmarks.waits.peers import PEERS
from benchmarks.waits.stage import PENDING, Stage, Writer
from benchmarks.waits.worker import Worker
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.expect import pause

GROUP = 10
"""Waits that are begun together: programs take long to start, and are to be at rest when they are measured."""

SETTLE = 0.4
SETTLE_PROCESSES = 1.5
"""Seconds until a group's watches stand: ten processes of kubectl take 0.7 s on two cores."""

BETWEEN = (0.02, 0.05)
"""Least and most seconds from one wait's return to the next PATCH; at random, to fall in with nobody's rhythm."""

TIMEOUT = 60.0

PART = "delay"


class NotReturned(BrokenHarness):
    """A contender's wait failed where nothing was in its way."""


def measure(
    stage: Stage, titles: Sequence[str], trials: int, seed: int, tick: Callable[[], None]
) -> dict[str, list[float]]:
    """Return each contender's delays in milliseconds, in the order in which they were taken.

    Args:
        stage: to measure on.
        titles: of the contenders.
        trials: how many for each; one group more is done first, and forgotten.
        seed: of the pauses and of the order.
        tick: called after each trial.

    Raises:
        NotReturned: a wait did not return although it was satisfied.
    """
    chance = random.Random(seed)  # noqa: S311 - jitter
    names = [f"trial-{number}" for number in range(GROUP)]
    samples: dict[str, list[float]] = {title: [] for title in titles}
    writer = Writer(stage.direct)
    with contextlib.ExitStack() as stack:
        workers = []
        for title in titles:
            worker = stack.enter_context(stage.worker(title, PART, stage.direct))
            stage.make_namespace(worker.setup.namespace)
            stage.make_many(worker.setup.namespace, names)
            workers.append(worker)
        for worker in workers:
            _group(stage, worker, writer, names, chance)
        while any(len(found) < trials for found in samples.values()):
            for worker in workers:
                wanted = names[: trials - len(samples[worker.title])]
                for delay in _group(stage, worker, writer, wanted, chance):
                    samples[worker.title].append(delay)
                    tick()
    return samples


def _group(stage: Stage, worker: Worker, writer: Writer, names: Sequence[str], chance: random.Random) -> list[float]:
    """Begin some waits, satisfy them one by one, and return the delays in milliseconds."""
    namespace = worker.setup.namespace
    numbers = {name: worker.begin(name, TIMEOUT) for name in names}
    pause(SETTLE_PROCESSES if PEERS[worker.title].processes else SETTLE)
    delays = []
    for name in chance.sample(list(names), len(names)):
        pause(chance.uniform(*BETWEEN))
        answered = writer.set(namespace, name, READY)
        done = worker.result(numbers[name], TIMEOUT)
        if done is None or done.error:
            raise NotReturned(
                f"{worker.title} did not return from its wait for ConfigMap {name} -n {namespace}: "
                f"{done.error if done else 'no answer'}",
                "leave it out: --peers names those to measure",
            )
        delays.append((done.ended - answered) / 1e6)
    stage.set_many(namespace, list(names), PENDING)
    return delays
