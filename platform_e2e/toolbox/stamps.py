"""The versions that programs report: variables that the linker sets, as each product's own build does."""

from __future__ import annotations

from platform_e2e.toolbox import gomod

VERSION_PACKAGE = "github.com/prometheus/common/version"
"""The package in which programs of the Prometheus authors, and kube-state-metrics, keep their version."""


def kubernetes(pinned: gomod.GoMod) -> tuple[str, ...]:
    """Return the version variables of Kubernetes; without them /version is wrong and charts with a kubeVersion refuse the cluster."""
    version = pinned.module("k8s.io/kubernetes").version
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in values.items())


def of(pinned: gomod.GoMod) -> dict[str, tuple[str, ...]]:
    """Return each program's version variables, as the product's own Makefile sets them."""

    def version(module: str) -> str:
        return pinned.module(module).version.removeprefix("v")

    _, kubernetes_minor, _ = version("k8s.io/kubernetes").split(".")
    operator = (f"{VERSION_PACKAGE}.Version={version('github.com/prometheus-operator/prometheus-operator')}",)
    sealed = (f"main.VERSION={version('github.com/bitnami-labs/sealed-secrets')}",)
    chartutil = "helm.sh/helm/v3/pkg/chartutil"
    return {
        "argocd": (f"github.com/argoproj/argo-cd/v3/common.version={version('github.com/argoproj/argo-cd/v3')}",),
        "helm": (
            f"helm.sh/helm/v3/internal/version.version=v{version('helm.sh/helm/v3')}",
            # Offline, Helm judges a chart's kubeVersion by these.
            f"{chartutil}.k8sVersionMajor=1",
            f"{chartutil}.k8sVersionMinor={kubernetes_minor}",
        ),
        "kube-state-metrics": (f"{VERSION_PACKAGE}.Version=v{version('k8s.io/kube-state-metrics/v2')}",),
        "kubeseal": sealed,
        "kustomize": (
            f"sigs.k8s.io/kustomize/api/provenance.version=v{version('sigs.k8s.io/kustomize/kustomize/v5')}",
        ),
        "prometheus": (f"{VERSION_PACKAGE}.Version={prometheus_version(version('github.com/prometheus/prometheus'))}",),
        "prometheus-config-reloader": operator,
        "prometheus-operator": operator,
        "sealed-secrets": sealed,
    }


def prometheus_version(module: str) -> str:
    """Return the Prometheus release that a version of its Go module belongs to: 0.309.1 is 3.9.1.

    Prometheus publishes release 3.x.y as module v0.3xx.y, because a module's path would have to change with its major.
    """
    _, minor, patch = module.removeprefix("v").split(".")
    return f"{int(minor) // 100}.{int(minor) % 100}.{patch}"
