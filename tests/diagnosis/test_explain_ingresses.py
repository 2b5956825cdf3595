from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.ingresses import CLASS_KIND, INGRESS_KIND
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("ingress-served")


def ingress(name: str = "", *, addressed: bool = False, **metadata: Any) -> Object:
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}] if addressed else []}}
    spec = {"ingressClassName": name} if name else {}
    return made(INGRESS_KIND, "chat", "chat-dev", spec=spec, status=status, metadata=metadata)


def serving(name: str, **annotations: str) -> Object:
    return made(CLASS_KIND, name, spec={"controller": "k8s.io/ingress-nginx"}, metadata={"annotations": annotations})


@pytest.mark.parametrize(
    ("obj", "classes", "said"),
    [
        (
            ingress("public"),
            [],
            "no controller serves its class public, of which there is no IngressClass; the cluster has: none",
        ),
        (ingress("public"), [serving("nginx")], "the cluster has: nginx (k8s.io/ingress-nginx)"),
        (ingress(annotations={"kubernetes.io/ingress.class": "old"}), [], "no controller serves its class old"),
        (ingress(), [serving("nginx")], "it names no IngressClass and none is the default"),
        (ingress("nginx"), [serving("nginx")], "the controller k8s.io/ingress-nginx of its class nginx gives it none"),
    ],
)
def test_an_ingress_without_an_address_says_who_should_serve_it(obj: Object, classes: list[Object], said: str) -> None:
    cause = explain(obj, RecordedView(*classes))
    assert cause is not None
    assert cause.id == "ingress-without-controller"
    assert cause.sentence.startswith("ingress/chat -n chat-dev has no address in its status: ")
    assert said in cause.sentence


def test_an_ingress_with_an_address_is_served() -> None:
    assert explain(ingress("public", addressed=True), RecordedView()) is None


def test_it_is_what_its_application_waits_for() -> None:
    entry = {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress", "namespace": "chat-dev", "name": "chat"}
    status = {
        "health": {"status": "Progressing"},
        "sync": {"status": "Synced"},
        "resources": [{**entry, "status": "Synced"}],
    }
    app = made("argoproj.io/v1alpha1/Application", "chat-dev", "argocd", status=status)
    cause = explain(app, RecordedView(ingress("public")))
    assert cause is not None
    assert (cause.id, cause.through) == ("ingress-without-controller", "ingress/chat -n chat-dev")
