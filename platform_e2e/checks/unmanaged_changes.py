"""What was changed by hand in fields that Git does not state: Argo CD does not see it, managedFields tell it.

An added label, environment variable or annotation is no drift for Argo CD (scenario D4): the Application stays Synced, and the next
sync leaves it. So it is listed beside the verdict, with the field, the manager and the time. It breaks a promise only where the team's
platform-e2e.yaml says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.checks.git_differences import SERVER_SET, SERVER_SET_ANNOTATIONS
from platform_e2e.diagnosis.objects import at
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, Rendered

CONTROLLERS = frozenset(
    {
        "argocd-controller",
        "argocd-applicationset-controller",
        "before-first-apply",
        "cloud-controller-manager",
        "k3s",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
    }
)
"""Managers that are Kubernetes itself or Argo CD (common.ArgoCDSSAManager, 3.2.11), whatever their programs are called."""

OPEN = frozenset({("f:metadata", "f:labels"), ("f:metadata", "f:annotations"), ("f:data",)})
"""Maps to which anything may be added: each added key is a change of its own."""

ARGOCDS = "argocd.argoproj.io/"
"""How annotations begin with which Argo CD tracks an object; who takes one over by server-side apply owns them too."""

_ABSENT = object()


@dataclass(frozen=True)
class UnmanagedChange:
    """One field that a person or a program of theirs wrote, and that Git does not state.

    Attributes:
        object: named as findings do.
        field: in the form `spec.template.spec.containers[chat].env[DEBUG]`.
        manager: who wrote it, as metadata.managedFields says.
        time: of that manager's last write to the object, in UTC.
    """

    object: str
    field: str
    manager: str
    time: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.object}: {self.field} was written by {self.manager} ({self.time}), and Git does not state it"


def of_layer(
    objects: Iterable[Rendered], view: ReadApi, whole: Callable[[str, str, str | None], Object | None]
) -> Iterator[UnmanagedChange]:
    """Yield the unmanaged changes of objects.

    Args:
        objects: as Git has them.
        view: of the cluster; its lists need not have the fields of managedFields.
        whole: returns one object with all of its managedFields; called only for those that a manager wrote which is no controller.
    """
    known = controllers(view.list("v1/Pod"))
    for rendered in objects:
        live = view.get(rendered.api, rendered.name, rendered.namespace)
        managers = {str(entry.get("manager") or "unknown") for entry in at(live, "metadata", "managedFields") or ()}
        if managers - known:
            yield from changes(rendered, whole(rendered.api, rendered.name, rendered.namespace) or {}, known)


def findings(found: Iterable[UnmanagedChange], layer: Layer) -> list[Finding]:
    """Return a finding for each unmanaged change, for a team whose policy is that there is none.

    Args:
        found: the changes.
        layer: that has the objects.
    """
    by_name = {str(rendered): rendered for rendered in layer.rendered}
    return [
        Finding(
            change.object,
            Promise.SELFHEAL,
            "nothing but what Git states",
            str(change),
            layer.located(
                Cause(
                    "unmanaged-change",
                    f"{change.manager} wrote {change.field} of {change.object} at {change.time}, which Git does not state: Argo CD "
                    "neither shows nor heals it",
                    "write it in Git, or remove it from the cluster",
                ),
                by_name.get(change.object),
            ),
        )
        for change in found
    ]


def controllers(pods: Iterable[Object]) -> frozenset[str]:
    """Return what the managers of programs that run in the cluster are called: by default a client's is its program's name.

    (k8s.io/client-go 0.34, rest.DefaultKubernetesUserAgent; apimachinery, managedfields)

    Args:
        pods: of the cluster.
    """
    found = set(CONTROLLERS)
    for pod in pods:
        for container in (*(at(pod, "spec", "containers") or ()), *(at(pod, "spec", "initContainers") or ())):
            image = str(container.get("image") or "").partition("@")[0]
            words = (str(container.get("name") or ""), image.rpartition("/")[2].partition(":")[0])
            found |= {word for word in (*words, *_programs(container)) if word}
    return frozenset(found)


def _programs(container: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the program that a container says it runs; others are known by its image or its own name."""
    for word in (*(container.get("command") or ())[:1], *(container.get("args") or ())[:1]):
        yield str(word).rpartition("/")[2]


def changes(rendered: Rendered, live: Object, known: Collection[str]) -> Iterator[UnmanagedChange]:
    """Yield the fields of an object that a manager other than a controller wrote and that Git does not state.

    Args:
        rendered: the object as Git has it.
        live: as the cluster has it, with its metadata.managedFields.
        known: managers that are controllers (`controllers`).
    """
    told: set[str] = set()
    for entry in at(live, "metadata", "managedFields") or ():
        manager = str(entry.get("manager") or "unknown")
        if manager in known or entry.get("subresource") == "status":
            continue
        for path in _added((), entry.get("fieldsV1") or {}, live, rendered.object):
            field = _written(path)
            if field not in told and not _is_servers(path):
                told.add(field)
                yield UnmanagedChange(str(rendered), field, manager, str(entry.get("time") or "at an unknown time"))


def _added(path: tuple[str, ...], fields: Mapping[str, Any], live: Any, git: Any) -> Iterator[tuple[str, ...]]:
    """Yield where managed fields (FieldsV1) lead to what an object has and Git does not, the topmost field of each."""
    for key, below in fields.items():
        if key == ".":
            continue
        here, stated = _step(live, key), _step(git, key)
        if here is _ABSENT:
            continue
        deeper = (*path, key)
        if stated is _ABSENT and deeper in OPEN:
            stated = {}
        if stated is _ABSENT:
            yield deeper
        elif isinstance(below, Mapping) and below:
            yield from _added(deeper, below, here, stated)


def _step(value: Any, key: str) -> Any:
    """Return what a key of managed fields leads to: a field, or the item of a list with these keys or this value."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        return value.get(rest, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    try:
        wanted = json.loads(rest)
    except ValueError:
        return _ABSENT
    if kind == "v":
        return wanted if wanted in value else _ABSENT
    if kind == "i":
        return value[wanted] if isinstance(wanted, int) and wanted < len(value) else _ABSENT
    return next((item for item in value if _has(item, wanted)), _ABSENT)


def _has(item: Any, keys: Any) -> bool:
    """Tell whether an item of a list has these keys; one that Git leaves out has its default, of which only TCP is a key."""
    if not isinstance(item, Mapping) or not isinstance(keys, Mapping):
        return False
    return all(item.get(name, "TCP" if name == "protocol" else None) == value for name, value in keys.items())


def _is_servers(path: tuple[str, ...]) -> bool:
    names = tuple(part.partition(":")[2] for part in path)
    if any(names[: len(field)] == field for field in SERVER_SET):
        return True
    return names[:2] == ("metadata", "annotations") and (
        names[2] in SERVER_SET_ANNOTATIONS or names[2].startswith(ARGOCDS)
    )


def _written(path: tuple[str, ...]) -> str:
    """Return a path as a person writes it."""
    text = ""
    for part in path:
        kind, _, rest = part.partition(":")
        if kind == "f":
            text += f".{rest}" if rest.replace("-", "").isalnum() else f"[{rest}]"
        elif kind == "k":
            text += "[" + ",".join(str(value) for value in json.loads(rest).values()) + "]"
        else:
            text += f"[{rest}]"
    return text.removeprefix(".")
