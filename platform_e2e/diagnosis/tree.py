"""Diagnosis of one object: expected, observed, cause, and the tree of objects below it that are held as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.deletion import held_deletion
from platform_e2e.diagnosis.explain.monitors import MONITOR_KINDS, matched
from platform_e2e.diagnosis.not_found import why_not_found
from platform_e2e.diagnosis.objects import WORKLOAD_KINDS, at, labels_of, name_of, pods_of, selects, workloads_of
from platform_e2e.diagnosis.readiness import assess
from platform_e2e.errors import HarnessError
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.answers import understood
from platform_e2e.kube.describe import event_lines
from platform_e2e.kube.errors import BadAnswer
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import SERVICE
from platform_e2e.kube.verdict import Met
from platform_e2e.layer.objects import described

DEEPEST = 6
"""How far a chain is followed: an ApplicationSet, an Application, a Service, a workload and a pod are five."""


@dataclass(frozen=True)
class Link:
    """An object that is not as it should be, and those below it which are why.

    Attributes:
        obj: the object.
        observed: what it is.
        below: the next links, the newest first.
    """

    obj: Object
    observed: str
    below: tuple[Link, ...] = ()

    def lines(self, indent: str = "") -> Iterator[str]:
        """Yield one line for it and each below it, further in."""
        yield f"{indent}{name_of(self.obj)}: {self.observed}"
        for link in self.below:
            yield from link.lines(f"{indent}  ")

    @property
    def end(self) -> Link:
        """Return the last link, following the first one each time."""
        return self.below[0].end if self.below else self


@dataclass(frozen=True)
class Diagnosis:
    """What is known about one object.

    Attributes:
        object: how a person names it.
        expected: what it should be.
        observed: what it is.
        met: whether it is what it should be, whatever else may hold it.
        cause: what holds it; None where nothing does, or where it could not be worked out.
        trouble: why the cause could not be worked out, or empty.
        chain: the objects below it that are held as well, as lines.
        events: about the last of the chain, or about itself, as lines.
        holds: the objects above it that are held by it, by name.
        unread: whether it stands for objects that could not be read, so that nothing is known.
    """

    object: str
    expected: str
    observed: str
    met: bool = False
    cause: Cause | None = None
    trouble: str = ""
    chain: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    unread: bool = False

    @property
    def sound(self) -> bool:
        """Tell whether it is what it should be and nothing holds it."""
        return self.met and self.cause is None and not self.trouble


def diagnose(obj: Object, view: ReadApi) -> Diagnosis:
    """Return what holds an object now.

    Args:
        obj: the live object.
        view: of the cluster.
    """
    try:
        with understood(name_of(obj)):
            return _diagnose(obj, view)
    except BadAnswer as error:
        return odd(obj, error)


def odd(obj: Object, error: BadAnswer) -> Diagnosis:
    """Return what is known of an object that cannot be judged, since it, or what belongs to it, has an odd shape."""
    return Diagnosis(name_of(obj), "can be judged", "it has an odd shape", trouble=str(error), unread=True)


def _diagnose(obj: Object, view: ReadApi) -> Diagnosis:
    """Return what holds an object of the documented shape."""
    state = assess(obj, view)
    met = isinstance(state.verdict, Met)
    plain = Diagnosis(
        name_of(obj), state.expected, "it is so" if isinstance(state.verdict, Met) else state.verdict.why, met
    )
    try:
        cause = cause_now(obj, view)
    except BadAnswer:
        raise
    except HarnessError as error:
        return replace(plain, trouble=str(error), events=_events(obj, view))
    if cause is None:
        return plain
    links = [] if met and state.final else _below(obj, view, {_identity(obj)})
    last = links[0].end.obj if links else obj
    chain = tuple(line for link in links for line in link.lines())
    observed = "it is held all the same" if met else plain.observed
    return replace(plain, observed=observed, cause=cause, chain=chain, events=_events(last, view))


def absent(kind: str, name: str, namespace: str | None, view: ReadApi) -> Diagnosis:
    """Return why an object is not there.

    Args:
        kind: as in a manifest.
        name: of the object.
        namespace: of the object, or None for a kind without.
        view: of the cluster.
    """
    plain = Diagnosis(described(kind.rsplit("/", 1)[1], name, namespace), "exists", "it does not exist")
    try:
        with understood(plain.object):
            return replace(plain, cause=why_not_found(kind, name, namespace, view))
    except HarnessError as error:
        return replace(plain, trouble=str(error))


def cause_now(obj: Object, view: ReadApi) -> Cause | None:
    """Return what holds an object; None where it is as it should be and no known cause affects it.

    Args:
        obj: the live object.
        view: of the cluster.
    """
    with understood(name_of(obj)):
        return _cause_now(obj, view)


def _cause_now(obj: Object, view: ReadApi) -> Cause | None:
    """Return what holds an object of the documented shape."""
    held = held_deletion(obj, view)
    if held is not None:
        return held
    state = assess(obj, view)
    if isinstance(state.verdict, Met):
        return None if state.final else explain(obj, view)
    return explain(obj, view) or Cause(
        "unexplained",
        f"none of the known causes applies to {name_of(obj)}: {state.verdict.why}",
        "look at its events and conditions, and at the log of the controller that is in charge of it",
    )


def _below(obj: Object, view: ReadApi, seen: set[tuple[str, str, str]]) -> list[Link]:
    """Return the links for the objects below one that are not as they should be."""
    if len(seen) > DEEPEST * 20:  # many objects are held alike: the first ones tell it
        return []
    links = []
    for child in _children(obj, view):
        if _identity(child) in seen:
            continue
        seen.add(_identity(child))
        state = assess(child, view)
        if not isinstance(state.verdict, Met):
            links.append(Link(child, state.verdict.why, tuple(_below(child, view, seen))))
        elif not state.final and (cause := explain(child, view)) is not None:
            links.append(Link(child, f"{state.expected}, but: {cause.sentence}", tuple(_below(child, view, seen))))
    return links


def _children(obj: Object, view: ReadApi) -> Sequence[Object]:
    """Return the objects that may be why one is not as it should be."""
    kind = kind_of(obj)
    if kind == argocd.APPLICATIONSET:
        return [app for app in view.list(argocd.APPLICATION, key(obj)[0]) if argocd.generated_by(app) == key(obj)[1]]
    if kind == argocd.APPLICATION:
        entries = [resource for resource in argocd.resources(obj) if resource.health != "Healthy"]
        found = [view.get(entry.api, entry.name, entry.namespace or None) for entry in entries]
        return [child for child in found if child is not None]
    if kind in MONITOR_KINDS:
        return matched(obj, view)
    if kind == SERVICE:
        return [*workloads_of(view, obj), *_newest(pods_of(view, obj))]
    if kind in {*WORKLOAD_KINDS, "batch/v1/Job"}:
        selector = at(obj, "spec", "selector")
        return _newest([pod for pod in view.list("v1/Pod", key(obj)[0]) if selects(selector, labels_of(pod))])
    return []


def _newest(pods: Sequence[Object]) -> list[Object]:
    """Return pods without those that are on their way out, the newest first: an older one may be of a rollout before."""
    staying = [pod for pod in pods if not at(pod, "metadata", "deletionTimestamp")]
    return sorted(staying, key=lambda pod: str(at(pod, "metadata", "creationTimestamp")), reverse=True)


def _identity(obj: Object) -> tuple[str, str, str]:
    return (kind_of(obj), *key(obj))


def _events(obj: Object, view: ReadApi) -> tuple[str, ...]:
    """Return the newest events about an object as lines; an error while telling of an error is a line, too."""
    namespace, name = key(obj)
    try:
        with understood(f"events of {name_of(obj)}"):
            return tuple(event_lines(view.events(kind_of(obj), name, namespace or None)))
    except HarnessError as error:
        return (f"cannot be read: {error.problem}",)
