"""Where the chart of a release comes from: made here, from a directory, or from its repository; its CRDs and its version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.foundations import manifests
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.expect import Failed, Met, Pending, Refuted, Timeout, Verdict, poll
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache

FETCH_SECONDS = 600.0
"""For all tries together: as long as two of the slowest lines need for one (see helm.PULL_SECONDS)."""

ABSENT = (
    "not found in",
    "no chart version found",
    "no chart name found",
    "invalid version",
    "404 Not Found",
    ": not found",
)
"""What Helm says where a repository answers and does not have the chart (helm.sh/helm/v3 pkg/repo, pkg/registry)."""


class ChartNotFetched(BrokenHarness):
    """A repository of charts could not be reached, or refused."""


@dataclass(frozen=True)
class Chart:
    """A chart that is ready to be installed.

    Attributes:
        path: its directory or archive.
        version: of the chart.
        app_version: of the product in it, as the chart says.
        origin: where it comes from, in a few words for the report.
        crds: files with its CRDs, where they are kept apart from it; else they are in it.
        assembled: whether the harness put it together, so that it has no CRDs among its templates.
        absent: parts of the upstream chart that it has not: their values are without effect.
    """

    path: Path
    version: str
    app_version: str
    origin: str
    crds: tuple[Path, ...] = ()
    assembled: bool = False
    absent: tuple[str, ...] = ()


def given(chart: str, version: str, directory: Path, helm: Helm) -> Chart:
    """Return the chart that lies in a directory given by --charts-dir, unpacked or as the archive NAME-VERSION.tgz.

    Its versions are those that the chart itself states: a directory NAME may have any.

    Raises:
        WrongUsage: it is not there.
        CommandError: it cannot be read as a chart.
    """
    for path in (directory / f"{chart}-{version}.tgz", directory / chart):
        if path.exists():
            return _read(path, f"from {path}", helm)
    raise WrongUsage(
        f"--charts-dir {directory} must have {chart}-{version}.tgz or a directory {chart}, has neither.",
        f"Fetch it where there is a network: helm pull {chart} --version {version} --repo URL --destination {directory}",
    )


def upstream(chart: str, version: str, repository: str, helm: Helm, timeline: Timeline) -> Chart:
    """Return the chart of an upstream repository, fetched once and kept in the cache.

    Args:
        chart: its name.
        version: of the chart.
        repository: URL of the repository.
        helm: fetches it.
        timeline: is told of each try that failed.

    Raises:
        WrongUsage: the repository does not have this chart in this version.
        ChartNotFetched: the repository could not be reached, or refused.
    """

    def fetch(directory: Path) -> None:
        def attempt() -> Verdict:
            try:
                helm.pull(chart, version, repository, directory)
            except CommandError as error:
                said = " ".join((error.output or error.problem).split())
                if any(words in said for words in ABSENT):
                    return Failed(said)
                timeline.progress("charts", f"{chart} {version} of {repository}: {said}; tries again")
                return Pending(said)
            return Met()

        try:
            poll(attempt, timeout=FETCH_SECONDS, what=f"{chart} {version} is fetched", first=1.0, most=15.0)
        except Refuted as error:
            raise WrongUsage(
                f"the repository {repository} must have chart {chart} {version}, which foundations.yaml pins: {error.report.last}",
                "Correct `version`, `chart` or `repository` in foundations.yaml.",
            ) from error
        except Timeout as error:
            raise ChartNotFetched(
                f"chart {chart} {version} could not be fetched from {repository} within {FETCH_SECONDS:g} s: {error.report.last}",
                "See that this machine reaches it (HTTPS_PROXY is used where it is set), or give the charts by --charts-dir.",
            ) from error

    key = f"{chart}-{version}-{cache.digest(repository)}"
    path = cache.entry("charts", key, fetch, phase="charts", timeline=timeline, nested=True)
    return _read(next(path.glob("*.tgz")), f"from {repository}", helm)


def _read(path: Path, origin: str, helm: Helm) -> Chart:
    """Return a chart with the versions that it states itself."""
    head = helm.show_chart(path)
    version = str(head.get("version") or "")
    return Chart(path, version, str(head.get("appVersion") or version), origin)


def identity(chart: Chart) -> str:
    """Return what tells one chart from another: its content, by its key where it is in the cache."""
    if chart.path.is_relative_to(paths.cache() / "charts"):
        return chart.path.parent.name
    return cache.tree_digest(chart.path) if chart.path.is_dir() else cache.digest(chart.path)


def definitions(chart: Chart, helm: Helm) -> list[Object]:
    """Return the CRDs that Helm would install once and never upgrade; those among a chart's templates are not meant.

    Raises:
        CommandError: the chart cannot be unpacked.
    """
    if chart.crds:
        return [manifests.read(path) for path in chart.crds]
    return helm.show_crds(chart.path)


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
    rendered = helm.template(release, chart.path, namespace, values=values, kubernetes=kubernetes)
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
