"""What Git drops goes, and nothing else does: what of the layer keeps an object from being pruned, and what a commit has pruned.

Facts about Argo CD are those of 3.2.11: controller/appcontroller.go, autoSync, and gitops-engine's pkg/sync/common/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platform_e2e.checks.waves import ALWAYS
from platform_e2e.diagnosis.objects import annotations_of, at, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.leftovers import TRACKING, own_mark
from platform_e2e.kube.objects import Object, uid
from platform_e2e.layer import EXEMPT, Application, Rendered
from platform_e2e.layer.objects import SYNC_OPTIONS

NEVER = "Prune=false"
"""The sync option with which an object outlives its file."""

OR_ELSE = f"or give the reason as {EXEMPT}{Promise.PRUNE}"
"""How a remedy ends: what is done on purpose is said."""

HOLDS_DATA = frozenset({"Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"})
"""Kinds whose deletion takes data with it that Git does not have, so that to keep them is a guard and no fault."""


def check(application: Application) -> list[Finding]:
    """Return what keeps an Application from removing what Git drops, or lets it remove everything at once.

    Args:
        application: as Git has it.
    """
    if application.exempt(Promise.PRUNE):
        return []
    found = [_kept(rendered) for rendered in application.objects if _keeps(rendered)]
    policy = f"{application.spec_path}.syncPolicy"
    options = application.sync_policy.get("syncOptions") or ()
    if NEVER in options:
        where = application.place("spec", "syncPolicy", "syncOptions", list(options).index(NEVER))
        cause = Cause(
            "prune-disabled",
            f"{application} keeps everything that Git drops: {policy}.syncOptions has {NEVER}",
            f"remove it in {where}, and annotate the objects that must stay; {OR_ELSE}",
        )
        found.append(_finding(str(application), f"{policy}.syncOptions without {NEVER}", "Git says otherwise", cause))
    if at(application.sync_policy, "automated", "allowEmpty"):
        where = application.place("spec", "syncPolicy", "automated", "allowEmpty")
        cause = Cause(
            "prune-everything-allowed",
            f"{application} deletes all of its objects when its path renders nothing: {policy}.automated.allowEmpty is true",
            f"remove it in {where}: without it Argo CD refuses a commit that would empty an Application; {OR_ELSE}",
        )
        found.append(
            _finding(str(application), "a path that renders nothing deletes nothing", "it deletes everything", cause)
        )
    return found


def _keeps(rendered: Rendered) -> bool:
    never = NEVER in rendered.sync_options
    return never and rendered.kept and rendered.kind not in HOLDS_DATA and not rendered.exempt(Promise.PRUNE)


def _kept(rendered: Rendered) -> Finding:
    where = rendered.place("metadata", "annotations", SYNC_OPTIONS)
    cause = Cause(
        "prune-disabled",
        f"{rendered} stays when Git drops it: its annotation {SYNC_OPTIONS} has {NEVER}",
        f"remove it in {where}; {OR_ELSE}",
    )
    return _finding(str(rendered), "it goes when Git drops it", f"it has {NEVER}", cause)


def pruned(before: Sequence[Object], after: Sequence[Object], dropped: Iterable[Object], app: Object) -> list[Finding]:
    """Return what is wrong after a commit that dropped objects: one that is left, or a neighbour that is another one now.

    Args:
        before: the objects of the Application before the commit.
        after: those of them that the cluster has now.
        dropped: what the commit has dropped.
        app: the Application now.
    """
    gone = {name_of(obj) for obj in dropped}
    now, listed_now = {name_of(obj): obj for obj in after}, {str(each) for each in argocd.resources(app)}
    found = []
    for obj in before:
        name = name_of(obj)
        if name in gone and (name in now or name in listed_now):
            what = "it is still there" if name in now else "it is gone, and the Application still lists it"
            cause = Cause(
                "prune-incomplete",
                f"Git has dropped {name}, and {what}",
                "look at its finalizers and annotations, and at the Application's operationState",
            )
            found.append(_finding(name, "it is gone, and in no list of the Application", what, cause))
        elif name not in gone and uid(now.get(name, {})) != uid(obj):
            what = "it is another object of that name" if name in now else "it is gone"
            cause = Cause(
                "prune-took-another",
                f"Git still has {name}, and since {listed(sorted(gone))} was dropped {what}",
                "look in the audit log who deleted it",
            )
            found.append(_finding(name, "it is untouched", what, cause))
    return found


def requires_pruning(app: Object) -> list[str]:
    """Return the names of the objects that Git has dropped and the Application keeps."""
    return [str(resource) for resource in argocd.resources(app) if resource.requires_pruning]


def taken(strangers: Iterable[Object], after: Sequence[Object]) -> list[Finding]:
    """Return which objects that no Application has made are gone, after a sync that pruned.

    Args:
        strangers: these objects, as they were made.
        after: those of their namespace now.
    """
    left = {name_of(obj) for obj in after}
    found = []
    for name in (name_of(obj) for obj in strangers):
        if name not in left:
            cause = Cause(
                "prune-took-another",
                f"a sync has pruned {name}, which no Application has made",
                "look in the audit log who deleted it",
            )
            found.append(_finding(name, "it stays", "it is gone", cause))
    return found


def orphans(objects: Iterable[Object], ids: Iterable[str] = ()) -> list[str]:
    """Return the names of the objects of a namespace that belong to no Application and to no other object: nothing prunes them.

    A label of the name that Argo CD once tracked by does not make them an Application's, nor does a copied annotation: it
    names another object.

    Args:
        objects: all of the namespace.
        ids: names of the Applications that there are; an annotation that names another one counts for nothing.
    """
    known = set(ids)
    return sorted(
        name_of(obj)
        for obj in objects
        if not at(obj, "metadata", "ownerReferences")
        and (str(obj.get("kind")), str(at(obj, "metadata", "name"))) not in ALWAYS
        and not _tracked(obj, known)
    )


def _tracked(obj: Object, known: set[str]) -> bool:
    """Tell whether an object's tracking annotation is its own: `APPLICATION:GROUP/KIND:NAMESPACE/NAME`."""
    application, _, rest = str(annotations_of(obj).get(TRACKING, "")).partition(":")
    return rest == own_mark(obj, rest) and (not known or application in known)


def _finding(name: str, expected: str, observed: str, cause: Cause) -> Finding:
    return Finding(name, Promise.PRUNE, expected, observed, cause)
