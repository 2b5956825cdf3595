"""Stand-ins of the cluster that no file of the layer tells of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import stand_ins as check
from platform_e2e.layer import stand_ins
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.stand_ins import Choice
from platform_e2e.toolbox.images import STAND_IN
from tests.fakes import layers
from tests.fakes.rendered import rendered
from tests.layer.test_stand_ins import WEB


class View:
    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = pods

    def list(self, _kind: str) -> list[dict[str, Any]]:
        return list(self.pods)


def pod(name: str, image: str, runs: str = STAND_IN) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "a", "image": image}]},
        "status": {"containerStatuses": [{"name": "a", "image": runs}]},
    }


@pytest.fixture
def layer() -> Layer:
    return replace(layers.demo(), stand_ins=stand_ins.judge(rendered(WEB), Choice("auto")))


def test_those_of_files_and_real_ones_are_no_news(layer: Layer) -> None:
    view: Any = View(pod("web-1", "acme/web:1"), pod("real", "acme/real:1", "acme/real:1"))
    assert check.others(layer, view) == (1, None)


def test_what_an_operator_has_made_is_named(layer: Layer) -> None:
    view: Any = View(pod("web-1", "acme/web:1"), pod("db-1", "acme/db:1"), pod("db-2", "acme/db:1"))
    running, unknown = check.others(layer, view)
    assert running == 3
    assert unknown is not None
    assert unknown.object == "pod/db-1 -n shop"
    assert "pod/db-2 -n shop (acme/db:1)" in unknown.problem
