"""The list and watch requests of the API: lists of one revision, page by page, and the events of a watch from a revision on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import checked, cost, mapping, parsed, slimmed, too_much, understood
from platform_e2e.kube.discovery import Discovery, Resource
from platform_e2e.kube.errors import ApiError, BadAnswer, TooLarge, Unavailable, api_error
from platform_e2e.kube.labels import ObjectSelector
from platform_e2e.kube.objects import Key, Object, key, revision
from platform_e2e.kube.transport import Request, Stream, Transport

FEWER = 10
"""Factor by which a page is made smaller when the answer exceeds the limit of bytes."""

GENEROUS = 1 << 30
"""Memory limit in bytes from which on the cost of an event is only estimated: our own cluster need not be measured exactly."""

ROUGHLY = 8
"""Bytes of memory per byte of an event in that estimate, a safe upper bound: a pod takes five."""


@dataclass(frozen=True)
class Collection:
    """All objects of a kind at one revision."""

    revision: int
    objects: dict[Key, Object]


@dataclass(frozen=True)
class Event:
    """One event of a watch.

    Attributes:
        type: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`.
        revision: the resource version from which the watch can be resumed.
        obj: the object, not validated yet; a bookmark's has only its resource version.
        size: bytes that it takes in memory, about.
    """

    type: str
    revision: int
    obj: Object
    size: int


class ListWatch:
    """List and watch collections.

    Args:
        http: transport to the API server.
        discovery: the kinds that it serves.

    Attributes:
        held: bytes in memory that the objects of a kind may take.
    """

    def __init__(self, http: Transport, discovery: Discovery) -> None:
        self.held = http.limits.memory
        self._http = http
        self._discovery = discovery

    def check(self, kind: str, choice: ObjectSelector) -> None:
        """Reject a wait that can never see anything; accept it while the kind is not served or the API server does not answer.

        Raises:
            WrongUsage: the kind cannot be watched, the namespace is missing, or the kind is cluster-scoped.
        """
        try:
            resource = self._discovery.find(kind, patience=0)
        except Unavailable:
            return
        if resource is None:
            return
        if "watch" not in resource.verbs:
            raise WrongUsage(f"{kind} cannot be watched", "wait for it with `poll`")
        namespace = choice.key[0] if choice.key else choice.namespace
        if choice.key and resource.namespaced and not namespace:
            raise WrongUsage(
                f"{resource.short} {choice.key[1]} must be requested with a namespace", "name its namespace"
            )
        if namespace and not resource.namespaced:
            raise WrongUsage(
                f"{resource.short} must be requested without a namespace, got {namespace}",
                f"{kind} is cluster-scoped: leave the namespace out",
            )

    def served(self, kind: str) -> bool:
        """Tell whether a kind is served."""
        return self._discovery.find(kind, patience=0) is not None

    def forget(self, kind: str) -> None:
        """Ask the API server again whether it serves the kind."""
        self._discovery.forget(kind)

    def collect(self, kind: str, namespace: str | None, *, patience: float) -> Collection:
        """List all objects of a kind; the list is not older than the request.

        Raises:
            KindNotServed: the API server does not serve the kind.
            ApiError: as for `pages`.
        """
        return self.pages(self._discovery.require(kind), namespace, patience=patience)

    def follow(self, kind: str, namespace: str | None, version: int, seconds: int) -> Stream:
        """Open a watch with bookmarks.

        Args:
            kind: to watch.
            namespace: None for all.
            version: resource version after which changes are sent.
            seconds: after which the API server ends the watch.

        Raises:
            KindNotServed: the API server does not serve the kind.
            ApiError: the API server refused.
        """
        path = self._discovery.require(kind).path(namespace)
        params = {"watch": True, "resourceVersion": version, "allowWatchBookmarks": True, "timeoutSeconds": seconds}
        return self._http.open(Request("GET", path, params=params, what=f"{kind} (watch)"))

    def pages(
        self,
        resource: Resource,
        namespace: str | None,
        params: Mapping[str, Any] | None = None,
        *,
        patience: float | None = None,
    ) -> Collection:
        """List objects page by page; all pages have one revision.

        Args:
            resource: which kind.
            namespace: None for all.
            params: selectors.
            patience: seconds to retry for, the client's by default.

        Raises:
            Expired: the API server forgot the revision before the last page.
            BadAnswer: the list exceeds the client's limits, does not end, or has malformed objects.
            ApiError: the API server refused.
        """
        objects: dict[Key, Object] = {}
        what = resource.plural + (f" -n {namespace}" if namespace else "")
        limits, size, limit = self._http.limits, 0, self._http.limits.page
        token: str | None = None
        seen: set[str] = set()
        for _ in range(limits.pages):
            query = {**(params or {}), "limit": limit, "continue": token}
            request = Request("GET", resource.path(namespace), params=query, what=what)
            try:
                body = self._http.request(request, patience=patience)
            except TooLarge:
                if limit == 1:
                    raise
                limit = max(limit // FEWER, 1)
                continue
            size += cost(body)
            if size > limits.memory:
                raise too_much(str(request), limits.memory)
            page = mapping(self._http.parse(body, request), str(request))
            items, meta = page.get("items", ""), mapping(page.get("metadata") or {}, f"{request}, its metadata")
            if not isinstance(items, list | None):
                raise BadAnswer(str(request), "items must be a list, got another value or none")
            sound = [checked(item, str(request)) for item in items or []]
            if limits.slim:
                freed = slimmed(sound)
                size -= freed
                self._http.give_back(freed)
            for item in sound:
                # The items of a list have no apiVersion and kind; an object that is read by itself has them.
                obj = {"apiVersion": resource.api_version, "kind": resource.short, **item}
                objects[key(obj)] = obj
            token = meta.get("continue")
            if not token:
                return Collection(revision({"metadata": meta}), objects)
            if not isinstance(token, str) or token in seen:
                raise BadAnswer(str(request), "each page must be continued by a new token, got the same one or none")
            seen.add(token)
        raise BadAnswer(f"GET {what}", f"it must end within {limits.pages} pages, and does not")


def decode(line: bytes, request: str, most: int) -> Event:
    """Return the event that one line of a watch holds.

    Args:
        line: as received.
        request: for the error.
        most: bytes that the event may take in memory.

    Raises:
        BadAnswer: the line is too large, or malformed.
        ApiError: the API server ended the watch with an error, such as `Expired`.
    """
    # An estimate saves time, so that an event is delivered sooner.
    size = cost(line) if most < GENEROUS else ROUGHLY * len(line)
    if size > most:
        raise too_much(request, most)
    event = mapping(parsed(line, request), request)
    obj = mapping(event.get("object"), request)
    if event.get("type") == "ERROR":
        raise _error(request, obj)
    mapping(obj.get("metadata"), request)
    return Event(str(event.get("type")), revision(obj), obj, size)


def _error(request: str, status: dict[str, Any]) -> ApiError:
    """Return the error that a watch received in place of an event."""
    with understood(request):
        code = int(status.get("code") or 500)
    error = api_error(request, code, status, secret=False, retry=None)
    # Only the answer to a request means that the kind is gone.
    return error if code != 404 else Unavailable(request, code, error.reason, error.message)
