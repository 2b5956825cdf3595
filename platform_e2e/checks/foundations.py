"""A release that its own values hold breaks the promise that stands on it; what else that breaks follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from platform_e2e.checks.foundation_needs import bringing, need
from platform_e2e.checks.helm_values import location_in
from platform_e2e.diagnosis.causes import Symptom, promise_of, symptom
from platform_e2e.diagnosis.explain import explain
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops.argocd import APPLICATION
from platform_e2e.kube.objects import key
from platform_e2e.kube.read_api import ReadApi

if TYPE_CHECKING:
    from platform_e2e.foundations import ReleaseFailed
    from platform_e2e.layer import Release, Rendered

RELEASE = "release"
"""Figure of a finding about a release: its name."""

WAITS = "waits for"
"""Figure of a finding about a release that waits for what the layer brings: that object."""

STANDS_ON: dict[str, tuple[Promise, ...]] = {
    "metallb": (Promise.LOADBALANCER,),
    "kube-prometheus-stack": (Promise.MONITORING, Promise.RULES, Promise.ALERTS, Promise.DASHBOARDS),
    "argo-cd": (
        Promise.APPLICATIONS,
        Promise.SELFHEAL,
        Promise.PRUNE,
        Promise.RETRY,
        Promise.WAVES,
        Promise.ROLLBACK,
        Promise.AUDIT,
        Promise.ENVIRONMENTS,
    ),
    "sealed-secrets": (Promise.APPLICATIONS, Promise.SECRETS),
}
"""By a release's chart the promises that cannot be kept without it; its own finding breaks the first."""

CALLED = frozenset({"application-webhook", "application-missing-crd"})
"""Causes by which an Application misses what a release brings: its webhook, its kinds."""

UNTOLD = frozenset({"pod-starting"})
"""Causes that say no more than that something is not there yet: what the wait for the release found last says more."""


def promise_of_release(release: Release) -> Promise:
    """Return the promise that a release breaks first by not being ready."""
    return STANDS_ON.get(release.chart, (Promise.APPLICATIONS,))[0]


def broken(
    failure: ReleaseFailed, release: Release, root: Path, view: ReadApi, rendered: Sequence[Rendered] = ()
) -> Finding:
    """Return the finding that a release is not ready and never will be.

    Args:
        failure: how the wait for it ended.
        release: as the layer has it.
        root: the layer's directory.
        view: of the cluster, for the cause.
        rendered: every object of the layer: a release may wait for one of them. Where that one is held by a known cause, the
            finding has this cause, and the promise that it belongs to.
    """
    known = explain(failure.item, view) if failure.item else None
    if known is None or known.id in UNTOLD:
        known = Cause(
            "foundation-not-ready" if failure.holder else "foundation-not-applied",
            f"{failure.holder} of {release} is not ready: {failure.why}"
            if failure.holder
            else f"{release}: {failure.why}: {' '.join(failure.evidence.split())}",
            "correct the value that holds it" if failure.holder else "correct what Helm's sentence names",
        )
    said = f"{known.sentence} {failure.why} {failure.evidence}"
    observed = f"{failure.holder} holds it: {failure.why}" if failure.holder else f"{failure.why}:{failure.evidence}"
    wanted = need(said, str(((failure.item or {}).get("metadata") or {}).get("namespace") or release.namespace))
    brings = wanted and bringing(wanted, rendered)
    promise: str = promise_of_release(release)
    details = {RELEASE: release.name}
    if brings:
        details[WAITS] = str(wanted)
        cause, held = _waiting(f"{failure.holder} of {release} waits for {wanted}", brings, view)
        promise = promise_of(cause, promise) if held else promise
    else:
        if wanted and rendered:
            known = replace(
                known,
                id="foundation-lacks-object",
                sentence=f"{known.sentence}; no Application of the layer brings {wanted}",
            )
        cause = known.located(location_in(root, release, failure.item, said))
    return Finding(str(release), promise, "the release is ready", observed, cause, details)


def _waiting(said: str, brings: Rendered, view: ReadApi) -> tuple[Cause, bool]:
    """Return why a release waits for what an object of the layer brings, and whether that is the cause which holds this object."""
    of = f"application/{brings.application}"
    sentence = f"{said}, which {brings.kind.lower()}/{brings.name} of {of} brings ({brings.location})"
    live = view.get(brings.api, brings.name, brings.namespace)
    application = next((app for app in view.list(APPLICATION) if key(app)[1] == brings.application), None)
    for obj in (live, application):
        cause = explain(obj, view) if obj else None
        if cause is not None and cause.id not in UNTOLD:
            return replace(cause, sentence=f"{cause.sentence}; {sentence}"), True
    lacks = "and which the cluster does not have" if live is None else "and of which it is not made"
    return Cause("foundation-lacks-object", f"{sentence} {lacks}", f"see why {of} does not bring it"), False


def stands_on(promise: str, releases: Sequence[tuple[Release, Finding]]) -> Finding | None:
    """Return the finding of a release that a promise cannot be kept without, or None.

    Args:
        promise: its name.
        releases: those that are not ready, each with its finding.
    """
    fitting = (told for release, told in releases if promise in STANDS_ON.get(release.chart, ()))
    return next(fitting, None)


def follows_from(findings: Sequence[Finding], releases: Sequence[tuple[Release, Finding]]) -> Finding | None:
    """Return the finding of a release from which all of a test's findings follow, or None.

    What objects say, such as the name of a port, is wrong whatever runs.

    Args:
        findings: of the test.
        releases: those that are not ready, each with its finding.
    """
    for release, told in releases:
        if findings and all(_follows(finding, release) for finding in findings):
            return told
    return None


def _follows(finding: Finding, release: Release) -> bool:
    if RELEASE in finding.details or symptom(finding.cause) is Symptom.CONFIGURATION:
        return False
    promises = STANDS_ON.get(release.chart, (Promise.APPLICATIONS,))
    return (
        finding.promise in promises
        or promise_of(finding.cause, finding.promise) in promises
        or finding.cause.id in CALLED
    )
