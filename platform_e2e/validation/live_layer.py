"""What Argo CD tracks on a live cluster, as a layer: the expectation of a validation that has no checkout.

What only Git knows (files, exemptions of ApplicationSets, directories of environments) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from platform_e2e.checks.foundations import STANDS_ON
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.diagnosis.objects import labels_of
from platform_e2e.finding import Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import WORKLOADS
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Application, Layer, Release, Rendered, inventory
from platform_e2e.layer.applications import parse
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.objects import exemptions
from platform_e2e.layer.yamlfile import Document
from platform_e2e.validation.listing import SECRET

CHARTS = ("helm.sh/chart", "chart")
"""Labels of what a chart makes: NAME-VERSION (Helm's best practices, `labels`; kube-prometheus-stack has the second)."""

INSTANCES = ("app.kubernetes.io/instance", "release")
"""Labels with the name of the release, likewise."""

EXPECTED_FROM: Mapping[str, tuple[Promise, ...]] = {
    "Service": (Promise.LOADBALANCER, Promise.MONITORING),
    "IPAddressPool": (Promise.LOADBALANCER,),
    "L2Advertisement": (Promise.LOADBALANCER,),
    "ServiceMonitor": (Promise.MONITORING,),
    "PodMonitor": (Promise.MONITORING,),
}
"""By kind the promises of which the expectation comes from its objects: without them findings about these mislead."""


def part(api: str) -> str:
    """Return what the objects of a kind are called among the parts that cannot be read.

    Args:
        api: group, version and kind.
    """
    return f"{api.rpartition('/')[2]} objects"


def blind(skipped: SkippedParts) -> dict[str, tuple[Promise, ...]]:
    """Return the parts that could not be read, as far as expectations come from them, with their promises.

    Args:
        skipped: what could not be read.
    """
    return {part(kind): promises for kind, promises in EXPECTED_FROM.items() if part(kind) in skipped.parts}


def tracked(reader: Reader, apps: Sequence[Object], skipped: SkippedParts) -> Layer:
    """Return the objects of Applications as a layer.

    Args:
        reader: of the cluster.
        apps: the Applications.
        skipped: is told what cannot be read.
    """
    applications = [found for app in apps if (found := _application(app, skipped)) is not None]
    objects = dict(_objects(reader, apps, skipped))
    several = tuple(replace(app, objects=tuple(objects.get((app.namespace, app.name), ()))) for app in applications)
    rendered = tuple(each for app in several for each in app.objects)
    said = [
        exemption for each in rendered for exemption in exemptions(each.annotations, str(each), each.file, each.line)
    ]
    return Layer(
        directory=Path("/"),
        files=(),
        releases=tuple(_releases(reader, skipped)),
        applications=several,
        applicationsets=(),
        projects=(),
        environments=(),
        rendered=rendered,
        pools=tuple(inventory.pool(each) for each in rendered if each.kind == "IPAddressPool"),
        exemptions=tuple(said),
    )


def _application(app: Object, skipped: SkippedParts) -> Application | None:
    namespace, name = key(app)
    place = f"application/{name} -n {namespace}"
    try:
        return parse(Document(app, place, 1), argocd.generated_by(app))
    except LayerError as error:
        skipped.add(place, str(error))
        return None


def _objects(
    reader: Reader, apps: Sequence[Object], skipped: SkippedParts
) -> Iterator[tuple[tuple[str, str], list[Rendered]]]:
    """Yield each Application's key with the objects that Argo CD tracks of it and that can be read."""
    kinds = {resource.api for app in apps for resource in argocd.resources(app)} - {SECRET}
    known: dict[tuple[str, str, str], Object] = {}
    for kind in sorted(kinds):
        with skipped.skipping(part(kind)):
            known |= {(kind, *key(obj)): obj for obj in reader.list(kind)}
    for app in apps:
        found = [
            (resource, known[resource.api, resource.namespace, resource.name])
            for resource in argocd.resources(app)
            if (resource.api, resource.namespace, resource.name) in known
        ]
        yield key(app), [Rendered(_stated(obj), key(app)[1], str(resource), None) for resource, obj in found]


def _stated(obj: Object) -> Object:
    """Return an object without its status: what Git could say of it."""
    return {name: value for name, value in obj.items() if name != "status"}


def _releases(reader: Reader, skipped: SkippedParts) -> Iterator[Release]:
    """Yield the foundations, as the labels of their workloads tell; the right to read Helm's Secrets is not needed."""
    seen: dict[tuple[str, str], Release] = {}
    for kind in WORKLOADS:
        with skipped.skipping(part(kind)):
            for obj in reader.list(kind):
                found = release_of(obj)
                if found is not None:
                    seen.setdefault((found.namespace, found.name), found)
    yield from seen.values()


def release_of(workload: Object) -> Release | None:
    """Return the foundation that a workload belongs to, by the label of its chart; None where it is of none.

    Args:
        workload: a Deployment, StatefulSet or DaemonSet.
    """
    labels: Mapping[str, str] = labels_of(workload)
    chart, _, version = _first(labels, CHARTS).rpartition("-")
    while chart and not version[:1].isdigit():
        # A version may have hyphens of its own, such as 1.0.0-rc.1.
        chart, _, more = chart.rpartition("-")
        version = f"{more}-{version}"
    if chart not in STANDS_ON:
        return None
    return Release(
        name=_first(labels, INSTANCES) or chart,
        chart=chart,
        repository="",
        version=version,
        app_version=labels.get("app.kubernetes.io/version", ""),
        namespace=key(workload)[0],
        values=Path("/dev/null"),
    )


def _first(labels: Mapping[str, str], names: Iterable[str]) -> str:
    return next((labels[name] for name in names if name in labels), "")
