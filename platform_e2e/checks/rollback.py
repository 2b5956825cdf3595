"""A revert in Git brings the cluster back: the same objects with the same fields, in a time that is measured.

Facts about Argo CD are those of 3.2.11: gitops-engine's pkg/sync/common/types.go and pkg/sync/sync_context.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from platform_e2e.checks.git_differences import changed_since
from platform_e2e.diagnosis.objects import listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, uid
from platform_e2e.layer import EXEMPT, Application, Rendered
from platform_e2e.layer.objects import SYNC_OPTIONS

FORCE = "Force=true"
"""The sync option with which an object is deleted and made again where it cannot be changed."""

RUN_ONCE = frozenset({"Job", "Pod"})
"""Kinds that cannot be changed and keep nothing: to make them again is the only way."""


def check(application: Application) -> list[Finding]:
    """Return what a commit and its revert would delete and make again, though Git never drops it.

    What is made again has lost what only the cluster gave it: the address of a Service, the claim of a volume.

    Args:
        application: as Git has it.
    """
    if application.exempt(Promise.ROLLBACK):
        return []
    or_else = f"or give the reason as {EXEMPT}{Promise.ROLLBACK}"
    found = [
        _forced(
            str(rendered),
            f"its annotation {SYNC_OPTIONS} has {FORCE}",
            f"remove it in {rendered.place('metadata', 'annotations', SYNC_OPTIONS)}; {or_else}",
        )
        for rendered in application.objects
        if _is_forced(rendered)
    ]
    options = list(application.sync_policy.get("syncOptions") or ())
    if FORCE in options:
        where = application.place("spec", "syncPolicy", "syncOptions", options.index(FORCE))
        remedy = f"remove it in {where}, and annotate the objects that need it; {or_else}"
        found.append(
            _forced(
                f"each object of {application}",
                f"{application.spec_path}.syncPolicy.syncOptions has {FORCE}",
                remedy,
                str(application),
            )
        )
    return found


def _is_forced(rendered: Rendered) -> bool:
    keeps = rendered.kept and rendered.kind not in RUN_ONCE
    return FORCE in rendered.sync_options and keeps and not rendered.exempt(Promise.ROLLBACK)


def _forced(what: str, why: str, remedy: str, name: str = "") -> Finding:
    cause = Cause(
        "sync-deletes-first",
        f"a commit that changes what cannot be changed deletes {what} and makes it again, and its revert does so once more: {why}",
        remedy,
    )
    return Finding(name or what, Promise.ROLLBACK, "a commit changes it", "a commit may delete it", cause)


def equal(before: Sequence[Object], after: Sequence[Object]) -> list[Finding]:
    """Return where the objects of an Application are not what they were: missing, added, or another value in a field.

    An object that was removed and made again has what the API server assigns anew, such as the cluster IP of a Service.

    Args:
        before: all that it managed before the commit.
        after: all that it manages after the revert.
    """
    then, now = ({name_of(obj): obj for obj in objects} for objects in (before, after))
    found = [_incomplete(name, "it is there", "it is not") for name in sorted(then.keys() - now.keys())]
    found += [_incomplete(name, "it is not there", "it is") for name in sorted(now.keys() - then.keys())]
    for name in sorted(then.keys() & now.keys()):
        different = changed_since(then[name], now[name])
        if different:
            finding = _incomplete(name, "as before the commit", listed([str(each) for each in different[:3]]))
            finding.details["differences"] = [asdict(each) for each in different]
            found.append(finding)
    return found


def untouched(before: Iterable[Object], after: Sequence[Object]) -> list[Finding]:
    """Return which of some objects that a commit and its revert did not name are other ones now.

    Args:
        before: these objects before the commit.
        after: all that the Application manages after the revert.
    """
    now = {name_of(obj): uid(obj) for obj in after}
    return [
        _incomplete(name_of(obj), "the very object of before", "another one of that name")
        for obj in before
        if now.get(name_of(obj)) not in {None, uid(obj)}
    ]


def recorded(before: Object, after: Object, sha: str, *, more: int) -> list[Finding]:
    """Return the finding that an Application's history does not tell of a revert.

    Args:
        before: the Application before it.
        after: the Application after it.
        sha: the commit of the revert.
        more: how many entries more it must have.
    """
    then, now = argocd.history(before), argocd.history(after)
    newest = now[-1] if now else None
    grown = (now[-1].id if now else -1) - (then[-1].id if then else -1)
    if newest is not None and sha in newest.revisions and newest.automated and grown == more:
        return []
    told = f"{newest.revisions[0][:12]} by {'itself' if newest.automated else 'a user'}" if newest else "no sync"
    name = name_of(after)
    observed = f"the last entry is of {told}, and there are {grown} more"
    cause = Cause(
        "rollback-not-recorded",
        f"the history of {name} does not tell of the revert {sha[:12]}: {observed}",
        "look at the Application's status.history and operationState",
    )
    return [Finding(name, Promise.ROLLBACK, f"{more} more, the last of them {sha[:12]}", observed, cause)]


def _incomplete(name: str, expected: str, observed: str) -> Finding:
    cause = Cause(
        "rollback-incomplete",
        f"the revert did not bring {name} back: expected {expected}, got {observed}",
        "look who else writes it (metadata.managedFields), and at the Application's operationState",
    )
    return Finding(name, Promise.ROLLBACK, expected, observed, cause)
