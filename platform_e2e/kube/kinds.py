"""Which kind a person means by `deploy`, `svc` or `applications.argoproj.io`: the words that kubectl takes.

The API server tells its kinds with their short names in two requests (aggregated discovery, in Kubernetes since 1.26 as
v2beta1, since 1.30 as v2); one that cannot is asked for each group.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import mapping, understood
from platform_e2e.kube.discovery import Resource, group_path, plural, preferred
from platform_e2e.kube.errors import BadAnswer, NotFound, Unavailable

AGGREGATED = ",".join(
    [f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1")]
    + ["application/json"]
)
"""What kubectl accepts as an answer about all kinds (client-go, discovery/discovery_client.go)."""

MOST = 10_000
"""Kinds of an API server: a cluster with every CRD of a large cloud's operator has 3,000, and among more none is found by its likeness."""

NEAR = 3
"""How many kinds a person is offered in place of one that does not exist."""


class Api(Protocol):
    """What is asked of the client."""

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json, */*",
    ) -> Any:
        """Send a request to any path and return the answer."""
        ...


class UnknownKind(WrongUsage):
    """No kind that is served is called so."""


@dataclass(frozen=True)
class Kind:
    """A kind and all that people call it.

    Attributes:
        resource: as it is served.
        singular: its name for one object, `deployment`.
        short: its short names, `deploy`.
        has_status: whether a controller tells in a status of its own how an object is.
    """

    resource: Resource
    singular: str
    short: tuple[str, ...] = ()
    has_status: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Return every word for it, in lower case."""
        return self.singular, self.resource.plural, *self.short, self.resource.short.lower()

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Return what may follow a word after a dot: nothing, the group, or version and group."""
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
        """Return the kind that a person means, or None.

        Args:
            word: `deploy`, `Deployment`, `deployments.apps` or `deployments.v1.apps`; the case does not matter.
        """
        asked, _, suffix = word.lower().partition(".")
        return next((kind for kind in self.all if asked in kind.words and suffix in kind.suffixes), None)

    def require(self, word: str) -> Kind:
        """Return the kind that a person means.

        Raises:
            UnknownKind: there is none; the text offers the nearest.
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
        """Return words for kinds that look like a word, the nearest first, one for each kind."""
        owners = {one: kind.singular for kind in reversed(self.all) for one in kind.words}
        asked = word.lower().partition(".")[0]
        # A kind has several words that look alike; more are asked for than shown.
        close = difflib.get_close_matches(asked, owners, n=3 * NEAR, cutoff=0.6)
        return list(dict.fromkeys(owners[one] for one in close))[:NEAR]


def kinds(api: Api) -> Kinds:
    """Ask the API server for every kind that it serves.

    Args:
        api: the client.

    Raises:
        ApiError: the API server refused, or did not answer.
    """
    core = mapping(api.raw("GET", "/api", accept=AGGREGATED), "GET /api")
    others = mapping(api.raw("GET", "/apis", accept=AGGREGATED), "GET /apis")
    with understood("GET /api and /apis"):
        if core.get("kind") == others.get("kind") == "APIGroupDiscoveryList":
            told = chain(_aggregated(core), _aggregated(others))
        else:
            told = chain.from_iterable(_of_group(api, version) for version in preferred(others))
        found = list(islice(told, MOST + 1))
    if not 0 < len(found) <= MOST:
        raise BadAnswer(
            "GET /apis", f"an API server must serve kinds, at most {MOST}, got {'more' if found else 'none'}"
        )
    return Kinds(found)


def _aggregated(answer: Mapping[str, Any]) -> Iterator[Kind]:
    """Yield the kinds of an aggregated answer, each in the version that its group prefers among those that have it."""
    for group in answer["items"] or ():
        its_name = (group.get("metadata") or {}).get("name") or ""
        seen: set[str] = set()
        for version in group.get("versions") or ():
            api_version = f"{its_name}/{version['version']}" if its_name else str(version["version"])
            for entry in version.get("resources") or ():
                name, kind = plural(entry["resource"], "/apis"), (entry.get("responseKind") or {}).get("kind")
                if name in seen or not kind:
                    continue
                seen.add(name)
                below = {sub.get("subresource") for sub in entry.get("subresources") or ()}
                namespaced = entry.get("scope") == "Namespaced"
                resource = Resource(f"{api_version}/{kind}", name, namespaced, frozenset(entry.get("verbs") or ()))
                yield _kind(resource, entry.get("singularResource"), entry.get("shortNames"), below)


def _of_group(api: Api, api_version: str) -> Iterator[Kind]:
    """Yield the kinds of one group's version; none where an aggregated API server does not answer for its group."""
    try:
        entries = mapping(api.raw("GET", group_path(api_version)), group_path(api_version))["resources"] or []
    except (NotFound, Unavailable):
        return
    for entry in entries:
        if "/" in entry["name"]:  # a subresource
            continue
        name = plural(entry["name"], group_path(api_version))
        below = {one["name"].partition("/")[2] for one in entries if one["name"].startswith(f"{name}/")}
        verbs = frozenset(entry.get("verbs") or ())
        resource = Resource(f"{api_version}/{entry['kind']}", name, bool(entry["namespaced"]), verbs)
        yield _kind(resource, entry.get("singularName"), entry.get("shortNames"), below)


def _kind(resource: Resource, singular: str | None, short: Iterable[str] | None, below: set[str | None]) -> Kind:
    return Kind(resource, str(singular or resource.short.lower()), tuple(map(str, short or ())), "status" in below)
