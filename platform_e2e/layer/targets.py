"""What the patches of a kustomization are for: their targets, matched as kustomize does and in time that is bounded."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_PATTERN = 1_000
"""Characters of a target's pattern; a name has at most 253 (RFC 1123)."""

MOST_CHOICES = 50
"""Alternatives of a target's pattern."""


DEFAULT = "default"
"""The namespace of an object that states none, as kustomize takes it (5, kyaml/resid, EffectiveNamespace)."""

_KEY = r"[A-Za-z0-9](?:[\w.-]*/)?[\w.-]*"
_SELECTOR = re.compile(
    rf"\s*(?:(?P<absent>!\s*{_KEY})|(?P<key>{_KEY})"
    r"(?:\s*(?P<equals>==?|!=)\s*(?P<value>[\w.-]*)|\s+(?P<word>in|notin)\s*\((?P<values>[\w.,\s-]*)\))?)\s*"
)
"""One requirement of a selector of labels (apimachinery, pkg/labels/selector.go)."""


@dataclass(frozen=True)
class Subject:
    """The object that a patch may be for.

    Attributes:
        data: as it is written, and as it is rendered.
        names: that it has on its way from the one to the other.
        namespaces: the same.
    """

    data: Collection[Mapping[str, Any]]
    names: Collection[str]
    namespaces: Collection[str | None]

    @property
    def kinds(self) -> list[tuple[str, str, str]]:
        """Return group, version and kind; the group of the core is empty."""
        found = []
        for each in self.data:
            group, _, version = str(each.get("apiVersion")).rpartition("/")
            found.append((group, version, str(each.get("kind"))))
        return found

    def texts(self, field: str) -> list[Mapping[str, Any]]:
        """Return the labels or annotations, as written and as rendered."""
        found = (each["metadata"].get(field) for each in self.data)
        return [each if isinstance(each, dict) else {} for each in found]


def is_meant(target: Mapping[str, Any], subject: Subject) -> bool:
    """Tell whether a target is about an object (kustomize 5, api/resmap/selector.go and api/types/selector.go).

    Args:
        target: of an entry of a kustomization's patches.
        subject: the object.
    """
    spaces = [space or DEFAULT for space in subject.namespaces]
    return (
        any(
            all(fits(target.get(name), [text]) for name, text in zip(("group", "version", "kind"), each, strict=True))
            for each in subject.kinds
        )
        and fits(target.get("name"), subject.names)
        and fits(target.get("namespace"), spaces)
        and all(
            _selected(target.get(f"{field}Selector"), subject.texts(f"{field}s")) for field in ("label", "annotation")
        )
    )


def is_named(data: Any, subject: Subject) -> bool:
    """Tell whether a patch that has no target says itself that it is for an object (kustomize 5, resmap.GetById)."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        return False
    group, _, version = str(data.get("apiVersion")).rpartition("/")
    spaces = [space or DEFAULT for space in subject.namespaces]
    return (
        any((group, version, data.get("kind")) == each for each in subject.kinds)
        and any(metadata.get("name") == name for name in subject.names)
        and any((metadata.get("namespace") or DEFAULT) == space for space in spaces)
    )


def _selected(selector: Any, texts: Collection[Mapping[str, Any]]) -> bool:
    """Tell whether labels or annotations fit a selector; kustomize refuses one that is not understood here.

    Which of them the object had when it was patched is not known: it may have one that it has as written or as rendered, and
    lacks one that it never has.
    """
    if not selector:
        return True
    requirements = re.split(r",(?![^(]*\))", str(selector)[:LONGEST_PATTERN])
    found = [_SELECTOR.fullmatch(each) for each in requirements]
    return len(str(selector)) <= LONGEST_PATTERN and all(each is not None and _is_so(each, texts) for each in found)


def _is_so(requirement: re.Match[str], texts: Collection[Mapping[str, Any]]) -> bool:
    """Tell whether labels have what one requirement says."""
    key = requirement["key"] or requirement["absent"].removeprefix("!").strip()
    found = [each[key] for each in texts if key in each]
    if requirement["absent"]:
        return not found
    if requirement["equals"]:
        return (requirement["value"] in found) is (requirement["equals"] != "!=")
    if requirement["word"]:
        values = {each.strip() for each in requirement["values"].split(",")}
        return any(each in values for each in found) is (requirement["word"] == "in")
    return bool(found)


def fits(pattern: Any, texts: Iterable[str]) -> bool:
    """Tell whether a target's pattern matches one of several texts as a whole; none matches every text.

    Of regular expressions only `.*` and `|` are read, which are what kustomizations have: others could take for ever.

    Args:
        pattern: as the kustomization says.
        texts: each a name of the same thing, as written and as rendered.
    """
    if not pattern:
        return True
    choices = str(pattern)[: LONGEST_PATTERN + 1].split("|")
    if len(str(pattern)) > LONGEST_PATTERN or len(choices) > MOST_CHOICES:
        return False
    pieces = [choice.removeprefix("^").removesuffix("$").split(".*") for choice in choices]
    return any(_has(text, several) for text in texts for several in pieces)


def _has(text: str, pieces: list[str]) -> bool:
    """Tell whether a text is made of several pieces in their order, with anything between them and nothing around."""
    first, *others = pieces
    if not others:
        return text == first
    *middle, last = others
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in middle:
        # Where the leftmost place leaves no room for the rest, no later one does.
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
