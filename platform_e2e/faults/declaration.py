"""One file of faults/: what makes one alert of the layer fire on a cluster, as data, so that a team adds its own for its own alerts.

    alert: ChatDown
    why: All replicas of an environment are gone, as after a bad scaling.
    labels: {namespace: chat-dev}
    annotations: {summary: No replica of the chat service answers in chat-dev.}
    parts: [chat-dev]
    needs: [argocd]
    do:
      - patch: apps/v1/Deployment/chat -n chat-dev
        with: {spec: {replicas: 0}}

What is done is undone in the opposite order, by what was there before. Where that does not end it, `then` has further steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.errors import WrongUsage

FIELDS = {"alert", "why", "do", "then", "labels", "annotations", "parts", "needs", "interrupts"}

DEEDS = ("patch", "create", "delete-pods")
"""What a step does; its other fields: `with` of a patch, `times` of a creation."""


@dataclass(frozen=True)
class Step:
    """One change of the cluster.

    Attributes:
        deed: one of `DEEDS`.
        target: `GROUP/VERSION/KIND/NAME -n NAMESPACE` of what is patched; of pods their labels, `NAME=VALUE -n NAMESPACE`.
        change: a merge patch as a mapping or a JSON patch as a list; of a creation the object, in which `$(namespace)` is a namespace of
            the fault's own and `$(n)` the number from 1.
        times: how many objects are created: a number, or PromQL for what there is room for.
    """

    deed: str
    target: str = ""
    change: Any = None
    times: str = "1"


@dataclass(frozen=True)
class Fault:
    """What makes one alert fire.

    Attributes:
        name: of its file, without .yaml.
        alert: its name.
        steps: what is done, in this order.
        labels: that the alert which fires must have, which tell it from others of its name.
        annotations: with their rendered text.
        parts: what it takes for itself: no other fault that names one of them, here or in `needs`, happens meanwhile.
        needs: what must work meanwhile.
        interrupts: whether the alert always fires, and the fault keeps it from its receiver.
        why: what a reader learns from it.
        then: what is done once all is undone, such as a restart; nothing that would have to be undone itself.
    """

    name: str
    alert: str
    steps: Sequence[Step]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    interrupts: bool = False
    why: str = ""
    then: Sequence[Step] = ()


def load(path: Path) -> Fault:
    """Read one fault.

    Raises:
        WrongUsage: the file is not a fault; the text says what is wrong with which field.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, OSError) as error:
        raise WrongUsage(f"{path.name} cannot be read: {error}") from error
    if not isinstance(data, dict) or not {"alert", "do"} <= data.keys() <= FIELDS:
        raise WrongUsage(
            f"{path.name} must have alert and do, may have {', '.join(sorted(FIELDS - {'alert', 'do'}))}, and nothing else."
        )
    steps = [_step(path, each) for each in data["do"] or ()]
    if not steps:
        raise WrongUsage(f"{path.name}: do is empty, so nothing would make {data['alert']} fire.")
    return Fault(
        path.stem,
        str(data["alert"]),
        steps,
        _texts(path, data, "labels"),
        _texts(path, data, "annotations"),
        frozenset(map(str, data.get("parts") or ())),
        frozenset(map(str, data.get("needs") or ())),
        data.get("interrupts") is True,
        str(data.get("why", "")),
        tuple(_ending(path, each) for each in data.get("then") or ()),
    )


def _ending(path: Path, item: Any) -> Step:
    step = _step(path, item)
    if step.deed != "delete-pods":
        raise WrongUsage(f"{path.name}: then may only have `delete-pods: LABELS`, not {item}.")
    return step


def _step(path: Path, item: Any) -> Step:
    deed = next((name for name in DEEDS if isinstance(item, dict) and name in item), "")
    allowed = {"patch": {"patch", "with"}, "create": {"create", "times"}, "delete-pods": {"delete-pods"}}.get(
        deed, set()
    )
    if not deed or not item.keys() <= allowed:
        raise WrongUsage(
            f"{path.name}: a step is `patch: OBJECT, with: PATCH`, `create: OBJECT, times: NUMBER` or `delete-pods: LABELS`, not {item}."
        )
    if deed == "create":
        return Step(deed, change=item[deed], times=str(item.get("times", 1)))
    return Step(deed, str(item[deed]), item.get("with"))


def _texts(path: Path, data: Mapping[str, Any], name: str) -> Mapping[str, str]:
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise WrongUsage(f"{path.name}: {name} must be a mapping, got {found}.")
    return {str(key): str(value) for key, value in found.items()}


def load_all(directory: Path) -> list[Fault]:
    """Return every fault of a directory, by the name of its file; none where there is no such directory.

    Raises:
        WrongUsage: one of the files is not a fault, or two are for one alert.
    """
    found = [load(path) for path in sorted(directory.glob("*.yaml"))]
    for number, fault in enumerate(found):
        other = next((each for each in found[:number] if each.alert == fault.alert), None)
        if other is not None:
            raise WrongUsage(
                f"{fault.name}.yaml and {other.name}.yaml are both for {fault.alert}.", "remove one of them"
            )
    return found
