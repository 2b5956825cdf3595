"""Charts are assembled from install manifests and copied out of modules, and none that is unlike upstream's is kept."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.foundations import assembled_argocd, build, chart_source, embedded, manifests
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.manifests import Object
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import modules

RECORDED = Path(__file__).parents[1] / "data" / "upstream-charts"
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.org
spec:
  versions:
  - name: v1
    schema:
      openAPIV3Schema: {type: object, description: long}
"""
INSTALL = f"""\
{CRD}---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-repo-server
  labels: {{app.kubernetes.io/component: repo-server, app.kubernetes.io/name: argocd-repo-server}}
spec:
  template:
    spec:
      affinity: {{podAntiAffinity: {{}}}}
      initContainers: [{{name: copyutil}}]
      containers:
      - name: argocd-repo-server
        env: []
        ports: [{{containerPort: 8081}}, {{containerPort: 8084}}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-redis
  labels: {{app.kubernetes.io/component: redis}}
spec:
  template:
    spec:
      initContainers: [{{name: secret-init}}]
      containers:
      - name: redis
        args: [--appendonly, "no"]
        env: []
        ports: [{{containerPort: 6379}}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: argocd-dex-server
  labels: {{app.kubernetes.io/component: dex-server}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-notifications-cm
---
apiVersion: v1
kind: Service
metadata:
  name: argocd-metrics
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
"""


def module(directory: Path) -> Callable[[str], Path]:
    """Lay out what is read of the products' modules, read-only as Go keeps them."""
    files = {
        "manifests/install.yaml": INSTALL,
        "manifests/crds/application-crd.yaml": CRD,
        "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml": "rules: []\n",
        "example/rbac/prometheus/prometheus-cluster-role.yaml": "rules: []\n",
        "examples/standard/cluster-role.yaml": "rules: []\n",
        "example/prometheus-operator-crd/widgets.yaml": CRD,
        "charts/metallb/Chart.yaml": "name: metallb\nversion: 0.15.3\nappVersion: v0.15.3\n",
        "charts/metallb/templates/a.yaml": "",
        "charts/metallb/values.yaml": "speaker: {frr: {enabled: true}, logLevel: info}\n",
        "helm/sealed-secrets/Chart.yaml": "name: sealed-secrets\nversion: 2.17.4\nappVersion: 0.31.0\n",
        "helm/sealed-secrets/crds/sealed.yaml": CRD,
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o444)
    return lambda _: directory


def helm_that_renders(directory: Path, recorded: str) -> Helm:
    """Return a Helm whose `template` prints a recorded rendering."""
    objects = json.loads((RECORDED / recorded).read_text())["objects"]
    rendered = directory / "rendered.yaml"
    rendered.write_text("".join(f"---\n{json.dumps(item)}\n" for item in objects))
    program = directory / "helm"
    program.write_text(f"#!/bin/sh\ncat {rendered}\n")
    program.chmod(0o755)
    return Helm(program)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


UPSTREAM = {
    "argo-cd": "argo-cd-9.3.7.json",
    "kube-prometheus-stack": "kube-prometheus-stack-81.2.2.json",
    "metallb": "metallb-0.15.3.json",
    "sealed-secrets": "sealed-secrets-2.18.5.json",
}


def make(chart: str, tmp_path: Path, recorded: str = "") -> chart_source.Chart:
    helm = helm_that_renders(tmp_path, recorded or UPSTREAM[chart])
    return build.made(chart, helm=helm, module_directory=module(tmp_path / "module"), timeline=Timeline(None))


@pytest.mark.parametrize("chart", UPSTREAM)
def test_a_chart_is_made_once(chart: str, tmp_path: Path) -> None:
    made = make(chart, tmp_path)
    assert made.app_version == embedded.of(chart).app_version
    assert Path(made.path).is_relative_to(paths.cache())
    (tmp_path / "helm").unlink()  # a second time nothing is rendered
    again = build.made(chart, helm=Helm(tmp_path / "helm"), module_directory=module(tmp_path), timeline=Timeline(None))
    assert again == made


@pytest.mark.parametrize("chart", UPSTREAM)
def test_a_chart_is_made_of_no_more_of_a_module_than_the_wheel_of_programs_has(chart: str, tmp_path: Path) -> None:
    whole = module(tmp_path / "module")("")

    def pieces(name: str) -> Path:
        # Scripts for images, of which no chart is made.
        for pattern in modules.PIECES[name]:
            if not any(whole.glob(pattern)):
                (whole / pattern).parent.mkdir(parents=True, exist_ok=True)
                (whole / pattern).write_text("")
        target = tmp_path / "pieces" / name
        modules.copy(name, whole, target)
        return target

    helm = helm_that_renders(tmp_path, UPSTREAM[chart])
    of_pieces = build.made(chart, helm=helm, module_directory=pieces, timeline=Timeline(None))
    made = {
        str(path.relative_to(Path(of_pieces.path).parent)): path.read_text()
        for path in files(Path(of_pieces.path).parent)
    }
    shutil.rmtree(paths.cache())
    of_whole = make(chart, tmp_path)
    assert made == {
        str(path.relative_to(Path(of_whole.path).parent)): path.read_text()
        for path in files(Path(of_whole.path).parent)
    }


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("chart", UPSTREAM)
def test_what_is_made_names_the_version_that_runs(chart: str, tmp_path: Path) -> None:
    made = make(chart, tmp_path)
    head = manifests.read(Path(made.path) / "Chart.yaml")
    assert head["appVersion"] == embedded.of(chart).app_version
    assert head["version"].endswith("+assembled") == embedded.of(chart).assembled == made.assembled


def test_metallb_starts_no_program_of_which_there_is_no_image(tmp_path: Path) -> None:
    """Upstream's defaults are those of a cluster that may speak BGP."""
    values = manifests.read(Path(make("metallb", tmp_path).path) / "values.yaml")
    assert values["speaker"]["frr"]["enabled"] is values["frrk8s"]["enabled"] is False


@pytest.mark.parametrize("chart", ["argo-cd", "kube-prometheus-stack", "sealed-secrets"])
def test_crds_lie_beside_the_chart_slim_and_as_json(chart: str, tmp_path: Path) -> None:
    made = make(chart, tmp_path)
    assert not (Path(made.path) / "crds").exists()
    (path,) = made.crds
    (definition,) = chart_source.definitions(made, Helm(tmp_path / "none"))
    assert definition == json.loads(path.read_text())
    assert definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {"type": "object"}


def test_what_comes_from_a_module_can_be_changed_and_removed_later(tmp_path: Path) -> None:
    made = make("metallb", tmp_path)
    files = [path for path in Path(made.path).rglob("*") if path.is_file()]
    assert files
    assert all(path.stat().st_mode & stat.S_IWUSR for path in files)


def test_a_chart_unlike_upstream_is_named_and_not_kept(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(build.ChartUnlikeUpstream) as error:
        make("argo-cd", tmp_path, "metallb-0.15.3.json")
    assert "Service/argocd-application-controller-metrics is missing" in error.value.differences
    assert "the chart argo-cd of the embedded cluster differs from the upstream chart:" in str(error.value)
    assert list((cache / "charts").glob("*")) == []


def test_the_key_changes_with_what_the_chart_is_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have = embedded.of("argo-cd")
    before = build._key("argo-cd", have)
    assert build._key("kube-prometheus-stack", have) != before
    (tmp_path / "argo-cd").mkdir()
    (tmp_path / "argo-cd" / "values.yaml").write_text("a: 1\n")
    monkeypatch.setattr(build, "TEMPLATES", tmp_path)
    assert build._key("argo-cd", have) != before


@pytest.fixture
def argocd(tmp_path: Path) -> dict[tuple[str, str], tuple[str, Object]]:
    found = assembled_argocd.objects(module(tmp_path)(""))
    return {(item["kind"], item["metadata"]["name"]): (component, item) for component, item in found}


def test_argocd_s_objects_are_sorted_by_component(argocd: dict[tuple[str, str], tuple[str, Object]]) -> None:
    assert argocd["Deployment", "argocd-repo-server"][0] == "repoServer"
    assert argocd["Deployment", "argocd-redis"][0] == "redis"
    assert argocd["ConfigMap", "argocd-cm"][0] == "shared"
    assert argocd["Service", "argocd-application-controller-metrics"][0] == "controller"


def test_argocd_leaves_out_what_cannot_be_switched_on(argocd: dict[tuple[str, str], tuple[str, Object]]) -> None:
    names = {name for _, name in argocd}
    assert not any("dex" in name or "notifications" in name for name in names)
    assert "argocd-metrics" not in names, "the Services are upstream's, not those of the install manifests"
    assert not any(kind == "CustomResourceDefinition" for kind, _ in argocd)


def test_argocd_s_pods_have_upstream_s_port_names_and_nothing_to_wait_for(
    argocd: dict[tuple[str, str], tuple[str, Object]],
) -> None:
    pod = argocd["Deployment", "argocd-repo-server"][1]["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert "affinity" not in pod
    (container,) = pod["containers"]
    assert container["ports"] == [
        {"containerPort": 8081, "name": "repo-server"},
        {"containerPort": 8084, "name": "metrics"},
    ]
    assert {"name": "ARGOCD_GPG_ENABLED", "value": "false"} in container["env"]
    (redis,) = argocd["Deployment", "argocd-redis"][1]["spec"]["template"]["spec"]["containers"]
    assert redis["args"] == ["--appendonly", "no"]
    assert redis["env"] == []


def test_a_service_is_as_the_table_has_it(argocd: dict[tuple[str, str], tuple[str, Object]]) -> None:
    service = argocd["Service", "argocd-repo-server-metrics"][1]
    assert service["metadata"]["labels"]["app.kubernetes.io/name"] == "argocd-repo-server-metrics"
    assert service["spec"]["ports"] == [
        {"name": "http-metrics", "port": 8084, "protocol": "TCP", "targetPort": "metrics"}
    ]
