"""Where a field of an object is written: in its own file, in a patch that changes it, or in a kustomization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.layer import patch_targets
from platform_e2e.layer.patch_targets import Subject
from platform_e2e.layer.yamlfile import Document

Keys = tuple[str | int, ...]
"""The keys that lead to a field. An item of a list is known by its `name`, or by its number in the object that is rendered."""

IDENTITY = ("name", "port", "containerPort", "key", "ip")
"""Fields by which the items of a list are told apart, where a patch or a rendering has brought others; the first that is there."""

IMAGE_FIELDS = ("newTag", "digest", "newName")
"""Fields with which an entry of a kustomization's `images` changes an image, the most usual first."""


@dataclass(frozen=True)
class Patch:
    """What a kustomization changes objects with.

    Attributes:
        document: a mapping that is merged into the object, or a list of JSON patch operations (RFC 6902).
        target: what it is for, as the kustomization says; None where the patch itself says so.
    """

    document: Document
    target: Mapping[str, Any] | None = None

    def is_about(self, subject: Subject) -> bool | None:
        """Tell whether it changes an object; None where that is not known."""
        if self.target is None:
            return patch_targets.is_named(self.document.data, subject)
        return patch_targets.is_meant(self.target, subject)

    def line_of(self, rendered: Any, keys: Keys) -> int | None:
        """Return the line that says what a field is, or that removes it; None where the patch leaves it alone."""
        data = self.document.data
        if isinstance(data, list):
            return next(self._operations(rendered, keys), None)
        path = within(data, rendered, keys)
        return self.document.line_of(*path) if len(path) == len(keys) else None

    def _operations(self, rendered: Any, keys: Keys) -> Iterator[int]:
        """Yield the lines of the operations on a field or on what it is in, the last one first."""
        there = within(rendered, rendered, keys)
        field_path = _pointer((*there, *keys[len(there) :]))
        for index, operation in reversed(list(enumerate(self.document.data))):
            if not isinstance(operation, dict):
                continue
            op, path = operation.get("op"), operation.get("path")
            if op == "move" and _leads_to(operation.get("from"), field_path):
                yield self.document.line_of(index, "from")
            if not isinstance(path, str) or not _leads_to(path, field_path):
                continue
            if op in ("remove", "copy", "move"):
                yield self.document.line_of(index, "path")
            if op in ("add", "replace"):
                inside, value = keys[path.count("/") :], operation.get("value")
                found = within(value, value, inside)
                if len(found) == len(inside):
                    yield self.document.line_of(index, "value", *found)


@dataclass(frozen=True)
class Written:
    """Where the fields of one object are written.

    Attributes:
        document: of the object itself.
        patches: those that change it, the outermost kustomization's first: what it says last is said there.
        kustomizations: that it is rendered through, the outermost first.
        possible: patches of which it is not known whether they change it, the outermost kustomization's first.
    """

    document: Document
    patches: tuple[Patch, ...] = ()
    kustomizations: tuple[Document, ...] = ()
    possible: tuple[Patch, ...] = ()

    @classmethod
    def of(cls, document: Document) -> Written:
        """Return where the fields of a document are written, which may have been rendered."""
        return document.written if isinstance(document.written, cls) else cls(document)

    def place(self, rendered: Any, keys: Keys) -> str:
        """Return file and line of a field; where no file states it, of the nearest one around it, or of the object.

        Files that patch the object come first then: a base is shared, and what is wrong in one overlay only is most often
        written there.

        Args:
            rendered: the object as it is applied.
            keys: that lead to the field; none for the object as a whole.
        """
        document = self.document
        path = within(document.data, rendered, keys)
        if keys:
            for patch in self.patches:
                line = patch.line_of(rendered, keys)
                if line is not None:
                    return f"{patch.document.file}:{line}"
            changed = next(self._transformers(rendered, keys, path), "")
            if changed:
                return changed
        # A field of another kind of object, such as that of a pod in a Service, says nothing of a line.
        around = path if len(path) > 1 or len(keys) <= 2 else ()
        written = f"{document.file}:{document.line_of(*around)}"
        several = [patch for patch in self.possible if keys and patch.line_of(rendered, keys) is not None]
        if not keys:
            several += self.patches
        elif len(path) < len(keys):
            # The field is missing: a patch may be meant to state it that states what is around it, such as other labels. Every patch
            # has metadata, for the name.
            around_it = keys[: max(len(path), 2 if keys[0] == "metadata" else 1)]
            several += [patch for patch in self.patches if patch.line_of(rendered, around_it) is not None]
        if not several:
            return written
        files = dict.fromkeys(patch.document.file for patch in several)
        return f"{', '.join(files)}, which patches {written}"

    def _transformers(self, rendered: Any, keys: Keys, path: Keys) -> Iterator[str]:
        """Yield the places in kustomizations that set a field by its meaning: an image, replicas, labels, annotations."""
        for kustomization in self.kustomizations:
            for at in _set_by(kustomization.data, self.document.data, rendered, keys, path):
                yield f"{kustomization.file}:{kustomization.line_of(*at)}"


def within(data: Any, rendered: Any, keys: Keys) -> Keys:
    """Return the keys that lead to a field in what is written, as far as it is there.

    Args:
        data: what is written.
        rendered: what it is in the rendered object: an item of a list may have another number there.
        keys: that lead to the field in the rendered object.
    """
    found: list[str | int] = []
    for key in keys:
        if isinstance(data, list):
            number, other = _index(data, rendered, key)
            if number is None:
                break
            found.append(number)
            data = data[number]
            rendered = rendered[other] if isinstance(rendered, list) and other is not None else None
        elif isinstance(data, Mapping) and key in data:
            found.append(key)
            data = data[key]
            rendered = rendered.get(key) if isinstance(rendered, Mapping) else None
        else:
            break
    return tuple(found)


def _index(data: list[Any], rendered: Any, key: str | int) -> tuple[int | None, int | None]:
    """Return the number of a list's item in what is written, and in what is rendered."""
    if isinstance(key, str):
        return _named(data, "name", key), _named(rendered, "name", key)
    if not isinstance(rendered, list) or key >= len(rendered):
        return (key if key < len(data) else None), None
    item = rendered[key]
    if isinstance(item, Mapping):
        name = next((name for name in IDENTITY if name in item), "")
        number = _named(data, name, item[name]) if name else None
    else:
        number = data.index(item) if item in data else None
    if number is None and len(data) == len(rendered):
        number = key
    return number, key


def _named(items: Any, name: str, value: Any) -> int | None:
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, Mapping) and item.get(name) == value:
            return index
    return None


def _set_by(kustomization: Any, written: Any, rendered: Any, keys: Keys, path: Keys) -> Iterator[Keys]:
    """Yield where a kustomization sets a field by its meaning (kustomize 5, api/builtins)."""
    if keys[-1] == "image" and len(path) == len(keys):
        image = str(_value(written, path))
        name = image.partition("@")[0]
        name = name[: name.rindex(":")] if ":" in name.rpartition("/")[2] else name
        for index, entry in _mappings(kustomization, "images"):
            changed = next((each for each in IMAGE_FIELDS if each in entry), None)
            if changed and entry.get("name") == name:
                yield "images", index, changed
    if keys == ("spec", "replicas"):
        for index, entry in _mappings(kustomization, "replicas"):
            if any(entry.get("name") == each["metadata"].get("name") for each in (written, rendered)):
                yield "replicas", index, "count"
    if keys[:2] in {("metadata", "labels"), ("metadata", "annotations")} and len(keys) == 3:
        common = "commonLabels" if keys[1] == "labels" else "commonAnnotations"
        for at in (
            (common, keys[2]),
            *(("labels", i, "pairs", keys[2]) for i, _ in _mappings(kustomization, "labels")),
        ):
            if (at[0] == common or keys[1] == "labels") and len(within(kustomization, kustomization, at)) == len(at):
                yield at


def _mappings(data: Any, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the mappings of a list field with their numbers."""
    entries = data.get(name)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, Mapping):
            yield index, entry


def _value(data: Any, path: Keys) -> Any:
    for key in path:
        data = data[key]
    return data


def _leads_to(path: Any, field_path: str) -> bool:
    """Tell whether a JSON pointer is that of a field, or of what the field is in."""
    return isinstance(path, str) and f"{field_path}/".startswith(f"{path}/")


def _pointer(keys: Keys) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)
