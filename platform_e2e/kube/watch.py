"""One list-then-watch stream for each kind and namespace, shared by all waits of the process.

A stream lists once, watches from that resource version, and goes on from the last version it was told when it is closed:
a closed stream is a reconnect, never an answer. It lists anew when the API server has forgotten that version (410), looks
for the kind until it is served, and comes back with growing pauses while the API server is down or busy. It ends when
nobody has listened for a while.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.kube.backoff import Backoff
from platform_e2e.kube.errors import ApiError, Expired, NotFound, Unavailable, api_error
from platform_e2e.kube.expect import pause
from platform_e2e.kube.messages import Changed, Listed, NotServed, Trouble
from platform_e2e.kube.objects import Key, Object, key, revision
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.source import Inbox, View
from platform_e2e.kube.transport import Stream as HttpStream

log = logging.getLogger(__name__)

LINGER = 30.0
"""Seconds that a stream without listeners is kept: a test's waits follow each other more closely than that."""

SERVER_ENDS = (240, 300)
"""Seconds after which the API server may end a watch; at random, so that those of many processes do not end together."""

LASTED = 0.5
"""Seconds after which a stream that ends counts as sound: the next one is opened without a pause."""

GATHER = 0.01
"""Seconds to wait for more waits to join a list, as long as some still come: five hundred begin within a few of these."""


@dataclass(frozen=True)
class Collection:
    """All objects of a kind at one moment."""

    revision: int
    objects: dict[Key, Object]


class Api(Protocol):
    """What a stream needs of the API server."""

    def served(self, kind: str) -> bool:
        """Tell whether the kind is served; `WrongUsage` when it cannot be watched."""
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


@dataclass(eq=False)
class Listener:
    """A wait's place at a stream.

    Attributes:
        stream: that it listens to.
        choice: which objects it wants to hear of.
        inbox: where messages go.
        asked: when it last asked for a list, by the stream's own count.
        answered: whether that list was delivered.
    """

    stream: WatchStream
    choice: Choice
    inbox: Inbox
    asked: int = 0
    answered: bool = False
    view: View[Any] | None = field(default=None, repr=False)

    def post(self, message: object) -> None:
        """Put a message into the wait's inbox."""
        assert self.view is not None  # noqa: S101  set before it joins
        self.inbox.put((self.view, message))

    def wants_list(self) -> bool:
        """Tell whether it needs a list that the stream does not already bring by itself."""
        return not self.answered and self.stream.live

    def ask(self) -> None:
        """Ask for a list that is requested from now on."""
        self.stream.ask(self)

    def fetch(self, deadline: float) -> None:
        """List now, together with all others that need one."""
        self.stream.fetch(self, deadline)

    def leave(self) -> None:
        """Hear no more."""
        self.stream.leave(self)


class WatchStream:
    """The stream of one kind in one namespace or in all.

    Args:
        api: the API server.
        kind: that it watches.
        namespace: that it watches, None for all.
    """

    def __init__(self, api: Api, kind: str, namespace: str | None) -> None:
        """Prepare; the thread starts with the first listener."""
        self.kind = kind
        self.namespace = namespace
        self.live = False
        self._api = api
        self._lock = threading.Lock()
        self._listing = threading.Lock()
        self._wake = threading.Event()
        self._clock = count(1)
        self._one: dict[Key, list[Listener]] = {}
        self._many: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._http: HttpStream | None = None
        self._stopped = False
        self._idle_since = time.monotonic()
        self._position: int | None = None
        self._newest = 0
        self._events = 0
        self._trouble = ""
        self._served: bool | None = None
        self._backoff = Backoff()

    # Listeners

    def join(self, choice: Choice, inbox: Inbox, make: Callable[[Listener], View[Any]]) -> View[Any]:
        """Add a wait and return its view."""
        listener = Listener(self, choice, inbox)
        view = listener.view = make(listener)
        with self._lock:
            listener.asked = next(self._clock)
            if choice.key is None:
                self._many.append(listener)
            else:
                self._one.setdefault(choice.key, []).append(listener)
            if self._trouble:
                listener.post(Trouble(self._trouble))
            if self._thread is None:
                name = f"watch {self.kind} {self.namespace or '*'}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self._wake.set()
        return view

    def leave(self, listener: Listener) -> None:
        """Remove a wait."""
        with self._lock:
            place = self._many if listener.choice.key is None else self._one.get(listener.choice.key, [])
            if listener in place:
                place.remove(listener)
            if listener.choice.key is not None and not place:
                self._one.pop(listener.choice.key, None)
            self._idle_since = time.monotonic()

    def ask(self, listener: Listener) -> None:
        """Note that a wait needs a list requested from now on."""
        with self._lock:
            listener.asked, listener.answered = next(self._clock), False
        self._wake.set()

    def fetch(self, listener: Listener, deadline: float) -> None:
        """List for a wait and all others that need one; trouble is told to the wait."""
        left = deadline - time.monotonic()
        if not self._listing.acquire(timeout=max(left, 0.1)):
            return
        try:
            if listener.answered or not self.live:
                return
            self._gather()
            self._list(relist=False, patience=min(max(left, 1.0), 10.0))
        except ApiError as error:
            listener.post(Trouble(error.problem))
            self._restart()
        finally:
            self._listing.release()

    def idle(self, now: float) -> bool:
        """Tell whether nobody has listened for `LINGER` seconds."""
        with self._lock:
            return self._unheard(now)

    def _unheard(self, now: float) -> bool:
        return not self._one and not self._many and now - self._idle_since > LINGER

    def stop(self) -> None:
        """End the thread; listeners hear no more."""
        self._stopped = True
        self._wake.set()
        self._restart()

    # Delivery

    def _listeners(self) -> list[Listener]:
        """Return all, with the lock held."""
        return [*self._many, *(listener for place in self._one.values() for listener in place)]

    def _tell(self, message: object) -> None:
        with self._lock:
            for listener in self._listeners():
                listener.post(message)

    def _trouble_is(self, words: str) -> None:
        """Tell everybody that the stream cannot be read, or by an empty text that it can."""
        if words != self._trouble:
            log.debug("watch %s in %s: %s", self.kind, self.namespace or "all namespaces", words or "goes on")
        if words or self._trouble:
            self._trouble = words
            self._tell(Trouble(words))

    def _change(self, change: Changed) -> None:
        with self._lock:
            for listener in [*self._many, *self._one.get(change.key, ())]:
                listener.post(change)

    def _gather(self) -> None:
        """Wait for more waits to join, as long as others than the first are there and still come."""
        waiting, before = self._unanswered(), 1
        rounds = 0
        while waiting > before and rounds < 10:
            before, rounds = waiting, rounds + 1
            pause(GATHER)
            waiting = self._unanswered()

    def _unanswered(self) -> int:
        with self._lock:
            return sum(not listener.answered for listener in self._listeners())

    def _list(self, *, relist: bool, patience: float) -> int:
        """List, deliver, and return the list's revision; with the lock for listing held."""
        with self._lock:
            sent, newest = next(self._clock), self._newest
        found = self._api.collect(self.kind, self.namespace, patience=patience)
        # A list is never older than what was told before it was asked for, unless the store itself was replaced.
        restored = found.revision < newest
        with self._lock:
            self._newest = found.revision if restored else max(self._newest, found.revision)
            for listener in self._listeners():
                fresh = listener.asked < sent
                if relist or restored or (fresh and not listener.answered):
                    listener.post(Listed(found.revision, found.objects, fresh, relist or restored, restored))
                listener.answered = listener.answered or fresh
        if restored and not relist:
            self._position = None
            self._restart()
        return found.revision

    # The thread

    def _run(self) -> None:
        """List and watch until nobody listens any more."""
        try:
            while not self._ended():
                self._try()
        finally:
            if self._thread is not None:  # only an error of this module leads here
                self._trouble_is(f"the thread that watches {self.kind} has died")

    def _ended(self) -> bool:
        """Tell whether the thread may end, and make the next listener start another."""
        with self._lock:
            if self._stopped or self._unheard(time.monotonic()):
                self.live, self._position, self._thread = False, None, None
                return True
            return False

    def _try(self) -> None:
        """Serve the listeners once, and prepare to do it again."""
        asked: float | None = None
        try:
            self._serve()
        except Expired:
            self._position = None
        except NotFound as error:
            # Discovery may still name a kind whose CRD is going away, or not yet serve one that it names.
            self._api.forget(self.kind)
            self._position = None
            self._trouble_is(error.problem)
        except HarnessError as error:
            self.live = False
            self._trouble_is(error.problem)
            asked = error.retry_after if isinstance(error, ApiError) else None
        else:
            return
        self._rest(self._backoff.pause(asked))

    def _rest(self, seconds: float) -> None:
        """Wait before the next try, at most until the stream is stopped."""
        end = time.monotonic() + seconds
        while not self._stopped and (left := end - time.monotonic()) > 0:
            self._wake.clear()
            self._wake.wait(left)

    def _serve(self) -> None:
        """Find the kind, list when it is needed, and watch until the stream ends."""
        with self._lock:
            sent = next(self._clock)
        if self._position is None and not self._find(sent):
            return
        if self._position is None:
            with self._listing:
                self._position = self._list(relist=True, patience=0)
        began, before = time.monotonic(), self._events
        self._watch()
        if self._events == before and time.monotonic() - began < LASTED:
            self._rest(self._backoff.pause())

    def _find(self, sent: int) -> bool:
        """Tell whether the kind is served; when not, say so and wait a little."""
        if self._api.served(self.kind):
            if self._served is False:
                self._backoff.reset()
            self._served = True
            return True
        self.live, self._served = False, False
        self._trouble_is("")
        with self._lock:
            for listener in self._listeners():
                fresh = listener.asked < sent
                listener.post(NotServed(fresh))
                listener.answered = listener.answered or fresh
        # A new listener is answered at once, but not more often than an API server likes to be asked.
        self._wake.clear()
        self._rest(0.05)
        self._wake.wait(self._backoff.pause())
        return False

    def _watch(self) -> None:
        """Watch from the position until the stream ends."""
        assert self._position is not None  # noqa: S101  the caller listed
        seconds = random.randint(*SERVER_ENDS)  # noqa: S311  jitter guards nothing
        stream = self._http = self._api.follow(self.kind, self.namespace, self._position, seconds)
        try:
            if self._stopped:
                return
            self.live = True
            self._trouble_is("")
            for listener in self._waiting():
                listener.post(Trouble(""))  # whoever still needs a list may ask for it now
            for line in stream.lines():
                if line:
                    self._event(line)
                if self._ended_here() or self.idle(time.monotonic()):
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

    def _waiting(self) -> list[Listener]:
        with self._lock:
            return [listener for listener in self._listeners() if not listener.answered]

    def _restart(self) -> None:
        """End the HTTP stream; the thread goes on from where it was."""
        stream = self._http
        if stream is not None:
            stream.interrupt()

    def _event(self, line: bytes) -> None:
        """Deliver one event of the API server."""
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise Unavailable(
                f"watch {self.kind}", 0, "NoJson", "the API server sent a line that is no JSON"
            ) from error
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise _told_error(f"watch {self.kind}", obj)
        position = revision(obj)
        self._newest = max(self._newest, position)
        if self._position is not None:
            self._position = position
        self._events += 1
        self._backoff.reset()
        if kind != "BOOKMARK":
            self._change(Changed(key(obj), position, None if kind == "DELETED" else obj))


def _told_error(request: str, status: dict[str, Any]) -> ApiError:
    """Return the error that a watch was told instead of an event."""
    code = int(status.get("code") or 500)
    if code == 410:
        return Expired(request, 410, "Expired", str(status.get("message") or ""))
    error = api_error(request, code, status, secret=False, retry=None)
    return error if code != 404 else Unavailable(request, code, error.reason, error.message)


class Watches:
    """The streams of one client."""

    def __init__(self, api: Api) -> None:
        """Open nothing yet."""
        self._api = api
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str | None], WatchStream] = {}
        self._closed = False

    def join(
        self, kind: str, namespace: str | None, choice: Choice, inbox: Inbox, make: Callable[[Listener], View[Any]]
    ) -> View[Any]:
        """Add a wait to the stream of its kind and namespace; one of all namespaces serves as well, if there is one.

        Raises:
            WrongUsage: the client is closed.
        """
        with self._lock:
            if self._closed:
                raise WrongUsage(
                    f"a wait for {kind} was begun on a client that is closed", "keep it open while you wait"
                )
            self._sweep()
            stream = self._streams.get((kind, namespace)) or self._streams.get((kind, None))
            if stream is None:
                stream = self._streams[kind, namespace] = WatchStream(self._api, kind, namespace)
            return stream.join(choice, inbox, make)

    def _sweep(self) -> None:
        """End the streams that nobody listens to."""
        now = time.monotonic()
        for where, stream in list(self._streams.items()):
            if stream.idle(now):
                stream.stop()
                del self._streams[where]

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self._closed = True
            for stream in self._streams.values():
                stream.stop()
            self._streams.clear()
