"""Whether anything in a cluster still moves: what objects say that none of them had said before.

A wait that ends after a fixed time blames a slow line on the platform, and waits for minutes where nothing will come any more.
This one counts news. A fact is one field of an object's status, one event's reason, one image that is pulled. A fact that was
never seen before is progress, and one that comes back is none: a container that ends again and again, an image that cannot be
pulled again and again, a heal that is undone again and again bring nothing new after their first round, however busy they look.
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
from platform_e2e.kube.verdict import Expectation, Failed, Pending, Verdict
from platform_e2e.kube.wait import follow

QUIET_SECONDS = 20.0
"""Without news for so long, what nothing goes on with will stay as it is. Controllers react within a second, on a busy machine within
some; what waits for a missing Secret or a node is looked at again by the kubelet or the scheduler within ten."""

STILL_SECONDS = 60.0
"""The same where something goes on that has stopped to tell anything, such as a container that runs and is not ready: several times
what any step of a sound layer takes."""

TICK = 0.5
"""Seconds after which a wait looks at the clock where nothing changes: that nothing changes is what it waits for."""

POD, EVENT = "v1/Pod", "v1/Event"

COUNTERS = frozenset({"restartCount", "count", "autoHealAttemptsCount", "collisionCount", "observedGeneration"})
"""Fields of a status that grow without an end while the same happens again and again."""

TIMES = re.compile(r"(?:Time|At|Timestamp|UID|ID|IP|IPs|resourceVersion)$")
"""Fields that are another one each time: when it was, and who it is."""

VARYING = re.compile(r"\b[0-9a-f]{8,}\b|\d+")
"""What differs between two sentences that say the same: numbers, seconds, digests."""

OWN_NUMBER = re.compile(r"-\d{5,}(?=-|$)")
"""The time in the name of a CronJob's Job."""

STEPS = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""Reasons of events that a pod has of each of its containers; which image or container it is stands in quotes."""

STARTING = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons for which a container waits while its image is pulled or its volumes are mounted (pkg/kubelet/kubelet_pods.go)."""

TRIES = 4
"""How often an image may fail to be pulled: what a slow or busy registry refuses once is there at the next try, after 10, 20 or 40 s;
what has failed so often is not on its way any more."""

AGAIN_SECONDS = 1.0
"""How soon a kind is read again that could not be."""


class Progress:
    """Knows what was seen, and when something new was seen last.

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
        """Take in the objects of one kind as they are now."""
        objects = list(objects)
        if kind == POD:
            self._pods = objects
        new = [
            obj for obj in objects if not (version := _version(obj)) or self._looked.get((kind, key(obj))) != version
        ]
        # In the order in which it happened: a pull that is begun again is told by an older event.
        for obj in sorted(new, key=_version):
            self._look_at(kind, obj)

    def still(self) -> float:
        """Return for how many seconds nothing new was seen; 0 while an image is pulled, which tells nothing on its way."""
        return 0.0 if self.pulling() else self._clock() - self._news

    def pulling(self) -> list[str]:
        """Return the images that are being pulled: the kubelet has begun, and has told of neither success nor failure.

        One that has failed too often is none of them, however often it is tried again.
        """
        waited = {(key(pod), image) for pod in self._pods for image in _waiting(pod)}
        return sorted({one[1] for one in waited if self._pulled.get(one) is False and self._failed.get(one, 0) < TRIES})

    def _look_at(self, kind: str, obj: Object) -> None:
        self._looked[kind, key(obj)] = _version(obj)
        if kind == EVENT:
            self._look_at_pull(obj)
        news = {(kind, _named(obj), *fact) for fact in (_told(obj) if kind == EVENT else _facts(obj))}
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
    """The same, fed by the watches of a cluster for as long as a block runs.

    with Movement(kube, ("argoproj.io/v1alpha1/Application",)) as moving:
        ...
        if moving.still() >= 20: ...

    Args:
        kube: the cluster; its streams are shared with all waits.
        kinds: which objects tell of progress, beside pods and events.
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
        """Take in the objects of one kind as they are now."""
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
                # Whoever waits is told by its own reading that the API server does not answer.
                self._stop.wait(AGAIN_SECONDS)


def unless_still(expectation: Expectation[Any], still: Callable[[], float]) -> Expectation[Any]:
    """Return an expectation that fails where it is pending and nothing moves any more.

    Args:
        expectation: judges a state.
        still: returns for how many seconds nothing has told anything new.
    """

    def judge(state: Any) -> Verdict:
        verdict = expectation(state)
        if isinstance(verdict, Pending) and still() >= STILL_SECONDS:
            return Failed(f"{verdict.why}, and nothing moves any more")
        return verdict

    return judge


def _named(obj: Object) -> str:
    """Return a name that a successor of an object has too, such as the next pod of a ReplicaSet or the next Job of a CronJob."""
    about = obj.get("involvedObject")
    if about:
        name = re.sub(r"-[a-z0-9]{5}$", "-", str(about.get("name")))
        return f"{about.get('kind')}/{about.get('namespace', '')}/{OWN_NUMBER.sub('', name)}"
    metadata = obj.get("metadata") or {}
    name = str(metadata.get("generateName") or metadata.get("name"))
    return f"{metadata.get('namespace', '')}/{OWN_NUMBER.sub('', name)}"


def _version(obj: Object) -> int:
    """Return the resource version as a number; 0 where there is none."""
    text = str((obj.get("metadata") or {}).get("resourceVersion") or "")
    return int(text) if text.isdecimal() else 0


def _told(event: Object) -> Iterator[tuple[str, ...]]:
    """Yield what an event says."""
    reason = str(event.get("reason"))
    yield (reason, *(re.findall(r'"([^"]+)"', str(event.get("message")))[:1] if reason in STEPS else ()))


def _facts(obj: Object) -> Iterator[tuple[str, ...]]:
    """Yield what an object's status says, and where a pod goes."""
    node = (obj.get("spec") or {}).get("nodeName")
    if node:
        yield ("nodeName", str(node))
    yield from _leaves(obj.get("status"), ())


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield path and value of every field, without what is another one each time."""
    if isinstance(value, dict):
        told = [
            leaf
            for name, below in value.items()
            if not _varies(str(name))
            for leaf in _leaves(below, (*path, str(name)))
        ]
        # A container that runs says only since when.
        yield from told or [path]
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*path, _identity(item)))
    else:
        varies = isinstance(value, str) and path[-1] != "revision"
        yield (*path, VARYING.sub("#", value) if varies else str(value))


def _varies(name: str) -> bool:
    return name in COUNTERS or TIMES.search(name) is not None


def _identity(item: Any) -> str:
    """Return what tells an entry of a list from the others."""
    if not isinstance(item, dict):
        return ""
    return "/".join(str(item[name]) for name in ("kind", "type", "namespace", "name") if item.get(name))


def _waiting(pod: Object) -> Iterator[str]:
    """Yield the image of each container that waits for it or for its volumes; the next try of one that failed says nothing else."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        if ((container.get("state") or {}).get("waiting") or {}).get("reason") in STARTING | UNPULLED:
            yield str(container.get("image") or "")


UNPULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet's words for an image that could not be pulled and is tried again (Kubernetes 1.34, pkg/kubelet/images/types.go)."""

SLOW = re.compile(
    r"i/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|context canceled|connection reset"
    r"|broken pipe|unexpected EOF|: EOF|short read|toomanyrequests|429 Too Many|pull rate limit|QPS exceeded|(?<!\d)5\d\d [A-Z]"
    r"|no space left on device",
    re.IGNORECASE,
)
"""How containerd and the kubelet say that a registry that is there does not deliver, or that the node has no room
(net, net/http and syscall of Go; containerd 2, core/remotes/docker; the OCI distribution's error codes)."""

UNREACHABLE = re.compile(
    r"no such host|server misbehaving|failure in name resolution|connection refused|no route to host|network is unreachable"
    r"|proxyconnect|x509:|tls: |HTTP response to HTTPS client",
    re.IGNORECASE,
)
"""How they say that there is no way to it; a registry's name that is written wrong looks the same."""


@dataclass(frozen=True)
class Undelivered:
    """An image that the way to its registry keeps from being there.

    Attributes:
        image: its name.
        why: what the kubelet was told, in its words.
        slow: whether the registry is there and does not deliver: no name that is written wrong looks like that.
    """

    image: str
    why: str
    slow: bool


def undelivered(pods: Iterable[Object]) -> Undelivered | None:
    """Return the first image of some pods that its registry does not deliver, or None.

    What a registry answers about the image itself, such as `not found` or `denied`, is the fault of the name that was asked for.
    """
    for pod in pods:
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            why = " ".join(str(waiting.get("message") or "").split())
            # Names and addresses stand in quotes: an image may be called `timeout`.
            said = re.sub(r'"[^"]*"', "", why)
            slow = SLOW.search(said) is not None
            if waiting.get("reason") in UNPULLED and (slow or UNREACHABLE.search(said)):
                return Undelivered(str(container.get("image") or ""), why, slow)
    return None
