"""Causes of a sync that does not get past a hook: the hook's own object has failed, or cannot begin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from platform_e2e.diagnosis.explain.pods import NOT_FOUND
from platform_e2e.diagnosis.objects import at, name_of
from platform_e2e.diagnosis.registry import explain
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

WAITS = re.compile(r"waiting for completion of hook (?P<objects>.+)")
"""What an operation that runs waits for (gitops-engine, pkg/sync/sync_context.go, setRunningPhase)."""


def results(operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what an operation says of its hooks."""
    for resource in at(operation, "syncResult", "resources") or ():
        if resource.get("hookType"):
            yield resource


def failed(application: Object, operation: Mapping[str, Any], view: ReadApi) -> Cause | None:
    """Return that a hook of the sync has failed; a hook for failures only where nothing else has.

    Args:
        application: whose sync.
        operation: its last one.
        view: of the cluster.
    """
    bad = [result for result in results(operation) if result.get("hookPhase") in {"Failed", "Error"}]
    first = next((result for result in bad if result["hookType"] != "SyncFail"), None)
    if first is None:
        refused = any(
            resource.get("status") == "SyncFailed" for resource in at(operation, "syncResult", "resources") or ()
        )
        first = next(iter(bad), None) if not refused else None
    if first is None:
        return None
    found = _object(first, view)
    inner = explain(found, view) if found else None
    said = " ".join(str(first.get("message") or "no message").split())
    return _failed(application, first, inner, said)


def _failed(application: Object, hook: Mapping[str, Any], inner: Cause | None, said: str) -> Cause:
    name = described(str(hook.get("kind")), str(hook.get("name")), hook.get("namespace") or None)
    why = f"{said}; {inner.sentence}" if inner and said else inner.sentence if inner else said
    return Cause(
        "application-hook-failed",
        f"the {hook.get('hookType')} hook {name} of {name_of(application)} has failed: {why}",
        inner.remedy
        if inner
        else "look at the hook's log; one that deletes itself on failure leaves none (hook-delete-policy HookFailed)",
        through=name,
        field=inner.field if inner else (),
    )


def running(application: Object, operation: Mapping[str, Any], view: ReadApi) -> Cause | None:
    """Return that a sync waits for a hook, and what the hook waits for.

    Args:
        application: whose sync.
        operation: its last one.
        view: of the cluster.
    """
    waits = WAITS.search(str(operation.get("message", "")))
    if waits is None:
        return None
    hook, found, inner = _waited_for(application, operation, waits["objects"], view)
    if hook and inner and inner.id == "pod-crash":
        return _failed(application, hook, inner, "")
    name = name_of(found) if found else ""
    return Cause(
        "application-hook-running",
        f"the sync of {name_of(application)} waits for the hook {waits['objects']}"
        + (f": {inner.sentence}" if inner else ""),
        _remedy(application, hook, inner) if hook and inner else "look at the hook's Job and its log",
        through=name,
        field=inner.field if inner else (),
    )


def beneath(application: Object, operation: Mapping[str, Any], view: ReadApi) -> Cause | None:
    """Return what holds the hook that a sync waits for, such as its pod's image; None where it runs, or no hook is waited for.

    Args:
        application: whose sync.
        operation: its last one.
        view: of the cluster.
    """
    waits = WAITS.search(str(operation.get("message", "")))
    return _waited_for(application, operation, waits["objects"], view)[2] if waits else None


def _waited_for(
    application: Object, operation: Mapping[str, Any], objects: str, view: ReadApi
) -> tuple[Mapping[str, Any] | None, Object | None, Cause | None]:
    """Return the hook that a message names, as the operation and as the cluster have it, and what holds it."""
    hook = _named(application, operation, objects)
    found = _object(hook, view) if hook else None
    return hook, found, explain(found, view) if found else None


def _remedy(application: Object, hook: Mapping[str, Any], inner: Cause) -> str:
    """Return what lets a hook begin: most often what it needs is of the same commit, and comes after it."""
    missing = NOT_FOUND.search(inner.sentence)
    later = [
        resource for resource in argocd.resources(application) if missing and resource.name == missing["name"] and resource.kind in ("ConfigMap", "Secret", "SealedSecret")
    ]  # fmt: skip
    if not later:
        return inner.remedy
    phase = hook.get("hookType") or "same"
    return (
        f"{later[0]} is of the same commit and applied only after this hook has ended: make it a hook of an earlier wave, too "
        f'(argocd.argoproj.io/hook: {phase}, argocd.argoproj.io/sync-wave: "-1")'
    )


def _named(application: Object, operation: Mapping[str, Any], objects: str) -> Mapping[str, Any] | None:
    """Return the hook that a message names, with its namespace and phase."""
    for result in results(operation):
        if objects.startswith(f"{result.get('group') or ''}/{result.get('kind')}/{result.get('name')}"):
            return result
    for entry in argocd.resources(application):
        if entry.hook and objects.startswith(f"{entry.group}/{entry.kind}/{entry.name}"):
            return {
                "group": entry.group,
                "version": entry.version,
                "kind": entry.kind,
                "name": entry.name,
                "namespace": entry.namespace,
                "hookType": "",
            }
    return None


def _object(hook: Mapping[str, Any], view: ReadApi) -> Object | None:
    """Return the hook as the cluster has it; None where it is deleted already."""
    group = f"{hook['group']}/" if hook.get("group") else ""
    return view.get(
        f"{group}{hook.get('version')}/{hook.get('kind')}", str(hook.get("name")), hook.get("namespace") or None
    )
