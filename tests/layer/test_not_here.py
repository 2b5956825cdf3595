"""Addresses that MetalLB does not give, and monitors that are not Prometheus' own: judged where they can be, else named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from platform_e2e.layer import Layer
from tests.fakes import layers

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app: web}
  annotations: {note: none}
spec:
  type: LoadBalancer
  ports: [{name: metrics, port: 80}]
"""

CILIUM = """\
apiVersion: cilium.io/v2alpha1
kind: CiliumLoadBalancerIPPool
metadata: {name: lan}
spec:
  blocks: [{start: 10.0.0.1, stop: 10.0.0.9}, {cidr: 10.0.1.0/28}, {cidr: 'fd00::/64'}]
  serviceSelector: {matchLabels: {app: web}}
"""


def load(root: Path, files: Mapping[str, str]) -> Layer:
    return layers.load(layers.write(root, {f"manifests/one/{name}": text for name, text in files.items()}))


def test_addresses_of_cilium_are_given_by_metallb_of_its_ranges(tmp_path: Path) -> None:
    layer = load(tmp_path, {"pool.yaml": CILIUM, "web.yaml": SERVICE})
    (pool,) = layer.pools
    assert [str(each) for each in pool.ranges] == ["10.0.0.1-10.0.0.9", "10.0.1.0-10.0.1.15"]
    assert pool.rendered.spec["serviceAllocation"] == {"serviceSelectors": [{"matchLabels": {"app": "web"}}]}
    assert [each["kind"] for each in layer.brought_pools.objects] == ["IPAddressPool", "L2Advertisement"]
    assert [each.service.name for each in layer.load_balancers()] == ["web"]
    assert not layer.not_judged
    (said,) = layer.brought_pools.said
    assert said.startswith("Cilium's LB-IPAM (manifests/one/pool.yaml:1) is not here")
    assert f"warning: {said}" in layer.rendered_by


def test_an_address_that_is_asked_of_another_provider_is_named(tmp_path: Path) -> None:
    text = SERVICE.replace("note: none", "lbipam.cilium.io/ips: 10.0.0.7")
    said = load(tmp_path, {"pool.yaml": CILIUM, "web.yaml": text}).brought_pools.said
    assert "service/web -n one (manifests/one/web.yaml:1) is judged at another address than it asks for" in said[1]


def test_a_provider_that_is_not_in_the_layer_has_a_pool_of_the_harness_in_its_place(tmp_path: Path) -> None:
    layer = load(tmp_path, {"web.yaml": SERVICE})
    assert [pool.name for pool in layer.pools] == ["platform-e2e"]
    assert "the layer has no pool of addresses" in layer.brought_pools.said[0]


def test_a_layer_with_pools_has_those_alone(tmp_path: Path) -> None:
    pool = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: own, namespace: lb}\nspec: {addresses: [192.0.2.0/28]}\n"
    layer = load(tmp_path, {"web.yaml": SERVICE, "pool.yaml": pool})
    assert [each.name for each in layer.pools] == ["own"]
    assert not layer.brought_pools.objects


def test_a_layer_that_needs_no_address_has_no_pool(tmp_path: Path) -> None:
    assert not load(tmp_path, {"web.yaml": SERVICE.replace("LoadBalancer", "ClusterIP")}).pools
    assert not layers.demo().brought_pools.objects


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("io.cilium/l2-announcer", "Cilium"),
        ("tailscale", "Tailscale's operator"),
        ("a/b", "the controller of the class a/b"),
    ],
)
def test_a_class_of_another_controller_is_named(tmp_path: Path, name: str, who: str) -> None:
    layer = load(
        tmp_path,
        {"web.yaml": SERVICE.replace("type: LoadBalancer", f"type: LoadBalancer\n  loadBalancerClass: {name}")},
    )
    (unjudged,) = layer.not_judged
    assert (unjudged.object, unjudged.reason) == ("service/web -n one", "address")
    assert unjudged.problem == f"its address comes from {who}, which is not here"
    assert unjudged.place == "manifests/one/web.yaml:9"
    assert not layer.load_balancers()
    assert [each.service.name for each in layer.load_balancers(every=True)] == ["web"]


@pytest.mark.parametrize(
    "kind",
    [
        "monitoring.coreos.com/v1 Probe",
        "monitoring.coreos.com/v1alpha1 ScrapeConfig",
        "operator.victoriametrics.com/v1beta1 VMServiceScrape",
        "operator.victoriametrics.com/v1beta1 VMPodScrape",
    ],
)
def test_another_kind_of_monitor_is_named(tmp_path: Path, kind: str) -> None:
    api, _, name = kind.partition(" ")
    text = (
        f"apiVersion: {api}\nkind: {name}\nmetadata: {{name: m}}\nspec: {{selector: {{matchLabels: {{app: web}}}}}}\n"
    )
    layer = load(tmp_path, {"m.yaml": text})
    assert [(each.object, each.reason) for each in layer.not_judged] == [(f"{name.lower()}/m -n one", "monitor")]
    exempt = text.replace("name: m", "name: m, annotations: {platform-e2e/exempt-monitoring: why}")
    assert not load(tmp_path, {"m.yaml": exempt}).not_judged


def test_metrics_that_victoriametrics_scrapes_need_no_other_monitor(tmp_path: Path) -> None:
    text = "apiVersion: operator.victoriametrics.com/v1beta1\nkind: VMServiceScrape\nmetadata: {name: m}\nspec: {selector: {matchLabels: {app: NAME}}}\n"
    service = SERVICE.replace("LoadBalancer", "ClusterIP")
    assert not load(tmp_path, {"m.yaml": text.replace("NAME", "web"), "web.yaml": service}).metrics_services()
    assert load(tmp_path, {"m.yaml": text.replace("NAME", "db"), "web.yaml": service}).metrics_services()


def test_a_prometheus_of_the_harness_takes_every_monitor(tmp_path: Path) -> None:
    text = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m}\nspec: {selector: {}, endpoints: [{port: metrics}]}\n"
    layer = load(tmp_path, {"m.yaml": text})
    release = next(each for each in layer.releases if each.chart == "kube-prometheus-stack")
    values = json.loads(release.values.read_text())
    assert values["prometheus"]["prometheusSpec"]["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert release.brought
