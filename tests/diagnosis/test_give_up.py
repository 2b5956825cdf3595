"""How long an Application is worth waiting for: a hook that cannot begin no longer than what keeps it from that."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.causes import HOOKS, STUCK
from platform_e2e.diagnosis.give_up import worth_waiting
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("wait-ends-when-still")


def application(message: str) -> Object:
    hook = {
        "group": "batch",
        "version": "v1",
        "kind": "Job",
        "namespace": "one",
        "name": "migrate",
        "hookType": "PreSync",
    }
    state = {"phase": "Running", "message": message, "syncResult": {"resources": [hook]}}
    sync = {"status": "OutOfSync"}
    return made(argocd.APPLICATION, "one", "argocd", status={"operationState": state, "sync": sync})


def hook(**state: Any) -> tuple[Object, Object]:
    labels = {"job-name": "migrate"}
    job = made("batch/v1/Job", "migrate", "one", spec={"selector": {"matchLabels": labels}})
    status = {"phase": "Pending", "containerStatuses": [{"name": "a", "state": state}]}
    return job, made("v1/Pod", "migrate-1", "one", labels=labels, status=status)


WAITS = "waiting for completion of hook batch/Job/migrate"


def test_a_hook_that_runs_has_its_time() -> None:
    found = worth_waiting(application(WAITS), RecordedView(*hook(running={})))
    assert found is not None
    assert (found[0].id, found[1]) == ("application-hook-running", HOOKS)


def test_a_hook_that_cannot_begin_has_that_of_what_it_lacks() -> None:
    lacks = {"reason": "CreateContainerConfigError", "message": 'configmap "settings" not found'}
    found = worth_waiting(application(WAITS), RecordedView(*hook(waiting=lacks)))
    assert found is not None
    assert (found[0].id, found[1]) == ("application-hook-running", STUCK)
    assert 'configmap "settings" not found' in found[0].sentence


def test_without_a_cause_nobody_can_tell() -> None:
    app = made(argocd.APPLICATION, "one", "argocd", status={"sync": {"status": "Synced"}})
    assert worth_waiting(app, RecordedView()) is None
