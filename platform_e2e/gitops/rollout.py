"""Judge all Applications of a layer during its rollout, and push those that are stuck."""

from __future__ import annotations

import contextlib
import math
import re
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd, argocd_requests, invented_volumes, unjudged
from platform_e2e.gitops.attempts import Attempts
from platform_e2e.gitops.comparisons import Comparisons
from platform_e2e.gitops.convergence import at, converged_on, operates_on
from platform_e2e.gitops.invented_secrets import InventedSecrets
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.objects import Object, generation
from platform_e2e.kube.progress import QUIET_SECONDS, STILL_SECONDS
from platform_e2e.layer import Application, Layer
from platform_e2e.timeline import Timeline

PHASE = "applications"
"""The timeline's phase for the progress."""

_LOOK_AGAIN = 2.0
"""Seconds between two refreshes of an Application that cannot be compared. Argo CD itself waits for `timeout.reconciliation`, 120 s by
default, if the repo-server did not answer the first time."""

_SAME_ERROR = 12.0
"""Seconds after which an unchanged comparison error counts as an error of the layer."""

_STARTING = re.compile(
    r"connection refused|connection reset|no such host|i/o timeout|server misbehaving|Unavailable|DeadlineExceeded"
    r"|deadline exceeded|EOF|references project .* which does not exist|cluster cache|no matches for kind"
    r"|could not find the requested resource|failed calling webhook"
)
"""Argo CD's messages while the repo-server, the cluster's DNS, a CRD or a webhook is not ready yet."""

_BLOCKED = "blocked by sync window"
"""Message of an operation that must not begin (Argo CD 3.2.11, controller/sync.go)."""

_REMEMBERED = "Manifest generation error (cached)"
"""The repo-server's message for an hour after three failures on one commit, also after the cause is repaired, unless a hard refresh
clears it (Argo CD 3.2.11, reposerver/repository/repository.go, cachedManifestResponse)."""

_SHORT = 100
"""Most characters of an Application's sentence during the wait: Argo CD's own can fill a screen."""

_LONG = 600
"""The same in the error after a timeout."""


@dataclass(frozen=True)
class GiveUp:
    """The policy that abandons an Application, so that the others are judged.

    Attributes:
        cause: returns the cause that blocks an object and the seconds that it is worth waiting for a change of it, or None instead
            of the seconds if they are unknown; or None without a known cause.
        foundations_ready: tells whether the foundations are ready, or will not be; before that nothing is given up, because they
            may bring what an Application lacks.
    """

    cause: Callable[[Object], tuple[Cause, float | None] | None]
    foundations_ready: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Held:
    """The reason why an Application was abandoned.

    Attributes:
        why: what it lacks.
        cause: the known cause, or None.
        refused: whether the API server refuses the Application itself.
    """

    why: str
    cause: Cause | None = None
    refused: bool = False


def _unestablished(application: Application, app: Object) -> bool:
    """Tell whether Argo CD may still take a CRD for one that is not established: it waits for it, or calls the Application degraded."""
    if all(each.kind != "CustomResourceDefinition" for each in application.objects):
        return False
    operation = argocd.operation(app)
    if operation.running:
        return "CustomResourceDefinition/" in operation.message and unjudged.HELD.search(operation.message) is not None
    return argocd.sync_status(app) == "Synced" and argocd.health(app) == "Degraded"


@dataclass
class LayerRollout:
    """One wait for a whole layer: judges all Applications together and pushes those that are stuck.

    Attributes:
        kube: the cluster.
        layer: the layer of the Applications.
        sha: the commit that is served.
        timeline: gets the progress.
        give_up: the policy that abandons an Application; without it the wait is for all of them.
        still: returns the seconds since the last news in the cluster.
        ends: monotonic time at which everything that has not converged is abandoned.
        refused: the API server's message for each Application that it refuses.
        projects: names of AppProjects with the generation seen last. Argo CD does not compare an Application again because its
            project was changed, and a project changes more than once: while its Application is still at the previous commit, that
            reverts what was applied by hand.
        began: monotonic time of the start.
        seconds: for each converged Application the seconds until then.
        abandoned: the reason for each abandoned Application.
    """

    kube: Kube
    layer: Layer
    sha: str
    timeline: Timeline
    give_up: GiveUp | None = None
    still: Callable[[], float] = lambda: 0.0
    ends: float = math.inf
    refused: Mapping[str, str] = field(default_factory=dict)
    projects: dict[str, int] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    abandoned: dict[str, Held] = field(default_factory=dict)
    _changed: dict[str, datetime] = field(default_factory=dict)
    _held: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    _attempts: Attempts = field(default_factory=Attempts)
    _comparisons: Comparisons = field(default_factory=Comparisons)
    _said: str = ""
    _asked: dict[str, float] = field(default_factory=dict)
    _errors: dict[str, tuple[str, float]] = field(default_factory=dict)
    _refreshes: dict[str, float] = field(default_factory=dict)
    _lacked: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out once what makes what."""
        self._makers = unjudged.makers(self.layer) if self.layer.waited_for_in_vain else {}
        self._secrets = InventedSecrets(self.layer.invented)

    def judge(self, state: tuple[list[Object], list[Object], list[Object], Any]) -> Verdict:
        """Expect every Application converged and every ApplicationSet to have made exactly its own.

        `give_up` abandons an Application once its cause has stayed, or once nothing in the cluster moves: a broken Application,
        with a known cause or not, must not prevent the others from being judged.
        """
        live = {(app["metadata"]["namespace"], app["metadata"]["name"]): app for app in state[0]}
        expected = converged_on(self.sha)
        self._look_at_projects(state[2])
        self._provide()
        # One question for all of them: another process may report it between two questions.
        foundations_ready = self.give_up is None or self.give_up.foundations_ready()
        ungenerated = self._generated(state[0], state[1], foundations_ready=foundations_ready)
        lacking: dict[str, str] = {}
        for application in self.layer.applications:
            app = live.get((application.namespace, application.name))
            app = self._comparisons.look(app) if app is not None else None
            verdict = expected(app)
            if isinstance(verdict, Met):
                verdict = self._before_its_project(app or {}) or verdict
            if isinstance(verdict, Met) and (why := self._from_memory(application)):
                # It lacks nothing that is known, so it can have no cause.
                self.seconds.pop(application.name, None)
                lacking[application.name] = why
                continue
            if isinstance(verdict, Met):
                self.seconds.setdefault(application.name, time.monotonic() - self.began)
                self.abandoned.pop(application.name, None)
                continue
            self.seconds.pop(application.name, None)
            if held := self._held_by_another(application, app, verdict.why, foundations_ready=foundations_ready):
                self.abandoned[application.name] = held
                continue
            if app is not None:
                verdict = self._push(application, app, verdict, foundations_ready=foundations_ready)
            if foundations_ready and self._is_abandoned(application.name, app, verdict):
                continue
            # With known causes, a broken Application is waited for like the others, and then abandoned.
            if isinstance(verdict, Failed) and self.give_up is None:
                return Failed(f"application/{application.name} -n {application.namespace}: {verdict.why}")
            lacking[application.name] = verdict.why
        lacking |= ungenerated
        self._progress(lacking)
        if lacking:
            return Pending(self._sentence(lacking))
        return Met(
            [
                live[application.namespace, application.name]
                for application in self.layer.applications
                if application.name not in self.abandoned
            ]
        )

    def _provide(self) -> None:
        """Make what pods wait for and nothing of the layer can bring here."""
        if self.layer.invented:
            self._once("invented secrets", time.monotonic(), partial(self._secrets.provide, self.kube))
        if self.layer.stand_ins.claims.directories:
            self._once("invented volumes", time.monotonic(), partial(invented_volumes.provide, self.kube))

    def _held_by_another(
        self, application: Application, app: Object | None, why: str, *, foundations_ready: bool
    ) -> Held | None:
        """Return the reason of what does not make an Application, or of what is not judged that it waits for; or None."""
        if app is None and application.generated_by:
            return self.abandoned.get(_of_set(application.generated_by))
        if app is None:
            return self._held_with_its_parent("Application", application.namespace, application.name)
        # Before that, what is not judged may be healthy as soon as Argo CD is.
        if not foundations_ready:
            return None
        behind = unjudged.waits_for(app, self.layer.waited_for_in_vain, self.sha)
        if behind is None and self.give_up is not None:
            behind = unjudged.needs_a_device(app, self.layer.stand_ins.claims.devices, self.sha, self.give_up.cause)
        return Held(why, unjudged.cause(app, behind)) if behind else None

    def _held_with_its_parent(self, kind: str, namespace: str, name: str) -> Held | None:
        """Return the reason of the Application that makes an object, where its sync waits for what is not judged; or None."""
        held = self.abandoned.get(self._makers.get((kind, namespace, name), ""))
        return held if held and held.cause and held.cause.id == unjudged.WAITS_FOR else None

    def _is_abandoned(self, name: str, obj: Object | None, verdict: Pending | Failed) -> bool:
        """Tell whether waiting for an Application or ApplicationSet no longer helps."""
        if self.give_up is None:
            return False
        if name in self.refused:
            self.abandoned[name] = Held(self.refused[name], refused=True)
            return True
        now = time.monotonic()
        # The lack that was seen before the comparison that is being requested counts as the reason.
        if obj is None or not argocd.refresh_asked(obj):
            self._lacked[name] = verdict.why
        # Every state counts, also those for which no cause is looked up.
        vain = obj is not None and self._attempts.vain(obj, now, self.still())
        known, since, asked = self._held.get(name, ("", now, -math.inf))
        if now - asked >= _LOOK_AGAIN:
            cause, patience = (self.give_up.cause(obj) if obj else None) or (None, None)
            if cause is None and isinstance(verdict, Failed):
                patience = QUIET_SECONDS
            told = cause.id if cause else type(verdict).__name__
            since = since if told == known else now
            self._held[name] = (told, since, now)
            stays = patience is not None and now - since >= patience
            self.abandoned.pop(name, None)
            if stays or vain or now >= self.ends or self._is_still(obj, cause):
                self.abandoned[name] = Held(self._lacked.get(name, verdict.why), cause)
        return name in self.abandoned

    def _is_still(self, obj: Object | None, cause: Cause | None) -> bool:
        """Tell whether nothing moves any longer that could bring what an object lacks."""
        operation = argocd.operation(obj or {})
        if operation.backing_off:
            # Its next attempt comes by itself, after any pause.
            return False
        rests = cause is None and not operation.running and at(obj or {}, self.sha)
        return self.still() >= (QUIET_SECONDS if rests else STILL_SECONDS)

    def _generated(self, apps: Sequence[Object], sets: Sequence[Object], *, foundations_ready: bool) -> dict[str, str]:
        """Return what each awaited ApplicationSet lacks."""
        live = {(appset["metadata"]["namespace"], appset["metadata"]["name"]): appset for appset in sets}
        lacking = {}
        apart = frozenset(
            name for kind, _, name in (each.identity for each in self.layer.aside) if kind == "application"
        )
        for appset in self.layer.applicationsets:
            expected = argocd.generated_exactly(appset.name, frozenset(appset.generates), apart)
            verdict = expected((live.get((appset.namespace, appset.name)), list(apps)))
            if isinstance(verdict, Met):
                self.abandoned.pop(_of_set(appset.name), None)
                continue
            found = live.get((appset.namespace, appset.name))
            if found is None and (held := self._held_with_its_parent("ApplicationSet", appset.namespace, appset.name)):
                self.abandoned[_of_set(appset.name)] = held
                continue
            if not (foundations_ready and self._is_abandoned(_of_set(appset.name), found, verdict)):
                lacking[_of_set(appset.name)] = verdict.why
        return lacking

    def _look_at_projects(self, projects: Sequence[Object]) -> None:
        """Record when a project was changed, by the API server's clock."""
        for project in projects:
            name, now = project["metadata"]["name"], generation(project)
            if self.projects.setdefault(name, now) != now:
                times = (argocd.time(entry.get("time")) for entry in project["metadata"].get("managedFields") or ())
                self._changed[name] = max(filter(None, times), default=datetime.now(UTC))
                self.projects[name] = now

    def _before_its_project(self, app: Object) -> Pending | None:
        """Return that an Application was compared before its project changed, or None."""
        name = (app.get("spec") or {}).get("project") or "default"
        changed, judged = self._changed.get(name), argocd.reconciled_at(app)
        # Both times are truncated to seconds: a comparison in the second after the change may be from before Argo CD saw it.
        if changed is None or judged is None or judged - changed > timedelta(seconds=1):
            return None
        return Pending(f"it was compared at {judged:%H:%M:%S}, not since its project {name} was changed")

    def _from_memory(self, app: Application) -> str:
        """Return that an Application's status may be from Argo CD's cache, and request a comparison; empty if it was compared."""
        if not self._comparisons.doubted(app.name):
            return ""
        # Without the pause of earlier requests: nothing else delays this one.
        ask = partial(argocd_requests.ask_refresh, self.kube, app.name, namespace=app.namespace)
        self._once(f"{app.name} again", time.monotonic(), ask)
        return "it is compared once more, since what it says may be from before its last sync"

    def _push(
        self, application: Application, app: Object, verdict: Pending | Failed, *, foundations_ready: bool
    ) -> Pending | Failed:
        """Request what Argo CD would do only after a long pause, and recognise errors that stay."""
        now = time.monotonic()
        self._have_compared(application, app, now)
        operation = argocd.operation(app)
        waits = operation.backing_off or unjudged.HELD.search(operation.message)
        if operation.running and waits and operation.revisions and not operates_on(app, self.sha):
            self._once(application.name, now, partial(argocd_requests.ask_stop, self.kube, app))
            return verdict
        blocked = operation.running and _BLOCKED in operation.message
        if blocked or _unestablished(application, app):
            # Argo CD does not look again when its project loses the window, or a CRD is established: it leaves out changes of a
            # status alone, and has judged the CRD when it was made. Any change of the Application makes it look.
            self._refresh(application, now)
            return verdict
        errors = [
            f"{kind}: {' '.join(text.split())}" for kind, text in argocd.conditions(app) if kind.endswith("Error")
        ]
        stale = argocd.revisions(app) != () and not at(app, self.sha)
        stale = stale or self._before_its_project(app) is not None
        if not errors and not stale and argocd.sync_status(app) != "Unknown":
            self._errors.pop(application.name, None)
            return verdict
        if not argocd.refresh_asked(app) and not operation.running:
            self._refresh(application, now, hard=any(_REMEMBERED in error for error in errors))
        if not errors or _STARTING.search(errors[0]) or not foundations_ready:
            self._errors.pop(application.name, None)
            return verdict
        error, first = self._errors.get(application.name, ("", now))
        if error != errors[0]:
            self._errors[application.name] = (errors[0], now)
        elif now - first > _SAME_ERROR:
            return Failed(f"{errors[0]} (for {now - first:.0f} s, through several refreshes)")
        return verdict

    def _have_compared(self, application: Application, app: Object, now: float) -> None:
        """Request a comparison that Argo CD has lost, or would make only after minutes."""
        if not argocd.refresh_asked(app):
            self._refreshes.pop(application.name, None)
            rests = argocd.sync_status(app) == "Synced" and not argocd.operation(app).running
            if rests and any(each.kind == argocd.UNTRACKED for each in argocd.resources(app)):
                # Its CRDs may have been established since then.
                self._refresh(application, now)
        elif now - self._refreshes.setdefault(application.name, now) >= argocd_requests.LOST_SECONDS:
            self._refreshes[application.name] = now
            with contextlib.suppress(ApiError):
                argocd_requests.ask_refresh(self.kube, application.name, namespace=application.namespace, again=True)

    def _refresh(self, application: Application, now: float, *, hard: bool = False) -> None:
        """Request a comparison, unless something was requested for the Application a short time ago."""
        ask = partial(
            argocd_requests.ask_refresh, self.kube, application.name, hard=hard, namespace=application.namespace
        )
        self._once(application.name, now, ask)

    def _once(self, name: str, now: float, work: Callable[[], object]) -> None:
        """Do the work unless it was done a short time ago; if the API server refuses, the next call tries again."""
        if now - self._asked.get(name, -_LOOK_AGAIN) < _LOOK_AGAIN:
            return
        self._asked[name] = now
        try:
            work()
        except ApiError:
            return

    def _sentence(self, lacking: Mapping[str, str], longest: int = _LONG) -> str:
        """Summarise the converged Applications and group the rest by reason."""
        alike: dict[str, list[str]] = {}
        for name, why in lacking.items():
            alike.setdefault(textwrap.shorten(why, longest, placeholder=" ..."), []).append(name)
        waiting = "; ".join(f"{', '.join(names)}: {why}" for why, names in alike.items())
        of = len(self.layer.applications)
        return f"{len(self.seconds)} of {of} Applications have converged" + (f"; {waiting}" if waiting else "")

    def _progress(self, lacking: Mapping[str, str]) -> None:
        sentence = self._sentence(lacking, _SHORT)
        if sentence != self._said:
            self._said = sentence
            self.timeline.progress(PHASE, sentence)


def _of_set(name: str) -> str:
    """Return an ApplicationSet's name in a list of Applications, one of which may have the same name."""
    return f"ApplicationSet {name}"
