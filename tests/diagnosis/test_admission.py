"""What admission rules say where they refuse an object: of the layer, or of the harness itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.diagnosis.admission import Refusal, of_own, refusal
from platform_e2e.finding import Finding
from platform_e2e.kube.errors import Forbidden
from platform_e2e.layer import NotJudged
from platform_e2e.layer.renderer import Reason
from tests.fakes.rendered import rendered

FAILS = (
    "services \"git\" is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'all' denied request: expression "
    '\'\n  object.metadata.annotations["a"] != ""\n\' resulted in error: no such key: annotations'
)
DENIES = FAILS.partition("expression")[0] + "it must have an owner"
WEBHOOK = 'admission webhook "validate.kyverno.svc-fail" denied the request: \n\nresource Pod/a/b was blocked'

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: owner}
"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (FAILS, Refusal("validatingadmissionpolicy/owner", "no such key: annotations", fails=True)),
        (DENIES, Refusal("validatingadmissionpolicy/owner", "it must have an owner")),
        (WEBHOOK, Refusal("admissionwebhook/validate.kyverno.svc-fail", "resource Pod/a/b was blocked")),
        (
            r"admission webhook \"a.b\" denied the request without explanation",
            Refusal("admissionwebhook/a.b", "no more than that"),
        ),
        ('User "a" cannot create resource "pods" in API group ""', None),
        ('failed calling webhook "a.b": connection refused', None),
    ],
)
def test_what_a_rule_says_is_found(message: str, told: Refusal | None) -> None:
    assert refusal(message) == told


def test_what_a_rule_says_is_not_longer_than_a_few_lines() -> None:
    told = refusal(DENIES + " x" * 1000)
    assert told is not None
    assert len(told.why) == 303


def layer() -> Any:
    objects = rendered(POLICY)
    return SimpleNamespace(rendered=objects, located=lambda cause: cause.located(objects[0].place()))


def test_a_rule_that_cannot_be_evaluated_is_a_fault_of_the_layer() -> None:
    told = of_own(Forbidden("PATCH Service git -n platform-e2e-git", 422, "Invalid", FAILS), layer())
    assert isinstance(told, Finding)
    assert (told.promise, told.cause.id) == ("applications", "admission-refuses")
    assert told.cause.sentence == (
        "validatingadmissionpolicy/owner refuses whatever its expression fails for, such as PATCH Service git -n platform-e2e-git: "
        "no such key: annotations"
    )
    assert told.cause.remedy.startswith("let the expression ask by has(...) for every field that an object may lack (")


def test_beside_a_rule_that_refuses_objects_of_the_harness_something_is_unknown() -> None:
    told = of_own(Forbidden("POST Pod probe -n platform-e2e-x", 403, "Forbidden", DENIES), layer())
    assert isinstance(told, NotJudged)
    assert (told.object, told.reason) == ("validatingadmissionpolicy/owner", Reason.ADMISSION)
    assert told.line
    assert told.problem.endswith("(POST Pod probe -n platform-e2e-x): it must have an owner")
    assert of_own(Forbidden("GET Pod a", 403, "Forbidden", "RBAC"), layer()) is None
