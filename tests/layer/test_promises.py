"""What a layer promises and what it says it does not: probes, selectors, metrics ports, pools, exemptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.diagnosis.explain.targets import takes_port
from platform_e2e.finding import Promise
from platform_e2e.layer import LayerError, Rendered, probe_of
from tests.fakes import layers

CONFIGMAP = "manifests/one/configmap.yaml"
APPLICATION = "argocd/applications/one.yaml"


def rendered(kind: str, spec: dict[str, Any], **metadata: Any) -> Rendered:
    data = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "one", "namespace": "ns", **metadata}, "spec": spec}
    return Rendered(data, "app", "file.yaml", 3)


def service(probe: str | None = None, **spec: Any) -> Rendered:
    ports = [{"name": "web", "port": 80}, {"name": "other", "port": 8080}]
    annotations = {layer.PROBE: probe} if probe is not None else {}
    return rendered("Service", {"ports": ports, **spec}, annotations=annotations, labels={"app": "one"})


def test_a_service_without_the_annotation_has_no_probe() -> None:
    assert probe_of(service()) is None


def test_a_probe_has_defaults_and_takes_its_port_by_name_or_number() -> None:
    assert probe_of(service("{}")) == layer.Probe(port=80)
    assert probe_of(service('{"port": "other", "contains": "x"}')) == layer.Probe(port=8080, contains=("x",))
    assert probe_of(service('{"port": 8080, "contains": ["x", "y"]}')) == layer.Probe(port=8080, contains=("x", "y"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /", "is not JSON: Expecting value"),
        ("[]", "is not a JSON object"),
        ('{"pth": "/"}', "has an unknown field pth"),
        ('{"status": "200"}', "has a wrong value for status: '200'"),
        ('{"status": true}', "has a wrong value for status: True"),
        ('{"scheme": "ftp"}', "has a wrong value for scheme: 'ftp'"),
        ('{"port": 1}', "asks for the port 1, which the Service does not have"),
    ],
)
def test_a_probe_that_cannot_be_used_is_refused_with_file_and_line(text: str, expected: str) -> None:
    with pytest.raises(LayerError) as caught:
        probe_of(service(text))
    assert str(caught.value).startswith(f"file.yaml:3: service/one -n ns: platform-e2e/probe {expected}")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, '{"app": "chat", "environment": "dev", "more": 1} ok', "the answer is not JSON"),
        (200, '{"app": "chat", "environment": "dev", "more": "ok"}', ""),
        (200, '{"app": "chat", "environment": "prod", "more": "ok"}', "environment is 'prod' instead of 'dev'"),
        (200, '["ok"]', "the answer is not a JSON object"),
        (503, "", "status 503 instead of 200"),
        (200, "{}", "the answer does not contain 'ok'"),
    ],
)
def test_a_probe_says_how_an_answer_differs(status: int, body: str, expected: str) -> None:
    probe = layer.Probe(port=80, contains=("ok",), json={"app": "chat", "environment": "dev"})
    assert probe.difference(status, body) == expected


@pytest.mark.parametrize(
    ("status", "body", "wanted", "matched"),
    [
        (
            200,
            '{"app": "lobby", "greeting": "Hi", "n": 3, "x": "ok"}',
            'status 200, with "greeting": "Grüß Gott"',
            (("app", "lobby"), ("", "ok")),
        ),
        (
            200,
            '{"app": "x", "n": 4, "greeting": "Grüß Gott", "x": "ok"}',
            'status 200, with "app": "lobby", "n": 3',
            (("greeting", "Grüß Gott"), ("", "ok")),
        ),
        (503, "busy", "status 200", ()),
        (200, "busy", "status 200, with 'ok' in the answer", ()),
        (200, "ok", 'status 200, with "app": "lobby", "greeting": "Grüß Gott", "n": 3', (("", "ok"),)),
    ],
)
def test_a_probe_names_what_an_answer_lacks_and_what_it_has(
    status: int, body: str, wanted: str, matched: tuple[tuple[str, str], ...]
) -> None:
    probe = layer.Probe(port=80, contains=("ok",), json={"app": "lobby", "greeting": "Grüß Gott", "n": 3})
    assert (probe.wanted(status, body), probe.matched(body)) == (wanted, matched)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any] | None, expected: bool) -> None:
    assert layer.matches(selector, {"a": "1"}) is expected


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(ValueError, match="Like is not an operator of a label selector"):
        layer.matches({"matchExpressions": [{"key": "a", "operator": "Like"}]}, {})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"selector": {"matchLabels": {"app": "one"}}, "endpoints": [{"port": "web"}]}, True),
        ({"selector": {"matchLabels": {"app": "one"}}, "endpoints": [{"port": "80"}]}, False),
        ({"selector": {"matchLabels": {"app": "one"}}, "endpoints": [{"targetPort": 80}]}, True),
        ({"selector": {"matchLabels": {"app": "two"}}, "endpoints": [{"port": "web"}]}, False),
        ({"selector": {}, "endpoints": [{"port": "web"}], "namespaceSelector": {"matchNames": ["x"]}}, False),
        ({"selector": {}, "endpoints": [{"port": "web"}], "namespaceSelector": {"matchNames": ["ns"]}}, True),
        ({"selector": {}, "endpoints": [{"port": "web"}], "namespaceSelector": {"any": True}}, True),
        ({"selector": {}, "endpoints": []}, False),
    ],
)
def test_what_a_servicemonitor_scrapes(spec: dict[str, Any], expected: bool) -> None:
    monitor = rendered("ServiceMonitor", spec).object
    assert takes_port(monitor, service().object, {"name": "web", "port": 80}, []) is expected


def test_a_servicemonitor_looks_in_its_own_namespace_by_default() -> None:
    monitor = rendered("ServiceMonitor", {"selector": {}, "endpoints": [{"port": "web"}]}, namespace="monitoring")
    assert not takes_port(monitor.object, service().object, {"name": "web", "port": 80}, [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("metrics", True),
        ("http-metrics", True),
        ("metrics-frr", True),
        ("http", False),
        ("biometrics", False),
        (None, False),
    ],
)
def test_which_ports_are_called_metrics(name: str | None, expected: bool) -> None:
    assert layer.is_metrics({"name": name, "port": 1}) is expected


def pool(*addresses: str) -> str:
    return f"apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: p}}\nspec: {{addresses: {list(addresses)}}}\n"


def test_pools_are_read_as_ranges_and_cidrs_and_ipv6_is_left_to_others(tmp_path: Path) -> None:
    files = {CONFIGMAP: pool("10.0.0.1-10.0.0.9", "10.0.1.0/30", "fd00::/64", "fd00::1-fd00::2")}
    found = layers.load(layers.write(tmp_path, files))
    assert [str(one) for one in found.pool_ranges()] == ["10.0.0.1-10.0.0.9", "10.0.1.0-10.0.1.3"]
    assert found.pools[0].auto_assign


@pytest.mark.parametrize("text", ["10.0.0.9-10.0.0.1", "10.0.0.300", "ten", "fd00::x/64", "10.0.0.1-10.0.0.2-10.0.0.3"])
def test_a_pool_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        LayerError, match=rf"^{CONFIGMAP}:1: ipaddresspool/p -n one: has '{text}', which is not a range"
    ):
        layers.load(layers.write(tmp_path, {CONFIGMAP: pool(text)}))
    with pytest.raises(LayerError, match=rf"^{CONFIGMAP}:1: ipaddresspool/p -n one: has no spec.addresses"):
        layers.load(layers.write(tmp_path, {CONFIGMAP: pool()}))


def exempt(annotation: str) -> str:
    return layers.CONFIGMAP.replace("name: one", f"name: one\n  annotations: {{{annotation}}}")


def test_an_exemption_is_counted_with_its_reason(tmp_path: Path) -> None:
    found = layers.load(layers.write(tmp_path, {CONFIGMAP: exempt("platform-e2e/exempt-loadbalancer: not open yet")}))
    assert [(one.object, one.promise, one.reason, one.file) for one in found.exemptions] == [
        ("configmap/one -n one", Promise.LOADBALANCER, "not open yet", CONFIGMAP)
    ]
    assert found.rendered[0].exempt(Promise.LOADBALANCER) == "not open yet"
    assert found.rendered[0].exempt(Promise.MONITORING) is None


def test_an_exemption_of_an_application_is_counted_once(tmp_path: Path) -> None:
    text = layers.APPLICATION.replace(
        "  namespace: argocd", "  namespace: argocd\n  annotations: {platform-e2e/exempt-selfheal: by hand}", 1
    )
    root = (
        text.replace("name: one", "name: root", 1)
        .replace("platform-e2e/exempt-selfheal: by hand", "")
        .replace("manifests/one", "argocd")
    )
    found = layers.load(layers.write(tmp_path, {APPLICATION: text, "argocd/root.yaml": root}))
    assert [(one.object, one.promise) for one in found.exemptions] == [("application/one -n argocd", Promise.SELFHEAL)]
    assert found.application("one").exempt(Promise.SELFHEAL) == "by hand"


@pytest.mark.parametrize(
    ("annotation", "line", "expected"),
    [
        (
            "platform-e2e/exempt-selfheel: x",
            5,
            "platform-e2e/exempt-selfheel: promise must be `selfheal`, got `selfheel`",
        ),
        (
            "platform-e2e/exempt-selfheal: ' '",
            1,
            "annotation platform-e2e/exempt-selfheal must say why the promise does not hold, got",
        ),
    ],
)
def test_an_exemption_that_means_nothing_is_refused(tmp_path: Path, annotation: str, line: int, expected: str) -> None:
    with pytest.raises(LayerError, match=f"^{CONFIGMAP}:{line}: configmap/one -n one: {expected}"):
        layers.load(layers.write(tmp_path, {CONFIGMAP: exempt(annotation)}))
