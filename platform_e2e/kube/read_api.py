"""The parts of the client that its users need, by which a unit test or a cache stands in for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from platform_e2e.kube.objects import Object


class ReadApi(Protocol):
    """The part of the client that explanations and checks need: `Kube`, `Reader`, a cache over one, or a recording in a unit test."""

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, or None when it or its kind does not exist."""
        ...

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        fields: str | None = None,
    ) -> Sequence[Object]:
        """Return the objects of a kind; an empty list when the kind does not exist."""
        ...

    def events(self, kind: str, name: str, namespace: str | None) -> Sequence[Object]:
        """Return the events about one object."""
        ...

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        """Return the end of a container's log."""
        ...


class ProxyApi(ReadApi, Protocol):
    """What evidence needs beside: what Services and pods answer, and what the API server says of itself."""

    def proxy(
        self, namespace: str, service: str, port: str | int, path: str, params: Mapping[str, Any] | None = None
    ) -> bytes:
        """Send a GET to a Service through the API server."""
        ...

    def raw(self, method: str, path: str, *, accept: str = "") -> Any:
        """Send a request to any path."""
        ...

    def version(self) -> str:
        """Return the API server's version."""
        ...
