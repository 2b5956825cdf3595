"""A SealedSecret that makes no Secret: by whose fault, and for which name it was sealed where the keys tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain, sealed_secrets
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.layer.sealed_secrets import CLUSTER_WIDE
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.sealing import key, sealed

NO_KEY = "no key could decrypt secret (password)"


def live(obj: Object, message: str = NO_KEY, generation: int = 1, seen: int | None = 1) -> Object:
    obj["metadata"]["generation"] = generation
    conditions = [{"type": "Synced", "status": "False" if message else "True", "message": message}]
    obj["status"] = {"conditions": conditions, **({"observedGeneration": seen} if seen else {})}
    return obj


def cause(obj: Object, *others: Object, keys: Any = ()) -> Cause:
    with sealed_secrets.keys_known(keys):
        found = explain(obj, RecordedView(obj, *others))
    assert found is not None
    return found


def test_without_keys_the_controller_s_words_are_all() -> None:
    found = cause(live(sealed("db", "shop", password="x")))
    assert found.id == "secret-not-unsealed"
    assert found.sentence == f"sealedsecret/db -n shop makes no Secret, because of `{NO_KEY}`"
    assert "restore the key" in found.remedy


def test_what_was_renamed_is_told_with_the_name_that_it_was_sealed_for() -> None:
    renamed = sealed("live-db", "shop", label="shop/db", password="x")
    renamed["spec"]["template"]["metadata"]["name"] = "db"
    found = cause(live(renamed), keys=[key(0)])
    assert found.id == "secret-not-unsealed"
    assert found.sentence.endswith("`: password is sealed for `shop/db`, and must be for `shop/live-db`")
    assert "kubeseal --cert FILE --name live-db --namespace shop" in found.remedy


@pytest.mark.parametrize(
    ("label", "annotations", "says"),
    [
        ("dev/db", {}, "password is sealed for `dev/db`, and must be for `shop/db`"),
        ("", {}, "password is sealed for the whole cluster, and must be for `shop/db`"),
        ("shop", {}, "password is sealed for the whole namespace `shop`, and must be for `shop/db`"),
        ("shop/db", {CLUSTER_WIDE: "true"}, "password is sealed for `shop/db`, and must be for the whole cluster"),
        ("far/away", {}, "password is sealed for another name or namespace, and must be for `shop/db`"),
    ],
)
def test_another_scope_is_named(label: str, annotations: dict[str, str], says: str) -> None:
    other = sealed("db", "shop", label=label, password="x")
    other["metadata"]["annotations"] = annotations
    assert cause(live(other), made("v1/Namespace", "dev"), keys=[key(0)]).sentence.endswith(says)


def test_another_key_and_a_value_that_was_not_sealed_are_told_apart() -> None:
    other = cause(live(sealed("db", "shop", 1, password="x")), keys=[key(0)])
    assert other.sentence.endswith("password is sealed with a key that is not in --sealing-key, or damaged")
    none = sealed("db", "shop")
    none["spec"]["encryptedData"] = {"password": "aHVudGVyMg=="}
    assert cause(live(none), keys=[key(0)]).sentence.endswith("password has no value that was sealed")


def test_a_secret_of_another_maker_is_named() -> None:
    said = 'failed update: Resource "db" already exists and is not managed by SealedSecret'
    found = cause(live(sealed("db", "shop"), said))
    assert found.id == "secret-not-managed"
    assert "secret/db -n shop exists already" in found.sentence
    assert "sealedsecrets.bitnami.com/managed" in found.remedy


def test_what_no_controller_has_looked_at_is_unattended() -> None:
    new = sealed("db", "shop")
    new["metadata"]["generation"] = 1
    assert cause(new).sentence.endswith("attends to sealedsecret/db -n shop: it has no status")
    new["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat()
    assert explain(new, RecordedView(new)) is None
    changed = cause(live(sealed("db", "shop"), "", generation=2))
    assert changed.id == "sealed-secret-unattended"
    assert changed.sentence.endswith("its status is of generation 1, and it has 2")


def test_what_is_unsealed_has_no_cause() -> None:
    for seen in (1, None):
        obj = live(sealed("db", "shop"), "", seen=seen)
        assert explain(obj, RecordedView(obj)) is None
