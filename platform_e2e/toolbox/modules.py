"""Pieces of the pinned Go modules that are read beside their programs: charts, CRDs, manifests, scripts.

After a build Go's module cache has the whole module. The wheel `platform-e2e-programs` carries only the pieces named here, so
code that reads another file of a module must add it here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.toolbox import cache

PIECES = {
    "github.com/argoproj/argo-cd/v3": (
        "entrypoint.sh",
        "hack/git-verify-wrapper.sh",
        "hack/gpg-wrapper.sh",
        "manifests/crds/*-crd.yaml",
        "manifests/install.yaml",
    ),
    "github.com/bitnami-labs/sealed-secrets": ("helm/sealed-secrets",),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/*.yaml",
        "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml",
        "example/rbac/prometheus/prometheus-cluster-role.yaml",
    ),
    "github.com/prometheus/prometheus": ("documentation/examples/prometheus.yml",),
    "go.universe.tf/metallb": ("charts/metallb",),
    "k8s.io/kube-state-metrics/v2": ("examples/standard/cluster-role.yaml",),
}
"""The files and directories of each module, as patterns."""


def key() -> str:
    """Return the digest of this table."""
    return cache.digest(json.dumps(PIECES, sort_keys=True))


def copy(name: str, module: Path, target: Path) -> None:
    """Copy the pieces of a module.

    Args:
        name: the module's path.
        module: its unpacked directory.
        target: the directory to make.

    Raises:
        BrokenHarness: no file of the module matches a pattern.
    """
    for pattern in PIECES[name]:
        found = sorted(module.glob(pattern))
        if not found:
            raise BrokenHarness(f"{module} must have {pattern}, got no such file", f"mend {__name__}.PIECES")
        for path in found:
            files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
            for file in files:
                copied = target / file.relative_to(module)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copied)


def copy_all(module_directory: Callable[[str], Path], target: Callable[[str], Path]) -> None:
    """Copy the pieces of every module.

    Args:
        module_directory: returns the unpacked directory of a module.
        target: returns the directory to make for it.
    """
    for name in PIECES:
        copy(name, module_directory(name), target(name))
