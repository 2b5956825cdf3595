"""Label selectors, evaluated as by the API server, and the choice of objects that a wait is about."""

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
        values: of the first two.
    """

    label: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels match; an absent label matches `NotIn`, as for the API server."""
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
    """Requirements that must all match; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, selector: str | Mapping[str, str] | None) -> LabelSelector:
        """Parse a selector as for `kubectl get -l`, or a mapping of labels to values.

        Raises:
            WrongUsage: it cannot be parsed.
        """
        if selector is None:
            return cls()
        if not isinstance(selector, str):
            return cls(tuple(Requirement(k, "In", frozenset({v})) for k, v in selector.items()))
        return cls(tuple(_requirement(part.strip(), selector) for part in _SPLIT.split(selector) if part.strip()))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Tell whether labels match every requirement."""
        return all(requirement.matches(labels or {}) for requirement in self.requirements)

    def query(self) -> str:
        """Return the value of the `labelSelector` parameter."""
        return ",".join(_query(requirement) for requirement in self.requirements)


def _requirement(part: str, whole: str) -> Requirement:
    """Parse one comma-separated part of a selector."""
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        return Requirement(found[1], "In" if found[2] == "in" else "NotIn", values)
    if found := _EQUAL.fullmatch(part):
        return Requirement(found[1], "NotIn" if found[2] == "!=" else "In", frozenset({found[3]}))
    if found := _EXISTS.fullmatch(part):
        return Requirement(found[2], "DoesNotExist" if found[1] else "Exists")
    raise WrongUsage(f"the label selector {whole!r} cannot be parsed at {part!r}", "write it as for `kubectl get -l`")


def _query(requirement: Requirement) -> str:
    """Return one requirement as text."""
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
class ObjectSelector:
    """Which objects of a kind a wait is about.

    Attributes:
        key: of a single object, or None for a set.
        namespace: of a set, or None for all.
        labels: that the objects of a set must have.
    """

    key: Key | None = None
    namespace: str | None = None
    labels: LabelSelector = LabelSelector()

    def matches(self, key: Key, obj: Object) -> bool:
        """Tell whether an object is chosen."""
        if self.key is not None:
            return key == self.key
        if self.namespace is not None and key[0] != self.namespace:
            return False
        return self.labels.matches((obj.get("metadata") or {}).get("labels"))

    def scope(self, objects: Mapping[Key, Object]) -> set[Key]:
        """Return the keys of the objects that are chosen, or may have been chosen under other labels."""
        if self.key is not None:
            return {self.key} & objects.keys()
        return {key for key in objects if self.namespace is None or key[0] == self.namespace}

    def select(self, objects: Mapping[Key, Object]) -> dict[Key, Object]:
        """Return the chosen objects."""
        if self.key is not None:  # fast path: hundreds of waits for a single object may share a list of hundreds
            return {self.key: objects[self.key]} if self.key in objects else {}
        return {key: obj for key, obj in objects.items() if self.matches(key, obj)}
