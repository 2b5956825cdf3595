"""The read-only client: objects, lists, watched sources, logs, events, and Services by proxy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import quote

from platform_e2e.kube.answers import OURS, Limits, checked, mapping
from platform_e2e.kube.discovery import Discovery
from platform_e2e.kube.errors import STRANGE, Forbidden, NotFound, Unavailable
from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.labels import LabelSelector
from platform_e2e.kube.list_watch import ListWatch
from platform_e2e.kube.objects import Object, Objects, describe, revision
from platform_e2e.kube.sources import StateSource
from platform_e2e.kube.transport import Request, Transport
from platform_e2e.kube.watch import Watches
from platform_e2e.kube.watched import Many, One

PATIENCE = 30.0
"""Seconds that a request is retried for: an API server needs about 20 s to restart."""


class Reader:
    """Read from one API server, from any thread.

    Args:
        endpoint: the API server, with the user's credentials.
        patience: seconds that a request is retried for while there is no answer or a 429 or 5xx.
        limits: of its answers.
        ends: monotonic time after which no request is sent.

    Attributes:
        instead: namespaces to list when this user may not list all of them.
        narrowed: kinds that were listed in these namespaces only.
    """

    WRITES: ClassVar[bool] = False
    """Whether it may send anything but GET: a platform that is captured must not change."""

    def __init__(
        self, endpoint: Endpoint, *, patience: float = PATIENCE, limits: Limits = OURS, ends: float = math.inf
    ) -> None:
        self.server = endpoint.server
        self.instead: tuple[str, ...] = ()
        self.narrowed: set[str] = set()
        self._http = Transport(endpoint, patience, writes=self.WRITES, limits=limits, ends=ends)
        self._discovery = Discovery(self._mapping)
        self._lists = ListWatch(self._http, self._discovery)
        self.watches = Watches(self._lists)

    def __enter__(self) -> Self:
        """Return the client; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the watches and the connections."""
        self.watches.close()
        self._http.close()

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object, or None when it, its namespace or its kind does not exist.

        Raises:
            WrongUsage: the kind cannot be read, or is namespaced and no namespace is given.
            ApiError: the API server refused.
        """
        resource = self._discovery.find(kind)
        if resource is None:
            return None
        try:
            request = Request("GET", resource.path(namespace, name), what=describe(kind, name, namespace))
            return checked(self._json(request), str(request))
        except NotFound:
            return None

    def whole(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object with the fields that each manager owns, which no list has.

        Raises:
            ApiError: the API server refused.
        """
        return self.get(kind, name, namespace)

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        fields: str | Mapping[str, str] | None = None,
        *,
        patience: float | None = None,
    ) -> Objects:
        """Return the objects of a kind, sorted by namespace and name; an empty list when the kind does not exist.

        Args:
            kind: as in a manifest.
            namespace: None for all.
            labels: a mapping, or a selector as for `kubectl get -l`.
            fields: a mapping of field paths to values, or a selector as for `--field-selector`.
            patience: seconds to retry for, the client's by default.

        Raises:
            ApiError: the API server refused.
        """
        selector = LabelSelector.parse(labels).query() or None
        if fields is not None and not isinstance(fields, str):
            fields = ",".join(f"{path}={value}" for path, value in fields.items())
        resource = self._discovery.find(kind, patience=patience)
        if resource is None:
            return []
        query = {"labelSelector": selector, "fieldSelector": fields}
        try:
            try:
                found = self._lists.pages(resource, namespace, query, patience=patience).objects
            except Forbidden:
                if namespace or not resource.namespaced or not self.instead:
                    raise
                found = {}
                for allowed in self.instead:
                    found |= self._lists.pages(resource, allowed, query, patience=patience).objects
                self.narrowed.add(resource.plural)
        except NotFound:
            self._discovery.forget(kind)
            return []
        return [found[k] for k in sorted(found)]

    def one(self, kind: str, name: str, namespace: str | None = None) -> StateSource[Object | None]:
        """Return the source of one object for `eventually` and the other waits; its state is None while it does not exist."""
        return One(self, kind, name, namespace)

    def many(
        self, kind: str, namespace: str | None = None, labels: str | Mapping[str, str] | None = None
    ) -> StateSource[Objects]:
        """Return the source of a kind's objects; its state is a list sorted by namespace and name, which may be empty.

        Args:
            kind: as in a manifest.
            namespace: None for all.
            labels: that the objects must have: a mapping, or a selector as for `kubectl get -l`.
        """
        return Many(self, kind, namespace, labels)

    def served(self, kind: str) -> bool:
        """Tell whether the API server serves a kind."""
        return self._discovery.find(kind) is not None

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        """Return the end of a container's log.

        Args:
            pod: its name.
            namespace: its namespace.
            container: its name; may be left out where the pod has only one.
            previous: return the log from before the last restart.
            tail: number of lines.

        Raises:
            NotFound: the pod does not exist.
            Invalid: the container has not started, or has never restarted.
        """
        request = Request(
            "GET",
            f"/api/v1/namespaces/{namespace}/pods/{quote(pod)}/log",
            params={"container": container, "previous": previous or None, "tailLines": tail},
            what=f"log of {describe('v1/Pod', pod, namespace)}",
            accept="*/*",
        )
        return self._http.request(request).decode(errors="replace")

    def events(self, kind: str, name: str, namespace: str | None, *, patience: float | None = None) -> Objects:
        """Return the events about an object and about the objects that it owns by name, the oldest first.

        Names of ReplicaSets, Pods and Jobs start with their owner's name and a hyphen, and the events that explain why a
        Deployment does not come up are theirs.

        Args:
            kind: as in a manifest.
            name: of the object.
            namespace: of the object; events of cluster-scoped objects are in `default`.
            patience: seconds to retry for, the client's by default.
        """
        short = kind.rsplit("/", 1)[-1]
        found = []
        for event in self.list("v1/Event", namespace or "default", patience=patience):
            about = mapping(event.get("involvedObject") or {}, f"events -n {namespace}, an event's involvedObject")
            itself = about.get("name") == name and about.get("kind") == short
            owned = namespace and str(about.get("name")).startswith(f"{name}-")
            if itself or owned:
                found.append(event)
        return sorted(found, key=revision)

    def proxy(  # noqa: PLR0917  in the order of an address
        self,
        namespace: str,
        service: str,
        port: str | int,
        path: str,
        params: Mapping[str, Any] | None = None,
        scheme: str = "http",
        *,
        of: str = "services",
    ) -> bytes:
        """Send a GET to a Service or a pod through the API server and return the body; works from outside the cluster.

        Args:
            namespace: of the Service.
            service: its name.
            port: its number or name.
            path: of the request, with its slash at the start.
            params: of the query.
            scheme: `http` or `https`.
            of: `services` or `pods`.

        Raises:
            Unavailable: no endpoint answers (503), or the Service itself answered with 5xx; the request is not retried.
            ApiError: the answer is another error.
        """
        prefix = "https:" if scheme == "https" else ""
        target = f"{prefix}{service}:{port}"
        request = Request(
            "GET",
            f"/api/v1/namespaces/{namespace}/{of}/{target}/proxy/{path.lstrip('/')}",
            params=params,
            what=f"{path} of {describe('v1/Pod' if of == 'pods' else 'v1/Service', service, namespace)} by proxy",
            accept="*/*",
        )
        return bytes(self._http.request(request, patience=0))

    def version(self) -> str:
        """Return the API server's version, `v1.35.1`."""
        answer = self.raw("GET", "/version")
        if not isinstance(answer, dict) or "gitVersion" not in answer:
            # Such as a proxy's page.
            problem = f"{self.server} must be a Kubernetes API server, got an answer without its version"
            raise Unavailable("get /version", 0, "NoApiServer", problem, remedy=STRANGE)
        return str(answer["gitVersion"])

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        *,
        accept: str = "application/json, */*",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request to any path and return the answer: parsed if it is JSON, else its text.

        Args:
            method: of HTTP.
            path: from the root.
            body: JSON value to send, or None.
            params: of the query.
            accept: media types of the answer.
            headers: more of them, for what stands behind the API server's proxy, such as a cookie.

        Raises:
            ApiError: the API server refused.
        """
        request = Request(method, path, params=params, body=body, accept=accept, headers=headers or {})
        return self._http.json(request, or_text=True)

    def _json(self, request: Request, *, patience: float | None = None) -> Any:
        """Send a request and parse the answer."""
        return self._http.json(request, patience=patience)

    def _mapping(self, path: str, patience: float | None) -> dict[str, Any]:
        """Return the mapping at a path."""
        request = Request("GET", path)
        return mapping(self._json(request, patience=patience), str(request))
