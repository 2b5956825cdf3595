"""Causes of an Application that does not converge: it cannot be rendered, may not be applied, waits for an object, or tries again.

Conditions and messages are those of Argo CD 3.2.11: pkg/apis/application/v1alpha1/types.go (ApplicationCondition*),
controller/state.go, controller/sync.go and gitops-engine's pkg/sync/sync_context.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from platform_e2e.diagnosis.explain import hooks, sync_windows
from platform_e2e.diagnosis.explain.unserved_kinds import unserved
from platform_e2e.diagnosis.objects import at, condition, listed, name_of
from platform_e2e.diagnosis.registry import explain, explains
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import ReadApi

APPLICATION_KIND = "argoproj.io/v1alpha1/Application"
APPLICATIONSET_KIND = "argoproj.io/v1alpha1/ApplicationSet"

COMPONENT = "app.kubernetes.io/component"
"""Label by which Argo CD's manifests and chart tell its workloads apart."""

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

UNTYPED = re.compile(r"failed to create typed (?:patch |live )?object")
"""How the API server says that fields do not fit their schema, such as two entries for one key (apimachinery,
pkg/util/managedfields/internal/structuredmerge.go)."""

RETRYING = re.compile(r"\. Retrying attempt #\d+ at .*$")
"""What Argo CD adds to a failed sync that it tries again (controller/appcontroller.go, processRequestedAppOperation)."""

MISSING_CRD = re.compile(
    r"no matches for kind \"?[\w.]+\"?|could not find the requested resource|\\?\"[\w.]+\\?\" CRD is installed|"
    r"resource mapping not found|could not find version \\?\"",
    re.IGNORECASE,
)
"""What the API server, its client and Argo CD say about a kind that is not served (apimachinery, meta.NoKindMatchError; Argo CD's
util/argo/argo.go, FormatAppConditions)."""

SKIP_DRY_RUN = "SkipDryRunOnMissingResource=true"

WEBHOOK = re.compile(r"failed calling webhook \\?\"(?P<name>[\w.-]+)\\?\"")
"""What the API server says when an admission webhook does not answer (apiserver, webhook/errors)."""

FORBIDDEN = re.compile(
    r"is not permitted in project|is forbidden|do not match any of the allowed destinations", re.IGNORECASE
)

WAVE = re.compile(r"waiting for healthy state of (?P<objects>.+)")
"""What an operation that runs waits for (gitops-engine, pkg/sync/sync_context.go)."""

COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
"""A commit, as conditions name it: `Failed last sync attempt to [COMMIT]` (controller/appcontroller.go, autoSync)."""

RETRY = re.compile(r"Retrying attempt #(?P<number>\d+)")
"""controller/appcontroller.go, processRequestedAppOperation."""


def _conditions(application: Object) -> Iterator[tuple[str, str]]:
    """Yield type and message of what an Application says of the commit that it was compared with last."""
    newest = set(argocd.revisions(application))
    for entry in at(application, "status", "conditions") or ():
        message = " ".join(str(entry.get("message", "")).split())
        named = set(COMMIT.findall(message)) if entry.get("type") == "SyncError" else set()
        if not named or not newest or named & newest:
            yield str(entry.get("type", "")), message


def _operation(application: Object) -> Mapping[str, Any]:
    """Return the last operation, unless it is of an earlier commit: what that one met may be mended, or gone from Git."""
    done, newest = argocd.operation(application).revisions, argocd.revisions(application)
    of_now = not done or not newest or done == newest
    return (at(application, "status", "operationState") or {}) if of_now else {}


def _messages(application: Object) -> Iterator[str]:
    """Return everything an Application says about why, the results of single objects included."""
    for kind, message in _conditions(application):
        if kind.endswith("Error"):
            yield message
    operation = _operation(application)
    if operation.get("phase") in {"Failed", "Error", "Running"}:
        for result in at(operation, "syncResult", "resources") or ():
            if result.get("status") == "SyncFailed" or result.get("hookPhase") in {"Failed", "Error"}:
                yield f"{result.get('kind')}/{result.get('name')}: {' '.join(str(result.get('message', '')).split())}"
        yield " ".join(str(operation.get("message", "")).split())


@explains(APPLICATION_KIND)
def not_compared(application: Object, view: ReadApi) -> Cause | None:
    """Nobody compares it with Git, so that all it says is of an older commit."""
    if argocd.sync_status(application) and not argocd.refresh_asked(application):
        return None
    namespace = key(application)[0]
    controllers = view.list("apps/v1/StatefulSet", namespace, labels={COMPONENT: "application-controller"})
    if not controllers or any(at(controller, "status", "readyReplicas") for controller in controllers):
        return None
    seen = ", ".join(revision[:12] for revision in argocd.revisions(application))
    told = f"what it says is of commit {seen}" if seen else "it was never compared"
    wanted = [at(controller, "spec", "replicas") for controller in controllers]
    state = "0 replicas" if not any(wanted) else "no ready replica"
    return Cause(
        "application-stale-revision",
        f"nobody compares {name_of(application)} with Git: {listed([name_of(controller) for controller in controllers])} has {state}; {told}",
        "look at the controller's pods"
        if any(wanted)
        else "give the controller a replica (controller.replicas of the chart)",
    )


@explains(APPLICATION_KIND)
def not_permitted(application: Object, _view: ReadApi) -> Cause | None:
    """Its project does not allow what it wants."""
    for kind, message in _conditions(application):
        if kind == "InvalidSpecError" or (kind.endswith("Error") and FORBIDDEN.search(message)):
            return _not_permitted(application, message)
    return next((_not_permitted(application, m) for m in _messages(application) if FORBIDDEN.search(m)), None)


def _not_permitted(application: Object, message: str) -> Cause:
    project = at(application, "spec", "project")
    return Cause(
        "application-not-permitted",
        f"{name_of(application)} may not do what it wants: {message}",
        f"let AppProject {project} allow it, or correct source and destination of the Application",
    )


@explains(APPLICATION_KIND)
def webhook(application: Object, _view: ReadApi) -> Cause | None:
    """An admission webhook does not answer."""
    for message in _messages(application):
        found = WEBHOOK.search(message)
        if found:
            return Cause(
                "application-webhook",
                f"the webhook {found['name']} does not answer, so {name_of(application)} cannot be applied: {message}",
                "look at the pods behind the webhook's Service; it is tried again as long as spec.syncPolicy.retry lasts",
            )
    return None


def _skips_dry_run(application: Object) -> bool:
    """Tell whether an Application as a whole is applied although a kind is missing."""
    return SKIP_DRY_RUN in (at(application, "spec", "syncPolicy", "syncOptions") or ())


@explains(APPLICATION_KIND)
def missing_crd(application: Object, _view: ReadApi) -> Cause | None:
    """A kind is not served, in any version or in the one that Git has."""
    for message in _messages(application):
        if MISSING_CRD.search(message):
            other = unserved(message)
            if other is not None:
                return Cause(
                    "application-api-not-served",
                    f"{name_of(application)} has an object of {other.kind}, which this version of "
                    f"{'Kubernetes' if other.builtin else 'its CRD'} does not serve: {message}",
                    f"write apiVersion {other.instead}, and the fields as they are there"
                    if other.instead
                    else "correct apiVersion and kind: no CRD brings a group of Kubernetes itself",
                )
            return Cause(
                "application-missing-crd",
                f"{name_of(application)} has objects of a kind that the cluster does not serve: {message}",
                "install the release that brings the CRD"
                + ("" if _skips_dry_run(application) else f"; {SKIP_DRY_RUN} lets the rest be applied meanwhile"),
            )
    return None


@explains(APPLICATION_KIND)
def render_error(application: Object, _view: ReadApi) -> Cause | None:
    """Its manifests cannot be made from Git, or are none of their kind, which a sync may tell before a comparison does."""
    told = [message for kind, message in _conditions(application) if kind in {"ComparisonError", "UnknownError"}]
    told += [RETRYING.sub("", message) for message in _messages(application) if UNTYPED.search(message)]
    if not told:
        return None
    return Cause(
        "application-render-error",
        f"the manifests of {name_of(application)} cannot be made or compared: {told[0]}",
        "correct the file that the message names; `kustomize build` of the Application's path shows the same",
    )


@explains(APPLICATION_KIND)
def shared_resource(application: Object, _view: ReadApi) -> Cause | None:
    """An object of it belongs to another Application too."""
    for kind, message in _conditions(application):
        if kind in {"SharedResourceWarning", "RepeatedResourceWarning"}:
            return Cause(
                "application-shared-resource",
                f"{name_of(application)} has an object that is not its own alone: {message}",
                "leave the object to one Application",
            )
    return None


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


def _through(found: Object, view: ReadApi) -> Cause | None:
    """Return what holds an object of an Application, which it then names; of an Application within it, that one's object."""
    cause = explain(found, view)
    return replace(cause, through=cause.through or name_of(found)) if cause else None


@explains(APPLICATION_KIND)
def hook_failed(application: Object, view: ReadApi) -> Cause | None:
    """A hook of the sync has failed."""
    operation = _operation(application)
    if operation.get("phase") not in {"Failed", "Error", "Running"}:
        return None
    return hooks.failed(application, operation, view)


@explains(APPLICATION_KIND)
def sync_window(application: Object, view: ReadApi) -> Cause | None:
    """Sync windows keep it from the sync that it needs."""
    blocked = "blocked by sync window" in str(_operation(application).get("message", ""))
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
            f"{name} is synced by nobody: {field}.enabled is false",
            f"remove {field}.enabled from {file}, or set it to true",
        )
    return Cause(
        "application-not-automated",
        f"{name} is synced by nobody: Git does not say {field}: {{}}",
        f"add {field}: {{}} in {file}",
    )


@explains(APPLICATION_KIND)
def refused(application: Object, view: ReadApi) -> Cause | None:
    """An object of it was not taken, so that others may lack it: a Service has no pods where its Deployment was refused."""
    results = at(_operation(application), "syncResult", "resources") or ()
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
    held = WAVE.search(str(_operation(application).get("message", "")))
    if held:
        return _cause_of_held(application, held["objects"], view) or Cause(
            "application-wave-held",
            f"the next sync wave of {name_of(application)} waits for {held['objects']}",
            "look at what holds that object",
        )
    return hooks.running(application, _operation(application), view)


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
    operation = _operation(application)
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
    failed = _operation(application).get("phase") in {"Failed", "Error"}
    errors = [message for kind, message in _conditions(application) if kind.endswith("Error")]
    if not failed and not errors:
        return None
    return Cause(
        "application-sync-failed",
        f"the sync of {name_of(application)} failed: {listed([*_messages(application)][:3], 'no message')}",
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


@explains(APPLICATIONSET_KIND)
def generator_error(applicationset: Object, _view: ReadApi) -> Cause | None:
    """It cannot generate its Applications."""
    failed = condition(applicationset, "ErrorOccurred")
    if failed.get("status") != "True":
        return None
    return Cause(
        "applicationset-error",
        f"{name_of(applicationset)} cannot generate its Applications: {' '.join(str(failed.get('message', '')).split())}",
        "correct the generator or the template that the message names",
    )


@explains("bitnami.com/v1alpha1/SealedSecret")
def not_unsealed(sealed: Object, _view: ReadApi) -> Cause | None:
    """It cannot be decrypted, or its Secret has another owner."""
    synced = condition(sealed, "Synced")
    seen, newest = at(sealed, "status", "observedGeneration"), at(sealed, "metadata", "generation")
    # What the controller says of earlier content may be mended.
    if synced.get("status") != "False" or (seen and newest and seen < newest):
        return None
    return Cause(
        "secret-not-unsealed",
        f"{name_of(sealed)} makes no Secret, because of `{' '.join(str(synced.get('message', '')).split())}`",
        "seal it again for this cluster's key, name and namespace, or restore the key that it was sealed with",
    )
