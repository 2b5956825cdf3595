"""Argo CD's chart, assembled from its own install manifests for clusters without the upstream chart.

This module decides what depends on no value: the objects, and the names of Services and ports, which differ between the
upstream chart and the manifests. charts/argo-cd/templates/objects.yaml has what depends on the release and its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from platform_e2e.foundations import chart_contract, embedded, manifests
from platform_e2e.foundations.manifests import Object

COMPONENTS = {
    "application-controller": "controller",
    "applicationset-controller": "applicationSet",
    "repo-server": "repoServer",
    "server": "server",
    "redis": "redis",
}
"""The label app.kubernetes.io/component of the manifests, and the key of the upstream chart's values.yaml."""

LEFT_OUT = frozenset({"dex-server", "notifications-controller"})
"""Components that the assembled chart cannot switch on: the values schema allows only `enabled: false` for them."""

CONTAINER_PORTS = {
    "argocd-application-controller": {8082: "metrics"},
    "argocd-repo-server": {8081: "repo-server", 8084: "metrics"},
    "argocd-server": {8080: "server", 8083: "metrics"},
    "redis": {6379: "redis"},
}
"""The names that the upstream chart gives to ports which the manifests leave unnamed, by container."""

NO_GPG = {"name": "ARGOCD_GPG_ENABLED", "value": "false"}
"""Volumes that are left out: the image built here has no gpg, and no test verifies a commit's signature."""


def objects(module: Path) -> Iterator[tuple[str, Object]]:
    """Yield the chart's objects, each with its component's key in the values, or `shared`.

    Args:
        module: directory of the Go module github.com/argoproj/argo-cd/v3.
    """
    for loaded in _documents(module / "manifests" / "install.yaml"):
        component = loaded["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
        if (
            component in LEFT_OUT
            or loaded["kind"] == "Service"
            or loaded["metadata"]["name"].startswith("argocd-notif")
        ):
            continue
        if loaded["kind"] in {"Deployment", "StatefulSet"}:
            _settle_pods(loaded)
        yield COMPONENTS.get(component, "shared"), loaded
    for fact in chart_contract.of("argo-cd"):
        if fact.kind == "Service":
            yield COMPONENTS[fact.labels["app.kubernetes.io/component"]], _service(fact)


def crds(module: Path) -> list[Path]:
    """Return the files of the module's CRDs."""
    return sorted((module / "manifests" / "crds").glob("*-crd.yaml"))


def _documents(path: Path) -> Iterator[Object]:
    """Yield the objects of a manifest except its CRDs, nine tenths of its text, which are dropped before parsing."""
    for text in path.read_text(encoding="utf-8").split("\n---\n"):
        if "\nkind: CustomResourceDefinition\n" not in text:
            yield from manifests.parse(text)


def _settle_pods(workload: Object) -> None:
    """Name the ports, and remove what only costs time here: copies for plugins, a Job's work, node preferences."""
    pod = workload["spec"]["template"]["spec"]
    pod.pop("initContainers", None)
    pod.pop("affinity", None)
    for container in pod["containers"]:
        names = CONTAINER_PORTS.get(container["name"], {})
        for port in container.get("ports", []):
            port.setdefault("name", names.get(port["containerPort"]))
        if container["name"] != "redis":
            container["env"].append(dict(NO_GPG))


def _service(fact: chart_contract.ObjectContract) -> Object:
    """Return the Service as in the upstream chart."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": fact.name, "labels": {**fact.labels, "app.kubernetes.io/part-of": "argocd"}},
        "spec": {
            "type": "ClusterIP",
            "ports": [
                {"name": port.name, "port": port.number, "protocol": "TCP", "targetPort": port.target}
                for port in fact.ports
            ],
            "selector": dict(fact.selector),
        },
    }


def image_values(images: Mapping[str, embedded.ImageReference]) -> Object:
    """Return the images in values.yaml; Argo CD's tag is the chart's appVersion."""
    argocd, redis = images["argocd"], images["redis"]
    return {
        "global": {"image": {"repository": f"{argocd.registry}/{argocd.repository}", "tag": argocd.tag}},
        "redis": {"image": {"repository": f"{redis.registry}/{redis.repository}", "tag": redis.tag}},
    }
