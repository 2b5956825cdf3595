"""The table of names is what the upstream charts, as recorded, really have; and a deviation is named."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from platform_e2e.foundations import chart_contract, manifests
from platform_e2e.foundations.manifests import Object

RECORDED = sorted((Path(__file__).parents[1] / "data" / "upstream-charts").glob("*.json"))


@pytest.fixture
def stack() -> list[Object]:
    path = next(path for path in RECORDED if path.name.startswith("kube-prometheus-stack-81"))
    found: list[Object] = manifests.read(path)["objects"]
    return found


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_table_is_what_upstream_renders(path: Path) -> None:
    recorded = manifests.read(path)
    assert chart_contract.differences(recorded["chart"], recorded["objects"]) == []


def test_every_chart_of_the_table_is_recorded() -> None:
    assert (
        {manifests.read(path)["chart"] for path in RECORDED}
        == set(chart_contract.FACTS)
        == set(chart_contract.RELEASES)
    )


def _one(objects: list[Object], kind: str, name: str) -> Object:
    return next(item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name)


def test_a_missing_object_is_named(stack: list[Object]) -> None:
    stack = [item for item in stack if item["kind"] != "Alertmanager"]
    assert chart_contract.differences("kube-prometheus-stack", stack) == [
        "Alertmanager/kube-prometheus-stack-alertmanager is missing"
    ]


def test_another_port_name_is_named(stack: list[Object]) -> None:
    _one(stack, "Service", "kube-prometheus-stack-prometheus")["spec"]["ports"][0]["name"] = "web"
    (sentence,) = chart_contract.differences("kube-prometheus-stack", stack)
    assert sentence.startswith("Service/kube-prometheus-stack-prometheus has the ports (Port(name='web', number=9090")


def test_another_label_selector_and_namespace_are_named(stack: list[Object]) -> None:
    operator = _one(stack, "Service", "kube-prometheus-stack-operator")
    operator["metadata"]["labels"]["release"] = "other"
    operator["metadata"]["namespace"] = "default"
    operator["spec"]["selector"] = {"app": "operator"}
    sentences = chart_contract.differences("kube-prometheus-stack", stack)
    assert [sentence.split(" ", 3)[2] for sentence in sentences] == ["the", "in", "{'app':"]
    assert "has the labels {'release': 'other'}" in sentences[0]
    assert "is in namespace default, not monitoring" in sentences[1]


def test_a_missing_key_is_named(stack: list[Object]) -> None:
    secret = _one(stack, "Secret", "alertmanager-kube-prometheus-stack-alertmanager")
    secret["data"] = {"other.yaml": ""}
    assert chart_contract.differences("kube-prometheus-stack", stack) == [
        "Secret/alertmanager-kube-prometheus-stack-alertmanager lacks the keys ['alertmanager.yaml']"
    ]


def test_a_service_monitor_that_scrapes_another_port_is_named(stack: list[Object]) -> None:
    before = copy.deepcopy(stack)
    _one(stack, "ServiceMonitor", "kube-prometheus-stack-coredns")["spec"]["endpoints"][0]["port"] = "metrics"
    assert chart_contract.differences("kube-prometheus-stack", before) == []
    (sentence,) = chart_contract.differences("kube-prometheus-stack", stack)
    assert "ServiceMonitor/kube-prometheus-stack-coredns has the ports (Port(name='metrics'" in sentence
