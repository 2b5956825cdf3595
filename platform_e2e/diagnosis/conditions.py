"""Conditions of `wait`: built from the options of the command line, by kind where none is given, and joined to one wait."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platform_e2e.diagnosis import revision_conditions
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.deletion import held_deletion
from platform_e2e.diagnosis.not_found import why_not_found
from platform_e2e.diagnosis.object_refs import ResolvedRef
from platform_e2e.diagnosis.objects import CRD, name_of
from platform_e2e.diagnosis.readiness import READINESS
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import WORKLOADS
from platform_e2e.kube.answers import understood
from platform_e2e.kube.discovery import Kind, Resource
from platform_e2e.kube.expect import Expectation, Failed, Met, Pending, Polled, StateSource, Verdict, all_of, gone
from platform_e2e.kube.fields import Field, field
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.readiness import (
    SERVICE,
    SERVICE_NAME,
    SLICE,
    addressed,
    condition,
    crd_served,
    endpoints_ready,
    exists,
    job_complete,
    rolled_out,
    serving,
)
from platform_e2e.kube.sources import pending_on
from platform_e2e.kube.wait import AS_EXPECTED

JOB = "batch/v1/Job"

FOR_KINDS = {
    "converged_on": ("--converged-on", (argocd.APPLICATION,)),
    "refresh": ("--refresh", (argocd.APPLICATION,)),
    "rolled_out": ("--rolled-out", WORKLOADS),
    "complete": ("--complete", (JOB,)),
    "endpoints": ("--endpoints", (SERVICE,)),
    "served": ("--served", (CRD,)),
}
"""Options that make sense for some kinds only."""

MOST_STREAMS = 200
"""Kinds and namespaces that one wait watches: each is a connection and a thread, and a stranger's status names them."""

NAMED = 3
"""How many objects of a set a sentence names before it counts the rest."""


@dataclass(frozen=True)
class WaitCondition:
    """One thing that is waited for.

    Attributes:
        target: which object, or which objects.
        phrase: what it should be, in words that follow its name.
        source: what is read.
        judge: whether it is so.
        suspect: finds in a state the object that a cause is looked for; None where it is absent.
        revision: that an Application must be what it says, or empty.
    """

    target: ResolvedRef
    phrase: str
    source: StateSource[Any]
    judge: Expectation[Any]
    suspect: Callable[[Any], Object | None]
    revision: str = ""


@dataclass(frozen=True)
class Options:
    """What was chosen on the command line, read and checked as far as it can be without a cluster."""

    converged_on: str
    rolled_out: bool
    conditions: tuple[tuple[str, str], ...]
    complete: bool
    endpoints: int
    served: bool
    fields: tuple[Field, ...]
    exists: bool
    gone: bool
    refresh: bool = False

    @property
    def none(self) -> bool:
        """Tell whether nothing was chosen that an object must be."""
        return not any(chosen for name, chosen in self.__dict__.items() if name != "refresh")


def options(known: argparse.Namespace) -> Options:
    """Return what was chosen.

    Raises:
        WrongUsage: choices that exclude each other, or a field that cannot be read.
    """
    conditions = [text.partition("=") for text in known.condition]
    found = Options(
        known.converged_on or "",
        known.rolled_out,
        tuple((kind, status or "True") for kind, _, status in conditions),
        known.complete,
        known.endpoints or 0,
        known.served,
        tuple(field(text) for text in known.field),
        known.exists,
        known.gone,
        known.refresh,
    )
    if found.converged_on == revision_conditions.HEAD and not found.refresh:
        raise WrongUsage(
            "--converged-on HEAD must have --refresh: which commit is HEAD is known once Argo CD has looked at Git",
            "add --refresh, which annotates the Application, or give the commit: --converged-on $(git rev-parse HEAD)",
        )
    if found.refresh and not (found.converged_on or found.none):
        raise WrongUsage("--refresh was given without --converged-on", "say what is waited for: --converged-on HEAD")
    if found.gone and not replace(found, gone=False).none:
        raise WrongUsage("--gone was given together with something that only an object can be", "give --gone alone")
    return found


def conditions_for(kube: Reader, target: ResolvedRef, chosen: Options) -> list[WaitCondition]:
    """Return what is waited for of one target.

    Args:
        kube: the cluster.
        target: an object, or the objects that have labels.
        chosen: the options.

    Raises:
        WrongUsage: an option makes no sense for the kind, or the kind needs one.
    """
    for name, (option, kinds) in FOR_KINDS.items():
        if getattr(chosen, name) and target.api not in kinds:
            names = ", ".join(kind.rsplit("/", 1)[1] for kind in kinds)
            raise WrongUsage(f"{option} is for {names}, and {target} is another kind of object", _instead(target))
    if chosen.gone:
        return [WaitCondition(target, "is gone", _source(kube, target), gone, _first)]
    return _default(kube, target, refresh=chosen.refresh) if chosen.none else _chosen(kube, target, chosen)


def _chosen(kube: Reader, target: ResolvedRef, chosen: Options) -> list[WaitCondition]:
    """Return what the options ask for; what is said of the object itself is judged together."""
    parts: list[tuple[str, Expectation[Object | None]]] = []
    if chosen.converged_on:
        parts.append(
            (revision_conditions.phrase(chosen.converged_on), revision_conditions.converged_at(chosen.converged_on))
        )
    if chosen.rolled_out:
        parts.append(("is rolled out", rolled_out))
    if chosen.complete:
        parts.append(("is complete", job_complete))
    parts += [(f"has condition {kind}={status}", condition(kind, status)) for kind, status in chosen.conditions]
    parts += [(field.phrase, field.judge) for field in chosen.fields]
    if chosen.exists and not parts:
        parts.append(("exists", exists))
    found = []
    if parts:
        phrase = " and ".join(words for words, _ in parts)
        judge = parts[0][1] if len(parts) == 1 else all_of(*(judge for _, judge in parts))
        found.append(replace(_of(kube, target, phrase, judge), revision=chosen.converged_on))
    if chosen.endpoints:
        found.append(_endpoints(kube, target, chosen.endpoints))
    if chosen.served:
        found.append(_served(kube, target))
    return found


def _default(kube: Reader, target: ResolvedRef, *, refresh: bool) -> list[WaitCondition]:
    """Return what is meant where nothing was said."""
    if target.api == argocd.APPLICATION:
        head = revision_conditions.HEAD
        words = revision_conditions.phrase(head) if refresh else revision_conditions.COMPARED
        return [replace(_of(kube, target, words, revision_conditions.converged_at(head)), revision=head)]
    if target.api == CRD and target.name:
        return [_served(kube, target)]
    if target.api == SERVICE and target.name:
        return [_service(kube, target)]
    ready = READINESS.get(target.api)
    if ready is not None:
        return [_of(kube, target, ready.phrase, ready.judge)]
    if not target.kind.has_status:
        return [_of(kube, target, "exists", exists)]
    raise WrongUsage(f"it is not known when {target} is as it should be", _instead(target))


def _of(kube: Reader, target: ResolvedRef, phrase: str, judge: Expectation[Object | None]) -> WaitCondition:
    """Return the condition of an object, or on each of a set."""
    if target.name:
        return WaitCondition(target, phrase, _source(kube, target), judge, _first)

    def suspect(objects: list[Object]) -> Object | None:
        return next((obj for obj in objects if not isinstance(judge(obj), Met)), None)

    return WaitCondition(target, phrase, _source(kube, target), _each(judge), suspect)


def _source(kube: Reader, target: ResolvedRef) -> StateSource[Any]:
    if target.name:
        return kube.one(target.api, target.name, target.namespace)
    return kube.many(target.api, target.namespace, target.labels)


def _first(state: Any) -> Object | None:
    """Return the object, or the first of several."""
    if isinstance(state, list):
        return state[0] if state else None
    return state if isinstance(state, dict) else None


def _each(judge: Expectation[Object | None]) -> Expectation[list[Object]]:
    """Return the expectation that there are objects and that each is as it should be; its value is the list."""

    def judge_all(objects: list[Object]) -> Verdict:
        if not objects:
            return Pending("there is none")
        verdicts = [(name_of(obj), judge(obj)) for obj in objects]
        for kind in (Failed, Pending):
            whys = [f"{name}: {verdict.why}" for name, verdict in verdicts if isinstance(verdict, kind)]
            if whys:
                more = f" and {len(whys) - NAMED} more" if len(whys) > NAMED else ""
                return kind("; ".join(whys[:NAMED]) + more)
        return Met(objects)

    return judge_all


def _service(kube: Reader, target: ResolvedRef) -> WaitCondition:
    """Return the condition of a Service by its type, which is known only when it is there."""
    name, namespace = str(target.name), target.namespace
    source = all_of(kube.one(SERVICE, name, namespace), kube.many(SLICE, namespace, {SERVICE_NAME: name}))

    def judge(state: tuple[Object | None, list[Object]]) -> Verdict:
        balanced = ((state[0] or {}).get("spec") or {}).get("type") == "LoadBalancer"
        return addressed(state[0]) if balanced else serving(state)

    return WaitCondition(target, "has its address or a ready endpoint", source, judge, lambda state: _first(state[0]))


def _endpoints(kube: Reader, target: ResolvedRef, number: int) -> WaitCondition:
    if not target.name:
        raise WrongUsage(f"--endpoints is asked of {target}", "name one Service")
    source = kube.many(SLICE, target.namespace, {SERVICE_NAME: target.name})
    phrase = f"has {number} ready endpoint{'s' if number > 1 else ''}"
    name, namespace = target.name, target.namespace
    return WaitCondition(target, phrase, source, endpoints_ready(number), lambda _: kube.get(SERVICE, name, namespace))


def _served(kube: Reader, target: ResolvedRef) -> WaitCondition:
    if not target.name:
        raise WrongUsage(f"--served is asked of {target}", "name one CRD")
    name = target.name
    source = Polled(lambda: crd_served(kube, name), str(target))
    return WaitCondition(target, "is served", source, pending_on, lambda _: kube.get(CRD, name))


def _instead(target: ResolvedRef) -> str:
    """Return what may be asked of a kind."""
    special = [option for option, kinds in FOR_KINDS.values() if target.api in kinds]
    return f"use {', '.join([*special, '--condition TYPE', '--field PATH=VALUE', '--exists'])} or --gone"


def rollouts_of(kube: Reader, app: Object) -> list[WaitCondition]:
    """Return that each workload of an Application has rolled out: Argo CD may judge its health by what it was before."""
    workloads = [resource for resource in argocd.resources(app) if resource.api in WORKLOADS]
    places = {(workload.api, workload.namespace) for workload in workloads}
    if len(places) > MOST_STREAMS:
        raise BrokenHarness(
            f"{name_of(app)} must have workloads of at most {MOST_STREAMS} kinds and namespaces, got {len(places)}",
            "wait for its workloads by themselves",
        )
    found = []
    for workload in workloads:
        kind = Kind(Resource(workload.api, f"{workload.kind.lower()}s", namespaced=True), workload.kind.lower())
        found.append(_of(kube, ResolvedRef(kind, workload.name, workload.namespace), "is rolled out", rolled_out))
    return found


class JointCondition:
    """What one wait is for.

    Args:
        parts: that must all hold, at least one.
        view: of the cluster, for causes.

    Attributes:
        source: of the states.
        state: that was judged last; None before the first.
    """

    def __init__(self, parts: Sequence[WaitCondition], view: ReadApi) -> None:
        self.parts = tuple(parts)
        self.source: StateSource[Any] = parts[0].source if len(parts) == 1 else all_of(*(part.source for part in parts))
        self.state: Any = None
        self._view = view
        self._words = ""
        self._now: dict[str, str] = {}
        self._told: dict[str, str] = {}

    @property
    def what(self) -> str:
        """Return the sentence of what is expected, what is expected of one target together."""
        phrases: dict[str, list[str]] = {}
        for part in self.parts:
            target = str(part.target) if part.target.name else f"each of {part.target}"
            phrases.setdefault(target, []).append(part.phrase)
        together: dict[str, list[str]] = {}
        for target, said in phrases.items():
            together.setdefault(" and ".join(said), []).append(target)
        return "; ".join(
            f"{'each of ' if len(targets) > 1 else ''}{', '.join(targets)} {phrase}"
            for phrase, targets in together.items()
        )

    def judge(self, state: Any) -> Verdict:
        """Judge a state of the source; where there are several targets, each reason names its own."""
        self.state = state
        with understood(self.source.describe()):
            verdicts = [(str(condition.target), condition.judge(part)) for condition, part in self._with_state(state)]
        several = len({name for name, _ in verdicts}) > 1
        self._now = dict.fromkeys((name for name, _ in verdicts), AS_EXPECTED) if several else {}
        verdict: Verdict = Met()
        for kind in (Pending, Failed):
            lacking = [(name, verdict.why) for name, verdict in verdicts if isinstance(verdict, kind)]
            if lacking:
                verdict = kind("; ".join(f"{name}: {why}" if several else why for name, why in lacking))
                self._now |= dict(lacking) if several else {}
        self._words = verdict.why if isinstance(verdict, Pending | Failed) else AS_EXPECTED
        return verdict

    def news(self, words: str) -> list[str]:
        """Return in words what has changed: of several targets only those that have.

        Args:
            words: of the whole state, or what the wait has to say of the reading itself.
        """
        if words != self._words or not self._now:
            return [words]
        changed = [f"{name}: {said}" for name, said in self._now.items() if self._told.get(name) != said]
        self._told = dict(self._now)
        return changed

    def explain(self, state: Any) -> Cause | None:
        """Return why the first condition that is not met is not."""
        with understood(self.source.describe()):
            for condition, part in self._with_state(state):
                if isinstance(condition.judge(part), Met):
                    continue
                obj = condition.suspect(part)
                if condition.judge is gone:
                    return held_deletion(obj, self._view) if obj else None
                return cause_of(condition, obj, self._view)
            return None

    def commits(self) -> str:
        """Return in words the commits that the Applications of the last state are at; empty without Applications."""
        revisions = [revision[:12] for app in self.applications() for revision in argocd.revisions(app)]
        return ", ".join(dict.fromkeys(revisions))

    def applications(self) -> list[Object]:
        """Return the Applications of the last state that were to be what a commit says."""
        found = [
            part if isinstance(part, list) else [part]
            for condition, part in self._with_state(self.state)
            if condition.revision
        ]
        return [app for several in found for app in several if app is not None]

    def _with_state(self, state: Any) -> list[tuple[WaitCondition, Any]]:
        """Return each condition with its part of a state."""
        return list(zip(self.parts, (state,) if len(self.parts) == 1 else state, strict=True))


def cause_of(part: WaitCondition, obj: Object | None, view: ReadApi) -> Cause | None:
    """Return why an object is not as it must be, or why it is not there."""
    if obj is not None:
        return held_deletion(obj, view) or explain(obj, view)
    target = part.target
    return why_not_found(target.api, target.name, target.namespace, view) if target.name else None
