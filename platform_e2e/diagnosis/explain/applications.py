"""Causes of an Application that cannot be compared, rendered or applied, and of an ApplicationSet; `syncs` has those of its syncs.

Conditions and messages are those of Argo CD 3.2.11: pkg/apis/application/v1alpha1/types.go (ApplicationCondition*),
controller/state.go and controller/sync.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from platform_e2e.diagnosis import admission
from platform_e2e.diagnosis.explain.unserved_kinds import unserved
from platform_e2e.diagnosis.objects import at, condition, listed, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.git.repository import COMMIT
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import CLUSTER_SCOPED

APPLICATION_KIND = "argoproj.io/v1alpha1/Application"
APPLICATIONSET_KIND = "argoproj.io/v1alpha1/ApplicationSet"

COMPONENT = "app.kubernetes.io/component"
"""Label by which Argo CD's manifests and chart tell its workloads apart."""

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

REFUSED_BY: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"do not match any of the allowed destinations|\b(?:destination|namespace \S+) is not permitted"),
        ("destinations",),
    ),
    (re.compile(r"\brepo \S+ is not permitted"), ("sourceRepos",)),
    (re.compile(r"is not allowed to use project"), ("sourceNamespaces",)),
    (
        re.compile(r"\bresource \S*:\S+ is not permitted"),
        ("clusterResourceWhitelist", "namespaceResourceWhitelist"),
    ),
)
"""What Argo CD says that a project refuses, and the fields of its spec that allow it (util/argo/argo.go,
validateSourcePermissions and ValidatePermissions; gitops-engine and controller/sync.go, the permission validator)."""

RESOURCE = re.compile(r"(?P<group>[\w.-]*):(?P<kind>\w+) is not permitted in project")

NAMED_COMMIT = re.compile(rf"\b(?:{COMMIT.pattern})\b")
"""A commit, as conditions name it: `Failed last sync attempt to [COMMIT]` (controller/appcontroller.go, autoSync)."""


def conditions_of(application: Object) -> Iterator[tuple[str, str]]:
    """Yield type and message of what an Application says of the commit that it was compared with last."""
    newest = set(argocd.revisions(application))
    for entry in at(application, "status", "conditions") or ():
        message = " ".join(str(entry.get("message", "")).split())
        named = set(NAMED_COMMIT.findall(message)) if entry.get("type") == "SyncError" else set()
        if not named or not newest or named & newest:
            yield str(entry.get("type", "")), message


def operation_of_now(application: Object) -> Mapping[str, Any]:
    """Return the last operation, unless it is of an earlier commit: what that one met may be mended, or gone from Git."""
    done, newest = argocd.operation(application).revisions, argocd.revisions(application)
    of_now = not done or not newest or done == newest
    return (at(application, "status", "operationState") or {}) if of_now else {}


def messages_of(application: Object) -> Iterator[str]:
    """Return everything an Application says about why, the results of single objects included."""
    for kind, message in conditions_of(application):
        if kind.endswith("Error"):
            yield message
    operation = operation_of_now(application)
    if operation.get("phase") in {"Failed", "Error", "Running"}:
        for result in at(operation, "syncResult", "resources") or ():
            if result.get("status") == "SyncFailed" or result.get("hookPhase") in {"Failed", "Error"}:
                yield f"{result.get('kind')}/{result.get('name')}: {' '.join(str(result.get('message', '')).split())}"
        yield " ".join(str(operation.get("message", "")).split())


@explains(APPLICATION_KIND)
def not_compared(application: Object, view: ReadApi) -> Cause | None:
    """No controller compares it with Git, so that all it says is of an older commit."""
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
        f"no controller compares {name_of(application)} with Git: {listed([name_of(controller) for controller in controllers])} has {state}; {told}",
        "look at the controller's pods"
        if any(wanted)
        else "give the controller a replica (controller.replicas of the chart)",
    )


@explains(APPLICATION_KIND)
def refused(application: Object, _view: ReadApi) -> Cause | None:
    """A policy of the API server refuses an object; what a webhook says stands in the message of the sync that it fails."""
    told = next((told for message in messages_of(application) if (told := admission.refusal(message))), None)
    if told is None or not told.rule.startswith("validatingadmissionpolicy/"):
        return None
    sentence = f"{told.rule} refuses an object of {name_of(application)}: {told.sentence}"
    return Cause(admission.REFUSED, sentence, told.remedy, about=told.rule)


@explains(APPLICATION_KIND)
def not_permitted(application: Object, view: ReadApi) -> Cause | None:
    """Its project does not allow what it wants."""
    for kind, message in conditions_of(application):
        if kind == "InvalidSpecError" or (kind.endswith("Error") and FORBIDDEN.search(message)):
            return _not_permitted(application, message, view)
    return next((_not_permitted(application, m, view) for m in messages_of(application) if FORBIDDEN.search(m)), None)


def _not_permitted(application: Object, message: str, view: ReadApi) -> Cause:
    project = str(at(application, "spec", "project") or "default")
    sentence = f"{name_of(application)} may not do what it wants: {message}"
    refused = next((fields for pattern, fields in REFUSED_BY if pattern.search(message)), None)
    if refused is None:
        remedy = f"let AppProject {project} allow it, or correct source and destination of the Application"
        return Cause("application-not-permitted", sentence, remedy)
    field = refused[0]
    places = dict.fromkeys((argocd.NAMESPACE, key(application)[0]))
    live = next((found for place in places if (found := view.get(argocd.APPPROJECT, project, place))), None)
    if len(refused) > 1 and not _is_clusterwide(message, at(live, "spec") or {}):
        field = "namespaceResourceBlacklist" if at(live, "spec", "namespaceResourceBlacklist") else refused[1]
    other = {"sourceRepos": "spec.source", "destinations": "spec.destination"}.get(field, "")
    return Cause(
        "application-not-permitted",
        sentence,
        (f"correct {other} of the Application, or " if other else "")
        + f"let spec.{field} of AppProject {project} allow it",
        about=name_of(live) if live else f"appproject/{project} -n {argocd.NAMESPACE}",
        field=("spec", field),
    )


def _is_clusterwide(message: str, spec: Mapping[str, Any]) -> bool:
    """Tell whether what a project refuses is of the cluster, as far as its kind or what the project restricts tells."""
    named = RESOURCE.search(message)
    restricts = spec.get("namespaceResourceWhitelist") or spec.get("namespaceResourceBlacklist")
    return (named is not None and named["kind"] in CLUSTER_SCOPED) or not restricts


@explains(APPLICATION_KIND)
def webhook(application: Object, _view: ReadApi) -> Cause | None:
    """An admission webhook does not answer."""
    for message in messages_of(application):
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
    for message in messages_of(application):
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
    """Its manifests cannot be made from Git, or do not fit their schema, which a sync may tell before a comparison does."""
    told = [message for kind, message in conditions_of(application) if kind in {"ComparisonError", "UnknownError"}]
    told += [RETRYING.sub("", message) for message in messages_of(application) if UNTYPED.search(message)]
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
    for kind, message in conditions_of(application):
        if kind in {"SharedResourceWarning", "RepeatedResourceWarning"}:
            return Cause(
                "application-shared-resource",
                f"{name_of(application)} has an object that is not its own alone: {message}",
                "leave the object to one Application",
            )
    return None


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
