"""Install the foundations side by side, or verify that a kept cluster still has them as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import build, chart_source, crds, manifests, release_store, sealing_key, versions
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.drift import drift, repair
from platform_e2e.foundations.failure import ReleaseFailed, evidence, not_delivered
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.hooks import Hooks
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.verify import READY_SECONDS, verify
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import described
from platform_e2e.kube.progress import Movement
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache

SPEED = Path(__file__).parent / "speed"
"""Values on top of the layer's own that take out delays meant for production, one file for each chart that has any."""

LINES_SHOWN = 12
"""How many last lines of Helm's error are shown: a schema that refuses three values says so in ten."""


class Release(Protocol):
    """What is needed of a release in foundations.yaml; `platform_e2e.layer` reads it."""

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


@dataclass(frozen=True)
class Installed:
    """A release that is ready.

    Attributes:
        name: of the release.
        namespace: of the release.
        pinned: version of the product that foundations.yaml pins.
        running: version of the product that runs, by the image of its pods.
        chart: name and version of the chart that was installed.
        origin: where the chart comes from.
        action: `installed`, `upgraded`, `repaired` or `unchanged`.
        repaired: what had been changed or deleted since it was installed, one sentence each.
        absent: parts of the upstream chart that the installed one has not.
        speed: settings that differ from the layer's own so that a test need not wait, `path.of.value: value`.
        checks: how many things were verified.
        revision: Helm's number of what was installed.
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

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


class OtherVersions(WrongUsage):
    """--strict-versions was given, and other versions would run than foundations.yaml pins."""


@dataclass(frozen=True)
class _Plan:
    """A release and what it is installed from; `built` tells whether its images are made of the embedded programs."""

    release: Release
    chart: Chart
    values: tuple[Path, ...]
    fingerprint: str
    built: bool


def install(
    kube: Kube,
    releases: Sequence[Release],
    *,
    helm: Path,
    kubeconfig: Path,
    timeline: Timeline,
    module_directory: Callable[[str], Path] | None = None,
    charts_dir: Path | None = None,
    strict_versions: bool = False,
    beside: Sequence[str] = (),
    timeout: float = READY_SECONDS,
) -> tuple[list[Installed], list[ReleaseFailed]]:
    """Install every release, or upgrade or repair it, side by side, and wait until each is really there, or nothing moves any more.

    Args:
        kube: the client.
        releases: as foundations.yaml lists them.
        helm: the program.
        kubeconfig: of the cluster.
        timeline: gets a phase for each release.
        module_directory: returns the unpacked directory of a Go module: charts are made from those. None: they are fetched from
            their repositories.
        charts_dir: take the charts from this directory instead.
        strict_versions: refuse to run another version than the layer pins.
        beside: kinds whose objects tell of progress too, such as what is applied at the same time.
        timeout: seconds that a release gets at most to be ready after it was applied, also while something moves.

    Returns:
        One entry for each release that is ready, and why each other one is not, in their order.

    Raises:
        OtherVersions: `strict_versions`, and versions differ; nothing was installed.
        WrongUsage: a chart cannot be had.
        ChartUnlikeUpstream: a chart that was made differs from upstream's.
        ImageNotDelivered: the way to a registry keeps a release from being ready.
    """
    here = Helm(helm, kubeconfig)
    if not releases:
        return [], []
    with timeline.phase("charts", "charts of the foundations"), ThreadPoolExecutor(len(releases)) as pool:
        plans = list(pool.map(lambda release: _plan(release, here, module_directory, charts_dir, timeline), releases))
    if strict_versions:
        _refuse_others(plans, here)
    with Movement(kube, beside) as moving, ThreadPoolExecutor(len(plans)) as pool:
        futures = [pool.submit(_settle, kube, here, plan, timeline, moving, timeout=timeout) for plan in plans]
    done = [future.result() for future in futures]
    return (
        [one for one in done if isinstance(one, Installed)],
        [one for one in done if isinstance(one, ReleaseFailed)],
    )


def _plan(
    release: Release,
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
    speed = SPEED / f"{release.chart}.yaml"
    values = (release.values, speed) if speed.is_file() else (release.values,)
    key = cache.digest(chart_source.identity(chart), release.namespace, *values)
    return _Plan(release, chart, values, key, built=module_directory is not None)


def _refuse_others(plans: Sequence[_Plan], helm: Helm) -> None:
    """Raise if a release would run another version than the layer pins: another chart's, or that of a tag in its values."""
    others = []
    for plan in plans:
        release, chart = plan.release, plan.chart
        rendered = helm.template(release.name, chart.path, release.namespace, values=plan.values)
        found = versions.running(release.chart, chart.app_version, rendered, built=plan.built)
        if found != release.app_version:
            others.append(f"{release.name} {found} in place of {release.app_version}")
    if others:
        raise OtherVersions(
            f"--strict-versions: foundations.yaml pins other versions than can be had here: {', '.join(others)}.",
            "Leave --strict-versions out, give the pinned charts with --charts-dir, or use a provider with a network.",
        )


def _settle(
    kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement, *, timeout: float
) -> Installed | ReleaseFailed:
    """Bring one release to what its plan says, or return why it does not get there.

    Raises:
        ImageNotDelivered: an image of it is not delivered.
    """
    phase = f"release-{plan.release.name}"
    with timeline.phase(phase, f"release {plan.release.name} {plan.chart.app_version}"):
        try:
            return _bring(kube, helm, plan, timeline, moving, timeout=timeout)
        except ReleaseFailed as failure:
            # Where images are made here, there is no way to a registry that could be at fault.
            lost = None if plan.built else not_delivered(kube, failure, moving.pulling())
            if lost is not None:
                raise lost from failure
            # What its own values hold is the platform's fault, told by the test of that release; no phase has failed.
            timeline.progress(phase, f"is not ready: {failure.holder or failure.why}")
            return failure


def _bring(kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement, *, timeout: float) -> Installed:
    """Bring one release to what its plan says.

    Raises:
        ReleaseFailed: it could not be applied or does not get ready.
    """
    release = plan.release
    found = release_store.newest(kube, release.name, release.namespace)
    if found is not None and found.status == "deployed" and found.fingerprint == plan.fingerprint:
        action, manifest, revision = "unchanged", found.manifest, found.revision
        definitions: list[Object] = []
    else:
        action = "installed" if found is None else "upgraded"
        manifest, definitions, revision = _apply(kube, helm, plan, timeline, moving)
    # An upgrade alone would not put right what Helm does not compare: see drift.py.
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
        pinned=release.app_version,
        running=versions.running(release.chart, plan.chart.app_version, manifest, built=plan.built),
        chart=f"{release.chart} {plan.chart.version}",
        origin=plan.chart.origin,
        action=action,
        repaired=repaired,
        absent=plan.chart.absent,
        speed=tuple(line for path in plan.values[1:] for line in _settings(manifests.read(path))),
        checks=number,
        revision=revision,
    )


def _repair(kube: Kube, release: Release, manifest: Sequence[Object], timeline: Timeline) -> tuple[str, ...]:
    """Put right what somebody changed in a release, and tell it."""
    drifted = drift(kube, manifest, release.namespace)
    repair(kube, drifted)
    sentences = tuple(str(one) for one in drifted)
    for sentence in sentences:
        timeline.event("fact", f"drift {release.name}", text=f"release {release.name}: {sentence}; put right")
    return sentences


def _apply(
    kube: Kube, helm: Helm, plan: _Plan, timeline: Timeline, moving: Movement
) -> tuple[tuple[Object, ...], list[Object], int]:
    """Apply CRDs, then the release, and return what Helm applied, the CRDs that are not in it, and the revision's number."""
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
        # Before its error Helm says what it does.
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
            f"The values are in {release.values}; the chart is {chart.origin}.",
            item=hook,
        ) from error
    applied = release_store.newest(kube, release.name, release.namespace)
    return (applied.manifest, definitions, applied.revision) if applied is not None else ((), definitions, 0)


def _settings(values: Any, path: str = "") -> Iterator[str]:
    """Yield the single settings of a file of values."""
    if isinstance(values, dict):
        for key, below in values.items():
            yield from _settings(below, f"{path}.{key}" if path else str(key))
    elif isinstance(values, list) and values and isinstance(values[0], dict):
        for item in values:
            yield from _settings({k: v for k, v in item.items() if k != "name"}, f"{path}[{item.get('name', '')}]")
    else:
        yield f"{path}: {values}"
