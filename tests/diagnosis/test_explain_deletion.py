"""Why an object that is to go is still there."""

from __future__ import annotations

from typing import Any

from platform_e2e.diagnosis.explain.deletion import held_deletion
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

SINCE = "2026-01-01T00:00:00Z"


def going(kind: str, name: str, namespace: str = "", *finalizers: str, **fields: Any) -> Object:
    return made(kind, name, namespace, metadata={"deletionTimestamp": SINCE, "finalizers": list(finalizers)}, **fields)


def cause_of(obj: Object) -> Cause:
    cause = held_deletion(obj, RecordedView())
    assert cause is not None
    assert cause.id == "deletion-held"
    return cause


def test_what_nobody_wants_to_go_is_not_held() -> None:
    assert held_deletion(made("v1/ConfigMap", "a", "ns"), RecordedView()) is None


def test_finalizers_are_named() -> None:
    cause = cause_of(going("v1/ConfigMap", "a", "ns", "example.org/one", "example.org/two"))
    assert cause.sentence == (
        f"configmap/a -n ns is being deleted since {SINCE} and held by the finalizers example.org/one, example.org/two"
    )
    assert cause.remedy.startswith("see that the controller runs that removes them")


def test_an_application_that_deletes_its_objects_first_says_so() -> None:
    app = going("argoproj.io/v1alpha1/Application", "chat", "argocd", "resources-finalizer.argocd.argoproj.io")
    assert cause_of(app).remedy.startswith("Argo CD deletes its objects first; ")


def test_a_pod_has_its_time_to_end() -> None:
    assert cause_of(going("v1/Pod", "p", "ns")).sentence == f"pod/p -n ns is being deleted and has until {SINCE} to end"


def test_a_namespace_names_what_it_still_has() -> None:
    conditions = [
        {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1\n resource instances"},
        {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
    ]
    namespace = going("v1/Namespace", "shop", status={"phase": "Terminating", "conditions": conditions})
    assert cause_of(namespace).sentence == (
        f"namespace/shop is being deleted since {SINCE} and still has something: pods. has 1 resource instances"
    )
    assert cause_of(going("v1/Namespace", "shop")).sentence.endswith("nothing that it names")
