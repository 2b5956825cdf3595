"""Verify that a release is ready: all its objects run their newest generation, its webhooks answer, its kinds are served.

`helm --wait` checks less: it waits neither for webhooks, nor for the StatefulSets that an operator makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.errors import HarnessError
from platform_e2e.foundations import crds
from platform_e2e.foundations.failure import ReleaseFailed, evidence
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.running import Pulling, Running, Still
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import (
    Expectation,
    Met,
    Pending,
    Polled,
    Refuted,
    StateSource,
    Timeout,
    all_of,
    eventually,
)
from platform_e2e.kube.objects import describe, kind_of
from platform_e2e.kube.progress import clock, unless_still
from platform_e2e.kube.readiness import condition, webhook_answering
from platform_e2e.kube.sources import pending_on

READY_SECONDS = 1200.0
"""Timeout of a release that keeps moving. The wait ends earlier, when nothing moves: all four releases are ready 12 s after they
were applied on 2 cores, 25 s after with five times as much to do, and later by the time that a slow line needs for their images:
0.9 GB (compressed) take 20 minutes at 6 Mbit/s. With this timeout a run ends, and reports why, before the usual --deadline."""

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
OPERATED = {"Prometheus": "prometheus-{name}", "Alertmanager": "alertmanager-{name}"}
"""Kinds for which an operator makes a StatefulSet, and that StatefulSet's name."""

PROBES: Mapping[str, Object] = {
    "ipaddresspools": {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        # An address of the block for documentation (RFC 5737), which overlaps no real pool.
        "spec": {"addresses": ["192.0.2.1/32"], "autoAssign": False},
    },
    "prometheusrules": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "spec": {"groups": [{"name": "probe", "rules": [{"alert": "Probe", "expr": "vector(1)"}]}]},
    },
}
"""For each resource that a webhook checks, an object for a dry run."""


@dataclass(frozen=True)
class Check:
    """A condition that a release must meet.

    Attributes:
        holder: the object that blocks the release until the condition is met.
        wait: waits, at most that many seconds, and while something moves, which its second argument tells.
        item: returns the object for the evidence.
    """

    holder: str
    wait: Callable[[float, Still], Any]
    item: Callable[[], Object | None]


def verify(
    kube: Kube,
    release: str,
    namespace: str,
    manifest: Sequence[Object],
    definitions: Sequence[Object] = (),
    *,
    still: Still = lambda: 0.0,
    pulling: Pulling = lambda: (),
    timeout: float = READY_SECONDS,
) -> int:
    """Wait until a release is ready, while something moves.

    Args:
        kube: the client.
        release: its name.
        namespace: the namespace of the release.
        manifest: its objects, from Helm.
        definitions: CRDs of the release outside of the manifest.
        still: returns the seconds since the last news in the cluster (`kube.progress.Movement`).
        pulling: returns the images that are being pulled.
        timeout: most seconds for all checks together, even while something moves.

    Returns:
        The number of checks.

    Raises:
        ReleaseFailed: a check failed; names its object, the events and the end of its log.
    """
    deadline = time.monotonic() + timeout
    number = 0
    for check in checks(kube, namespace, manifest, definitions, pulling):
        number += 1
        try:
            check.wait(max(deadline - time.monotonic(), 0.0), still)
        except (Timeout, Refuted) as error:
            item = _known(check.item)
            raise ReleaseFailed(
                release,
                check.holder,
                f"{error.report.last}, {error.report.outcome}",
                evidence(kube, item),
                "Mend what the lines above name; most often a value in foundations/values, or an image that cannot be had.",
                item=item,
            ) from error
    return number


def checks(
    kube: Kube,
    namespace: str,
    manifest: Sequence[Object],
    definitions: Sequence[Object] = (),
    pulling: Pulling = lambda: (),
) -> Iterator[Check]:
    """Yield the checks of a release, in the order in which they can pass."""
    for definition in [*definitions, *(item for item in manifest if item["kind"] == "CustomResourceDefinition")]:
        yield _served(kube, definition)
    for item in manifest:
        if item["kind"] in WORKLOADS:
            metadata = item["metadata"]
            where = metadata.get("namespace", namespace)
            yield _runs(kube, kind_of(item), metadata["name"], where, _selector(item), pulling=pulling)
    for item in manifest:
        if item["kind"] in OPERATED:
            yield from _operated(kube, item, namespace, pulling)
    for item in manifest:
        if item["kind"].endswith("WebhookConfiguration"):
            yield from _webhooks(kube, item, namespace)
    if any(item["kind"] == "Deployment" and item["metadata"]["name"] == "argocd-server" for item in manifest):
        # Its server makes the AppProject `default`, to which every Application without a project belongs.
        yield _exists(kube, "argoproj.io/v1alpha1/AppProject", "default", namespace)


def _served(kube: Kube, definition: Object) -> Check:
    name = definition["metadata"]["name"]
    kind = "apiextensions.k8s.io/v1/CustomResourceDefinition"
    return Check(
        describe(kind, name, None),
        lambda seconds, still: eventually(
            Polled(lambda: crds.served(kube, definition), name),
            unless_still(pending_on, still),
            timeout=seconds,
            what=f"{name} is served",
        ),
        lambda: kube.get(kind, name),
    )


def _runs(kube: Kube, kind: str, name: str, namespace: str, selector: Mapping[str, str], *, pulling: Pulling) -> Check:
    source = all_of(kube.one(kind, name, namespace), kube.many("v1/Pod", namespace, selector), clock())
    what = describe(kind, name, namespace)
    return Check(
        what,
        lambda seconds, still: eventually(
            source, Running(still=still, pulling=pulling), timeout=seconds, what=f"{what} runs its newest generation"
        ),
        lambda: kube.get(kind, name, namespace),
    )


def _operated(kube: Kube, item: Object, namespace: str, pulling: Pulling) -> Iterator[Check]:
    """Yield that an operator has processed an object's newest generation, and that the result runs."""
    kind, name = kind_of(item), item["metadata"]["name"]
    namespace = item["metadata"].get("namespace", namespace)
    what = describe(kind, name, namespace)
    statefulset = OPERATED[item["kind"]].format(name=name)
    selector = {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "prometheus-operator"}
    yield Check(
        what,
        lambda seconds, still: _until(
            kube.one(kind, name, namespace),
            condition("Reconciled"),
            still,
            timeout=seconds,
            what=f"{what} is reconciled",
        ),
        lambda: kube.get(kind, name, namespace),
    )
    yield _runs(kube, "apps/v1/StatefulSet", statefulset, namespace, selector, pulling=pulling)
    yield Check(
        what,
        lambda seconds, still: _until(
            kube.one(kind, name, namespace), condition("Available"), still, timeout=seconds, what=f"{what} is available"
        ),
        lambda: kube.get(kind, name, namespace),
    )


def _webhooks(kube: Kube, item: Object, namespace: str) -> Iterator[Check]:
    """Yield that a webhook answers, tested with a dry run of an object that it checks."""
    kind, name = kind_of(item), item["metadata"]["name"]
    resources = {
        resource
        for webhook in item.get("webhooks") or []
        for rule in webhook.get("rules") or []
        for resource in rule.get("resources") or []
    }
    for resource in sorted(resources & PROBES.keys()):
        probe = {**PROBES[resource], "metadata": {"name": "platform-e2e-probe", "namespace": namespace}}
        yield Check(
            describe(kind, name, None),
            lambda seconds, still, probe=probe: eventually(  # type: ignore[misc]
                Polled(lambda: webhook_answering(kube, probe), name),
                unless_still(pending_on, still),
                timeout=seconds,
                what=f"the webhook {name} answers",
            ),
            lambda: kube.get(kind, name),
        )


def _exists(kube: Kube, kind: str, name: str, namespace: str) -> Check:
    what = describe(kind, name, namespace)
    return Check(
        what,
        lambda seconds, still: _until(
            kube.one(kind, name, namespace),
            lambda item: Met(item) if item is not None else Pending("does not exist"),
            still,
            timeout=seconds,
            what=f"{what} exists",
        ),
        lambda: kube.get(kind, name, namespace),
    )


def _until(
    source: StateSource[Object | None],
    expectation: Expectation[Object | None],
    still: Still,
    *,
    timeout: float,
    what: str,
) -> Any:
    """Wait for one object while something moves."""
    judge = unless_still(lambda state: expectation(state[0]), still)
    return eventually(all_of(source, clock()), judge, timeout=timeout, what=what)


def _selector(item: Object) -> Mapping[str, str]:
    selector: Mapping[str, str] = item["spec"]["selector"]["matchLabels"]
    return selector


def _known(read: Callable[[], Object | None]) -> Object | None:
    """Return the object, or None if it cannot be read any longer; the failure is reported in either case."""
    try:
        return read()
    except HarnessError:
        return None
