"""Sync windows of an AppProject that keep an Application from syncing at a moment.

The rules are those of Argo CD 3.2.11 (pkg/apis/application/v1alpha1/types.go, SyncWindows.CanSync and Matches).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.manifests import glob

DURATION = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<unit>ns|us|µs|ms|s|m|h)")
"""A part of a duration as Go writes it (time.ParseDuration)."""

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Window = Mapping[str, Any]


class InvalidWindow(ValueError):
    """A schedule or a duration cannot be read: Argo CD then syncs nothing that the project's windows are about."""


def holding(application: Object, view: ReadApi, now: datetime | None = None) -> Cause | None:
    """Return that sync windows keep an Application from every automated sync.

    Args:
        application: as the cluster has it.
        view: of the cluster, for its AppProject.
        now: the moment; by default this one.
    """
    name = str(at(application, "spec", "project") or "default")
    # Applications may live in namespaces of their own, projects beside Argo CD alone.
    places = dict.fromkeys((key(application)[0], argocd.NAMESPACE))
    project = next((found for place in places if (found := view.get(argocd.APPPROJECT, name, place))), None)
    windows = [window for window in at(project, "spec", "syncWindows") or () if matches(window, application)]
    moment = now or datetime.now(UTC)
    try:
        denying = [window for window in windows if window.get("kind") == "deny" and is_active(window, moment)]
        allows = [window for window in windows if window.get("kind") == "allow"]
        closed = allows if not any(is_active(window, moment) for window in allows) else []
    except InvalidWindow as error:
        return _cause(application, f"a sync window of AppProject {name} {error}, so that", "correct it")
    if denying:
        return _cause(
            application,
            f"a sync window of AppProject {name} denies syncs, {listed([_words(window) for window in denying])}, so that",
            f"remove or narrow the window in the file of AppProject {name}{_by_hand(denying)}",
        )
    if closed:
        return _cause(
            application,
            f"no sync window of AppProject {name} that allows syncs is open, {listed([_words(window) for window in closed])}, so that",
            f"wait for it, or widen the window in the file of AppProject {name}{_by_hand(closed)}",
        )
    return None


def matches(window: Window, application: Object) -> bool:
    """Tell whether a window is about an Application: by name, cluster or namespace, or by all that it names (andOperator)."""
    destination = at(application, "spec", "destination") or {}
    asked = (
        (window.get("applications"), [key(application)[1]]),
        (window.get("clusters"), [destination.get("name"), destination.get("server")]),
        (window.get("namespaces"), [destination.get("namespace") or ""]),
    )
    answers = [_any(patterns, texts) for patterns, texts in asked if patterns]
    return bool(answers) and (all(answers) if window.get("andOperator") else any(answers))


def _any(patterns: Iterable[Any], texts: Sequence[Any]) -> bool:
    return any(glob(str(pattern), str(text)) for pattern in patterns for text in texts if text is not None)


def is_active(window: Window, now: datetime) -> bool:
    """Tell whether a window is open: whether its schedule began it less than its duration ago.

    Args:
        window: with schedule, duration and timeZone; a time zone that is not known counts as UTC.
        now: with its own time zone.

    Raises:
        InvalidWindow: its schedule or duration cannot be read.
    """
    duration = _duration(str(window.get("duration") or ""))
    try:
        zone = ZoneInfo(str(window.get("timeZone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    # The clock on the wall there, as Argo CD has it: the offset of this moment counts, also for a begin before a change of it.
    wall = now.astimezone(zone).replace(tzinfo=None)
    try:
        return next(CronSim(str(window.get("schedule") or ""), wall - duration), wall) < wall
    except CronSimError as error:
        raise InvalidWindow(f"has the schedule {window.get('schedule')!r}, which cannot be read") from error


def _duration(text: str) -> timedelta:
    parts = list(DURATION.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise InvalidWindow(f"has the duration {text!r}, which cannot be read")
    return timedelta(seconds=min(sum(float(part["number"]) * SECONDS[part["unit"]] for part in parts), 1e9))


def _words(window: Window) -> str:
    zone = f" {window['timeZone']}" if window.get("timeZone") else ""
    about = [f"{name} {listed([str(pattern) for pattern in window[name]])}" for name in ("applications", "namespaces", "clusters")
             if window.get(name)]  # fmt: skip
    return (
        f"{window.get('kind')} from `{window.get('schedule')}`{zone} for {window.get('duration')} ({'; '.join(about)})"
    )


def _by_hand(windows: Sequence[Window]) -> str:
    return "; `argocd app sync` works meanwhile" if all(window.get("manualSync") is True for window in windows) else ""


def _cause(application: Object, why: str, remedy: str) -> Cause:
    return Cause(
        "application-sync-window",
        f"{why} {name_of(application)} is not synced: neither Git nor a heal reaches it",
        remedy,
    )
