"""Record on the timeline what happens in the cluster during a run: Applications' states, restarts, warnings.

One process of the run observes; where it ends before the others, one of them goes on. The streams are those of the tests'
own waits, so an API server that is watched anyway is asked for little more: pods and events.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from platform_e2e import redact
from platform_e2e.errors import HarnessError
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key, uid
from platform_e2e.kube.wait import follow
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.locks import FileLock

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""How often a process that does not observe looks whether the one that does has ended."""

CLOCKS_SECONDS = 2.0
"""How far the cluster's clock may be behind this machine's: the API tells whole seconds, and nodes are synchronised."""

WHY_CHARACTERS = 300
"""How much of a message is kept: three lines of a terminal."""


@dataclass
class Applications:
    """What was recorded of each Application.

    Attributes:
        timeline: to record on.
        tests: label of what tests make for themselves.
        known: the last recorded state by name.
    """

    timeline: Timeline
    tests: str
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def look(self, apps: Iterable[Object]) -> None:
        """Record each Application that is in another state than before, and each that is gone."""
        now: dict[str, Mapping[str, Any]] = {app["metadata"]["name"]: self._state(app) for app in apps}
        for name in self.known.keys() - now.keys():
            now[name] = {**self.known[name], "sync": "", "health": "", "operation": "", "why": "it is gone"}
        for name, state in now.items():
            if self.known.get(name) != state:
                self.timeline.event("application", name, **state)
        self.known = now

    def _state(self, app: Object) -> dict[str, Any]:
        """Return what is recorded of an Application."""
        done = argocd.operation(app)
        conditions = "; ".join(f"{kind}: {message}" for kind, message in argocd.conditions(app))
        trouble = done.message if done.phase not in {"", "Succeeded"} else ""
        return {
            "sync": argocd.sync_status(app),
            "health": argocd.health(app),
            "operation": done.phase,
            "heals": done.self_heal_attempts > 0,
            "revision": next(iter(argocd.revisions(app)), "")[:12],
            "of_tests": self.tests in (app["metadata"].get("labels") or {}),
            "why": " ".join(redact.text(conditions or trouble).split())[:WHY_CHARACTERS],
        }


@dataclass
class Restarts:
    """How often each container was restarted.

    Attributes:
        timeline: to record on.
        since: wall clock, seconds; what happened before is not recorded.
        known: the last count by pod and container.
    """

    timeline: Timeline
    since: float
    known: dict[tuple[str, str], int] = field(default_factory=dict)

    def look(self, pods: Iterable[Object]) -> None:
        """Record each container that has been restarted again."""
        now: dict[tuple[str, str], int] = {}
        for pod in pods:
            status = pod.get("status") or {}
            for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
                place = uid(pod), container["name"]
                now[place] = int(container.get("restartCount") or 0)
                if now[place] > self.known.get(place, 0):
                    self._restarted(pod, container, first=place not in self.known)
        self.known = now

    def _restarted(self, pod: Object, container: Mapping[str, Any], *, first: bool) -> None:
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if first and seconds_of(ended.get("finishedAt")) < self.since:
            return
        namespace, name = key(pod)
        self.timeline.event(
            "restart",
            f"pod/{name} -n {namespace}",
            container=container["name"],
            count=container["restartCount"],
            why=f"{ended.get('reason', '')} {ended.get('exitCode', '')}".strip(),
        )


@dataclass
class Warnings:
    """The events of type Warning.

    Attributes:
        timeline: to record on.
        since: wall clock, seconds; what was last seen before is not recorded.
        known: by uid the count at which it was recorded last.
    """

    timeline: Timeline
    since: float
    known: dict[str, int] = field(default_factory=dict)

    def look(self, events: Iterable[Object]) -> None:
        """Record each warning that is new, and again whenever it has come twice as often as when it was recorded."""
        now: dict[str, int] = {}
        for event in events:
            if event.get("type") != "Warning":
                continue
            count = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
            before = self.known.get(uid(event))
            now[uid(event)] = count if before is None or count >= 2 * before else before
            if now[uid(event)] != before and last_seen(event) >= self.since:
                self._warned(event, count)
        self.known = now

    def _warned(self, event: Object, count: int) -> None:
        about = event.get("involvedObject") or {}
        where = f" -n {about['namespace']}" if about.get("namespace") else ""
        self.timeline.event(
            "warning",
            f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}{where}",
            reason=event.get("reason", ""),
            count=count,
            why=" ".join(redact.text(str(event.get("message", ""))).split())[:WHY_CHARACTERS],
        )


def last_seen(event: Object) -> float:
    """Return when an event happened last, in seconds of the wall clock."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max(map(seconds_of, (*times, event["metadata"].get("creationTimestamp"))))


def seconds_of(text: str | None) -> float:
    """Return a time of the API in seconds of the wall clock; 0 where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


class Observer:
    """Observe the cluster in threads of this process, unless another process of the run does.

    Args:
        kube: the cluster.
        timeline: of the run.
        lock: file that the process which observes holds.
        first: tells, once for the run, that nothing was recorded yet.
        tests: label of what tests make for themselves.
    """

    def __init__(self, kube: Kube, timeline: Timeline, lock: Path, first: Callable[[], bool], tests: str) -> None:
        self._kube = kube
        # Of its own: what happens in the cluster belongs to no test of this process.
        self._timeline = Timeline(timeline.path)
        self._lock = FileLock(lock)
        self._first = first
        self._tests = tests
        self._stop = threading.Event()
        self._began = time.time()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5 * AGAIN_SECONDS)

    def _run(self) -> None:
        """Observe as soon as no other process does, until the end."""
        while not self._stop.is_set():
            release = self._lock.try_take("record what happens in the cluster")
            if release is None:
                self._stop.wait(AGAIN_SECONDS)
                continue
            try:
                self._observe(self._began if self._first() else time.time())
            finally:
                release()

    def _observe(self, since: float) -> None:
        """Record until the end what has happened since."""
        since -= CLOCKS_SECONDS
        kinds: Sequence[tuple[str, str | None, Callable[[Iterable[Object]], None]]] = (
            (argocd.APPLICATION, argocd.NAMESPACE, Applications(self._timeline, self._tests).look),
            ("v1/Pod", None, Restarts(self._timeline, since).look),
            ("v1/Event", None, Warnings(self._timeline, since).look),
        )
        threads = [threading.Thread(target=self._follow, args=kind, daemon=True) for kind in kinds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _follow(self, kind: str, namespace: str | None, look: Callable[[Iterable[Object]], None]) -> None:
        while not self._stop.is_set():
            try:
                for objects in follow(self._kube.many(kind, namespace), self._stop):
                    look(objects)
            except HarnessError as error:
                # A report without these events is worth more than a run that ends for want of them.
                log.debug("%s is not observed: %s", kind, error.problem)
                self._stop.wait(AGAIN_SECONDS)
