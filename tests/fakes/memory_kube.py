"""A cluster in memory for the tests of the foundations: it keeps objects, merges what is applied, and tells events and logs."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from typing import Any, cast

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import Invalid, NotFound
from platform_e2e.kube.expect import Polled

Objects = list[Object]


class MemoryKube:
    """What the foundations ask of a client, without a server."""

    def __init__(self, *objects: Object) -> None:
        self.objects: dict[tuple[str, str | None, str], Object] = {}
        self.applied: list[Object] = []
        self.managers: set[str] = set()
        self.told: list[Object] = []
        self.written: dict[tuple[str, str], str] = {}
        self.listable: set[str] = set()
        for item in objects:
            self.put(item)

    @property
    def kube(self) -> Kube:
        return cast("Kube", self)

    def put(self, item: Object) -> None:
        self.objects[self._key(item)] = copy.deepcopy(item)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        return self.objects.get((kind, namespace, name)) or self.objects.get((kind, None, name))

    def list(self, kind: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> Objects:
        return [
            item
            for (of, where, _), item in sorted(self.objects.items(), key=lambda pair: str(pair[0]))
            if of == kind
            and namespace in {None, where}
            and (labels or {}).items() <= (item["metadata"].get("labels") or {}).items()
        ]

    def many(self, kind: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> Polled[Objects]:
        return Polled(lambda: self.list(kind, namespace, labels), kind)

    def apply(self, obj: Object, *, manager: str = "", force: bool = True, dry_run: bool = False) -> Object:
        self.managers.add(manager)
        merged: Object = _merge(self.objects.get(self._key(obj), {}), obj)
        if not dry_run:
            self.applied.append(obj)
            self.objects[self._key(obj)] = merged
        return merged

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        return self.objects.pop((kind, namespace, name), None) is not None

    def events(self, kind: str, name: str, namespace: str | None) -> Objects:
        return [event for event in self.told if str(event["involvedObject"]["name"]).startswith(name)]

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        key = (pod, "previous" if previous else str(container))
        if key not in self.written:
            raise Invalid("GET log", 400, "BadRequest", "container is waiting to start")
        return self.written[key]

    def raw(self, method: str, path: str, body: Any = None, params: Any = None) -> Any:
        if path not in self.listable:
            raise NotFound(f"{method} {path}", 404, "NotFound", "the server could not find the requested resource")
        return {}

    def version(self) -> str:
        return "v1.34.4"

    @staticmethod
    def _key(item: Object) -> tuple[str, str | None, str]:
        metadata = item["metadata"]
        return f"{item['apiVersion']}/{item['kind']}", metadata.get("namespace"), metadata["name"]


def release_secret(
    name: str, namespace: str, manifest: str, *, revision: int = 1, status: str = "deployed", **labels: str
) -> Object:
    """Return the Secret in which Helm keeps a revision."""
    packed = base64.b64encode(gzip.compress(json.dumps({"name": name, "manifest": manifest}).encode()))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": namespace,
            "labels": {"owner": "helm", "name": name, "status": status, "version": str(revision), **labels},
        },
        "data": {"release": base64.b64encode(packed).decode()},
    }


def _merge(before: Any, after: Any) -> Any:
    """Merge as a server-side apply does, as far as maps go."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {key: _merge(before.get(key), after.get(key, before.get(key))) for key in before | after}
    return copy.deepcopy(after)
