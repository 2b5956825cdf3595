"""Manifests that no Application reads: with the file of an Application all that it deployed would go, and nothing be red."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platform_e2e import paths
from platform_e2e.finding import Promise
from platform_e2e.layer import kustomize, manifests, releases, yamlfile
from platform_e2e.layer.applicationsets import Environment
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.own_annotations import EXEMPT
from platform_e2e.layer.rendering import Input

_FIELDS = tuple(
    re.compile(rf'(?:^|[{{,])[\s-]*"?{name}"?\s*:', re.MULTILINE) for name in ("apiVersion", "kind", "metadata")
)
"""What every object has. Looked for in the text: an unread file need not be valid, and must not stop a run."""


_GIVES_REASON = (EXEMPT + Promise.APPLICATIONS).encode()


@dataclass(frozen=True)
class Unread:
    """Manifests that no Application reads.

    Attributes:
        path: of their directory, relative to the layer; of several beside each other the directory above them.
        directories: those with manifests, relative to the layer. There are several where none beside them is read either, as
            below an ApplicationSet that is gone: that is one fault.
        exempt: why no Application need read them, or None.
    """

    path: str
    directories: tuple[str, ...]
    exempt: str | None = None

    def __str__(self) -> str:
        """Name it as findings do."""
        return f"directory/{self.path}"


def directories(root: Path, made_of: Iterable[Input]) -> set[Path]:
    """Return every directory that Applications read something of, as absolute paths.

    Args:
        root: the layer.
        made_of: what the Applications are made of.
    """
    found: set[Path] = set()
    top = paths.repository_of(root)
    for part in made_of:
        files = part.reads.files if part.reads else {top / document.file for document in part.documents}
        # A link is followed: its target is what is read.
        found |= {path.resolve().parent for path in files}
        if part.directory is not None:
            found.add(part.directory)
            # A chart reads whatever it likes of its own directory.
            found |= below(part.directory, ".") if part.chart else set()
    return found


def below(root: Path, path: str) -> set[Path]:
    """Return a directory of the layer with all below it; nothing for an empty path.

    Args:
        root: the layer.
        path: relative to it.
    """
    top = root / path
    return {top, *(each for each in top.rglob("*") if each.is_dir())} if path and top.is_dir() else set()


def unread(
    root: Path, files: Sequence[Path], read: AbstractSet[Path], environments: Sequence[Environment]
) -> tuple[Unread, ...]:
    """Return the directories with manifests that no Application reads, by path.

    What another kustomization is made of is left out, read or not, and so is what belongs to an ApplicationSet's environment:
    the kustomization, or the environment, is what is missed.

    Args:
        root: the layer.
        files: all of the layer's.
        read: directories that Applications read something of.
        environments: of the layer's ApplicationSets.
    """
    missed = [root / environment.path for environment in environments if environment.application is None]
    left = {directory: names for directory, names in _with_manifests(root, files).items() if directory not in read}
    parts = {part for directory in left for part in _parts(root, directory)}
    found = [
        directory
        for directory in left
        if directory not in parts and not any(directory.is_relative_to(path) for path in missed)
    ]
    reasons = {directory: _exempt(root, directory, left[directory]) for directory in found}
    alone = [
        Unread(_name(root, directory), (_name(root, directory),), reason)
        for directory, reason in reasons.items()
        if reason
    ]
    expected = [directory for directory in found if not reasons[directory]]
    return tuple(sorted([*alone, *_together(root, expected, read | set(missed))], key=lambda entry: entry.path))


def _with_manifests(root: Path, files: Sequence[Path]) -> dict[Path, list[Path]]:
    """Return the directories that have a kustomization or objects, each with these files."""
    found: dict[Path, list[Path]] = {}
    apart = [path.parent for path in files if path == root / releases.FILE]
    for path in files:
        above = path.relative_to(root).parts[:-1]
        if any(part.startswith(".") for part in above) or path.is_symlink() or any(map(path.is_relative_to, apart)):
            continue
        if path.name in kustomize.NAMES or _has_objects(path):
            found.setdefault(path.parent, []).append(path)
    return found


def _has_objects(path: Path) -> bool:
    if not manifests.is_manifest(path) or path.stat().st_size > yamlfile.LARGEST_FILE:
        return False
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return manifests.SKIP not in text and all(field.search(text) for field in _FIELDS)


def _parts(root: Path, directory: Path) -> set[Path]:
    """Return the other directories that a directory's kustomization is made of."""
    try:
        if kustomize.kustomization_in(root, directory) is None:
            return set()
        return {path.parent for path in kustomize.reads(root, directory).files} - {directory}
    except LayerError:
        # It cannot be built, so nothing is part of it; it is still reported as unread.
        return set()


def _exempt(root: Path, directory: Path, files: Sequence[Path]) -> str | None:
    """Return the reason that the kustomization gives, or the first where every object of plain manifests gives one."""
    try:
        kustomization = kustomize.kustomization_in(root, directory)
        if not any(_GIVES_REASON in path.read_bytes() for path in ([kustomization] if kustomization else files)):
            # Parsing the schemas that are nobody's would take most of the time.
            return None
        documents = [
            document for path in ([kustomization] if kustomization else files) for document in yamlfile.read(root, path)
        ]
        found = documents if kustomization else [item for document in documents for item in manifests.objects(document)]
    except LayerError:
        return None
    reasons = [_reason(document.data) for document in found]
    return reasons[0] if reasons and all(reasons) else None


def _reason(data: object) -> str | None:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    reason = annotations.get(EXEMPT + Promise.APPLICATIONS) if isinstance(annotations, dict) else None
    return reason.strip() or None if isinstance(reason, str) else None


def _together(root: Path, found: Sequence[Path], known: AbstractSet[Path]) -> list[Unread]:
    """Put directories beside each other together where nothing else below the one above them is known."""
    beside: dict[Path, list[Path]] = {}
    for directory in found:
        above = directory.parent
        apart = root in (directory, above) or any(path.is_relative_to(above) for path in known)
        beside.setdefault(directory if apart else above, []).append(directory)
    return [
        Unread(
            _name(root, group[0] if len(group) == 1 else above),
            tuple(sorted(_name(root, directory) for directory in group)),
        )
        for above, group in beside.items()
    ]


def _name(root: Path, directory: Path) -> str:
    return PurePosixPath(directory.relative_to(root)).as_posix()
