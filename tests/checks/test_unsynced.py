"""What is not there because an Application did not sync is blocked by what holds that Application, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import unsynced
from platform_e2e.checks.mutations import mutations_of
from platform_e2e.diagnosis.explain import explain
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer, Rendered
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

SEALED = Cause("secret-not-unsealed", "sealedsecret/key -n chat-dev makes no Secret", "seal it again")


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def held(cause: Cause = SEALED, name: str = "chat-dev") -> dict[str, Finding]:
    return {name: Finding(f"application/{name} -n argocd", Promise.APPLICATIONS, "it converges", "it does not", cause)}


def found(cause: str, obj: str = "service/chat -n chat-dev", sentence: str = "x") -> list[Finding]:
    return [Finding(obj, Promise.LOADBALANCER, "x", "y", Cause(cause, sentence, "mend it"))]


def entry(one: Rendered, **status: Any) -> dict[str, Any]:
    group, kind, namespace, name = one.identity
    version = one.api.split("/")[-2]
    where = {"group": group, "version": version, "kind": kind, "namespace": namespace or "", "name": name}
    return {**where, "status": "Synced", **status}


def app(name: str, demo: Layer, *lacking: str, **status: Any) -> Object:
    """Return an Application as the cluster has it; objects whose kind is lacking are not applied."""
    every = [
        entry(one, status="OutOfSync" if one.kind in lacking else "Synced") for one in demo.application(name).objects
    ]
    return made(argocd.APPLICATION, name, "argocd", status={"resources": every, **status})


def service(demo: Layer) -> Any:
    return next(one for one in demo.load_balancers() if one.service.namespace == "chat-dev")


@pytest.mark.point("one-fault-one-failure")
def test_a_service_of_a_later_wave_is_not_there_for_what_holds_the_wave_before(demo: Layer) -> None:
    view = RecordedView(app("chat-dev", demo, "Service", "Deployment"))
    (below,) = unsynced.holding(found("object-missing"), service(demo), demo, held(), view)
    assert below.cause is SEALED
    assert unsynced.holding([], service(demo), demo, held(), view) == [], "nothing is wrong with it"
    assert unsynced.holding(found("object-missing"), service(demo), demo, {}, view) == [], "nothing is known of it"


@pytest.mark.point("one-fault-one-failure")
def test_a_service_without_pods_lacks_the_deployment_that_was_never_applied(demo: Layer) -> None:
    case = service(demo)
    lacks = found("loadbalancer-no-endpoints")
    (below,) = unsynced.holding(lacks, case, demo, held(), RecordedView(app("chat-dev", demo, "Deployment")))
    assert below.cause is SEALED
    key = made("v1/Secret", "chat-signing-key", "chat-dev")
    assert unsynced.holding(lacks, case, demo, held(), RecordedView(app("chat-dev", demo), key)) == [], "all is applied"
    other = found("loadbalancer-wrong-answer")
    assert unsynced.holding(other, case, demo, held(), RecordedView(app("chat-dev", demo, "Deployment"))) == []


@pytest.mark.point("one-fault-one-failure")
def test_what_holds_the_application_is_reported_where_it_was_found(demo: Layer) -> None:
    pool = Cause("loadbalancer-pool-unknown", "there is no pool", "add it", through="service/chat -n chat-dev")
    view = RecordedView(app("chat-dev", demo, "Deployment"))
    lacks = found("loadbalancer-pool-unknown")
    assert unsynced.holding(lacks, service(demo), demo, held(pool), view) == []
    # MetalLB's words and the check's may differ; it is the same Service.
    assert unsynced.holding(lacks, service(demo), demo, held(replace(pool, id="loadbalancer-no-pool")), view) == []


@pytest.mark.point("one-fault-one-failure")
def test_a_pool_of_another_application_is_missed_by_service_application_and_change(demo: Layer) -> None:
    refused = held(Cause("application-sync-failed", "the sync failed", "correct it"), "metallb-config")
    view = RecordedView(app("metallb-config", demo, "IPAddressPool"), app("chat-dev", demo))
    lacks = found("loadbalancer-no-pool")
    for case in (service(demo), demo.application("chat-dev"), mutations_of(demo.application("chat-dev"))[0]):
        (below,) = unsynced.holding(lacks, case, demo, refused, view)
        assert below.object == "application/metallb-config -n argocd"
    assert unsynced.holding(lacks, demo.application("monitoring-config"), demo, refused, view) == [], (
        "it has no Service"
    )
    there = RecordedView(app("metallb-config", demo), app("chat-dev", demo))
    assert unsynced.holding(lacks, service(demo), demo, refused, there) == []
    unasked = RecordedView(app("chat-dev", demo))
    assert unsynced.holding(lacks, service(demo), demo, refused, unasked), "the Application itself is not there"


@pytest.mark.point("one-fault-one-failure")
def test_a_monitor_misses_the_service_and_the_foundations_the_monitor_of_another_application(demo: Layer) -> None:
    monitor = next(one for one in demo.monitors() if "metallb" in one.name)
    refused = held(Cause("application-render-error", "it cannot be rendered", "correct it"), "metallb-config")
    view = RecordedView(app("metallb-config", demo, "Service"), app("monitoring-config", demo))
    assert unsynced.holding(found("monitor-service-unmatched"), monitor, demo, refused, view)
    alone = held(name="monitoring-config")
    unscraped = RecordedView(app("monitoring-config", demo, "ServiceMonitor"))
    assert unsynced.holding(found("release-without-monitor"), None, demo, alone, unscraped)
    assert not unsynced.holding(
        found("release-without-monitor"), None, demo, alone, RecordedView(app("monitoring-config", demo))
    )


@pytest.mark.point("one-fault-one-failure")
def test_a_pod_misses_the_secret_or_configmap_that_its_sentence_names(demo: Layer) -> None:
    """The Secret is made of a SealedSecret, which may be applied and not be opened."""
    theirs = [
        replace(one, application="secrets-config") if one.kind in {"ConfigMap", "SealedSecret"} else one
        for one in demo.rendered
        if one.namespace == "chat-dev"
    ]
    apart = replace(demo, rendered=tuple(theirs))
    kept = [one for one in theirs if one.application == "secrets-config"]
    application = demo.application("chat-dev")
    known = held(name="secrets-config")

    def lacks(name: str) -> list[Finding]:
        return found("pod-configuration", "application/chat-dev -n argocd", f'cannot start: secret "{name}" not found')

    def view(*objects: Object) -> RecordedView:
        status = {"resources": [entry(one, status="OutOfSync") for one in kept]}
        return RecordedView(made(argocd.APPLICATION, "secrets-config", "argocd", status=status), *objects)

    assert unsynced.holding(lacks("chat-signing-key"), application, apart, known, view())
    assert unsynced.holding(lacks("another"), application, apart, known, view()) == []
    there = view(made("v1/Secret", "chat-signing-key", "chat-dev"))
    assert unsynced.holding(lacks("chat-signing-key"), application, apart, known, there) == []


@pytest.mark.point("one-fault-one-failure")
def test_a_kind_and_a_namespace_that_another_application_brings_are_missed(demo: Layer) -> None:
    kind = {"group": "metallb.io", "names": {"kind": "IPAddressPool"}, "scope": "Namespaced"}
    crd = made("apiextensions.k8s.io/v1/CustomResourceDefinition", "ipaddresspools.metallb.io", "", spec=kind)
    space = made("v1/Namespace", "metallb-system", "")
    more = tuple(Rendered(one, "secrets-config", "a.yaml", 1) for one in (crd, space))
    wider = replace(demo, rendered=demo.rendered + more)
    view = RecordedView(made(argocd.APPLICATION, "secrets-config", "argocd"))
    application, known = demo.application("metallb-config"), held(name="secrets-config")
    for cause, sentence in (
        ("application-missing-crd", 'no matches for kind "IPAddressPool"'),
        ("application-sync-failed", 'namespaces "metallb-system" not found'),
    ):
        lacks = found(cause, "application/metallb-config -n argocd", sentence)
        assert unsynced.holding(lacks, application, wider, known, view), cause
        assert unsynced.holding(lacks, demo.application("monitoring-config"), wider, known, view) == [], cause
        elsewhere = found(cause, sentence="something else")
        assert unsynced.holding(elsewhere, application, wider, known, view) == [], cause


@pytest.mark.point("one-fault-one-failure")
def test_an_application_is_not_there_for_what_holds_the_one_that_keeps_it(demo: Layer) -> None:
    root = held(Cause("application-render-error", "it cannot be rendered", "correct it"), "platform")
    view = RecordedView(app("platform", demo, "Application"))
    lacks = found("application-missing", "application/metallb-config -n argocd")
    (below,) = unsynced.holding(lacks, demo.application("metallb-config"), demo, root, view)
    assert below.object == "application/platform -n argocd"
    assert unsynced.holding(lacks, demo.application("metallb-config"), demo, held(name="metallb-config"), view) == []


@pytest.mark.point("one-fault-one-failure")
def test_what_an_application_has_not_pruned_is_its_own_fault(demo: Layer) -> None:
    old = {"version": "v1", "kind": "Service", "namespace": "chat-dev", "name": "old", "requiresPruning": True}
    view = RecordedView(made(argocd.APPLICATION, "chat-dev", "argocd", status={"resources": [old]}))
    left = found("loadbalancer-unplanned", "service/old -n chat-dev")
    (below,) = unsynced.unpruned(left, held(), view)
    assert below.cause is SEALED
    assert unsynced.unpruned(left, {}, view) == [], "it has converged"
    stranger = found("loadbalancer-unplanned", "service/by-hand -n chat-dev")
    assert unsynced.unpruned([*left, *stranger], held(), view) == [], "the other one is nobody's"


@pytest.mark.point("one-fault-one-failure")
def test_an_object_that_was_refused_comes_before_what_lacks_it() -> None:
    """The Service is not healthy because the Deployment was never made."""
    refused = {"kind": "Deployment", "name": "chat", "status": "SyncFailed", "message": "duplicate entries for key"}
    pending = made("v1/Service", "chat", "chat-dev", spec={"type": "LoadBalancer", "selector": {"app": "chat"}})
    said = "one or more objects failed to apply, reason: duplicate entries for key. Retrying attempt #1 at 1:00PM."
    status = {
        "health": {"status": "Missing"},
        "resources": [{"version": "v1", "kind": "Service", "name": "chat", "namespace": "chat-dev"}],
        "operationState": {"phase": "Running", "message": said, "syncResult": {"resources": [refused]}},
    }
    one = made(argocd.APPLICATION, "chat-dev", "argocd", status=status)
    cause = explain(one, RecordedView(one, pending))
    assert cause is not None
    assert cause.id == "application-retrying"
    status["operationState"] = {"phase": "Failed", "message": "failed", "syncResult": {"resources": [refused]}}
    cause = explain(one, RecordedView(one, pending))
    assert cause is not None
    assert cause.id == "application-sync-failed"
    assert "Deployment/chat: duplicate entries" in cause.sentence
