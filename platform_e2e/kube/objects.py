"""An object of the API as plain data, and how it is named in a sentence."""

from __future__ import annotations

from typing import Any

from platform_e2e.errors import BrokenHarness

Object = dict[str, Any]
"""One object as the API server's JSON has it."""

Objects = list[Object]
"""Several objects; the client's own method is called `list`, which hides the type there."""

Key = tuple[str, str]
"""Namespace (empty for a cluster-scoped object) and name: what is unique within a kind."""


LONGEST = 20
"""Digits of a resource version: etcd counts in 64 bits."""


def key(obj: Object) -> Key:
    """Return the namespace and the name of an object."""
    meta = obj.get("metadata") or {}
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def kind_of(obj: Object) -> str:
    """Return an object's kind in this package's notation, `apps/v1/Deployment` or `v1/Service`."""
    return f"{obj.get('apiVersion', '')}/{obj.get('kind', '')}"


def describe(kind: str, name: str, namespace: str | None) -> str:
    """Return how a person names an object: `Deployment chat -n chat-dev`."""
    short = kind.rsplit("/", 1)[-1]
    return f"{short} {name} -n {namespace}" if namespace else f"{short} {name}"


def described(obj: Object) -> str:
    """Return how a person names this object."""
    namespace, name = key(obj)
    return describe(kind_of(obj), name, namespace)


def revision(obj: Object) -> int:
    """Return the resource version as a number.

    Versions of objects of one kind may be compared as numbers: Kubernetes promises it since 1.35 (KEP-5504), and etcd's
    revisions were such numbers before.

    Raises:
        BrokenHarness: it is not a number.
    """
    text = str((obj.get("metadata") or {}).get("resourceVersion") or "0")
    if not text.isdecimal() or len(text) > LONGEST:
        raise BrokenHarness(
            f"{described(obj)} has the resource version {text!r:.80}, which is no number",
            "use an API server whose versions can be compared, as Kubernetes promises since 1.35",
        )
    return int(text)


def generation(obj: Object) -> int:
    """Return which version of its spec an object has; 0 where its kind counts none."""
    return int((obj.get("metadata") or {}).get("generation") or 0)


def uid(obj: Object) -> str:
    """Return what tells an object from a later one of the same name."""
    return str((obj.get("metadata") or {}).get("uid") or "")
