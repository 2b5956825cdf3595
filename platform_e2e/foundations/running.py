"""Judge whether a workload runs, and whether its pods still can: one that moves gets its time, one that cannot start fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.progress import QUIET_SECONDS, STARTING, STILL_SECONDS, UNPULLED
from platform_e2e.kube.readiness import rolled_out

HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons of a waiting container that no waiting cures."""

UNPULLED_SECONDS = 60.0
"""Seconds for which pulling an image may fail: a kubelet has started four attempts by then (after 10, 20 and 40 s). A registry that is
overloaded for a moment answers one of them; one with a reached pull limit stays so for hours."""

MOUNT_SECONDS = 130.0
"""Seconds without news after which a volume will not come: a kubelet retries within 2 min 2 s (Kubernetes 1.34,
pkg/util/goroutinemap/exponentialbackoff)."""

UNBOUND = "PersistentVolumeClaim"
"""Words of the scheduler about a volume, which may come, while a fitting node, or room on one, will not."""

STOPPED = UNPULLED | {"CrashLoopBackOff"}
"""Reasons of a waiting container that bring no news however often it is retried."""

GIVEN_UP_RESTARTS = 5
"""Restarts after which a container counts as failed: the back-off between two attempts is by then over a minute."""

Still = Callable[[], float]
"""Returns the seconds since the last news in the cluster."""

Pulling = Callable[[], Collection[str]]
"""Returns the images that are being pulled."""


class Running:
    """The judgement of one workload during a wait for it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, still: Still = lambda: 0.0, pulling: Pulling = lambda: ()
    ) -> None:
        self._clock = clock
        self._still = still
        self._pulling = pulling
        self._unpulled: dict[str, float] = {}
        self._unscheduled: dict[str, float] = {}

    def __call__(self, state: tuple[Any, ...]) -> Verdict:
        """Judge whether a workload runs its newest generation somewhere, and whether its pods still can.

        Args:
            state: a Deployment, a StatefulSet or a DaemonSet, and its pods; ignores further items.
        """
        workload, pods = state[:2]
        verdict = rolled_out(workload)
        if not isinstance(verdict, Met):
            # A failed Deployment too: it passes its own deadline also while its images are pulled, and recovers.
            over = self.over(pods, verdict.why, made=workload is not None)
            return Failed(over) if over else Pending(verdict.why)
        if (
            workload is not None
            and workload["kind"] == "DaemonSet"
            and not workload["status"]["desiredNumberScheduled"]
        ):
            # It has seen the newest generation, and all nodes have existed since the cluster does.
            return Failed("no node wants a pod of it")
        return verdict

    def over(self, pods: Sequence[Object], why: str, *, made: bool = True) -> str:
        """Return why waiting for some pods no longer helps, or an empty text.

        Args:
            pods: all pods of a workload.
            why: what is missing.
            made: whether the workload itself exists; otherwise its pods are unknown.
        """
        hopeless = next((why for pod in pods for why in self._hopeless(pod)), "")
        if hopeless:
            return hopeless
        return f"{why}, and nothing moves any more" if self._still() >= _patience(pods, made=made) else ""

    def _hopeless(self, pod: Object) -> Iterator[str]:
        """Yield why a pod cannot get ready, however long one waits."""
        status = pod.get("status") or {}
        yield from self._unschedulable(pod)
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason")
            name = f"Pod/{pod['metadata']['name']} container {container['name']}"
            message = str(waiting.get("message") or "")
            if reason in UNPULLED:
                since = self._unpulled.setdefault(name, self._clock())
                if self._clock() - since >= UNPULLED_SECONDS and container.get("image") not in self._pulling():
                    yield f"{name}: {reason} for {self._clock() - since:.0f} s{f': {message}' if message else ''}"
            else:
                self._unpulled.pop(name, None)
            if reason in HOPELESS:
                yield f"{name}: {reason}: {message}"
            elif reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= GIVEN_UP_RESTARTS:
                yield f"{name} ended {container['restartCount']} times"

    def _unschedulable(self, pod: Object) -> Iterator[str]:
        """Yield that no node accepts a pod, once the scheduler has reported it for a while: nodes neither come nor change."""
        name, message = f"Pod/{pod['metadata']['name']}", unscheduled(pod)
        if not message:
            self._unscheduled.pop(name, None)
            return
        since = self._unscheduled.setdefault(name, self._clock())
        if UNBOUND not in message and self._clock() - since >= QUIET_SECONDS:
            yield f"{name} is not scheduled: {message}"


def unscheduled(pod: Object) -> str:
    """Return why no node accepts a pod; empty if one does."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return ""


def _patience(pods: Sequence[Object], *, made: bool) -> float:
    """Return after how many seconds without news some pods will not change any longer."""
    unready = [pod for pod in pods if not _is_ready(pod)]
    if made and all(unscheduled(pod) or any(map(_stopped, _containers(pod))) for pod in unready):
        # None of them makes progress by itself, such as starting; where none can be made, none will.
        return QUIET_SECONDS
    return MOUNT_SECONDS if any(map(_starts, unready)) else STILL_SECONDS


def _starts(pod: Object) -> bool:
    """Tell whether a pod waits for an image or a volume."""
    return any(
        ((container.get("state") or {}).get("waiting") or {}).get("reason") in STARTING
        for container in _containers(pod)
    )


def _stopped(container: Object) -> bool:
    return ((container.get("state") or {}).get("waiting") or {}).get("reason") in STOPPED


def _is_ready(pod: Object) -> bool:
    return bool(_containers(pod)) and all(container.get("ready") for container in _containers(pod))


def _containers(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())
