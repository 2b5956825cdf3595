"""Recognise in what Applications read the foundations that a cluster stands on, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.layer import kustomize, yamlfile
from platform_e2e.layer.applications import Application, Source
from platform_e2e.layer.argo_objects import mapping, sequence, text
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.survey import CHART
from platform_e2e.layer.yamlfile import Document

NAMES = ("metallb", "argo-cd", "kube-prometheus-stack", "sealed-secrets")
"""The charts of foundations, by the name that they have in every repository and mirror."""

_HOMES = re.compile(r"metallb\.|/metallb/|argoproj|prometheus-community|prometheus-operator|sealed-secrets\b")
"""What the head of such a chart names as its home or its sources, in whatever copy of it."""

_WORKLOADS = re.compile(rb"^kind:\s*(?:Deployment|DaemonSet|StatefulSet|Prometheus)\b", re.MULTILINE)

_MANIFESTS = {
    "argo-cd": re.compile(r"\bargoproj/argo-cd\b"),
    "metallb": re.compile(r"\bmetallb/metallb\b"),
    "sealed-secrets": re.compile(
        r"\bsealed-secrets/(?:releases|controller|raw)\b|\bbitnami(?:-labs)?/sealed-secrets\b"
    ),
    "kube-prometheus-stack": re.compile(r"\bprometheus-operator/(?:prometheus-operator|kube-prometheus)\b"),
}
"""Where the install manifests of a foundation come from."""

_IMAGES = {
    "argo-cd": re.compile(r"(?:^|/)argoproj/argocd(?=[:@]|$)"),
    "metallb": re.compile(r"(?:^|/)metallb/(?:controller|speaker)(?=[:@]|$)"),
    "sealed-secrets": re.compile(r"(?:^|/)sealed-secrets-controller(?=[:@]|$)"),
    "kube-prometheus-stack": re.compile(r"(?:^|/)prometheus-operator/prometheus-operator(?=[:@]|$)"),
}
"""Images of the workloads without which a product does nothing."""

_REVISION = re.compile(
    r"(?:[?&](?:ref|version)=|/releases/download/|/raw/|githubusercontent\.com/[^/]+/[^/]+/)([^/&?]+)"
)


class Form(StrEnum):
    """How a foundation is written."""

    SOURCE = "source"
    """A chart of a chart repository is the source of an Application."""
    UMBRELLA = "umbrella chart"
    """A chart in Git depends on it."""
    COPY = "copy of the chart"
    """The chart itself is in Git."""
    KUSTOMIZE = "helmCharts"
    """A kustomization inflates it."""
    MANIFESTS = "install manifests"
    """A kustomization reads the product's own manifests."""
    OBJECTS = "objects of the product"
    """The product's own manifests are in Git, among what an Application reads."""


@dataclass(frozen=True)
class Foundation:
    """A foundation that a layer has.

    Attributes:
        chart: one of `NAMES`.
        form: how it is written.
        application: that installs it in production.
        source: index of the Application's source.
        repository: URL that the chart is fetched from, as written; empty for one in Git.
        version: of the chart, or of the product where it is written as manifests; as written, so it may be a range.
        release: name of the release.
        namespace: that it is installed into.
        place: file and line.
        directory: of the chart or kustomization in Git, an absolute path; None for a source.
        key: where its values are below those of an umbrella: the dependency's alias or name; of manifests the field of their list.
        index: in the list that has it: dependencies, helmCharts or resources.
        condition: values of which one says whether an umbrella has it, as Helm reads it.
    """

    chart: str
    form: Form
    application: Application
    source: int
    repository: str
    version: str
    release: str
    namespace: str
    place: str
    directory: Path | None = None
    key: str = ""
    index: int = 0
    condition: str = ""

    @property
    def label(self) -> str:
        """Return chart and version as a person says them."""
        return f"{self.chart} {self.version}".strip()

    @property
    def file(self) -> Path | None:
        """Return the file that has it, of one in Git."""
        if self.directory is None:
            return None
        if self.form in (Form.UMBRELLA, Form.COPY):
            return self.directory / CHART
        return next((self.directory / name for name in kustomize.NAMES if (self.directory / name).is_file()), None)


def found_in(root: Path, application: Application) -> list[Foundation]:
    """Return the foundations among what an Application reads.

    Args:
        root: the repository's root.
        application: as parsed.
    """
    found: list[Foundation] = []
    for index, source in enumerate(application.sources):
        chart = _chart_of(source)
        if chart in NAMES:
            found.append(_of_source(application, index, chart))
        elif source.path and not source.ref:
            directory = (root / source.path).resolve()
            if directory.is_relative_to(root) and directory.is_dir():
                found += _in_directory(root, application, index, directory)
    return found


def among(application: Application) -> list[Foundation]:
    """Return the foundations whose own objects an Application renders, with the versions of their images.

    Args:
        application: with its objects.
    """
    found: dict[str, Foundation] = {}
    for each in application.objects:
        if each.kind not in ("Deployment", "DaemonSet", "StatefulSet") or not each.kept:
            continue
        pod = mapping(mapping(each.spec.get("template")).get("spec"))
        for container in sequence(pod.get("containers")):
            image = text(mapping(container).get("image"))
            chart = next((chart for chart, words in _IMAGES.items() if words.search(image)), "")
            if chart:
                tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
                at = f"{each.file}:{each.line}" if each.line else each.file
                found.setdefault(
                    chart,
                    Foundation(
                        chart,
                        Form.OBJECTS,
                        application,
                        source=0,
                        repository="",
                        version=tag,
                        release=chart,
                        namespace=each.namespace or "",
                        place=at,
                    ),
                )
    return list(found.values())


def _chart_of(source: Source) -> str:
    """Return the name of the chart that a source names, without the path that a registry may have before it."""
    if source.chart:
        return source.chart.rstrip("/").rpartition("/")[2]
    if source.repository.startswith("oci://"):
        return source.repository.rstrip("/").rpartition("/")[2]
    return ""


def _written(application: Application, index: int) -> tuple[Mapping[str, Any], tuple[str | int, ...]]:
    spec = application.manifest["spec"]
    if spec.get("sources"):
        return mapping(spec["sources"][index]), ("spec", "sources", index)
    return mapping(spec.get("source")), ("spec", "source")


def _release_name(application: Application, index: int) -> str:
    return text(mapping(_written(application, index)[0].get("helm")).get("releaseName")) or application.name


def _of_source(application: Application, index: int, chart: str) -> Foundation:
    written, at = _written(application, index)
    field = (*at, "chart") if written.get("chart") else (*at, "repoURL")
    return Foundation(
        chart,
        Form.SOURCE,
        application,
        source=index,
        repository=text(written.get("repoURL")),
        version=text(written.get("targetRevision")),
        release=_release_name(application, index),
        namespace=application.destination,
        place=application.place(*field),
    )


def _in_directory(root: Path, application: Application, index: int, directory: Path) -> Iterator[Foundation]:
    if (directory / CHART).is_file():
        yield from _in_chart(root, application, index, directory)
        return
    try:
        made_of = kustomize.reads(root, directory, strict=False, routes=False)
    except LayerError:
        return
    for document in made_of.kustomizations:
        yield from _in_kustomization(root, application, index, document)


def _in_chart(root: Path, application: Application, index: int, directory: Path) -> Iterator[Foundation]:
    document = _first(root, directory / CHART)
    if document is None:
        return
    head = mapping(document.data)
    needs = [mapping(each) for each in sequence(head.get("dependencies"))]
    release = _release_name(application, index)
    for number, each in enumerate(needs):
        name = text(each.get("name"))
        if name in NAMES and not text(each.get("repository")).startswith("file://"):
            yield Foundation(
                name,
                Form.UMBRELLA,
                application,
                source=index,
                repository=text(each.get("repository")),
                version=_said(each.get("version")),
                release=release,
                namespace=application.destination,
                place=f"{document.file}:{document.line_of('dependencies', number)}",
                directory=directory,
                key=text(each.get("alias")) or name,
                index=number,
                condition=text(each.get("condition")),
            )
    name = text(head.get("name"))
    if name in NAMES and not any(text(each.get("name")) == name for each in needs) and _is_copy(directory, head):
        place = f"{document.file}:{document.line_of('version')}"
        version = _said(head.get("version"))
        yield Foundation(
            name,
            Form.COPY,
            application,
            source=index,
            repository="",
            version=version,
            release=release,
            namespace=application.destination,
            place=place,
            directory=directory,
        )


def _is_copy(directory: Path, head: Mapping[str, Any]) -> bool:
    """Tell whether a chart of such a name is the product's, and not one with a team's own objects for it."""
    said = " ".join([text(head.get("home")), *map(text, sequence(head.get("sources")))])
    if not _HOMES.search(said):
        return False
    return any(_WORKLOADS.search(path.read_bytes()) for path in sorted(directory.glob("templates/**/*.yaml"))[:200])


def _in_kustomization(root: Path, application: Application, index: int, document: Document) -> Iterator[Foundation]:
    directory = (paths.repository_of(root) / document.file).parent
    data = mapping(document.data)
    for number, entry in enumerate(sequence(data.get("helmCharts"))):
        each = mapping(entry)
        name = text(each.get("name")).rstrip("/").rpartition("/")[2]
        if name in NAMES:
            yield Foundation(
                name,
                Form.KUSTOMIZE,
                application,
                source=index,
                repository=text(each.get("repo")),
                version=_said(each.get("version")),
                release=text(each.get("releaseName")) or name,
                namespace=text(each.get("namespace")) or text(data.get("namespace")) or application.destination,
                place=f"{document.file}:{document.line_of('helmCharts', number)}",
                directory=directory,
                index=number,
            )
    for field in ("resources", "bases"):
        for number, entry in enumerate(sequence(data.get(field))):
            url = text(entry)
            name = next((name for name, words in _MANIFESTS.items() if words.search(url)), "")
            if name and re.search(r"://|^[\w.-]+@|^github\.com/|[?&]ref=", url):
                revision = _REVISION.search(url)
                yield Foundation(
                    name,
                    Form.MANIFESTS,
                    application,
                    source=index,
                    repository=url,
                    version=revision[1] if revision else "",
                    release=name,
                    namespace=text(data.get("namespace")) or application.destination,
                    place=f"{document.file}:{document.line_of(field, number)}",
                    directory=directory,
                    key=field,
                    index=number,
                )


def _said(version: Any) -> str:
    """Return a version, of which YAML may have made a number."""
    return str(version) if isinstance(version, str | int | float) and not isinstance(version, bool) else ""


def _first(root: Path, path: Path) -> Document | None:
    try:
        documents: Sequence[Document] = yamlfile.read(root, path)
    except LayerError:
        return None
    return documents[0] if documents else None
