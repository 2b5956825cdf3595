"""Everything in a cluster that is not as it should be, each cause once, with all that it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from platform_e2e.diagnosis.explain.monitors import MONITOR_KINDS
from platform_e2e.diagnosis.objects import at, name_of
from platform_e2e.diagnosis.registry import registered
from platform_e2e.diagnosis.tree import Diagnosis, cause_now, diagnose, odd
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.answers import understood
from platform_e2e.kube.errors import BadAnswer, Forbidden
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi

FROM_BELOW = ("v1/Pod", "bitnami.com/v1alpha1/SealedSecret", "batch/v1/Job")
FROM_ABOVE = ("v1/Service", *MONITOR_KINDS, argocd.APPLICATION, argocd.APPLICATIONSET)
"""Kinds in the order in which a fault climbs; what is not named, such as workloads, lies in between."""


def scan(view: ReadApi, namespace: str | None = None) -> list[Diagnosis]:
    """Return one diagnosis for each cause: of the lowest object that it holds, with the names of the others.

    Args:
        view: of the cluster.
        namespace: only what lives in it, or is deployed to it by an Application; None for the whole cluster.

    Returns:
        What has an odd shape, and what could not be read for want of a permission, named by kind, stands at the end.

    Raises:
        ApiError: the API server did not answer.
    """
    groups: dict[tuple[str, str], list[Object]] = {}
    by_sentence: dict[str, tuple[str, str]] = {}
    unread: dict[str, Forbidden] = {}
    strange: list[Diagnosis] = []
    for kind in _kinds():
        try:
            for obj in view.list(kind, None if kind == argocd.APPLICATION else namespace):
                try:
                    with understood(name_of(obj)):
                        cause = cause_now(obj, view) if _is_meant(obj, namespace) else None
                        place = (cause.sentence, _group(obj, cause)) if cause else None
                except BadAnswer as error:
                    strange.append(odd(obj, error))
                    continue
                if place is not None:
                    groups.setdefault(by_sentence.setdefault(*place), []).append(obj)
        except Forbidden as error:
            # A user who may read only a part is told about that part, and what is missing.
            unread[kind.rsplit("/", 1)[1]] = error
    found = [
        replace(diagnose(first, view), holds=tuple(name_of(other) for other in others))
        for first, *others in groups.values()
    ]
    return [*found, *strange, *_unread(unread)]


def _unread(errors: Mapping[str, Forbidden]) -> Iterator[Diagnosis]:
    """Yield what stands for the kinds that this user may not list."""
    for error in list(errors.values())[:1]:
        names, first = ", ".join(errors), str(error)
        observed = "this user may not list them, so nothing is known of them"
        yield Diagnosis(names, "can be judged", observed, trouble=first, unread=True)


def _group(obj: Object, cause: Cause) -> tuple[str, str]:
    """Return what causes have in common that are one: their sentence, or for pods the workload that made them all."""
    if kind_of(obj) == "v1/Pod":
        owner = next(
            (reference for reference in at(obj, "metadata", "ownerReferences") or () if reference.get("controller")),
            None,
        )
        if owner is not None:
            return cause.id, str(owner.get("uid"))
    return cause.id, cause.sentence


def _kinds() -> list[str]:
    """Return every kind that has explanations, what a fault begins at first."""
    between = [kind for kind in registered() if kind not in {*FROM_BELOW, *FROM_ABOVE}]
    return [*FROM_BELOW, *between, *FROM_ABOVE]


def _is_meant(obj: Object, namespace: str | None) -> bool:
    """Tell whether an object is to be looked at."""
    return _belongs(obj, namespace) and not _is_ending(obj)


def _belongs(obj: Object, namespace: str | None) -> bool:
    """Tell whether an object is meant; an Application is by what it deploys to."""
    return namespace in {None, key(obj)[0], at(obj, "spec", "destination", "namespace")}


def _is_ending(obj: Object) -> bool:
    """Tell whether an object is on its way out and nothing holds it: pods come and go."""
    meta = obj.get("metadata") or {}
    return bool(meta.get("deletionTimestamp")) and not meta.get("finalizers")
