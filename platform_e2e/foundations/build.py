"""Build the charts of the embedded cluster, once for each key, and keep them in the cache.

Two are assembled from install manifests, two come with their product's Go module. Each is rendered and compared with
`chart_contract`, so that a chart with other Service names than upstream's never reaches a cluster.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from platform_e2e.errors import BrokenHarness
from platform_e2e.foundations import assembled_argocd, assembled_stack, chart_contract, crds, embedded, manifests
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.manifests import Object
from platform_e2e.layer import yamlfile
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache

HERE = Path(__file__).parent
TEMPLATES = HERE / "charts"
SOURCES = (
    "assembled_argocd.py",
    "assembled_stack.py",
    "build.py",
    "chart_contract.py",
    "crds.py",
    "embedded.py",
    "manifests.py",
)
"""Files of this package that determine the charts, beside the templates; the key has their digest."""

PHASE = "charts"


class ChartUnlikeUpstream(BrokenHarness):
    """A chart built here differs from the upstream chart in names, labels or ports."""

    def __init__(self, chart: str, differences: list[str]) -> None:
        lines = "".join(f"\n    {line}" for line in differences)
        super().__init__(
            f"the chart {chart} of the embedded cluster differs from the upstream chart:{lines}",
            "mend platform_e2e/foundations/charts or its assembler, or chart_contract.py if the upstream chart has changed",
        )
        self.differences = differences


def made(chart: str, *, helm: Helm, module_directory: Callable[[str], Path], timeline: Timeline) -> Chart:
    """Return the chart of the embedded cluster, building it if the cache lacks it.

    Args:
        chart: name of the upstream chart.
        helm: renders it for the comparison with the upstream chart.
        module_directory: returns the unpacked directory of a Go module.
        timeline: shows waits for another process.

    Raises:
        WrongUsage: the embedded cluster lacks that chart.
        ChartUnlikeUpstream: the built chart differs from upstream's.
    """
    have = embedded.of(chart)

    def make(directory: Path) -> None:
        if have.assembled:
            _assemble(chart, have, directory, module_directory)
        else:
            _copy(chart, have, directory, module_directory)
        _compare(chart, directory / "chart", helm)

    path = cache.entry("charts", f"{chart}-{_key(chart, have)}", make, phase=PHASE, timeline=timeline, nested=True)
    written = manifests.read(path / "chart" / "Chart.yaml")
    return Chart(
        path / "chart",
        written["version"],
        str(written["appVersion"]),
        f"assembled from {have.module}" if have.assembled else f"in the module {have.module}",
        crds=tuple(sorted((path / "crds").glob("*.json"))),
        assembled=have.assembled,
        absent=have.absent,
    )


def _key(chart: str, have: embedded.Embedded) -> str:
    """Return the digest of all inputs of the chart."""
    templates = cache.tree_digest(TEMPLATES / chart) if have.assembled else ""
    return cache.digest(templates, repr(have), *(HERE / name for name in SOURCES))


def _assemble(chart: str, have: embedded.Embedded, target: Path, module_directory: Callable[[str], Path]) -> None:
    """Assemble a chart from our templates and the product's module."""
    chart_directory = target / "chart"
    shutil.copytree(TEMPLATES / chart, chart_directory)
    module = module_directory(have.module)
    if chart == "argo-cd":
        for component, item in assembled_argocd.objects(module):
            name = f"{item['kind'].lower()}-{item['metadata']['name']}.json"
            manifests.write(chart_directory / "objects" / component / name, item)
        _keep_crds(assembled_argocd.crds(module), target)
        images = assembled_argocd.image_values(have.images)
    else:
        for name, item in assembled_stack.roles(module_directory):
            manifests.write(chart_directory / "objects" / name, item)
        _keep_crds(assembled_stack.crds(module), target)
        images = assembled_stack.image_values(have.images)
    _change(chart_directory / "values.yaml", lambda values: merged(values, images))
    number = have.app_version.removeprefix("v")
    # Build metadata, so that `helm list` shows that it is not the upstream chart.
    _change(
        chart_directory / "Chart.yaml",
        lambda head: {**head, "version": f"{number}+assembled", "appVersion": have.app_version},
    )


def _keep_crds(files: Iterable[Path], target: Path) -> None:
    """Store CRDs beside a chart: in it, Helm would put their text into the release's Secret, which holds less than a megabyte.

    As JSON, because reading megabytes of YAML takes seconds, at every start of a cluster.
    """
    for path in files:
        manifests.write(target / "crds" / f"{path.stem}.json", crds.slim(manifests.read(path)))


def _copy(chart: str, have: embedded.Embedded, target: Path, module_directory: Callable[[str], Path]) -> None:
    """Copy a chart out of its product's module, and set its appVersion to the version that the module builds.

    Sealed Secrets releases its chart after the product, so the chart in a module still has the version before.
    """
    below = {"metallb": "charts/metallb", "sealed-secrets": "helm/sealed-secrets"}[chart]
    chart_directory = target / "chart"
    shutil.copytree(module_directory(have.module) / below, chart_directory)
    for path in (chart_directory, *chart_directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # Go keeps its modules read-only
    _change(chart_directory / "Chart.yaml", lambda head: {**head, "appVersion": have.app_version})
    if have.off:
        _change(chart_directory / "values.yaml", lambda values: merged(values, have.off))
    if (chart_directory / "crds").is_dir():
        _keep_crds(sorted((chart_directory / "crds").iterdir()), target)
        shutil.rmtree(chart_directory / "crds")


def _compare(chart: str, directory: Path, helm: Helm) -> None:
    """Render the chart with the options of `chart_contract`, and compare.

    Raises:
        ChartUnlikeUpstream: something differs.
    """
    rendering = chart_contract.RELEASES[chart]
    with cache.scratch("values") as scratch:
        values = scratch / "values.json"
        values.write_text(yamlfile.as_json(rendering.values), encoding="utf-8")
        rendered = helm.template(rendering.release, directory, rendering.namespace, values=[values])
    differences = chart_contract.differences(chart, rendered)
    if differences:
        raise ChartUnlikeUpstream(chart, differences)


def _change(path: Path, change: Callable[[Object], Object]) -> None:
    """Read a file, apply the change, and write the result."""
    manifests.write(path, change(manifests.read(path)))


def merged(base: Object, more: Mapping[str, Any]) -> Object:
    """Merge two maps; values of the second one win."""
    both = dict(base)
    for key, value in more.items():
        below = both.get(key)
        both[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return both
