"""The values of the layer and the speed values are such as the assembled charts honour: nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from platform_e2e.foundations import assembled_argocd, assembled_stack, build, embedded, manifests
from platform_e2e.foundations.build import TEMPLATES
from platform_e2e.foundations.installation import SPEED
from platform_e2e.paths import ROOT

ASSEMBLED = ("argo-cd", "kube-prometheus-stack")
LAYER = ROOT / "tests" / "data" / "platform" / "foundations" / "values"


def of(chart: str, value: Any) -> list[str]:
    """Return why the schema of a chart refuses values."""
    schema = manifests.read(TEMPLATES / chart / "values.schema.json")
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(value)]


@pytest.mark.parametrize("chart", ASSEMBLED)
@pytest.mark.parametrize("directory", [LAYER, SPEED], ids=["layer", "speed"])
def test_values_are_honoured(chart: str, directory: Path) -> None:
    assert of(chart, manifests.read(directory / f"{chart}.yaml")) == []


@pytest.mark.parametrize("chart", ASSEMBLED)
def test_the_charts_own_values_are_such_that_they_can_be_written_by_a_layer(chart: str) -> None:
    assembler = assembled_argocd if chart == "argo-cd" else assembled_stack
    values = manifests.read(TEMPLATES / chart / "values.yaml")
    # The versions of the images are filled in when the chart is assembled; left out, the schema would refuse the chart.
    assert of(chart, build.merged(values, assembler.image_values(embedded.of(chart).images))) == []


def test_a_value_that_is_not_honoured_is_named() -> None:
    (sentence,) = of("argo-cd", {"server": {"ingress": {"enabled": True}}})
    assert sentence == "$.server: Additional properties are not allowed ('ingress' was unexpected)"
    assert of("argo-cd", {"dex": {"enabled": True}}) == ["$.dex.enabled: False was expected"]
    (sentence,) = of("kube-prometheus-stack", {"prometheus": {"prometheusSpec": {"shards": 2}}})
    assert "'shards' was unexpected" in sentence


@pytest.mark.parametrize("chart", ASSEMBLED)
def test_every_object_of_a_schema_is_closed(chart: str) -> None:
    def open_objects(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("additionalProperties") is not False:
                yield path
            for key, below in schema.items():
                yield from open_objects(below, f"{path}/{key}")

    assert list(open_objects(manifests.read(TEMPLATES / chart / "values.schema.json"), "")) == []


def test_the_layer_keeps_what_its_own_manifests_count_on() -> None:
    argocd = manifests.read(LAYER / "argo-cd.yaml")
    stack = manifests.read(LAYER / "kube-prometheus-stack.yaml")
    assert "resource.customizations.health.argoproj.io_Application" in argocd["configs"]["cm"]
    assert all(argocd[part]["metrics"]["enabled"] for part in ("controller", "applicationSet", "repoServer", "server"))
    assert stack["prometheus"]["serviceMonitor"]["selfMonitor"] is False
    assert stack["prometheusOperator"]["admissionWebhooks"]["failurePolicy"] == "Fail"
