"""Take the foundations out of the files of a layer, so that the rest is what is rendered and served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import cuts, kustomize, manifests, yamlfile
from platform_e2e.layer.applications import Application
from platform_e2e.layer.argo_objects import mapping, sequence, text
from platform_e2e.layer.cuts import CannotBeCut
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.foundation_forms import Form, Foundation
from platform_e2e.layer.objects import HOOK
from platform_e2e.layer.survey import CHART
from platform_e2e.layer.taking import Key, Taken, Taking, key_of

_MAKING = (
    *("resources", "bases", "components", "helmCharts", "helmChartInflationGenerator", "generators"),
    *("configMapGenerator", "secretGenerator"),
)
"""Fields by which a kustomization makes objects."""

_ABOUT_OTHERS = ("patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "vars")
"""Fields that fail without the objects that they are about."""


def take(root: Path, taken: Sequence[Taken], again: Sequence[Foundation], said: Sequence[str]) -> Taking:
    """Take foundations out of a layer.

    Args:
        root: the repository's root.
        taken: the foundations.
        again: where they are written a second time.
        said: of those that are not taken.
    """
    found = [*(each.foundation for each in taken), *again]
    changed: dict[str, bytes | None] = {}
    apart: set[Key] = set()
    without: dict[Key, frozenset[int]] = {}
    told = list(said)
    # From the end of a list, so that the other indexes stay what they are.
    by_application: dict[Key, list[Foundation]] = {}
    places: set[str] = set()
    for each in sorted(found, key=lambda each: each.index, reverse=True):
        by_application.setdefault(key_of(each.application), []).append(each)
        if each.place in places:
            continue
        places.add(each.place)
        try:
            changed |= _left(root, each, changed)
        except CannotBeCut as error:
            told.append(f"{each.label} ({each.place}) stays in the files of its Application: {error}")
    for key, several in by_application.items():
        application = several[0].application
        gone = frozenset(each.source for each in several if each.directory is None)
        nothing = any(each.form is Form.OBJECTS for each in several) or all(
            _empty(root, application, index, gone, changed) for index in range(len(application.sources))
        )
        if nothing:
            apart.add(key)
            changed |= _skipped(root, application, changed)
        elif gone:
            without[key] = gone
            changed |= _without_sources(root, application, gone, changed)
    return Taking(tuple(taken), changed, frozenset(apart), without, tuple(told))


def concerns(root: Path, taken: Taking, manifest: Mapping[str, Any]) -> bool:
    """Tell whether what an Application or ApplicationSet becomes may be another thing without the foundations.

    Args:
        root: the repository's root.
        taken: what is taken out.
        manifest: of the object.
    """
    spec = mapping(manifest.get("spec"))
    if manifest.get("kind") != "Application":
        return bool(taken.changed)
    changed = {root / name for name in taken.changed}
    for source in [mapping(spec.get("source")), *map(mapping, sequence(spec.get("sources")))]:
        directory = (root / text(source.get("path"))).resolve() if text(source.get("path")) else None
        if directory is None or not directory.is_relative_to(root):
            continue
        if any(path.is_relative_to(directory) for path in changed):
            return True
        try:
            if kustomize.kustomization_in(root, directory) is None:
                continue
            if changed & kustomize.reads(root, directory, strict=False, routes=False).files:
                return True
        except LayerError:
            return True
    return False


def _content(root: Path, name: str, changed: Mapping[str, bytes | None]) -> str:
    content = changed.get(name)
    return yamlfile.decode(content if content is not None else (root / name).read_bytes(), name)


def _left(root: Path, found: Foundation, changed: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """Return the files of a foundation in Git without it."""
    if found.directory is None or found.file is None:
        return {}
    name = found.file.relative_to(root).as_posix()
    place = found.directory.relative_to(root).as_posix()
    match found.form:
        case Form.COPY:
            inside = [path for path in found.directory.rglob("*") if path.is_file()]
            gone = {
                path.relative_to(root).as_posix(): None
                for path in inside
                if "templates" in path.parts or "crds" in path.parts
            }
            return dict(gone)
        case Form.UMBRELLA:
            files: dict[str, bytes | None] = {
                name: cuts.without_entry(_content(root, name, changed), ("dependencies", found.index)).encode()
            }
            if (found.directory / "Chart.lock").is_file():
                files[f"{place}/Chart.lock"] = None
            charts = found.directory / "charts"
            vendored = [*charts.glob(f"{found.chart}-*.tgz"), *(charts / found.chart).rglob("*")]
            return files | {path.relative_to(root).as_posix(): None for path in vendored if path.is_file()}
        case Form.KUSTOMIZE:
            return {name: cuts.without_entry(_content(root, name, changed), ("helmCharts", found.index)).encode()}
    data = dict(mapping(yamlfile.parse(_content(root, name, changed), name)[0].data))
    entries = list(sequence(data.get(found.key)))
    data[found.key] = [entry for entry in entries if entry != found.repository]
    for key in _ABOUT_OTHERS:
        data.pop(key, None)
    return {name: (yamlfile.as_json(data) + "\n").encode()}


def _empty(
    root: Path, application: Application, index: int, gone: frozenset[int], changed: Mapping[str, bytes | None]
) -> bool:
    """Tell whether a source makes no object without the foundations."""
    source = application.sources[index]
    if index in gone or (source.ref and not source.path and not source.chart):
        return True
    directory = (root / source.path).resolve()
    if not source.path or not directory.is_relative_to(root) or not directory.is_dir():
        return False
    if (directory / CHART).is_file():
        return _empty_chart(root, directory, changed)
    try:
        path = kustomize.kustomization_in(root, directory)
    except LayerError:
        return False
    data = mapping(_parsed(root, path.relative_to(root).as_posix(), changed)) if path else {}
    return path is not None and not any(data.get(key) for key in _MAKING)


def _empty_chart(root: Path, directory: Path, changed: Mapping[str, bytes | None]) -> bool:
    head = mapping(_parsed(root, (directory / CHART).relative_to(root).as_posix(), changed))
    inside = (path for path in directory.rglob("*") if path.is_file())
    making = [path for path in inside if path.relative_to(directory).parts[0] in {"templates", "crds", "charts"}]
    left = [path for path in making if changed.get(path.relative_to(root).as_posix(), b"") is not None]
    own = [path for path in left if not path.name.startswith("_") and path.name != "NOTES.txt"]
    return not own and not sequence(head.get("dependencies"))


def _parsed(root: Path, name: str, changed: Mapping[str, bytes | None]) -> Any:
    try:
        documents = yamlfile.parse(_content(root, name, changed), name)
    except LayerError:
        return None
    return documents[0].data if documents else None


def _own_document(
    root: Path, application: Application, changed: Mapping[str, bytes | None]
) -> tuple[str, str, int] | None:
    """Return the file, its text and the index of the document that has an Application; None where it is generated."""
    if application.generated_by is not None:
        return None
    path = paths.repository_of(root) / application.file
    if not path.is_relative_to(root) or not path.is_file():
        return None
    name = path.relative_to(root).as_posix()
    try:
        content = _content(root, name, changed)
        documents = yamlfile.parse(content, name)
    except LayerError:
        return None
    for index, document in enumerate(documents):
        metadata = mapping(mapping(document.data).get("metadata"))
        same = (
            mapping(document.data).get("kind") == "Application"
            and manifests.name_of(dict(metadata)) == application.name
        )
        if same and text(metadata.get("namespace")) in ("", application.namespace):
            return name, content, index
    return None


def _skipped(root: Path, application: Application, changed: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
    """Return the file of an Application in which Argo CD is told to leave it out, so that nothing waits for it."""
    found = _own_document(root, application, changed)
    if found is None:
        return {}
    name, content, index = found
    try:
        return {name: cuts.with_key(content, ("metadata", "annotations"), HOOK, "Skip", document=index).encode()}
    except (CannotBeCut, IndexError):
        return {}


def _without_sources(
    root: Path, application: Application, gone: frozenset[int], changed: Mapping[str, bytes | None]
) -> dict[str, bytes | None]:
    found = _own_document(root, application, changed)
    if found is None:
        return {}
    name, content, index = found
    try:
        for number in sorted(gone, reverse=True):
            content = cuts.without_entry(content, ("spec", "sources", number), document=index)
    except (CannotBeCut, IndexError):
        return {}
    return {name: content.encode()}
