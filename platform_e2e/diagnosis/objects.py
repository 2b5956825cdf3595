"""Read what explanations and checks ask of Kubernetes objects: names, label selectors, endpoints, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import READY, SERVICE, addressed
from platform_e2e.kube.verdict import Met
from platform_e2e.layer.objects import described
from platform_e2e.layer.selectors import matches

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Names the Service of an EndpointSlice (discovery.k8s.io/v1, LabelServiceName)."""

CRD = "apiextensions.k8s.io/v1/CustomResourceDefinition"

WORKLOAD_KINDS = ("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet")
"""What makes pods and stays."""

SECOND = timedelta(seconds=1)


def name_of(obj: Object) -> str:
    """Return how a finding names an object: `service/chat -n chat-dev`, which `kubectl get` takes unchanged."""
    namespace, name = key(obj)
    return described(str(obj.get("kind", "")), name, namespace)


def labels_of(obj: Object) -> Mapping[str, str]:
    """Return an object's labels."""
    return obj.get("metadata", {}).get("labels") or {}


def annotations_of(obj: Object) -> Mapping[str, str]:
    """Return an object's annotations."""
    return obj.get("metadata", {}).get("annotations") or {}


def at(obj: Any, *path: str) -> Any:
    """Follow keys down through mappings; None where one of them is absent."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return obj


def keys_to(obj: Any, text: str, above: tuple[str | int, ...] = ()) -> tuple[str | int, ...]:
    """Return the keys that lead to the first field with a text as its value; none where there is no such field.

    An item of a list is known by its name where it has one: what admits a pod may have put others before it.

    Args:
        obj: an object, or a part of one.
        text: that the field has, such as the name of a Secret.
        above: the keys that lead to the part.
    """
    items = obj.items() if isinstance(obj, Mapping) else enumerate(obj) if isinstance(obj, list) else ()
    for place, value in items:
        keys = (*above, value["name"] if isinstance(obj, list) and isinstance(at(value, "name"), str) else place)
        found = keys if value == text else keys_to(value, text, keys)
        if found:
            return found
    return ()


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector selects an object with these labels.

    An empty selector selects everything, an absent one nothing (meta/v1, LabelSelectorAsSelector).
    """
    return matches(selector, labels)


def mismatches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Return in words each requirement of a LabelSelector that the labels do not meet."""
    wanted = [
        f"{name}={value}" + (f" (it has {name}={labels[name]})" if name in labels else "")
        for name, value in (selector.get("matchLabels") or {}).items()
        if labels.get(name) != value
    ]
    wanted += [
        " ".join([expression["key"], expression["operator"], *(expression.get("values") or ())])
        for expression in selector.get("matchExpressions") or ()
        if not matches({"matchExpressions": [expression]}, labels)
    ]
    return wanted


def unmet(selector: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str | int, ...]:
    """Return the keys that lead, within a LabelSelector, to the first requirement that the labels do not meet; none where all are."""
    wrong = (name for name, value in (selector.get("matchLabels") or {}).items() if labels.get(name) != value)
    first = next(wrong, None)
    if first is not None:
        return "matchLabels", first
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        if not matches({"matchExpressions": [expression]}, labels):
            return "matchExpressions", index
    return ()


def requirements(selector: Mapping[str, Any]) -> int:
    """Return how many requirements a LabelSelector has."""
    return len(selector.get("matchLabels") or {}) + len(selector.get("matchExpressions") or ())


def includes(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Tell whether labels have every pair of a Service's plain selector."""
    return all(labels.get(name) == value for name, value in selector.items())


def condition(obj: Object, kind: str) -> Mapping[str, Any]:
    """Return a condition of an object's status, or an empty one."""
    return next((c for c in at(obj, "status", "conditions") or () if c.get("type") == kind), {})


def endpoints(view: ReadApi, service: Object) -> list[Mapping[str, Any]]:
    """Return the endpoints of all EndpointSlices of a Service, ready or not."""
    namespace, name = key(service)
    slices = view.list("discovery.k8s.io/v1/EndpointSlice", namespace, labels={SERVICE_NAME_LABEL: name})
    return [endpoint for piece in slices for endpoint in piece.get("endpoints") or ()]


def is_ready(endpoint: Mapping[str, Any]) -> bool:
    """Tell whether an endpoint takes traffic; an absent condition means yes (discovery/v1, EndpointConditions)."""
    return at(endpoint, "conditions", "ready") is not False


def pods_of(view: ReadApi, service: Object) -> list[Object]:
    """Return the pods that a Service selects; none for a Service without a selector."""
    selector = at(service, "spec", "selector") or {}
    pods = view.list("v1/Pod", key(service)[0]) if selector else []
    return [pod for pod in pods if includes(selector, labels_of(pod))]


def workloads_of(view: ReadApi, service: Object) -> list[Object]:
    """Return the workloads whose pods a Service selects, by the labels of their pod templates."""
    selector = at(service, "spec", "selector") or {}
    if not selector:
        return []
    return [
        obj
        for kind in WORKLOAD_KINDS
        for obj in view.list(kind, key(service)[0])
        if includes(selector, at(obj, "spec", "template", "metadata", "labels") or {})
    ]


def changed_at(obj: Object) -> datetime:
    """Return when anything but an object's status was written last (ManagedFieldsEntry.time), in whole seconds.

    An object as Git has it was never written: everything happened after it.
    """
    entries = at(obj, "metadata", "managedFields") or ()
    written = [entry["time"] for entry in entries if entry.get("time") and entry.get("subresource") != "status"]
    texts = (*written, at(obj, "metadata", "creationTimestamp"))
    return max((datetime.fromisoformat(str(text)) for text in texts if text), default=datetime.min.replace(tzinfo=UTC))


def since(events: Sequence[Object], *objects: Object) -> list[Object]:
    """Return the events that happened after all of the objects were written: an older one may tell of a fault that is mended."""
    changed = max(changed_at(obj) for obj in objects)
    return [event for event in events if _happened(event) >= changed]


def about(events: Sequence[Object], obj: Object) -> list[Object]:
    """Return the events about an object itself, not those of others whose names begin alike, nor of one before of its name."""
    metadata = obj.get("metadata") or {}
    mine = {"kind": obj.get("kind"), "name": metadata.get("name"), "uid": metadata.get("uid")}
    found = [(event, event.get("involvedObject") or event.get("regarding") or {}) for event in events]
    return [
        event
        for event, of in found
        if all(of.get(field) in {None, "", value} for field, value in mine.items() if value)
    ]


def of_now(events: Sequence[Object], obj: Object) -> list[Object]:
    """Return the events about the current content of an object: not of another object, and not of its earlier content.

    Args:
        events: the oldest first.
        obj: the live object.
    """
    changed, version = changed_at(obj), at(obj, "metadata", "resourceVersion")

    def is_earlier(event: Object) -> bool:
        # Times of writing are whole seconds: within the same one the version tells, where the event names it.
        told = at(event, "involvedObject", "resourceVersion")
        return bool(told and version and told != version and _happened(event) < changed + SECOND)

    return [event for event in since(about(events, obj), obj) if not is_earlier(event)]


def of_state(events: Sequence[Object], obj: Object) -> list[Object]:
    """Return the events that may still tell what is wrong with an object: of its current content, and not from before it got ready.

    What is ready has got over what was said of it before, such as a mount that failed while a pod started. Where it does not tell
    since when it is ready, nothing that was said of it counts.

    Args:
        events: the oldest first.
        obj: the live object.
    """
    current = of_now(events, obj)
    if not _is_ready(obj):
        return current
    held = [each for each in at(obj, "status", "conditions") or () if each.get("status") == "True"]
    texts = [str(each["lastTransitionTime"]) for each in held if each.get("lastTransitionTime")]
    return [event for event in current if texts and _happened(event) > max(map(datetime.fromisoformat, texts))]


def _is_ready(obj: Object) -> bool:
    """Tell whether an object itself says that it is ready; what has no such status does not."""
    kind = kind_of(obj)
    judge = addressed if kind == SERVICE else READY[kind].judge if kind in READY else None
    return isinstance(judge(obj), Met) if judge else condition(obj, "Ready").get("status") == "True"


def one_line(event: Object) -> str:
    """Return what an event says, in one line."""
    return " ".join(str(event.get("message", "")).split())


def _happened(event: Object) -> datetime:
    """Return when an event happened last; its recorders fill in different fields (core/v1 Event)."""
    texts = (
        at(event, "series", "lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        at(event, "metadata", "creationTimestamp"),
    )
    # One that tells no time is taken for one of now.
    return max((datetime.fromisoformat(str(text)) for text in texts if text), default=datetime.max.replace(tzinfo=UTC))


def counted(number: int, noun: str, several: str = "") -> str:
    """Return a number with what it counts: `1 target`, `2 targets`.

    Args:
        number: how many.
        noun: of one.
        several: of more than one or none, where it is not the noun with an s.
    """
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def listed(names: Sequence[str], nothing: str = "none") -> str:
    """Return names as a person lists them."""
    return ", ".join(names) if names else nothing
