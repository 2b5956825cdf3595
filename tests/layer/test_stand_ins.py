"""What stand-ins replace of a layer, and what is then not proven."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from platform_e2e import layer
from platform_e2e.layer import Material, manifests, stand_ins, yamlfile
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.left_out import LeftOut, excluded
from platform_e2e.layer.renderer import Reason, Render, RenderedSource, Rendering
from platform_e2e.layer.stand_ins import Choice
from tests.fakes import layers
from tests.fakes.rendered import rendered
from tests.fakes.rendering import Fake

CHOICE = Choice("auto", frozenset({"acme/here:1", "ghcr.io/team/app:1"}), frozenset(), frozenset({"ghcr.io/team/app"}))

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: migrate, image: "acme/migrate:1"}]
      containers: [{name: web, image: "acme/web:1"}, {name: side, image: "acme/here:1"}]
"""

GUARD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: guard, namespace: guard}
spec:
  template:
    metadata: {labels: {app: guard}}
    spec: {containers: [{name: guard, image: "acme/guard:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: guard}
spec: {selector: {app: guard}, ports: [{port: 443}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: guard}
webhooks: [{name: a.acme.example, clientConfig: {service: {name: guard, namespace: guard}}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: elsewhere}
webhooks: [{name: b.acme.example, clientConfig: {url: "https://hooks.acme.example"}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.figures.acme.example}
spec: {service: {name: guard, namespace: guard}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.local.acme.example}
spec: {group: local.acme.example}
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.acme.example}
spec: {group: acme.example, names: {kind: Widget}}
"""


def problems(text: str, choice: Choice = CHOICE) -> dict[str, str]:
    found = stand_ins.judge(rendered(text), choice)
    assert {each.reason for each in found.unknown} <= {Reason.STAND_IN}
    return {each.object: each.problem for each in found.unknown}


@pytest.mark.parametrize(
    ("image", "auto", "all_of_them"),
    [
        ("acme/here:1", False, True),
        ("acme/here:2", True, True),
        ("acme/here:1@sha256:00", True, True),
        ("ghcr.io/team/app:9", False, True),
        ("ghcr.io/team/apparel:1", True, True),
        ("kept:1", False, False),
        ("docker.io/library/kept:1", False, False),
        ("docker.io/acme/here:1", False, True),
        ("sha256:0123abcd", False, False),
        ("abcdef", False, False),
    ],
)
def test_an_image_is_replaced_where_the_nodes_lack_it(image: str, *, auto: bool, all_of_them: bool) -> None:
    choice = replace(CHOICE, there=CHOICE.there | {"kept:1"}, kept=frozenset({"kept:1"}))
    assert choice.replaces(image) is auto
    assert replace(choice, which="all").replaces(image) is all_of_them
    assert not replace(choice, which="none").replaces(image)


def test_a_repository_is_what_is_before_tag_and_digest() -> None:
    found = [stand_ins.repository(each) for each in ("redis:7", "localhost:5000/a", "localhost:5000/a:1@sha256:0", "a")]
    assert found == ["redis", "localhost:5000/a", "localhost:5000/a", "a"]


def test_workloads_are_named_with_the_images_that_are_not_proven() -> None:
    found = stand_ins.judge(rendered(WEB), CHOICE)
    assert [(each.container, each.image) for each in found.containers] == [
        ("migrate", "acme/migrate:1"),
        ("web", "acme/web:1"),
    ]
    assert problems(WEB) == {
        "deployment/web -n shop": "2 containers run stand-ins: nothing is proven of acme/migrate:1, acme/web:1"
    }
    assert found.sentence == "stand-ins run in 2 containers, for 2 images: acme/migrate:1, acme/web:1"


def test_a_layer_whose_images_are_there_has_none() -> None:
    text = WEB.replace("acme/migrate:1", "acme/here:1").replace("acme/web:1", "ghcr.io/team/app:1")
    assert stand_ins.judge(rendered(text), CHOICE) == stand_ins.StandIns()


def test_what_a_stand_in_would_serve_is_left_out() -> None:
    found = stand_ins.judge(rendered(GUARD), CHOICE)
    assert [str(each.rendered) for each in found.left_out] == [
        "validatingwebhookconfiguration/guard",
        "apiservice/v1.figures.acme.example",
    ]
    assert all(each.plain for each in found.left_out)
    assert not excluded(found.left_out)
    assert "service/guard -n guard" in problems(GUARD)["validatingwebhookconfiguration/guard"]


def test_what_a_real_image_serves_stays() -> None:
    assert not stand_ins.judge(rendered(GUARD.replace("acme/guard:1", "acme/here:1")), CHOICE).left_out


def test_a_kind_that_no_file_can_lose_is_left_out_as_a_whole() -> None:
    other = (
        GUARD.partition("---\napiVersion: admissionregistration")[0]
        .replace("guard", "other")
        .replace("acme/other:1", "acme/here:1")
    )
    more = GUARD.split("---")[2].replace("name: guard", "name: other").replace("namespace: guard", "namespace: other")
    objects = [replace(each, written=None) for each in rendered(f"{GUARD}---{other}---{more}")]
    found = stand_ins.judge(objects, CHOICE)
    webhooks = [each for each in found.left_out if each.rendered.kind == "ValidatingWebhookConfiguration"]
    assert [each.rendered.name for each in webhooks] == ["guard", "other"]
    assert ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") in excluded(found.left_out)
    assert ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") not in excluded(found.left_out)


def test_only_a_document_of_its_own_can_be_taken_out_of_a_file() -> None:
    (written,) = rendered(CRD)
    unknown = stand_ins.judge(rendered(WEB), CHOICE).unknown[0]
    assert LeftOut(written, unknown).plain
    assert not LeftOut(replace(written, written=None), unknown).plain
    assert not LeftOut(replace(written, line=None), unknown).plain
    renamed = {**written.object, "metadata": {"name": "prefix-widgets"}}
    assert not LeftOut(replace(written, object=renamed), unknown).plain
    listed = "apiVersion: v1\nkind: List\nitems:\n  - " + CRD.strip().replace("\n", "\n    ")
    (item,) = manifests.objects(yamlfile.parse(listed, "a.yaml")[0])
    assert not LeftOut(replace(written, line=item.line, written=Written.of(item)), unknown).plain


def test_what_a_chart_renders_stands_in_no_file(tmp_path: Path) -> None:
    """It is said to be written where its Application is."""
    guard = next(document.data for document in yamlfile.parse(GUARD, "a") if "Validating" in document.data["kind"])
    made = Rendering((RenderedSource("Helm", (guard,)),))
    root = layers.write(tmp_path, {"manifests/one/Chart.yaml": "apiVersion: v2\nname: one\nversion: 1.0.0\n"})

    @contextlib.contextmanager
    def renderer(_: Material) -> Iterator[Render]:
        yield Fake(lambda objects: [made for _ in objects])

    (found,) = layer.load(root, renderer).rendered
    assert found.file == "argocd/applications/one.yaml"
    assert not LeftOut(found, stand_ins.judge(rendered(WEB), CHOICE).unknown[0]).plain


def test_of_a_kind_without_a_real_controller_nothing_is_awaited() -> None:
    widget = "---\napiVersion: acme.example/v1\nkind: Widget\nmetadata: {name: one, namespace: shop}\n"
    objects = rendered(CRD + "---" + GUARD.partition("---")[0] + widget)
    found = stand_ins.judge(objects, CHOICE)
    assert found.unattended == (("acme.example", "Widget"),)
    assert "widget/one -n shop" in {each.object for each in found.unknown}
    real = [replace(each, object={**each.object}) for each in objects]
    assert stand_ins.attended(real, replace(CHOICE, there=CHOICE.there | {"acme/guard:1"})) == {
        ("acme.example", "Widget")
    }
    assert not stand_ins.judge(real, replace(CHOICE, there=CHOICE.there | {"acme/guard:1"})).unattended


def test_a_conversion_by_a_stand_in_is_named_and_its_kind_stays() -> None:
    client = "{service: {name: guard, namespace: guard}}"
    text = f"{CRD.rstrip()[:-1]}, conversion: {{strategy: Webhook, webhook: {{clientConfig: {client}}}}}}}\n---{GUARD}"
    found = stand_ins.judge(rendered(text), CHOICE)
    assert "customresourcedefinition/widgets.acme.example" in {each.object for each in found.unknown}
    assert "CustomResourceDefinition" not in {each.rendered.kind for each in found.left_out}


def test_kinds_of_the_foundations_have_real_controllers() -> None:
    text = (
        CRD.replace("acme.example", "monitoring.coreos.com")
        + "---\napiVersion: monitoring.coreos.com/v1\nkind: Widget\nmetadata: {name: a}\n"
    )
    assert not stand_ins.judge(rendered(text), CHOICE).unattended


def test_answers_and_series_of_a_stand_in_are_unknown() -> None:
    text = f"""{WEB.replace("acme/here:1", "acme/side:1")}---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{name: metrics, port: 80}}]}}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {{name: web, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {{name: pods, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}}}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {{name: others, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: other}}}}}}
"""
    found = problems(text)
    assert set(found) == {
        "deployment/web -n shop",
        "service/web -n shop",
        "servicemonitor/web -n shop",
        "podmonitor/pods -n shop",
    }


def test_storage_is_claimed_of_no_real_provider() -> None:
    text = WEB.replace("Deployment", "StatefulSet") + "  volumeClaimTemplates: [{metadata: {name: data}}]\n"
    found = stand_ins.judge(rendered(text), CHOICE)
    assert [each.object for each in found.claims.directories] == ["statefulset/web -n shop"]
    assert problems(text)["statefulset/web -n shop"].endswith("storage is not judged")


DEVICES = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: drive, namespace: shop}
spec: {volumeMode: Block}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: drive, namespace: other}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other, namespace: other}
spec: {template: {spec: {volumes: [{persistentVolumeClaim: {claimName: drive}}]}}}
---
"""


def test_what_needs_a_block_device_does_not_become_ready() -> None:
    text = DEVICES + WEB + "      volumes: [{name: a, emptyDir: {}}, {persistentVolumeClaim: {claimName: drive}}]\n"
    claims = stand_ins.judge(rendered(text), CHOICE).claims
    assert [each.object for each in claims.directories] == ["persistentvolumeclaim/drive -n other"]
    assert {each.object: each.problem.partition(":")[0] for each in claims.devices} == {
        "persistentvolumeclaim/drive -n shop": "it claims a block device, and the nodes have none to give",
        "deployment/web -n shop": (
            "it needs the block device that persistentvolumeclaim/drive claims, and the nodes have none to give"
        ),
    }
    device = "  volumeClaimTemplates: [{metadata: {name: data}, spec: {volumeMode: Block}}]\n"
    found = stand_ins.judge(rendered(WEB.replace("Deployment", "StatefulSet") + device), CHOICE)
    assert [each.object for each in found.claims.devices] == ["statefulset/web -n shop"]
    assert not found.claims.directories


@pytest.mark.parametrize(
    "odd", ["spec: [a]", "spec: {template: 1}", "spec: {template: {spec: {containers: x}}}", "a: b"]
)
def test_odd_shapes_have_no_containers(odd: str) -> None:
    text = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a, namespace: b}}\n{odd}\n"
    assert stand_ins.judge(rendered(text), CHOICE) == stand_ins.StandIns()
