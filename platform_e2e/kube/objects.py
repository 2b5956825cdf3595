"""Objects of the API as plain data: their key, kind, name for a person, resource version and generation."""

from __future__ import annotations

from typing import Any

from platform_e2e.errors import BrokenHarness

Object = dict[str, Any]
"""An object as in the API server's JSON."""

Objects = list[Object]
"""A list of objects; inside the client, its method `list` hides the type."""

Key = tuple[str, str]
"""Namespace (empty for a cluster-scoped object) and name: unique within a kind."""


LONGEST = 20
"""Most digits of a resource version: etcd counts in 64 bits."""


def key(obj: Object) -> Key:
    """Return the namespace and the name of an object."""
    meta = obj.get("metadata") or {}
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")


def kind_of(obj: Object) -> str:
    """Return an object's kind in this package's notation, `apps/v1/Deployment` or `v1/Service`."""
    return f"{obj.get('apiVersion', '')}/{obj.get('kind', '')}"


def describe(kind: str, name: str, namespace: str | None) -> str:
    """Return an object's name for a person: `Deployment chat -n chat-dev`."""
    short = kind.rsplit("/", 1)[-1]
    return f"{short} {name} -n {namespace}" if namespace else f"{short} {name}"


def described(obj: Object) -> str:
    """Return this object's name for a person."""
    namespace, name = key(obj)
    return describe(kind_of(obj), name, namespace)


def revision(obj: Object) -> int:
    """Return the resource version as a number.

    Versions of objects of one kind can be compared as numbers: Kubernetes guarantees it since 1.35 (KEP-5504), and before that
    they were etcd's revisions.

    Raises:
        BrokenHarness: it is not a number.
    """
    text = str((obj.get("metadata") or {}).get("resourceVersion") or "0")
    if not text.isdecimal() or len(text) > LONGEST:
        raise BrokenHarness(
            f"the resource version of {described(obj)} must be a number, got {text!r:.80}",
            "use an API server with comparable resource versions, as Kubernetes guarantees since 1.35",
        )
    return int(text)


def generation(obj: Object) -> int:
    """Return the generation of an object's spec; 0 if its kind has none."""
    return int((obj.get("metadata") or {}).get("generation") or 0)


def uid(obj: Object) -> str:
    """Return an object's uid, which a later object of the same name does not share."""
    return str((obj.get("metadata") or {}).get("uid") or "")
