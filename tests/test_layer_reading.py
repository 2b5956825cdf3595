"""Directories, kustomizations, releases, probes, selectors and exemptions: the parts of the reader one by one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from platform_e2e import layer
from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Promise
from platform_e2e.layer import LayerError, Rendered, kustomize_build, manifests, probe_of, recorded, releases, yamlfile
from platform_e2e.shell import CommandError
from tests import layers

if TYPE_CHECKING:
    from pathlib import Path

CONFIGMAP = "manifests/one/configmap.yaml"
APPLICATION = "argocd/applications/one.yaml"
RECURSE = layers.APPLICATION.replace("path: manifests/one", "path: manifests/one\n    directory: {recurse: true}")


def named(name: str) -> str:
    return layers.CONFIGMAP.replace("name: one", f"name: {name}")


def names(root: Path) -> list[str]:
    return [one.name for one in layer.load(root, layers.one_configmap).rendered]


def test_a_directory_is_read_without_those_below_it(tmp_path: Path) -> None:
    files = {"manifests/one/b.yml": named("b"), "manifests/one/below/c.yaml": named("c"), "manifests/one/note.txt": "x"}
    assert names(layers.write(tmp_path, files)) == ["b", "one"]


def test_recurse_reads_the_directories_below(tmp_path: Path) -> None:
    files = {
        APPLICATION: RECURSE,
        "manifests/one/below/c.json": json.dumps({"apiVersion": "v1", "kind": "A", "metadata": {"name": "c"}}),
    }
    assert names(layers.write(tmp_path, files)) == ["c", "one"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("exclude: configmap.yaml", ["a", "b"]),
        ("exclude: '*.yaml'", []),
        ("exclude: 'below/*'", ["one"]),
        ("exclude: '{configmap,below/a}.yaml'", ["b"]),
        ("include: 'below/[a]*'", ["a"]),
        ("include: '*/?.yaml'", ["a", "b"]),
    ],
)
def test_include_and_exclude_match_as_in_argo_cd(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    text = RECURSE.replace("recurse: true", f"recurse: true, {pattern}")
    files = {APPLICATION: text, "manifests/one/below/a.yaml": named("a"), "manifests/one/below/b.yaml": named("b")}
    root = layers.write(tmp_path, files)
    if expected:
        assert names(root) == expected
    else:
        with pytest.raises(LayerError, match="renders nothing"):
            layer.load(root)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a.yaml", "a.yaml", True),
        ("a.yaml", "axyaml", False),
        ("*", "a/b/c.yaml", True),
        ("**/c.yaml", "a/b/c.yaml", True),
        ("[!a].yaml", "b.yaml", True),
        ("[!a].yaml", "a.yaml", False),
        ("a,b", "a,b", True),
        ("\\*", "*", True),
        ("{a", "a", False),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert manifests.glob(pattern, text) is expected


def test_lists_are_taken_apart_and_marked_files_left_out(tmp_path: Path) -> None:
    items = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "A", "metadata": {"name": "x"}}],
    }
    files = {
        "manifests/one/list.json": json.dumps(items),
        "manifests/one/skip.yaml": "# +argocd:skip-file-rendering\na: [",
    }
    assert names(layers.write(tmp_path, files)) == ["one", "x"]


def test_objects_get_the_namespace_that_argo_cd_gives_them(tmp_path: Path) -> None:
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w}\nspec: {scope: Cluster, names: {kind: Widget}}\n"
    files = {
        "manifests/one/b.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: b, namespace: x}\n",
        "manifests/one/c.yaml": named("c").replace("name: c", "name: c\n  namespace: other"),
        "manifests/one/d.yaml": crd,
        "manifests/one/e.yaml": "apiVersion: x/v1\nkind: Widget\nmetadata: {name: e}\n",
    }
    found = {one.name: one.namespace for one in layer.load(layers.write(tmp_path, files)).rendered}
    assert found == {"one": "one", "b": None, "c": "other", "w": None, "e": None}


def test_an_application_that_an_application_renders_is_followed(tmp_path: Path) -> None:
    files = {
        CONFIGMAP: layers.APPLICATION.replace("name: one", "name: two", 1).replace("manifests/one", "manifests/two"),
        "manifests/two/configmap.yaml": layers.CONFIGMAP,
    }
    found = layer.load(layers.write(tmp_path, files))
    assert [(one.name, len(one.objects)) for one in found.applications] == [("one", 1), ("two", 1)]
    with pytest.raises(KeyError, match="the layer has no Application three; it has one, two"):
        found.application("three")


def test_several_sources_are_rendered_one_after_the_other(tmp_path: Path) -> None:
    repository = "repoURL: https://git.example.com/team/platform.git"
    text = layers.APPLICATION.partition("  source:")[0] + (
        f"  sources:\n    - {{{repository}, path: manifests/one}}\n    - {{{repository}, path: manifests/two}}\n"
    )
    files = {APPLICATION: text, "manifests/two/two.yaml": named("two")}
    found = layer.load(layers.write(tmp_path, files))
    assert [one.name for one in found.rendered] == ["one", "two"]
    assert not found.applications[0].automation.enabled
    text = text.replace("path: manifests/two", "chart: redis")
    with pytest.raises(LayerError, match=f"^{APPLICATION}:10: Application one has a source with a Helm chart"):
        layer.load(layers.write(tmp_path, {APPLICATION: text}))


def test_an_object_of_two_applications_is_listed(tmp_path: Path) -> None:
    two = layers.APPLICATION.replace("name: one", "name: two", 1)
    found = layer.load(layers.write(tmp_path, {"argocd/two.yaml": two}))
    assert [[one.application for one in several] for several in found.shared()] == [["one", "two"]]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A stand-in for kustomize that behaves as a file beside it says."""
    path = tmp_path / "kustomize"
    path.write_text('#!/bin/sh\n. "$(echo "$0" | /bin/sed s/kustomize$/behaviour/)"\n')
    path.chmod(0o755)
    return path


def behave(program: Path, script: str) -> None:
    program.with_name("behaviour").write_text(script)


def test_the_renderer_returns_what_kustomize_prints(program: Path, tmp_path: Path) -> None:
    behave(program, 'echo "a: $1 $2"; echo ---; echo "b: 2026-01-01"')
    assert kustomize_build(program)(tmp_path) == [{"a": f"build {tmp_path}"}, {"b": "2026-01-01"}]


def test_kustomize_finds_no_git_and_no_proxy_to_the_network(program: Path, tmp_path: Path) -> None:
    behave(program, 'echo "path: $PATH"; echo "proxy: $HTTPS_PROXY"; command -v git helm >&2 && exit 1; exit 0')
    assert kustomize_build(program)(tmp_path) == [{"path": "/dev/null", "proxy": "http://127.0.0.1:9"}]


def test_a_refusal_of_kustomize_names_the_kustomization(program: Path, tmp_path: Path) -> None:
    behave(program, 'echo "Error: invalid Kustomization: unknown field \\"resource\\"" >&2; exit 1')
    root = layers.write(tmp_path / "layer", {"manifests/one/kustomization.yaml": "resources: []\n"})
    with pytest.raises(LayerError) as caught:
        layer.load(root, kustomize_build(program))
    assert str(caught.value) == (
        'manifests/one/kustomization.yaml:1: kustomize cannot build it: invalid Kustomization: unknown field "resource"'
    )


def test_a_kustomize_that_cannot_be_run_is_the_harness_fault(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="could not be started"):
        kustomize_build(tmp_path / "missing")(tmp_path)


def test_rendered_objects_are_found_where_they_are_written(tmp_path: Path) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [configmap.yaml, ../base]\nconfigMapGenerator:\n  - name: made\n    literals: [a=b]\n",
        "manifests/base/kustomization.yaml": "resources: [two.yaml]\n",
        "manifests/base/two.yaml": "# a comment\n" + named("two"),
    }
    root = layers.write(tmp_path, files)

    def render(_: Path) -> list[dict[str, Any]]:
        every = ("one", "pre-two-suffix", "made-5f8c", "unknown")
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in every]

    found = {one.name: (one.file, one.line) for one in layer.load(root, render).rendered}
    assert found == {
        "one": (CONFIGMAP, 1),
        "pre-two-suffix": ("manifests/base/two.yaml", 2),
        "made-5f8c": ("manifests/one/kustomization.yaml", 3),
        "unknown": ("manifests/one/kustomization.yaml", 1),
    }


def test_a_record_is_refused_when_its_input_changed(tmp_path: Path) -> None:
    root = layers.write(tmp_path / "layer", {"manifests/one/kustomization.yaml": "resources: [configmap.yaml]\n"})
    records = tmp_path / "records"
    with pytest.raises(BrokenHarness, match=r"has no recorded rendering manifests\.one\.yaml"):
        layer.load(root, recorded.renderer(root, records))
    assert recorded.record(root, records, layers.one_configmap) == [records / "manifests.one.yaml"]
    assert [one.name for one in layer.load(root, recorded.renderer(root, records)).rendered] == ["one"]
    (root / CONFIGMAP).write_text(named("other"))
    with pytest.raises(BrokenHarness, match=r"has changed since manifests\.one\.yaml was recorded"):
        layer.load(root, recorded.renderer(root, records))


def test_records_of_kustomizations_that_are_gone_are_removed(tmp_path: Path) -> None:
    root = layers.write(tmp_path / "layer", {"manifests/one/kustomization.yaml": "resources: [configmap.yaml]\n"})
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "old.yaml").touch()
    recorded.record(root, tmp_path / "records", layers.one_configmap)
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["manifests.one.yaml"]


RELEASE = """\
releases:
  - name: metallb
    chart: metallb
    repository: https://metallb.github.io/metallb
    version: 0.15.3
    appVersion: v0.15.3
    namespace: metallb-system
    values: values/metallb.yaml
"""


def with_releases(tmp_path: Path, text: str) -> Path:
    return layers.write(tmp_path, {releases.FILE: text, "foundations/values/metallb.yaml": "a: 1\n"})


def test_a_release_is_read_with_its_pins(tmp_path: Path) -> None:
    (one,) = layer.load(with_releases(tmp_path, RELEASE)).releases
    assert (one.name, one.version, one.app_version, one.namespace) == ("metallb", "0.15.3", "v0.15.3", "metallb-system")
    assert one.values == tmp_path / "foundations" / "values" / "metallb.yaml"


@pytest.mark.parametrize(
    ("find", "replace", "expected"),
    [
        ("    chart: metallb\n", "", "2: the release metallb has no chart, or one that is no text"),
        ("version: 0.15.3", "version: 0.15", "2: the release metallb has no version, or one that is no text"),
        ("    appVersion: v0.15.3\n", "", "2: the release metallb has no appVersion, or one that is no text"),
        ("chart: metallb", "chrat: metallb", "3: the release metallb has an unknown field chrat"),
        ("values/metallb.yaml", "values/missing.yaml", "8: the release metallb has values in values/missing.yaml, which is no file of the layer"),
        ("values/metallb.yaml", "../../x.yaml", "8: the release metallb has values in ../../x.yaml, which is no file of the layer"),
        ("releases:", "release:", "1: must be one document with a list `releases`"),
        ("releases:\n", f"releases:\n{RELEASE.partition('releases:')[2].lstrip(chr(10))}", "9: the release metallb is there twice"),
        ("releases:\n", "releases:\n  - text\n", "2: a release is no mapping"),
    ],
)  # fmt: skip
def test_a_release_that_cannot_be_used_is_named(tmp_path: Path, find: str, replace: str, expected: str) -> None:
    assert find in RELEASE
    (tmp_path / "x.yaml").touch()
    with pytest.raises(LayerError) as caught:
        layer.load(with_releases(tmp_path / "layer", RELEASE.replace(find, replace, 1)))
    assert str(caught.value).splitlines()[0] == f"{releases.FILE}:{expected}"


def test_broken_values_are_found_before_a_cluster_is_started(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {releases.FILE: RELEASE, "foundations/values/metallb.yaml": "a: 1\na: 2\n"})
    with pytest.raises(LayerError, match="^foundations/values/metallb.yaml:2: is not valid YAML"):
        layer.load(root)


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
        ("GET /", "is no JSON: Expecting value"),
        ("[]", "is no JSON object"),
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
        (200, '{"app": "chat", "environment": "dev", "more": 1} ok', "the answer is no JSON"),
        (200, '{"app": "chat", "environment": "dev", "more": "ok"}', ""),
        (200, '{"app": "chat", "environment": "prod", "more": "ok"}', "environment is 'prod' instead of 'dev'"),
        (200, '["ok"]', "the answer is no JSON object"),
        (503, "", "status 503 instead of 200"),
        (200, "{}", "the answer does not contain 'ok'"),
    ],
)
def test_a_probe_says_how_an_answer_differs(status: int, body: str, expected: str) -> None:
    probe = layer.Probe(port=80, contains=("ok",), json={"app": "chat", "environment": "dev"})
    assert probe.difference(status, body) == expected


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
    with pytest.raises(ValueError, match="Like is no operator of a label selector"):
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
    assert layer.scrapes(rendered("ServiceMonitor", spec), service(), {"name": "web", "port": 80}) is expected


def test_a_servicemonitor_looks_in_its_own_namespace_by_default() -> None:
    monitor = rendered("ServiceMonitor", {"selector": {}, "endpoints": [{"port": "web"}]}, namespace="monitoring")
    assert not layer.selects(monitor, service())


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
    found = layer.load(layers.write(tmp_path, files))
    assert [str(one) for one in found.pool_ranges()] == ["10.0.0.1-10.0.0.9", "10.0.1.0-10.0.1.3"]
    assert found.pools[0].auto_assign


@pytest.mark.parametrize("text", ["10.0.0.9-10.0.0.1", "10.0.0.300", "ten", "fd00::x/64", "10.0.0.1-10.0.0.2-10.0.0.3"])
def test_a_pool_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LayerError, match=rf"^{CONFIGMAP}:1: ipaddresspool/p -n one: has '{text}', which is no range"):
        layer.load(layers.write(tmp_path, {CONFIGMAP: pool(text)}))
    with pytest.raises(LayerError, match=rf"^{CONFIGMAP}:1: ipaddresspool/p -n one: has no spec.addresses"):
        layer.load(layers.write(tmp_path, {CONFIGMAP: pool()}))


def exempt(annotation: str) -> str:
    return layers.CONFIGMAP.replace("name: one", f"name: one\n  annotations: {{{annotation}}}")


def test_an_exemption_is_counted_with_its_reason(tmp_path: Path) -> None:
    found = layer.load(layers.write(tmp_path, {CONFIGMAP: exempt("platform-e2e/exempt-loadbalancer: not open yet")}))
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
    found = layer.load(layers.write(tmp_path, {APPLICATION: text, "argocd/root.yaml": root}))
    assert [(one.object, one.promise) for one in found.exemptions] == [("application/one -n argocd", Promise.SELFHEAL)]
    assert found.application("one").exempt(Promise.SELFHEAL) == "by hand"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("platform-e2e/exempt-selfheel: x", "platform-e2e/exempt-selfheel names no promise"),
        ("platform-e2e/exempt-selfheal: ' '", "platform-e2e/exempt-selfheal gives no reason"),
    ],
)
def test_an_exemption_that_means_nothing_is_refused(tmp_path: Path, annotation: str, expected: str) -> None:
    with pytest.raises(LayerError, match=f"^{CONFIGMAP}:1: configmap/one -n one: {expected}"):
        layer.load(layers.write(tmp_path, {CONFIGMAP: exempt(annotation)}))


def test_lines_of_fields() -> None:
    (document,) = yamlfile.parse("a:\n  b:\n    - c: 1\n    - d: 2\n", "f")
    assert [document.line_of(*keys) for keys in ((), ("a",), ("a", "b"), ("a", "b", 1), ("a", "x"))] == [1, 1, 2, 4, 1]
