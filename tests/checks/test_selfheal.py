from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from platform_e2e import timeline
from platform_e2e.checks import selfheal as module
from platform_e2e.checks.mutations import Mutation, MutationKind
from platform_e2e.checks.selfheal import (
    Disturbance,
    _wait_restored,
    drifted,
    heal,
    inject,
    left,
    recorded,
    restored,
    undo,
)
from platform_e2e.finding import Finding
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Polled, Timeout, Verdict
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Rendered
from platform_e2e.timeline import Timeline
from tests.fakes.recorded_view import RecordedView, made

GIT = made("v1/ConfigMap", "chat", "chat-dev", data={"greeting": "hello"})
FILE = Rendered({**GIT, "metadata": {"name": "chat", "namespace": "chat-dev"}}, "chat-dev", "f.yaml", 1)
DEPLOYED = "2026-01-01T12:00:00Z"
HEALED = "2026-01-01T12:05:00Z"


def edit() -> Mutation:
    return Mutation("chat-dev", MutationKind.FIELD_EDITED, FILE, "/data/greeting", "bye")


def deletion() -> Mutation:
    return Mutation("chat-dev", MutationKind.OBJECT_DELETED, FILE)


def application(
    started: str = DEPLOYED, *, attempts: int = 0, self_heal: bool = True, operation: str = "abc", **state: Any
) -> Object:
    sync: dict[str, Any] = {"revision": operation, "resources": [{"kind": "ConfigMap", "name": "chat"}]}
    if attempts:
        sync["autoHealAttemptsCount"] = attempts
    asked = {"sync": sync, "initiatedBy": {"automated": True}}
    status = {
        "sync": {"status": "Synced", "revision": "abc"},
        "operationState": {
            "phase": "Succeeded",
            "startedAt": started,
            "finishedAt": started,
            "operation": asked,
            "syncResult": {"revision": operation},
            **state,
        },
    }
    spec = {"syncPolicy": {"automated": {"prune": True, "selfHeal": self_heal}}}
    return made("argoproj.io/v1alpha1/Application", "chat-dev", "argocd", spec=spec, status=status)


class Cluster(RecordedView):
    """A cluster in which something happens after a change was made."""

    def __init__(self, *objects: Object, then: Callable[[Cluster], None] = lambda _: None) -> None:
        super().__init__(*copy.deepcopy(objects))
        self.then = then
        self.refreshed: Callable[[Object], None] = lambda _: None
        self.written: list[str] = []

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        return copy.deepcopy(super().get(kind, name, namespace))

    def patch(self, kind: str, name: str, patch: Any, namespace: str | None = None, **options: Any) -> Object:
        found = super().get(kind, name, namespace)
        assert found is not None
        if kind == argocd.APPLICATION:
            assert patch == {"metadata": {"annotations": {argocd.REFRESH: "normal"}}}
            self.refreshed(found)
            return found
        assert options["type"] == "json"
        for one in patch:
            if one["op"] == "replace":
                found["data"][one["path"].rpartition("/")[2]] = one["value"]
        self.written.append("patch")
        self._then()
        return found

    def delete(self, kind: str, name: str, namespace: str | None = None, **options: Any) -> bool:
        assert options["uid"] == f"uid-{name}"
        self.objects.remove(super().get(kind, name, namespace) or {})
        self.written.append("delete")
        self._then()
        return True

    def create(self, obj: Object) -> Object:
        self.objects.append(obj)
        self.written.append("create")
        return obj

    def one(self, kind: str, name: str, namespace: str | None = None) -> Polled[Object | None]:
        return Polled(lambda: self.get(kind, name, namespace), name, first=0.001, most=0.01)

    def _then(self) -> None:
        happens, self.then = self.then, lambda _: None
        happens(self)


def replace_object(cluster: Cluster, new: Object) -> None:
    kind, name = new["kind"], new["metadata"]["name"]
    cluster.objects = [o for o in cluster.objects if (o["kind"], o["metadata"]["name"]) != (kind, name)] + [
        copy.deepcopy(new)
    ]


def healed_by_argo(cluster: Cluster) -> None:
    anew = copy.deepcopy(GIT)
    anew["metadata"]["uid"] = "another"
    replace_object(cluster, anew)
    replace_object(cluster, application(HEALED, attempts=1))


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for what will not come."""
    monkeypatch.setattr(module, "HEAL_SECONDS", 0.1)
    monkeypatch.setattr(module, "RECORD_SECONDS", 0.1)


def kube(cluster: Cluster) -> Kube:
    return cast("Kube", cluster)


def the_finding(cluster: Cluster, drift: Mutation) -> Finding:
    (finding,) = heal(drift, kube(cluster)).findings
    assert finding.promise == "selfheal"
    assert finding.object == "configmap/chat -n chat-dev"
    return finding


@pytest.mark.parametrize("drift", [edit(), deletion()], ids=str)
def test_a_heal_is_timed_and_leaves_nothing_to_undo(drift: Mutation) -> None:
    cluster = Cluster(GIT, application(), then=healed_by_argo)
    healed = heal(drift, kube(cluster))
    assert healed.findings == []
    assert healed.seconds is not None
    assert 0 < healed.seconds < 1
    assert len(cluster.written) == 1


@pytest.mark.parametrize(("kind", "asked"), [("CustomResourceDefinition", 2), ("ConfigMap", 0)])
def test_argo_cd_is_asked_to_compare_what_it_does_not_hear_of(
    monkeypatch: pytest.MonkeyPatch, kind: str, asked: int
) -> None:
    """A CRD is marked as no Application's: the comparison after its change may come before Argo CD's cache has the change."""
    monkeypatch.setattr(module, "HEAL_SECONDS", 5)
    monkeypatch.setattr(module, "COMPARED_SECONDS", 0.1)
    drift = replace(edit(), target=replace(FILE, object={**FILE.object, "kind": kind}))
    before = {**GIT, "kind": kind}
    told: list[Object] = []

    def heals(cluster: Cluster) -> None:
        anew = copy.deepcopy(before)
        anew["metadata"]["uid"] = "another"
        replace_object(cluster, anew)

    cluster = Cluster(before, application(), then=heals if not asked else lambda _: None)

    def compares(_app: Object) -> None:
        told.append(_app)
        if len(told) == asked:
            heals(cluster)

    cluster.refreshed = compares
    disturbance = inject(drift, kube(cluster))
    _wait_restored(disturbance, kube(cluster))
    assert len(told) == asked


def test_the_error_of_a_heal_that_was_asked_for_has_all_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAL_SECONDS", 0.35)
    monkeypatch.setattr(module, "COMPARED_SECONDS", 0.1)
    kind = "CustomResourceDefinition"
    cluster = Cluster({**GIT, "kind": kind}, application(), then=lambda _: None)
    drift = replace(edit(), target=replace(FILE, object={**FILE.object, "kind": kind}))
    disturbance = inject(drift, kube(cluster))
    with pytest.raises(Timeout, match=r"not within 0\.35 s"):
        _wait_restored(disturbance, kube(cluster))


def test_drift_that_stays_is_a_finding_and_is_undone() -> None:
    cluster = Cluster(GIT, application())
    finding = the_finding(cluster, edit())
    assert finding.cause.id == "drift-not-healed"
    assert "/data/greeting: expected 'hello', is 'bye'" in finding.observed
    assert cluster.get("v1/ConfigMap", "chat", "chat-dev") == GIT


@pytest.mark.point("right-comparison")
def test_what_says_synced_and_cannot_be_compared_cannot_heal() -> None:
    """Argo CD forgets a comparison that failed, until one is asked for."""

    def refreshed(app: Object) -> None:
        app["status"]["conditions"] = [{"type": "ComparisonError", "message": "duplicate entries for key"}]

    cluster = Cluster(GIT, application())
    cluster.refreshed = refreshed
    finding = the_finding(cluster, edit())
    assert finding.cause.id == "application-render-error"
    assert "duplicate entries for key" in finding.cause.sentence


def test_a_deleted_object_that_stays_away_is_made_again() -> None:
    cluster = Cluster(GIT, application())
    finding = the_finding(cluster, deletion())
    assert finding.observed == "it does not exist"
    again = cluster.get("v1/ConfigMap", "chat", "chat-dev")
    assert again is not None
    assert again["data"] == GIT["data"]
    assert "uid" not in again["metadata"]


def test_a_service_that_is_made_again_may_have_another_address() -> None:
    written = made("v1/Service", "chat", spec={"ports": [{"port": 80}]})
    written["metadata"] = {"name": "chat", "namespace": "chat-dev"}
    mutation = Mutation("chat-dev", MutationKind.OBJECT_DELETED, Rendered(written, "chat-dev", "f.yaml", 1))

    def live(uid: str, address: str) -> Object:
        found = made("v1/Service", "chat", "chat-dev", spec={"ports": [{"port": 80}], "clusterIP": address})
        return {**found, "metadata": {**found["metadata"], "uid": uid}}

    disturbance = Disturbance(mutation, live("a", "10.43.0.7"), application(), 0.0)
    assert left(disturbance, live("b", "10.43.0.9")) == []
    assert [each.path for each in left(disturbance, live("a", "10.43.0.9"))] == ["/spec/clusterIP"]


def test_an_application_that_does_not_self_heal_in_the_cluster() -> None:
    assert the_finding(Cluster(GIT, application(self_heal=False)), edit()).cause.id == "application-not-selfhealing"


def test_a_failed_sync_is_the_cause_that_nothing_is_healed() -> None:
    app = application(phase="Failed", message="one or more objects failed to apply")
    assert the_finding(Cluster(GIT, app), edit()).cause.id == "application-sync-failed"


def test_healed_by_somebody_else() -> None:
    cluster = Cluster(GIT, application(), then=lambda c: replace_object(c, GIT))
    finding = the_finding(cluster, edit())
    assert finding.cause.id == "drift-healed-by-another"
    assert "no operation has begun since the change" in finding.observed


def test_a_heal_that_waits_for_a_wave_has_the_cause_of_that() -> None:
    def begun(cluster: Cluster) -> None:
        replace_object(cluster, GIT)
        held = "waiting for healthy state of argoproj.io/Application/secrets-config"
        replace_object(cluster, application(HEALED, attempts=1, phase="Running", message=held))

    finding = the_finding(Cluster(GIT, application(), then=begun), edit())
    assert finding.cause.id == "application-wave-held"
    assert "the operation runs" in finding.observed


def test_healed_to_something_else_than_it_was() -> None:
    anew = copy.deepcopy(GIT)
    anew["data"]["extra"] = "x"
    finding = the_finding(Cluster(GIT, application(), then=lambda c: replace_object(c, anew)), edit())
    assert finding.cause.id == "drift-healed-differently"
    assert "/data/extra" in finding.cause.sentence


def test_an_application_that_nobody_records_for_is_only_compared() -> None:
    drift = Mutation("", MutationKind.FIELD_EDITED, FILE, "/data/greeting", "bye")
    assert heal(drift, kube(Cluster(GIT, then=lambda c: replace_object(c, GIT)))).findings == []


def disturbance(before: Object = GIT, app: Object | None = None, drift: Mutation | None = None) -> Disturbance:
    return Disturbance(drift or edit(), before, app or application(), 0.0)


def why(verdict: Verdict) -> str:
    assert isinstance(verdict, Pending)
    return verdict.why


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (application(), "no operation has begun"),
        (application(HEALED, attempts=1, phase="Running"), "the operation runs"),
        (application(HEALED, attempts=1, phase="Failed", message="no"), "the operation Failed: no"),
        (application(HEALED), "counts as no heal"),
    ],
)
def test_only_an_automated_heal_that_succeeded_counts(app: Object, said: str) -> None:
    assert said in why(recorded(disturbance())(app))


def test_a_heal_by_a_person_does_not_count() -> None:
    app = application(HEALED, attempts=1)
    app["status"]["operationState"]["operation"]["initiatedBy"] = {"username": "jane"}
    assert "begun by jane" in why(recorded(disturbance())(app))


def test_a_heal_of_another_object_does_not_count() -> None:
    app = application(HEALED, attempts=1)
    app["status"]["operationState"]["operation"]["sync"]["resources"] = [{"kind": "Service", "name": "chat"}]
    assert "about Service/chat" in why(recorded(disturbance())(app))


def test_after_a_commit_that_changed_nothing_a_full_sync_is_the_heal() -> None:
    before = application(operation="older")
    assert isinstance(recorded(disturbance(app=before))(application(HEALED)), Met)


def test_an_object_on_its_way_out_is_not_restored() -> None:
    going = copy.deepcopy(GIT)
    going["metadata"]["deletionTimestamp"] = HEALED
    assert "being deleted" in why(restored(disturbance())(going))
    assert "still there" in why(restored(disturbance(drift=deletion()))(copy.deepcopy(GIT)))
    assert "does not exist" in why(restored(disturbance())(None))


def test_a_change_that_stays_is_seen_as_such() -> None:
    changed = copy.deepcopy(GIT)
    changed["data"]["greeting"] = "bye"
    assert isinstance(drifted(disturbance())(changed), Met)
    assert "/data/greeting is 'hello'" in why(drifted(disturbance())(GIT))


def test_undo_leaves_alone_what_is_as_it_was() -> None:
    cluster = Cluster(GIT, application())
    undo(disturbance(), kube(cluster))
    assert cluster.written == []


def test_the_application_before_is_remembered() -> None:
    app = application(attempts=3)
    made_change = inject(edit(), kube(Cluster(GIT, app)))
    assert argocd.operation(made_change.application).self_heal_attempts == 3
    assert made_change.before == GIT


def test_a_change_its_heal_and_its_end_are_on_the_runs_timeline(tmp_path: Path) -> None:
    line = Timeline(tmp_path / "timeline.jsonl")
    with timeline.kept_in(line):
        healed = heal(edit(), kube(Cluster(GIT, application(), then=healed_by_argo)))
        heal(edit(), kube(Cluster(GIT, application())))
    events = [json.loads(text) for text in (tmp_path / "timeline.jsonl").read_text().splitlines()]
    told = [event for event in events if event["kind"].startswith("disturbance")]
    kinds = ["disturbance-start", "disturbance-healed", "disturbance-end", "disturbance-start", "disturbance-end"]
    assert [event["kind"] for event in told] == kinds
    assert {event["name"] for event in told} == {"configmap/chat -n chat-dev"}
    assert (told[0]["change"], told[0]["field"], told[0]["application"]) == (
        "field-edited", "/data/greeting", "chat-dev",
    )  # fmt: skip
    assert told[1]["seconds"] == healed.seconds
    assert [told[2]["undone_by_harness"], told[4]["undone_by_harness"]] == [False, True]


def test_a_change_that_stays_tells_which_fields_differ() -> None:
    finding = the_finding(Cluster(GIT, application()), edit())
    assert finding.details == {"differences": [{"path": "/data/greeting", "expected": "hello", "observed": "bye"}]}


def test_what_cannot_heal_is_not_disturbed() -> None:
    app = application(phase="Running", message="waiting for completion of hook batch/Job/migrate")
    cluster = Cluster(GIT, app)
    (finding,) = heal(edit(), kube(cluster)).findings
    assert finding.cause.id == "application-hook-running"
    assert finding.observed == "that is Synced and not judged"
    assert cluster.written == []


def test_a_healer_that_is_busy_for_a_moment_is_waited_for() -> None:
    cluster = Cluster(GIT, application(phase="Running", message="waiting for completion of hook batch/Job/x"))
    looks = 0

    def get(kind: str, name: str, namespace: str | None = None) -> Object | None:
        nonlocal looks
        looks += 1
        if looks == 3:
            replace_object(cluster, application())
            cluster.then = healed_by_argo
        return Cluster.get(cluster, kind, name, namespace)

    cluster.get = get  # type: ignore[method-assign]
    assert heal(edit(), kube(cluster)).findings == []


SCALED = made("apps/v1/Deployment", "chat", "chat-dev", spec={"replicas": 1, "revisionHistoryLimit": 3})
REPLICAS = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}


def of_deployment(replicas: int, limit: int) -> Object:
    return {**copy.deepcopy(SCALED), "spec": {"replicas": replicas, "revisionHistoryLimit": limit}}


def disturbed(*others: Object, rules: list[dict[str, Any]]) -> Disturbance:
    drift = Mutation(
        "chat-dev",
        MutationKind.FIELD_EDITED,
        Rendered(SCALED, "chat-dev", "f.yaml", 1),
        "/spec/revisionHistoryLimit",
        4,
    )
    app = application()
    app["spec"]["ignoreDifferences"] = rules
    live = of_deployment(2, 3)

    class Patched(Cluster):
        def patch(self, *_: Any, **__: Any) -> Object:
            return {}

    return inject(drift, kube(Patched(live, app, *others)))


@pytest.mark.point("autoscaler-owns-replicas")
@pytest.mark.parametrize("after", [2, 3], ids=["as before", "scaled meanwhile"])
@pytest.mark.parametrize("owner", ["rule", "autoscaler"])
def test_replicas_that_an_autoscaler_owns_are_not_healed_and_not_missed(owner: str, after: int) -> None:
    target = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}}
    autoscaler = made("autoscaling/v2/HorizontalPodAutoscaler", "any", "chat-dev", spec=target)
    found = disturbed(rules=[REPLICAS]) if owner == "rule" else disturbed(autoscaler, rules=[])
    assert isinstance(restored(found)(of_deployment(after, 3)), Met)
    verdict = restored(found)(of_deployment(after, 4))
    assert isinstance(verdict, Pending)
    assert "/spec/revisionHistoryLimit" in verdict.why


def test_replicas_that_nobody_owns_are_missed() -> None:
    verdict = restored(disturbed(rules=[]))(of_deployment(2, 3))
    assert isinstance(verdict, Pending)
    assert "/spec/replicas: expected 1, is 2" in verdict.why


@pytest.mark.point("fields-ignored")
def test_a_change_that_argo_cd_was_told_to_ignore_is_told_so() -> None:
    app = application()
    app["spec"]["ignoreDifferences"] = [{"kind": "ConfigMap", "jsonPointers": ["/data/greeting"]}]
    finding = the_finding(Cluster(GIT, app), edit())
    assert finding.cause.id == "drift-ignored"
    assert (
        "spec.ignoreDifferences of application/chat-dev (kind ConfigMap, jsonPointers /data/greeting)"
        in finding.cause.sentence
    )


@pytest.mark.point("automation-disabled")
def test_a_change_that_nothing_syncs_is_told_so() -> None:
    app = application()
    app["spec"]["syncPolicy"]["automated"]["enabled"] = False
    assert the_cause(Cluster(GIT, app), edit()) == "application-not-automated"


def the_cause(cluster: Cluster, drift: Mutation) -> str:
    (finding,) = heal(drift, kube(cluster)).findings
    return finding.cause.id
