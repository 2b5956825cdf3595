"""Causes of an Ingress without an address: no IngressClass names a controller, or the controller does not serve it."""

from __future__ import annotations

from platform_e2e.diagnosis.objects import annotations_of, at, listed, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

INGRESS_KIND = "networking.k8s.io/v1/Ingress"
CLASS_KIND = "networking.k8s.io/v1/IngressClass"

BY_ANNOTATION = "kubernetes.io/ingress.class"
"""What named the class before 1.18; controllers still read it."""

DEFAULT = "ingressclass.kubernetes.io/is-default-class"
"""Annotation of the IngressClass that is filled in where an Ingress names none (networking/v1, AnnotationIsDefaultIngressClass)."""


@explains(INGRESS_KIND)
def unserved(ingress: Object, view: ReadApi) -> Cause | None:
    """Nothing serves it, so that its status has no address and Argo CD calls it Progressing."""
    if at(ingress, "status", "loadBalancer", "ingress"):
        return None
    classes = {key(item)[1]: item for item in view.list(CLASS_KIND)}
    there = listed([f"{name} ({at(item, 'spec', 'controller')})" for name, item in sorted(classes.items())], "none")
    wanted = at(ingress, "spec", "ingressClassName") or annotations_of(ingress).get(BY_ANNOTATION)
    if not wanted:
        return _cause(
            ingress,
            f"it names no IngressClass and none is the default; the cluster has: {there}",
            f'name one in spec.ingressClassName, or mark one as the default ({DEFAULT}: "true")',
        )
    if wanted not in classes:
        return _cause(
            ingress,
            f"no controller serves its class {wanted}, of which there is no IngressClass; the cluster has: {there}",
            "install the controller that brings this class, or name one that is there in spec.ingressClassName",
        )
    controller = at(classes[wanted], "spec", "controller")
    return _cause(
        ingress,
        f"the controller {controller} of its class {wanted} gives it none",
        f"see that a controller runs that serves {controller}, and that it may publish addresses (its log, its Service's address)",
    )


def _cause(ingress: Object, why: str, remedy: str) -> Cause:
    return Cause("ingress-without-controller", f"{name_of(ingress)} has no address in its status: {why}", remedy)
