"""What a test of a team's own expects of an object, against recorded clusters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e.checks import applications
from platform_e2e.diagnosis.registry import _EXPLAINERS
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import PROVEN, Finding
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer, Rendered
from platform_e2e.layer.objects import located
from platform_e2e.testing import BlockedByPromise, Cause, Failed, Met, Pending, Platform, PromiseBroken, explains
from tests.fakes.recorded_view import RecordedView, made

CERTIFICATE = "cert-manager.io/v1/Certificate"
GIT = made(CERTIFICATE, "shop", "shop", spec={"issuerRef": {"name": "letsencrypt"}})
SHOP = Rendered(GIT, "certs", "manifests/certs.yaml", 14)


@pytest.fixture(autouse=True)
def _proves(monkeypatch: pytest.MonkeyPatch) -> Any:
    token = PROVEN.set("certificates")
    before = {kind: list(known) for kind, known in _EXPLAINERS.items()}
    yield
    _EXPLAINERS.clear()
    _EXPLAINERS.update(before)
    PROVEN.reset(token)


def platform(
    *objects: Object, application: list[Finding] | None = None, monkeypatch: pytest.MonkeyPatch | None = None
) -> Platform:
    if monkeypatch is not None:
        monkeypatch.setattr(applications, "wait_converged", lambda *_, **__: application or [])
    layer = SimpleNamespace(
        application=lambda name: name, located=lambda cause, rendered: located(cause, [SHOP], rendered)
    )
    return Platform(cast("Layer", layer), cast("Any", RecordedView(*objects)), cast("Any", None), "abc")


def ready(status: str = "True") -> Object:
    return {**GIT, "status": {"conditions": [{"type": "Ready", "status": status, "reason": "Issued"}]}}


def broken(found: Platform, **options: Any) -> Finding:
    with pytest.raises(PromiseBroken) as caught:
        found.expect(SHOP).condition("Ready", timeout=0, **options)
    (finding,) = caught.value.findings
    return finding


def test_what_is_expected_is_returned() -> None:
    found = platform(ready())
    assert found.expect(SHOP).condition("Ready") == ready()
    assert found.expect(f"{CERTIFICATE}/shop -n shop").field(".spec.issuerRef.name", "letsencrypt") == ready()
    assert found.expect(SHOP).satisfies(lambda one: Met() if one else Pending("absent"), "it is there") == ready()


def test_what_is_expected_in_vain_is_a_finding_of_the_tests_promise_with_file_and_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finding = broken(platform(ready("False"), monkeypatch=monkeypatch))
    assert (finding.object, finding.promise) == ("certificate/shop -n shop", "certificates")
    assert finding.expected == "condition Ready is True"
    assert finding.cause.id == "unexplained"
    assert finding.cause.remedy.endswith("(manifests/certs.yaml:14)")


def test_a_teams_own_explanation_stands_also_where_the_application_waits_for_the_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @explains(CERTIFICATE)
    def no_issuer(certificate: Object, _cluster: object) -> Cause:
        return Cause("issuer-missing", f"nothing issues {certificate['metadata']['name']}", "install an issuer")

    held = Finding("application/certs -n argocd", "applications", "", "", Cause("service-no-endpoints", "", ""))
    finding = broken(platform(GIT, application=[held], monkeypatch=monkeypatch))
    assert finding.cause == Cause(
        "issuer-missing", "nothing issues shop", "install an issuer (manifests/certs.yaml:14)"
    )


def test_what_the_application_lacks_blocks_what_it_has_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Finding("application/certs -n argocd", "applications", "", "", Cause("application-render-error", "x", ""))
    with pytest.raises(BlockedByPromise, match="promise applications: x"):
        platform(application=[held], monkeypatch=monkeypatch).expect(SHOP).exists(timeout=0)


def test_a_finding_of_ones_own_is_of_the_promise_and_has_the_known_cause() -> None:
    found = platform(ready()).finding(SHOP, expected="14 days left", observed="3 days", days=3)
    assert (found.promise, found.details, found.cause.id) == ("certificates", {"days": 3}, "unexplained")
    given = Cause("expires", "it expires", "renew it")
    assert platform().finding("service/x -n y", expected="a", observed="b", cause=given).cause == given


def test_an_expectation_that_cannot_be_met_any_more_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def judge(obj: Object | None) -> Failed:
        looked.append(obj)
        return Failed("Git does not have the key `motd`")

    found = platform(ready(), monkeypatch=monkeypatch)
    with pytest.raises(PromiseBroken) as caught:
        found.expect(SHOP).satisfies(judge, "it has a motd", timeout=600)
    assert caught.value.findings[0].observed == "Git does not have the key `motd`"
    assert looked == [ready()]


@pytest.mark.parametrize("text", ["shop", "service/", "service chat -n x"])
def test_a_text_that_names_no_object_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="object must be written `kind/NAME -n NAMESPACE`"):
        platform().expect(text)
