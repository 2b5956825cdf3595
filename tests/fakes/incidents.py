"""A small platform as a scripted API server has it, its layer in a Git checkout, and what an incident is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from platform_e2e import shell
from platform_e2e.checks.drifted_objects import CHANGED, Drift
from platform_e2e.checks.git_differences import Difference
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object
from tests.fakes import layers
from tests.fakes.scripted_api import ScriptedApi

URL = "https://git.example.com/team/platform.git"
KINDS: tuple[tuple[str, str, str, bool], ...] = (
    ("v1", "services", "Service", True),
    ("v1", "nodes", "Node", False),
    ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", True),
    ("argoproj.io/v1alpha1", "applications", "Application", True),
    ("argoproj.io/v1alpha1", "appprojects", "AppProject", True),
    ("metallb.io/v1beta1", "ipaddresspools", "IPAddressPool", True),
    ("metallb.io/v1beta1", "l2advertisements", "L2Advertisement", True),
    ("monitoring.coreos.com/v1", "servicemonitors", "ServiceMonitor", True),
    ("bitnami.com/v1alpha1", "sealedsecrets", "SealedSecret", True),
)

FINDING = Finding(
    "configmap/one -n one", Promise.SELFHEAL, "as in Git", "it is not", Cause("drift-ignored", "it differs", "heal it")
)


def drift(**fields: Any) -> Drift:
    """Return the drift of the small layer's ConfigMap."""
    live: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "one"}}
    plain: dict[str, Any] = {
        "kind": "v1/ConfigMap",
        "name": "one",
        "namespace": "one",
        "application": "one",
        "change": CHANGED,
        "status": "Synced",
        "differences": (Difference("/data/key", "value", "other"),),
        "live": {**live, "data": {"key": "other"}},
    }
    return Drift(**plain | fields)


def checkout(root: Path, **files: str) -> tuple[Path, str]:
    """Write the small layer into the directory `platform` of a Git checkout, and return it and its commit."""
    directory = layers.write(root / "platform", {"argocd/applications/one.yaml": application_yaml(), **files})
    return directory, commit(root)


def commit(root: Path) -> str:
    """Make a Git checkout of a directory, with all that is in it, and return its commit."""
    git: list[str | Path] = [
        "git",
        "-C",
        root,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
    ]
    shell.run([*git, "init", "-q"], timeout=10)
    shell.run([*git, "add", "."], timeout=10)
    shell.run([*git, "commit", "-q", "-m", "layer"], timeout=10)
    return shell.run([*git, "rev-parse", "HEAD"], timeout=10).stdout.strip()


def application_yaml() -> str:
    """Return the small layer's Application, which lets its ConfigMap differ."""
    ignores = "  ignoreDifferences:\n  - kind: ConfigMap\n    jsonPointers: [/data/key]\n"
    return layers.APPLICATION.rstrip("\n") + "\n" + ignores


def serve(api: ScriptedApi) -> ScriptedApi:
    """Serve the kinds of a platform."""
    for version, plural, kind, namespaced in KINDS:
        api.serve(version, plural, kind, namespaced=namespaced)
    return api


def platform(api: ScriptedApi, sha: str, *, key: str = "value") -> None:
    """Put the small layer as it is once it has come up."""
    api.put("namespaces", "", "one", status={"phase": "Active"})
    api.put("nodes", "", "n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
    spec: Object = {
        "project": "default",
        "source": {"repoURL": URL, "targetRevision": "main", "path": "manifests/one"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "one"},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        "ignoreDifferences": [{"kind": "ConfigMap", "jsonPointers": ["/data/key"]}],
    }
    resource = {"version": "v1", "kind": "ConfigMap", "namespace": "one", "name": "one", "status": "Synced"}
    status = {
        "sync": {"status": "Synced", "revision": sha},
        "health": {"status": "Healthy"},
        "resources": [resource],
        "operationState": {"phase": "Succeeded", "syncResult": {"revision": sha}},
        "reconciledAt": "2026-01-01T00:00:00Z",
    }
    api.put("applications", "argocd", "one", spec=spec, status=status)
    api.put("appprojects", "argocd", "default", spec={})
    api.put("configmaps", "one", "one", data={"key": key})
