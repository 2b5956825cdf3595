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

_ANYTHING = re.compile(r"(?<!\\)\.\*")
_POINTS = re.compile(r"(?<!\\)\.")
_SIGNS = re.compile(r"[\\*+?(){}\[\]^$]")
"""Of a regular expression: what stands for any text, what stands for any character, and signs that are not read here."""

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

    def texts(self, field: str) -> list[Mapping[str, str]]:
        """Return the labels or annotations, as written and as rendered, as far as they are texts."""
        found = (each["metadata"].get(field) for each in self.data)
        return [
            {name: text for name, text in each.items() if isinstance(text, str)} if isinstance(each, dict) else {}
            for each in found
        ]


def is_meant(target: Mapping[str, Any], subject: Subject) -> bool | None:
    """Tell whether a target is about an object (kustomize 5, api/resmap/selector.go and api/types/selector.go).

    None where that is not known, since a pattern is one that is not read here.

    Args:
        target: of an entry of a kustomization's patches.
        subject: the object.
    """
    spaces = [space or DEFAULT for space in subject.namespaces]
    kinds = zip(("group", "version", "kind"), zip(*subject.kinds, strict=True), strict=True)
    return _all(
        *(fits(target.get(name), texts) for name, texts in kinds),
        fits(target.get("name"), subject.names),
        fits(target.get("namespace"), spaces),
        *(_selected(target.get(f"{field}Selector"), subject.texts(f"{field}s")) for field in ("label", "annotation")),
    )


def _all(*found: bool | None) -> bool | None:
    """Tell whether all is so: not where one is not, and unknown where one is."""
    return False if False in found else None if None in found else True


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


def fits(pattern: Any, texts: Iterable[str]) -> bool | None:
    """Tell whether a target's pattern matches one of several texts as a whole; none matches every text.

    Of regular expressions only `.*`, `.`, `|` and an escaped point are read, which are what kustomizations have: others could take
    for ever, and None says that it is not known.

    Args:
        pattern: as the kustomization says.
        texts: each a name of the same thing, as written and as rendered.
    """
    if not pattern:
        return True
    if len(str(pattern)) > LONGEST_PATTERN:
        return None
    choices = [choice.removeprefix("^").removesuffix("$") for choice in str(pattern).split("|")]
    pieces = [_ANYTHING.split(choice) for choice in choices]
    if len(choices) > MOST_CHOICES or any(_SIGNS.search(piece.replace(r"\.", "")) for each in pieces for piece in each):
        return None
    found = [_has(text, several) for text in texts for several in pieces]
    return True if True in found else None if None in found else False


def _has(text: str, pieces: list[str]) -> bool | None:
    """Tell whether a text is made of several pieces in their order, with anything between them and nothing around.

    None where that is not known, since a point that stands for any character is not looked for.
    """
    plain = [piece.replace(r"\.", ".") for piece in pieces]
    first, *others = plain
    if not others:
        signs = _POINTS.split(pieces[0])
        return len(text) == len(first) and _same(text, signs)
    if _joined(text, plain):
        return True
    return None if any(_POINTS.search(piece) for piece in pieces) else False


def _same(text: str, parts: list[str]) -> bool:
    """Tell whether a text of that length consists of parts with one character between them."""
    for part in parts:
        plain = part.replace(r"\.", ".")
        if not text.startswith(plain):
            return False
        text = text[len(plain) + 1 :]
    return True


def _joined(text: str, pieces: list[str]) -> bool:
    """Tell whether a text begins with the first piece, ends with the last and has the others between them in their order."""
    first, *middle, last = pieces
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
