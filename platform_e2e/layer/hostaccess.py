"""Pods of a layer that own the machine which runs their node: what the Pod Security Standards call not even *baseline*.

A node of the harness has no user namespace of its own, so that unrestricted root in it is root of the machine. The
foundations are the harness's own business; what the layer's Applications render may be anybody's, and has to be trusted.

Whatever makes pods has their fields somewhere: a Deployment below `spec.template`, a CronJob deeper, a Prometheus in its own spec,
a Rollout as a Deployment. So fields are looked for wherever they stand, and no list of kinds has to be complete.

What runs later by the rights that an object gives, such as a Job that may create pods, is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.renderer import Reason

BASELINE = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""Capabilities that a container may add (kubernetes.io/docs/concepts/security/pod-security-standards, baseline). The standard
also refuses host ports; here they are the node's own, whose network is not this host's."""

NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
"""Fields of a pod by which it shares the node's."""

PROFILES = ("seccompProfile", "appArmorProfile")
"""Fields of a securityContext whose type may be Unconfined."""

APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
"""Prefix of the annotation that was there before `appArmorProfile`, and still holds."""

NO_PODS = frozenset(
    {
        ("argoproj.io", "Application"),
        ("argoproj.io", "ApplicationSet"),
        ("argoproj.io", "AppProject"),
        ("", "ConfigMap"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("policy", "PodSecurityPolicy"),
        ("", "Secret"),
        ("security.openshift.io", "SecurityContextConstraints"),
    }
)
"""Kinds, each with its group, that name such fields and make no pod: what an Application renders is judged itself, the others are
texts and rules. An Application of another group (core.oam.dev) does make pods."""


@dataclass(frozen=True)
class HostAccess:
    """An object whose pods own the machine.

    Attributes:
        rendered: the object.
        reasons: what of it does, each with its field.
    """

    rendered: Rendered
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Name object, file and reasons."""
        place = f"{self.rendered.file}:{self.rendered.line}" if self.rendered.line else self.rendered.file
        return f"{self.rendered} ({place}): {', '.join(self.reasons)}"


def find(layer: Layer) -> tuple[HostAccess, ...]:
    """Return the objects of a layer, outside of its foundations, whose pods own the machine that runs their node."""
    found = ((rendered, tuple(dict.fromkeys(reasons(rendered.object)))) for rendered in layer.rendered)
    return tuple(HostAccess(rendered, why) for rendered, why in found if why)


def demand_trust(layer: Layer, provider: str) -> None:
    """Refuse a layer that has such objects; for a cluster that is made for it, unless the user has said that it is trusted.

    What is not judged here, and Argo CD may be able to render on the cluster, is refused like them.

    Args:
        layer: that would be applied.
        provider: of the cluster, for the error's text.

    Raises:
        WrongUsage: it has one; the text lists all.
    """
    found = [*find(layer), *unseen(layer, provider)]
    if found:
        machine = "the machine of the Docker daemon" if provider == "k3d" else "this host"
        pods = f"{len(found)} object(s) whose pods own {machine}"
        if any(isinstance(each, NotJudged) for each in found):
            pods += ", or may own it since they are not rendered here"
        raise WrongUsage(
            f"the layer in {layer.directory} has {pods}:" + "".join(f"\n    {each}" for each in found),
            "read them; if you trust the layer, add --trust, else run it in a virtual machine that may be lost",
        )


_HERE = frozenset({Reason.RENDER, Reason.TIME, Reason.MEMORY, Reason.SHAPE, Reason.LINK, Reason.EMPTY, Reason.OPTIONS})
"""Why something is not rendered here that Argo CD may nevertheless render on a cluster without a network."""


def unseen(layer: Layer, provider: str) -> Iterator[NotJudged]:
    """Yield what is not judged and Argo CD may render on the cluster, since another Application makes it there.

    What is applied by hand is not applied where it is not judged. On k3d Argo CD may have a network, and fetch what is not here.
    """
    made = {each.identity for each in layer.not_judged} if layer.not_judged else frozenset()
    if made:
        objects = (each for each in layer.rendered if each.kind in {"Application", "ApplicationSet"})
        children = {(each.kind.lower(), each.namespace or "argocd", each.name) for each in objects}
        sets = {("application", each.namespace, name) for each in layer.applicationsets for name in each.generates}
        made = made & (children | sets)
    for each in layer.not_judged:
        if each.identity in made and not each.certain and (each.reason in _HERE or provider == "k3d"):
            yield each


def reasons(obj: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of an object lets its pods own the machine.

    Args:
        obj: as Argo CD applies it.
    """
    if (str(obj.get("apiVersion", "")).rpartition("/")[0], obj.get("kind")) in NO_PODS:
        return
    if obj.get("kind") == "PersistentVolume" and isinstance(obj.get("spec"), Mapping) and "local" in obj["spec"]:
        yield "spec.local"
    waiting: list[tuple[str, Any]] = [("", obj)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping):
            yield from _of_mapping(path, value)
            waiting += reversed([(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()])
        elif isinstance(value, list):
            waiting += reversed([(f"{path}[{_called(inner, number)}]", inner) for number, inner in enumerate(value)])


def _of_mapping(path: str, value: Mapping[Any, Any]) -> Iterator[str]:
    """Yield what one mapping says, wherever it stands."""
    place = f"{path}." if path else ""
    for name in NAMESPACES:
        if _is_true(value.get(name)):
            yield f"{place}{name}"
    volume = value.get("hostPath")
    if isinstance(volume, Mapping):
        yield f"{place}hostPath {volume.get('path') or ''}".rstrip()
    if "securityContext" in value:
        yield from _of_context(f"{place}securityContext", value["securityContext"])
    annotations = value.get("annotations")
    if isinstance(annotations, Mapping):
        for key, text in annotations.items():
            if str(key).startswith(APPARMOR) and text == "unconfined":
                yield f"{place}annotations {key}: unconfined"


def _of_context(path: str, context: Any) -> Iterator[str]:
    """Yield what a securityContext, of a pod or of a container, says."""
    if not isinstance(context, Mapping):
        return
    if _is_true(context.get("privileged")):
        yield f"{path}.privileged"
    capabilities = context.get("capabilities")
    added = capabilities.get("add") if isinstance(capabilities, Mapping) else None
    for name in added if isinstance(added, list) else ():
        # The runtime takes them with and without their prefix, in any case.
        if str(name).upper().removeprefix("CAP_") not in BASELINE:
            yield f"{path}.capabilities.add {name}"
    for name in PROFILES:
        profile = context.get(name)
        if isinstance(profile, Mapping) and profile.get("type") == "Unconfined":
            yield f"{path}.{name} Unconfined"
    if context.get("procMount") == "Unmasked":
        yield f"{path}.procMount Unmasked"


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _called(value: Any, number: int) -> str:
    """Return how a member of a list is best named: by its name, as containers and volumes have one."""
    name = value.get("name") if isinstance(value, Mapping) else None
    return name if isinstance(name, str) and name else str(number)
