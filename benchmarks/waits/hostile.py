"""False verdicts: every contender waits through the same planned faults.

A false pass is a wait that returned before its ConfigMap was made ready; a false fail one that raised anything, or never
returned, although its ConfigMap came to be ready within its time and stayed so.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.waits import apiserver
from benchmarks.waits.contender import READY
from benchmarks.waits.faults import FAULTS
from benchmarks.waits.load import at_rest
from benchmarks.waits.peers import PEERS
from benchmarks.waits.plan import RESTARTED, Tally, Trial, Worth, judge, plan
from benchmarks.waits.stage import PENDING, WRITERS, Stage, namespace_of
from benchmarks.waits.worker import Worker
from platform_e2e.kube.expect import pause

AT_ONCE = 150
"""Most waits of one contender that are under way together, whatever `BETWEEN` says."""

BETWEEN = 0.04
BETWEEN_PROCESSES = 0.2
"""Seconds from one wait's begin to the next one's: were they begun at once, their watches would stand only after their
ConfigMaps are ready, and nothing would be in the way. On two idle cores ten programs could start in a second.
"""

GRACE = 20.0
"""Seconds after its timeout until a wait is taken never to return."""

SPREAD = 5.0
"""Seconds over which ConfigMaps become ready after the API server has come back."""

BEFORE_KILL = 0.25
"""The share of the ConfigMaps that become ready in the moment before the API server is killed."""

STILL_WAITING = 0.05
"""Seconds within which a wait that must not have ended is asked for its end; the last of the others has ended by then."""

PART = "hostile"

Tallies = dict[str, dict[str, Tally]]
"""By contender and fault."""


def measure(stage: Stage, titles: Sequence[str], waits: int, seed: int, tick: Callable[[], None]) -> Tallies:
    """Return the verdicts of all contenders.

    Args:
        stage: to measure on.
        titles: of the contenders.
        waits: how many for each.
        seed: of the plan.
        tick: called after each wait.
    """
    trials = plan(seed, waits)
    tallies: Tallies = {title: {fault: Tally() for fault in FAULTS} for title in titles}
    for title in titles:
        stage.make_namespace(namespace_of(title, PART))
        judged = _through_faults(stage, title, [trial for trial in trials if trial.fault != RESTARTED])
        for trial, worth, error in judged:
            tallies[title][trial.fault].add(worth, error)
            tick()
    restarted = [trial for trial in trials if trial.fault == RESTARTED]
    for title, trial, worth, error in _through_restart(stage, titles, restarted):
        tallies[title][trial.fault].add(worth, error)
        tick()
    return tallies


@contextlib.contextmanager
def _workers(stage: Stage, wanted: Sequence[tuple[str, str]]) -> Iterator[list[Worker]]:
    """Start a process for each pair of contender and fault, each with one wait behind it from before the faults begin."""
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(stage.worker(title, f"{PART}-{number}", stage.through(fault)))
            for number, (title, fault) in enumerate(wanted)
        ]
        for number, worker in enumerate(workers):
            name = f"first-{number}"
            stage.make(worker.setup.namespace, name, READY)
            worker.result(worker.begin(name, GRACE), GRACE)
            stage.remove(worker.setup.namespace, name)
        yield workers


def _through_faults(stage: Stage, title: str, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Worth, str]]:
    """Take one contender through the faults that the proxy makes, and through replaced objects."""
    faults = sorted({trial.fault for trial in trials})
    pace = Pace(BETWEEN_PROCESSES if PEERS[title].processes else BETWEEN)
    with _workers(stage, [(title, fault) for fault in faults]) as workers:
        by_fault = dict(zip(faults, workers, strict=True))
        stage.proxy.hostile(True)
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            doing = [pool.submit(_act, stage, by_fault[trial.fault], trial, pace) for trial in trials]
            for trial, future in zip(trials, doing, strict=True):
                yield trial, *future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            stage.proxy.hostile(False)


class Pace:
    """Let one after the other pass, some seconds apart.

    Args:
        seconds: apart.
    """

    def __init__(self, seconds: float) -> None:
        """Let the first pass at once."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            turn = self._next = max(self._next + self._seconds, time.monotonic())
        pause(turn - time.monotonic())


def _act(stage: Stage, worker: Worker, trial: Trial, pace: Pace) -> tuple[Worth, str]:
    """Play one trial out."""
    namespace = worker.setup.namespace
    pace.wait()
    _prepare(stage, namespace, trial)
    began = time.monotonic()
    number = worker.begin(trial.name, trial.timeout)
    pause(trial.noise_after)
    if trial.replaced:
        stage.remove(namespace, trial.name)
        if not trial.made_ready:
            stage.make(namespace, trial.name)
    else:
        stage.set(namespace, trial.name, "noise")
    sent = answered = None
    if trial.ready_after is not None:
        pause(began + trial.ready_after - time.monotonic())
        sent, answered = _make_ready(stage, namespace, trial)
    done = worker.result(number, trial.timeout + GRACE)
    stage.remove(namespace, trial.name)
    return judge(trial, done, sent, answered)


def _prepare(stage: Stage, namespace: str, trial: Trial) -> None:
    """Make a trial's ConfigMap."""
    stage.make(namespace, trial.name, READY if trial.stale else PENDING)
    if trial.stale:
        stage.set(namespace, trial.name, PENDING)


def _make_ready(stage: Stage, namespace: str, trial: Trial) -> tuple[int, int]:
    """Make a trial's ConfigMap ready and return when that was asked and answered, in monotonic nanoseconds."""
    sent = time.monotonic_ns()
    if trial.made_ready:
        stage.make(namespace, trial.name, READY)
    else:
        stage.set(namespace, trial.name, READY)
    return sent, time.monotonic_ns()


def _through_restart(
    stage: Stage, titles: Sequence[str], trials: Sequence[Trial]
) -> Iterator[tuple[str, Trial, Worth, str]]:
    """Take all contenders together through one restart of the API server."""
    if not trials:
        return
    with _workers(stage, [(title, RESTARTED) for title in titles]) as workers:
        both = [(worker, trial) for trial in trials for worker in workers]
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda pair: _prepare(stage, pair[0].setup.namespace, pair[1]), both))
            numbers = _begin_all(both)
            at_rest(stage, RESTARTED)
            coming = [pair for pair in both if pair[1].ready_after is not None]
            early = int(len(coming) * BEFORE_KILL)
            moments = {}
            for worker, trial in coming[:early]:
                moments[worker.title, trial.name] = _make_ready(stage, worker.setup.namespace, trial)
            apiserver.kill(stage.facts.name)
            apiserver.wait_until_ready(stage.kube)
            for worker, trial in coming[early:]:
                moments[worker.title, trial.name] = _make_ready(stage, worker.setup.namespace, trial)
                pause(SPREAD / len(coming))
        # Those that wait for what never comes are asked last, and not until their long time is over.
        for worker, trial in sorted(both, key=lambda pair: pair[1].ready_after is None):
            left = STILL_WAITING if trial.ready_after is None else trial.timeout + GRACE
            done = worker.result(numbers[worker.title, trial.name], left)
            sent, answered = moments.get((worker.title, trial.name), (None, None))
            yield worker.title, trial, *judge(trial, done, sent, answered)


def _begin_all(both: Sequence[tuple[Worker, Trial]]) -> dict[tuple[str, str], int]:
    """Begin all waits, programs in their pace, and return their numbers by contender and ConfigMap."""
    numbers = {}
    for worker, trial in sorted(both, key=lambda pair: PEERS[pair[0].title].processes):
        numbers[worker.title, trial.name] = worker.begin(trial.name, trial.timeout)
        pause(BETWEEN_PROCESSES if PEERS[worker.title].processes else 0)
    return numbers
