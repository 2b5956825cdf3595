"""A cluster made of plain objects, for explanations and checks that only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.kube.labels import LabelSelector
from platform_e2e.kube.objects import Object, key, kind_of


class RecordedView:
    """Answer from a list of objects, as the API server would.

    Args:
        objects: everything that exists.
        events: for `namespace/name` the events about it.
        logs: for `pod/container` the end of its log.
    """

    def __init__(
        self,
        *objects: Object,
        events: Mapping[str, Sequence[Object]] | None = None,
        logs: Mapping[str, str] | None = None,
    ) -> None:
        self.objects = list(objects)
        self._events = events or {}
        self._logs = logs or {}

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        found = (o for o in self.objects if kind_of(o) == kind and key(o) == (namespace or "", name))
        return next(found, None)

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        fields: str | None = None,
    ) -> Sequence[Object]:
        assert fields is None
        selector = LabelSelector.parse(labels)
        return [
            o
            for o in self.objects
            if kind_of(o) == kind and namespace in {None, key(o)[0]} and selector.matches(o["metadata"].get("labels"))
        ]

    def events(self, kind: str, name: str, namespace: str | None) -> Sequence[Object]:
        assert "/" in kind
        return self._events.get(f"{namespace}/{name}", [])

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        assert namespace
        log = self._logs.get(f"{pod}/{container}{'/previous' if previous else ''}", "")
        return "".join(log.splitlines(keepends=True)[-tail:])


def made(kind: str, name: str, namespace: str = "", labels: Mapping[str, str] | None = None, **fields: Any) -> Object:
    """Return an object; `kind` as the client takes it, `apps/v1/Deployment`."""
    version, _, short = kind.rpartition("/")
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    metadata.update(fields.pop("metadata", {}))
    return {"apiVersion": version, "kind": short, "metadata": metadata, **fields}
