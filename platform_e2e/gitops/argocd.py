"""Read Argo CD's Applications and ApplicationSets; what their controllers are asked for is in `argocd_requests`.

The objects are plain dicts as the API server returns them; what is absent reads as empty. Facts about Argo CD are those of
3.2.11, controller/appcontroller.go and controller/state.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_e2e.kube.expect import Expectation, Met, Pending, Verdict
from platform_e2e.kube.objects import Object

NAMESPACE = "argocd"
APPLICATION = "argoproj.io/v1alpha1/Application"
APPLICATIONSET = "argoproj.io/v1alpha1/ApplicationSet"
APPPROJECT = "argoproj.io/v1alpha1/AppProject"

REFRESH = "argocd.argoproj.io/refresh"
"""Set by who wants a refresh, removed by the application controller when it is done."""

UNTRACKED = "CustomResourceDefinition"
"""The kind whose objects Argo CD does not mark as an Application's (reposerver/repository/repository.go, kube.IsCRD): it hears of no
change of them, and sees it when it compares next, at the latest after `timeout.reconciliation`."""

APPLICATIONSET_REFRESH = "argocd.argoproj.io/application-set-refresh"
"""The same for an ApplicationSet; its generators are asked again."""

RUNNING_PHASES = ("Running", "Terminating")
"""Phases of an operation that has not ended; one that waits for its next attempt is Running with a time of ending."""


@dataclass(frozen=True)
class Operation:
    """The last operation of an Application, running or ended.

    Attributes:
        phase: Running, Terminating, Succeeded, Failed or Error; empty where there never was one.
        message: Argo CD's own sentence.
        revisions: commits that it applies, one for each source.
        automated: whether Argo CD began it by itself.
        initiated_by: the user who did otherwise.
        self_heal_attempts: which heal of this commit it is, counted from 1; 0 for a sync that is not a heal. A drift is
            undone by a heal only where the last operation was of the very commit that is compared with; after a commit
            that changed nothing of the Application it is undone by a full automated sync.
        retries: attempts after the first.
        retry_limit: how many there may be.
        started: when it began.
        finished: when it ended, or when the attempt ended that will be repeated.
        resources: `Kind/name` of what a partial sync was limited to; empty for all.
    """

    phase: str = ""
    message: str = ""
    revisions: tuple[str, ...] = ()
    automated: bool = False
    initiated_by: str = ""
    self_heal_attempts: int = 0
    retries: int = 0
    retry_limit: int = 0
    started: datetime | None = None
    finished: datetime | None = None
    resources: tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self.phase in RUNNING_PHASES

    @property
    def backing_off(self) -> bool:
        """Tell whether an attempt failed and the next one has not begun."""
        return self.phase == "Running" and self.finished is not None


@dataclass(frozen=True)
class Deployed:
    """One entry of an Application's history: a full sync that succeeded. A heal leaves none."""

    id: int
    revisions: tuple[str, ...]
    automated: bool
    at: datetime | None


@dataclass(frozen=True)
class ResourceStatus:
    """An object as an Application sees it; status and health are empty where Argo CD does not judge them."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    status: str
    health: str
    message: str
    requires_pruning: bool
    hook: bool
    wave: int

    def __str__(self) -> str:
        """Name it as findings do."""
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.kind.lower()}/{self.name}{where}"

    @property
    def api(self) -> str:
        """Return its kind with group and version, as the client wants it."""
        return f"{self.group}/{self.version}/{self.kind}" if self.group else f"{self.version}/{self.kind}"


GRAIN_SECONDS = 1.0
"""It notes times in whole seconds."""


def time(text: str | None) -> datetime | None:
    """Return a time of the API; whole seconds, in UTC."""
    return datetime.fromisoformat(text) if text else None


def status(app: Object) -> dict[str, Any]:
    """Return an Application's status."""
    return app.get("status") or {}


def sync_status(app: Object) -> str:
    """Return Synced, OutOfSync, Unknown, or nothing before the first comparison."""
    return str((status(app).get("sync") or {}).get("status") or "")


def automated(app: Object) -> bool:
    """Tell whether it is synced by itself; since 3.1 `enabled: false` keeps the block and switches it off."""
    policy = ((app.get("spec") or {}).get("syncPolicy") or {}).get("automated")
    return isinstance(policy, dict) and policy.get("enabled") is not False


def health(app: Object) -> str:
    """Return Healthy, Progressing, Degraded, Suspended, Missing, Unknown, or nothing."""
    return str((status(app).get("health") or {}).get("status") or "")


def revisions(app: Object) -> tuple[str, ...]:
    """Return the commits that it was compared with, one for each source."""
    return _revisions(status(app).get("sync") or {})


def reconciled_at(app: Object) -> datetime | None:
    """Return when it was last compared with Git."""
    return time(status(app).get("reconciledAt"))


EXCLUDED = "ExcludedResourceWarning"
"""Condition about an object of a kind that argocd-cm's `resource.exclusions` names: Argo CD leaves it out."""


def conditions(app: Object) -> tuple[tuple[str, str], ...]:
    """Return type and message of what is wrong with it, or worth a warning."""
    return tuple((condition["type"], condition.get("message", "")) for condition in status(app).get("conditions") or ())


def operation(app: Object) -> Operation:
    """Return its last operation."""
    state = status(app).get("operationState") or {}
    asked = state.get("operation") or {}
    sync = asked.get("sync") or {}
    by = asked.get("initiatedBy") or {}
    # The result says what was applied; before there is one, the request says what was asked for.
    done = _revisions(state.get("syncResult") or {}) or _revisions(sync)
    return Operation(
        phase=state.get("phase", ""),
        message=" ".join(state.get("message", "").split()),
        revisions=done,
        automated=by.get("automated") is True,
        initiated_by=by.get("username", ""),
        self_heal_attempts=int(sync.get("autoHealAttemptsCount") or 0),
        retries=int(state.get("retryCount") or 0),
        retry_limit=int((asked.get("retry") or {}).get("limit") or 0),
        started=time(state.get("startedAt")),
        finished=time(state.get("finishedAt")),
        resources=tuple(f"{resource.get('kind')}/{resource.get('name')}" for resource in sync.get("resources") or ()),
    )


def history(app: Object) -> tuple[Deployed, ...]:
    """Return its syncs that succeeded, the oldest first."""
    return tuple(
        Deployed(
            id=int(entry.get("id") or 0),
            revisions=_revisions(entry),
            automated=(entry.get("initiatedBy") or {}).get("automated") is True,
            at=time(entry.get("deployedAt")),
        )
        for entry in status(app).get("history") or ()
    )


def resources(app: Object) -> tuple[ResourceStatus, ...]:
    """Return the objects that belong to it."""
    return tuple(
        ResourceStatus(
            group=resource.get("group", ""),
            version=resource.get("version", ""),
            kind=resource.get("kind", ""),
            namespace=resource.get("namespace", ""),
            name=resource.get("name", ""),
            status=resource.get("status", ""),
            health=(resource.get("health") or {}).get("status", ""),
            message=(resource.get("health") or {}).get("message", ""),
            requires_pruning=resource.get("requiresPruning") is True,
            hook=resource.get("hook") is True,
            wave=int(resource.get("syncWave") or 0),
        )
        for resource in status(app).get("resources") or ()
    )


def sync_results(app: Object) -> tuple[tuple[str, str, str], ...]:
    """Return what the last sync says of each object: `Kind/name`, its status or hook phase, its message."""
    results = ((status(app).get("operationState") or {}).get("syncResult") or {}).get("resources") or ()
    return tuple(
        (
            f"{result.get('kind')}/{result.get('name')}",
            result.get("hookPhase") or result.get("status", ""),
            result.get("message", ""),
        )
        for result in results
    )


def refresh_asked(app: Object) -> bool:
    """Tell whether a refresh was asked for and is not done."""
    return REFRESH in ((app.get("metadata") or {}).get("annotations") or {})


def generated_by(app: Object) -> str | None:
    """Return the name of the ApplicationSet that owns it."""
    owners = (app.get("metadata") or {}).get("ownerReferences") or ()
    return next((owner["name"] for owner in owners if owner.get("kind") == "ApplicationSet"), None)


def busy(app: Object) -> bool:
    """Tell whether an operation is asked for, or goes on."""
    return bool(app.get("operation")) or operation(app).running


def generated_exactly(
    name: str, expected: frozenset[str], apart: frozenset[str] = frozenset()
) -> Expectation[tuple[Object | None, list[Object]]]:
    """Return the expectation that an ApplicationSet owns exactly these Applications and reports no error (scenario A8).

    Args:
        name: of the ApplicationSet.
        expected: names of the Applications.
        apart: names of those that are not judged: it may have made them or not.

    Returns:
        An expectation of `all_of(kube.one(APPLICATIONSET, ...), kube.many(APPLICATION, ...))`.
    """

    def judge(state: tuple[Object | None, list[Object]]) -> Verdict:
        applicationset, apps = state
        if applicationset is None:
            return Pending(f"applicationset/{name} does not exist")
        errors = [
            condition.get("message", "")
            for condition in status(applicationset).get("conditions") or ()
            if condition.get("type") == "ErrorOccurred" and condition.get("status") == "True"
        ]
        owned = {app["metadata"]["name"] for app in apps if generated_by(app) == name}
        missing, extra = sorted(expected - owned - apart), sorted(owned - expected - apart)
        if errors:
            return Pending(f"applicationset/{name} reports: {errors[0]}")
        if missing or extra:
            parts = [f"has not made {', '.join(missing)}"] if missing else []
            parts += [f"still has {', '.join(extra)}"] if extra else []
            return Pending(f"applicationset/{name} {' and '.join(parts)}")
        if APPLICATIONSET_REFRESH in (applicationset["metadata"].get("annotations") or {}):
            return Pending(f"applicationset/{name} has not taken the refresh yet")
        return Met(owned)

    return judge


def _revisions(holder: dict[str, Any]) -> tuple[str, ...]:
    """Return `revisions`, which Applications with several sources have, or `revision`."""
    several = holder.get("revisions")
    if several:
        return tuple(several)
    return (holder["revision"],) if holder.get("revision") else ()
