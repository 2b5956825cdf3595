"""Ask the cluster for evidence, without asking for ever where it does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.errors import Unavailable
from platform_e2e.kube.read_api import ProxyApi

PATIENCE = 3.0
"""Seconds that one question is tried for: the cause must be seen before it is gone."""


class Gone(BrokenHarness):
    """The API server has not answered before and is not asked again."""


class Asking:
    """Ask one cluster from several threads; once it does not answer, it is not asked again.

    Args:
        cluster: the client.
    """

    def __init__(self, cluster: ProxyApi) -> None:
        self._cluster = cluster
        self._gone = ""

    def _ask(self, question: Callable[[], Any]) -> Any:
        if self._gone:
            raise Gone(f"not asked, since the API server did not answer before: {self._gone}")
        try:
            return question()
        except Unavailable as error:
            if error.status == 0:
                self._gone = error.message
            raise

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object, an empty one where it is absent."""
        return dict(self._ask(lambda: self._cluster.get(kind, name, namespace)) or {})

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        found: list[dict[str, Any]] = list(self._ask(lambda: self._cluster.list(kind, namespace)))
        return found

    def logs(self, pod: str, namespace: str, container: str, *, previous: bool, tail: int) -> str:
        """Return the end of a container's log."""
        return str(self._ask(lambda: self._cluster.logs(pod, namespace, container, previous=previous, tail=tail)))

    def service(self, namespace: str, name: str, port: int, path: str, **params: str) -> Any:
        """Return what a Service answers, parsed where it is JSON."""
        body = self._ask(lambda: self._cluster.proxy(namespace, name, port, path, params or None))
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        try:
            return json.loads(text)
        except ValueError:
            return text

    def pod(self, namespace: str, name: str, port: int, path: str) -> str:
        """Return the text that a pod answers."""
        where = f"/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{path}"
        answer = self._ask(lambda: self._cluster.raw("GET", where, accept="*/*"))
        return answer if isinstance(answer, str) else json.dumps(answer)

    def version(self) -> str:
        """Return the API server's version."""
        return str(self._ask(self._cluster.version))
