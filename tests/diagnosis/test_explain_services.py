"""Why nothing stands behind a Service, of whichever type."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

SELECTOR = {"app": "web"}


def service(selector: dict[str, str] | None = SELECTOR, kind: str = "ClusterIP", **status: Any) -> Object:
    spec = {"type": kind, **({"selector": selector} if selector else {})}
    return made("v1/Service", "web", "shop", spec=spec, status=status)


def slices(*, ready: bool) -> Object:
    endpoints = [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}]
    labels = {"kubernetes.io/service-name": "web"}
    return made("discovery.k8s.io/v1/EndpointSlice", "web-1", "shop", labels, endpoints=endpoints)


def deployment(replicas: int = 1, labels: dict[str, str] | None = None) -> Object:
    template = {"metadata": {"labels": labels or SELECTOR}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels or SELECTOR}, "template": template}
    return made("apps/v1/Deployment", "web", "shop", spec=spec)


def pod(reason: str = "ErrImagePull") -> Object:
    waiting = [{"name": "web", "image": "web:9", "state": {"waiting": {"reason": reason}}}]
    return made("v1/Pod", "web-1", "shop", SELECTOR, status={"phase": "Pending", "containerStatuses": waiting})


def cause_of(target: Object, *objects: Object) -> Cause:
    cause = explain(target, RecordedView(target, *objects))
    assert cause is not None
    return cause


@pytest.mark.parametrize(
    "sound",
    [
        (service(), slices(ready=True)),
        (service(None),),
        (service(kind="ExternalName"),),
    ],
    ids=["ready endpoint", "no selector", "another name"],
)
def test_nothing_holds_a_service_that_has_what_its_selector_promises(sound: tuple[Object, ...]) -> None:
    assert explain(sound[0], RecordedView(*sound)) is None


def test_pods_that_are_not_ready_are_the_cause() -> None:
    assert cause_of(service(), slices(ready=False), deployment(), pod()).id == "pod-image"


def test_a_workload_that_is_scaled_to_nothing_is_the_cause() -> None:
    cause = cause_of(service(), deployment(0))
    assert cause.id == "service-no-endpoints"
    assert cause.sentence == "service/web -n shop has no endpoint, since deployment/web -n shop is scaled to 0 replicas"
    assert "`kubectl scale deployment/web -n shop --replicas 1`" in cause.remedy


def test_a_workload_that_has_made_no_pod_is_not_blamed_on_the_selector() -> None:
    cause = cause_of(service(), deployment(2))
    assert cause.sentence == "service/web -n shop has no endpoint: deployment/web -n shop has made no pod"


def test_a_selector_that_selects_nothing_is_compared_with_the_nearest_workload() -> None:
    cause = cause_of(service({"app": "wbe", "tier": "front"}), deployment())
    assert cause.id == "service-no-endpoints"
    assert cause.sentence == "the selector of service/web -n shop (app=wbe, tier=front) selects no pod of its namespace"
    assert cause.remedy == (
        "correct spec.selector of the Service, or the labels of the pods; the pods of deployment/web -n shop have app=web"
    )
    assert cause_of(service({"other": "x"}), deployment()).remedy.endswith("or deploy what makes such pods")


def test_a_service_with_an_address_says_the_same_with_its_own_cause() -> None:
    balanced = service(kind="LoadBalancer", loadBalancer={"ingress": [{"ip": "10.89.0.200"}]})
    pool = made("metallb.io/v1beta1/IPAddressPool", "platform", spec={"addresses": ["10.89.0.200/32"]})
    cause = cause_of(balanced, pool, deployment(0))
    assert cause.id == "loadbalancer-no-endpoints"
    assert "is scaled to 0 replicas" in cause.sentence
