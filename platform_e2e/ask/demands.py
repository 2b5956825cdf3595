"""What is waited for: from the options of a command line to sources and expectations, and what is meant where none is given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from platform_e2e.ask import applications
from platform_e2e.ask.sound import SOUND
from platform_e2e.ask.targets import Target
from platform_e2e.diagnosis.objects import name_of
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import WORKLOADS
from platform_e2e.kube.discovery import Resource
from platform_e2e.kube.expect import Expectation, Failed, Met, Pending, Polled, Source, Verdict, all_of, gone
from platform_e2e.kube.fields import Field, field
from platform_e2e.kube.kinds import Kind
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.ready import SERVICE, SERVICE_NAME, SLICE, addressed, exists, serving
from platform_e2e.kube.rollouts import condition, crd_served, endpoints_ready, job_complete, rolled_out
from platform_e2e.kube.source import pending_on

CRD = "apiextensions.k8s.io/v1/CustomResourceDefinition"
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
class Demand:
    """One thing that is waited for.

    Attributes:
        target: which object, or which objects.
        phrase: what it should be, in words that follow its name.
        source: what is read.
        judge: whether it is so.
        suspect: finds in a state the object that a cause is looked for; None where it is absent.
        revision: that an Application must be what it says, or empty.
    """

    target: Target
    phrase: str
    source: Source[Any]
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
    if found.converged_on == applications.HEAD and not found.refresh:
        raise WrongUsage(
            "--converged-on HEAD must have --refresh: which commit is HEAD is known once Argo CD has looked at Git",
            "add --refresh, which annotates the Application, or give the commit: --converged-on $(git rev-parse HEAD)",
        )
    if found.refresh and not (found.converged_on or found.none):
        raise WrongUsage("--refresh was given without --converged-on", "say what is waited for: --converged-on HEAD")
    if found.gone and not replace(found, gone=False).none:
        raise WrongUsage("--gone was given together with something that only an object can be", "give --gone alone")
    return found


def demands(kube: Reader, target: Target, chosen: Options) -> list[Demand]:
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
            raise WrongUsage(f"{option} is for {names}, and {target} is no such object", _instead(target))
    if chosen.gone:
        return [Demand(target, "is gone", _source(kube, target), gone, _first)]
    return _default(kube, target, refresh=chosen.refresh) if chosen.none else _chosen(kube, target, chosen)


def _chosen(kube: Reader, target: Target, chosen: Options) -> list[Demand]:
    """Return what the options ask for; what is said of the object itself is judged together."""
    parts: list[tuple[str, Expectation[Object | None]]] = []
    if chosen.converged_on:
        parts.append((applications.phrase(chosen.converged_on), applications.at(chosen.converged_on)))
    if chosen.rolled_out:
        parts.append(("is rolled out", rolled_out))
    if chosen.complete:
        parts.append(("is complete", job_complete))
    parts += [(f"has condition {kind}={status}", condition(kind, status)) for kind, status in chosen.conditions]
    parts += [(one.phrase, one.judge) for one in chosen.fields]
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


def _default(kube: Reader, target: Target, *, refresh: bool) -> list[Demand]:
    """Return what is meant where nothing was said."""
    if target.api == argocd.APPLICATION:
        head = applications.HEAD
        words = applications.phrase(head) if refresh else applications.COMPARED
        return [replace(_of(kube, target, words, applications.at(head)), revision=head)]
    if target.api == CRD and target.name:
        return [_served(kube, target)]
    if target.api == SERVICE and target.name:
        return [_service(kube, target)]
    ready = SOUND.get(target.api)
    if ready is not None:
        return [_of(kube, target, ready.phrase, ready.judge)]
    if not target.kind.has_status:
        return [_of(kube, target, "exists", exists)]
    raise WrongUsage(f"it is not known when {target} is as it should be", _instead(target))


def _of(kube: Reader, target: Target, phrase: str, judge: Expectation[Object | None]) -> Demand:
    """Return the demand on an object, or on each of a set."""
    if target.name:
        return Demand(target, phrase, _source(kube, target), judge, _first)

    def suspect(objects: list[Object]) -> Object | None:
        return next((obj for obj in objects if not isinstance(judge(obj), Met)), None)

    return Demand(target, phrase, _source(kube, target), _each(judge), suspect)


def _source(kube: Reader, target: Target) -> Source[Any]:
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


def _service(kube: Reader, target: Target) -> Demand:
    """Return the demand on a Service by its type, which is known only when it is there."""
    name, namespace = str(target.name), target.namespace
    source = all_of(kube.one(SERVICE, name, namespace), kube.many(SLICE, namespace, {SERVICE_NAME: name}))

    def judge(state: tuple[Object | None, list[Object]]) -> Verdict:
        balanced = ((state[0] or {}).get("spec") or {}).get("type") == "LoadBalancer"
        return addressed(state[0]) if balanced else serving(state)

    return Demand(target, "has its address or a ready endpoint", source, judge, lambda state: _first(state[0]))


def _endpoints(kube: Reader, target: Target, number: int) -> Demand:
    if not target.name:
        raise WrongUsage(f"--endpoints is asked of {target}", "name one Service")
    source = kube.many(SLICE, target.namespace, {SERVICE_NAME: target.name})
    phrase = f"has {number} ready endpoint{'s' if number > 1 else ''}"
    name, namespace = target.name, target.namespace
    return Demand(target, phrase, source, endpoints_ready(number), lambda _: kube.get(SERVICE, name, namespace))


def _served(kube: Reader, target: Target) -> Demand:
    if not target.name:
        raise WrongUsage(f"--served is asked of {target}", "name one CRD")
    name = target.name
    source = Polled(lambda: crd_served(kube, name), str(target))
    return Demand(target, "is served", source, pending_on, lambda _: kube.get(CRD, name))


def _instead(target: Target) -> str:
    """Return what may be asked of a kind."""
    special = [option for option, kinds in FOR_KINDS.values() if target.api in kinds]
    return f"use {', '.join([*special, '--condition TYPE', '--field PATH=VALUE', '--exists'])} or --gone"


def of_workloads(kube: Reader, app: Object) -> list[Demand]:
    """Return that each workload of an Application has rolled out: Argo CD may judge its health by what it was before."""
    workloads = [one for one in argocd.resources(app) if one.api in WORKLOADS]
    places = {(one.api, one.namespace) for one in workloads}
    if len(places) > MOST_STREAMS:
        raise BrokenHarness(
            f"{name_of(app)} must have workloads of at most {MOST_STREAMS} kinds and namespaces, got {len(places)}",
            "wait for its workloads by themselves",
        )
    found = []
    for one in workloads:
        kind = Kind(Resource(one.api, f"{one.kind.lower()}s", namespaced=True), one.kind.lower())
        found.append(_of(kube, Target(kind, one.name, one.namespace), "is rolled out", rolled_out))
    return found
