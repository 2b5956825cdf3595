"""Judge all Applications of a layer together while it comes up, and give a push to what is stuck."""

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
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.attempts import Attempts
from platform_e2e.gitops.comparisons import Comparisons
from platform_e2e.gitops.convergence import converged_on
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.objects import Object, generation
from platform_e2e.kube.progress import QUIET_SECONDS, STILL_SECONDS
from platform_e2e.layer import Application, Layer
from platform_e2e.timeline import Timeline

PHASE = "applications"
"""The phase of the timeline that progress is reported under."""

_LOOK_AGAIN = 2.0
"""Seconds between two refreshes of an Application that cannot be compared. Argo CD itself looks again after
`timeout.reconciliation`, 120 s by default, when the repo-server did not answer yet the first time."""

_SAME_ERROR = 12.0
"""Seconds after which a comparison error that stayed the same is taken for the layer's own fault."""

_STARTING = re.compile(
    r"connection refused|connection reset|no such host|i/o timeout|server misbehaving|Unavailable|DeadlineExceeded"
    r"|deadline exceeded|EOF|references project .* which does not exist|cluster cache|no matches for kind"
    r"|could not find the requested resource|failed calling webhook"
)
"""What Argo CD says while the repo-server, the cluster's DNS, a CRD or a webhook is not there yet."""

_HELD = re.compile(r"waiting for (?:healthy state|completion of hook)")
"""What an operation says that has no end of its own (gitops-engine, pkg/sync/sync_context.go): of an older commit, it is not needed."""

_BLOCKED = "blocked by sync window"
"""What an operation says that may not begin (Argo CD 3.2.11, controller/sync.go)."""

_REMEMBERED = "Manifest generation error (cached)"
"""What the repo-server says for an hour after three failures on one commit, whatever was mended meanwhile, unless it is to forget
(Argo CD 3.2.11, reposerver/repository/repository.go, cachedManifestResponse)."""

_SHORT = 100
"""Characters of an Application's sentence while the wait goes on: Argo CD's own can fill a screen."""

_LONG = 600
"""The same in the error after a wait in vain."""


@dataclass(frozen=True)
class GiveUp:
    """The policy by which a wait gives up an Application, so that it does not keep the others from being judged.

    Attributes:
        cause: returns the cause that holds an object and the seconds that it is worth waiting while it stays the same, None in
            place of them where that is not known; or None where no cause is known.
        foundations_ready: tells whether the foundations are there, or will not come; before that nothing is given up, for they
            may bring, or change, what an Application lacks.
    """

    cause: Callable[[Object], tuple[Cause, float | None] | None]
    foundations_ready: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Held:
    """Why an Application is not waited for any more.

    Attributes:
        why: what it lacks.
        cause: what holds it; None where no known cause does.
        refused: whether the API server does not take the Application itself.
    """

    why: str
    cause: Cause | None = None
    refused: bool = False


@dataclass
class LayerRollout:
    """One wait for a whole layer: judges all Applications together and pushes what is stuck.

    Attributes:
        kube: the cluster.
        layer: whose Applications are awaited.
        sha: the commit that is served.
        timeline: gets the progress.
        give_up: the policy by which an Application is not waited for any more; without it every one is waited for.
        still: returns for how many seconds nothing in the cluster has told anything new.
        ends: monotonic time at which whatever is not there is left behind.
        refused: for each Application that the API server does not take its sentence.
        projects: names of AppProjects and the generation of each that was seen last. Argo CD does not compare again because
            its project was changed, and a project changes more than once: while the Application that has it is still at the
            commit before, it heals what was applied by hand.
        began: monotonic time of the wait's begin.
        seconds: for each Application after how many seconds it had converged.
        abandoned: for each Application that is not waited for any more what holds it.
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

    def judge(self, state: tuple[list[Object], list[Object], list[Object], Any]) -> Verdict:
        """Expect every Application converged and every ApplicationSet to have made exactly its own.

        With `give_up` an Application is not waited for any more once its cause has stayed, or once nothing in
        the cluster moves: what is broken in one of them, known or not, shall not keep the others from being judged.
        """
        live = {(app["metadata"]["namespace"], app["metadata"]["name"]): app for app in state[0]}
        expected = converged_on(self.sha)
        self._look_at_projects(state[2])
        # Once for all of them: another process may say so between two questions.
        foundations_ready = self.give_up is None or self.give_up.foundations_ready()
        ungenerated = self._generated(state[0], state[1], foundations_ready=foundations_ready)
        lacking: dict[str, str] = {}
        for one in self.layer.applications:
            app = live.get((one.namespace, one.name))
            app = self._comparisons.look(app) if app is not None else None
            verdict = expected(app)
            if isinstance(verdict, Met):
                verdict = self._before_its_project(app or {}) or verdict
            if isinstance(verdict, Met) and (why := self._from_memory(one)):
                # It lacks nothing that is known, so there is nothing that could hold it.
                self.seconds.pop(one.name, None)
                lacking[one.name] = why
                continue
            if isinstance(verdict, Met):
                self.seconds.setdefault(one.name, time.monotonic() - self.began)
                self.abandoned.pop(one.name, None)
                continue
            self.seconds.pop(one.name, None)
            if app is None and one.generated_by and (maker := _of_set(one.generated_by)) in self.abandoned:
                self.abandoned[one.name] = self.abandoned[maker]
                continue
            if app is not None:
                verdict = self._push(one, app, verdict, foundations_ready=foundations_ready)
            if foundations_ready and self._is_abandoned(one.name, app, verdict):
                continue
            # Where causes are known, one broken Application is waited for as any other, and then left behind.
            if isinstance(verdict, Failed) and self.give_up is None:
                return Failed(f"application/{one.name} -n {one.namespace}: {verdict.why}")
            lacking[one.name] = verdict.why
        lacking |= ungenerated
        self._progress(lacking)
        if lacking:
            return Pending(self._sentence(lacking))
        return Met([live[one.namespace, one.name] for one in self.layer.applications if one.name not in self.abandoned])

    def _is_abandoned(self, name: str, obj: Object | None, verdict: Pending | Failed) -> bool:
        """Tell whether waiting for an Application or ApplicationSet no longer helps."""
        if self.give_up is None:
            return False
        if name in self.refused:
            self.abandoned[name] = Held(self.refused[name], refused=True)
            return True
        now = time.monotonic()
        # What it lacked before the comparison that is asked for just now is what holds it.
        if obj is None or not argocd.refresh_asked(obj):
            self._lacked[name] = verdict.why
        # Each state counts, not only those that a cause is asked of.
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
        """Tell whether nothing moves any more that could bring what an object lacks."""
        operation = argocd.operation(obj or {})
        if operation.backing_off:
            # Its next attempt comes by itself, however long the pause.
            return False
        rests = cause is None and not operation.running and self.sha in argocd.revisions(obj or {})
        return self.still() >= (QUIET_SECONDS if rests else STILL_SECONDS)

    def _generated(self, apps: Sequence[Object], sets: Sequence[Object], *, foundations_ready: bool) -> dict[str, str]:
        """Return what each ApplicationSet lacks that is waited for."""
        live = {(appset["metadata"]["namespace"], appset["metadata"]["name"]): appset for appset in sets}
        lacking = {}
        for appset in self.layer.applicationsets:
            expected = argocd.generated_exactly(appset.name, frozenset(appset.generates))
            verdict = expected((live.get((appset.namespace, appset.name)), list(apps)))
            if isinstance(verdict, Met):
                self.abandoned.pop(_of_set(appset.name), None)
                continue
            found = live.get((appset.namespace, appset.name))
            if not (foundations_ready and self._is_abandoned(_of_set(appset.name), found, verdict)):
                lacking[_of_set(appset.name)] = verdict.why
        return lacking

    def _look_at_projects(self, projects: Sequence[Object]) -> None:
        """Note when a project was changed, as the API server tells the time."""
        for project in projects:
            name, now = project["metadata"]["name"], generation(project)
            if self.projects.setdefault(name, now) != now:
                times = (argocd.time(entry.get("time")) for entry in project["metadata"].get("managedFields") or ())
                self._changed[name] = max(filter(None, times), default=datetime.now(UTC))
                self.projects[name] = now

    def _before_its_project(self, app: Object) -> Pending | None:
        """Return that an Application was compared by what its project no longer says, or None."""
        name = (app.get("spec") or {}).get("project") or "default"
        changed, judged = self._changed.get(name), argocd.reconciled_at(app)
        # Both times are of whole seconds, cut off: of the second after the change it may be one before Argo CD has seen it.
        if changed is None or judged is None or judged - changed > timedelta(seconds=1):
            return None
        return Pending(f"it was compared at {judged:%H:%M:%S}, not since its project {name} was changed")

    def _from_memory(self, app: Application) -> str:
        """Return that what an Application says may be of Argo CD's cache, and ask for a comparison; empty where it was made."""
        if not self._comparisons.doubted(app.name):
            return ""
        # Not the pause of what is asked for before it: nothing else is in this one's way.
        ask = partial(argocd_requests.ask_refresh, self.kube, app.name, namespace=app.namespace)
        self._once(f"{app.name} again", time.monotonic(), ask)
        return "it is compared once more, since what it says may be from before its last sync"

    def _push(
        self, one: Application, app: Object, verdict: Pending | Failed, *, foundations_ready: bool
    ) -> Pending | Failed:
        """Ask for what Argo CD would do only after a long pause, and recognise what will not get better."""
        now = time.monotonic()
        self._have_compared(one, app, now)
        operation = argocd.operation(app)
        waits = operation.backing_off or _HELD.search(operation.message)
        if operation.running and waits and operation.revisions and self.sha not in operation.revisions:
            self._once(one.name, now, lambda: self.kube.patch(
                argocd.APPLICATION, one.name, {"status": {"operationState": {"phase": "Terminating"}}}, one.namespace
            ))  # fmt: skip
            return verdict
        if operation.running and _BLOCKED in operation.message:
            # Argo CD does not look again because its project has lost the window; any change of the Application makes it.
            self._once(one.name, now, lambda: argocd_requests.ask_refresh(self.kube, one.name, namespace=one.namespace))
            return verdict
        errors = [
            f"{kind}: {' '.join(text.split())}" for kind, text in argocd.conditions(app) if kind.endswith("Error")
        ]
        stale = argocd.revisions(app) != () and self.sha not in argocd.revisions(app)
        stale = stale or self._before_its_project(app) is not None
        if not errors and not stale and argocd.sync_status(app) != "Unknown":
            self._errors.pop(one.name, None)
            return verdict
        if not argocd.refresh_asked(app) and not operation.running:
            hard = any(_REMEMBERED in error for error in errors)
            self._once(
                one.name,
                now,
                lambda: argocd_requests.ask_refresh(self.kube, one.name, hard=hard, namespace=one.namespace),
            )
        if not errors or _STARTING.search(errors[0]) or not foundations_ready:
            self._errors.pop(one.name, None)
            return verdict
        error, first = self._errors.get(one.name, ("", now))
        if error != errors[0]:
            self._errors[one.name] = (errors[0], now)
        elif now - first > _SAME_ERROR:
            return Failed(f"{errors[0]} (for {now - first:.0f} s, through several refreshes)")
        return verdict

    def _have_compared(self, one: Application, app: Object, now: float) -> None:
        """Ask for a comparison that Argo CD has lost, or that it makes by itself only after minutes."""
        if not argocd.refresh_asked(app):
            self._refreshes.pop(one.name, None)
            rests = argocd.sync_status(app) == "Synced" and not argocd.operation(app).running
            if rests and any(each.kind == argocd.UNTRACKED for each in argocd.resources(app)):
                # That its CRDs are established since then.
                self._once(
                    one.name, now, lambda: argocd_requests.ask_refresh(self.kube, one.name, namespace=one.namespace)
                )
        elif now - self._refreshes.setdefault(one.name, now) >= argocd_requests.LOST_SECONDS:
            self._refreshes[one.name] = now
            with contextlib.suppress(ApiError):
                argocd_requests.ask_refresh(self.kube, one.name, namespace=one.namespace, again=True)

    def _once(self, name: str, now: float, work: Callable[[], object]) -> None:
        """Do it unless the last time is too short ago; a refusal of the API server is left to the next time."""
        if now - self._asked.get(name, -_LOOK_AGAIN) < _LOOK_AGAIN:
            return
        self._asked[name] = now
        try:
            work()
        except ApiError:
            return

    def _sentence(self, lacking: Mapping[str, str], longest: int = _LONG) -> str:
        """Say how many have converged and what keeps the others, those together that lack the same."""
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
    """Return how an ApplicationSet is called beside Applications, which may have its name."""
    return f"ApplicationSet {name}"
