"""Causes of an Application whose sync does not begin, does not end, or has failed: a hook, a window, a wave, an attempt.

Messages are those of Argo CD 3.2.11: controller/appcontroller.go, controller/sync.go and gitops-engine's
pkg/sync/sync_context.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platform_e2e.diagnosis.explain import hooks, sync_windows
from platform_e2e.diagnosis.explain.applications import APPLICATION_KIND, conditions_of, messages_of, operation_of_now
from platform_e2e.diagnosis.objects import CRD, at, condition, listed, name_of
from platform_e2e.diagnosis.registry import explain, explains
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

WITH_HEALTH = (
    "bitnami.com/v1alpha1/SealedSecret",
    "batch/v1/Job",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "apps/v1/Deployment",
    "v1/Pod",
    "v1/Service",
    "networking.k8s.io/v1/Ingress",
    APPLICATION_KIND,
)
"""Kinds whose health Argo CD judges and that an explanation is known for; a Secret that is missing keeps pods from starting."""

WAVE = re.compile(r"waiting for healthy state of (?P<objects>.+)")
"""What an operation that runs waits for (gitops-engine, pkg/sync/sync_context.go)."""

_CRD = re.compile(r"apiextensions\.k8s\.io/CustomResourceDefinition/(?P<name>[\w.-]+)")

RETRY = re.compile(r"Retrying attempt #(?P<number>\d+)")
"""controller/appcontroller.go, processRequestedAppOperation."""


def _suspects(application: Object) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the objects of an Application that may be why it is not healthy, what others wait for first.

    Since 3.0 Argo CD keeps the health of single objects out of the Application (controller.resource.health.persist), so each
    object of a kind that has a health is asked.
    """
    if at(application, "status", "health", "status") in {None, "Healthy", "Suspended"}:
        return []
    # Nothing waits for what Git no longer has, and a hook that is left from an earlier sync counts for no health.
    every = at(application, "status", "resources") or ()
    entries = [e for e in every if not e.get("requiresPruning") and not e.get("hook")]
    named = [(f"{e['group']}/" if e.get("group") else "", e) for e in entries]
    found = [(f"{group}{e.get('version')}/{e.get('kind')}", e) for group, e in named]
    asked = [(kind, e) for kind, e in found if kind in WITH_HEALTH and at(e, "health", "status") != "Healthy"]
    return sorted(asked, key=lambda suspect: WITH_HEALTH.index(suspect[0]))


def _cause_of_held(application: Object, objects: str, view: ReadApi) -> Cause | None:
    """Return what holds the objects that a wave waits for, such as the Applications of a root, where that is known."""
    for resource in argocd.resources(application):
        if re.search(
            rf"(?:^|[\s,]){re.escape(f'{resource.group}/{resource.kind}/{resource.name}')}(?:$|[\s,])", objects
        ):
            found = view.get(resource.api, resource.name, resource.namespace or None)
            cause = _through(found, view) if found else None
            if cause is not None:
                return cause
    return None


def _established(objects: str, view: ReadApi) -> bool:
    """Tell whether what a wave waits for is a CRD that the API server has established already."""
    found = _CRD.match(objects)
    crd = view.get(CRD, found["name"]) if found else None
    return crd is not None and condition(crd, "Established").get("status") == "True"


def _through(found: Object, view: ReadApi) -> Cause | None:
    """Return what holds an object of an Application, which it then names; of an Application within it, that one's object."""
    cause = explain(found, view)
    return replace(cause, through=cause.through or name_of(found)) if cause else None


@explains(APPLICATION_KIND)
def hook_failed(application: Object, view: ReadApi) -> Cause | None:
    """A hook of the sync has failed."""
    operation = operation_of_now(application)
    if operation.get("phase") not in {"Failed", "Error", "Running"}:
        return None
    return hooks.failed(application, operation, view)


@explains(APPLICATION_KIND)
def sync_window(application: Object, view: ReadApi) -> Cause | None:
    """Sync windows keep it from the sync that it needs."""
    blocked = "blocked by sync window" in str(operation_of_now(application).get("message", ""))
    return (
        sync_windows.holding(application, view) if blocked or argocd.sync_status(application) == "OutOfSync" else None
    )


@explains(APPLICATION_KIND)
def not_automated(application: Object, _view: ReadApi) -> Cause | None:
    """Nothing syncs it by itself."""
    if argocd.automated(application) or argocd.sync_status(application) != "OutOfSync":
        return None
    if argocd.operation(application).running:
        return None
    return unautomated(
        name_of(application), at(application, "spec", "syncPolicy", "automated"), "spec.syncPolicy.automated"
    )


def unautomated(name: str, automated: Any, field: str, file: str = "the Application's file") -> Cause:
    """Return that nothing syncs an Application by itself.

    Args:
        name: of the Application, as findings have it.
        automated: what its sync policy says.
        field: where that stands, from the top of the file.
        file: where it is written.
    """
    if isinstance(automated, Mapping):
        return Cause(
            "application-not-automated",
            f"{name} is not synced automatically: {field}.enabled is false",
            f"remove {field}.enabled from {file}, or set it to true",
        )
    return Cause(
        "application-not-automated",
        f"{name} is not synced automatically: Git does not say {field}: {{}}",
        f"add {field}: {{}} in {file}",
    )


@explains(APPLICATION_KIND)
def refused(application: Object, view: ReadApi) -> Cause | None:
    """An object of it was not taken, so that others may lack it: a Service has no pods where its Deployment was refused."""
    results = at(operation_of_now(application), "syncResult", "resources") or ()
    if not any(result.get("status") == "SyncFailed" for result in results):
        return None
    return retrying(application, view) or sync_failed(application, view)


@explains(APPLICATION_KIND)
def waits_for_object(application: Object, view: ReadApi) -> Cause | None:
    """An object of it is not healthy; what holds that object is the cause."""
    for kind, entry in _suspects(application):
        found = view.get(kind, str(entry.get("name")), entry.get("namespace"))
        if found and kind == APPLICATION_KIND and argocd.health(found) == "Healthy":
            # Whatever else is the matter with it, it is not what its root waits for.
            continue
        cause = _through(found, view) if found else None
        if cause is not None:
            return cause
    held = WAVE.search(str(operation_of_now(application).get("message", "")))
    if held and _established(held["objects"], view):
        # Argo CD is behind: for each new CRD it reads all kinds again, which takes minutes in a layer with dozens of CRDs.
        return None
    if held:
        return _cause_of_held(application, held["objects"], view) or Cause(
            "application-wave-held",
            f"the next sync wave of {name_of(application)} waits for {held['objects']}",
            "look at what holds that object",
        )
    return hooks.running(application, operation_of_now(application), view)


@explains(APPLICATION_KIND)
def old_operation(application: Object, _view: ReadApi) -> Cause | None:
    """A sync of an older commit goes on, and the newest one waits for its end."""
    operation = argocd.operation(application)
    newest = argocd.revisions(application)
    if not operation.running or not operation.revisions or not newest or operation.revisions == newest:
        return None
    old, new = (", ".join(revision[:12] for revision in revisions) for revisions in (operation.revisions, newest))
    return Cause(
        "application-stale-revision",
        f"the sync of {name_of(application)} is still of commit {old}, Git has {new}: {operation.message or operation.phase}",
        f"terminate it (argocd app terminate-op {key(application)[1]})"
        + ("" if _refreshes(application) else "; spec.syncPolicy.retry.refresh: true takes a newer commit up"),
    )


def _refreshes(application: Object) -> bool:
    """Tell whether a newer commit is taken up while a sync is tried again."""
    return at(application, "spec", "syncPolicy", "retry", "refresh") is True


@explains(APPLICATION_KIND)
def retrying(application: Object, _view: ReadApi) -> Cause | None:
    """A sync failed and is tried again."""
    operation = operation_of_now(application)
    found = RETRY.search(str(operation.get("message", "")))
    if not found:
        return None
    limit = at(operation, "operation", "retry", "limit") or 0
    left = max(int(limit) - int(found["number"]), 0)
    return Cause(
        "application-retrying",
        f"the sync of {name_of(application)} failed and is tried again, {left} attempts are left: "
        f"{' '.join(str(operation.get('message')).split())}",
        "correct what the message names; a new commit is taken up at once"
        + ("" if _refreshes(application) else " only with spec.syncPolicy.retry.refresh: true"),
    )


@explains(APPLICATION_KIND)
def sync_failed(application: Object, _view: ReadApi) -> Cause | None:
    """A sync failed for good."""
    failed = operation_of_now(application).get("phase") in {"Failed", "Error"}
    errors = [message for kind, message in conditions_of(application) if kind.endswith("Error")]
    if not failed and not errors:
        return None
    return Cause(
        "application-sync-failed",
        f"the sync of {name_of(application)} failed: {listed([*messages_of(application)][:3], 'no message')}",
        "correct what the message names; Argo CD does not try the same commit again",
    )


@explains(APPLICATION_KIND)
def object_missing(application: Object, _view: ReadApi) -> Cause | None:
    """Objects of it are not there, or differ from Git, and nothing says why."""
    differing = [
        f"{entry.get('kind')}/{entry.get('name')} {at(entry, 'health', 'status') or entry.get('status')}"
        for entry in at(application, "status", "resources") or ()
        if (at(entry, "health", "status") == "Missing" or entry.get("status") == "OutOfSync") and not entry.get("hook")
    ]
    if not differing:
        return None
    return Cause(
        "application-object-missing",
        f"{name_of(application)} differs from Git in {listed(differing[:5])}",
        "look at the Application's events and at the log of the application controller: it is automated, and should have been "
        "synced",
    )
