"""Sync waves: a workload that needs an object of a later wave, which only a first installation would meet.

Argo CD begins a wave when all of the wave before is healthy (gitops-engine, pkg/sync/sync_context.go). A pod that refers to a
ConfigMap of a later wave never starts, its workload never gets healthy, and the wave with the ConfigMap never begins. The same
holds between Applications, where Argo CD was told to judge the health of one, for the waves of the Application that makes both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.checks import helm_values
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import Application, Layer
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.objects import HELM_WEIGHT, SYNC_PHASES, WAVE, Rendered

REFERENCES = (
    ("configMap", "name", "ConfigMap"),
    ("configMapRef", "name", "ConfigMap"),
    ("configMapKeyRef", "name", "ConfigMap"),
    ("secret", "secretName", "Secret"),
    ("secret", "name", "Secret"),
    ("secretRef", "name", "Secret"),
    ("secretKeyRef", "name", "Secret"),
    ("persistentVolumeClaim", "claimName", "PersistentVolumeClaim"),
)
"""Fields of volumes and variables without which a container does not start; `secret.name` is that of a projected volume."""

NAMES = (
    ("serviceAccountName", "ServiceAccount"),
    ("priorityClassName", "PriorityClass"),
    ("runtimeClassName", "RuntimeClass"),
)
"""Fields of a pod without whose object it is refused. A missing imagePullSecret keeps no container from starting."""

ALWAYS = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
"""Objects that every namespace gets by itself."""

MADE_OF = {"SealedSecret": "Secret"}
"""Kinds whose controller makes an object of another one, of the same name, as soon as they are there."""

APPLICATION_HEALTH = "resource.customizations.health.argoproj.io_Application"
"""Setting in argocd-cm without which Argo CD waits for no Application (docs/operator-manual/health.md)."""


@dataclass(frozen=True)
class SyncStep:
    """A place in a sync.

    Attributes:
        application: whose sync it is.
        phase: number of its phase.
        wave: of the phase.
        through: the object that is applied there.
    """

    application: str
    phase: int
    wave: int
    through: Rendered

    @property
    def when(self) -> tuple[int, int]:
        """Return what orders two steps of one sync."""
        return self.phase, self.wave

    def __str__(self) -> str:
        """Say it as Git does."""
        return f"wave {self.wave}" if self.phase == 1 else f"the phase {SYNC_PHASES[self.phase]}"


def check(application: Application, layer: Layer) -> list[Finding]:
    """Return a finding for each object that a workload of an Application needs and that comes only after it.

    Args:
        application: whose workloads are judged.
        layer: which has what they need.
    """
    made_by, waits = makers(layer), _waits_for_applications(layer)
    found = (
        _later(workload, _providers(layer, kind, name, workload.namespace), made_by, waits=waits)
        for workload in application.objects
        for kind, name in dict.fromkeys(needs(workload))
    )
    return [_finding(*pair) for pair in found if pair is not None]


def behind(application: Application, layer: Layer) -> list[Finding]:
    """Return the findings about an Application and those that it makes: why none of these may have converged.

    Args:
        application: which has not converged.
        layer: it is of.
    """
    made_by = makers(layer)
    below = (app for app in layer.applications if app is application or application.name in _above(app, made_by))
    return [finding for app in below for finding in check(app, layer)]


def needs(workload: Rendered) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what the pods of a workload cannot start without; nothing where there are no pods to start."""
    pod, spec = workload.pod.get("spec"), workload.spec
    # A CronJob is healthy at once.
    if workload.kind == "CronJob" or not isinstance(pod, Mapping):
        return
    if spec.get("replicas") == 0 or spec.get("suspend") or spec.get("paused"):
        return
    for name, kind in NAMES:
        if isinstance(pod.get(name), str) and pod[name]:
            yield kind, pod[name]
    waiting: list[Any] = [pod.get(key) for key in ("volumes", "initContainers", "containers")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, Mapping):
            for field, key, kind in REFERENCES:
                reference = value.get(field)
                if (
                    isinstance(reference, Mapping)
                    and isinstance(reference.get(key), str)
                    and not reference.get("optional")
                ):
                    yield kind, reference[key]
            waiting += value.values()


def _providers(layer: Layer, kind: str, name: str, namespace: str | None) -> list[Rendered]:
    """Return the objects of the layer that are, or become, what is needed; none where it is always there."""
    if (kind, name) in ALWAYS:
        return []
    return [
        rendered
        for rendered in layer.rendered
        if rendered.name == name
        and kind in (rendered.kind, MADE_OF.get(rendered.kind))
        and rendered.namespace in (namespace, None)
    ]


def _later(
    workload: Rendered, providers: Sequence[Rendered], makers: Mapping[str, Rendered], *, waits: bool
) -> tuple[Rendered, Rendered, SyncStep, SyncStep] | None:
    """Return workload, what it needs, and both steps, where all that provides it comes after the workload."""
    own = _steps(workload, makers)
    found = []
    for provider in providers:
        other = _steps(provider, makers)
        if not other:
            # It is applied on occasion only.
            continue
        order = _order(own, other, waits=waits)
        if order is None:
            return None
        found.append((workload, provider, *order))
    return min(found, key=lambda each: each[3].when, default=None)


def _order(own: Sequence[SyncStep], other: Sequence[SyncStep], *, waits: bool) -> tuple[SyncStep, SyncStep] | None:
    """Return the two steps of one sync of which the first has to be healthy before the second begins, or None."""
    for depth, (mine, theirs) in enumerate(zip(own, other, strict=False)):
        if mine.application != theirs.application:
            return None
        if mine.when < theirs.when:
            # What is applied there has to be waited for: the workload itself, or Applications all the way down to it.
            held = all(step.through.kind == "Application" for step in own[depth:-1])
            return (mine, theirs) if held and (waits or depth == len(own) - 1) else None
        if mine.when > theirs.when or mine.through.identity != theirs.through.identity:
            return None
    return None


def _steps(rendered: Rendered, makers: Mapping[str, Rendered]) -> list[SyncStep]:
    """Return where an object is applied, from the Application that was applied by hand down; nothing where it is not."""
    steps: list[SyncStep] = []
    at_object: Rendered | None = rendered
    while at_object is not None:
        if not at_object.phases:
            return []
        phase = min(map(SYNC_PHASES.index, at_object.phases))
        steps.insert(0, SyncStep(at_object.application, phase, at_object.wave, at_object))
        maker = makers.get(at_object.application)
        # An Application may be one of its own objects.
        known = {step.application for step in steps}
        at_object = None if maker is None or maker.application in known else maker
    return steps


def makers(layer: Layer) -> dict[str, Rendered]:
    """Return for each Application the object by which another one makes it: it itself, or its ApplicationSet."""
    written = {
        (rendered.kind, rendered.name): rendered
        for rendered in layer.rendered
        if rendered.kind in {"Application", "ApplicationSet"}
    }
    found = {
        app.name: written.get(("ApplicationSet", app.generated_by) if app.generated_by else ("Application", app.name))
        for app in layer.applications
    }
    return {name: maker for name, maker in found.items() if maker is not None}


def _above(application: Application, makers: Mapping[str, Rendered]) -> set[str]:
    """Return the names of the Applications that make an Application, directly or not."""
    found: set[str] = set()
    maker = makers.get(application.name)
    while maker is not None and maker.application not in found:
        found.add(maker.application)
        maker = makers.get(maker.application)
    return found


def _waits_for_applications(layer: Layer) -> bool:
    """Tell whether Argo CD, as the layer configures it, waits until an Application is healthy."""
    return any(map(judges_applications, map(mapping, helm_values.of_chart(layer, "argo-cd", "configs", "cm"))))


def judges_applications(settings: Mapping[str, Any]) -> bool:
    """Tell whether Argo CD is told how to judge the health of an Application.

    Args:
        settings: the data of argocd-cm; the older form of them is one text for all kinds.
    """
    return APPLICATION_HEALTH in settings or "argoproj.io/Application:" in str(
        settings.get("resource.customizations", "")
    )


def _finding(workload: Rendered, needed: Rendered, mine: SyncStep, theirs: SyncStep) -> Finding:
    direct = mine.through.identity == workload.identity
    held = "" if direct else f", through {mine.through}"
    cause = Cause(
        "application-hook-running" if mine.phase != 1 else "application-needs-later-wave",
        f"{workload} of {mine}{held} needs {needed} of {theirs}, which application/{mine.application} applies only when "
        f"{workload if direct else mine.through} is healthy",
        f"give {theirs.through} ({theirs.through.place(*_wave(theirs.through))}) a wave that is not after that of {mine.through} "
        f"({mine.through.place(*_wave(mine.through))}); a cluster that has {needed} already does not show it",
        about=str(needed),
    )
    return Finding(str(workload), Promise.APPLICATIONS, f"{needed} is there before it", f"it comes in {theirs}", cause)


def _wave(rendered: Rendered) -> tuple[str, ...]:
    """Return the keys of the field that says when an object is applied."""
    return "metadata", "annotations", next((name for name in (WAVE, HELM_WEIGHT) if name in rendered.annotations), WAVE)
