"""Shared watch streams: one thread per kind and namespace that lists once, watches from there, and serves all waits.

A stream that the API server closes is reopened; it is never an answer. When the API server has forgotten the version to resume
from (410), the stream lists again; while the kind is not served, it keeps checking; while the API server is down or busy, it
retries with growing pauses. The thread ends when it has had no subscriber for a while.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.kube.answers import checked
from platform_e2e.kube.backoff import Backoff, pause
from platform_e2e.kube.errors import ApiError, Expired, NotFound, Unavailable
from platform_e2e.kube.labels import ObjectSelector
from platform_e2e.kube.list_watch import ListWatch, decode
from platform_e2e.kube.objects import Key, key
from platform_e2e.kube.sources import Inbox, View
from platform_e2e.kube.subscribers import Changed, Subscriber, Subscribers, Trouble
from platform_e2e.kube.transport import Stream

log = logging.getLogger(__name__)

BACKLOG = 8_000_000
"""Bytes in memory of changes that a wait has not processed yet, from which on the stream stops reading."""

DELETED_COST = 400
"""Bytes in memory that a wait keeps of a deleted object."""

LINGER = 30.0
"""Seconds that a stream without subscribers is kept: the waits of one test follow each other faster than that."""

SERVER_ENDS = (240, 300)
"""Seconds after which the API server may end a watch; random, so that those of many processes do not end together."""

CHANCE = random.Random()  # noqa: S311  jitter guards nothing
"""Separate from the module's own generator: a stream's thread must not disturb the sequence of a test that has seeded that."""

LASTED = 0.5
"""Seconds after which a stream that ends counts as healthy: the next one is opened without a pause."""

LOOK = (0.05, 0.25)
"""Shortest and longest seconds between two checks for a kind that is not served: its CRD may be installed meanwhile."""

GATHER = 0.02
"""Seconds that a list is delayed while more waits join: five hundred waits that start together need a few of these."""

GATHERINGS = 10
"""Most delays of one list."""

CROWD = 10
"""Number of waits sharing a list from which on more waits are likely to follow."""

CROWD_PAUSE = 0.25
"""Shortest seconds between two lists while so many waits start."""


class WatchStream:
    """The stream of one kind in one namespace or in all.

    Args:
        api: list and watch requests.
        kind: to watch.
        namespace: to watch, None for all.
    """

    def __init__(self, api: ListWatch, kind: str, namespace: str | None) -> None:
        self.kind = kind
        self.namespace = namespace
        self.live = False
        self._request = f"watch {kind}"
        self._api = api
        self._subscribers = Subscribers()
        self._listing = threading.Lock()
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._http: Stream | None = None
        self._stopped = False
        self._position: int | None = None
        self._newest = 0
        self._events = 0
        self._delivered: dict[Key, int] = {}
        self._delivered_bytes = 0
        self._crowded_until = 0.0
        self._backoff = Backoff()

    def join(self, choice: ObjectSelector, inbox: Inbox, make: Callable[[Subscriber], View[Any]]) -> View[Any]:
        """Subscribe a wait, start the thread if it does not run, and return the wait's view."""
        subscriber = Subscriber(self._subscribers, self, choice, inbox)
        view = subscriber.view = make(subscriber)
        with self._starting:
            self._subscribers.join(subscriber)
            if self._thread is None:
                name = f"watch {self.kind} {self.namespace or '*'}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self.wake()
        return view

    def fetch(self, subscriber: Subscriber, deadline: float) -> None:
        """List for a wait and for all others that need a list, in the wait's own thread; an error is posted to the wait.

        Args:
            subscriber: the wait's subscription.
            deadline: monotonic time after which the wait cannot use the list.
        """
        left = max(deadline - time.monotonic(), 0.1)
        if not self._listing.acquire(timeout=left):
            return
        try:
            if subscriber.answered or not self.live:
                return
            self._gather()
            self._list(relisted=False, patience=min(max(left, 1.0), 10.0))
        except ApiError as error:
            subscriber.post(Trouble(error.problem))
            self._interrupt()  # the stream's thread finds out what is wrong, for all
        finally:
            self._listing.release()

    def wake(self) -> None:
        """Check at once whether a kind that was not served is served now."""
        self._wake.set()

    def idle(self) -> bool:
        """Tell whether there was no subscriber for `LINGER` seconds."""
        return self._subscribers.absent_for() > LINGER

    def stop(self) -> None:
        """End the thread; subscribers receive nothing more."""
        self._stopped = True
        self.wake()
        self._interrupt()

    def _gather(self) -> None:
        """Delay a list while more waits join, as long as there is more than one and their number grows."""
        pause(self._crowded_until - time.monotonic())
        before = 1
        for _ in range(GATHERINGS):
            waiting = self._subscribers.unanswered()
            if waiting <= before:
                break
            before = waiting
            pause(GATHER)
        if before >= CROWD:
            self._crowded_until = time.monotonic() + CROWD_PAUSE

    def _list(self, *, relisted: bool, patience: float) -> int:
        """List, deliver, and return the list's revision; with the lock for listing held."""
        sent, newest = self._subscribers.moment(), self._newest
        if relisted:
            self._delivered, self._delivered_bytes = {}, 0
        found = self._api.collect(self.kind, self.namespace, patience=patience)
        # A list is never older than what was delivered before it was requested, unless the store itself was replaced.
        restored = found.revision < newest
        self._newest = found.revision if restored else max(self._newest, found.revision)
        self._subscribers.listed(sent, found.revision, found.objects, relisted=relisted, restored=restored)
        if restored and not relisted:
            self._position = None
            self._interrupt()
        return found.revision

    def _interrupt(self) -> None:
        """End the HTTP stream; the thread resumes where it was."""
        stream = self._http
        if stream is not None:
            stream.interrupt()

    # The thread

    def _run(self) -> None:
        """List and watch until the stream is stopped or idle."""
        try:
            while not self._ended():
                self._try()
        finally:
            if self._thread is not None:  # only a bug in this module leads here
                self.live = False
                self._subscribers.tell(f"the thread that watches {self.kind} has died")

    def _ended(self) -> bool:
        """Tell whether the thread may end; if so, the next subscriber starts another."""
        with self._starting:
            if self._stopped or self.idle():
                self.live, self._position, self._thread = False, None, None
                return True
            return False

    def _try(self) -> None:
        """List and watch once, and prepare the next try."""
        asked: float | None = None
        try:
            self._serve()
        except Expired as error:
            log.debug("watch %s in %s: %s; listing again", self.kind, self.namespace or "all namespaces", error.problem)
            self._position = None
        except NotFound as error:
            # Discovery may still name a kind whose CRD is being deleted, or name one that cannot be read yet.
            self._api.forget(self.kind)
            self._position = None
            self._tell(error.problem)
        except HarnessError as error:
            self.live = False
            self._tell(error.problem)
            asked = error.retry_after if isinstance(error, ApiError) else None
        else:
            return
        self._rest(self._backoff.pause(asked))

    def _tell(self, trouble: str) -> None:
        """Tell the subscribers, and the log where it is news."""
        if trouble != self._subscribers.trouble:
            log.debug("watch %s in %s: %s", self.kind, self.namespace or "all namespaces", trouble or "can be read")
        self._subscribers.tell(trouble)

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, or until the stream is stopped."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            self._wake.clear()
            self._wake.wait(left)

    def _serve(self) -> None:
        """Find the kind, list where that is needed, and watch until the stream ends."""
        if self._position is None:
            sent = self._subscribers.moment()
            if not self._api.served(self.kind):
                self._look_later(sent)
                return
            with self._listing:
                self._gather()
                self._position = self._list(relisted=True, patience=0)
        began, before = time.monotonic(), self._events
        self._watch()
        if self._events == before and time.monotonic() - began < LASTED:
            self._rest(self._backoff.pause())

    def _look_later(self, sent: int) -> None:
        """Tell that the kind is not served, and wait until the next check or the next subscriber."""
        self.live = False
        self._subscribers.tell("")
        self._wake.clear()
        self._subscribers.not_served(sent)
        least, most = LOOK
        end = time.monotonic() + min(max(self._backoff.pause(), least), most)
        pause(least)
        self._wake.wait(max(end - time.monotonic(), 0.0))

    def _watch(self) -> None:
        """Watch from the position until the stream ends."""
        assert self._position is not None  # noqa: S101  the caller listed
        seconds = CHANCE.randint(*SERVER_ENDS)
        stream = self._http = self._api.follow(self.kind, self.namespace, self._position, seconds)
        try:
            if self._stopped:
                return
            self.live = True
            self._tell("")
            for line in stream.lines():
                if line:
                    self._event(line)
                if self._ended_here() or self.idle():
                    return
        except Unavailable:
            if not self._ended_here():
                raise
        finally:
            self._http = None
            stream.close()

    def _ended_here(self) -> bool:
        """Tell whether this side ended the stream, which is not an error."""
        return self._stopped or self._position is None

    def _event(self, line: bytes) -> None:
        """Deliver one event of the API server."""
        event = decode(line, self._request, self._api.held)
        self._newest = max(self._newest, event.revision)
        if self._position is not None:
            self._position = event.revision
        self._events += 1
        self._backoff.reset()
        if event.type != "BOOKMARK":
            deleted = event.type == "DELETED"
            # Checked only now: a malformed object must not be read again after a reconnect.
            obj = checked(event.obj, self._request)
            change = Changed(key(obj), event.revision, None if deleted else obj, event.size)
            self._hold_back(self._subscribers.change(change))
            self._remember(change.key, DELETED_COST if deleted else event.size)

    def _hold_back(self, backlog: int) -> None:
        """Read on only when the slowest wait has processed most of its changes."""
        while backlog > BACKLOG and not self._ended_here():
            pause(GATHER)
            backlog = self._subscribers.backlog()

    def _remember(self, of: Key, size: int) -> None:
        """Count what the waits keep since the last list; where it is too much, restart from a list, which is bounded."""
        self._delivered_bytes += size - self._delivered.get(of, 0)
        self._delivered[of] = size
        if self._delivered_bytes > self._api.held:
            self._position = None


class Watches:
    """The watch streams of one client, opened when they are needed and ended when they are idle.

    Args:
        api: list and watch requests.
    """

    def __init__(self, api: ListWatch) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str | None], WatchStream] = {}
        self._closed = False

    def join(
        self, kind: str, choice: ObjectSelector, inbox: Inbox, make: Callable[[Subscriber], View[Any]]
    ) -> View[Any]:
        """Subscribe a wait to the stream of its kind and namespace, or to that of all namespaces if there is one.

        Args:
            kind: as in a manifest.
            choice: which objects the wait is about; its namespace selects the stream.
            inbox: of the wait.
            make: makes the wait's view for its subscription.

        Raises:
            WrongUsage: the client is closed, the kind cannot be watched, the namespace is missing, or the kind is cluster-scoped.
        """
        namespace = (choice.key[0] or None) if choice.key else choice.namespace
        self._api.check(kind, choice)
        with self._lock:
            if self._closed:
                raise WrongUsage(
                    f"the client must be open to wait for {kind}, got a closed one", "close it after the wait"
                )
            self._sweep()
            stream = self._streams.get((kind, namespace)) or self._streams.get((kind, None))
            if stream is None:
                stream = self._streams[kind, namespace] = WatchStream(self._api, kind, namespace)
            return stream.join(choice, inbox, make)

    def _sweep(self) -> None:
        """End idle streams."""
        for where, stream in list(self._streams.items()):
            if stream.idle():
                stream.stop()
                del self._streams[where]

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self._closed = True
            for stream in self._streams.values():
                stream.stop()
            self._streams.clear()
