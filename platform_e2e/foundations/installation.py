"""Install the foundations in parallel, or verify that a kept cluster still has them unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from platform_e2e.foundations import (
    alertmanager_settings,
    argocd_settings,
    build,
    chart_source,
    crds,
    honoured,
    manifests,
    release_store,
    sealing_key,
    versions,
)
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.failure import ReleaseFailed, evidence, not_delivered
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.hooks import Hooks
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.release_drift import drift, repair
from platform_e2e.foundations.verify import READY_SECONDS, verify
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import described
from platform_e2e.kube.progress import Movement
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache

SPEED = Path(__file__).parent / "speed"
"""Values on top of the layer's own that remove delays meant for production, one file for each chart that has any."""

LINES_SHOWN = 12
"""Lines shown of the end of Helm's error: a schema that refuses three values needs ten."""


class DeclaredRelease(Protocol):
    """The properties of a release in foundations.yaml; `platform_e2e.layer` reads them."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def chart(self) -> str: ...  # noqa: D102
    @property
    def repository(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def app_version(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def values(self) -> Path: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Installed:
    """A release that is ready.

    Attributes:
        name: the name of the release.
        namespace: the namespace of the release.
        pinned: version of the product that foundations.yaml pins.
        running: version of the product that runs, from the image of its pods.
        chart: name and version of the installed chart.
        origin: the source of the chart.
        action: `installed`, `upgraded`, `repaired` or `unchanged`.
        repaired: one sentence for each object that had been changed or deleted since the installation.
        absent: parts of the upstream chart that the installed one lacks.
        unhonoured: paths of values of the layer that the installed chart does not honour.
        speed: settings that replace the layer's own so that a test need not wait, `path.of.value: value`.
        checks: how many checks passed.
        revision: Helm's revision number.
    """

    name: str
    namespace: str
    pinned: str
    running: str
    chart: str
    origin: str
    action: str
    repaired: tuple[str, ...]
    absent: tuple[str, ...]
    speed: tuple[str, ...]
    checks: int
    revision: int
    unhonoured: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class _Plan:
    """A release and its sources; `built` tells whether its images contain the embedded programs.

    `speed` has the files among `values` that are the harness's own, `unhonoured` the paths of those values of the layer that the chart
    does not honour.
    """

    release: DeclaredRelease
    chart: Chart
    values: tuple[Path, ...]
    fingerprint: str
    built: bool
    speed: tuple[Path, ...] = ()
    unhonoured: tuple[str, ...] = ()

    @property
    def pinned(self) -> str:
        """Return the version of the product that the layer says; where it says only that of a chart, what is known of it."""
        if self.release.app_version or self.chart.version == self.release.version:
            return self.release.app_version or self.chart.app_version
        return self.chart.app_version if not self.built else f"that of chart {self.release.version}"


def install(
    kube: Kube,
    releases: Sequence[DeclaredRelease],
    *,
    helm: Path,
    kubeconfig: Path,
    timeline: Timeline,
    module_directory: Callable[[str], Path] | None = None,
    charts_dir: Path | None = None,
    strict_versions: bool = False,
    beside: Sequence[str] = (),
    argocd: Mapping[str, Any] = MappingProxyType({}),
    timeout: float = READY_SECONDS,
) -> tuple[list[Installed], list[ReleaseFailed]]:
    """Install, upgrade or repair every release in parallel, and wait until each is ready, or nothing moves any longer.

    Args:
        kube: the client.
        releases: the releases of foundations.yaml.
        helm: the program.
        kubeconfig: the kubeconfig of the cluster.
        timeline: gets a phase for each release.
        module_directory: returns the unpacked directory of a Go module, from which charts are built. None: fetch them from their
            repositories.
        charts_dir: a directory with the charts to use instead.
        strict_versions: refuse to run another version than the layer pins.
        beside: kinds whose objects also count as news, such as those applied at the same time.
        argocd: settings of Argo CD beside the layer's own (`argocd_settings.of`).
        timeout: most seconds from applying a release until it is ready, even while something moves.

    Returns:
        An entry for each ready release, and the failure of each other one, in order.

    Raises:
        OtherVersions: `strict_versions` is set, and versions differ; nothing was installed.
        WrongUsage: a chart is missing.
        ChartUnlikeUpstream: a chart built here differs from upstream's.
        ImageNotDelivered: a registry prevents a release from getting ready.
    """
    here = Helm(helm, kubeconfig)
    if not releases:
        return [], []
    with timeline.phase("charts", "charts of the foundations"), ThreadPoolExecutor(len(releases)) as pool:
        plans = list(pool.map(lambda release: _plan(release, here, module_directory, charts_dir, timeline), releases))
        plans = [
            _told(plan, here, argocd, kubeconfig.parent)
            if argocd and plan.release.chart == argocd_settings.CHART
            else plan
            for plan in plans
        ]
    if strict_versions:
        versions.refuse_others({plan.release.name: (_running(plan, here), plan.pinned) for plan in plans})
    with Movement(kube, beside) as moving, ThreadPoolExecutor(len(plans)) as pool:
        futures = [pool.submit(_settle, kube, here, plan, timeline, moving, timeout=timeout) for plan in plans]
    done = [future.result() for future in futures]
    return (
        [result for result in done if isinstance(result, Installed)],
        [result for result in done if isinstance(result, ReleaseFailed)],
    )


def _plan(
    release: DeclaredRelease,
    helm: Helm,
    module_directory: Callable[[str], Path] | None,
    charts_dir: Path | None,
    timeline: Timeline,
) -> _Plan:
    """Find the chart and the values of a release."""
    if charts_dir is not None:
        chart = chart_source.given(release.chart, release.version, charts_dir, helm)
    elif module_directory is not None:
        chart = build.made(release.chart, helm=helm, module_directory=module_directory, timeline=timeline)
    else:
        chart = chart_source.upstream(release.chart, release.version, release.repository, helm, timeline)
    built = charts_dir is None and module_directory is not None
    values, unhonoured = _honoured(release, chart, timeline, built=built)
    speed = tuple(path for path in (SPEED / f"{release.chart}.yaml",) if path.is_file())
    if release.chart == alertmanager_settings.CHART and (told := alertmanager_settings.stored(values)) is not None:
        speed = (*speed, told)
    files = (values, *speed)
    key = cache.digest(chart_source.identity(chart), release.namespace, *files)
    return _Plan(release, chart, files, key, built=module_directory is not None, speed=speed, unhonoured=unhonoured)


def _honoured(
    release: DeclaredRelease, chart: Chart, timeline: Timeline, *, built: bool
) -> tuple[Path, tuple[str, ...]]:
    """Return the values of a release that its chart honours, and the paths of the others.

    Those of a foundations.yaml are written for the pinned charts, and taken as they are wherever they are all honoured.
    """
    schema = chart.path / "values.schema.json"
    if not built or not schema.is_file():
        return release.values, ()
    given = next(iter(manifests.parse(release.values.read_text(encoding="utf-8"))), {})
    kept, refused = honoured.honoured(given, manifests.read(schema), built=bool(release.place))
    if not refused:
        return release.values, ()

    def make(directory: Path) -> None:
        manifests.write(directory / "values.yaml", kept)

    return cache.entry(
        "values", cache.digest(json.dumps(kept)), make, phase="charts", timeline=timeline, nested=True
    ) / "values.yaml", tuple(refused)


def _told(plan: _Plan, helm: Helm, settings: Mapping[str, Any], directory: Path) -> _Plan:
    """Return the plan of Argo CD's release with further settings."""
    rendered = helm.template(plan.release.name, plan.chart.path, plan.release.namespace, values=plan.values)
    told = argocd_settings.write(settings, rendered, directory / "argo-cd-values.json")
    values = (*plan.values, told)
    return replace(plan, values=values, fingerprint=cache.digest(plan.fingerprint, told))


def _running(plan: _Plan, helm: Helm) -> str:
    """Return the version that a planned release would run, by its chart or by a tag in its values."""
    rendered = helm.template(plan.release.name, plan.chart.path, plan.release.namespace, values=plan.values)
    return versions.running(plan.release.chart, plan.chart.app_version, rendered, built=plan.built)


def _settle(
    kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement, *, timeout: float
) -> Installed | ReleaseFailed:
    """Bring one release to its planned state, or return why it fails.

    Raises:
        ImageNotDelivered: a registry does not deliver one of its images.
    """
    phase = f"release-{plan.release.name}"
    with timeline.phase(phase, f"release {plan.release.name} {plan.chart.app_version}"):
        try:
            return _bring(kube, helm, plan, timeline, moving, timeout=timeout)
        except ReleaseFailed as failure:
            # Images that are built here come from no registry.
            lost = None if plan.built else not_delivered(kube, failure, moving.pulling())
            if lost is not None:
                raise lost from failure
            # A release that its own values block is a failure of the platform, reported by the release's test; the phase has not failed.
            timeline.progress(phase, f"is not ready: {failure.holder or failure.why}")
            return failure


def _bring(kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement, *, timeout: float) -> Installed:
    """Bring one release to its planned state.

    Raises:
        ReleaseFailed: it could not be applied, or does not get ready.
    """
    release = plan.release
    found = release_store.newest(kube, release.name, release.namespace)
    if found is not None and found.status == "deployed" and found.fingerprint == plan.fingerprint:
        action, manifest, revision = "unchanged", found.manifest, found.revision
        definitions: list[Object] = []
    else:
        action = "installed" if found is None else "upgraded"
        manifest, definitions, revision = _apply(kube, helm, plan, timeline, moving)
    # An upgrade alone would not restore what Helm does not compare: see drift.py.
    repaired = () if found is None else _repair(kube, release, manifest, timeline)
    action = "repaired" if repaired and action == "unchanged" else action
    timeline.progress(f"release-{release.name}", f"{action}, waits until it is ready")
    number = verify(
        kube,
        release.name,
        release.namespace,
        manifest,
        definitions,
        still=moving.still,
        pulling=moving.pulling,
        timeout=timeout,
    )
    return Installed(
        name=release.name,
        namespace=release.namespace,
        pinned=plan.pinned,
        running=versions.running(release.chart, plan.chart.app_version, manifest, built=plan.built),
        chart=f"{release.chart} {plan.chart.version}",
        origin=plan.chart.origin,
        action=action,
        repaired=repaired,
        absent=plan.chart.absent,
        speed=tuple(line for path in plan.speed for line in _settings(manifests.read(path))),
        checks=number,
        revision=revision,
        unhonoured=plan.unhonoured,
    )


def _repair(kube: Kube, release: DeclaredRelease, manifest: Sequence[Object], timeline: Timeline) -> tuple[str, ...]:
    """Repair the drift of a release, and report it."""
    drifted = drift(kube, manifest, release.namespace)
    repair(kube, drifted)
    sentences = tuple(str(drift) for drift in drifted)
    for sentence in sentences:
        timeline.event("fact", f"drift {release.name}", text=f"release {release.name}: {sentence}; put right")
    return sentences


def _apply(
    kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement
) -> tuple[tuple[Object, ...], list[Object], int]:
    """Apply CRDs, then the release; return the objects that Helm applied, the CRDs outside of them, and the revision."""
    release, chart = plan.release, plan.chart
    hooks = Hooks(
        kube,
        release.name,
        release.namespace,
        lambda text: timeline.progress(f"release-{release.name}", text),
        still=moving.still,
        pulling=moving.pulling,
    )
    release_store.forget_interrupted(kube, release.name, release.namespace)
    sealing_key.prepare(kube, release.chart, release.name, release.namespace)
    try:
        definitions = chart_source.definitions(chart, helm)
        templated = chart_source.templated_definitions(
            chart, helm, release.name, release.namespace, values=plan.values, kubernetes=kube.version()
        )
        crds.apply(kube, definitions + templated)
        helm.upgrade(
            release.name,
            chart.path,
            release.namespace,
            values=plan.values,
            labels={release_store.FINGERPRINT: plan.fingerprint},
            watch=hooks,
        )
    except CommandError as error:
        # Helm prints its progress before its error.
        lines = error.output.strip().splitlines()
        began = next((number for number, line in enumerate(lines) if line.startswith("Error: ")), 0)
        said = "".join(f"\n    {line}" for line in lines[began:][-LINES_SHOWN:]) or f"\n    {error.problem}"
        hook = hooks.failed() if "hook" in error.output else None
        if hook is not None:
            said += evidence(kube, hook)
        raise ReleaseFailed(
            release.name,
            described(hook) if hook else "",
            "Helm could not apply it",
            said,
            f"The values are in {release.place or release.values}; the chart is {chart.origin}.",
            item=hook,
        ) from error
    applied = release_store.newest(kube, release.name, release.namespace)
    return (applied.manifest, definitions, applied.revision) if applied is not None else ((), definitions, 0)


def _settings(values: Any, path: str = "") -> Iterator[str]:
    """Yield the leaf settings of a file of values."""
    if isinstance(values, dict):
        for key, below in values.items():
            yield from _settings(below, f"{path}.{key}" if path else str(key))
    elif isinstance(values, list) and values and isinstance(values[0], dict):
        for item in values:
            yield from _settings({k: v for k, v in item.items() if k != "name"}, f"{path}[{item.get('name', '')}]")
    else:
        yield f"{path}: {values}"
