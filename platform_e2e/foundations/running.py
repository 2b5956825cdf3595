"""Whether a workload of a release runs, and whether its pods still can: a thing that moves keeps its time, one that cannot is final."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.progress import QUIET_SECONDS, STILL_SECONDS
from platform_e2e.kube.rollouts import rolled_out

HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons for which a container waits that no waiting mends."""

UNPULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
UNPULLED_SECONDS = 60.0
"""How long an image may fail to be pulled: a kubelet has tried it four times by then (after 10, 20 and 40 s)."""

PULL_LIMIT = ("toomanyrequests", "429 Too Many Requests", "pull rate limit")
"""How registries say that they allow no more pulls for now; that lasts for hours."""

UNBOUND = "PersistentVolumeClaim"
"""In what the scheduler says: a volume may come, while a node that fits, or room on one, does not."""

STOPPED = frozenset({"ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"})
"""Reasons for which a container waits that bring nothing new however often it is tried."""

GIVEN_UP_RESTARTS = 5
"""A container that has ended so often does not start: the back-off between two attempts is by then a minute and more."""

Still = Callable[[], float]
"""Returns for how many seconds nothing in the cluster has told anything new."""


class Running:
    """Judges one workload for as long as it is waited for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, still: Still = lambda: 0.0) -> None:
        """Begin without a memory."""
        self._clock = clock
        self._still = still
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
            hopeless = [why for pod in pods for why in self._hopeless(pod)]
            if hopeless:
                return Failed(hopeless[0])
            if isinstance(verdict, Pending) and self._still() >= (
                QUIET_SECONDS if _rests(workload, pods) else STILL_SECONDS
            ):
                return Failed(f"{verdict.why}, and nothing moves any more")
            return verdict
        if (
            workload is not None
            and workload["kind"] == "DaemonSet"
            and not workload["status"]["desiredNumberScheduled"]
        ):
            # Of its newest generation, and all nodes are there since the cluster is.
            return Failed("no node wants a pod of it")
        return verdict

    def _hopeless(self, pod: Object) -> Iterator[str]:
        """Yield why a pod will not get ready, however long one waits."""
        status = pod.get("status") or {}
        yield from self._unschedulable(pod)
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason")
            name = f"Pod/{pod['metadata']['name']} container {container['name']}"
            message = str(waiting.get("message") or "")
            if reason in UNPULLED and any(words in message for words in PULL_LIMIT):
                yield f"{name}: the registry's pull limit is reached, log in or use a mirror: {message}"
            elif reason in UNPULLED:
                since = self._unpulled.setdefault(name, self._clock())
                if self._clock() - since >= UNPULLED_SECONDS:
                    yield f"{name}: {reason} for {UNPULLED_SECONDS:g} s"
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


def _rests(workload: Object | None, pods: Sequence[Object]) -> bool:
    """Tell whether none of the pods goes on with anything by itself, such as starting; where none can be made, none does."""
    return workload is not None and all(
        unscheduled(pod) or any(map(_stopped, _containers(pod))) for pod in pods if not _is_ready(pod)
    )


def _stopped(container: Object) -> bool:
    return ((container.get("state") or {}).get("waiting") or {}).get("reason") in STOPPED


def _is_ready(pod: Object) -> bool:
    return bool(_containers(pod)) and all(container.get("ready") for container in _containers(pod))


def _containers(pod: Object) -> list[Object]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())
