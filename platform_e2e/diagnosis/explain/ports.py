"""Causes of a missing port of a monitor: no Service names it, or no container declares it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from platform_e2e.diagnosis.explain.monitors import Entry, entries, matched_pods, matched_services, rules_of
from platform_e2e.diagnosis.explain.owners import behind
from platform_e2e.diagnosis.explain.targets import addressed, asked, declared_ports, takes, targets_per_pod
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi


def of_services(monitor: Object, index: int, view: ReadApi) -> Cause | None:
    """Return why no Service that a ServiceMonitor selects has the port that an entry asks for, or no pod behind one."""
    entry = entries(monitor)[index]
    services = matched_services(monitor, view)
    taken = [service for service in services if takes(entry, service, view)]
    if not entry.get("port"):
        pods = [obj for service in services for obj in _made(service, view)]
        return _undeclared(monitor, index, pods) if pods and not taken else None
    if not taken:
        has = "; ".join(f"{name_of(s)} names {listed(list(_port_names(s)), 'none')}" for s in services)
        return Cause(
            "monitor-port-name",
            f"{name_of(monitor)} asks for the port {entry['port']}, and no Service that it selects has it: {has}",
            "write the name of the Service's port, not its number and not the container's, into spec.endpoints[].port",
            field=("spec", "endpoints", index, "port"),
        )
    if any(_leads_somewhere(entry, service, view) for service in taken):
        return None
    return next((cause for service in taken if (cause := _leads_nowhere(monitor, entry, service, view))), None)


def _made(service: Object, view: ReadApi) -> list[Object]:
    """Return what makes the pods behind a Service."""
    found = behind(service, view)
    return [*found.workloads, *found.apart]


def _leads_somewhere(entry: Entry, service: Object, view: ReadApi) -> bool:
    """Tell whether pods behind a Service have the port that an entry takes; without pods its EndpointSlices tell."""
    specs = behind(service, view).specs
    return (
        any(targets_per_pod(entry, spec, service) for spec in specs) if specs else addressed(entry, service, view) > 0
    )


def _leads_nowhere(monitor: Object, entry: Entry, service: Object, view: ReadApi) -> Cause | None:
    """Explain a named targetPort of a Service that no container behind it declares."""
    pods = _made(service, view)
    for number, port in enumerate(at(service, "spec", "ports") or ()):
        if pods and port.get("name") == entry["port"] and isinstance(port.get("targetPort"), str):
            return Cause(
                "monitor-target-port",
                f"{name_of(monitor)} has nothing to scrape: port {port['name']} of {name_of(service)} goes to a container port "
                f"named {port['targetPort']}, and its pods declare {listed(declared_ports(pods), 'none')}",
                "correct targetPort of the Service, or the name of the container's port",
                about=name_of(service),
                field=("spec", "ports", number, "targetPort"),
            )
    return None


def of_pods(monitor: Object, index: int, view: ReadApi) -> Cause | None:
    """Return why no pod that a PodMonitor selects has the port that an entry asks for."""
    entry = entries(monitor)[index]
    found = matched_pods(monitor, view)
    if any(targets_per_pod(entry, spec, None) for spec in found.specs):
        return None
    return _undeclared(monitor, index, [*found.workloads, *found.apart])


def _undeclared(monitor: Object, index: int, pods: Sequence[Object]) -> Cause:
    """Return the cause that no container declares the port that an entry asks for."""
    entry = entries(monitor)[index]
    number = isinstance(asked(entry), int)
    field = next((name for name in ("port", "portNumber", "targetPort") if entry.get(name)), "port")
    return Cause(
        "monitor-target-port",
        f"{name_of(monitor)} asks for the container port {asked(entry)}, and {listed([name_of(pod) for pod in pods])} "
        f"declares {listed(declared_ports(pods), 'none')}",
        f"write a {'number' if number else 'name'} that a container declares into spec.{rules_of(monitor).entries}[].{field}, "
        "or declare the port in the container's ports: Prometheus finds no other",
        field=("spec", rules_of(monitor).entries, index, field),
    )


def _port_names(service: Object) -> Iterator[str]:
    for port in at(service, "spec", "ports") or ():
        yield str(port.get("name") or f"(unnamed {port.get('port')})")
