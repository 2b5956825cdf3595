"""The renderer of layers with its programs, which are built the first time that a layer is read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from platform_e2e.layer import Material, Renderer, argocd_render
from platform_e2e.layer.renderer import Render
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import gomod, programs
from platform_e2e.toolbox.programs import Programs

PROGRAMS = ("argocd", "helm", "kustomize")
"""What renders a layer."""


def _built() -> Programs:
    return programs.ensure(Timeline(None), PROGRAMS)


def renderer(built: Callable[[], Programs] = _built, *, unconfined: bool = False) -> Renderer:
    """Return Argo CD's renderer.

    Args:
        built: returns the programs; called when the first layer is rendered.
        unconfined: whether a layer may be rendered without namespaces of its own, by the user's own rights.
    """

    @contextlib.contextmanager
    def begin(material: Material) -> Iterator[Render]:
        found = built()
        argocd, helm, kustomize = (found.path(name) for name in PROGRAMS)
        # Without the patch version, as Argo CD asks a cluster (gitops-engine, pkg/utils/kube, GetServerVersion).
        version, _, _ = gomod.read().module("k8s.io/kubernetes").version.removeprefix("v").rpartition(".")
        begun = argocd_render.renderer(argocd, helm, kustomize, kubernetes=version, unconfined=unconfined)
        with begun(material) as render:
            yield render

    return begin
