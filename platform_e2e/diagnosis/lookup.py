"""Diagnoses of the objects that a command line names, of a namespace, or of the whole cluster."""

from __future__ import annotations

from collections.abc import Sequence

from platform_e2e.cluster.connection import Connection
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.object_refs import ResolvedRef, parse, resolve
from platform_e2e.diagnosis.scan import scan
from platform_e2e.diagnosis.tree import Diagnosis, absent, diagnose
from platform_e2e.errors import WrongUsage
from platform_e2e.kube.discovery import kinds
from platform_e2e.kube.errors import Forbidden

NAMESPACE = "v1/Namespace"


def diagnoses(
    words: Sequence[str], connection: Connection, *, labels: str, namespace: str
) -> tuple[str, list[Diagnosis]]:
    """Return in words what was asked about, and the diagnosis of each object of it.

    Args:
        words: that name objects; everything where there are none.
        connection: to the cluster.
        labels: of the option -l.
        namespace: of the option -n, or empty.

    Raises:
        WrongUsage: the words name nothing.
        ApiError: the API server did not answer.
    """
    view = CachedReader(connection.kube)
    refs = parse(words, labels) if words else []
    if not refs and labels:
        raise WrongUsage("-l was given without a kind", f"name one: `explain pods -l {labels}`")
    if not refs:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        if namespace and _is_absent(namespace, view):
            return where, [absent(NAMESPACE, namespace, None, view)]
        return where, scan(view, namespace or None)
    served = kinds(connection.kube)
    found: list[Diagnosis] = []
    for ref in refs:
        resolved = resolve(
            ref,
            served.require(ref.kind),
            labels=labels,
            namespace=namespace,
            context_namespace=connection.namespace,
        )
        found += _of(resolved, view)
    return ", ".join(map(str, refs)), found


def _of(ref: ResolvedRef, view: CachedReader) -> list[Diagnosis]:
    """Return the diagnosis of an object, or of each of several; of a namespace, that of anything in it as well."""
    if ref.name is None:
        listed = view.list(ref.api, ref.namespace, ref.labels or None)
        if not listed:
            raise WrongUsage(f"there are no {ref}", "correct the namespace or the labels")
        return [diagnose(obj, view) for obj in listed]
    obj = view.get(ref.api, ref.name, ref.namespace)
    if obj is None:
        return [absent(ref.api, ref.name, ref.namespace, view)]
    inside = scan(view, ref.name) if ref.api == NAMESPACE else []
    itself = diagnose(obj, view)
    return [itself, *inside] if not itself.sound or not inside else inside


def _is_absent(namespace: str, view: CachedReader) -> bool:
    """Tell whether a namespace surely does not exist; a user who may not read namespaces may still look into one."""
    try:
        return view.get(NAMESPACE, namespace) is None
    except Forbidden:
        return False
