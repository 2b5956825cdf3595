"""Clusters that Argo CD knows, and how the one under test is called on itself."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from platform_e2e import layer as read
from platform_e2e.layer import Layer, LayerError, Material, clusters
from platform_e2e.layer.clusters import Cluster, Here
from platform_e2e.layer.destinations import Destination, judge, others
from platform_e2e.layer.renderer import Render, Renderer
from platform_e2e.layer.survey import Survey
from tests.fakes import layers, rendering

HERE = "https://kubernetes.default.svc"
PROD, LAB = "https://prod.example.com:6443", "https://lab.example.com:6443"

SECRET = f"""\
apiVersion: v1
kind: Secret
metadata:
  name: prod
  namespace: argocd
  labels: {{argocd.argoproj.io/secret-type: cluster, env: prod}}
  annotations: {{region: north}}
stringData: {{name: prod, server: '{PROD}', config: '{{}}'}}
"""


def application(name: str, destination: str, path: str = "manifests/one") -> str:
    text = layers.APPLICATION.replace("name: one", f"name: {name}").replace("manifests/one", path)
    return text.replace(f"server: {HERE}", destination)


def load(root: Path, files: Mapping[str, str | None], *here: str, known: Path | None = None) -> tuple[Layer, Material]:
    told: list[Material] = []
    plain = rendering.renderer()

    @contextlib.contextmanager
    def renderer(material: Material) -> Iterator[Render]:
        told.append(material)
        with plain(material) as render:
            yield render

    taken: Renderer = renderer
    return read.load(layers.write(root, files), taken, here=here, known_clusters=known), told[-1]


def test_secrets_of_clusters_in_git_are_known_by_their_labels(tmp_path: Path) -> None:
    encoded = base64.b64encode(LAB.encode()).decode()
    lab = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: lab, labels: {{argocd.argoproj.io/secret-type: cluster}}}}\ndata: {{server: {encoded}}}\n"
    external = """\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: edge}
spec:
  target:
    template:
      metadata: {labels: {argocd.argoproj.io/secret-type: cluster, env: edge}}
      data: {name: edge, server: 'https://edge.example.com', config: '{{ .config }}'}
"""
    other = SECRET.replace("secret-type: cluster", "secret-type: repository")
    root = layers.write(tmp_path, {"c/a.yaml": SECRET, "c/b.yaml": lab, "c/c.yaml": external, "c/d.yaml": other})
    assert set(map(str, clusters.of_layer(Survey.of(root, root)))) == set(
        map(
            str,
            [
                Cluster("prod", PROD, {"env": "prod"}, {"region": "north"}),
                Cluster("lab", LAB),
                Cluster("edge", "https://edge.example.com", {"env": "edge"}),
            ],
        )
    )


def test_they_are_told_to_what_expands_applicationsets(tmp_path: Path) -> None:
    files = {
        "argocd/prod.yaml": SECRET,
        "platform-e2e.yaml": f"clusters: [{{name: lab, server: '{LAB}', labels: {{env: lab}}}}]\n",
    }
    known = tmp_path / "clusters.yaml"
    known.write_text("- {name: edge, server: 'https://edge.example.com'}\n")
    _, material = load(tmp_path / "layer", files, known=known)
    assert {each["stringData"]["name"]: each["stringData"]["server"] for each in material.clusters} == {
        "prod": PROD,
        "lab": LAB,
        "edge": "https://edge.example.com",
    }
    assert {"env": "lab", "argocd.argoproj.io/secret-type": "cluster"} in [
        each["metadata"]["labels"] for each in material.clusters
    ]


def test_the_one_under_test_has_argo_cds_own_address_and_is_registered_by_its_name(tmp_path: Path) -> None:
    files = {
        "argocd/a.yaml": application("a", "name: prod", "manifests/a"),
        "argocd/applications/one.yaml": application("one", f"server: {LAB}"),
        "manifests/a/c.yaml": layers.CONFIGMAP,
        "platform-e2e.yaml": f"clusters: [{{name: prod, server: '{PROD}', labels: {{env: prod}}}}]\n",
    }
    layer, material = load(tmp_path, files, PROD)
    assert [each.name for each in layer.applications] == ["a"]
    assert [(each.object, each.reason) for each in layer.not_judged] == [("application/one -n argocd", "destination")]
    assert "--destination names https://prod.example.com:6443, prod as this one" in layer.not_judged[0].problem
    (secret,) = layer.here.secrets
    assert (secret["stringData"]["name"], secret["stringData"]["server"]) == ("prod", HERE)
    assert secret["metadata"]["labels"] == {"env": "prod", "argocd.argoproj.io/secret-type": "cluster"}
    assert material.clusters[0]["stringData"]["server"] == PROD
    assert layer.here.renamed == {PROD: HERE, "in-cluster": "prod"}


def test_a_secret_that_the_layer_brings_is_not_brought_again(tmp_path: Path) -> None:
    files = {
        "argocd/applications/one.yaml": application("one", "name: prod"),
        "manifests/one/secret.yaml": SECRET,
    }
    layer, _ = load(tmp_path, files)
    assert not layer.here.secrets
    assert layer.here.renamed[PROD] == HERE


def test_a_layer_of_the_cluster_itself_is_served_as_it_is(tmp_path: Path) -> None:
    layer, material = load(tmp_path, {})
    assert layer.here == Here()
    assert material.clusters == ()


def test_two_applications_of_one_path_for_two_clusters_share_nothing(tmp_path: Path) -> None:
    files = {
        "argocd/applications/one.yaml": application("lab", f"server: {LAB}"),
        "argocd/prod.yaml": application("prod", f"server: {PROD}"),
    }
    layer, _ = load(tmp_path, files, PROD, LAB)
    assert [each.name for each in layer.applications] == ["lab"]
    assert not layer.shared()
    assert (
        "it makes for https://prod.example.com:6443 what application/lab -n argocd makes" in layer.not_judged[0].problem
    )
    alone, _ = load(tmp_path, files, PROD)
    assert [each.name for each in alone.applications] == ["prod"]


def test_names_of_the_cluster_that_argo_cd_runs_on_are_no_two_clusters() -> None:
    assert not others(Destination(server=HERE), Destination(name="in-cluster"))
    assert not others(Destination(), Destination(name="in-cluster"))
    assert others(Destination(server=PROD), Destination(name="in-cluster"))


def test_one_known_by_name_and_server_is_named_by_either() -> None:
    assert clusters.with_aliases(["prod"], [Cluster("prod", PROD), Cluster("lab", LAB)]) == ("prod", PROD)
    assert clusters.with_aliases(["lab"], [Cluster("lab")]) == ("lab", "https://lab.invalid")
    assert clusters.with_aliases([], [Cluster("prod", PROD)]) == ()


def test_a_name_alone_is_registered() -> None:
    aims = judge([Destination(name="home")])
    found = clusters.here(aims, (), (), frozenset())
    assert found.secrets[0]["stringData"]["name"] == "home"
    assert found.renamed == {"in-cluster": "home"}


@pytest.mark.parametrize("content", ["name: prod\n", "- {server: x}\n", "- {name: 1}\n", "- {name: a, lables: {}}\n"])
def test_a_file_of_clusters_must_have_their_form(tmp_path: Path, content: str) -> None:
    (tmp_path / "clusters.yaml").write_text(content)
    with pytest.raises(LayerError):
        clusters.read(tmp_path / "clusters.yaml")
