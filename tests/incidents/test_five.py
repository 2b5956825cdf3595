"""The five kinds of incident still fit the demo layer."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from incidents.five import APPLICATIONSET, KINDS, NO_IMAGE, STAGING, ignored
from platform_e2e.checks.ignore_differences import rules
from platform_e2e.diagnosis.causes import CAUSES
from tests.fakes import layers


def test_the_applicationset_gets_a_rule_that_lets_replicas_differ() -> None:
    changed = YAML(typ="safe", pure=True).load(ignored((layers.DEMO / APPLICATIONSET).read_text()))
    (rule,) = rules({"metadata": {"name": "chat-dev"}, **changed["spec"]["template"]}, None)
    chat = next(one for one in layers.demo().of_kind("apps/v1/Deployment") if one.name == "chat")
    assert rule.about(chat)
    assert rule.covers("/spec/replicas", {})
    with pytest.raises(AssertionError, match="does not fit any more"):
        ignored("kind: ApplicationSet\n")


def test_the_image_that_does_not_exist_is_that_of_the_layer() -> None:
    added = YAML(typ="safe", pure=True).load((layers.DEMO / STAGING).read_text() + NO_IMAGE)
    chat = next(one for one in layers.demo().of_kind("apps/v1/Deployment") if one.namespace == "chat-staging")
    assert chat.spec["template"]["spec"]["containers"][0]["image"].startswith(f"{added['images'][0]['name']}:")


def test_each_kind_names_an_object_of_the_layer_and_a_known_cause() -> None:
    objects = {str(one) for one in layers.demo().rendered}
    assert len({one.cause for one in KINDS}) == 5
    for one in KINDS:
        assert one.object in objects
        assert one.cause in CAUSES
