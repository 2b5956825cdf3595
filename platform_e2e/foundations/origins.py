"""Where the chart of a release comes from: made here, from a directory, or from its repository; and the CRDs that it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster.embedded import cache
from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import manifests
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.manifests import Object


@dataclass(frozen=True)
class Chart:
    """A chart that is ready to be installed.

    Attributes:
        path: its directory, or its name where Helm fetches it from `repository`.
        version: of the chart.
        app_version: of the product in it.
        origin: where it comes from, in a few words for the report.
        repository: URL, or empty.
        crds: files with its CRDs, where they are kept apart from it; else they are in it.
        assembled: whether the harness put it together, so that it has no CRDs among its templates.
        absent: parts of the upstream chart that it has not: their values are without effect.
    """

    path: str
    version: str
    app_version: str
    origin: str
    repository: str = ""
    crds: tuple[Path, ...] = ()
    assembled: bool = False
    absent: tuple[str, ...] = ()


def given(chart: str, version: str, app_version: str, directory: Path) -> Chart:
    """Return the chart that lies in a directory given by --charts-dir, unpacked or as the archive NAME-VERSION.tgz.

    Raises:
        WrongUsage: it is not there.
    """
    for path in (directory / f"{chart}-{version}.tgz", directory / chart):
        if path.exists():
            return Chart(str(path), version, app_version, f"from {path}")
    raise WrongUsage(
        f"--charts-dir {directory}: neither {chart}-{version}.tgz nor a directory {chart} is in it.",
        f"Fetch it where there is a network: helm pull {chart} --version {version} --repo URL --destination {directory}",
    )


def upstream(chart: str, version: str, app_version: str, repository: str) -> Chart:
    """Return the chart in its upstream repository, from which Helm fetches it."""
    return Chart(chart, version, app_version, f"from {repository}", repository=repository)


def identity(chart: Chart) -> str:
    """Return what tells one chart from another: its content where it is here, else where it comes from."""
    path = Path(chart.path)
    if chart.repository:
        return f"{chart.repository} {chart.path} {chart.version}"
    if path.is_relative_to(paths.cache() / "charts"):
        return path.parent.name
    return cache.tree_digest(path) if path.is_dir() else cache.digest(path)


def definitions(chart: Chart, helm: Helm) -> list[Object]:
    """Return the CRDs that Helm would install once and never upgrade; those among a chart's templates are not meant.

    Raises:
        CommandError: the chart is fetched or unpacked by Helm, and that failed.
    """
    if chart.crds:
        return [manifests.read(path) for path in chart.crds]
    return helm.show_crds(chart.path, version=chart.version, repository=chart.repository)


def templated_definitions(
    chart: Chart, helm: Helm, release: str, namespace: str, *, values: Sequence[Path], kubernetes: str
) -> list[Object]:
    """Return the CRDs among a chart's templates, marked as the release's own, so that Helm takes them over when it comes to them.

    Helm applies them and the pods that need them in one go, and a controller that starts before its kinds are served ends with
    an error and waits for its next start.

    Args:
        chart: the chart.
        helm: renders it.
        release: name of the release.
        namespace: of the release.
        values: files of values, the last one wins.
        kubernetes: version of the cluster.

    Raises:
        CommandError: the chart does not render.
    """
    if chart.assembled:
        return []
    rendered = helm.template(
        release,
        chart.path,
        namespace,
        values=values,
        kubernetes=kubernetes,
        version=chart.version,
        repository=chart.repository,
    )
    return [_owned(item, release, namespace) for item in rendered if item["kind"] == "CustomResourceDefinition"]


def _owned(item: Object, release: str, namespace: str) -> Object:
    """Return an object with the marks by which Helm knows what belongs to a release."""
    metadata = item["metadata"]
    annotations = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    return {
        **item,
        "metadata": {
            **metadata,
            "labels": {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {**(metadata.get("annotations") or {}), **annotations},
        },
    }
