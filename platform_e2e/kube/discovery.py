"""Discovery: which kinds the API server serves, under which paths, and which one is meant by `deploy` or `applications.argoproj.io`.

The API server names its kinds with their short names in two requests (aggregated discovery, in Kubernetes since 1.26 as
v2beta1, since 1.30 as v2); a server without it is asked for each group.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any
from urllib.parse import quote

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import mapping, understood
from platform_e2e.kube.errors import BadAnswer, KindNotServed, NotFound, Unavailable
from platform_e2e.kube.read_api import ProxyApi

ASKED_BY_ANOTHER = 1.0
"""Shortest seconds to wait for an answer that another thread has requested."""

POD = "v1/Pod"
"""Served by every API server that a kubeconfig may lead to."""

_PLURAL = re.compile(r"[a-z0-9]([-.a-z0-9]{0,252}[a-z0-9])?")

_KIND = re.compile(r"(?:[a-z0-9.-]+/)?v[0-9][a-z0-9]*/[A-Z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Resource:
    """One kind as the API server serves it.

    Attributes:
        kind: in this package's notation, `apps/v1/Deployment`.
        plural: its name in paths, `deployments`.
        namespaced: whether its objects live in namespaces.
        verbs: the supported operations: `list`, `watch`, `patch`, ...
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
            namespace: None for all namespaces; ignored for a cluster-scoped kind.
            name: of an object, or None for the collection.
            subresource: `status`, `scale`, `log`, ...

        Raises:
            WrongUsage: an object of a namespaced kind is requested without a namespace.
        """
        if name and self.namespaced and not namespace:
            raise WrongUsage(
                f"{self.short} {name} must be requested with a namespace",
                f"{self.kind} is namespaced: name its namespace",
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
    """Return a name quoted as one segment of a path: it may come from an untrusted object."""
    return quote(name, safe=":").replace(".", "%2E") if name in {".", ".."} else quote(name, safe=":")


class Discovery:
    """Cache which kinds the API server serves; a kind that is not served is requested again each time.

    Args:
        get: returns the mapping at a path, or raises `NotFound`; retries for the given seconds, or for the client's default.
    """

    def __init__(self, get: Callable[[str, float | None], Any]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._known: dict[str, Resource] = {}

    def find(self, kind: str, *, patience: float | None = None) -> Resource | None:
        """Return a kind as it is served, or None while it is not.

        Args:
            kind: as in a manifest.
            patience: seconds to retry for, the client's by default.

        Raises:
            WrongUsage: the kind is not written as `GROUP/VERSION/Kind` or `VERSION/Kind`.
            Unavailable: the API server did not answer.
        """
        if not _KIND.fullmatch(kind):
            raise WrongUsage(
                f"a kind must be written GROUP/VERSION/Kind, got {kind!r}",
                'write "apps/v1/Deployment", or "v1/Service" for the core group',
            )
        if kind in self._known:
            return self._known[kind]
        # One thread requests, the others find the answer: five hundred waits start with one request. A caller with little
        # patience does not wait for another one's long retries while the API server is down.
        if not self._lock.acquire(timeout=-1 if patience is None else max(patience, ASKED_BY_ANOTHER)):
            raise Unavailable(f"kind {kind}", 0, "NoAnswer", "the API server does not answer which kinds it serves")
        try:
            if kind not in self._known:
                self._learn(kind.rsplit("/", 1)[0], patience)
            return self._known.get(kind)
        finally:
            self._lock.release()

    def require(self, kind: str) -> Resource:
        """Return a kind as it is served.

        Raises:
            KindNotServed: the API server does not serve it.
        """
        found = self.find(kind)
        if found is None:
            raise KindNotServed(kind)
        return found

    def forget(self, kind: str) -> None:
        """Drop a kind from the cache, after its path was not found."""
        with self._lock:
            self._known.pop(kind, None)

    def _learn(self, api_version: str, patience: float | None) -> None:
        """Read one group's version."""
        path = group_path(api_version)
        try:
            answer = self._get(path, patience)
        except NotFound:
            answer = {"resources": ()}
        with understood(f"GET {path}"):
            for _, resource in _resources(api_version, answer):
                self._known[resource.kind] = resource
        if api_version == "v1" and POD not in self._known:
            # A server that serves nothing would make every check pass.
            raise BadAnswer(f"GET {path}", "an API server must serve pods, got none")


def preferred(answer: dict[str, Any]) -> list[str]:
    """Return the versions that the groups of an API server prefer, the core group first.

    Args:
        answer: an APIGroupList.
    """
    with understood("GET /apis"):
        return ["v1", *(str(group["preferredVersion"]["groupVersion"]) for group in answer["groups"] or [])]


def plural(name: Any, path: str) -> str:
    """Return a kind's name in paths after checking it.

    Raises:
        BadAnswer: it is malformed.
    """
    if not isinstance(name, str) or not _PLURAL.fullmatch(name):
        raise BadAnswer(
            f"GET {path}", f"the name of a resource must be lower case letters and digits, got {name!r:.60}"
        )
    return name


AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1")]
    + ["application/json"]
)
"""Media types that kubectl accepts for all kinds at once (client-go, discovery/discovery_client.go)."""

MOST = 10_000
"""Most kinds of an API server: a cluster with every CRD of a large cloud's operator has 3,000."""

NEAR = 3
"""Number of suggestions for an unknown kind."""


class UnknownKind(WrongUsage):
    """The API server serves no kind of that name."""


@dataclass(frozen=True)
class Kind:
    """A kind and all its names.

    Attributes:
        resource: the kind as it is served.
        singular: its name for one object, `deployment`.
        short: its short names, `deploy`.
        has_status: whether its objects have a status that a controller writes.
    """

    resource: Resource
    singular: str
    short: tuple[str, ...] = ()
    has_status: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return all its names, in lower case."""
        return self.singular, self.resource.plural, *self.short, self.resource.short.lower()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return what may follow a name after a dot: nothing, the group, or version and group."""
        group, _, version = self.resource.api_version.rpartition("/")
        return ("", group, f"{version}.{group}") if group else ("", version)


class Kinds:
    """Every kind that is served, the core group first.

    Args:
        kinds: in the order in which the API server prefers them.
    """

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.all = tuple(kinds)

    def find(self, word: str) -> Kind | None:
        """Return the kind of a name, or None.

        Args:
            word: `deploy`, `Deployment`, `deployments.apps` or `deployments.v1.apps`; the case does not matter.
        """
        asked, _, suffix = word.lower().partition(".")
        return next((kind for kind in self.all if asked in kind.words and suffix in kind.suffixes), None)

    def require(self, word: str) -> Kind:
        """Return the kind of a name.

        Raises:
            UnknownKind: there is none; the error suggests similar names.
        """
        found = self.find(word)
        if found is not None:
            return found
        near = self.near(word)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownKind(
            f"the API server serves no kind `{word}`", f"{hint}`kubectl api-resources` lists all {len(self.all)} kinds"
        )

    def near(self, word: str) -> list[str]:
        """Return the kinds with the most similar names, the nearest first."""
        singular = {name: kind.singular for kind in reversed(self.all) for name in kind.words}
        asked = word.lower().partition(".")[0]
        # Several names of one kind look alike, so more are requested than shown.
        close = difflib.get_close_matches(asked, singular, n=3 * NEAR, cutoff=0.6)
        return list(dict.fromkeys(singular[name] for name in close))[:NEAR]


def kinds(kube: ProxyApi) -> Kinds:
    """Ask the API server for every kind that it serves.

    Args:
        kube: the client.

    Raises:
        ApiError: the API server refused, or did not answer.
    """
    core = mapping(kube.raw("GET", "/api", accept=AGGREGATED), "GET /api")
    others = mapping(kube.raw("GET", "/apis", accept=AGGREGATED), "GET /apis")
    with understood("GET /api and /apis"):
        if core.get("kind") == others.get("kind") == "APIGroupDiscoveryList":
            served = chain(_aggregated(core), _aggregated(others))
        else:
            served = chain.from_iterable(_of_group(kube, version) for version in preferred(others))
        found = list(islice(served, MOST + 1))
    if not 0 < len(found) <= MOST:
        raise BadAnswer(
            "GET /apis", f"an API server must serve kinds, at most {MOST}, got {'more' if found else 'none'}"
        )
    return Kinds(found)


def _aggregated(answer: Mapping[str, Any]) -> Iterator[Kind]:
    """Yield the kinds of an aggregated answer, each in the version that its group prefers among those that have it."""
    for group in answer["items"] or ():
        group_name = (group.get("metadata") or {}).get("name") or ""
        seen: set[str] = set()
        for version in group.get("versions") or ():
            api_version = f"{group_name}/{version['version']}" if group_name else str(version["version"])
            for entry in version.get("resources") or ():
                name, kind = plural(entry["resource"], "/apis"), (entry.get("responseKind") or {}).get("kind")
                if name in seen or not kind:
                    continue
                seen.add(name)
                has_status = any(sub.get("subresource") == "status" for sub in entry.get("subresources") or ())
                namespaced = entry.get("scope") == "Namespaced"
                resource = Resource(f"{api_version}/{kind}", name, namespaced, frozenset(entry.get("verbs") or ()))
                yield _kind(resource, entry.get("singularResource"), entry.get("shortNames"), has_status=has_status)


def _of_group(kube: ProxyApi, api_version: str) -> Iterator[Kind]:
    """Yield the kinds of one group's version; none where an aggregated API server does not answer for its group."""
    path = group_path(api_version)
    try:
        answer = mapping(kube.raw("GET", path), path)
    except (NotFound, Unavailable):
        return
    names = {entry["name"] for entry in answer["resources"] or []}
    for entry, resource in _resources(api_version, answer):
        has_status = f"{resource.plural}/status" in names
        yield _kind(resource, entry.get("singularName"), entry.get("shortNames"), has_status=has_status)


def _resources(api_version: str, answer: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Resource]]:
    """Yield the kinds of an APIResourceList with their entries, without subresources."""
    for entry in answer["resources"] or []:
        if "/" not in entry["name"]:
            kind, verbs = f"{api_version}/{entry['kind']}", frozenset(entry.get("verbs") or ())
            yield (
                entry,
                Resource(kind, plural(entry["name"], group_path(api_version)), bool(entry["namespaced"]), verbs),
            )


def _kind(resource: Resource, singular: str | None, short: Iterable[str] | None, *, has_status: bool) -> Kind:
    return Kind(resource, str(singular or resource.short.lower()), tuple(map(str, short or ())), has_status)
