"""No shape of a layer is a Python error: what has another form is a refusal of its Application, with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e import conftest as cases
from platform_e2e.checks import (
    case_applications,
    ignore_differences,
    loadbalancer,
    monitoring,
    mutations,
    plainsecrets,
    revisions,
    unsynced,
    waves,
)
from platform_e2e.diagnosis.explain import owners, targets
from platform_e2e.errors import ExitCode, HarnessError
from platform_e2e.gitops import transform
from platform_e2e.layer import Layer, hostaccess, inventory
from platform_e2e.layer.renderer import Reason
from platform_e2e.runs import snapshot
from tests.fakes import layers, odd_shapes
from tests.fakes.odd_shapes import Shape

SAME = {"StatefulSet", "DaemonSet", "ReplicaSet", "Rollout"}
"""Kinds with the form of a Deployment."""

KINDS = {name: (form, data) for name, form, data in odd_shapes.rendered() if name not in SAME}
ARGO = {name: (form, data) for name, form, data in odd_shapes.argo()}
LEAST = 100
"""How many shapes there are at least; a table that lost its fields would prove nothing."""

MOST = 8
"""About how many shapes of one kind are tried; the whole table is some two thousand."""

MOVED = {"10.0.0.0/24": "10.1.0.0/24"}


def application(name: str, path: str) -> dict[str, Any]:
    """Return an Application that reads a directory."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": layers.URL, "targetRevision": "main", "path": path},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "one"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


def some(odd: Iterable[Shape]) -> list[Shape]:
    """Return shapes that are spread over all fields: all of all kinds would take longer than all other tests of the reader."""
    every = list(odd)
    return every[:: max(1, len(every) // MOST)]


def rendered_by_its_own(odd: Iterable[Shape]) -> dict[str, str | bytes | None]:
    """Return one Application for each object, which is in a directory of its own."""
    files: dict[str, str | bytes | None] = {}
    for number, each in enumerate(odd):
        files[f"argocd/odd-{number}.json"] = json.dumps(application(f"odd-{number}", f"odd/{number}"))
        files[f"odd/{number}/object.json"] = json.dumps(each.data, indent=1)
    return files


def everything(layer: Layer, root: Path) -> None:
    """Let everything read a layer that does so before there is a cluster."""
    # What compares each with each is done for some of each kind of case.
    some = [value for choose in cases.CASES.values() for _, value in list(choose(layer))[::10]]
    for case in (None, *some):
        case_applications.judged_by(case, layer)
        list(unsynced._needed(case, layer))
    for balancer in layer.load_balancers():
        loadbalancer.WantedService.served(balancer, layer, MOVED).tcp_port  # noqa: B018
    for service in layer.of_kind("v1/Service"):
        loadbalancer.typed(service)
    monitors(layer)
    for app in layer.applications:
        waves.check(app, layer)
        mutations.mutations_of(app)
        for rule in ignore_differences.rules(app.manifest, None):
            assert rule.words is not None
            for each in app.objects:
                rule.about(each)
                rule.covers("/spec/replicas", each.object)
    for each in layer.rendered:
        assert each.identity
        assert each.wave + len(each.hooks) < LEAST
        owners.scaled([each.object])
        for keys in ((), ("spec", "replicas"), ("metadata", "labels", "one"), ("spec", "containers", 0, "image")):
            assert each.place(*keys)
    assert plainsecrets.check(layer) is not None
    assert revisions.check(layer, revisions.References(frozenset({"main"})))
    assert hostaccess.find(layer) is not None
    assert layer.shared() + layer.expected_environments() + layer.rendered_by
    content = {path.relative_to(root).as_posix(): path.read_bytes() for path in layer.files}
    refused = frozenset(each.file for each in layer.not_judged)
    transform.transform(content, url="http://git/layer.git", pool_map=MOVED, not_judged=refused)


def monitors(layer: Layer) -> None:
    """Read the monitors of a layer, and whether they take the ports of its Services."""
    pods = [each.object for each in layer.of_kind("Deployment")]
    for monitor in layer.monitors():
        inventory.series(monitor)
        monitoring.WantedMonitor.of(monitor, layer)
        for service in layer.of_kind("v1/Service")[:3]:
            for port in service.spec.get("ports") or ():
                targets.takes_port(monitor.object, service.object, port, pods)


def judged(root: Path) -> Layer | None:
    """Return a layer that everything has read; None for one that is refused as a whole, by the exit status for that."""
    try:
        layer = layers.load(root, layers.one_configmap)
        everything(layer, root)
    except HarnessError as error:
        if error.exit_code != ExitCode.WRONG_USAGE:
            raise
        return None
    return layer


def test_there_are_enough_shapes() -> None:
    number = sum(1 for form, data in (*KINDS.values(), *ARGO.values()) for _ in odd_shapes.of(form, data))
    assert number > 5 * LEAST


def test_a_sound_object_with_every_field_is_judged(tmp_path: Path) -> None:
    objects = [Shape((), None, data) for _, data in KINDS.values()]
    layer = judged(layers.write(tmp_path, rendered_by_its_own(objects)))
    assert layer is not None
    assert layer.not_judged == ()
    assert len(layer.rendered) == 1 + len(KINDS)
    assert all((layer.load_balancers(), layer.monitors(), layer.pools))


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_field_refuses_its_application_alone(tmp_path: Path, kind: str) -> None:
    form, data = KINDS[kind]
    odd = some(odd_shapes.of(form, data))
    layer = judged(layers.write(tmp_path, rendered_by_its_own(odd)))
    assert layer is not None
    refused = {each.object: each for each in layer.not_judged}
    for number, each in enumerate(odd):
        said = refused.pop(f"application/odd-{number} -n argocd", None)
        assert bool(said) >= any(form.odd(each.data)), f"{each.keys} is {each.value!r}"
        if said is not None:
            assert (said.reason, said.file) == (Reason.SHAPE, f"odd/{number}/object.json"), said
    assert not refused
    assert "one" in {each.name for each in layer.applications}


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_text_is_no_crash(tmp_path: Path, kind: str) -> None:
    """It does not raise, or refuses the layer as a whole."""
    form, data = KINDS[kind]
    judged(layers.write(tmp_path, rendered_by_its_own(some(odd_shapes.of(form, data, odd_shapes.TEXTS)))))


@pytest.mark.parametrize("values", [odd_shapes.TYPES, odd_shapes.TEXTS], ids=["types", "texts"])
@pytest.mark.parametrize("kind", ARGO)
@pytest.mark.parametrize("rendered", [False, True], ids=["by hand", "rendered"])
def test_an_odd_object_of_argo_cd_is_refused_itself(
    tmp_path: Path, kind: str, values: tuple[Any, ...], *, rendered: bool
) -> None:
    form, data = ARGO[kind]
    where = "manifests/one" if rendered else "argocd"
    files: dict[str, str | bytes | None] = {}
    odd = [each for each in odd_shapes.of(form, data, values) if not rendered or each.keys[0] == "spec"]
    odd = some(odd)
    for number, each in enumerate(odd):
        name = each.data["metadata"].get("name") if isinstance(each.data["metadata"], dict) else None
        if name == "one":
            each.data["metadata"]["name"] = f"odd-{number}"
        files[f"{where}/odd-{number}.json"] = json.dumps(each.data, indent=1)
    layer = judged(layers.write(tmp_path, files))
    assert layer is not None
    assert "one" in {each.name for each in layer.applications}
    wrong = {f"{where}/odd-{number}.json" for number, each in enumerate(odd) if any(form.odd(each.data))}
    said = {each.file: each.reason for each in layer.not_judged}
    assert wrong <= said.keys()
    assert {said[file] for file in wrong} <= {Reason.SHAPE}


def test_an_odd_field_is_named_with_its_line_and_what_it_must_be(tmp_path: Path) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n    - port: http\n    - name: b\n"
    two = json.dumps(application("two", "manifests/two"))
    files: Mapping[str, str | bytes | None] = {"argocd/two.json": two, "manifests/two/a.yaml": service}
    (said,) = layers.load(layers.write(tmp_path, files)).not_judged
    assert (said.object, said.reason, said.file, said.line) == (
        "application/two -n argocd", "shape", "manifests/two/a.yaml", 6,
    )  # fmt: skip
    assert said.problem == (
        "service/a -n one: spec.ports[0].port must be a number from 1 to 65535, got the text 'http'; "
        "so has spec.ports[1].port (manifests/two/a.yaml:7) another form"
    )
    assert said.remedy == "correct it; kubectl explain service.spec.ports.port tells its form"


@pytest.mark.parametrize(
    "spec",
    [
        "{ports: [{port: 80, targetPort: http}, {port: 8.0e+1, targetPort: 8080, name: b}]}",
        "{ports: null, selector: null, type: null}",
        "{selector: {}, loadBalancerIP: null}",
        "{}",
        "null",
    ],
)
def test_what_kubernetes_takes_is_judged(tmp_path: Path, spec: str) -> None:
    service = f"apiVersion: v1\nkind: Service\nmetadata: {{name: a, labels: null, annotations: {{}}}}\nspec: {spec}\n"
    layer = judged(layers.write(tmp_path, {"manifests/one/a.yaml": service}))
    assert layer is not None
    assert layer.not_judged == ()


@pytest.mark.parametrize("levels", [200, 400])
def test_an_object_of_many_levels_is_refused_with_its_application(tmp_path: Path, levels: int) -> None:
    deep: Any = "x"
    for _ in range(levels):
        deep = {"a": deep}
    data = {"apiVersion": "example.com/v1", "kind": "Deep", "metadata": {"name": "deep"}, "spec": deep}
    files = rendered_by_its_own([Shape((), None, data)])
    layer = judged(layers.write(tmp_path, files))
    assert layer is not None
    (said,) = layer.not_judged
    assert (said.reason, said.object) == (Reason.SHAPE, "application/odd-0 -n argocd")


@pytest.mark.parametrize("odd", ["5", "[[]]", "{a: b}", "null"])
@pytest.mark.parametrize(
    "text",
    [
        "ODD",
        "apiVersion: ODD\nkind: ConfigMap\nmetadata: {name: a}",
        "apiVersion: v1\nkind: ODD\nmetadata: {name: a}",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: ODD",
        "apiVersion: v1\nkind: List\nitems: ODD",
        "apiVersion: v1\nkind: ConfigMapList\nitems: [ODD]",
        "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: ODD}]",
    ],
)
def test_an_odd_document_is_no_crash(tmp_path: Path, text: str, odd: str) -> None:
    """It does not raise, or refuses the layer as a whole."""
    content = text.replace("ODD", odd)
    for number, file in enumerate(("manifests/one/odd.yaml", "argocd/odd.yaml", "elsewhere/odd.yaml")):
        judged(layers.write(tmp_path / str(number), {file: content}))


@pytest.mark.parametrize("odd", ["5", "[[]]", "{a: b}", "null", '"\\0"', 3000 * "a"])
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("foundations/foundations.yaml", "releases: ODD"),
        ("foundations/foundations.yaml", "releases: [ODD]"),
        ("foundations/foundations.yaml", "releases: [{name: a, chart: a, repository: a, version: a, appVersion: a, namespace: a, values: ODD}]"),
        ("platform-e2e.yaml", "ODD"),
        ("platform-e2e.yaml", "roots: ODD"),
        ("platform-e2e.yaml", "roots: [ODD]"),
        ("platform-e2e.yaml", "roots: [{path: ODD, valueFiles: ODD}]"),
        ("platform-e2e.yaml", "accept: [{object: ODD, reason: ODD}]"),
        ("manifests/one/kustomization.yaml", "resources: ODD"),
        ("manifests/one/kustomization.yaml", "resources: [ODD]\nnamespace: ODD\nmetadata: ODD"),
        ("manifests/one/kustomization.yaml", "patches: [{path: ODD}]\ncomponents: [ODD]\ngenerators: [ODD]"),
        ("manifests/one/kustomization.yaml", "openapi: {path: ODD}\nconfigMapGenerator: [{name: a, files: ODD}]\nhelmCharts: ODD"),
        ("manifests/one/Chart.yaml", "name: ODD\ndependencies: [{name: ODD}]"),
        ("foundations/values/argo-cd.yaml", "configs: {cm: {kustomize.buildOptions: ODD}}"),
    ],
)  # fmt: skip
def test_an_odd_field_of_another_file_is_no_crash(tmp_path: Path, file: str, text: str, odd: str) -> None:
    """It does not raise, or refuses the layer as a whole."""
    judged(layers.write(tmp_path, {file: text.replace("ODD", odd)}))


def test_a_layer_of_odd_shapes_is_kept_for_a_replay(tmp_path: Path) -> None:
    form, data = KINDS["Secret"]
    root = layers.write(tmp_path / "layer", rendered_by_its_own(odd_shapes.of(form, data)))
    (tmp_path / "run").mkdir()
    assert snapshot.take(root, tmp_path / "run", lambda _: False)["copy"]


def test_a_root_with_an_odd_object_is_read_in_parts(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "argocd/kustomization.yaml": "resources: [applications/one.yaml]\n",
        "argocd/applications/one.yaml": layers.APPLICATION,
    }
    odd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": ["http"]}}
    layer = layers.load(layers.write(tmp_path, files), lambda _: [odd])
    assert [each.name for each in layer.applications] == ["one"]
    (said,) = layer.not_judged
    assert (said.object, said.reason) == ("kustomization/argocd", Reason.SHAPE)
