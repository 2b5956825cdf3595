"""Label selectors, judged here as the API server judges them, and the choice of objects that a wait looks at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.objects import Key, Object

_SPLIT = re.compile(r",(?![^(]*\))")
_SET = re.compile(r"([^\s!=,()]+)\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(r"([^\s!=,()]+)\s*(==|=|!=)\s*([^\s!=,()]*)")
_EXISTS = re.compile(r"(!?)\s*([^\s!=,()]+)")


@dataclass(frozen=True)
class Requirement:
    """One condition on one label.

    Attributes:
        label: its key.
        operator: `In`, `NotIn`, `Exists` or `DoesNotExist`.
        values: for the first two.
    """

    label: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil it; an absent label fulfils `NotIn`, as it does for the API server."""
        match self.operator:
            case "In":
                return labels.get(self.label) in self.values
            case "NotIn":
                return self.label not in labels or labels[self.label] not in self.values
            case "Exists":
                return self.label in labels
            case _:
                return self.label not in labels


@dataclass(frozen=True)
class LabelSelector:
    """All of several requirements; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, selector: str | Mapping[str, str] | None) -> LabelSelector:
        """Read a selector as `kubectl -l` takes it, or a mapping of labels to values.

        Raises:
            WrongUsage: it cannot be read.
        """
        if selector is None:
            return cls()
        if not isinstance(selector, str):
            return cls(tuple(Requirement(k, "In", frozenset({v})) for k, v in selector.items()))
        return cls(tuple(_requirement(part.strip(), selector) for part in _SPLIT.split(selector) if part.strip()))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Tell whether labels fulfil every requirement."""
        return all(requirement.matches(labels or {}) for requirement in self.requirements)

    def query(self) -> str:
        """Return it as the `labelSelector` parameter has it."""
        return ",".join(_query(requirement) for requirement in self.requirements)


def _requirement(part: str, whole: str) -> Requirement:
    """Read one comma-separated part of a selector."""
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        return Requirement(found[1], "In" if found[2] == "in" else "NotIn", values)
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], "NotIn" if found[2] == "!=" else "In", frozenset({found[3]}))
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], "DoesNotExist" if found[1] else "Exists")
    raise WrongUsage(f"{part!r} of the label selector {whole!r} cannot be read", "write it as for `kubectl get -l`")


def _query(requirement: Requirement) -> str:
    """Write one requirement."""
    values = ",".join(sorted(requirement.values))
    match requirement.operator:
        case "In":
            return f"{requirement.label} in ({values})"
        case "NotIn":
            return f"{requirement.label} notin ({values})"
        case "Exists":
            return requirement.label
        case _:
            return f"!{requirement.label}"


@dataclass(frozen=True)
class Choice:
    """Which objects of a kind a wait looks at.

    Attributes:
        key: of the one object, or None for a set.
        namespace: that a set is limited to, or None.
        labels: that a set's objects must have.
    """

    key: Key | None = None
    namespace: str | None = None
    labels: LabelSelector = LabelSelector()

    def matches(self, key: Key, obj: Object) -> bool:
        """Tell whether an object belongs to it."""
        if self.key is not None:
            return key == self.key
        if self.namespace is not None and key[0] != self.namespace:
            return False
        return self.labels.matches((obj.get("metadata") or {}).get("labels"))

    def scope(self, objects: Mapping[Key, Object]) -> set[Key]:
        """Return the keys of those that belong to it or may have belonged to it under other labels."""
        if self.key is not None:
            return {self.key} & objects.keys()
        return {key for key in objects if self.namespace is None or key[0] == self.namespace}

    def select(self, objects: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return those objects that belong to it."""
        if self.key is not None:  # hundreds of waits for one object each share lists of hundreds
            return {self.key: objects[self.key]} if self.key in objects else {}
        return {key: obj for key, obj in objects.items() if self.matches(key, obj)}
