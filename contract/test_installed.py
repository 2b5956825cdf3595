"""A team's own repository: the installed plugin, a small layer, and a test of its own promise, on a real cluster."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.pytest_plugin.options import settings_of
from tests.support.installed import Environment, built, environment

SECONDS = 900.0
"""Timeout of the whole run, with all programs built."""

RELEASE = (
    "  - {{name: {0}, chart: {1}, repository: 'https://{0}.example', version: {2}, appVersion: {3}, namespace: {4}, "
    "values: values.yaml}}\n"
)

APPLICATION = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {0}, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: "https://git.example/team.git", targetRevision: main, path: {1}}}
  destination: {{server: "https://kubernetes.default.svc", namespace: shop}}
  syncPolicy:
    automated: {{prune: true, selfHeal: true}}
    syncOptions: [CreateNamespace=true]
    retry: {{limit: 5, backoff: {{duration: 5s, factor: 2, maxDuration: 3m}}}}
"""

CERTIFICATES = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.cert-manager.io}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {kind: Certificate, plural: certificates}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: shop, namespace: shop}
spec: {issuerRef: {name: letsencrypt}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
"""

CAUSE = """
from platform_e2e.testing import Cause, explains

@explains("cert-manager.io/v1/Certificate")
def no_issuer(certificate, cluster):
    return Cause("issuer-missing", "nothing issues " + certificate["spec"]["issuerRef"]["name"], "install an issuer")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel of this checkout installed."""
    place = tmp_path_factory.mktemp("installed")
    return environment(place / "env", built("build_wheel", place))


LAYERS = {
    "platform": {
        "platform/foundations/foundations.yaml": "releases:\n"
        + RELEASE.format("argocd", "argo-cd", "10.1.1", "v3.4.4", "argocd"),
        "platform/foundations/values.yaml": "{}\n",
        "platform/argocd/root.yaml": APPLICATION.format("root", "argocd"),
        "platform/argocd/certs.yaml": APPLICATION.format("certs", "manifests/certs"),
        "platform/manifests/certs/certs.yaml": CERTIFICATES,
    },
    ".": {"certs.yaml": APPLICATION.format("certs", "shop"), "shop/certs.yaml": CERTIFICATES},
}
"""Layers by their directory: in the form of this project's own, and the barest that Argo CD can read."""


def repository(place: Path, layer: str) -> Path:
    """Make the team's repository; its test is the one of the page on promises."""
    page = (paths.ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
    test = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    for name, text in {
        **LAYERS[layer],
        "test_certificates.py": test.replace("timeout=60", "timeout=5") + CAUSE,
    }.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", place], check=True)
    return place


@pytest.mark.parametrize(
    ("layer", "written"), [("platform", "platform/manifests/certs/certs.yaml:14"), (".", "shop/certs.yaml:14")]
)
def test_a_promise_of_a_teams_own_is_red_with_its_cause(
    installed: Environment, tmp_path: Path, pytestconfig: pytest.Config, layer: str, written: str
) -> None:
    """It is collected without a conftest.py or a setting, run on a cluster, and reported with object, cause, file and line."""
    team, settings = repository(tmp_path / "team", layer), settings_of(pytestconfig)
    words = ("pytest", "-p", "no:cacheprovider", "--layer", layer)
    done = installed.run(*words, where=team, timeout=SECONDS, PLATFORM_E2E_PROVIDER=settings.provider)
    assert done.returncode == 1, done.stdout + done.stderr
    # What the objects that nothing attends to leave unknown has a column of its own.
    assert re.search(r"^certificates │ BROKEN +│(?:.+│)? 1 failed", done.stdout, re.MULTILINE), done.stdout
    run = json.loads((team / "artifacts" / "latest" / "run.json").read_text(encoding="utf-8"))
    (test,) = run["verdict"]["tests"]
    (finding,) = test["findings"]
    assert test["test"] == "test_certificates.py::test_certificate_is_ready[shop/shop]"
    assert (finding["object"], finding["promise"]) == ("certificate/shop -n shop", "certificates")
    assert finding["cause"]["id"] == "issuer-missing"
    assert finding["cause"]["remedy"] == f"install an issuer ({written})"
    assert "nothing issues letsencrypt" in (team / "artifacts" / "latest" / "report.html").read_text(encoding="utf-8")
    assert "reproduce: pytest --replay" in done.stdout
