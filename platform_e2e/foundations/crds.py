"""CRDs: made small where they are ours to make, applied side by side, and waited for until their kinds can be listed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import NotFound, Unavailable
from platform_e2e.kube.expect import Met, Pending, Verdict, poll

MANAGER = "platform-e2e-foundations"
"""Owns the fields of what is applied beside Helm: CRDs, namespaces, Secrets made beforehand, repaired objects."""

AT_ONCE = 4
"""CRDs applied at the same time: the API server works on one with one core, and more than two cores are rare."""

SERVED_SECONDS = 60.0
"""Ten large CRDs are served after 3 s on an idle machine with 2 cores; twenty times that."""


def slim(definition: Object) -> Object:
    """Return a CRD without the descriptions in its schemas.

    They are two thirds of the operator's six megabytes, and the API server parses, stores and publishes every one of them.
    Only `kubectl explain` misses them.
    """
    spec = definition["spec"]
    versions = [
        {**version, "schema": {"openAPIV3Schema": _without_descriptions(version["schema"]["openAPIV3Schema"])}}
        for version in spec["versions"]
    ]
    return {**definition, "spec": {**spec, "versions": versions}}


def _without_descriptions(schema: Any) -> Any:
    """Drop `description` where it describes, and keep it where it is the name of a property."""
    if isinstance(schema, list):
        return [_without_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key in {"properties", "patternProperties"}:
            kept[key] = {name: _without_descriptions(below) for name, below in value.items()}
        elif key in {"default", "enum", "example", "x-kubernetes-validations"}:
            kept[key] = value
        elif key != "description":
            kept[key] = _without_descriptions(value)
    return kept


def apply(kube: Kube, definitions: Sequence[Object]) -> None:
    """Apply CRDs by server-side apply, because the annotation of a client-side one may not hold 256 KiB, and wait until they serve.

    Args:
        kube: the client.
        definitions: the CRDs.

    Raises:
        ApiError: the API server refused one.
        Timeout: one is not served in time.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Reading all results makes the first error this function's own.
        list(pool.map(lambda definition: kube.apply(definition, manager=MANAGER), definitions))
    poll(lambda: all_served(kube, definitions), timeout=SERVED_SECONDS, what="the release's CRDs are served")


def all_served(kube: Kube, definitions: Sequence[Object]) -> Verdict:
    """Judge whether every CRD is served, up to the first that is not."""
    for definition in definitions:
        verdict = served(kube, definition)
        if not isinstance(verdict, Met):
            return verdict
    return Met()


def served(kube: Kube, definition: Object) -> Verdict:
    """Judge whether every served version of a CRD can be listed, without reading the CRD back: some are a megabyte."""
    spec = definition["spec"]
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        path = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
        try:
            kube.raw("GET", path, params={"limit": 1})
        except (NotFound, Unavailable) as error:
            return Pending(f"{path} cannot be listed yet: {error.message}")
    return Met()
