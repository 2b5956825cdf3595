"""Compare an object of the cluster with what Git says, or with what it was: every field that differs, and nothing else.

What Git does not mention is not a difference: the API server, controllers and other managers complete an object. Two ways to
write one value are not a difference either: `0.5` and `500m`, `80` and `"80"` in a map of strings.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, kind_of, uid
from platform_e2e.regex import compiled

HIDDEN = "[redacted]"
"""What stands in place of a Secret's values."""

SERVER_SET = (
    ("status",),
    ("metadata", "uid"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
    ("metadata", "creationTimestamp"),
    ("metadata", "deletionTimestamp"),
    ("metadata", "deletionGracePeriodSeconds"),
    ("metadata", "managedFields"),
    ("metadata", "selfLink"),
    ("metadata", "ownerReferences"),
)
"""What the API server and controllers fill in, and that differs in an object that was deleted and recreated (meta/v1, ObjectMeta)."""

SERVER_SET_ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    argocd.REFRESH,
    argocd.APPLICATIONSET_REFRESH,
)
"""Annotations that controllers and clients write about their own work, or with which they are asked for some."""

ASSIGNED = {
    "v1/Service": compiled(r"/spec/clusterIPs?(?:/\d+)?|/spec/ports/\d+/nodePort|/spec/healthCheckNodePort"),
    "v1/PersistentVolumeClaim": compiled(r"/spec/volumeName|/metadata/annotations/(?:pv|volume)\..*"),
    "batch/v1/Job": compiled(r"/(?:spec/selector/matchLabels|(?:spec/template/)?metadata/labels)/.*controller-uid"),
}
"""Fields by kind that the API server and controllers assign when an object is made, as paths (kubernetes 1.34, pkg/registry:
core/service, batch/job; the volume of a claim by the volume controller)."""

QUANTITY = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)(?P<suffix>[numkMGTPE]|[KMGTPE]i)?")
"""A resource quantity, its exponent form left out (apimachinery, api/resource/quantity.go)."""

SCALES = {
    "": Decimal(1),
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("num", start=-3)},
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}

QUANTITY_PLACES = re.compile(r"/(?:requests|limits|capacity|hard|overhead)/[^/]+$|/sizeLimit$|/divisor$")
"""Where quantities stand; anywhere else 1 and 1000m are two texts."""


@dataclass(frozen=True)
class Difference:
    """One field that is not as expected.

    Attributes:
        path: of the field, as a JSON pointer.
        expected: its value in what is compared with; None where it must be absent.
        observed: its value; None where it is absent.
    """

    path: str
    expected: Any
    observed: Any

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.path}: expected {self.expected!r}, is {self.observed!r}"


def missing_from(git: Object, live: Object) -> list[Difference]:
    """Return where a live object is not what Git says; fields that Git does not mention are left alone.

    Args:
        git: the rendered manifest.
        live: the object of the cluster.
    """
    return _redacted(git, list(_subset("", _stated(_normal(git)), _normal(live))))


def _stated(git: Object) -> Object:
    """Return a manifest without what its generator left in it and nothing applies: a status, and a time of creation that is null.

    Argo CD compares no status either (3.0, resource.compareoptions, ignoreResourceStatusField: all).
    """
    found = {name: value for name, value in git.items() if name != "status"}
    metadata = found.get("metadata")
    if isinstance(metadata, dict) and metadata.get("creationTimestamp", "") is None:
        found["metadata"] = {name: value for name, value in metadata.items() if name != "creationTimestamp"}
    return found


def changed(before: Object, after: Object) -> list[Difference]:
    """Return where an object is not what it was before, server-set fields aside.

    Args:
        before: the object at one time.
        after: the object at a later time, or another object made under its name.
    """
    return _redacted(before, list(_equal("", bare(before), bare(after))))


def is_assigned(obj: Object, path: str) -> bool:
    """Tell whether an object got a field when it was made, so that another one under its name has another value.

    Args:
        obj: of the cluster.
        path: of the field, as a JSON pointer.
    """
    fields = ASSIGNED.get(kind_of(obj))
    return fields is not None and fields.fullmatch(path) is not None


def changed_since(before: Object, after: Object) -> list[Difference]:
    """Return where an object is not what it was before; one that was made again may have what is assigned when it is made.

    Args:
        before: the object at one time.
        after: the object at a later time, or another object made under its name.
    """
    found = changed(before, after)
    return found if uid(before) == uid(after) else [each for each in found if not is_assigned(after, each.path)]


def bare(obj: Object) -> Object:
    """Return an object without what the API server and controllers fill in."""
    result = copy.deepcopy(obj)
    for path in SERVER_SET:
        holder: Any = result
        for name in path[:-1]:
            holder = holder.get(name) or {}
        holder.pop(path[-1], None)
    if kind_of(obj) == argocd.APPLICATION:
        # A sync that is asked for, by Argo CD itself too; it is gone when the sync begins.
        result.pop("operation", None)
    annotations = result.get("metadata", {}).get("annotations") or {}
    for name in SERVER_SET_ANNOTATIONS:
        annotations.pop(name, None)
    if not annotations:
        result.get("metadata", {}).pop("annotations", None)
    return result


_TYPES = frozenset({"directory", "helm", "kustomize", "plugin"})
"""Fields of a source that say how it is rendered."""


def _of_source(source: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in source.items() if name not in _TYPES or filled(value)}


def filled(value: Any) -> Any:
    """Return a value without what is empty in it: Argo CD writes out some of that, and removes other."""
    if isinstance(value, dict):
        pairs = ((key, filled(each)) for key, each in value.items())
        return {key: each for key, each in pairs if each or (each == 0 and each is not False)} or None
    return [filled(each) for each in value] or None if isinstance(value, list) else value


def _normal(obj: Object) -> Object:
    """Return an object with a Secret's stringData where the API server puts it: encoded, in data; an Application without what is empty.

    Argo CD removes the latter itself (util/argo, NormalizeApplicationSpec).
    """
    if kind_of(obj) == argocd.APPLICATION and isinstance(obj.get("spec"), dict):
        spec = dict(obj["spec"])
        if isinstance(spec.get("source"), dict):
            spec["source"] = _of_source(spec["source"])
        if isinstance(spec.get("sources"), list):
            spec["sources"] = [_of_source(each) if isinstance(each, dict) else each for each in spec["sources"]]
        return {**obj, "spec": spec}
    if kind_of(obj) != "v1/Secret" or "stringData" not in obj:
        return obj
    texts = obj["stringData"] or {}
    encoded = {
        key: base64.b64encode(str("" if text is None else text).encode()).decode() for key, text in texts.items()
    }
    return {key: value for key, value in obj.items() if key != "stringData"} | {
        "data": {**(obj.get("data") or {}), **encoded}
    }


def _subset(path: str, wanted: Any, found: Any) -> Iterator[Difference]:
    """Yield where `found` lacks something of `wanted`."""
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            if wanted or found is not None:
                yield Difference(path, wanted, found)
            return
        for key, value in wanted.items():
            # An explicit null asks for the field's absence.
            if value is not None or key in found:
                yield from _subset(f"{path}/{escaped(key)}", value, found.get(key))
    elif isinstance(wanted, list):
        yield from _list(path, wanted, found)
    elif not _same(path, wanted, found):
        yield Difference(path, wanted, found)


def _list(path: str, wanted: Sequence[Any], found: Any) -> Iterator[Difference]:
    """Yield where a list differs; its length and order count, its items may be completed."""
    if not isinstance(found, list):
        if wanted or found is not None:
            yield Difference(path, wanted, found)
        return
    if len(wanted) != len(found):
        yield Difference(path, wanted, found)
        return
    for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
        yield from _subset(f"{path}/{index}", one, other)


def _equal(path: str, before: Any, after: Any) -> Iterator[Difference]:
    """Yield every field that is not the same in both."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _equal(f"{path}/{escaped(key)}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _equal(f"{path}/{index}", one, other)
    elif before != after:
        yield Difference(path, before, after)


def _same(path: str, wanted: Any, found: Any) -> bool:
    """Tell whether two scalars are one value."""
    if wanted == found and isinstance(wanted, bool) == isinstance(found, bool):
        return True
    if not wanted and found is None:
        # The API server leaves out what is empty: "", 0 and false with omitempty.
        return True
    if QUANTITY_PLACES.search(path):
        one, other = quantity(wanted), quantity(found)
        return one is not None and one == other
    return False


def quantity(value: Any) -> Decimal | None:
    """Return the number that a resource quantity means, or None for other texts."""
    match = QUANTITY.fullmatch(str(value))
    return Decimal(match["number"]) * SCALES[match["suffix"] or ""] if match else None


def escaped(key: Any) -> str:
    """Return a key as a JSON pointer has it (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def keys_of(pointer: str) -> tuple[str | int, ...]:
    """Return the keys that a JSON pointer leads by; those of digits are numbers, for an item of a list."""
    names = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return tuple(
        int(name) if name.isascii() and name.isdecimal() and str(int(name)) == name else name for name in names
    )


def value_at(obj: Any, pointer: str) -> Any:
    """Return what stands at a JSON pointer, or None."""
    for key in keys_of(pointer):
        if isinstance(obj, Mapping):
            obj = obj.get(str(key))
        elif isinstance(obj, list) and isinstance(key, int) and key < len(obj):
            obj = obj[key]
        else:
            return None
    return obj


def _redacted(obj: Object, found: list[Difference]) -> list[Difference]:
    """Take the values out of a Secret's differences."""
    if kind_of(obj) != "v1/Secret":
        return found
    return [
        Difference(difference.path, HIDDEN, HIDDEN)
        if difference.path.startswith(("/data", "/stringData"))
        else difference
        for difference in found
    ]
