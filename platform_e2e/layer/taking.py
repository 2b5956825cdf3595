"""Take the foundations out of a layer: they are installed first, as in production, and the rest of the layer stands on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import cuts, foundation_values, kustomize, manifests, releases, yamlfile
from platform_e2e.layer.applications import Application
from platform_e2e.layer.argo_objects import NAMESPACE, mapping, sequence, text
from platform_e2e.layer.cuts import CannotBeCut
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.foundation_forms import Form, Foundation
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import HOOK, described
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Reason
from platform_e2e.layer.survey import CHART

Key = tuple[str, str]
"""Namespace and name of an Application."""

_MAKING = (
    *("resources", "bases", "components", "helmCharts", "helmChartInflationGenerator", "generators"),
    *("configMapGenerator", "secretGenerator"),
)
"""Fields by which a kustomization makes objects."""

_OF_THE_LAYER = frozenset(
    {
        "IPAddressPool",
        "L2Advertisement",
        "BGPAdvertisement",
        "BGPPeer",
        "AppProject",
        "Application",
        "ApplicationSet",
        "Ingress",
    }
    | {"ServiceMonitor", "PodMonitor", "HTTPRoute", "SealedSecret", "ExternalSecret", "Certificate"}
)
"""Kinds that are in no install manifest of a product."""

_ABOUT_OTHERS = ("patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "vars")
"""Fields that fail without the objects that they are about."""


@dataclass(frozen=True)
class Taken:
    """A foundation that was taken out of a layer.

    Attributes:
        foundation: as it is written.
        release: that is installed.
        remarks: what is not as in production, one sentence each.
    """

    foundation: Foundation
    release: Release
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what was taken, from where."""
        form = self.foundation.form
        return f"{self.foundation.label} ({self.foundation.place}, {form} of {self.foundation.application})"


@dataclass(frozen=True)
class Taking:
    """What was taken out of a layer.

    Attributes:
        taken: the foundations.
        changed: files without them, by path from the repository's root; None for one that is removed.
        apart: Applications that are nothing else.
        without: of other Applications the indexes of their sources that are foundations.
        said: what was recognised and not taken, and why, one sentence each.
    """

    taken: tuple[Taken, ...] = ()
    changed: Mapping[str, bytes | None] = field(default_factory=dict)
    apart: frozenset[Key] = frozenset()
    without: Mapping[Key, frozenset[int]] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def aside(self) -> tuple[NotJudged, ...]:
        """Return the Applications that are nothing but a foundation, which is installed without them."""
        every = {key_of(each.foundation.application): each for each in self.taken}
        return tuple(
            NotJudged(
                described("Application", key[1], key[0]),
                Reason.FOUNDATION,
                f"it is installed by itself, as the foundation {every[key].foundation.label}"
                if key in every
                else "it is a foundation",
                "",
                every[key].foundation.application.file if key in every else "",
                every[key].foundation.application.line if key in every else None,
                (),
            )
            for key in sorted(self.apart)
        )

    @property
    def lost(self) -> tuple[NotJudged, ...]:
        """Return the Applications that hold more than the objects of a product, which cannot be told from each other when it is served."""
        found = []
        for each in self.taken:
            foundation = each.foundation
            left = [one for one in foundation.application.objects if one.kind in _OF_THE_LAYER]
            if foundation.form is Form.OBJECTS and left:
                application = foundation.application
                more = f" and {len(left) - 1} more" if len(left) > 1 else ""
                problem = f"it is left out with the objects of {foundation.chart}, and so is {left[0]}{more}"
                remedy = f"keep what is not {foundation.chart}'s own in an Application of its own"
                found.append(
                    NotJudged(
                        str(application), Reason.FOUNDATION, problem, remedy, application.file, application.line, ()
                    )
                )
        return tuple(found)

    def rest_of(self, application: Application) -> dict[str, Any]:
        """Return an Application as it is without its foundations."""
        gone = self.without.get(key_of(application))
        if not gone:
            return application.manifest
        spec = application.manifest["spec"]
        left = [each for index, each in enumerate(spec["sources"]) if index not in gone]
        return {**application.manifest, "spec": {**spec, "sources": left}}


def key_of(application: Application) -> Key:
    """Return what only one Application of a cluster has."""
    return application.namespace, application.name


@dataclass(frozen=True)
class Chosen:
    """Which of the foundations that were met are those of the cluster under test.

    Attributes:
        installed: one of each chart.
        again: the same ones, where they are written a second time, as what is applied once by hand and then kept by Argo CD is.
        said: why others are not taken, one sentence each.
    """

    installed: tuple[Foundation, ...]
    again: tuple[Foundation, ...]
    said: tuple[str, ...]


def chosen(
    found: Iterable[Foundation], elsewhere: Mapping[Key, str], applications: Mapping[Key, Application]
) -> Chosen:
    """Choose among foundations.

    Args:
        found: in the order in which they were met.
        elsewhere: for each Application of another cluster why it is one.
        applications: of Git; what is applied by hand is none.
    """
    every = list(found)
    said = [
        f"{each.label} ({each.place}) is no foundation of this cluster: {elsewhere[key_of(each.application)]}"
        for each in every
        if key_of(each.application) in elsewhere
    ]
    # What Argo CD keeps comes after what was once applied by hand, and has the last word.
    near = sorted(
        (each for each in every if key_of(each.application) not in elsewhere),
        key=lambda each: applications.get(key_of(each.application)) is not each.application,
    )
    taken: dict[str, Foundation] = {}
    again: list[Foundation] = []
    for each in near:
        first = taken.setdefault(each.chart, each)
        if first is each:
            continue
        if (each.namespace, each.release) == (first.namespace, first.release) or each.place == first.place:
            again.append(each)
            continue
        told = f"{each.label} ({each.place}) is a second {each.chart}, besides {first.place}"
        said.append(f"{told}: it is judged as any other Application")
    return Chosen(tuple(taken.values()), tuple(again), tuple(said))


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
    return {name: (json.dumps(data, indent=1) + "\n").encode()}


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


def release_of(found: Foundation, values: Mapping[str, Any]) -> tuple[Release, tuple[str, ...]]:
    """Return what is installed for a foundation, and what is not as in production.

    Args:
        found: the foundation.
        values: that the layer gives it.
    """
    own = next(each for each in releases.read(releases.OWN) if each.chart == found.chart)
    remarks: list[str] = []
    name, namespace = found.release, found.namespace or own.namespace
    if found.chart == "argo-cd":
        name, namespace = own.name, NAMESPACE
        if (found.release, found.namespace or namespace) != (name, namespace):
            remarks.append(
                f"{found.label} is installed as {name} -n {namespace}; in production it is {found.release} -n {found.namespace}"
            )
    of_product = found.form in (Form.MANIFESTS, Form.OBJECTS)
    version = own.version if of_product or not found.version else found.version
    return (
        replace(
            own,
            name=name,
            namespace=namespace,
            repository=_repository(found) or own.repository,
            version=version,
            app_version=found.version if of_product else _product(own, version),
            values=foundation_values.stored(found.chart, values),
            place=found.place,
        ),
        tuple(remarks),
    )


def _product(own: Release, version: str) -> str:
    """Return the version of the product in a version of its chart; empty where only the chart itself says it."""
    if version.removeprefix("v") == own.version:
        return own.app_version
    # MetalLB's chart has its own version.
    exact = version.removeprefix("v").split(".")
    return (
        f"v{version.removeprefix('v')}"
        if own.chart == "metallb" and all(map(str.isdigit, exact)) and len(exact) == 3
        else ""
    )


def _repository(found: Foundation) -> str:
    """Return the URL of a chart repository as helm takes it; empty where none is named."""
    url = found.repository.rstrip("/")
    if found.form in (Form.MANIFESTS, Form.OBJECTS) or not url or url.startswith(("@", "alias:")):
        return ""
    if url.rpartition("/")[2] == found.chart and url.startswith("oci://"):
        return url.rpartition("/")[0]
    return url if "://" in url else f"oci://{url}"
