"""A small API server for tests: it stores objects, lists and watches them over real HTTP, and misbehaves on demand."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from platform_e2e.kube.client import Kube
from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.labels import LabelSelector
from platform_e2e.kube.objects import Object

VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
SERVED: dict[str, list[tuple[str, str, bool]]] = {
    "v1": [
        ("configmaps", "ConfigMap", True),
        ("secrets", "Secret", True),
        ("pods", "Pod", True),
        ("events", "Event", True),
        ("namespaces", "Namespace", False),
    ],
    "apps/v1": [("deployments", "Deployment", True)],
}
SHORT: dict[str, tuple[str, ...]] = {
    "configmaps": ("cm",),
    "pods": ("po",),
    "events": ("ev",),
    "namespaces": ("ns",),
    "deployments": ("deploy",),
}
STATUS = {"pods", "namespaces", "deployments"}
"""Which of them have short names and a status."""


@dataclass
class Fault:
    """An answer that is given in place of the real one, as often as told."""

    method: str
    part: str
    status: int
    times: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Object | None = None
    but: tuple[str, ...] = ()  # namespaces that it is not about
    raw: Callable[[Callable[[bytes], object]], object] | None = None  # writes the whole answer by itself


class ScriptedApi:
    """The store, the server, and the ways to misbehave. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.served = copy.deepcopy(SERVED)
        self.short = dict(SHORT)
        self.with_status = set(STATUS)
        self.aggregated = True  # whether one request tells all kinds
        self.revision = 100
        self.compacted = 0
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.log: list[tuple[int, str, str, Object]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.headers: list[list[tuple[str, str]]] = []
        self.faults: list[Fault] = []
        self.held = False
        self.generation = 0  # streams of an older one are closed
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    # The store

    def put(self, plural: str, namespace: str, name: str, **fields: Any) -> Object:
        """Create or replace an object, and return it."""
        with self.changed:
            where = (plural, namespace, name)
            old = self.objects.get(where)
            self.revision += 1
            meta = {"name": name, "resourceVersion": str(self.revision), **fields.pop("metadata", {})}
            if namespace:
                meta["namespace"] = namespace
            meta["uid"] = old["metadata"]["uid"] if old else f"uid-{self.revision}"
            obj = {"apiVersion": self._version(plural), "kind": self._kind(plural), "metadata": meta, **fields}
            self.objects[where] = obj
            self.log.append((self.revision, "MODIFIED" if old else "ADDED", plural, obj))
            self.changed.notify_all()
            return copy.deepcopy(obj)

    def remove(self, plural: str, namespace: str, name: str) -> Object | None:
        """Delete an object."""
        with self.changed:
            old = self.objects.pop((plural, namespace, name), None)
            if old is None:
                return None
            self.revision += 1
            gone = copy.deepcopy(old)
            gone["metadata"]["resourceVersion"] = str(self.revision)
            self.log.append((self.revision, "DELETED", plural, gone))
            self.changed.notify_all()
            return gone

    def serve(
        self, api_version: str, plural: str, kind: str, *short: str, namespaced: bool = True, status: bool = True
    ) -> None:
        """Begin to serve a kind, as after a CRD was created."""
        with self.changed:
            self.served.setdefault(api_version, []).append((plural, kind, namespaced))
            self.short[plural] = short
            if status:
                self.with_status.add(plural)

    def _version(self, plural: str) -> str:
        return next(version for version, kinds in self.served.items() if any(k[0] == plural for k in kinds))

    def _kind(self, plural: str) -> str:
        return next(k[1] for kinds in self.served.values() for k in kinds if k[0] == plural)

    # Misbehaviour

    def fail(
        self, method: str, part: str, status: int, times: int = 1, body: Object | None = None, **headers: str
    ) -> None:
        """Answer the next requests whose path and query contain the part with a status."""
        with self.changed:
            self.faults.append(Fault(method, part, status, times, headers, body))

    def forbid(self, *plurals: str, only_in: tuple[str, ...] = ()) -> None:
        """Refuse to list or get kinds as RBAC does, everywhere or but in some namespaces."""
        for plural in plurals:
            message = f'{plural} is forbidden: User "jane" cannot list resource "{plural}" in API group "" at the cluster scope'
            body = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
            with self.changed:
                self.faults.append(Fault("GET", f"/{plural}", 403, 1000, body=body, but=only_in))

    def hack(self, part: str, raw: Callable[[Callable[[bytes], object]], object], times: int = 1000) -> None:
        """Let a function write the whole answer to the next GETs of a path and query with the part."""
        with self.changed:
            self.faults.append(Fault("GET", part, 0, times, raw=raw))

    def forget(self) -> None:
        """Compact: a watch from an older version than the present is answered by 410."""
        with self.changed:
            self.compacted = self.revision
            self.log.clear()

    def close_streams(self) -> None:
        """End all watches, as a server does whose time for them is over."""
        with self.changed:
            self.generation += 1
            self.changed.notify_all()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Tell watches nothing for a while, as a slow network does; lists are answered."""
        self.held = True
        try:
            yield
        finally:
            with self.changed:
                self.held = False
                self.changed.notify_all()

    def stop(self) -> None:
        """Stop answering and close all connections."""
        server, self._server = self._server, None
        self.close_streams()
        if server is not None:
            server.shutdown()
            server.server_close()

    def start(self) -> None:
        """Answer (again), on the same port."""
        api = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 200

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: clients that hang up are part of the tests."""

        class Handler(_Handler):
            owner = api

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    # For tests

    def client(self, patience: float = 5.0) -> Kube:
        """Return a client of it."""
        return Kube(Endpoint(f"http://127.0.0.1:{self.port}", None, None, {}), patience=patience)

    def asked(self, method: str = "", part: str = "", **query: str) -> int:
        """Return how many requests there were."""
        with self.changed:
            return sum(
                m.startswith(method) and part in p and all(q.get(k) == v for k, v in query.items())
                for m, p, q in self.requests
            )

    def until_watched(self, times: int = 1) -> None:
        """Return when so many watches were asked for."""
        end = time.monotonic() + 5
        while self.asked("GET", watch="true") < times:
            assert time.monotonic() < end, "no watch was opened"
            time.sleep(0.002)


def _selected(obj: Object, name: str, query: dict[str, str]) -> bool:
    """Tell whether a list is to have an object."""
    fields = query.get("fieldSelector")
    labels = LabelSelector.parse(query.get("labelSelector"))
    return fields in {None, f"metadata.name={name}"} and labels.matches(obj["metadata"].get("labels"))


class _Handler(BaseHTTPRequestHandler):
    owner: ScriptedApi
    generation: int
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Print nothing."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        with self.owner.changed:
            self.generation = self.owner.generation  # what closes streams from now on closes this one
            self.owner.requests.append((self.command, unquote(url.path), query))
            self.owner.headers.append(list(self.headers.items()))
            fault = next(
                (f for f in self.owner.faults if f.times and f.method == self.command and self._meant(f)), None
            )
            if fault:
                fault.times -= 1
        if self.owner._server is None:
            self.close_connection = True
            return
        if fault and fault.raw:
            with suppress(OSError):
                fault.raw(self.wfile.write)
            self.close_connection = True
            return
        if fault:
            self._status(fault.status, "Scripted", "as the test asked", fault.headers, fault.body)
            return
        self._route(url.path, query, json.loads(raw) if raw else None)

    def _meant(self, fault: Fault) -> bool:
        """Tell whether a fault is for this request."""
        return fault.part in self.path and not any(f"/namespaces/{one}/" in self.path for one in fault.but)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815  the base class's names

    def _route(self, path: str, query: dict[str, str], body: Any) -> None:
        if path == "/version":
            self._json(200, {"gitVersion": "v1.99.0"})
            return
        if path in {"/api", "/apis"}:
            self._discover(path)
            return
        parts = [unquote(part) for part in path.strip("/").split("/")]
        version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
        with self.owner.changed:
            kinds = self.owner.served.get(version)
        if kinds is None:
            self._status(404, "NotFound", "the server could not find the requested resource")
            return
        if not rest:
            resources = [
                {"name": n, "kind": k, "singularName": k.lower(), "namespaced": ns, "verbs": VERBS}
                | {"shortNames": list(self.owner.short.get(n, ()))}
                for n, k, ns in kinds
            ]
            resources += [{"name": f"{n}/status", "kind": k, "namespaced": ns, "verbs": ["get"]}
                          for n, k, ns in kinds if n in self.owner.with_status]  # fmt: skip
            self._json(200, {"kind": "APIResourceList", "groupVersion": version, "resources": resources})
            return
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        if not any(k[0] == rest[0] for k in kinds):
            self._status(404, "NotFound", "the server could not find the requested resource")
        elif len(rest) > 1:
            self._object(rest[0], namespace, rest[1], body)
        elif self.command == "POST":
            self._create(rest[0], namespace, body)
        elif query.get("watch") == "true":
            self._watch(rest[0], namespace, int(query["resourceVersion"]))
        else:
            self._list(rest[0], namespace, query)

    def _discover(self, path: str) -> None:
        """Answer which groups there are, or with the kinds of all where it is asked for and known."""
        with self.owner.changed:
            versions = [v for v in self.owner.served if ("/" in v) == (path == "/apis")]
            kinds = {v: list(self.owner.served[v]) for v in versions}
        if not self.owner.aggregated or "as=APIGroupDiscoveryList" not in self.headers.get("Accept", ""):
            groups = [{"name": v.split("/")[0], "preferredVersion": {"groupVersion": v}} for v in versions]
            self._json(200, {"kind": "APIGroupList", "groups": groups} if path == "/apis" else {"kind": "APIVersions"})
            return
        items = []
        for api_version, several in kinds.items():
            group, _, version = api_version.rpartition("/")
            resources = [
                {
                    "resource": plural,
                    "responseKind": {"group": group, "version": version, "kind": kind},
                    "scope": "Namespaced" if namespaced else "Cluster",
                    "singularResource": kind.lower(),
                    "shortNames": list(self.owner.short.get(plural, ())),
                    "verbs": VERBS,
                    "subresources": [{"subresource": "status"}] if plural in self.owner.with_status else [],
                }
                for plural, kind, namespaced in several
            ]
            items.append({"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]})
        self._json(200, {"kind": "APIGroupDiscoveryList", "items": items})

    def _object(self, plural: str, namespace: str, name: str, body: Any) -> None:
        found = self.owner.objects.get((plural, namespace, name))
        if self.command == "PATCH":
            merged = {k: v for k, v in (found or {}).items() if k not in {"metadata", "apiVersion", "kind"}}
            merged |= {k: v for k, v in body.items() if k not in {"metadata", "apiVersion", "kind"}}
            self._json(200, self.owner.put(plural, namespace, name, **merged))
        elif found is None:
            self._status(404, "NotFound", f'{plural} "{name}" not found')
        elif self.command == "DELETE":
            self.owner.remove(plural, namespace, name)
            self._json(200, {"kind": "Status", "status": "Success", "details": {"uid": found["metadata"]["uid"]}})
        else:
            self._json(200, found)

    def _create(self, plural: str, namespace: str, body: Object) -> None:
        name = body["metadata"]["name"]
        if (plural, namespace, name) in self.owner.objects:
            self._status(409, "AlreadyExists", f'{plural} "{name}" already exists')
            return
        fields = {k: v for k, v in body.items() if k not in {"metadata", "apiVersion", "kind"}}
        self._json(201, self.owner.put(plural, namespace, name, **fields))

    def _list(self, plural: str, namespace: str, query: dict[str, str]) -> None:
        with self.owner.changed:
            items = [
                {k: v for k, v in obj.items() if k not in {"apiVersion", "kind"}}
                for (p, ns, name), obj in sorted(self.owner.objects.items())
                if p == plural and namespace in {"", ns} and _selected(obj, name, query)
            ]
            revision = self.owner.revision
        start, limit = int(query.get("continue") or 0), int(query.get("limit") or len(items) or 1)
        meta = {"resourceVersion": str(revision)}
        if start + limit < len(items):
            meta["continue"] = str(start + limit)
        self._json(200, {"kind": "List", "metadata": meta, "items": items[start : start + limit]})

    def _watch(self, plural: str, namespace: str, position: int) -> None:
        owner = self.owner
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with owner.changed:
            if position < owner.compacted:
                gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                self._chunk({"type": "ERROR", "object": gone})
                self._end()
                return
        while True:
            with owner.changed:
                while owner.generation == self.generation and (owner.held or owner.revision <= position):
                    owner.changed.wait(10)
                if owner.generation != self.generation:
                    break
                events = [entry for entry in owner.log if entry[0] > position]
                position = owner.revision
            for _, kind, of, obj in events:
                if of == plural and namespace in {"", obj["metadata"].get("namespace", "")}:
                    self._chunk({"type": kind, "object": obj})
        self._end()

    def _chunk(self, event: Any) -> None:
        data = json.dumps(event).encode() + b"\n"
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _end(self) -> None:
        if self.owner._server is None:
            self.connection.close()
        else:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _status(
        self, code: int, reason: str, message: str, headers: dict[str, str] | None = None, body: Object | None = None
    ) -> None:
        status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
        self._json(code, body or status, headers)

    def _json(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        for name, text in (headers or {}).items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
