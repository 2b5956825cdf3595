"""What of a layer stand-ins replace, and what then cannot be proven: judged from files alone, before any cluster exists.

Where nodes cannot fetch images, a program of the harness runs in the place of every container whose image they lack. It proves the wiring:
that objects are taken, pods start, ports, probes and Services fit together. What only the real program could show is *unknown*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platform_e2e.layer import claims, selectors
from platform_e2e.layer.argo_objects import mapping, mappings
from platform_e2e.layer.claims import Claims
from platform_e2e.layer.left_out import LeftOut, excluded
from platform_e2e.layer.not_judged import NotJudged, behind_stand_in
from platform_e2e.layer.objects import Rendered, described

FOUNDATIONS = frozenset({"argoproj.io", "metallb.io", "monitoring.coreos.com", "bitnami.com"})
"""Groups of the kinds that foundations serve, whose controllers are real."""

INGRESS = ("networking.k8s.io", "Ingress")


@dataclass(frozen=True)
class Choice:
    """Which images stand-ins replace, as the nodes' program `stand-ins` decides it.

    Attributes:
        which: the value of --stand-ins that holds for the cluster.
        there: images that the nodes have.
        kept: those of them that no option replaces.
        own: repositories whose images are never replaced, unless all are.
    """

    which: str = "none"
    there: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()

    def replaces(self, image: str) -> bool:
        """Tell whether a stand-in runs for an image, written as in a pod."""
        name = canonical(image)
        if self.which == "none" or name in map(canonical, self.kept) or _IDENTITY.fullmatch(image):
            return False
        return self.which == "all" or (name not in map(canonical, self.there) and repository(image) not in self.own)


_IDENTITY = re.compile(r"(?:sha256:)?[0-9a-f]+")
"""What a runtime may take for the identity of an image that it has, or the beginning of one."""


def canonical(image: str) -> str:
    """Return the one spelling of a reference: Docker's registry and its `library` may be left out, and so may the tag `latest`."""
    name = image.removeprefix("index.").removeprefix("docker.io/").removeprefix("library/")
    return name if "@" in name or repository(name) != name else f"{name}:latest"


def repository(image: str) -> str:
    """Return a reference without its tag and digest."""
    name = image.partition("@")[0]
    tagged = name.rpartition(":")
    return tagged[0] if tagged[0] and "/" not in tagged[2] else name


@dataclass(frozen=True)
class StandIn:
    """A container of the layer that a stand-in replaces."""

    workload: Rendered
    container: str
    image: str


@dataclass(frozen=True)
class StandIns:
    """All that follows from stand-ins for a layer.

    Attributes:
        containers: those that stand-ins replace.
        left_out: objects that are not served, since a stand-in would have to serve them.
        unattended: group and kind of what only a controller would complete that is a stand-in: Argo CD must not wait for its health.
        claims: what claims storage.
        unknown: what is not proven, by object.
    """

    containers: tuple[StandIn, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unattended: tuple[tuple[str, str], ...] = ()
    claims: Claims = field(default_factory=Claims)
    unknown: tuple[NotJudged, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Return the images that stand-ins stand for, each once."""
        return tuple(sorted({each.image for each in self.containers}))

    @property
    def sentence(self) -> str:
        """Return how many containers are stand-ins, and for how many images; empty where none is."""
        if not self.containers:
            return ""
        shown = ", ".join(self.images[:_SHOWN])
        more = f" and {len(self.images) - _SHOWN} more" if len(self.images) > _SHOWN else ""
        return f"stand-ins run in {len(self.containers)} containers, for {len(self.images)} images: {shown}{more}"


_SHOWN = 3
"""How many images the sentence names; the report names all."""

_SERVED = {
    "ValidatingWebhookConfiguration": "what it would refuse",
    "MutatingWebhookConfiguration": "what it would change",
    "APIService": "the kinds that it would serve",
}


@dataclass
class _Workloads:
    """The pods that a layer makes, by what selects them."""

    rendered: Sequence[Rendered]
    choice: Choice
    pods: list[tuple[Rendered, Mapping[str, str], list[tuple[str, str]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pods = [
            (each, labels, images) for each in self.rendered if each.phases for labels, images in pods_of(each)
        ]

    def replaced(self) -> Iterator[StandIn]:
        """Yield every container that a stand-in replaces."""
        for each, _, images in self.pods:
            yield from (StandIn(each, name, image) for name, image in images if self.choice.replaces(image))

    def behind(self, name: str, namespace: str) -> list[str]:
        """Return the images that stand-ins replace behind a Service; none where it leads to a real one too, or to nothing known."""
        for service in self.rendered:
            if (service.api, service.name, service.namespace) == ("v1/Service", name, namespace):
                return self.selected(service.spec.get("selector"), namespace)
        return []

    def selected(self, selector: Any, namespace: str | None) -> list[str]:
        """Return the images that stand-ins replace in the pods that labels select; none where a real one is among them."""
        if not isinstance(selector, Mapping) or not selector:
            return []
        found = [
            image
            for each, labels, images in self.pods
            if each.namespace == namespace and all(labels.get(key) == value for key, value in selector.items())
            for _, image in images
        ]
        return found if found and all(map(self.choice.replaces, found)) else []

    def of(self, application: str) -> list[bool]:
        """Return of every container of an Application whether a stand-in replaces it."""
        return [
            self.choice.replaces(image)
            for each, _, images in self.pods
            if each.application == application
            for _, image in images
        ]


def pods_of(rendered: Rendered) -> Iterator[tuple[Mapping[str, str], list[tuple[str, str]]]]:
    """Yield the labels of the pods that an object makes, and name and image of their containers; those that prepare included."""
    spec = rendered.pod.get("spec")
    if not isinstance(spec, Mapping):
        return
    written = [*mappings(spec.get("initContainers")), *mappings(spec.get("containers"))]
    containers = [(str(each.get("name")), str(each["image"])) for each in written if each.get("image")]
    yield mapping(mapping(rendered.pod.get("metadata")).get("labels")), containers


def judge(rendered: Sequence[Rendered], choice: Choice) -> StandIns:
    """Return what follows from stand-ins for the objects of a layer.

    Args:
        rendered: every object of every Application.
        choice: which images stand-ins replace.
    """
    if choice.which == "none":
        return StandIns()
    workloads = _Workloads(rendered, choice)
    containers = tuple(workloads.replaced())
    left_out = tuple(_with_their_kind(tuple(_left_out(rendered, workloads)), rendered))
    unattended = tuple(sorted(_unattended(rendered, workloads)))
    claiming = claims.of(rendered) if containers else Claims()
    unknown = [
        *_of_workloads(containers),
        *claiming.every,
        *(each.unknown for each in left_out),
        *_of_children(rendered, unattended),
        *_of_conversions(rendered, workloads),
        *_of_clients(rendered, workloads),
    ]
    return StandIns(containers, left_out, unattended, claiming, _by_object(unknown))


def _by_object(unknown: Iterable[NotJudged]) -> tuple[NotJudged, ...]:
    """Return them with all that is said of one object in one."""
    found: dict[str, NotJudged] = {}
    for each in unknown:
        known = found.get(each.object)
        found[each.object] = replace(known, problem=f"{known.problem}; {each.problem}") if known else each
    return tuple(found.values())


def _of_workloads(containers: Sequence[StandIn]) -> Iterator[NotJudged]:
    by_workload: dict[str, list[StandIn]] = {}
    for each in containers:
        by_workload.setdefault(str(each.workload), []).append(each)
    for several in by_workload.values():
        images = ", ".join(dict.fromkeys(each.image for each in several))
        number = "1 container runs a stand-in" if len(several) == 1 else f"{len(several)} containers run stand-ins"
        yield behind_stand_in(several[0].workload, f"{number}: nothing is proven of {images}")


def _left_out(rendered: Iterable[Rendered], workloads: _Workloads) -> Iterator[LeftOut]:
    """Yield what the API server would ask a stand-in, which cannot answer: it would refuse or lose the requests of everybody."""
    for each in rendered:
        if each.kind not in _SERVED:
            continue
        for name, namespace in services_asked(each.object):
            if workloads.behind(name, namespace):
                problem = (
                    f"left out of what is served: a stand-in would answer for it behind {described('Service', name, namespace)}, "
                    f"so that nothing is known of {_SERVED[each.kind]}"
                )
                yield LeftOut(each, behind_stand_in(each, problem))
                break


def _with_their_kind(found: Sequence[LeftOut], rendered: Iterable[Rendered]) -> Iterator[LeftOut]:
    """Yield them, and every other object of a kind of which Argo CD has to leave out all."""
    yield from found
    kinds, known = excluded(found), {each.rendered.identity for each in found}
    for each in rendered:
        if (each.identity[0], each.kind) in kinds and each.identity not in known:
            yield LeftOut(
                each,
                behind_stand_in(
                    each, f"left out of what is served: one {each.kind} had to be, and Argo CD leaves out all of a kind"
                ),
            )


def _of_conversions(rendered: Iterable[Rendered], workloads: _Workloads) -> Iterator[NotJudged]:
    """Yield the CRDs between whose versions a stand-in would convert; they stay, since their objects need them."""
    for each in rendered:
        conversion = each.spec.get("conversion") if each.kind == "CustomResourceDefinition" else None
        webhook = conversion.get("webhook") if isinstance(conversion, Mapping) else None
        client = webhook.get("clientConfig") if isinstance(webhook, Mapping) else None
        if any(workloads.behind(name, namespace) for name, namespace in services_asked({"spec": client})):
            yield behind_stand_in(
                each,
                "a stand-in would convert between its versions: an object of another than the stored one is refused",
            )


def services_asked(obj: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and namespace of the Services that the API server asks for an object: a webhook's, or an APIService's."""
    configured = [obj.get("spec")]
    configured += [each.get("clientConfig") for each in mappings(obj.get("webhooks"))]
    for each in configured:
        service = each.get("service") if isinstance(each, Mapping) else None
        if isinstance(service, Mapping):
            yield str(service.get("name")), str(service.get("namespace"))


def attended(rendered: Sequence[Rendered], choice: Choice) -> frozenset[tuple[str, str]]:
    """Return group and kind of what a real controller of the layer attends to."""
    kinds = _attention(rendered, _Workloads(rendered, choice))
    return frozenset(kind for kind, real in kinds.items() if real)


def _attention(rendered: Sequence[Rendered], workloads: _Workloads) -> dict[tuple[str, str], bool]:
    """Return for every kind that the layer brings whether a real controller attends to it.

    A controller most often comes with its CRD, or its IngressClass; where one of their Application's images is real, its word counts.
    """
    kinds: dict[tuple[str, str], bool] = {}
    for each in rendered:
        if each.kind == "CustomResourceDefinition":
            names = each.spec.get("names")
            kind = (str(each.spec.get("group")), str(names.get("kind")) if isinstance(names, Mapping) else "")
        elif each.kind == "IngressClass":
            kind = INGRESS
        else:
            continue
        kinds[kind] = kinds.get(kind, False) or not all(workloads.of(each.application))
    return kinds


def _unattended(rendered: Sequence[Rendered], workloads: _Workloads) -> Iterator[tuple[str, str]]:
    """Yield the kinds of which no real controller would make anything, though Argo CD may wait for that."""
    used = {(each.identity[0], each.kind) for each in rendered}
    for kind, real in _attention(rendered, workloads).items():
        if kind in used and kind[0] not in FOUNDATIONS and not real:
            yield kind


def _of_children(rendered: Iterable[Rendered], unattended: Sequence[tuple[str, str]]) -> Iterator[NotJudged]:
    for each in rendered:
        if (each.identity[0], each.kind) in unattended:
            yield behind_stand_in(each, "no real controller runs that would make anything of it: it was only applied")


def _of_clients(rendered: Sequence[Rendered], workloads: _Workloads) -> Iterator[NotJudged]:
    """Yield what is judged only as far as the wiring goes: addresses that a stand-in answers at, monitors that scrape one."""
    for each in rendered:
        if each.api == "v1/Service" and each.spec.get("type") == "LoadBalancer":
            if workloads.selected(each.spec.get("selector"), each.namespace):
                yield behind_stand_in(
                    each, "a stand-in answers at its address: the answers of the real program are not known"
                )
        elif each.kind in {"ServiceMonitor", "PodMonitor"} and _scrapes_stand_ins(each, rendered, workloads):
            yield behind_stand_in(
                each, "its targets are stand-ins: that they are up is judged, the series of the real ones are not known"
            )


def _scrapes_stand_ins(monitor: Rendered, rendered: Sequence[Rendered], workloads: _Workloads) -> bool:
    chosen = monitor.spec.get("selector")
    selector = chosen if isinstance(chosen, Mapping) else None
    if monitor.kind == "PodMonitor":
        pods = (
            pod
            for pod in workloads.pods
            if selectors.matches(selector, pod[1]) and pod[0].namespace == monitor.namespace
        )
        return any(workloads.choice.replaces(image) for _, _, images in pods for _, image in images)
    services = (each for each in rendered if each.api == "v1/Service" and selectors.matches(selector, each.labels))
    return any(workloads.selected(each.spec.get("selector"), each.namespace) for each in services)
