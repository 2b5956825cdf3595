"""Which kinds the API server serves, and under which paths."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import understood
from platform_e2e.kube.errors import BadAnswer, KindNotServed, NotFound, Unavailable

ASKED_BY_ANOTHER = 1.0
"""Least seconds to wait for the answer that another thread has asked for."""

POD = "v1/Pod"
"""What every API server serves that a kubeconfig may lead to."""

_PLURAL = re.compile(r"[a-z0-9]([-.a-z0-9]{0,252}[a-z0-9])?")

_KIND = re.compile(r"(?:[a-z0-9.-]+/)?v[0-9][a-z0-9]*/[A-Z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Resource:
    """One kind as the API server serves it.

    Attributes:
        kind: in this package's notation, `apps/v1/Deployment`.
        plural: its name in paths, `deployments`.
        namespaced: whether its objects live in namespaces.
        verbs: what may be done: `list`, `watch`, `patch`, ...
    """

    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = field(default_factory=frozenset)

    @property
    def api_version(self) -> str:
        """Return `apps/v1` or `v1`."""
        return self.kind.rsplit("/", 1)[0]

    @property
    def short(self) -> str:
        """Return the kind's own name, `Deployment`."""
        return self.kind.rsplit("/", 1)[1]

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of the collection, of one object, or of its subresource.

        Args:
            namespace: None for all namespaces; left out for a cluster-scoped kind.
            name: of an object, or None for the collection.
            subresource: `status`, `scale`, `log`, ...

        Raises:
            WrongUsage: an object of a namespaced kind is asked for without a namespace.
        """
        if name and self.namespaced and not namespace:
            raise WrongUsage(
                f"{self.short} {name} is asked for without a namespace", f"{self.kind} lives in namespaces"
            )
        parts = [group_path(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", segment(namespace)]
        parts.append(self.plural)
        parts += [segment(part) for part in (name, subresource) if part]
        return "/".join(parts)


def group_path(api_version: str) -> str:
    """Return the path of a group's version: `/api/v1` for the core, `/apis/apps/v1` for others."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def segment(name: str) -> str:
    """Return a name as one segment of a path, whatever it has: names come from objects of strangers, too."""
    return quote(name, safe=":").replace(".", "%2E") if name in {".", ".."} else quote(name, safe=":")


class Discovery:
    """Remember what the API server serves; what it does not serve is asked for anew each time.

    Args:
        get: returns the mapping at a path, or raises `NotFound`; tries for the given seconds, or for the client's own.
    """

    def __init__(self, get: Callable[[str, float | None], Any]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._known: dict[str, Resource] = {}

    def find(self, kind: str, *, patience: float | None = None) -> Resource | None:
        """Return a kind as it is served, or None while it is not.

        Args:
            kind: as in a manifest.
            patience: seconds to try for, the client's by default.

        Raises:
            WrongUsage: the kind is not written as `GROUP/VERSION/Kind` or `VERSION/Kind`.
            Unavailable: the API server did not answer.
        """
        if not _KIND.fullmatch(kind):
            raise WrongUsage(f"{kind!r} is no kind", 'write "apps/v1/Deployment", or "v1/Service" for the core group')
        if kind in self._known:
            return self._known[kind]
        # One asks, the others find the answer: five hundred waiters begin with one request. Who has little patience does
        # not wait for one who has much while the API server is down.
        if not self._lock.acquire(timeout=-1 if patience is None else max(patience, ASKED_BY_ANOTHER)):
            raise Unavailable(f"kind {kind}", 0, "NoAnswer", "the API server does not tell what it serves")
        try:
            if kind not in self._known:
                self._learn(kind.rsplit("/", 1)[0], patience)
            return self._known.get(kind)
        finally:
            self._lock.release()

    def require(self, kind: str) -> Resource:
        """Return a kind as it is served.

        Raises:
            KindNotServed: it is not.
        """
        found = self.find(kind)
        if found is None:
            raise KindNotServed(kind)
        return found

    def forget(self, kind: str) -> None:
        """Ask anew for a kind, after its path was not found."""
        with self._lock:
            self._known.pop(kind, None)

    def all(self) -> list[Resource]:
        """Return every kind that is served, the core group first, each in its group's preferred version."""
        versions = preferred(self._get("/apis", None))
        with self._lock:
            for version in versions:
                self._learn(version, None)
            return [known for version in versions for known in self._known.values() if known.api_version == version]

    def _learn(self, api_version: str, patience: float | None) -> None:
        """Read one group's version."""
        try:
            answer = self._get(group_path(api_version), patience)
        except NotFound:
            answer = {"resources": ()}
        path = group_path(api_version)
        with understood(f"GET {path}"):
            for entry in answer["resources"] or []:
                if "/" in entry["name"]:  # a subresource
                    continue
                kind = f"{api_version}/{entry['kind']}"
                verbs = frozenset(entry.get("verbs") or [])
                self._known[kind] = Resource(kind, plural(entry["name"], path), bool(entry["namespaced"]), verbs)
        if api_version == "v1" and POD not in self._known:
            # It would serve nothing at all, so that nothing could be wrong.
            raise BadAnswer(f"GET {path}", "an API server must serve pods, got none")


def preferred(answer: dict[str, Any]) -> list[str]:
    """Return the versions that the groups of an API server prefer, the core group first.

    Args:
        answer: an APIGroupList.
    """
    with understood("GET /apis"):
        return ["v1", *(str(group["preferredVersion"]["groupVersion"]) for group in answer["groups"] or [])]


def plural(name: Any, path: str) -> str:
    """Return a kind's name in paths, which the API server tells.

    Raises:
        BadAnswer: it is no such name.
    """
    if not isinstance(name, str) or not _PLURAL.fullmatch(name):
        raise BadAnswer(
            f"GET {path}", f"the name of a resource must be lower case letters and digits, got {name!r:.60}"
        )
    return name
