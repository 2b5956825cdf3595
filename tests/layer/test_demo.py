"""The demo layer: what the reader finds in it, and the promises that it cannot drop silently."""

from __future__ import annotations

import json
import shutil
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e import layer, paths
from platform_e2e.diagnosis.explain.targets import takes_port
from platform_e2e.finding import Promise
from platform_e2e.layer import Layer
from tests.fakes import layers

ENVIRONMENTS = ("dev", "prod", "staging")


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def changed(tmp_path: Path, file: str, find: str, replace: str) -> Layer:
    """Return a copy of the demo layer with one change; its kustomizations are rendered from the unchanged records."""
    copy = tmp_path / "platform"
    shutil.copytree(layers.DEMO, copy)
    text = (copy / file).read_text()
    assert find in text
    (copy / file).write_text(text.replace(find, replace, 1))

    def render(directory: Path) -> list[dict[str, Any]]:
        name = directory.relative_to(copy).as_posix().replace("/", ".")
        return list(YAML(typ="safe", pure=True).load_all((layers.RECORDS / f"{name}.yaml").read_text()))

    return layers.load(copy, render)


def test_every_application_is_found_with_what_it_renders(demo: Layer) -> None:
    assert {one.name: len(one.objects) for one in demo.applications} == {
        "chat-dev": 6,
        "chat-prod": 6,
        "chat-staging": 6,
        "metallb-config": 4,
        "monitoring-config": 16,
        "platform": 6,
        "secrets-config": 1,
    }


def test_the_example_application_is_as_described(demo: Layer) -> None:
    one = demo.application("metallb-config")
    assert (one.path, one.destination, one.project) == ("manifests/metallb", "metallb-system", "platform")
    assert one.automation == layer.Automation(enabled=True, prune=True, self_heal=True)
    assert one.generated_by is None


def test_every_application_promises_to_prune_and_heal(demo: Layer) -> None:
    assert all(one.automation.complete and one.exempt(Promise.SELFHEAL) is None for one in demo.applications)


def test_the_root_keeps_every_application_but_itself(demo: Layer) -> None:
    kept = {one.name for one in demo.application("platform").objects if one.kind == "Application"}
    assert kept == {one.name for one in demo.applications if one.generated_by is None} - {"platform"}
    assert {one.name for one in demo.application("platform").objects if one.kind == "ApplicationSet"} == {"chat"}


def test_generated_applications_name_their_applicationset_and_its_line(demo: Layer) -> None:
    one = demo.application("chat-prod")
    assert (one.generated_by, one.path, one.destination) == ("chat", "manifests/chat/overlays/prod", "chat-prod")
    assert one.file == "tests/data/platform/argocd/applicationsets/chat.yaml"
    assert one.labels["environment"] == "prod"


def test_environments_are_the_overlay_directories(demo: Layer) -> None:
    found = [(one.name, one.applicationset, one.application) for one in demo.expected_environments()]
    assert found == [(name, "chat", f"chat-{name}") for name in ENVIRONMENTS]


def test_the_pool_is_as_written(demo: Layer) -> None:
    assert [str(one) for one in demo.pool_ranges()] == ["10.89.0.200-10.89.0.220"]
    (pool,) = demo.pools
    assert pool.name == "platform"
    assert IPv4Address("10.89.0.220") in pool
    assert IPv4Address("10.89.0.221") not in pool


def test_every_environment_has_an_address_of_its_own_from_the_pool_and_a_probe(demo: Layer) -> None:
    found = demo.load_balancers()
    assert [one.service.namespace for one in found] == [f"chat-{name}" for name in ENVIRONMENTS]
    addresses = [one.addresses[0] for one in found]
    assert len(set(addresses)) == len(ENVIRONMENTS)
    assert all(IPv4Address(one) in demo.pools[0] for one in addresses)
    for name, one in zip(ENVIRONMENTS, found, strict=True):
        assert one.probe is not None
        assert one.probe.json == {"app": "chat", "environment": name}


def test_environments_differ_in_nothing_but_what_the_overlays_state(demo: Layer) -> None:
    def neutral(name: str) -> list[Any]:
        text = json.dumps([one.object for one in demo.application(f"chat-{name}").objects], sort_keys=True)
        return json.loads(text.replace(name, "ENVIRONMENT"))  # type: ignore[no-any-return]

    def differing(one: Any, other: Any, path: str = "") -> list[str]:
        if type(one) is type(other) and isinstance(one, dict):
            keys = sorted(one.keys() | other.keys())
            return [found for key in keys for found in differing(one.get(key), other.get(key), f"{path}.{key}")]
        return [] if one == other else [path]

    dev, prod = neutral("dev"), neutral("prod")
    assert [one["kind"] for one in dev] == [one["kind"] for one in prod]
    found = {one["kind"]: differing(one, other) for one, other in zip(dev, prod, strict=True) if differing(one, other)}
    assert found == {
        "ConfigMap": [".data.greeting", ".data.log_level"],
        "Service": [".metadata.annotations.metallb.io/loadBalancerIPs"],
        "Deployment": [".spec.replicas"],
        "SealedSecret": [".spec.encryptedData.signing-key"],
    }


def test_the_image_of_every_environment_is_the_version_of_the_source(demo: Layer) -> None:
    version = (layers.DEMO / "apps" / "chat" / "VERSION").read_text().strip()
    images = {
        container["image"]
        for one in demo.of_kind("apps/v1/Deployment")
        for container in one.spec["template"]["spec"]["containers"]
    }
    assert images == {f"ghcr.io/platform-team/chat:{version}"}


def taking(port: layer.MetricsService, demo: Layer) -> list[str]:
    """Return the monitors that take a metrics port, by what is written alone."""
    return [str(one) for one in demo.monitors() if takes_port(one.object, port.service.object, port.entry, [])]


def test_every_metrics_port_has_its_servicemonitor(demo: Layer) -> None:
    found = {str(one.service): taking(one, demo) for one in demo.metrics_services()}
    assert found == {
        "service/metallb-controller-metrics -n metallb-system": ["servicemonitor/metallb-controller -n monitoring"],
        "service/metallb-speaker-metrics -n metallb-system": ["servicemonitor/metallb-speaker -n monitoring"],
        **{f"service/chat-metrics -n chat-{name}": [f"servicemonitor/chat -n chat-{name}"] for name in ENVIRONMENTS},
    }


def test_every_servicemonitor_and_rule_has_the_label_that_prometheus_selects_by(demo: Layer) -> None:
    every = demo.monitors() + demo.of_kind("PrometheusRule")
    assert len(every) == 16
    assert {one.labels.get("release") for one in every} == {"kube-prometheus-stack"}
    assert all(layer.series(one) for one in demo.monitors())


def test_dashboards_are_json_with_the_label_that_grafana_looks_for(demo: Layer) -> None:
    found = [one for one in demo.of_kind("ConfigMap") if one.labels.get("grafana_dashboard") == "1"]
    uids = [json.loads(text)["uid"] for one in found for text in one.object["data"].values()]
    assert sorted(uids) == ["platform-argocd", "platform-chat", "platform-metallb"]


def test_custom_resources_do_not_fail_the_dry_run_before_their_crd_is_there(demo: Layer) -> None:
    for one in demo.rendered:
        group = one.object["apiVersion"].partition("/")[0]
        if group in ("metallb.io", "monitoring.coreos.com", "bitnami.com"):
            options = one.annotations["argocd.argoproj.io/sync-options"]
            assert options == "SkipDryRunOnMissingResource=true", str(one)


def test_no_plaintext_secret_and_no_object_of_two_applications(demo: Layer) -> None:
    assert demo.of_kind("v1/Secret") == ()
    assert demo.shared() == ()
    assert demo.exemptions == ()


def test_sealed_secrets_are_sealed_for_their_own_name_and_namespace(demo: Layer) -> None:
    for one in demo.of_kind("SealedSecret"):
        template = one.spec["template"]["metadata"]
        assert (template["name"], template["namespace"]) == (one.name, one.namespace)
        assert not any(key.endswith("cluster-wide") for key in one.annotations)


def test_every_object_knows_its_file_and_line(demo: Layer) -> None:
    for one in demo.rendered:
        lines = (paths.ROOT / one.file).read_text().splitlines()
        assert one.line is not None
        text = "\n".join(lines[one.line - 1 : one.line + 12])
        assert f"name: {one.name}" in text, f"{one} {one.file}:{one.line}"


def test_what_an_overlay_patches_names_the_patch_before_the_base(demo: Layer) -> None:
    places = {str(one): one.location for one in demo.rendered}
    assert places["service/chat -n chat-prod"] == (
        "tests/data/platform/manifests/chat/overlays/prod/service.yaml, which patches tests/data/platform/manifests/chat/base/service.yaml:3"
    )
    assert places["deployment/chat -n chat-prod"] == "tests/data/platform/manifests/chat/base/deployment.yaml:1"
    assert places["service/chat-metrics -n chat-prod"] == "tests/data/platform/manifests/chat/base/service.yaml:20"


def test_releases_are_pinned(demo: Layer) -> None:
    assert [one.name for one in demo.releases] == ["metallb", "argocd", "kube-prometheus-stack", "sealed-secrets"]
    assert all(one.values.is_file() and one.version[0].isdigit() for one in demo.releases)


def test_an_environment_that_drops_out_of_the_list_is_still_expected(tmp_path: Path) -> None:
    found = changed(tmp_path, "argocd/applicationsets/chat.yaml", "          - environment: staging\n", "")
    assert [one.name for one in found.applications if one.generated_by] == ["chat-dev", "chat-prod"]
    assert [(one.name, one.application) for one in found.expected_environments()] == [
        ("dev", "chat-dev"),
        ("prod", "chat-prod"),
        ("staging", None),
    ]


def test_an_environment_may_be_exempt_by_its_own_kustomization(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(layers.DEMO, copy)
    kustomization = copy / "manifests" / "chat" / "overlays" / "staging" / "kustomization.yaml"
    head = "metadata:\n  name: staging\n  annotations:\n    platform-e2e/exempt-environments: not yet opened\n"
    kustomization.write_text(head + kustomization.read_text())
    file = copy / "argocd" / "applicationsets" / "chat.yaml"
    file.write_text(file.read_text().replace("          - environment: staging\n", ""))
    found = layers.load(copy, layers.one_configmap)
    assert [one.name for one in found.expected_environments()] == ["dev", "prod"]
    assert [(one.object, one.promise, one.reason) for one in found.exemptions] == [
        ("environment/manifests/chat/overlays/staging", Promise.ENVIRONMENTS, "not yet opened")
    ]


def test_a_lost_selfheal_is_seen(tmp_path: Path) -> None:
    found = changed(tmp_path, "argocd/applications/metallb-config.yaml", "      selfHeal: true\n", "")
    one = found.application("metallb-config")
    assert one.automation == layer.Automation(enabled=True, prune=True, self_heal=False)
    assert not one.automation.complete


def test_automation_that_is_switched_off_is_not_complete(tmp_path: Path) -> None:
    found = changed(
        tmp_path,
        "argocd/applications/metallb-config.yaml",
        "    automated:\n",
        "    automated:\n      enabled: false\n",
    )
    assert not found.application("metallb-config").automation.complete


def test_a_metrics_service_whose_label_changes_loses_its_monitor(tmp_path: Path) -> None:
    found = changed(
        tmp_path,
        "manifests/metallb/metrics.yaml",
        "    app.kubernetes.io/name: metallb-speaker-metrics",
        "    app.kubernetes.io/name: other",
    )
    without = [one.service.name for one in found.metrics_services() if not taking(one, found)]
    assert without == ["metallb-speaker-metrics"]


def test_the_fingerprint_changes_with_any_file(tmp_path: Path, demo: Layer) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(layers.DEMO, copy)
    found = layers.load(copy, layers.one_configmap)
    before = found.fingerprint()
    assert before == found.fingerprint() == demo.fingerprint()
    (copy / "apps" / "chat" / "VERSION").write_text("2.0.0\n")
    assert found.fingerprint() != before
