"""Make a fault on a cluster, and undo it by what was there before."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from platform_e2e import timeline
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.git_differences import value_at
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis import object_refs
from platform_e2e.errors import WrongUsage
from platform_e2e.faults.declaration import Fault, Step
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object, describe, key, kind_of

FAULT = "platform-e2e/fault"
"""Label of all that a fault creates: its name. What a killed process has left is found by it."""

MOST = 500
"""How many objects one step creates at most; a pool with more room is not filled by a test."""

MANAGER = "platform-e2e-fault"


class Deeds:
    """The steps of one fault, done and undone.

    Args:
        fault: to be made.
        kube: the cluster.
        prometheus: that is asked how much room there is.
    """

    def __init__(self, fault: Fault, kube: Kube, prometheus: Prometheus) -> None:
        self._fault = fault
        self._kube = kube
        self._prometheus = prometheus
        self._undo = contextlib.ExitStack()
        self._made = False

    @property
    def namespace(self) -> str:
        """Return the namespace of the fault's own."""
        return f"e2e-fault-{self._fault.name}"

    def make(self) -> None:
        """Do every step; what was done of one that fails is undone by `undo`."""
        timeline.current().event("disturbance-start", f"alert {self._fault.alert}", change=self._fault.name)
        self._made = True
        for step in self._fault.steps:
            {"patch": self._patch, "create": self._create, "delete-pods": self._delete_pods}[step.deed](step)

    def undo(self) -> None:
        """Put everything back, the last change first; the others too where one cannot be undone, whose error is raised then."""
        try:
            self._undo.close()
        finally:
            for step in self._fault.then if self._made else ():
                self._delete_pods(step)
        timeline.current().event("disturbance-end", f"alert {self._fault.alert}")

    def _patch(self, step: Step) -> None:
        api, name, namespace = target_of(step.target)
        before = self._kube.get(api, name, namespace)
        if before is None:
            raise WrongUsage(
                f"fault {self._fault.name}: {step.target} is not in the cluster.", "Bring the fault up to date."
            )
        if isinstance(step.change, list):
            back: Any = list(reversed([_reversed(each, before) for each in step.change]))
            kind = "json"
        else:
            back, kind = former(step.change, before), "merge"
        # Before the change: an interruption after it must undo it, too.
        self._undo.callback(self._kube.patch, api, name, back, namespace, type=kind, manager=MANAGER)
        self._kube.patch(api, name, step.change, namespace, type=kind, manager=MANAGER)

    def _create(self, step: Step) -> None:
        if "$(namespace)" in repr(step.change):
            self._own_namespace()
        for number in range(1, self._times(step) + 1):
            made = filled(step.change, {"namespace": self.namespace, "n": str(number)})
            made["metadata"]["labels"] = {**(made["metadata"].get("labels") or {}), **self._labels}
            namespace, name = key(made)
            self._undo.callback(self._kube.delete, kind_of(made), name, namespace or None)
            self._kube.apply(made, manager=MANAGER)

    def _own_namespace(self) -> None:
        labels = {**self._labels}
        self._undo.callback(self._kube.delete, "v1/Namespace", self.namespace)
        self._kube.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        )

    @property
    def _labels(self) -> Mapping[str, str]:
        return {FAULT: self._fault.name, TESTS: "fault"}

    def _times(self, step: Step) -> int:
        if step.times.isdigit():
            return int(step.times)
        found = self._prometheus.query(step.times)
        number = int(found[0].value) if len(found) == 1 else 0
        if not 0 < number <= MOST:
            raise WrongUsage(
                f"fault {self._fault.name}: times must be 1 to {MOST}, got {found[0].value if found else 'no value'} of `{step.times}`.",
                "Bring the fault up to date.",
            )
        return number

    def _delete_pods(self, step: Step) -> None:
        labels, _, namespace = step.target.partition(" -n ")
        for pod in self._kube.list("v1/Pod", namespace.strip() or None, labels=labels.strip()):
            where, name = key(pod)
            self._kube.delete("v1/Pod", name, where, grace=0)


def target_of(written: str) -> tuple[str, str, str | None]:
    """Return kind, name and namespace of an object, such as `apps/v1/Deployment/chat -n chat-dev`.

    Raises:
        WrongUsage: it names no object.
    """
    ref, namespace = object_refs.named(written)
    return (ref.kind if "/" in ref.kind else f"v1/{ref.kind[:1].upper()}{ref.kind[1:]}"), str(ref.name), namespace


def former(change: Mapping[str, Any], before: Any) -> dict[str, Any]:
    """Return the merge patch that takes one back: the former value of each field, and null for those that were not there."""
    back: dict[str, Any] = {}
    for name, value in change.items():
        there = before.get(name) if isinstance(before, Mapping) else None
        back[name] = former(value, there) if isinstance(value, Mapping) and isinstance(there, Mapping) else there
    return back


def _reversed(operation: Mapping[str, Any], before: Object) -> dict[str, Any]:
    if operation.get("op") != "replace":
        raise WrongUsage(f"a JSON patch of a fault must replace, got {operation}.", "use a merge patch")
    return {"op": "replace", "path": operation["path"], "value": value_at(before, operation["path"])}


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return a value in whose texts `$(NAME)` is replaced."""
    if isinstance(value, dict):
        return {name: filled(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, words) for each in value]
    if isinstance(value, str):
        for name, text in words.items():
            value = value.replace(f"$({name})", text)
        return value
    return copy.copy(value)


def left(faults: list[Fault], kube: Kube) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what faults have created and is still there, by its name, each with what removes it.

    Args:
        faults: of the kinds that they create.
        kube: the cluster.
    """
    kinds = {kind_of(step.change) for fault in faults for step in fault.steps if step.deed == "create"}
    for kind in sorted({*kinds, "v1/Namespace"}):
        for each in kube.list(kind, labels=FAULT):
            namespace, name = key(each)
            if "deletionTimestamp" not in each["metadata"]:
                yield (
                    describe(kind, name, namespace or None),
                    partial(kube.delete, kind, name, namespace or None),
                )
