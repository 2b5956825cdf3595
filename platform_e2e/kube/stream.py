"""The shared stream of one kind: a thread that lists once and watches from there, whatever happens to the API server.

A closed stream is a reconnect, never an answer. When the API server has forgotten the version to go on from (410) it lists
anew, while the kind is not served it looks for it, and while the API server is down or busy it comes back with growing
pauses. The thread ends when nobody has listened for a while.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from platform_e2e.errors import HarnessError
from platform_e2e.kube.answers import checked, cost, mapping, parsed, too_much, understood
from platform_e2e.kube.audience import Audience, Listener
from platform_e2e.kube.backoff import Backoff
from platform_e2e.kube.errors import ApiError, Expired, NotFound, Unavailable, api_error
from platform_e2e.kube.expect import pause
from platform_e2e.kube.messages import Changed, Trouble
from platform_e2e.kube.objects import Key, Object, key, revision
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.source import Inbox, View
from platform_e2e.kube.transport import Stream as HttpStream

log = logging.getLogger(__name__)

BACKLOG = 8_000_000
"""Bytes in memory of the changes that a wait has not taken yet, from which on the stream waits for it."""

ROOM = 1 << 30
"""Bytes of memory from which on it is not looked closely at what an event takes."""

ROUGHLY = 8
"""How many bytes of memory a byte of an event takes, with room: a pod takes five."""

DELETED_COST = 400
"""Bytes in memory of what a wait remembers of an object that is gone."""

LINGER = 30.0
"""Seconds that a stream without listeners is kept: a test's waits follow each other more closely than that."""

SERVER_ENDS = (240, 300)
"""Seconds after which the API server may end a watch; at random, so that those of many processes do not end together."""

CHANCE = random.Random()  # noqa: S311  jitter guards nothing
"""Of its own: a stream's thread must not disturb the sequence of whoever has seeded the module's."""

LASTED = 0.5
"""Seconds after which a stream that ends counts as sound: the next one is opened without a pause."""

LOOK = (0.05, 0.25)
"""Least and most seconds between two looks for a kind that is not served: its CRD may be installed while we wait."""

GATHER = 0.02
"""Seconds to wait for more waits to join a list, as long as some still come: five hundred begin within a few of these."""

GATHERINGS = 10
"""How often at most a list is put off for more waits to join."""


CROWD = 10
"""How many waits that share a list make a crowd, of which more are likely to come."""

CROWD_PAUSE = 0.25
"""Least seconds between two lists while a crowd begins its waits."""


@dataclass(frozen=True)
class Collection:
    """All objects of a kind at one moment."""

    revision: int
    objects: dict[Key, Object]


class Api(Protocol):
    """What a stream needs of the API server.

    Attributes:
        held: bytes in memory that the objects of a kind may take.
    """

    held: int

    def check(self, kind: str, choice: Choice) -> None:
        """Refuse by `WrongUsage` what can never be seen."""
        ...

    def served(self, kind: str) -> bool:
        """Tell whether the kind is served."""
        ...

    def collect(self, kind: str, namespace: str | None, *, patience: float) -> Collection:
        """List all objects, not older than the request."""
        ...

    def follow(self, kind: str, namespace: str | None, version: int, seconds: int) -> HttpStream:
        """Open a watch from a version on, with bookmarks."""
        ...

    def forget(self, kind: str) -> None:
        """Ask anew whether the kind is served."""
        ...


class WatchStream:
    """The stream of one kind in one namespace or in all.

    Args:
        api: the API server.
        kind: that it watches.
        namespace: that it watches, None for all.
    """

    def __init__(self, api: Api, kind: str, namespace: str | None) -> None:
        self.kind = kind
        self.namespace = namespace
        self.live = False
        self._request = f"watch {kind}"
        self._api = api
        self._audience = Audience()
        self._listing = threading.Lock()
        self._starting = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._http: HttpStream | None = None
        self._stopped = False
        self._position: int | None = None
        self._newest = 0
        self._events = 0
        self._told: dict[Key, int] = {}
        self._told_whole = 0
        self._crowded_until = 0.0
        self._backoff = Backoff()

    def join(self, choice: Choice, inbox: Inbox, make: Callable[[Listener], View[Any]]) -> View[Any]:
        """Add a wait, start the thread if there is none, and return the wait's view."""
        listener = Listener(self._audience, self, choice, inbox)
        view = listener.view = make(listener)
        with self._starting:
            self._audience.join(listener)
            if self._thread is None:
                name = f"watch {self.kind} {self.namespace or '*'}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self.wake()
        return view

    def fetch(self, listener: Listener, deadline: float) -> None:
        """List for a wait and all others that need one; trouble is told to the wait.

        Args:
            listener: of the wait, whose thread this is.
            deadline: monotonic time after which the wait has no use for it.
        """
        left = max(deadline - time.monotonic(), 0.1)
        if not self._listing.acquire(timeout=left):
            return
        try:
            if listener.answered or not self.live:
                return
            self._gather()
            self._list(relisted=False, patience=min(max(left, 1.0), 10.0))
        except ApiError as error:
            listener.post(Trouble(error.problem))
            self._interrupt()  # the stream finds out what is the matter, for all
        finally:
            self._listing.release()

    def wake(self) -> None:
        """Look at once whether a kind that was not served is."""
        self._wake.set()

    def idle(self) -> bool:
        """Tell whether nobody has listened for `LINGER` seconds."""
        return self._audience.absent_for() > LINGER

    def stop(self) -> None:
        """End the thread; listeners hear no more."""
        self._stopped = True
        self.wake()
        self._interrupt()

    def _gather(self) -> None:
        """Wait for more waits to join a list, as long as others than the first are there and still come."""
        pause(self._crowded_until - time.monotonic())
        before = 1
        for _ in range(GATHERINGS):
            waiting = self._audience.unanswered()
            if waiting <= before:
                break
            before = waiting
            pause(GATHER)
        if before >= CROWD:
            self._crowded_until = time.monotonic() + CROWD_PAUSE

    def _list(self, *, relisted: bool, patience: float) -> int:
        """List, deliver, and return the list's revision; with the lock for listing held."""
        sent, newest = self._audience.moment(), self._newest
        if relisted:
            self._told, self._told_whole = {}, 0
        found = self._api.collect(self.kind, self.namespace, patience=patience)
        # A list is never older than what was told before it was asked for, unless the store itself was replaced.
        restored = found.revision < newest
        self._newest = found.revision if restored else max(self._newest, found.revision)
        self._audience.listed(sent, found.revision, found.objects, relisted=relisted, restored=restored)
        if restored and not relisted:
            self._position = None
            self._interrupt()
        return found.revision

    def _interrupt(self) -> None:
        """End the HTTP stream; the thread goes on from where it was."""
        stream = self._http
        if stream is not None:
            stream.interrupt()

    # The thread

    def _run(self) -> None:
        """List and watch until nobody listens any more."""
        try:
            while not self._ended():
                self._try()
        finally:
            if self._thread is not None:  # only an error of this module leads here
                self.live = False
                self._audience.tell(f"the thread that watches {self.kind} has died")

    def _ended(self) -> bool:
        """Tell whether the thread may end, and make the next listener start another."""
        with self._starting:
            if self._stopped or self.idle():
                self.live, self._position, self._thread = False, None, None
                return True
            return False

    def _try(self) -> None:
        """Serve the listeners once, and prepare to do it again."""
        asked: float | None = None
        try:
            self._serve()
        except Expired as error:
            log.debug("watch %s in %s: %s; listing anew", self.kind, self.namespace or "all namespaces", error.problem)
            self._position = None
        except NotFound as error:
            # Discovery may still name a kind whose CRD is going away, or not yet serve one that it names.
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
        """Tell the listeners and the log."""
        if trouble != self._audience.trouble:
            log.debug("watch %s in %s: %s", self.kind, self.namespace or "all namespaces", trouble or "goes on")
        self._audience.tell(trouble)

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, at most until the stream is stopped."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            self._wake.clear()
            self._wake.wait(left)

    def _serve(self) -> None:
        """Find the kind, list when it is needed, and watch until the stream ends."""
        if self._position is None:
            sent = self._audience.moment()
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
        """Say that the kind is not served, and wait until the next look or the next listener."""
        self.live = False
        self._audience.tell("")
        self._wake.clear()
        self._audience.not_served(sent)
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
        """Tell whether this side wants the stream to end, which is no trouble."""
        return self._stopped or self._position is None

    def _event(self, line: bytes) -> None:
        """Deliver one event of the API server."""
        request, held = self._request, self._api.held
        # Of a cluster of our own it need not be exact, and an event is heard sooner.
        size = cost(line) if held < ROOM else ROUGHLY * len(line)
        if size > held:
            raise too_much(request, held)
        event = mapping(parsed(line, request), request)
        kind, obj = event.get("type"), mapping(event.get("object"), request)
        if kind == "ERROR":
            raise _told_error(request, obj)
        mapping(obj.get("metadata"), request)
        position = revision(obj)
        self._newest = max(self._newest, position)
        if self._position is not None:
            self._position = position
        self._events += 1
        self._backoff.reset()
        if kind != "BOOKMARK":
            change = Changed(key(checked(obj, request)), position, None if kind == "DELETED" else obj, size)
            self._hold_back(self._audience.change(change))
            self._remember(change.key, DELETED_COST if kind == "DELETED" else size)

    def _hold_back(self, backlog: int) -> None:
        """Read on only when the slowest wait has taken most of what it was told."""
        while backlog > BACKLOG and not self._ended_here():
            pause(GATHER)
            backlog = self._audience.backlog()

    def _remember(self, of: Key, size: int) -> None:
        """Count what the waits hold since the last list; begin anew from a list, which is bounded, where it is too much."""
        self._told_whole += size - self._told.get(of, 0)
        self._told[of] = size
        if self._told_whole > self._api.held:
            self._position = None


def _told_error(request: str, status: dict[str, Any]) -> ApiError:
    """Return the error that a watch was told instead of an event."""
    with understood(request):
        code = int(status.get("code") or 500)
    error = api_error(request, code, status, secret=False, retry=None)
    # Only an answer to a request says that the kind is gone.
    return error if code != 404 else Unavailable(request, code, error.reason, error.message)
