"""What the layer is not to blame for: what something that is not judged would bring, and what only a real program would show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from platform_e2e.finding import Cause, Finding
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.renderer import Reason

ONLY_THE_REAL = frozenset(
    {
        "loadbalancer-wrong-answer",
        "monitor-samples-dropped",
        "monitor-series-missing",
        "scrape-error",
    }
)
"""Causes that a stand-in gives rise to where the wiring is right: what it answers and delivers is its own."""

NAMESPACE = re.compile(r"namespaces? \\?\"(?P<name>[\w.-]+)\\?\" not found")
SERVICE = re.compile(r"service \\?\"(?P<name>[\w.-]+)\\?\" not found")
KIND = re.compile(
    r"no matches for kind \\?\"?(?P<kind>\w+)\\?\"? in version \\?\"?(?P<group>[\w.-]+)/\w+"
    r"|could not find (?P<group2>[\w.-]+)/(?P<kind2>\w+)\b|\"(?P<group3>[\w-]+\.[\w.-]+)\" not found|CRD (?P<group4>[\w.-]+)"
)
OBJECT = re.compile(
    r"(?P<kind>secret|configmap|persistentvolumeclaim|serviceaccount|priorityclass|storageclass|storageclass\.storage\.k8s\.io)s?"
    r" \\?\"?(?P<name>[\w.-]+)\\?\"?:? not found|error looking up service account [\w.-]+/(?P<account>[\w.-]+)"
    r"|no PriorityClass with name (?P<priority>[\w.-]+)",
    re.IGNORECASE,
)
LOOKUP = re.compile(
    r"(?:lookup (?P<host>[\w.-]+)|(?P<host2>[\w.-]+): (?:no such host|Name or service not known)"
    r"|could not translate host name \\?\"(?P<host3>[\w.-]+))"
)
"""How a program says that it does not find a Service that it calls."""

WORDS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "application-missing-crd": (KIND,),
    "application-api-not-served": (KIND,),
    "application-webhook": (SERVICE,),
    "application-sync-failed": (NAMESPACE, KIND, SERVICE),
    "application-retrying": (NAMESPACE, KIND, SERVICE),
    "application-refused": (NAMESPACE,),
    "pod-configuration": (OBJECT,),
    "pod-crash": (LOOKUP,),
    "pod-unschedulable": (OBJECT,),
    "workload-refused": (OBJECT,),
}
"""The causes of what lacks something, and how their sentences name it."""

WHOLE = frozenset(
    {
        "ingress-without-controller",
        "loadbalancer-class-missing",
        "loadbalancer-no-pool",
        "loadbalancer-pool-unknown",
        "monitor-service-unmatched",
        "release-without-monitor",
        "service-without-monitor",
    }
)
"""Causes that say themselves what is not there: a controller, a pool, a Service, a monitor."""

NAMESPACED = re.compile(r"secret|configmap|persistentvolumeclaim|serviceaccount", re.IGNORECASE)

_COMMON = frozenset({"app", "apps", "argocd", "system", "service", "the", "com", "org", "dev", "io"})
"""Parts of names that say nothing."""


def behind(
    findings: Sequence[Finding], not_judged: Sequence[NotJudged], unproven: Sequence[NotJudged]
) -> NotJudged | None:
    """Return why findings tell of no fault: what is not judged would bring what they lack, or a stand-in cannot do it; or None.

    Args:
        findings: what keeps a test from its end.
        not_judged: objects of the layer that are not judged.
        unproven: what of the others only the real program could prove.
    """
    real = {each.object: each for each in unproven if each.reason == Reason.STAND_IN}
    bringing = [each for each in not_judged if _may_bring(each)]
    found = [_of_stand_in(finding, real) or _brought(finding, bringing) for finding in findings]
    return found[0] if found and all(found) else None


def _may_bring(unknown: NotJudged) -> bool:
    """Tell whether something would bring objects to this cluster, were it judged."""
    return unknown.identity[0] in {"application", "applicationset"} and unknown.reason != Reason.DESTINATION


def _of_stand_in(finding: Finding, real: Mapping[str, NotJudged]) -> NotJudged | None:
    return real.get(finding.object) if finding.cause.id in ONLY_THE_REAL else None


def _brought(finding: Finding, bringing: Sequence[NotJudged]) -> NotJudged | None:
    """Return what most likely would bring what a finding lacks."""
    lacks = lacked(finding.cause)
    if lacks is None or not bringing:
        return None
    what, names = lacks
    akin = [each for each in bringing if _tokens(each.identity[2]) & _tokens(*names)]
    there = akin or [each for each in bringing if _fits(each, what, finding, names)]
    if not there:
        return None
    first = there[0]
    others = f", or {len(there) - 1} more that are not judged" if len(there) > 1 else ""
    return replace(first, problem=f"it may bring {what}{others}: {first.problem}")


def lacked(cause: Cause) -> tuple[str, tuple[str, ...]] | None:
    """Return what a cause says is not there, in a few words, and the names in it; None where it says no such thing."""
    if cause.id in WHOLE:
        return "what it lacks", (cause.sentence.partition(" -n ")[0],)
    for pattern in WORDS.get(cause.id, ()):
        found = pattern.search(cause.sentence)
        if found:
            names = tuple(dict.fromkeys(text for text in found.groups() if text))
            kind = {NAMESPACE: "namespace ", SERVICE: "service ", LOOKUP: "service ", KIND: "kind "}.get(pattern, "")
            return f"{kind}{'/'.join(names)}", names
    return None


def _fits(unknown: NotJudged, what: str, finding: Finding, names: Sequence[str]) -> bool:
    """Tell whether something that is not akin by its name may bring it all the same: by the namespace that it is for."""
    if unknown.destination is None:
        return True
    if what.startswith("namespace "):
        return unknown.destination in {"", *names}
    if NAMESPACED.match(what):
        namespaces = {
            text.partition(" -n ")[2].split()[0] for text in (finding.cause.through, finding.object) if " -n " in text
        }
        namespaces |= set(re.findall(r" -n ([\w.-]+)", finding.cause.sentence))
        return unknown.destination in {"", *namespaces}
    return True


def _tokens(*names: str) -> set[str]:
    parts = {part for name in names for part in re.split(r"[^a-z0-9]+", name.lower())}
    return {part for part in parts if len(part) > 2} - _COMMON
