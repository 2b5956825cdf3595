"""A view of the cluster that asks each thing once: explanations look at the same lists again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi


class CachedReader:
    """Look through another view and remember what it said, errors not included.

    Args:
        view: the cluster.
    """

    def __init__(self, view: ReadApi) -> None:
        self._view = view
        self._known: dict[Any, Any] = {}

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, from a list where one was read."""
        for where in (namespace, None):
            listed = self._known.get(("list", kind, where, ""))
            if listed is not None:
                found = [obj for obj in listed if _is(obj, name, namespace)]
                first: Object | None = found[0] if found else None
                return first
        single: Object | None = self._once(
            ("get", kind, name, namespace), lambda: self._view.get(kind, name, namespace)
        )
        return single

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        fields: str | None = None,
    ) -> Sequence[Object]:
        """Return the objects of a kind."""
        asked = str(sorted(labels.items()) if isinstance(labels, Mapping) else labels or "") + (fields or "")
        found: Sequence[Object] = self._once(
            ("list", kind, namespace, asked), lambda: self._view.list(kind, namespace, labels, fields)
        )
        return found

    def events(self, kind: str, name: str, namespace: str | None) -> Sequence[Object]:
        """Return the events about one object."""
        found: Sequence[Object] = self._once(
            ("events", kind, name, namespace), lambda: self._view.events(kind, name, namespace)
        )
        return found

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        """Return the end of a container's log."""
        return self._view.logs(pod, namespace, container, previous=previous, tail=tail)

    def _once(self, key: Any, read: Any) -> Any:
        if key not in self._known:
            self._known[key] = read()
        return self._known[key]


def _is(obj: Object, name: str, namespace: str | None) -> bool:
    meta = obj.get("metadata") or {}
    return bool(meta.get("name") == name and (meta.get("namespace") or None) == (namespace or None))
