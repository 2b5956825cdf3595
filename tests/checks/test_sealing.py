"""What a test asks of the controller of Sealed Secrets, what it waits for, and what Argo CD shows."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from cryptography import x509

from platform_e2e.checks.secrets import argocd_view, backup, expected, sealing
from platform_e2e.checks.secrets.sealing import Sealing
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Failed, Met, Pending
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Release, sealed_secrets
from platform_e2e.paths import ROOT
from tests.fakes import sealing as keys
from tests.fakes.recorded_view import RecordedView, made

RELEASE = Release("sealed-secrets", "sealed-secrets", "https://x.example", "2.18.5", "0.36.6", "kube-system", ROOT)


def service(name: str, **labels: str) -> Object:
    return made("v1/Service", name, "kube-system", {"app.kubernetes.io/name": "sealed-secrets", **labels})


class Controller(RecordedView):
    """A cluster with a controller that gives out a certificate."""

    def __init__(self, answer: bytes) -> None:
        metrics = {"app.kubernetes.io/component": "metrics"}
        super().__init__(service("sealed-secrets-metrics", **metrics), service("sealed-secrets"))
        self._answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def proxy(self, *words: Any) -> bytes:
        self.asked.append(words)
        return self._answer


def certificate(number: int) -> bytes:
    return base64.b64decode(keys.secret(number)["data"]["tls.crt"])


@pytest.mark.parametrize("scope", sealing.SCOPES)
def test_what_is_sealed_opens_under_its_own_name(scope: str) -> None:
    view = Controller(certificate(0))
    sealer = Sealing.of(cast("Kube", view), RELEASE)
    assert view.asked == [("kube-system", "sealed-secrets", "http", "/v1/cert.pem")]
    obj = sealer.sealed("db", "shop", scope, password="x")
    assert sealed_secrets.plain(obj, [keys.key(0)]) == {"password": b"x"}
    for name, namespace, opens in (
        ("other", "shop", scope != "strict"),
        ("db", "other", scope == "cluster-wide"),
    ):
        copy = sealing.copied(obj, name, namespace)
        assert bool(sealed_secrets.plain(copy, [keys.key(0)])) is opens
    assert obj["metadata"]["name"] == "db"


def test_a_foreign_key_is_another_one() -> None:
    obj = Sealing.foreign().sealed("db", "shop", password="x")
    assert sealed_secrets.opening(obj, [keys.key(0)]).seal is sealed_secrets.Seal.NO_KEY


def test_a_service_that_gives_out_something_else_is_no_controller() -> None:
    with pytest.raises(BrokenHarness, match="service/sealed-secrets -n kube-system must give out a certificate"):
        Sealing.of(cast("Kube", Controller(b"<html>")), RELEASE)
    with pytest.raises(BrokenHarness, match="must have a Service with the label"):
        sealing.service(RecordedView(), RELEASE)
    x509.load_pem_x509_certificate(certificate(0))


def status(value: str, message: str = "", seen: int = 1) -> Object:
    conditions = [{"type": "Synced", "status": value, "message": message}]
    return {"status": {"observedGeneration": seen, "conditions": conditions}}


def secret(**values: str) -> Object:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    return made("v1/Secret", "db", "shop", data=data, metadata={"ownerReferences": [{"uid": "u"}]})


@pytest.mark.parametrize(
    ("expectation", "state", "verdict"),
    [
        (expected.unsealed(), None, Pending),
        (expected.unsealed(), {}, Pending),
        (expected.unsealed(2), status("True"), Pending),
        (expected.unsealed(), status("True"), Met),
        (expected.unsealed(), status("False", "no key"), Failed),
        (expected.refused("no key"), {}, Pending),
        (expected.refused("no key"), status("False", "no key could"), Met),
        (expected.refused("no key"), status("False", "exists already"), Failed),
        (expected.refused("no key"), status("True"), Failed),
        (expected.absent, None, Met),
        (expected.absent, {}, Failed),
        (expected.is_gone, {}, Pending),
        (expected.is_gone, None, Met),
        (expected.has_values(a="b"), None, Pending),
        (expected.has_values(a="b"), secret(a="b"), Met),
        (expected.has_values(a="b"), secret(a="c"), Pending),
        (expected.has_values(a="b"), secret(a="b", more="c"), Pending),
        (expected.owned_by({"metadata": {"uid": "u"}}, a="b"), secret(a="b"), Met),
        (expected.owned_by({"metadata": {"uid": "v"}}, a="b"), secret(a="b"), Pending),
        (expected.another_than({"metadata": {"uid": "uid-db"}}), secret(a="b"), Pending),
        (expected.another_than({"metadata": {"uid": "first"}}), secret(a="b"), Met),
        (expected.another_than({"metadata": {"uid": "first"}}), None, Pending),
        (expected.is_health("Degraded"), {"status": {"health": {"status": "Degraded"}}}, Met),
        (expected.is_health("Degraded"), None, Pending),
        (expected.told("db", "Unsealed"), [], Pending),
        (expected.told("db", "Unsealed"), [{"involvedObject": {"name": "db"}, "reason": "Unsealed"}], Met),
        (expected.told("db", "Unsealed"), [{"involvedObject": {"name": "x"}, "reason": "Unsealed"}], Pending),
        (backup.all_unsealed(), [], Met),
        (backup.all_unsealed(["sealedsecret/db -n shop"]), [], Pending),
    ],
)
def test_what_is_waited_for(expectation: Callable[[Any], Any], state: Any, verdict: type) -> None:
    assert isinstance(expectation(state), verdict)


def test_a_value_that_is_waited_for_is_never_told() -> None:
    told = expected.has_values(a="correct-horse")(secret(a="battery"))
    assert "correct-horse" not in str(told)
    assert "battery" not in str(told)


# Argo CD


class Argo(RecordedView):
    """A cluster with an Argo CD whose API answers everything with its path."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.asked: list[tuple[str, str, Any]] = []

    def raw(self, method: str, path: str, body: Any = None, *, headers: Any = None) -> Any:
        self.asked.append((method, path, headers))
        return {"token": "t"} if body else {"path": path.rpartition("/")[2]}


def argo(**parameters: str) -> Argo:
    password = made("v1/Secret", argocd_view.ADMINISTRATOR, "argocd", data={"password": "cHc="})
    settings = made("v1/ConfigMap", argocd_view.PARAMETERS, "argocd", data=parameters)
    return Argo(password, settings)


@pytest.mark.parametrize(
    ("parameters", "target"),
    [({}, "https:argocd-server:443"), ({"server.insecure": "true"}, "argocd-server:80")],
)
def test_argo_cd_is_asked_as_its_page_asks(parameters: dict[str, str], target: str) -> None:
    view = argo(**parameters)
    told = dict(argocd_view.shown(cast("Kube", view), "chat"))
    assert list(told) == ["/", "/managed-resources", "/resource-tree", "/manifests"]
    prefix = f"/api/v1/namespaces/argocd/services/{target}/proxy/api/v1"
    assert view.asked[0][:2] == ("POST", f"{prefix}/session")
    assert view.asked[2] == (
        "GET",
        f"{prefix}/applications/chat/managed-resources",
        {"Cookie": "argocd.token=t"},
    )


def test_without_an_administrator_nothing_is_asked() -> None:
    view = Argo()
    assert list(argocd_view.shown(cast("Kube", view), "chat")) == []
    assert view.asked == []


def test_what_the_cluster_keeps_is_looked_at_too() -> None:
    event = made("v1/Event", "e", "argocd", involvedObject={"name": "chat"}, message="synced")
    other = made("v1/Event", "f", "argocd", involvedObject={"name": "other"})
    app = made("argoproj.io/v1alpha1/Application", "chat", "argocd")
    told = dict(argocd_view.recorded(cast("Kube", Argo(event, other, app)), "chat"))
    assert json.loads(told["the Application"])["metadata"]["name"] == "chat"
    assert [each["metadata"]["name"] for each in json.loads(told["its events"])] == ["e"]


def test_a_value_is_found_as_it_is_and_in_base64() -> None:
    told = [("a", "x hunter2 y"), ("b", f"x {base64.b64encode(b'hunter2').decode()}"), ("c", "+++++++")]
    assert argocd_view.values_in(told, "hunter2") == ["a", "b"]
