"""The version that is told of a release is the one that its pods run, whatever the chart or foundations.yaml say."""

from __future__ import annotations

import pytest

from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.versions import images_of, running

pytestmark = pytest.mark.point("charts-dir-versions")


def workload(*images: str, kind: str = "Deployment") -> Object:
    template: Object = {"spec": {"containers": [{"name": str(n), "image": image} for n, image in enumerate(images)]}}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "spec": spec}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("quay.io/argoproj/argocd:v3.4.4", "v3.4.4"),
        ("quay.io/argoproj/argocd:v3.2.11", "v3.2.11"),
        ("mirror.example.org:5000/quay/argocd:v3.2.11@sha256:0123456789abcdef", "v3.2.11"),
        ("mirror.example.org:5000/argocd@sha256:0123456789abcdef", "sha256:0123456789ab"),
        ("quay.io/argoproj/argocd", "latest"),
        ("quay.io/argoproj/argocd:3.4.4", "v3.4.4"),
        ("docker.io/library/redis:8", "v3.4.4"),
    ],
)
def test_a_tag_in_the_values_is_what_runs(image: str, version: str) -> None:
    objects = [workload("ghcr.io/else/sidecar:1", image), {"kind": "ConfigMap", "data": {"image": "argocd:v0"}}]
    assert running("argo-cd", "v3.4.4", objects, built=False) == version


def test_an_image_that_is_built_here_runs_the_embedded_program_s_version() -> None:
    image = workload("docker.io/bitnami/sealed-secrets-controller:0.31.0")
    assert running("sealed-secrets", "0.36.6", [image], built=True) == "0.32.0"
    assert running("sealed-secrets", "0.36.6", [image], built=False) == "0.31.0"


def test_the_chart_s_word_counts_where_its_product_is_unknown() -> None:
    assert running("podinfo", "6.0.0", [workload("ghcr.io/stefanprodan/podinfo:5")], built=False) == "6.0.0"


def test_images_are_found_in_every_pod_template() -> None:
    cron = workload("a:1", kind="CronJob")
    pod = {
        "kind": "Pod",
        "spec": {"initContainers": [{"image": "b:1"}], "containers": [{"image": "c:1"}, {"name": "x"}]},
    }
    assert [*images_of(cron), *images_of(pod)] == ["a:1", "b:1", "c:1"]
