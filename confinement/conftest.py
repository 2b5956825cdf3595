"""The built programs that render a layer, and layers of strangers."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.layer.argocd_render import ArgoCD, Bounds, renderer
from platform_e2e.layer.renderer import Chart, Material, Rendering, Repository
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

URL = "https://git.example/layer"
"""Where the layer's own repository would be."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that takes other programs, such as one that confines nothing, to see these tests fail."""
    parser.addoption("--renderer", type=Path, help="directory of argocd, helm and kustomize; built by default")


@pytest.fixture(scope="session")
def built(pytestconfig: pytest.Config) -> Mapping[str, Path]:
    """Return the programs by their names."""
    names = ("argocd", "helm", "kustomize")
    given: Path | None = pytestconfig.getoption("--renderer")
    if given is not None:
        return {name: given.absolute() / name for name in names}
    made = programs.ensure(Timeline(None), names)
    return {name: made.path(name) for name in names}


@dataclass
class Stranger:
    """A layer in a directory of its own, and what renders it.

    Attributes:
        root: its repository.
        programs: by name.
    """

    root: Path
    programs: Mapping[str, Path]

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the layer, by their paths; equal indentation is taken away."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))

    def begin(
        self,
        options: str = "",
        charts: Sequence[Chart] = (),
        others: Sequence[Repository] = (),
        bounds: Bounds | None = None,
    ) -> Any:
        """Begin to render it."""
        begin = renderer(
            self.programs["argocd"],
            self.programs["helm"],
            self.programs["kustomize"],
            kubernetes="1.34.4",
            bounds=bounds or Bounds(),
        )
        return begin(Material((Repository(self.root, (URL,)), *others), tuple(charts), build_options=options))

    def render(self, *objects: Mapping[str, Any], **how: Any) -> list[Rendering]:
        """Return what objects of it become."""
        with self.begin(**how) as render:
            assert isinstance(render, ArgoCD)
            return render(objects)


_names = itertools.count(1)


def application(path: str = "", **source: Any) -> dict[str, Any]:
    """Return an Application of one source."""
    source = {"repoURL": URL, "targetRevision": "HEAD", **({"path": path} if path else {}), **source}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"app-{next(_names)}", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "team"},
            "source": source,
        },
    }


@pytest.fixture
def stranger(tmp_path: Path, built: Mapping[str, Path]) -> Stranger:
    """Return an empty layer."""
    root = tmp_path / "layer"
    root.mkdir()
    return Stranger(root, built)
