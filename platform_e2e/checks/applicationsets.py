"""An ApplicationSet keeps what it has made: what its template says reaches Applications that exist, and what Git drops goes.

The policies are those of Argo CD 3.2.11 (pkg/apis/application/v1alpha1/applicationset_types.go, applicationset/utils/policy.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from platform_e2e.checks.ignore_differences import Rule
from platform_e2e.checks.ignored_fields import stated
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import EXEMPT, Application, ApplicationSet

PARAMETERS = "argocd-cmd-params-cm"
POLICY, OVERRIDE = "applicationsetcontroller.policy", "applicationsetcontroller.enable.policy.override"
"""ConfigMap and keys by which the policy of all ApplicationSets is set."""

KEEPS_CHANGES = ("create-only", "create-delete")
"""Policies by which an Application that exists is never updated."""

KEEPS_DROPPED = ("create-only", "create-update")
"""Policies by which an Application that is generated no more is never deleted."""

POLICY_FIELD, IGNORED_FIELD = ("spec", "syncPolicy", "applicationsSync"), ("spec", "ignoreApplicationDifferences")
"""Fields of an ApplicationSet by which its Applications may be otherwise than its template says."""

NAMED = 3
"""How many fields a sentence names before it counts the rest."""


def check(owner: ApplicationSet, made: list[Application], view: ReadApi) -> list[Finding]:
    """Return that an ApplicationSet lets its Applications be otherwise than its template says, or keeps what it no longer makes.

    Args:
        owner: the ApplicationSet, as Git has it.
        made: the Applications that it generates.
        view: of the cluster, for what holds for all ApplicationSets.
    """
    if owner.annotations.get(EXEMPT + Promise.APPLICATIONS):
        return []
    policy, where = _policy(owner.manifest, view)
    if policy in KEEPS_CHANGES:
        return [
            _changed(
                owner,
                POLICY_FIELD,
                f"{where} is {policy}: what its template says never reaches an Application that exists",
            )
        ]
    ignored = dict.fromkeys(_ignored(owner, made))
    if ignored:
        fields = [*ignored]
        rest = len(fields) - NAMED
        named = listed(fields[:NAMED]) + (f" and {rest} more fields" if rest > 0 else "")
        why = f"spec.ignoreApplicationDifferences leaves its Applications as they are at {named}"
        return [
            _changed(
                owner,
                IGNORED_FIELD,
                f"{why}: what its template says there never reaches one that exists, and no edit is undone",
            )
        ]
    if policy in KEEPS_DROPPED:
        cause = Cause(
            "application-not-pruning",
            f"{owner} keeps what Git drops: {where} is {policy}, so an Application that it no longer generates stays",
            f"remove the policy in {owner.place(*POLICY_FIELD)}, or give the reason as {EXEMPT}{Promise.APPLICATIONS} on the ApplicationSet",
        )
        return [Finding(str(owner), Promise.APPLICATIONS, "what Git drops goes", f"its policy is {policy}", cause)]
    return []


def lets_differ(app: Object, pointer: str, view: ReadApi) -> str:
    """Return why the ApplicationSet of an Application does not bring a field back, in words; empty where it does.

    Args:
        app: the Application, as the cluster has it.
        pointer: JSON pointer of the field.
        view: of the cluster.
    """
    name = argocd.generated_by(app)
    owner = view.get(argocd.APPLICATIONSET, name, key(app)[0]) if name else None
    if owner is None:
        return ""
    policy, where = _policy(owner, view)
    if policy in KEEPS_CHANGES:
        return f"{where} of {name_of(owner)} is {policy}"
    if any(pointer == ignored or pointer.startswith(f"{ignored}/") for ignored in _pointers(owner, app)):
        return f"spec.ignoreApplicationDifferences of {name_of(owner)} ignores it"
    return ""


def _policy(owner: Object, view: ReadApi) -> tuple[str, str]:
    """Return the policy that holds for an ApplicationSet, and where it stands."""
    given = at(view.get("v1/ConfigMap", PARAMETERS, argocd.NAMESPACE) or {}, "data") or {}
    general = str(given.get(POLICY) or "")
    own = str(at(owner, "spec", "syncPolicy", "applicationsSync") or "")
    overridden = str(given.get(OVERRIDE) or ("false" if general else "true")) == "true"
    if own and overridden:
        return own, "spec.syncPolicy.applicationsSync"
    return general, f"{POLICY} in configmap/{PARAMETERS}"


def _ignored(owner: ApplicationSet, made: list[Application]) -> Iterator[str]:
    """Yield the fields of the template that the ApplicationSet leaves alone in an Application that exists."""
    for application in made:
        pointers = _pointers(owner.manifest, application.manifest)
        yield from (f for f in stated(application.manifest) if any(f == p or f.startswith(f"{p}/") for p in pointers))


def _pointers(owner: Object, app: Object) -> list[str]:
    """Return JSON pointers of what an ApplicationSet leaves alone in one of its Applications."""
    entries = at(owner, "spec", "ignoreApplicationDifferences") or ()
    about = [entry for entry in entries if entry.get("name") in {None, "", key(app)[1]}]
    return [pointer for entry in about for pointer in Rule("", _as_rule(entry)).leads_to(app)]


def _as_rule(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("jsonPointers", "jqPathExpressions")}


def _changed(owner: ApplicationSet, field: tuple[str, ...], why: str) -> Finding:
    cause = Cause(
        "application-changed",
        f"{owner} does not keep its Applications as {owner.file} says: {why}",
        f"remove it in {owner.place(*field)}, or give the reason as {EXEMPT}{Promise.APPLICATIONS} on the ApplicationSet",
    )
    return Finding(str(owner), Promise.APPLICATIONS, f"Applications are as {owner.file} says", why, cause)
