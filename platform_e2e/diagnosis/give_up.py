"""Give-up policy: the seconds that it is worth waiting for an Application, by the cause that holds it."""

from __future__ import annotations

from platform_e2e.diagnosis.causes import patience
from platform_e2e.diagnosis.explain import hooks
from platform_e2e.diagnosis.objects import at
from platform_e2e.diagnosis.registry import explain
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi

HOOK_RUNS = "application-hook-running"
"""Cause of a sync that waits for a hook."""


def worth_waiting(application: Object, view: ReadApi) -> tuple[Cause, float | None] | None:
    """Return the cause that holds an Application, and for how many seconds it is worth waiting while it stays; None without a cause.

    A hook may run for long, and one that cannot begin is worth no more than what keeps it from that.

    Args:
        application: the live Application.
        view: of the cluster.
    """
    cause = explain(application, view)
    if cause is None:
        return None
    operation = at(application, "status", "operationState") or {}
    inner = hooks.beneath(application, operation, view) if cause.id == HOOK_RUNS else None
    limits = [limit for known in (cause, inner) if known and (limit := patience(known)) is not None]
    return cause, min(limits, default=None)
