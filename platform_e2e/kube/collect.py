"""What the watch streams need of the API server: lists of one revision, and watches from a revision on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import checked, cost, mapping, slimmed, too_much
from platform_e2e.kube.discovery import Discovery, Resource
from platform_e2e.kube.errors import BadAnswer, TooLarge, Unavailable
from platform_e2e.kube.objects import Key, Object, key, revision
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.stream import Collection
from platform_e2e.kube.transport import Request, Stream, Transport

FEWER = 10
"""By how much fewer objects are asked for at once where a page has more bytes than an answer may have."""


class Collector:
    """List and watch collections.

    Args:
        http: the way to the API server.
        discovery: what it serves.
    """

    def __init__(self, http: Transport, discovery: Discovery) -> None:
        self.held = http.limits.memory
        self._http = http
        self._discovery = discovery

    def check(self, kind: str, choice: Choice) -> None:
        """Refuse what can never be seen; while the kind is not served, or nobody answers, there is nothing to refuse.

        Raises:
            WrongUsage: the kind cannot be watched, or a namespace is missing or too much.
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
            raise WrongUsage(f"{resource.short} {choice.key[1]} is asked for without a namespace", "name its namespace")
        if namespace and not resource.namespaced:
            raise WrongUsage(f"{resource.short} is asked for in namespace {namespace}", f"{kind} lives in none")

    def served(self, kind: str) -> bool:
        """Tell whether a kind is served."""
        return self._discovery.find(kind, patience=0) is not None

    def forget(self, kind: str) -> None:
        """Ask anew whether the kind is served."""
        self._discovery.forget(kind)

    def collect(self, kind: str, namespace: str | None, *, patience: float) -> Collection:
        """List all objects of a kind; not older than the request.

        Raises:
            KindNotServed: there is no such kind.
            ApiError: as for `pages`.
        """
        return self.pages(self._discovery.require(kind), namespace, patience=patience)

    def follow(self, kind: str, namespace: str | None, version: int, seconds: int) -> Stream:
        """Open a watch with bookmarks.

        Args:
            kind: to watch.
            namespace: None for all.
            version: after which changes are told.
            seconds: after which the API server ends it.

        Raises:
            KindNotServed: there is no such kind.
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
        """List objects page by page; the pages are of one revision.

        Args:
            resource: which kind.
            namespace: None for all.
            params: selectors.
            patience: seconds to try for, the client's by default.

        Raises:
            Expired: it took so long that the API server forgot the revision.
            BadAnswer: it is longer than the client's limits, has no end, or has odd objects.
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
                gone = slimmed(sound)
                size -= gone
                self._http.give_back(gone)
            for item in sound:
                # The items of a list do not name their kind; what is read singly does.
                obj = {"apiVersion": resource.api_version, "kind": resource.short, **item}
                objects[key(obj)] = obj
            token = meta.get("continue")
            if not token:
                return Collection(revision({"metadata": meta}), objects)
            if not isinstance(token, str) or token in seen:
                raise BadAnswer(str(request), "each page must be continued by a new token, got the same one or none")
            seen.add(token)
        raise BadAnswer(f"GET {what}", f"it must end within {limits.pages} pages, and does not")
