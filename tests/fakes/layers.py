"""Layers made of a few lines, and the demo layer with its recorded renderings: what the tests of the reader read."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from platform_e2e import layer, paths
from platform_e2e.layer import Layer, Material
from tests.fakes import recorded, rendering
from tests.fakes.rendering import Kustomize

DEMO = paths.ROOT / "tests" / "data" / "platform"
RECORDS = paths.ROOT / "tests" / "data" / "rendered"

URL = "https://git.example.com/team/platform.git"

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: one
  namespace: argocd
spec:
  project: default
  source:
    repoURL: https://git.example.com/team/platform.git
    targetRevision: main
    path: manifests/one
  destination:
    server: https://kubernetes.default.svc
    namespace: one
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
"""

CONFIGMAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: one
data:
  key: value
"""


def write(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Write a small sound layer, changed by `files`: a name and its content, or None for a file that is left out."""
    every: dict[str, str | bytes | None] = {
        "argocd/applications/one.yaml": APPLICATION,
        "manifests/one/configmap.yaml": CONFIGMAP,
        **files,
    }
    for name, content in every.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
    return root


def load(
    root: Path,
    build: Kustomize = rendering.no_kustomize,
    *,
    besides: Path | None = None,
    material: Material | None = None,
) -> Layer:
    """Read a layer without Argo CD's program, its kustomizations by a function."""
    return layer.load(root, rendering.renderer(build), besides=besides, material=material)


@functools.cache
def demo() -> Layer:
    """Return the demo layer, rendered from the records; what is changed of it is a copy."""
    return load(DEMO, recorded.kustomize(DEMO, RECORDS))


def no_objects(directory: Path) -> list[dict[str, Any]]:
    """Render nothing."""
    return []


def one_configmap(directory: Path) -> list[dict[str, Any]]:
    """Render one ConfigMap, whatever the kustomization says."""
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}]
