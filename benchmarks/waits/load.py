"""What one wait costs, and what hundreds at once do: requests, bytes, and the client's processor time.

All go through the proxy's counting port, each measurement in a fresh process, whose import of its modules is not counted;
what it asks the API server for the first time is. kubectl and its wrapper get their discovery cache filled before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.waits.contender import READY
from benchmarks.waits.peers import PEERS
from benchmarks.waits.stage import CLEAN, PENDING, Stage
from benchmarks.waits.summary import Load
from benchmarks.waits.worker import Worker
from platform_e2e.kube.expect import Met, Pending, Verdict, pause, poll

QUIET = 1.5
"""Seconds without a request after which all waits are taken to be waiting."""

QUIET_MOST = 180.0
"""Most seconds until then: five hundred processes of kubectl would take 35 s on two cores."""

TIMEOUT = 300.0

PART = "load"


def measure(
    stage: Stage, titles: Sequence[str], waits: int, processes: int, tick: Callable[[], None]
) -> dict[str, list[Load]]:
    """Return for each contender what one wait costs and what many at once do.

    Args:
        stage: to measure on.
        titles: of the contenders.
        waits: how many at once.
        processes: how many at once for contenders of which each wait is a process.
        tick: called after each measurement.
    """
    found: dict[str, list[Load]] = {}
    for title in titles:
        many = min(waits, processes) if PEERS[title].processes else waits
        names = [f"wait-{number}" for number in range(many)]
        with stage.worker(title, PART, stage.through(CLEAN)) as worker:
            stage.make_namespace(worker.setup.namespace)
            stage.make_many(worker.setup.namespace, names)
            if PEERS[title].processes:
                _once(stage, worker, names[:1])
                stage.set_many(worker.setup.namespace, names[:1], PENDING)
        found[title] = []
        for some in (names[:1], names):
            with stage.worker(title, PART, stage.through(CLEAN)) as worker:
                found[title].append(_once(stage, worker, some))
            stage.set_many(worker.setup.namespace, some, PENDING)
            tick()
    return found


def _once(stage: Stage, worker: Worker, names: Sequence[str]) -> Load:
    """Let all wait, satisfy all, and return what it cost."""
    before, used = stage.proxy.counts(CLEAN), worker.usage()
    began = time.monotonic()
    numbers = [worker.begin(name, TIMEOUT) for name in names]
    at_rest(stage)
    stage.set_many(worker.setup.namespace, list(names), READY)
    done = [worker.result(number, TIMEOUT) for number in numbers]
    seconds = time.monotonic() - began
    cost = stage.proxy.counts(CLEAN) - before
    return Load(
        waits=len(names),
        satisfied=sum(1 for each in done if each is not None and not each.error),
        requests=cost.requests,
        bytes=cost.bytes,
        cpu=round(worker.usage() - used, 3),
        seconds=round(seconds, 2),
    )


def at_rest(stage: Stage, port: str = CLEAN) -> None:
    """Return when no request has come through a port for `QUIET` seconds.

    Raises:
        Timeout: they do not end.
    """
    pause(QUIET)
    last, since = stage.proxy.counts(port).requests, time.monotonic()

    def look() -> Verdict:
        nonlocal last, since
        now = stage.proxy.counts(port).requests
        if now != last:
            last, since = now, time.monotonic()
        return Met() if time.monotonic() - since >= QUIET else Pending(f"{now} requests have come")

    poll(look, timeout=QUIET_MOST, what=f"no requests come through the proxy's port {port}", most=0.1)
