"""Small files of a layer for the tests of its transformation."""

from __future__ import annotations

from typing import Any

from platform_e2e.gitops.transform import transform

OWN = "https://git.example.com/team/platform.git"
URL = "git://git.platform-e2e-git.svc.cluster.local/platform.git"
MAP = {"10.89.0.200-10.89.0.220": "10.91.7.10-10.91.7.30"}


def run(text: str, *, file: str = "argocd/a.yaml", **options: Any) -> str:
    """Transform one file and return its text."""
    done = transform({file: text.encode()}, url=URL, **options)
    return done.files.get(file, text.encode()).decode()


def application(source: str, name: str = "app") -> str:
    return f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n{source}"


def applicationset(spec: str) -> str:
    return f"apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: set}}\nspec:\n{spec}"


ANCHOR = application(f"  source: {{repoURL: '{OWN}', path: a}}\n", "anchor")
"""An Application that says which repository is the layer's own."""


def with_anchor(text: str, *, file: str = "a.yaml", **options: Any) -> str:
    """Transform one file beside the anchor and return its text."""
    done = transform({"anchor.yaml": ANCHOR.encode(), file: text.encode()}, url=URL, **options)
    return done.files.get(file, text.encode()).decode()
