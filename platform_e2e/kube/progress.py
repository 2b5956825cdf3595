"""Detect whether anything in a cluster still changes, and which images are being pulled.

A wait with a fixed timeout blames the platform for a slow network, and waits for minutes when nothing will change. This
one looks for new facts. A fact is one field of an object's status, one event's reason, or one image that is pulled. A fact that was
never seen before is progress; a repeated one is not: a container that keeps crashing, an image that keeps failing to be pulled, or
a heal that keeps being undone give no new facts after their first round, however busy they look.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from platform_e2e.errors import HarnessError
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.sources import Polled, StateSource
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict
from platform_e2e.kube.wait import follow

QUIET_SECONDS = 20.0
"""Seconds without news after which an object that no controller works on will not change. Controllers react within one second, or a
few on a busy machine; the kubelet and the scheduler retry within ten, such as for a missing Secret or node."""

STILL_SECONDS = 60.0
"""The same for something that runs without giving news, such as a container that is not ready yet: several times longer than any step of
a healthy layer takes."""

TICK = 0.5
"""Seconds between two checks of the clock while nothing changes, since the wait ends when nothing has changed for long enough."""

POD, EVENT = "v1/Pod", "v1/Event"

COUNTERS = frozenset({"restartCount", "count", "autoHealAttemptsCount", "collisionCount", "observedGeneration"})
"""Fields of a status that grow while the same thing happens repeatedly."""

TIMES = re.compile(r"(?:Time|At|Timestamp|UID|ID|IP|IPs|resourceVersion)$")
"""Fields whose value differs each time: times and identities."""

VARYING = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
"""Parts that differ between two equivalent messages: numbers, seconds, digests."""

OWN_NUMBER = re.compile(r"-\d{5,}(?=-|$)")
"""The timestamp in the name of a CronJob's Job."""

STEPS = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""Reasons of events that a pod has for each container; the message names the image or container in quotes."""

STARTING = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons of a waiting container while its image is pulled or its volumes are mounted (pkg/kubelet/kubelet_pods.go)."""

TRIES = 4
"""Number of failed pulls after which an image no longer counts as being pulled: a slow or busy registry delivers at one of the next
tries, after 10, 20 or 40 s."""

AGAIN_SECONDS = 1.0
"""Seconds until a kind that could not be read is read again."""


class Progress:
    """Record the facts that were seen, and when the last new one was seen.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._facts: set[tuple[str, ...]] = set()
        self._looked: dict[tuple[str, tuple[str, str]], int] = {}
        self._pods: Sequence[Object] = ()
        self._pulled: dict[tuple[tuple[str, str], str], bool] = {}
        self._failed: dict[tuple[tuple[str, str], str], int] = {}
        self._news = clock()

    def look(self, kind: str, objects: Iterable[Object]) -> None:
        """Record the present objects of one kind."""
        objects = list(objects)
        if kind == POD:
            self._pods = objects
        new = [
            obj for obj in objects if not (version := _version(obj)) or self._looked.get((kind, key(obj))) != version
        ]
        # By resource version, as it happened: a repeated pull updates an older event.
        for obj in sorted(new, key=_version):
            self._look_at(kind, obj)

    def still(self) -> float:
        """Return for how many seconds nothing new was seen; 0 while an image is being pulled, which gives no news."""
        return 0.0 if self.pulling() else self._clock() - self._news

    def pulling(self) -> list[str]:
        """Return the images that are being pulled: the kubelet has started, and has reported neither success nor failure.

        An image that has failed too often is not among them, even while it is retried.
        """
        pulls = {(key(pod), image) for pod in self._pods for image in _waiting(pod)}
        return sorted(
            {pull[1] for pull in pulls if self._pulled.get(pull) is False and self._failed.get(pull, 0) < TRIES}
        )

    def _look_at(self, kind: str, obj: Object) -> None:
        self._looked[kind, key(obj)] = _version(obj)
        if kind == EVENT:
            self._look_at_pull(obj)
        news = {(kind, _named(obj), *fact) for fact in (_event_facts(obj) if kind == EVENT else _facts(obj))}
        if not news <= self._facts:
            self._facts |= news
            self._news = self._clock()

    def _look_at_pull(self, event: Object) -> None:
        about = event.get("involvedObject") or {}
        reason, images = event.get("reason"), re.findall(r'"([^"]+)"', str(event.get("message") or ""))
        if about.get("kind") != "Pod" or not images or reason not in {"Pulling", "Pulled", "Failed"}:
            return
        pull = ((str(about.get("namespace") or ""), str(about.get("name"))), images[0])
        self._pulled[pull] = reason != "Pulling"
        if reason == "Failed":
            self._failed[pull] = self._failed.get(pull, 0) + 1


class Movement(Progress):
    """Record the facts of a cluster by its watches, as long as a block runs.

    with Movement(kube, ("argoproj.io/v1alpha1/Application",)) as moving:
        ...
        if moving.still() >= 20: ...

    Args:
        kube: the cluster's client; its streams are shared with all waits.
        kinds: of objects that show progress, in addition to pods and events.
        clock: returns monotonic seconds.
    """

    def __init__(self, kube: Kube, kinds: Sequence[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._follow, args=(kube, kind), name=f"progress of {kind}", daemon=True)
            for kind in (POD, EVENT, *kinds)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def look(self, kind: str, objects: Iterable[Object]) -> None:
        """Record the present objects of one kind."""
        with self._lock:
            super().look(kind, objects)

    def pulling(self) -> list[str]:
        """Return the images that are being pulled."""
        with self._lock:
            return super().pulling()

    def _follow(self, kube: Kube, kind: str) -> None:
        while not self._stop.is_set():
            try:
                for objects in follow(kube.many(kind), self._stop):
                    self.look(kind, objects)
            except HarnessError:
                # The wait itself reports that the API server does not answer.
                self._stop.wait(AGAIN_SECONDS)


def clock() -> StateSource[Verdict]:
    """Return a source that makes a wait judge again every moment, even if nothing changes: `unless_still` depends on the time."""
    return Polled(Met, "the clock", first=TICK, most=TICK)


def unless_still(expectation: Expectation[Any], still: Callable[[], float]) -> Expectation[Any]:
    """Return an expectation that fails when it is pending and nothing changes.

    Args:
        expectation: judges a state.
        still: returns for how many seconds nothing new was seen.
    """

    def judge(state: Any) -> Verdict:
        verdict = expectation(state)
        if isinstance(verdict, Pending) and still() >= STILL_SECONDS:
            return Failed(f"{verdict.why}, and nothing moves any more")
        return verdict

    return judge


def _named(obj: Object) -> str:
    """Return a name that an object shares with its successors, such as the next pod of a ReplicaSet or the next Job of a CronJob."""
    about = obj.get("involvedObject")
    if about:
        name = re.sub(r"-[a-z0-9]{5}$", "-", str(about.get("name")))
        return f"{about.get('kind')}/{about.get('namespace', '')}/{OWN_NUMBER.sub('', name)}"
    metadata = obj.get("metadata") or {}
    name = str(metadata.get("generateName") or metadata.get("name"))
    return f"{metadata.get('namespace', '')}/{OWN_NUMBER.sub('', name)}"


def _version(obj: Object) -> int:
    """Return the resource version as a number; 0 if there is none."""
    text = str((obj.get("metadata") or {}).get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _event_facts(event: Object) -> Iterator[tuple[str, ...]]:
    """Yield the fact of an event."""
    reason = str(event.get("reason"))
    yield (reason, *(re.findall(r'"([^"]+)"', str(event.get("message")))[:1] if reason in STEPS else ()))


def _facts(obj: Object) -> Iterator[tuple[str, ...]]:
    """Yield the facts of an object's status, and a pod's node."""
    node = (obj.get("spec") or {}).get("nodeName")
    if node:
        yield ("nodeName", str(node))
    yield from _leaves(obj.get("status"), ())


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield path and value of every field, without the fields that differ each time."""
    if isinstance(value, dict):
        leaves = [
            leaf
            for name, below in value.items()
            if not _varies(str(name))
            for leaf in _leaves(below, (*path, str(name)))
        ]
        # The state of a running container has only its start time.
        yield from leaves or [path]
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*path, _identity(item)))
    else:
        varies = isinstance(value, str) and path[-1] != "revision"
        yield (*path, VARYING.sub("#", value) if varies else str(value))


def _varies(name: str) -> bool:
    return name in COUNTERS or TIMES.search(name) is not None


def _identity(item: Any) -> str:
    """Return what distinguishes an entry of a list from the others."""
    if not isinstance(item, dict):
        return ""
    return "/".join(str(item[name]) for name in ("kind", "type", "namespace", "name") if item.get(name))


def _waiting(pod: Object) -> Iterator[str]:
    """Yield the image of each container that waits for it or for its volumes; retries of a failed pull look the same."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        if ((container.get("state") or {}).get("waiting") or {}).get("reason") in STARTING | UNPULLED:
            yield str(container.get("image") or "")


UNPULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""Reasons of a container whose image could not be pulled and is retried (Kubernetes 1.34, pkg/kubelet/images/types.go)."""

SLOW = re.compile(
    r"i/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|context canceled|connection reset"
    r"|broken pipe|unexpected EOF|: EOF|short read|toomanyrequests|429 Too Many|pull rate limit|QPS exceeded|(?<!\d)5\d\d [A-Z]"
    r"|no space left on device",
    re.IGNORECASE,
)
"""Messages of containerd and the kubelet where a reachable registry does not deliver, or the node has no space left (net, net/http and
syscall of Go; containerd 2, core/remotes/docker; the OCI distribution's error codes)."""

UNREACHABLE = re.compile(
    r"no such host|server misbehaving|failure in name resolution|connection refused|no route to host|network is unreachable"
    r"|proxyconnect|x509:|tls: |HTTP response to HTTPS client",
    re.IGNORECASE,
)
"""Their messages where the registry cannot be reached; a misspelled registry looks the same."""


@dataclass(frozen=True)
class Undelivered:
    """An image that its registry does not deliver.

    Attributes:
        image: its name.
        why: the kubelet's message.
        slow: whether the registry was reached and does not deliver, which excludes a misspelled name.
    """

    image: str
    why: str
    slow: bool


def undelivered(pods: Iterable[Object]) -> Undelivered | None:
    """Return the first image of some pods that its registry does not deliver, or None.

    A registry's answer about the image itself, such as `not found` or `denied`, means a wrong name and does not count.
    """
    for pod in pods:
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            why = " ".join(str(waiting.get("message") or "").split())
            # Without quoted names and addresses: an image may be called `timeout`.
            unquoted = re.sub(r'"[^"]*"', "", why)
            slow = SLOW.search(unquoted) is not None
            if waiting.get("reason") in UNPULLED and (slow or UNREACHABLE.search(unquoted)):
                return Undelivered(str(container.get("image") or ""), why, slow)
    return None
