"""Work out the targets that a monitor must have: from the replicas in Git, autoscalers, nodes, and the addresses of a Service."""

from __future__ import annotations

from collections.abc import Callable

from platform_e2e.diagnosis.explain.monitors import Entry, is_of_pods, matched_pods, matched_services, rules_of
from platform_e2e.diagnosis.explain.owners import Makers, behind, named, replicas, scaler_of, spec_of
from platform_e2e.diagnosis.explain.targets import addressed, takes, targets_per_pod
from platform_e2e.diagnosis.objects import at, counted, listed, name_of
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer

Declared = Callable[[Object], Object | None]
"""Takes a live object and returns it as Git has it, or None where Git does not."""


def declared_in(layer: Layer) -> Declared:
    """Return what finds an object of the cluster in a layer."""
    known = {(rendered.api, rendered.namespace or "", rendered.name): rendered.object for rendered in layer.rendered}
    return lambda live: known.get((kind_of(live), *key(live)))


def expected_targets(entry: Entry, monitor: Object, view: ReadApi, declared: Declared) -> tuple[int, str]:
    """Return how many targets an entry of a monitor must have, and in words who says so."""
    if is_of_pods(monitor):
        found = matched_pods(monitor, view)
        counts = [_of(found, entry, None, view, declared)] if found.specs else []
    else:
        services = [service for service in matched_services(monitor, view) if takes(entry, service, view)]
        counts = [_behind(service, entry, view, declared) for service in services]
    nothing = f"no {rules_of(monitor).chosen} that it selects"
    return sum(number for number, _ in counts), "; ".join(words for _, words in counts) or nothing


def _behind(service: Object, entry: Entry, view: ReadApi, declared: Declared) -> tuple[int, str]:
    """Return how many targets there must be behind a Service; without pods those of its EndpointSlices."""
    found = behind(service, view)
    if found.specs or at(service, "spec", "selector"):
        return _of(found, entry, service, view, declared)
    number = addressed(entry, service, view)
    return number, f"{counted(number, 'address', 'addresses')} of {name_of(service)}"


def _of(found: Makers, entry: Entry, service: Object | None, view: ReadApi, declared: Declared) -> tuple[int, str]:
    """Return how many targets pods must be: as many pods as Git or an autoscaler asks for, or as there are nodes."""
    number, words = 0, []
    for workload in found.workloads:
        scaler = scaler_of(workload, view)
        pods = replicas(workload, declared(workload), scaler)
        number += pods * targets_per_pod(entry, spec_of(workload), service)
        words.append(f"{name_of(workload)} with {pods}" + (f" by {name_of(scaler)}" if scaler else ""))
    number += sum(targets_per_pod(entry, spec_of(pod), service) for pod in found.apart)
    if found.apart:
        words.append(f"{counted(len(found.apart), 'pod')} of {listed(named(found.apart, view))}")
    return number, ", ".join(words) or f"no pods of {name_of(service) if service else 'the selector'}"
