"""What cannot be there is set aside: not served, and of what is judged no more a part."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from platform_e2e.gitops import removals
from platform_e2e.layer import Layer, Rendered, hostaccess, set_aside
from platform_e2e.layer.stand_ins import Choice, StandIns
from tests.fakes import layers

if TYPE_CHECKING:
    from pathlib import Path

CHILD = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: certs, namespace: argocd}
spec: {source: {repoURL: https://charts.example.com, chart: certs, targetRevision: 1.2.3}, destination: {namespace: x}}
"""


def parent(tmp_path: Path, **files: str) -> Layer:
    return layers.load(layers.write(tmp_path / "platform", {"manifests/one/certs.yaml": CHILD, **files}))


def test_a_child_that_argo_cd_may_render_is_left_out_and_asks_for_no_trust(tmp_path: Path) -> None:
    layer = parent(tmp_path)
    unseen = tuple(hostaccess.unseen(layer, "k3d"))
    assert [each.object for each in unseen] == ["application/certs -n argocd"]
    less = set_aside(layer, Choice(), unseen=unseen)
    assert [str(each.rendered) for each in less.left_out] == ["application/certs -n argocd"]
    assert not list(hostaccess.unseen(less, "k3d"))
    assert less.not_judged == layer.not_judged, "it is named all the same"
    assert "certs" not in {each.name for each in less.rendered}
    assert "certs" not in {each.name for each in less.application("one").objects}
    (left,) = less.left_out
    found = removals.by_file(less.left_out, {left.rendered.file: less.relative(left.rendered.file)})
    assert found == {"manifests/one/certs.yaml": frozenset({("Application", "certs", 1)})}


def test_a_child_of_a_kustomization_stays_and_asks_for_trust(tmp_path: Path) -> None:
    layer = parent(tmp_path)
    unseen = tuple(hostaccess.unseen(layer, "k3d"))

    def through(each: Rendered) -> Rendered:
        assert each.written is not None
        return replace(each, written=replace(each.written, kustomizations=(each.written.document,)))

    kustomized = replace(layer, rendered=tuple(through(each) for each in layer.rendered))
    less = set_aside(kustomized, Choice(), unseen=unseen)
    assert not less.left_out
    assert tuple(hostaccess.unseen(less, "k3d")) == unseen


def test_of_the_stock_layer_nothing_is_set_aside() -> None:
    layer = layers.demo()
    there = frozenset({"ghcr.io/platform-team/chat:1.0.0"})
    less = set_aside(layer, Choice("auto", there))
    assert (less.stand_ins, less.left_out) == (StandIns(), ())
    assert less.rendered == layer.rendered
