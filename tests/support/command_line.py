"""A scripted API server with the kinds that people ask about, and the command line pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform_e2e import cli
from platform_e2e.kube.objects import Object
from tests.fakes.scripted_api import ScriptedApi

KINDS: tuple[tuple[str, str, str, tuple[str, ...], bool], ...] = (
    ("v1", "services", "Service", ("svc",), True),
    ("v1", "nodes", "Node", ("no",), False),
    ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", (), True),
    ("batch/v1", "jobs", "Job", (), True),
    ("argoproj.io/v1alpha1", "applications", "Application", ("app", "apps"), True),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", ("crd", "crds"), False),
    ("metallb.io/v1beta1", "ipaddresspools", "IPAddressPool", (), True),
)
"""Group and version, plural, kind, short names, and whether it lives in namespaces."""

Run = Callable[..., int]
"""Runs one command line against the scripted API server and returns its status."""


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    for api_version, plural, kind, short, namespaced in KINDS:
        api.serve(api_version, plural, kind, *short, namespaced=namespaced)
    for namespace in ("default", "chat-dev", "argocd"):
        api.put("namespaces", "", namespace, status={"phase": "Active"})
    yield api
    api.stop()


@pytest.fixture
def run(api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.3)
    monkeypatch.setattr("platform_e2e.kube.watched.EVENTS_PATIENCE", 0)
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLATFORM_E2E_CLUSTER", raising=False)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"""
current-context: scripted
contexts: [{{name: scripted, context: {{cluster: c}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{api.port}"}}}}]
"""
    )
    return lambda *words: cli.main([*words, "--kubeconfig", str(kubeconfig)])


def deployment(api: ScriptedApi, name: str = "chat", namespace: str = "chat-dev", *, available: int = 1) -> None:
    """Put a Deployment of one replica."""
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    api.put("deployments", namespace, name, metadata={"generation": 1}, spec=spec, status=status)


def pod(api: ScriptedApi, name: str = "chat-1", namespace: str = "chat-dev", *, ready: bool, reason: str = "") -> None:
    """Put a pod of the Deployment `chat`."""
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    state: Object = {"waiting": {"reason": reason}} if reason else {"running": {}}
    container: Object = {"name": "chat", "image": "chat:9.9.9", "ready": ready, "state": state}
    status = {"phase": "Running" if ready else "Pending", "conditions": conditions, "containerStatuses": [container]}
    api.put("pods", namespace, name, metadata={"labels": {"app": "chat"}}, status=status)
