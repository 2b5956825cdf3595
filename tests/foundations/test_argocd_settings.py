"""What Argo CD is told beside the layer's own settings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from platform_e2e.foundations import argocd_settings
from platform_e2e.layer import stand_ins
from platform_e2e.layer.stand_ins import Choice
from tests.fakes import layers
from tests.fakes.rendered import rendered
from tests.layer.test_stand_ins import CRD, GUARD

if TYPE_CHECKING:
    from pathlib import Path

WIDGET = "---\napiVersion: acme.example/v1\nkind: Widget\nmetadata: {name: one, namespace: shop}\n"


def test_nothing_where_nothing_stands_in() -> None:
    assert argocd_settings.of(layers.demo()) == {}


def test_no_health_of_what_no_real_controller_attends_to_and_no_kind_that_no_file_can_lose(tmp_path: Path) -> None:
    objects = [replace(each, written=None) for each in rendered(f"{CRD}{WIDGET}---{GUARD}")]
    found = stand_ins.judge(objects, Choice("auto"))
    layer = replace(layers.demo(), stand_ins=found, left_out=found.left_out)
    settings = argocd_settings.of(layer)
    assert 'hs.status = "Healthy"' in settings["resource.customizations.health.acme.example_Widget"]
    there = {"metadata": {"name": "argocd-cm"}, "data": {"resource.exclusions": "- kinds: [Event]\n"}}
    file = argocd_settings.write(settings, [there], tmp_path / "values.json")
    written = json.loads(file.read_text())["configs"]["cm"]
    kinds = [each["kinds"] for each in json.loads(written["resource.exclusions"])]
    assert kinds == [["Event"], ["ValidatingWebhookConfiguration"], ["APIService"]]
