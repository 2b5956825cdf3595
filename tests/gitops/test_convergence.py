from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.argocd import APPLICATION, APPLICATIONSET
from platform_e2e.gitops.convergence import converge, converged_on, roll_out
from platform_e2e.kube.errors import (
    ApiError,
    BadAnswer,
    Conflict,
    Forbidden,
    Invalid,
    KindNotServed,
    NotFound,
    Unavailable,
)
from platform_e2e.kube.expect import Failed, Met, Pending, Polled, Refuted, Timeout
from tests.fakes.argocd import SHA, ChangingKube, Object, converged

OLD = "b" * 40


def changed(*path: str | int, to: Any) -> Object:
    """Return a converged Application with one field different; None removes it."""
    app = converged()
    holder: Any = app
    for key in path[:-1]:
        holder = holder[key]
    if to is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = to
    return app


def test_a_converged_application_is_met_with_itself() -> None:
    app = converged()
    assert converged_on(SHA)(app) == Met(app)


@pytest.mark.parametrize(
    ("kind", "met"),
    [
        ("admissionregistration.k8s.io/ValidatingWebhookConfiguration guard", True),
        ("apiregistration.k8s.io/APIService v1.figures.example", True),
        ("/Endpoints by-hand", False),
    ],
)
def test_what_a_stand_in_would_serve_may_be_excluded_and_nothing_else(kind: str, *, met: bool) -> None:
    said = [{"type": argocd.EXCLUDED, "message": f"Resource {kind} is excluded in the settings"}]
    verdict = converged_on(SHA)(changed("status", "conditions", to=said))
    assert isinstance(verdict, Met) == met


def test_the_first_digits_of_a_commit_are_enough() -> None:
    app = converged()
    assert converged_on(SHA[:7])(app) == Met(app)
    assert converged_on(SHA[:7])(changed("status", "sync", "revision", to=OLD)) == Pending(
        f"it was compared with commit {OLD[:12]}, not with {SHA[:7]} yet"
    )
    assert isinstance(converged_on("")(app), Pending)


def test_each_source_may_have_a_commit_of_its_own() -> None:
    app = changed("status", "sync", to={"status": "Synced", "revisions": [SHA, OLD]})
    app["status"]["operationState"]["syncResult"] = {"revisions": [SHA, OLD]}
    assert converged_on((SHA, OLD))(app) == Met(app)
    assert converged_on((SHA, OLD), by_operation=True)(app) == Met(app)
    assert isinstance(converged_on((OLD, SHA))(app), Pending)
    assert isinstance(converged_on((SHA,))(app), Pending)
    assert isinstance(converged_on(())(app), Pending)


def test_argo_cd_has_given_up_only_on_the_commits_that_it_names() -> None:
    message = f"Failed last sync attempt to [{SHA} {OLD}]: one error"
    app = changed("status", "conditions", to=[{"type": "SyncError", "message": message}])
    why = f"condition SyncError: {message}"
    assert converged_on((SHA, OLD))(app) == Failed(why)
    assert converged_on(SHA[:9])(app) == Failed(why)
    assert converged_on((SHA, "c" * 40))(app) == Pending(why)
    assert converged_on(())(app) == Pending(why)


OPERATION = ("status", "operationState")

# One field of a converged Application is different, and what is said about it.
PENDING: dict[str, tuple[Object | None, str]] = {
    "absent": (None, "it does not exist"),
    "being deleted": (
        changed(
            "metadata",
            to={"name": "app", "deletionTimestamp": "x", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        ),
        "it is being deleted, held by resources-finalizer.argocd.argoproj.io",
    ),
    "refresh outstanding": (
        changed("metadata", "annotations", to={argocd.REFRESH: "normal"}),
        "Argo CD has not done the refresh that was asked for",
    ),
    "no status": (changed("status", to=None), "Argo CD has not compared it with Git yet"),
    "condition": (
        changed("status", "conditions", to=[{"type": "ComparisonError", "message": "app path\n does not exist"}]),
        "condition ComparisonError: app path does not exist",
    ),
    "warning": (
        changed("status", "conditions", to=[{"type": "SharedResourceWarning", "message": "ConfigMap/a is part of b"}]),
        "condition SharedResourceWarning: ConfigMap/a is part of b",
    ),
    "running": (
        changed(*OPERATION, "phase", to="Running"),
        f"attempt 0 of 6 to sync commit {SHA[:12]} failed: successfully synced (all tasks run)",
    ),
    "older commit": (
        changed("status", "sync", "revision", to=OLD),
        f"it was compared with commit {OLD[:12]}, not with {SHA[:12]} yet",
    ),
    "no commit": (
        changed("status", "sync", "revision", to=None),
        f"it was compared with commit unknown, not with {SHA[:12]} yet",
    ),
    "one of several sources is older": (
        changed("status", "sync", to={"status": "Synced", "revisions": [SHA, OLD]}),
        f"it was compared with commit {SHA[:12]}, {OLD[:12]}, not with {SHA[:12]} yet",
    ),
    "an object out of sync": (
        changed("status", "resources", 0, "status", to="OutOfSync"),
        "it is Synced, but configmap/a -n n is OutOfSync",
    ),
    "an object that Argo CD may not manage": (
        changed("status", "resources", 0, "status", to="Unknown"),
        "it is Synced, but configmap/a -n n is Unknown",
    ),
    "an object missing": (
        changed("status", "resources", 0, "health", to={"status": "Missing"}),
        "it is Synced, but configmap/a -n n is missing",
    ),
    "no objects": (changed("status", "resources", to=[]), "it is Synced, but has no objects: its path renders nothing"),
    "unknown": (changed("status", "sync", "status", to="Unknown"), "it is Unknown: no object is named"),
    "health": (changed("status", "health", "status", to="Progressing"), "its health is Progressing"),
    "no health": (changed("status", "health", to=None), "its health is not known"),
    "health is from before the operation": (
        changed("status", "reconciledAt", to="2026-01-01T10:00:03Z"),
        "its health was judged before its last operation ended",
    ),
    "never reconciled": (
        changed("status", "reconciledAt", to=None),
        "its health was judged before its last operation ended",
    ),
    "operation asked for": (
        {**converged(), "operation": {"sync": {}}},
        "an operation was asked for and has not begun",
    ),
}


@pytest.mark.parametrize(("app", "why"), PENDING.values(), ids=PENDING.keys())
def test_each_part_of_a1_is_demanded_and_named(app: Object | None, why: str) -> None:
    assert converged_on(SHA)(app) == Pending(why)


def test_a_running_sync_is_told_from_one_that_waits_for_its_next_attempt() -> None:
    app = changed(*OPERATION, "phase", to="Running")
    state = app["status"]["operationState"]
    state |= {"finishedAt": None, "message": ""}
    assert converged_on(SHA)(app) == Pending(f"the sync of commit {SHA[:12]} is Running")
    state |= {"message": "waiting for healthy state of apps/Deployment/a"}
    why = f"the sync of commit {SHA[:12]} is Running: waiting for healthy state of apps/Deployment/a"
    assert converged_on(SHA)(app) == Pending(why)
    state |= {
        "finishedAt": "2026-01-01T10:00:04Z",
        "retryCount": 2,
        "message": "webhook refused. Retrying attempt #2 at 3:04PM.",
    }
    why = f"attempt 2 of 6 to sync commit {SHA[:12]} failed: webhook refused. Retrying attempt #2 at 3:04PM."
    assert converged_on(SHA)(app) == Pending(why)


def test_out_of_sync_names_the_objects_and_counts_the_rest() -> None:
    app = changed("status", "sync", "status", to="OutOfSync")
    one = app["status"]["resources"][0]
    app["status"]["resources"] = [{**one, "name": f"o{n}", "status": "OutOfSync"} for n in range(5)]
    app["status"]["resources"][0]["requiresPruning"] = True
    objects = "configmap/o0 -n n is OutOfSync and must be pruned, configmap/o1 -n n is OutOfSync, configmap/o2 -n n is OutOfSync"
    assert converged_on(SHA)(app) == Pending(f"it is OutOfSync: {objects} and 2 more")
    app["spec"] = {}
    assert converged_on(SHA)(app) == Pending(
        f"it is OutOfSync: {objects} and 2 more; it is not automated, so nothing syncs it"
    )


def test_health_names_the_objects() -> None:
    app = changed("status", "health", "status", to="Degraded")
    app["status"]["resources"][0]["health"] = {"status": "Degraded", "message": "CrashLoopBackOff"}
    assert converged_on(SHA)(app) == Pending("its health is Degraded: configmap/a -n n is Degraded (CrashLoopBackOff)")


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (
            changed(*OPERATION, "phase", to="Failed"),
            f"the sync of commit {SHA[:12]} is Failed and is not tried again: successfully synced (all tasks run)",
        ),
        (
            changed(
                "status", "conditions", to=[{"type": "SyncError", "message": f"Failed last sync attempt to [{SHA}]: x"}]
            ),
            f"condition SyncError: Failed last sync attempt to [{SHA}]: x",
        ),
        (
            changed(
                "status",
                "conditions",
                to=[
                    {
                        "type": "SyncError",
                        "message": f"Skipping sync attempt to [{SHA}]: auto-sync will wipe out all resources",
                    }
                ],
            ),
            f"condition SyncError: Skipping sync attempt to [{SHA}]: auto-sync will wipe out all resources",
        ),
    ],
)
def test_what_argocd_has_given_up_fails_at_once(app: Object, why: str) -> None:
    assert converged_on(SHA)(app) == Failed(why)


def test_what_argocd_has_given_up_for_an_older_commit_does_not() -> None:
    message = f"Failed last sync attempt to [{OLD}]: x"
    app = changed("status", "conditions", to=[{"type": "SyncError", "message": message}])
    assert converged_on(SHA)(app) == Pending(f"condition SyncError: {message}")


def test_a_commit_that_changes_nothing_of_the_application_needs_no_operation() -> None:
    app = converged()
    app["status"]["operationState"]["syncResult"]["revision"] = OLD
    assert converged_on(SHA)(app) == Met(app)
    why = f"its last operation was of commit {OLD[:12]}, not of {SHA[:12]}"
    assert converged_on(SHA, by_operation=True)(app) == Pending(why)
    assert converged_on(SHA, by_operation=True)(converged()) == Met(converged())


def test_a_failed_sync_of_an_older_commit_counts_until_this_one_is_synced() -> None:
    failed = {
        "phase": "Failed",
        "message": "boom",
        "finishedAt": "2026-01-01T10:00:04Z",
        "syncResult": {"revision": OLD},
    }
    app = changed("status", "operationState", to=failed)
    assert converged_on(SHA)(app) == Met(app)
    assert isinstance(converged_on(SHA, by_operation=True)(app), Pending)
    why = f"the sync of commit {OLD[:12]} is Failed, and none of {SHA[:12]} has begun: boom"
    for field, value in (("status", "OutOfSync"), ("revision", OLD)):
        app = changed("status", "operationState", to=failed)
        app["status"]["sync"][field] = value
        assert converged_on(SHA)(app) == Pending(why)


def test_since_counts_in_whole_seconds() -> None:
    app = converged()
    assert converged_on(SHA, since=datetime(2026, 1, 1, 10, 0, 5, 900000, tzinfo=UTC))(app) == Met(app)
    late = datetime(2026, 1, 1, 10, 0, 6, tzinfo=UTC)
    assert converged_on(SHA, since=late)(app) == Pending("it was compared at 10:00:05, before 10:00:06")


def test_several_sources() -> None:
    app = converged()
    app["status"]["sync"] = {"status": "Synced", "revisions": [SHA, SHA]}
    app["status"]["operationState"]["syncResult"] = {"revisions": [SHA, SHA]}
    assert converged_on(SHA, by_operation=True)(app) == Met(app)


def test_operation_reads_what_argocd_writes() -> None:
    app = converged()
    app["status"]["operationState"]["operation"]["sync"] |= {
        "autoHealAttemptsCount": 3,
        "resources": [{"kind": "Deployment", "name": "chat", "group": "apps"}],
    }
    found = argocd.operation(app)
    assert found == argocd.Operation(
        phase="Succeeded",
        message="successfully synced (all tasks run)",
        revisions=(SHA,),
        automated=True,
        self_heal_attempts=3,
        retry_limit=5,
        started=datetime(2026, 1, 1, 10, 0, 3, tzinfo=UTC),
        finished=datetime(2026, 1, 1, 10, 0, 4, tzinfo=UTC),
        resources=("Deployment/chat",),
    )
    assert not found.running
    assert argocd.operation({}) == argocd.Operation()


def test_a_manual_operation_names_who_began_it() -> None:
    app = changed(*OPERATION, "operation", to={"initiatedBy": {"username": "admin"}, "sync": {"revision": SHA}})
    assert (argocd.operation(app).automated, argocd.operation(app).initiated_by) == (False, "admin")


def test_accessors() -> None:
    app = converged()
    app["metadata"]["ownerReferences"] = [{"kind": "ApplicationSet", "name": "chat"}]
    assert argocd.generated_by(app) == "chat"
    assert argocd.generated_by(converged()) is None
    assert argocd.history(app) == (
        argocd.Deployed(0, (SHA,), automated=True, at=datetime(2026, 1, 1, 10, 0, 4, tzinfo=UTC)),
    )
    assert argocd.sync_results(app) == (("ConfigMap/a", "Synced", "configmap/a created"),)
    assert [one.api for one in argocd.resources(app)] == ["v1/ConfigMap", "batch/v1/Job"]
    assert not any((argocd.resources({}), argocd.history({}), argocd.conditions({})))
    assert (argocd.sync_status({}), argocd.health({}), argocd.revisions({}), argocd.reconciled_at({})) == (
        "",
        "",
        (),
        None,
    )


@pytest.fixture
def kube() -> Any:
    return ChangingKube()


def test_refresh_asks_and_waits_until_the_request_is_gone(kube: Any) -> None:
    kube.put(APPLICATION, converged())

    def controller(kind: str, name: str, patch: Any) -> None:
        app = kube.objects[kind, name]
        app["metadata"]["annotations"] = patch["metadata"]["annotations"]

        def done() -> None:
            app["metadata"]["annotations"] = {}
            app["status"]["sync"]["revision"] = OLD

        threading.Timer(0.05, done).start()

    kube.on_patch = controller
    assert argocd.revisions(argocd_requests.refresh(kube, "app", hard=True)) == (OLD,)
    assert kube.patches == [(APPLICATION, "app", {"metadata": {"annotations": {argocd.REFRESH: "hard"}}})]


def test_refresh_that_argo_cd_has_lost_is_asked_for_again(kube: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never withdrawn in between, or it would seem to be done."""
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.1)
    kube.put(APPLICATION, converged())
    asked: list[str] = []

    def controller(kind: str, name: str, patch: Any) -> None:
        annotations = patch["metadata"]["annotations"]
        asked.append(annotations[argocd.REFRESH])
        kube.objects[kind, name]["metadata"]["annotations"] = {} if len(asked) == 3 else annotations

    kube.on_patch = controller
    argocd_requests.refresh(kube, "app", hard=True, timeout=5)
    assert asked == ["hard", "again", "hard"]


REFUSALS = [
    Unavailable("PATCH", 503, "ServiceUnavailable", "away"),
    NotFound("PATCH", 404, "NotFound", "gone"),
    Conflict("PATCH", 409, "Conflict", "changed"),
    Invalid("PATCH", 422, "Invalid", "a webhook refuses"),
    BadAnswer("PATCH", "no JSON"),
    KindNotServed(APPLICATION),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
def test_what_cannot_be_asked_again_is_passed_over_and_asked_once_more(
    kube: Any, monkeypatch: pytest.MonkeyPatch, refusal: ApiError
) -> None:
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.05)
    kube.put(APPLICATION, converged())
    asked: list[str] = []

    def controller(kind: str, name: str, patch: Any) -> None:
        asked.append(patch["metadata"]["annotations"][argocd.REFRESH])
        if len(asked) == 2:
            raise refusal
        kube.objects[kind, name]["metadata"]["annotations"] = (
            {} if len(asked) == 4 else patch["metadata"]["annotations"]
        )

    kube.on_patch = controller
    argocd_requests.refresh(kube, "app", timeout=5)
    assert asked == ["normal", "again", "again", "normal"]


def test_an_application_that_is_deleted_during_its_refresh_is_named_by_the_wait(
    kube: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.05)
    kube.put(APPLICATION, changed("metadata", "annotations", to={argocd.REFRESH: "normal"}))
    asked: list[str] = []

    def controller(kind: str, name: str, patch: Any) -> None:
        asked.append(name)
        if len(asked) > 1:
            kube.objects.pop((kind, name), None)
            raise NotFound("PATCH", 404, "NotFound", "gone")

    kube.on_patch = controller
    with pytest.raises(Timeout, match="observed: the Application does not exist"):
        argocd_requests.refresh(kube, "app", timeout=0.3)
    assert len(asked) > 2


def test_who_may_not_ask_again_is_told(kube: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.05)
    kube.put(APPLICATION, changed("metadata", "annotations", to={argocd.REFRESH: "normal"}))

    def controller(kind: str, name: str, patch: Any) -> None:
        if len(kube.patches) > 1:
            raise Forbidden("PATCH", 403, "Forbidden", "no longer")

    kube.on_patch = controller
    with pytest.raises(Forbidden, match="no longer"):
        argocd_requests.refresh(kube, "app", timeout=5)


def test_the_error_of_a_refresh_has_all_its_seconds_and_all_that_was_seen(
    kube: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.05)
    asked: list[str] = []

    def controller(kind: str, name: str, patch: Any) -> None:
        asked.append(name)
        if len(asked) == 2:
            kube.put(APPLICATION, changed("metadata", "annotations", to={argocd.REFRESH: "normal"}))

    kube.on_patch = controller
    with pytest.raises(Timeout) as caught:
        argocd_requests.refresh(kube, "app", timeout=0.3)
    report = caught.value.report
    assert report.outcome == "not within 0.3 s"
    assert [line.partition("s  ")[2] for line in report.history] == [
        "the Application does not exist",
        "the refresh was asked for and is not done",
    ]
    assert report.last == "the refresh was asked for and is not done"


def test_what_is_asked_for_again_is_refuted_with_all_that_was_seen() -> None:
    seen: list[Any] = []

    def judge(state: int) -> Any:
        return Failed("it is over") if seen else Pending("not yet")

    with pytest.raises(Refuted, match=r"failed after 0\.[1-9]") as caught:
        argocd_requests.eventually_asked(
            Polled(lambda: 1, "one", first=0.001, most=0.01),
            judge,
            lambda: seen.append(1),
            every=0.1,
            timeout=5,
            what="it",
        )
    assert [line.partition("s  ")[2] for line in caught.value.report.history] == ["not yet", "it is over"]


def test_refresh_that_nobody_does_names_the_controller(kube: Any) -> None:
    kube.put(APPLICATION, changed("metadata", "annotations", to={argocd.REFRESH: "normal"}))
    with pytest.raises(Timeout, match="application controller refreshes application/app -n argocd: not within"):
        argocd_requests.refresh(kube, "app", timeout=0.05)


def test_converge_refreshes_and_waits_for_all(kube: Any) -> None:
    for name in ("a", "b"):
        kube.put(APPLICATION, converged(name, OLD))

    def controller(kind: str, name: str, patch: Any) -> None:
        app = converged(name)
        threading.Timer(0.05, lambda: kube.put(kind, app)).start()

    kube.on_patch = controller
    done = converge(kube, ["a", "b"], SHA, timeout=5)
    assert [argocd.revisions(app) for app in done.values()] == [(SHA,), (SHA,)]
    assert sorted(name for _, name, _ in kube.patches) == ["a", "b"]
    assert list(converge(kube, [], SHA, timeout=5)) == []


def test_converge_says_what_is_lacking_and_the_cause(kube: Any) -> None:
    kube.put(APPLICATION, converged("a", OLD))
    cause = Cause("application-stale", "it looks at the wrong branch", "set targetRevision")
    with pytest.raises(Timeout) as caught:
        converge(kube, ["a"], SHA, timeout=0.05, explain=lambda app: cause)
    text = str(caught.value)
    assert text.startswith(f"application/a -n argocd is what commit {SHA[:12]} says: not within 0.05 s")
    assert f"it was compared with commit {OLD[:12]}" in text
    assert "application-stale" in text


def test_converge_ends_at_once_where_argocd_has_given_up(kube: Any) -> None:
    kube.put(APPLICATION, changed(*OPERATION, "phase", to="Error"))
    with pytest.raises(Refuted, match="is Error and is not tried again"):
        converge(kube, ["app"], SHA, timeout=60)


def deployment(*, updated: int) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": "n", "generation": 2},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": updated, "availableReplicas": updated},
    }


def test_converge_waits_for_the_workloads_too(kube: Any) -> None:
    app = converged("a")
    chat = {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
        "namespace": "n",
        "name": "chat",
        "status": "Synced",
    }
    app["status"]["resources"].append(chat)
    kube.put(APPLICATION, app)
    kube.put("apps/v1/Deployment", deployment(updated=1))
    with pytest.raises(Timeout) as caught:
        roll_out(kube, app, timeout=0.05)
    assert "deployment/chat -n n of application/a has rolled out: not within" in str(caught.value)
    assert "deployment/chat -n n: 1 of 2 replicas run the newest template" in str(caught.value)
    threading.Timer(0.05, lambda: kube.put("apps/v1/Deployment", deployment(updated=2))).start()
    converge(kube, ["a"], SHA, timeout=5)
    assert kube.get("apps/v1/Deployment", "chat") == deployment(updated=2)


def test_generated_exactly() -> None:
    def app(name: str, owner: str = "chat") -> Object:
        return {"metadata": {"name": name, "ownerReferences": [{"kind": "ApplicationSet", "name": owner}]}}

    good: Object = {
        "metadata": {"name": "chat"},
        "status": {"conditions": [{"type": "ErrorOccurred", "status": "False"}]},
    }
    bad = {
        "metadata": {"name": "chat"},
        "status": {"conditions": [{"type": "ErrorOccurred", "status": "True", "message": "boom"}]},
    }
    asked = {"metadata": {"name": "chat", "annotations": {argocd.APPLICATIONSET_REFRESH: "true"}}}
    judge = argocd.generated_exactly("chat", frozenset({"dev", "prod"}))
    both = [app("dev"), app("prod")]
    assert judge((good, [*both, app("own", "other")])) == Met({"dev", "prod"})
    assert judge((None, both)) == Pending("applicationset/chat does not exist")
    assert judge((bad, both)) == Pending("applicationset/chat reports: boom")
    assert judge((asked, both)) == Pending("applicationset/chat has not taken the refresh yet")
    assert judge((good, [app("dev"), app("test")])) == Pending(
        "applicationset/chat has not made prod and still has test"
    )
    assert judge((good, [])) == Pending("applicationset/chat has not made dev, prod")
    assert judge((good, [*both, app("old")])) == Pending("applicationset/chat still has old")


def test_asking_an_applicationset(kube: Any) -> None:
    argocd_requests.ask_applicationset_refresh(kube, "chat")
    annotations = {"argocd.argoproj.io/application-set-refresh": "true"}
    assert kube.patches == [(APPLICATIONSET, "chat", {"metadata": {"annotations": annotations}})]
