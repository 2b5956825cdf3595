"""The source of a release's chart: built here, from a directory, or from its repository; its CRDs and its version."""

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
"""Timeout for all attempts: twice the time of one on the slowest line (see helm.PULL_SECONDS)."""

ABSENT = (
    "not found in",
    "no chart version found",
    "no chart name found",
    "invalid version",
    "404 Not Found",
    ": not found",
)
"""Helm's messages about a repository that answers and lacks the chart (helm.sh/helm/v3 pkg/repo, pkg/registry)."""


class ChartNotFetched(BrokenHarness):
    """A chart repository is unreachable, or refused."""


@dataclass(frozen=True)
class Chart:
    """A chart that can be installed.

    Attributes:
        path: its directory or archive.
        version: the version of the chart.
        app_version: the version of its product, as the chart states it.
        origin: its source, in a few words for the report.
        crds: files with its CRDs, if they are stored apart from it; else it contains them.
        assembled: whether the harness assembled it, so that it has no CRDs among its templates.
        absent: parts of the upstream chart that it lacks: their values have no effect.
    """

    path: Path
    version: str
    app_version: str
    origin: str
    crds: tuple[Path, ...] = ()
    assembled: bool = False
    absent: tuple[str, ...] = ()


def given(chart: str, version: str, directory: Path, helm: Helm) -> Chart:
    """Return the chart in a directory given by --charts-dir, unpacked or as the archive NAME-VERSION.tgz.

    Its versions are those that the chart itself states: a directory NAME may have any version.

    Raises:
        WrongUsage: the directory lacks the chart.
        CommandError: the chart cannot be read.
    """
    for path in (directory / f"{chart}-{version}.tgz", directory / chart):
        if path.exists():
            return _read(path, f"from {path}", helm)
    raise WrongUsage(
        f"--charts-dir {directory} must have {chart}-{version}.tgz or a directory {chart}, got neither.",
        f"Fetch it where there is a network: helm pull {chart} --version {version} --repo URL --destination {directory}",
    )


def upstream(chart: str, version: str, repository: str, helm: Helm, timeline: Timeline) -> Chart:
    """Return the chart of an upstream repository, from the cache or fetched once.

    Args:
        chart: its name.
        version: the version of the chart.
        repository: URL of the repository.
        helm: fetches it.
        timeline: shows each failed attempt.

    Raises:
        WrongUsage: the repository lacks this chart or this version.
        ChartNotFetched: the repository is unreachable, or refused.
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
                f"chart {chart} {version} must be fetched from {repository} within {FETCH_SECONDS:g} s, got: {error.report.last}",
                "Check that this machine reaches it (it uses HTTPS_PROXY if that is set), or give the charts (NAME-VERSION.tgz) by --charts-dir.",
            ) from error

    key = f"{chart}-{version}-{cache.digest(repository)}"
    path = cache.entry("charts", key, fetch, phase="charts", timeline=timeline, nested=True)
    return _read(next(path.glob("*.tgz")), f"from {repository}", helm)


def _read(path: Path, origin: str, helm: Helm) -> Chart:
    """Return a chart with the versions that it states."""
    head = helm.show_chart(path)
    version = str(head.get("version") or "")
    return Chart(path, version, str(head.get("appVersion") or version), origin)


def identity(chart: Chart) -> str:
    """Return the digest of a chart's content; its key if it is in the cache."""
    if chart.path.is_relative_to(paths.cache() / "charts"):
        return chart.path.parent.name
    return cache.tree_digest(chart.path) if chart.path.is_dir() else cache.digest(chart.path)


def definitions(chart: Chart, helm: Helm) -> list[Object]:
    """Return the CRDs that Helm would install once and never upgrade, without those among the chart's templates.

    Raises:
        CommandError: the chart cannot be unpacked.
    """
    if chart.crds:
        return [manifests.read(path) for path in chart.crds]
    return helm.show_crds(chart.path)


def templated_definitions(
    chart: Chart, helm: Helm, release: str, namespace: str, *, values: Sequence[Path], kubernetes: str
) -> list[Object]:
    """Return the CRDs among a chart's templates, marked as the release's own, so that Helm accepts them as existing objects.

    Helm applies them together with the pods that need them; a controller that starts before its kinds are served ends with an
    error and waits for its next start.

    Args:
        chart: the chart.
        helm: renders it.
        release: name of the release.
        namespace: the namespace of the release.
        values: files of values, the last one wins.
        kubernetes: version of the cluster.

    Raises:
        CommandError: the chart cannot be rendered.
    """
    if chart.assembled:
        return []
    rendered = helm.template(release, chart.path, namespace, values=values, kubernetes=kubernetes)
    return [_owned(item, release, namespace) for item in rendered if item["kind"] == "CustomResourceDefinition"]


def _owned(item: Object, release: str, namespace: str) -> Object:
    """Return an object with the labels and annotations by which Helm recognises a release's objects."""
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
