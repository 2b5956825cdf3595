"""Reduce CRDs, apply them in parallel, and wait until their kinds can be listed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import NotFound, Unavailable
from platform_e2e.kube.expect import Met, Pending, Verdict, poll

MANAGER = "platform-e2e-foundations"
"""Field manager of objects that are applied beside Helm: CRDs, namespaces, Secrets, repaired objects."""

AT_ONCE = 4
"""CRDs applied in parallel: the API server uses one core for each, and more than two cores are rare."""

SERVED_SECONDS = 60.0
"""Timeout until CRDs are served: twenty times the 3 s that ten large ones take on an idle machine with 2 cores."""


def slim(definition: Object) -> Object:
    """Return a CRD without the descriptions in its schemas.

    They are two thirds of the operator's six megabytes, and the API server parses, stores and publishes them all. Only `kubectl
    explain` shows them.
    """
    spec = definition["spec"]
    versions = [
        {**version, "schema": {"openAPIV3Schema": _without_descriptions(version["schema"]["openAPIV3Schema"])}}
        for version in spec["versions"]
    ]
    return {**definition, "spec": {**spec, "versions": versions}}


def _without_descriptions(schema: Any) -> Any:
    """Remove `description` where it is documentation, and keep it where it is the name of a property."""
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
    """Apply CRDs and wait until they are served; by server-side apply, because a client-side one's annotation holds only 256 KiB.

    Args:
        kube: the client.
        definitions: the CRDs.

    Raises:
        ApiError: the API server refused a CRD.
        Timeout: a CRD is not served in time.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # Reading all results raises the first error here.
        list(pool.map(lambda definition: kube.apply(definition, manager=MANAGER), definitions))
    poll(lambda: all_served(kube, definitions), timeout=SERVED_SECONDS, what="the release's CRDs are served")


def all_served(kube: Kube, definitions: Sequence[Object]) -> Verdict:
    """Judge whether all CRDs are served; names the first one that is not."""
    for definition in definitions:
        verdict = served(kube, definition)
        if not isinstance(verdict, Met):
            return verdict
    return Met()


def served(kube: Kube, definition: Object) -> Verdict:
    """Judge whether every served version of a CRD can be listed; does not read the CRD, some have a megabyte."""
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
