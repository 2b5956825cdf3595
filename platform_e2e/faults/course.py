"""Make every fault of a list, those that do not touch each other at once, and watch its alert until it is received and over.

Argo CD compares and heals nothing meanwhile (`gitops.sync_pause`), by a sync window that ends by itself. Whatever happens, each fault is
undone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from platform_e2e.checks.alerts import delivery, notifications, of_layer, routing
from platform_e2e.checks.alerts.delivery import Expected, Stopwatch
from platform_e2e.checks.alerts.notifications import FIRING, RESOLVED, Notification
from platform_e2e.checks.monitoring.prometheus import ActiveAlert, Prometheus
from platform_e2e.faults import actions
from platform_e2e.faults.actions import Deeds
from platform_e2e.faults.declaration import Fault
from platform_e2e.faults.outcome import Outcome
from platform_e2e.finding import Cause
from platform_e2e.gitops import sync_pause
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.layer import Layer

SEEN_SECONDS = 120.0
"""For a fault to be seen by the expression of its alert: pods end and start, scrapes fail, a pool fills."""

MISSED_SECONDS = 120.0
"""For what comes once a minute (repeat_interval of the layer's Watchdog) to be missed: twice that."""

BACK_SECONDS = 180.0
"""For an alert to be over after the repair: pods start again, one scrape, one evaluation, one notification."""

EARLIER_SECONDS = 15.0
"""How long before it is seen that an alert fires its notification may have come: a look, and the answers that it waits for."""

LOOKED_SECONDS = 1.0
"""How old what was seen may be: all faults look at the same answers."""


class Stopped(Exception):
    """The course is to end."""


@dataclass(frozen=True)
class Wanted:
    """What one fault must bring about.

    Attributes:
        fault: that is made.
        lasts: seconds for which the alert's expression must hold (`for`).
        receivers: that may get the alert.
    """

    fault: Fault
    lasts: float
    receivers: Sequence[str]


class Course:
    """All faults, each in a thread of its own that waits until nothing which it needs is in use.

    Args:
        layer: whose Applications heal nothing meanwhile.
        kube: the cluster.
        prometheus: that evaluates the alerts.
        wanted: what must happen.
    """

    def __init__(self, layer: Layer, kube: Kube, prometheus: Prometheus, wanted: Sequence[Wanted]) -> None:
        self._kube = kube
        self._prometheus = prometheus
        self._wanted = {each.fault.alert: each for each in wanted}
        self._projects = sync_pause.projects_of(layer, [app.name for app in layer.applications])
        self._stop = threading.Event()
        self._parts = Parts(self._stop)
        self._alerts = Shared(prometheus.alerts)
        self._received = Shared(lambda: notifications.received(kube))
        self._pool = ThreadPoolExecutor(max(len(wanted), 1), "fault")
        self._clock = Stopwatch()
        self._futures: dict[str, Future[Outcome]] = {}
        self.outcomes: dict[str, Outcome] = {}

    @classmethod
    def of(cls, layer: Layer, kube: Kube, prometheus: Prometheus, faults: Sequence[Fault]) -> Course:
        """Return the course of the faults that are declared for alerts of a layer.

        Args:
            layer: that has the alerts.
            kube: the cluster.
            prometheus: that evaluates them.
            faults: that are declared.
        """
        alerts = {alert.alert: alert for alert in of_layer(layer)}
        wanted = [
            Wanted(
                fault,
                alerts[fault.alert].held,
                routing.observe(alerts[fault.alert], prometheus, kube).receivers,
            )
            for fault in faults
            if fault.alert in alerts
        ]
        return cls(layer, kube, prometheus, wanted)

    def begin(self) -> None:
        """Remove what an earlier course has left, pause Argo CD, and begin with the faults that last longest and stop no other one."""
        for _, remove in actions.left([each.fault for each in self._wanted.values()], self._kube):
            remove()
        sync_pause.pause(self._kube, self._projects, sync_pause.passing())
        faults = [each.fault for each in self._wanted.values()]
        longest = sorted(
            self._wanted.values(),
            key=lambda each: (sum(bool(each.fault.parts & fault.needs) for fault in faults), -each.lasts),
        )
        for each in longest:
            self.outcomes[each.fault.alert] = Outcome(each.fault.alert, each.fault.name)
        for each in longest:
            self._parts.enter(each.fault)
        for each in longest:
            self._futures[each.fault.alert] = self._pool.submit(self._run, each)

    def outcome(self, alert: str) -> Outcome:
        """Return what came of an alert's fault, once that is known.

        Raises:
            HarnessError: the fault could not be made, or undone.
        """
        return self._futures[alert].result()

    def end(self) -> None:
        """Undo what is not undone yet, and let Argo CD heal again."""
        self._stop.set()
        self._parts.wake()
        try:
            self._pool.shutdown(wait=True)
        finally:
            sync_pause.resume(self._kube, self._projects)

    def _run(self, wanted: Wanted) -> Outcome:
        outcome = self.outcomes[wanted.fault.alert]
        try:
            with self._parts.taken(wanted.fault):
                self._made_and_undone(wanted, outcome)
        except Stopped:
            outcome.cause = Cause("fault-not-finished", "the course of the faults was ended", "run it to its end")
        return outcome

    def _made_and_undone(self, wanted: Wanted, outcome: Outcome) -> None:
        outcome.began = self._clock(f"began {wanted.fault.name}")
        life = _Life(wanted, outcome, self)
        deeds = Deeds(wanted.fault, self._kube, self._prometheus)
        try:
            outcome.cause = life.until_received(deeds)
            repaired = life.repair()
        finally:
            deeds.undo()
        outcome.cause = outcome.cause or life.until_cleared(repaired)

    def seen(self, look: Callable[[], Verdict], *, timeout: float, what: str) -> Any:
        """Poll until a verdict is met.

        Raises:
            Timeout: it is not in time.
            Stopped: the course is to end.
        """

        def unless_stopped() -> Verdict:
            return Met(Stopped) if self._stop.is_set() else look()

        found = poll(unless_stopped, timeout=timeout, what=what)
        if found is Stopped:
            raise Stopped
        return found

    def alerts(self) -> Sequence[ActiveAlert]:
        """Return the alerts that are pending or fire."""
        return self._alerts()

    def received(self) -> Sequence[Notification]:
        """Return what was received."""
        return self._received()

    def now(self) -> datetime:
        """Return the time by the cluster's clock."""
        return self._prometheus.now()

    @property
    def kube(self) -> Kube:
        """Return the cluster."""
        return self._kube


class _Life:
    """One fault from its beginning to its end."""

    def __init__(self, wanted: Wanted, outcome: Outcome, course: Course) -> None:
        self._wanted = wanted
        self._outcome = outcome
        self._course = course
        self._expected = Expected(
            wanted.fault.alert, wanted.receivers, wanted.fault.labels, wanted.fault.annotations, course.now()
        )

    def until_received(self, deeds: Deeds) -> Cause | None:
        """Make the fault, and wait until its alert is received, or missed; return why it is not."""
        deeds.make()
        clock = Stopwatch()
        if self._wanted.fault.interrupts:
            return self._until_missed(clock)
        for state, limit in (("pending", SEEN_SECONDS), (FIRING, self._wanted.lasts + SEEN_SECONDS)):
            cause = self._in_state(state, limit)
            if cause is not None:
                return cause
            self._outcome.seconds[state] = clock(state)
        if self._wanted.lasts > EARLIER_SECONDS:
            # What another fault has set off just before this one is no notification of it.
            self._since(EARLIER_SECONDS)
        got = self._notified(FIRING, delivery.SEND_SECONDS)
        if got is None:
            return delivery.undelivered(self._expected, self._course.kube, FIRING, delivery.SEND_SECONDS)
        self._outcome.seconds["received"] = clock("received")
        self._keep(got)
        return delivery.misdelivered(self._expected, got)

    def repair(self) -> Stopwatch:
        """Note that the fault is about to be undone, and return what measures the seconds from then on."""
        self._since(0.0)
        return Stopwatch()

    def until_cleared(self, clock: Stopwatch) -> Cause | None:
        """Wait until the end of the alert is received, or it is received again; return why it is not.

        Args:
            clock: since the repair.
        """
        status = FIRING if self._wanted.fault.interrupts else RESOLVED
        got = self._notified(status, BACK_SECONDS)
        if got is None:
            return self._unended() or delivery.undelivered(self._expected, self._course.kube, status, BACK_SECONDS)
        self._keep(got)
        self._outcome.seconds["received" if self._wanted.fault.interrupts else "cleared"] = clock("over")
        return None

    def _unended(self) -> Cause | None:
        """Return the cause of an alert that has not ended by itself; None where it has, or always fires."""
        fault = self._wanted.fault
        if fault.interrupts or not self._states():
            return None
        return Cause(
            "alert-still-firing",
            f"{fault.alert} still fires {BACK_SECONDS:g} s after the fault {fault.name} was undone",
            "look what its expression still sees: a program may keep its state until it starts again, which `then` of the fault can do",
        )

    def _states(self) -> set[str]:
        """Return in which states the alerts of the fault are; none of them is inactive."""
        fault = self._wanted.fault
        return {
            each.state
            for each in self._course.alerts()
            if each.alert == fault.alert and _has(each.labels, fault.labels)
        }

    def _since(self, seconds: float) -> None:
        """Let only what was received since so many seconds ago count."""
        since = self._course.now() - timedelta(seconds=seconds)
        self._expected = replace(self._expected, since=since)

    def _keep(self, got: Notification) -> None:
        if not self._wanted.fault.interrupts:
            # Its end is that of the same alert.
            self._expected = replace(self._expected, labels=got.labels)
        self._outcome.receiver = got.receiver
        self._outcome.labels, self._outcome.annotations = got.labels, got.annotations

    def _in_state(self, state: str, limit: float) -> Cause | None:
        fault = self._wanted.fault

        def look() -> Verdict:
            found = self._states()
            if state in found or FIRING in found:
                return Met()
            return Pending(f"it is {', '.join(sorted(found)) or 'inactive'}")

        try:
            self._course.seen(look, timeout=limit, what=f"{fault.alert} is {state} after {fault.name}")
        except Timeout as error:
            return Cause(
                "alert-not-fired",
                f"{fault.alert} is not {state} {limit:g} s after the fault {fault.name}: {error.report.last}",
                "correct its expression, its `for`, or the fault",
            )
        return None

    def _notified(self, status: str, timeout: float) -> Notification | None:
        def look() -> Verdict:
            found = (each for each in self._course.received() if each.status == status and self._expected.about(each))
            got = next(found, None)
            return Met(got) if got else Pending(f"no notification that it is {status}")

        try:
            got: Notification = self._course.seen(
                look, timeout=timeout, what=f"{self._expected.alert} is received as {status}"
            )
        except Timeout:
            return None
        return got

    def _until_missed(self, clock: Stopwatch) -> Cause | None:
        """Wait until no notification has come for longer than the time between two."""

        def look() -> Verdict:
            times = [each.at for each in self._course.received() if self._expected.about(each)]
            last = max([self._expected.since, *times])
            quiet = (self._course.now() - last).total_seconds()
            return Met() if quiet >= MISSED_SECONDS / 2 + _MARGIN else Pending(f"it came {quiet:.0f} s ago")

        try:
            self._course.seen(look, timeout=2 * MISSED_SECONDS, what=f"{self._expected.alert} is missed")
        except Timeout as error:
            return Cause(
                "alert-not-missed",
                f"{self._expected.alert} comes although the fault {self._wanted.fault.name} keeps it back: {error.report.last}",
                "correct the fault",
            )
        self._outcome.seconds["missed"] = clock("missed")
        return None


_MARGIN = 20.0
"""Seconds that a repeated notification may be late: an interval of the group, and a retry."""


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


class Shared:
    """An answer that several threads look at, asked for again where it is too old.

    Args:
        ask: returns the answer.
    """

    def __init__(self, ask: Callable[[], Sequence[Any]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._answer: Sequence[Any] = ()

    def __call__(self) -> Sequence[Any]:
        """Return the answer."""
        with self._lock:
            if time.monotonic() - self._at > LOOKED_SECONDS:
                self._answer = self._ask()
                self._at = time.monotonic()
            return self._answer


class Parts:
    """What of the cluster is in use: a part is taken by one fault alone, or needed by several.

    Args:
        stop: tells that nothing is to begin any more.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._changed = threading.Condition()
        self._waiting: list[Fault] = []
        self._running: list[Fault] = []

    def enter(self, fault: Fault) -> None:
        """Put a fault at the end of the queue."""
        self._waiting.append(fault)

    def wake(self) -> None:
        """Let what waits see that nothing is to begin any more."""
        with self._changed:
            self._changed.notify_all()

    def taken(self, fault: Fault) -> _Taken:
        """Return what takes a fault's parts for a while."""
        return _Taken(self, fault)

    def take(self, fault: Fault) -> None:
        """Wait until what a fault needs is free; one that came earlier is not kept waiting by it.

        Raises:
            Stopped: nothing is to begin any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._free(fault))
            self._waiting.remove(fault)
            if self._stop.is_set():
                raise Stopped
            self._running.append(fault)

    def give(self, fault: Fault) -> None:
        """Let others have what a fault had."""
        with self._changed:
            self._running.remove(fault)
            self._changed.notify_all()

    def _free(self, fault: Fault) -> bool:
        before = self._waiting[: self._waiting.index(fault)]
        return not any(_collide(fault, each) for each in (*self._running, *before))


def _collide(one: Fault, other: Fault) -> bool:
    return bool(one.parts & (other.parts | other.needs) or other.parts & (one.parts | one.needs))


class _Taken:
    def __init__(self, parts: Parts, fault: Fault) -> None:
        self._parts, self._fault = parts, fault

    def __enter__(self) -> None:
        self._parts.take(self._fault)

    def __exit__(self, *_: object) -> None:
        self._parts.give(self._fault)
