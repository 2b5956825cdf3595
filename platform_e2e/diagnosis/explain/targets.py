"""Targets of a monitor: the ports of pods and of Services that an entry takes, and how many targets that makes.

The rules are those of prometheus-operator 0.88.0, pkg/prometheus/promcfg.go (generateServiceMonitorConfig,
generatePodMonitorConfig), and of Prometheus 3, discovery/kubernetes (endpointslice.go, pod.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_e2e.diagnosis.explain.monitors import Entry, chooses, entries, is_of_pods, looks_at
from platform_e2e.diagnosis.explain.owners import behind, spec_of, template_labels
from platform_e2e.diagnosis.objects import SERVICE_NAME_LABEL, at, labels_of
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi


def is_like(pattern: Any, name: Any) -> bool:
    """Tell whether a port's name is what an entry asks for: the operator writes it down as a regular expression."""
    if pattern == name:
        return True
    if not isinstance(pattern, str) or not isinstance(name, str):
        return False
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return False


def asked(entry: Entry) -> Any:
    """Return the port that an entry asks for, in the order in which the operator reads its fields; None for every port."""
    return entry.get("port") or entry.get("portNumber") or entry.get("targetPort") or None


def _declared(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the ports that the containers of a pod declare, those of init containers too, with the container's name."""
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            yield str(container.get("name")), port


def _is_asked(port: Mapping[str, Any], wanted: Any) -> bool:
    """Tell whether a container's port is the one asked for, by name or by number; none asked for is every one."""
    if wanted is None:
        return True
    return wanted == port.get("containerPort") if isinstance(wanted, int) else is_like(wanted, port.get("name"))


def resolved(port: Mapping[str, Any], spec: Mapping[str, Any]) -> int | None:
    """Return the number of the pods' port that a Service's port leads to; None where no container names one so.

    Args:
        port: one of the Service's spec.ports.
        spec: of the pods.
    """
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, int):
        return target
    return next(
        (int(declared["containerPort"]) for _, declared in _declared(spec) if declared.get("name") == target), None
    )


def targets_per_pod(entry: Entry, spec: Mapping[str, Any], service: Object | None) -> int:
    """Return how many targets each pod is for an entry.

    Args:
        entry: of the monitor.
        spec: of the pods.
        service: through which a ServiceMonitor finds them; None for a PodMonitor.
    """
    return len(_taken(entry, spec, service))


def _taken(entry: Entry, spec: Mapping[str, Any], service: Object | None) -> set[tuple[str, int | None]]:
    """Return the ports of a pod that an entry takes, with the container where that makes them two."""
    wanted = asked(entry)
    declared = {(name, int(port["containerPort"])) for name, port in _declared(spec) if _is_asked(port, wanted)}
    if service is None:
        bare = (
            [container for container in spec.get("containers") or () if not container.get("ports")]
            if wanted is None
            else []
        )
        return {*declared, *((str(container.get("name")), None) for container in bare)}
    named = entry.get("port")
    ports = [
        port
        for port in at(service, "spec", "ports") or ()
        if wanted is None or (named and is_like(named, port.get("name")))
    ]
    numbers = {number for port in ports if (number := resolved(port, spec)) is not None}
    if not named:
        numbers |= {number for _, number in declared}
    return {("", number) for number in numbers}


def takes(entry: Entry, service: Object, view: ReadApi) -> bool:
    """Tell whether an entry of a ServiceMonitor takes a port of a Service, by the port's name or by its target."""
    ports = at(service, "spec", "ports") or ()
    if entry.get("port"):
        return any(is_like(entry["port"], port.get("name")) for port in ports)
    if asked(entry) is None:
        return bool(ports)
    return any(_taken(entry, spec, service) for spec in behind(service, view).specs)


def takes_port(monitor: Object, service: Object, port: Mapping[str, Any], pods: Sequence[Object]) -> bool:
    """Tell whether a monitor takes what is behind one port of a Service, by whatever way.

    Args:
        monitor: the ServiceMonitor or PodMonitor.
        service: the Service.
        port: one of its spec.ports.
        pods: those behind it, or what makes them.
    """
    if not looks_at(monitor, key(service)[0]):
        return False
    if is_of_pods(monitor):
        mine = [spec_of(obj) for obj in pods if chooses(monitor, template_labels(obj))]
        return any(
            number == resolved(port, spec)
            for entry in entries(monitor)
            for spec in mine
            for _, number in _taken(entry, spec, None)
            if number is not None
        )
    return chooses(monitor, labels_of(service)) and any(_names(entry, port, pods) for entry in entries(monitor))


def _names(entry: Entry, port: Mapping[str, Any], pods: Sequence[Object]) -> bool:
    """Tell whether an entry of a ServiceMonitor takes a port of a Service that it selects."""
    wanted = asked(entry)
    if wanted is None or entry.get("port"):
        return wanted is None or is_like(wanted, port.get("name"))
    if not pods:
        # Nothing makes pods yet: what is written is all there is.
        return wanted in {port.get("targetPort"), port.get("port")}
    return any(
        number == resolved(port, spec) and _is_asked(declared, wanted)
        for spec in map(spec_of, pods)
        for _, declared in _declared(spec)
        if (number := declared.get("containerPort")) is not None
    )


def addressed(entry: Entry, service: Object, view: ReadApi) -> int:
    """Return how many targets an entry has of a Service without pods: an address of an EndpointSlice with such a port."""
    namespace, name = key(service)
    found = {
        (address, port.get("port"))
        for piece in view.list("discovery.k8s.io/v1/EndpointSlice", namespace, labels={SERVICE_NAME_LABEL: name})
        for port in piece.get("ports") or ()
        if asked(entry) is None or is_like(entry.get("port"), port.get("name") or "")
        for endpoint in piece.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    }
    return len(found)


def ports_of(objects: Sequence[Object]) -> list[Mapping[str, Any]]:
    """Return the ports that the containers of pods, or of workloads' pod templates, declare."""
    return [port for obj in objects for _, port in _declared(spec_of(obj))]


def declared_ports(objects: Sequence[Object]) -> list[str]:
    """Return in words the ports that pods, or the templates of workloads, declare, each once: `http (8080)`."""
    words = [
        f"{port['name']} ({port.get('containerPort')})" if port.get("name") else str(port.get("containerPort"))
        for port in ports_of(objects)
    ]
    return list(dict.fromkeys(words))
