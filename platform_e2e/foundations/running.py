"""Whether a workload of a release runs, and whether its pods still can: a thing that moves keeps its time, one that cannot is final."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.progress import QUIET_SECONDS, STARTING, STILL_SECONDS, UNPULLED
from platform_e2e.kube.readiness import rolled_out

HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons for which a container waits that no waiting mends."""

UNPULLED_SECONDS = 60.0
"""How long an image may fail to be pulled: a kubelet has begun to try it four times by then (after 10, 20 and 40 s). A registry that
refuses for a moment, for it is asked for too much at once, has it by then; one whose limit is reached lasts for hours."""

MOUNT_SECONDS = 130.0
"""Without news for so long, a volume does not come: a kubelet tries one again after 2 min 2 s at most, whatever has come meanwhile
(Kubernetes 1.34, pkg/util/goroutinemap/exponentialbackoff)."""

UNBOUND = "PersistentVolumeClaim"
"""In what the scheduler says: a volume may come, while a node that fits, or room on one, does not."""

STOPPED = UNPULLED | {"CrashLoopBackOff"}
"""Reasons for which a container waits that bring nothing new however often it is tried."""

GIVEN_UP_RESTARTS = 5
"""A container that has ended so often does not start: the back-off between two attempts is by then a minute and more."""

Still = Callable[[], float]
"""Returns for how many seconds nothing in the cluster has told anything new."""

Pulling = Callable[[], Collection[str]]
"""Returns the images that are being pulled."""


class Running:
    """Judges one workload for as long as it is waited for."""

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
            state: a Deployment, a StatefulSet or a DaemonSet, and its pods; what follows does not matter.
        """
        workload, pods = state[:2]
        verdict = rolled_out(workload)
        if not isinstance(verdict, Met):
            # Failed too: a Deployment passes its own deadline also while its images are pulled, and is none the worse for it.
            over = self.over(pods, verdict.why, made=workload is not None)
            return Failed(over) if over else Pending(verdict.why)
        if (
            workload is not None
            and workload["kind"] == "DaemonSet"
            and not workload["status"]["desiredNumberScheduled"]
        ):
            # Of its newest generation, and all nodes are there since the cluster is.
            return Failed("no node wants a pod of it")
        return verdict

    def over(self, pods: Sequence[Object], why: str, *, made: bool = True) -> str:
        """Return why waiting for some pods no longer helps; an empty text where it may.

        Args:
            pods: all of a workload.
            why: what is lacking.
            made: whether the workload itself exists; while it does not, nobody knows which pods it will have.
        """
        hopeless = next((why for pod in pods for why in self._hopeless(pod)), "")
        if hopeless:
            return hopeless
        return f"{why}, and nothing moves any more" if self._still() >= _patience(pods, made=made) else ""

    def _hopeless(self, pod: Object) -> Iterator[str]:
        """Yield why a pod will not get ready, however long one waits."""
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
        """Yield that no node takes a pod, once the scheduler has said so for a while: nodes neither come nor change."""
        name, message = f"Pod/{pod['metadata']['name']}", unscheduled(pod)
        if not message:
            self._unscheduled.pop(name, None)
            return
        since = self._unscheduled.setdefault(name, self._clock())
        if UNBOUND not in message and self._clock() - since >= QUIET_SECONDS:
            yield f"{name} is not scheduled: {message}"


def unscheduled(pod: Object) -> str:
    """Return why no node takes a pod; an empty text where one does."""
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            return str(one.get("message") or one.get("reason") or "no reason given")
    return ""


def _patience(pods: Sequence[Object], *, made: bool) -> float:
    """Return for how many seconds nothing must move until some pods stay as they are."""
    unready = [pod for pod in pods if not _is_ready(pod)]
    if made and all(unscheduled(pod) or any(map(_stopped, _containers(pod))) for pod in unready):
        # None of them goes on with anything by itself, such as starting; where none can be made, none does.
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
