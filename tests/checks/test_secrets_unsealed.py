"""What the Secret of a SealedSecret must be, and that no value is ever told."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from platform_e2e.checks.secrets import WantedSecret, check, of_layer, unattended, watch
from platform_e2e.finding import Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Rendered
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.sealing import key, sealed

VALUE = "correct-horse-battery"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def live(**status: Any) -> Object:
    obj = sealed("db", "shop", password=VALUE)
    obj["metadata"].update(uid="uid-sealed", generation=1)
    obj["status"] = {"observedGeneration": 1, "conditions": [{"type": "Synced", "status": "True"}], **status}
    return obj


def secret(**fields: Any) -> Object:
    owner = {"kind": "SealedSecret", "name": "db", "uid": "uid-sealed", "controller": True}
    fields = {"data": {"password": encoded(VALUE)}, "type": "Opaque", **fields}
    metadata = {"ownerReferences": [owner], **fields.pop("metadata", {})}
    return made("v1/Secret", "db", "shop", metadata=metadata, **fields)


def found(obj: Object | None, *others: Object, keys: Any = None, template: Any = None) -> list[Finding]:
    rendered = sealed("db", "shop", password=VALUE)
    rendered["spec"]["template"].update(template or {})
    wanted = WantedSecret(Rendered(rendered, "shop", "shop/db.yaml", 1), [key(0)] if keys is None else keys)
    return check(wanted, RecordedView(*([obj] if obj else []), *others))


def test_one_that_is_unsealed() -> None:
    assert found(live(), secret()) == []


@pytest.mark.parametrize(
    ("obj", "others", "cause", "observed"),
    [
        (lambda: None, list, "object-missing", "it is not in the cluster"),
        (
            lambda: live(conditions=[{"type": "Synced", "status": "False", "message": "no key could decrypt secret"}]),
            list,
            "secret-not-unsealed",
            "it has not",
        ),
        (lambda: live(conditions=[]), list, "sealed-secret-unattended", "it has not"),
        (live, list, "unsealed-secret-missing", "there is none"),
        (
            live,
            lambda: [secret(metadata={"ownerReferences": []})],
            "unsealed-secret-differs",
            "it does not belong to it",
        ),
        (live, lambda: [secret(data={})], "secret-tampered", "it was changed"),
        (live, lambda: [secret(data={"password": encoded(VALUE), "more": ""})], "secret-tampered", "it was changed"),
        (
            live,
            lambda: [secret(type="kubernetes.io/tls")],
            "unsealed-secret-differs",
            "its type is kubernetes.io/tls instead of Opaque",
        ),
        (
            live,
            lambda: [secret(data={"password": encoded("hunter2")})],
            "unsealed-secret-differs",
            "another value than the sealed one has password",
        ),
        (
            live,
            lambda: [secret(data={"password": "%"})],
            "unsealed-secret-differs",
            "another value than the sealed one has password",
        ),
    ],
)
def test_what_is_wrong_with_one(
    obj: Callable[[], Object | None], others: Callable[[], list[Object]], cause: str, observed: str
) -> None:
    (one,) = found(obj(), *others())
    assert (one.cause.id, one.observed, one.promise) == (cause, observed, Promise.SECRETS)
    assert one.object == "sealedsecret/db -n shop"
    assert VALUE not in one.render()
    assert encoded(VALUE) not in one.render()


def test_without_the_key_values_are_not_compared() -> None:
    assert found(live(), secret(data={"password": encoded("hunter2")}), keys=[]) == []


def test_a_value_of_a_template_is_not_the_sealed_one() -> None:
    template = {"data": {"url": "http://{{ .password }}"}, "type": "basic"}
    data = {"password": encoded(VALUE), "url": encoded("http://x")}
    templated = live()
    templated["spec"]["template"].update(template)
    assert found(templated, secret(data=data, type="basic"), template=template) == []
    (one,) = found(templated, secret(type="basic"), template=template)
    assert one.observed == "it lacks url"


def test_a_secret_that_is_only_added_to_may_have_more_and_another_owner() -> None:
    metadata = {"ownerReferences": [], "annotations": {"sealedsecrets.bitnami.com/patch": "true"}}
    assert found(live(), secret(data={"password": encoded(VALUE), "more": ""}, metadata=metadata)) == []


def test_it_is_waited_for() -> None:
    rendered = Rendered(sealed("db", "shop", password=VALUE), "shop", "shop/db.yaml", 1)
    assert watch(WantedSecret(rendered), RecordedView(live(), secret()), timeout=5) == []


def test_the_demo_layer_has_one_for_each_environment_and_grafana() -> None:
    names = [str(each.rendered) for each in of_layer(layers.demo())]
    assert len(names) == 4
    assert "sealedsecret/grafana-admin -n monitoring" in names


def test_what_no_controller_looks_at_is_told_of_the_whole_layer() -> None:
    demo = layers.demo()
    every = list(of_layer(demo))
    conditions = [{"type": "Synced", "status": "True"}]
    live = [
        {**each.rendered.object, "status": {"conditions": conditions if each.id.startswith("chat") else []}}
        for each in every
    ]
    (found,) = unattended(demo, RecordedView(*live))
    assert found.object == "sealedsecret/grafana-admin -n monitoring"
