"""Charts are told the APIs that the cluster will have: those of the foundations, and of the CRDs that the layer itself installs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.layer import Layer, Material, api_versions
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.renderer import Render, RenderedSource, Rendering
from tests.fakes import layers
from tests.fakes.rendering import Fake

pytestmark = pytest.mark.point("rendered-as-argo-cd-applies")


def crd(group: str, kind: str, *versions: Mapping[str, Any], scope: str = "Namespaced") -> dict[str, Any]:
    spec = {"group": group, "scope": scope, "names": {"kind": kind}, "versions": list(versions)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}s.{group}"},
        "spec": spec,
    }


V1 = {"name": "v1", "served": True}

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "a"}}


def rendered(data: dict[str, Any]) -> Rendered:
    return Rendered(data, "a", "a.yaml", 1)


def test_a_version_that_is_not_served_is_none() -> None:
    both = crd("example.org", "Thing", V1, {"name": "v0", "served": False})
    assert api_versions.of_layer([rendered(both), rendered(CONFIGMAP)]) == ("example.org/v1", "example.org/v1/Thing")


@pytest.mark.parametrize(
    "spec", [None, {}, {"versions": None}, {"versions": [1, {"name": 2, "served": True}]}, [], "x"]
)
def test_an_odd_crd_has_no_apis(spec: Any) -> None:
    assert api_versions.of_layer([rendered({**crd("example.org", "Thing"), "spec": spec})]) == ()


def test_the_foundations_bring_their_kinds_and_every_cluster_has_argo_cds() -> None:
    assert "argoproj.io/v1alpha1/Application" in api_versions.of_foundations(())
    every = api_versions.of_foundations(layers.demo().releases)
    assert {"monitoring.coreos.com/v1/ServiceMonitor", "metallb.io/v1beta2/BGPPeer", "bitnami.com/v1alpha1"} <= {*every}


class Cluster:
    """A renderer whose charts have an object for each API that they are told of.

    Attributes:
        asked: names of the Applications that were rendered, for each time that the renderer was begun.
    """

    def __init__(self, made: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        self.made = made
        self.asked: list[list[str]] = []

    @contextlib.contextmanager
    def __call__(self, material: Material) -> Iterator[Render]:
        now: list[str] = []
        self.asked.append(now)

        def by(objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
            now.extend(each["metadata"]["name"] for each in objects)
            return [self._one(each["metadata"]["name"], material) for each in objects]

        yield Fake(by)

    def _one(self, name: str, material: Material) -> Rendering:
        kind, needs = self.made[name]
        there = tuple(data for api, data in needs.items() if not api or api in material.api_versions)
        return Rendering((RenderedSource(kind, there),))


def loaded(root: Path, cluster: Cluster) -> Layer:
    (root / "argocd").mkdir(parents=True)
    for name in cluster.made:
        (root / name).mkdir()
        (root / name / "values.yaml").write_text("{}")
        source = {"repoURL": "https://git.example/layer.git", "targetRevision": "main", "path": name}
        spec = {"project": "default", "source": source, "destination": {"namespace": "a"}}
        written = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name},
            "spec": spec,
        }
        (root / "argocd" / f"{name}.yaml").write_text(json.dumps(written))
    return layer.load(root, cluster)


def kinds(read: Layer) -> set[str]:
    return {each.kind for each in read.rendered}


def thing(kind: str) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": kind, "metadata": {"name": "a", "namespace": "a"}}


def test_a_chart_is_told_of_the_crd_of_another_application(tmp_path: Path) -> None:
    chart = ("Helm", {"": CONFIGMAP, "example.org/v1/Thing": thing("Thing")})
    cluster = Cluster({"chart": chart, "crds": ("Directory", {"": crd("example.org", "Thing", V1)})})
    assert kinds(loaded(tmp_path, cluster)) == {"ConfigMap", "CustomResourceDefinition", "Thing"}
    assert [sorted(each) for each in cluster.asked] == [["chart", "crds"], ["chart"]]


def test_a_crd_may_itself_be_there_only_for_another_one(tmp_path: Path) -> None:
    second = ("Helm", {"": CONFIGMAP, "example.org/v1": crd("example.com", "Second", V1)})
    third = ("Helm", {"": CONFIGMAP, "example.com/v1/Second": thing("Third")})
    cluster = Cluster({"first": ("Directory", {"": crd("example.org", "First", V1)}), "second": second, "third": third})
    read = loaded(tmp_path, cluster)
    assert "Third" in kinds(read)
    assert len(cluster.asked) == 3


def test_a_layer_without_charts_or_without_crds_is_read_once(tmp_path: Path) -> None:
    plain = Cluster({"crds": ("Directory", {"": crd("example.org", "Thing", V1)})})
    loaded(tmp_path / "plain", plain)
    charts = Cluster({"chart": ("Helm", {"": CONFIGMAP})})
    loaded(tmp_path / "charts", charts)
    assert (len(plain.asked), len(charts.asked)) == (1, 1)


def test_a_chart_that_never_has_enough_ends(tmp_path: Path) -> None:
    needs: dict[str, Mapping[str, Any]] = {"": crd("example.org", "Kind0", V1)}
    for number in range(20):
        needs[f"example.org/v1/Kind{number}"] = crd("example.org", f"Kind{number + 1}", V1)
    cluster = Cluster({"chart": ("Helm", needs)})
    assert "CustomResourceDefinition" in kinds(loaded(tmp_path, cluster))
    assert len(cluster.asked) < 10
