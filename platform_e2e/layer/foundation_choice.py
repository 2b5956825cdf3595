"""Which of the foundations that were met are installed, and as which releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from platform_e2e.layer import foundation_values, releases
from platform_e2e.layer.applications import Application
from platform_e2e.layer.argo_objects import NAMESPACE
from platform_e2e.layer.foundation_forms import Form, Foundation
from platform_e2e.layer.releases import Release
from platform_e2e.layer.taking import Key, key_of


@dataclass(frozen=True)
class Chosen:
    """Which of the foundations that were met are those of the cluster under test.

    Attributes:
        installed: one of each chart.
        again: the same ones, where they are written a second time, as what is applied once by hand and then kept by Argo CD is.
        said: why others are not taken, one sentence each.
    """

    installed: tuple[Foundation, ...]
    again: tuple[Foundation, ...]
    said: tuple[str, ...]


def chosen(
    found: Iterable[Foundation], elsewhere: Mapping[Key, str], applications: Mapping[Key, Application]
) -> Chosen:
    """Choose among foundations.

    Args:
        found: in the order in which they were met.
        elsewhere: for each Application of another cluster why it is one.
        applications: of Git; what is applied by hand is none.
    """
    every = list(found)
    said = [
        f"{each.label} ({each.place}) is no foundation of this cluster: {elsewhere[key_of(each.application)]}"
        for each in every
        if key_of(each.application) in elsewhere
    ]
    # What Argo CD keeps comes after what was once applied by hand, and has the last word.
    near = sorted(
        (each for each in every if key_of(each.application) not in elsewhere),
        key=lambda each: applications.get(key_of(each.application)) is not each.application,
    )
    taken: dict[str, Foundation] = {}
    again: list[Foundation] = []
    for each in near:
        first = taken.setdefault(each.chart, each)
        if first is each:
            continue
        if (each.namespace, each.release) == (first.namespace, first.release) or each.place == first.place:
            again.append(each)
            continue
        told = f"{each.label} ({each.place}) is a second {each.chart}, besides {first.place}"
        said.append(f"{told}: it is judged as any other Application")
    return Chosen(tuple(taken.values()), tuple(again), tuple(said))


def release_of(found: Foundation, values: Mapping[str, Any]) -> tuple[Release, tuple[str, ...]]:
    """Return what is installed for a foundation, and what is not as in production.

    Args:
        found: the foundation.
        values: that the layer gives it.
    """
    own = next(each for each in releases.read(releases.OWN) if each.chart == found.chart)
    remarks: list[str] = []
    name, namespace = found.release, found.namespace or own.namespace
    if found.chart == "argo-cd":
        name, namespace = own.name, NAMESPACE
        if (found.release, found.namespace or namespace) != (name, namespace):
            remarks.append(
                f"{found.label} is installed as {name} -n {namespace}; in production it is {found.release} -n {found.namespace}"
            )
    of_product = found.form in (Form.MANIFESTS, Form.OBJECTS)
    version = own.version if of_product or not found.version else found.version
    return (
        replace(
            own,
            name=name,
            namespace=namespace,
            repository=_repository(found) or own.repository,
            version=version,
            app_version=found.version if of_product else _product(own, version),
            values=foundation_values.stored(found.chart, values),
            place=found.place,
        ),
        tuple(remarks),
    )


def _product(own: Release, version: str) -> str:
    """Return the version of the product in a version of its chart; empty where only the chart itself says it."""
    if version.removeprefix("v") == own.version:
        return own.app_version
    # MetalLB's chart has its own version.
    exact = version.removeprefix("v").split(".")
    return (
        f"v{version.removeprefix('v')}"
        if own.chart == "metallb" and all(map(str.isdigit, exact)) and len(exact) == 3
        else ""
    )


def _repository(found: Foundation) -> str:
    """Return the URL of a chart repository as helm takes it; empty where none is named."""
    url = found.repository.rstrip("/")
    if found.form in (Form.MANIFESTS, Form.OBJECTS) or not url or url.startswith(("@", "alias:")):
        return ""
    if url.rpartition("/")[2] == found.chart and url.startswith("oci://"):
        return url.rpartition("/")[0]
    return url if "://" in url else f"oci://{url}"
