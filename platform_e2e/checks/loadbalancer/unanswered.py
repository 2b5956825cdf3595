"""Causes of an announced address that does not answer, answers wrongly, or not every time."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address, ip_network

from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.loadbalancer.observe import ObservedService
from platform_e2e.diagnosis.objects import at, labels_of, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import key
from platform_e2e.layer import PROBE

NAMING = frozenset({"app", "application", "name", "service"})
"""Fields of an answer in which an application says its own name."""


def wrong_answer(seen: ObservedService, answer: ProbeResult) -> Cause:
    """Explain that something else answers at an address than the layer says."""
    narrow = _narrow(seen, answer)
    itself = _itself(seen, answer)
    return Cause(
        "loadbalancer-wrong-answer",
        f"{answer.where} answers, but not as the layer says: {answer.problem}{_at_times(answer)}{_others(seen, answer)}",
        narrow
        or itself
        or "look whether the Service's selector picks another application, or its targetPort another port"
        f"{_declared(seen)}; or correct the annotation platform-e2e/probe",
        field=("spec", "selector") if narrow else ("metadata", "annotations", PROBE),
    )


def _itself(seen: ObservedService, answer: ProbeResult) -> str:
    """Return the remedy where the right application answers, by its name: then selector and port of the Service are right."""
    service = seen.service or {}
    names = {*labels_of(service).values(), *(at(service, "spec", "selector") or {}).values(), key(service)[1]}
    for name, text in answer.matched:
        if (
            name.lower() in NAMING
            or (name and text in names)
            or (not name and set(re.findall(r"[\w-]+", text)) & names)
        ):
            says = f"{name} is {text!r}" if name else f"it says {text!r}"
            return (
                f"it is the right application that answers ({says}), so the Service's selector and targetPort are right: "
                "look at the application's configuration, such as its ConfigMap, or correct the annotation platform-e2e/probe"
            )
    return ""


def kept_out(seen: ObservedService, answer: ProbeResult) -> Cause | None:
    """Return the cause that NetworkPolicies keep the client away from an address that does not answer; None where none does."""
    if seen.kept_out is None:
        return None
    says = f"{answer.where} is announced and does not answer{_requests(answer)} ({answer.problem})"
    return replace(seen.kept_out, sentence=f"{says}: {seen.kept_out.sentence}")


def unreachable(seen: ObservedService, answer: ProbeResult) -> Cause:
    """Explain that there is no answer at an address that is announced, or not every time."""
    ranges = [str(text) for text in at(seen.service, "spec", "loadBalancerSourceRanges") or ()]
    asker = seen.asked_from and ip_address(seen.asked_from)
    if asker and ranges and not any(asker in ip_network(text.strip(), strict=False) for text in ranges):
        return Cause(
            "loadbalancer-source-ranges",
            f"{answer.where} does not answer {asker}: spec.loadBalancerSourceRanges of {name_of(seen.service or {})} lets "
            f"in clients of {listed(ranges)} only",
            "add the network of the clients that should get in, this one's included, or remove the field",
            field=("spec", "loadBalancerSourceRanges"),
        )
    ports = at(seen.service, "spec", "ports") or ()
    targets = [str(port.get("targetPort") or port.get("port")) for port in ports]
    ways = [
        f"port {port.get('port')} goes to port {target} of its pods"
        for port, target in zip(ports, targets, strict=True)
    ]
    narrow = _narrow(seen, answer)
    known = set(re.findall(r"[\w-]+", " ".join(seen.declared)))
    wrong = next((index for index, target in enumerate(targets) if target not in known), 0)
    return Cause(
        "loadbalancer-unreachable",
        f"{answer.where} is announced and does not answer{_requests(answer)} ({answer.problem}){_others(seen, answer)}; "
        f"{listed(ways)}",
        narrow
        or f"see that the application listens on that port, or correct targetPort of the Service{_declared(seen)}; then look at "
        "kube-proxy on the announcing node",
        field=("spec", "selector") if narrow else ("spec", "ports", wrong, "targetPort"),
    )


def _declared(seen: ObservedService) -> str:
    """Return in words which ports the pods of a Service declare; nothing where they declare none."""
    return f" (its pods declare {listed(seen.declared)})" if seen.declared else ""


def _requests(answer: ProbeResult) -> str:
    """Return in words how many requests went wrong; nothing where all did."""
    return f" {answer.asked - answer.good} of {answer.asked} requests" if answer.good else ""


def _at_times(answer: ProbeResult) -> str:
    """Return in words that not all requests went wrong; nothing where they did."""
    return f"; so it is with{_requests(answer)}" if answer.good else ""


def _others(seen: ObservedService, answer: ProbeResult) -> str:
    """Return in words whose pods the requests that went wrong may have gone to; nothing where all did."""
    if not answer.good or not seen.others:
        return ""
    selector = at(seen.service, "spec", "selector") or {}
    pairs = ", ".join(f"{name}={value}" for name, value in selector.items())
    return f", for {name_of(seen.service or {})} ({pairs}) reaches pods of {' and of '.join(seen.others)} alike"


def _narrow(seen: ObservedService, answer: ProbeResult) -> str:
    """Return the remedy for a Service that takes in pods of others; empty where it does not."""
    if not answer.good or not seen.others:
        return ""
    return "let spec.selector of the Service choose the pods of one of them only, or let all of them answer alike"
