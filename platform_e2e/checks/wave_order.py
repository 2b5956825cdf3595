"""The order of a sync: waves and hooks that Git writes as Argo CD cannot read them, and the order in which objects came and went.

Facts about Argo CD are those of 3.2.11: gitops-engine's pkg/sync/syncwaves, pkg/sync/hook and pkg/sync/sync_context.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from platform_e2e.checks import waves as waves_of_layer
from platform_e2e.checks.ignore_differences import settings
from platform_e2e.checks.waves import APPLICATION_HEALTH
from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, uid
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import rolled_out
from platform_e2e.kube.verdict import Met
from platform_e2e.layer import EXEMPT, Application, Rendered
from platform_e2e.layer.objects import HOOK, SYNC_PHASES, WAVE

NUMBER = re.compile(r"[+-]?\d+")
"""What Go's strconv.Atoi takes; anything else counts as wave 0."""

HOOKS = frozenset({*SYNC_PHASES, "SyncFail", "Skip"})
"""The types of hooks (common.NewHookType of 3.2.11). An object of no other is a hook that nothing runs."""

Seen = Sequence[tuple[float, Sequence[Object]]]
"""Recorded states of the objects of a namespace, each with its monotonic time."""


def check(application: Application) -> list[Finding]:
    """Return the waves and hooks of an Application's objects that Argo CD reads as something else than they say.

    Args:
        application: as Git has it.
    """
    return [
        finding
        for rendered in application.objects
        if not rendered.exempt(Promise.WAVES)
        for finding in (*_waveless(rendered), *_never_run(rendered))
    ]


def _waveless(rendered: Rendered) -> list[Finding]:
    said = rendered.annotations.get(WAVE)
    if said is None or NUMBER.fullmatch(str(said)):
        return []
    cause = Cause(
        "wave-invalid",
        f"{rendered} is applied in wave {rendered.wave}: its annotation {WAVE} says `{said}`, which is not a whole number",
        f"write a whole number, in quotes, in {rendered.place('metadata', 'annotations', WAVE)}; {_or()}",
    )
    return [_finding(str(rendered), f"the wave `{said}`", f"wave {rendered.wave}", cause)]


def _never_run(rendered: Rendered) -> list[Finding]:
    said = [word.strip() for word in str(rendered.annotations.get(HOOK, "")).split(",") if word.strip()]
    unknown = [word for word in said if word not in HOOKS]
    if not unknown:
        return []
    effect = "is never applied" if len(unknown) == len(said) else f"is not run as {listed(unknown)}"
    cause = Cause(
        "hook-unknown",
        f"{rendered} {effect}: its annotation {HOOK} says `{rendered.annotations[HOOK]}`, and there is no hook {listed(unknown)}",
        f"write one of {', '.join(sorted(HOOKS))} in {rendered.place('metadata', 'annotations', HOOK)}; {_or()}",
    )
    return [_finding(str(rendered), f"a hook {listed(unknown)}", effect, cause)]


def unwaited(application: Application, view: ReadApi) -> list[Finding]:
    """Return the finding that an app of apps orders its Applications by waves, and Argo CD waits for none of them.

    Args:
        application: as Git has it.
        view: of the cluster, for Argo CD's settings.
    """
    children = [rendered for rendered in application.objects if rendered.kind == "Application"]
    last = max((rendered.wave for rendered in application.objects), default=0)
    early = [child for child in children if child.wave < last and not child.exempt(Promise.WAVES)]
    if not early or judges_applications(view):
        return []
    first = early[0]
    cause = Cause(
        "application-health-unknown",
        f"{application} makes {first} in wave {first.wave} and more until wave {last}, and waits for none of its Applications: "
        f"configmap/argocd-cm has no {APPLICATION_HEALTH}, so Argo CD does not judge an Application's health",
        "add the setting to the values of Argo CD's release (docs/operator-manual/health.md of Argo CD has its text), or take "
        f"the waves away in {first.place('metadata', 'annotations', WAVE)}; {_or()}",
    )
    return [_finding(str(application), f"{first} is healthy before the next wave", "nothing is waited for", cause)]


def judges_applications(view: ReadApi) -> bool:
    """Tell whether Argo CD was told how to judge the health of an Application."""
    return waves_of_layer.judges_applications((settings(view) or {}).get("data") or {})


def made_in_order(seen: Seen, waves: Mapping[str, int]) -> list[Finding]:
    """Return the findings that an object of a later wave was there before one of an earlier wave.

    Args:
        seen: what was recorded from before the sync to its end.
        waves: the wave of each object, by `Kind/name`.
    """
    return _in_order({name: _first(seen, name, lambda _: True) for name in waves}, waves, "made")


def changed_in_order(seen: Seen, waves: Mapping[str, int]) -> list[Finding]:
    """Return the findings that an object of a later wave was changed before one of an earlier wave.

    Args:
        seen: what was recorded from before the sync to its end.
        waves: the wave of each object, by `Kind/name`.
    """
    at_first = {_key(obj): _version(obj) for obj in (seen[0][1] if seen else ())}
    times = {name: _first(seen, name, _is_other(at_first.get(name))) for name in waves}
    return _in_order(times, waves, "changed")


def pruned_in_order(seen: Seen, waves: Mapping[str, int]) -> list[Finding]:
    """Return the findings that an object of an earlier wave was gone before one of a later wave: pruning goes backwards.

    Args:
        seen: what was recorded from before the sync to its end.
        waves: the wave of each object, by `Kind/name`.
    """
    times = {name: _gone(seen, name) for name in waves}
    return _in_order(times, {name: -wave for name, wave in waves.items()}, "pruned")


def replaced_in_order(seen: Seen, *, made: str, gone: str) -> list[Finding]:
    """Return the finding that an object was gone before another one was there.

    Args:
        seen: what was recorded from before the sync to its end.
        made: the one that comes, `Kind/name`.
        gone: the one that goes.
    """
    came, went = _first(seen, made, lambda _: True), _gone(seen, gone)
    if came is None or went is None:
        return [_out_of_order(made if came is None else gone, "the sync replaces one by the other", "it did not")]
    return [] if came < went else [_out_of_order(gone, f"it goes after {made} has come", "it went before it")]


def healthy_first(seen: Seen, gate: str, behind: str) -> list[Finding]:
    """Return the finding that an object was made before a workload of the wave before it was available.

    Args:
        seen: what was recorded from before the sync to its end.
        gate: the Deployment, `Kind/name`.
        behind: the object that must wait for it.
    """
    opened = _first(seen, gate, lambda obj: isinstance(rolled_out(obj), Met))
    came = _first(seen, behind, lambda _: True)
    if opened is not None and came is not None and opened < came:
        return []
    observed = "it was never made" if came is None else f"{gate} was not available when it was made"
    return [_out_of_order(behind, f"it is made once {gate} is available", observed)]


def hook_told(app: Object, hook: str, phase: str) -> list[Finding]:
    """Return the finding that the result of a sync does not tell how a hook has ended.

    Args:
        app: the Application.
        hook: `Kind/name` of it.
        phase: how it must have ended.
    """
    told = {name: (state, message) for name, state, message in argocd.sync_results(app)}
    state, message = told.get(hook, ("", ""))
    if state == phase and message:
        return []
    return [_out_of_order(hook, f"the sync tells that it {phase}", f"it tells `{state}`: {message}")]


def _in_order(times: Mapping[str, float | None], waves: Mapping[str, int], how: str) -> list[Finding]:
    missing = sorted(name for name, when in times.items() if when is None)
    if missing:
        return [_out_of_order(missing[0], f"it is {how}", f"it was never {how}")]
    ordered = sorted(waves, key=lambda name: waves[name])
    found = []
    for earlier in ordered:
        for later in ordered:
            first, second = times[earlier], times[later]
            if waves[earlier] < waves[later] and first is not None and second is not None and second <= first:
                found.append(
                    _out_of_order(
                        later, f"it is {how} after {earlier}", f"it was {how} {first - second:.2f} s before it"
                    )
                )
    return found[:1]


def _out_of_order(name: str, expected: str, observed: str) -> Finding:
    cause = Cause(
        "wave-out-of-order",
        f"the waves were not kept: {name} should be so that {expected}, and {observed}",
        "look at the Application's operationState, and at who else writes these objects (metadata.managedFields)",
    )
    return _finding(name, expected, observed, cause)


def _is_other(version: tuple[str, str] | None) -> Callable[[Object], bool]:
    return lambda obj: _version(obj) != version


def _first(seen: Seen, name: str, fits: Callable[[Object], bool]) -> float | None:
    """Return when an object was first seen that fits."""
    return next(
        (when for when, objects in seen for obj in objects if _key(obj) == name and fits(obj)),
        None,
    )


def _gone(seen: Seen, name: str) -> float | None:
    """Return when an object that had been there was gone; one that only is being deleted is still there."""
    there = False
    for when, objects in seen:
        now = any(_key(obj) == name for obj in objects)
        if there and not now:
            return when
        there = there or now
    return None


def _key(obj: Object) -> str:
    return f"{obj.get('kind')}/{obj['metadata']['name']}"


def _version(obj: Object) -> tuple[str, str]:
    return uid(obj), str(obj["metadata"].get("resourceVersion", ""))


def flattened(states: Iterable[tuple[float, Sequence[Sequence[Object]]]]) -> list[tuple[float, list[Object]]]:
    """Return the recorded states of several sources as those of one set of objects."""
    return [(when, [obj for part in parts for obj in part]) for when, parts in states]


def _or() -> str:
    return f"or give the reason as {EXEMPT}{Promise.WAVES}"


def _finding(name: str, expected: str, observed: str, cause: Cause) -> Finding:
    return Finding(name, Promise.WAVES, expected, observed, cause)
