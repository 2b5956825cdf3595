"""When a release is really there: everything it states runs its newest generation, its webhooks answer, its kinds are served.

`helm --wait` stops short of that: it waits neither for webhooks, nor for the StatefulSets that an operator makes.
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
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Failed, Met, Pending, Refuted, Timeout, Verdict, all_of, eventually, poll
from platform_e2e.kube.objects import describe, kind_of
from platform_e2e.kube.rollouts import condition, rolled_out, webhook_answering

READY_SECONDS = 180.0
"""All four releases are ready 12 s after they were applied on 2 cores, and 25 s after with five times as much to do."""

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
OPERATED = {"Prometheus": "prometheus-{name}", "Alertmanager": "alertmanager-{name}"}
"""Kinds that an operator makes a StatefulSet for, and the StatefulSet's name."""

HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Reasons for which a container waits that no waiting mends."""

UNPULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
UNPULLED_SECONDS = 60.0
"""How long an image may fail to be pulled: a kubelet has tried it four times by then (after 10, 20 and 40 s)."""

PULL_LIMIT = ("toomanyrequests", "429 Too Many Requests", "pull rate limit")
"""How registries say that they allow no more pulls for now; that lasts for hours."""

GIVEN_UP_RESTARTS = 5
"""A container that has ended so often does not start: the back-off between two attempts is by then a minute and more."""

PROBES: Mapping[str, Object] = {
    "ipaddresspools": {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        # An address of the block for documentation (RFC 5737), which no real pool can overlap.
        "spec": {"addresses": ["192.0.2.1/32"], "autoAssign": False},
    },
    "prometheusrules": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "spec": {"groups": [{"name": "probe", "rules": [{"alert": "Probe", "expr": "vector(1)"}]}]},
    },
}
"""By the resource that a webhook checks: an object to ask it with, in a dry run."""


@dataclass(frozen=True)
class Check:
    """One thing that must be true of a release.

    Attributes:
        holder: the object that holds the release as long as it is not.
        wait: waits, at most so many seconds.
        item: returns the object for the evidence.
    """

    holder: str
    wait: Callable[[float], Any]
    item: Callable[[], Object | None]


def verify(
    kube: Kube,
    release: str,
    namespace: str,
    manifest: Sequence[Object],
    definitions: Sequence[Object] = (),
    *,
    timeout: float = READY_SECONDS,
) -> int:
    """Wait until a release is really there.

    Args:
        kube: the client.
        release: its name.
        namespace: of the release.
        manifest: its objects, as Helm applied them.
        definitions: CRDs that belong to it and are not in the manifest.
        timeout: seconds for all of it together.

    Returns:
        How many things were checked.

    Raises:
        ReleaseFailed: something is not as it must be; names it, its events and the end of its log.
    """
    deadline = time.monotonic() + timeout
    number = 0
    for check in checks(kube, namespace, manifest, definitions):
        number += 1
        try:
            check.wait(max(deadline - time.monotonic(), 0.0))
        except (Timeout, Refuted) as error:
            raise ReleaseFailed(
                release,
                check.holder,
                f"{error.report.last}, {error.report.outcome}",
                evidence(kube, _known(check.item)),
                "Mend what the lines above name; most often a value in foundations/values, or an image that cannot be had.",
            ) from error
    return number


def checks(
    kube: Kube, namespace: str, manifest: Sequence[Object], definitions: Sequence[Object] = ()
) -> Iterator[Check]:
    """Yield what must be true of a release, in the order in which it becomes true."""
    for definition in [*definitions, *(item for item in manifest if item["kind"] == "CustomResourceDefinition")]:
        yield _served(kube, definition)
    for item in manifest:
        if item["kind"] in WORKLOADS:
            metadata = item["metadata"]
            yield _runs(kube, kind_of(item), metadata["name"], metadata.get("namespace", namespace), _selector(item))
    for item in manifest:
        if item["kind"] in OPERATED:
            yield from _operated(kube, item, namespace)
    for item in manifest:
        if item["kind"].endswith("WebhookConfiguration"):
            yield from _webhooks(kube, item, namespace)
    if any(item["kind"] == "Deployment" and item["metadata"]["name"] == "argocd-server" for item in manifest):
        # Its server makes the AppProject `default`, which every Application without one belongs to.
        yield _exists(kube, "argoproj.io/v1alpha1/AppProject", "default", namespace)


class Running:
    """Judges one workload for as long as it is waited for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a memory."""
        self._clock = clock
        self._unpulled: dict[str, float] = {}

    def __call__(self, state: tuple[Object | None, Sequence[Object]]) -> Verdict:
        """Judge whether a workload runs its newest generation somewhere, and whether its pods still can.

        Args:
            state: a Deployment, a StatefulSet or a DaemonSet, and its pods.
        """
        workload, pods = state
        verdict = rolled_out(workload)
        if not isinstance(verdict, Met):
            hopeless = [why for pod in pods for why in self._hopeless(pod)]
            return Failed(hopeless[0]) if hopeless else verdict
        if (
            workload is not None
            and workload["kind"] == "DaemonSet"
            and not workload["status"]["desiredNumberScheduled"]
        ):
            return Pending("no node wants a pod of it")
        return verdict

    def _hopeless(self, pod: Object) -> Iterator[str]:
        """Yield why a pod will not get ready, however long one waits."""
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            reason = waiting.get("reason")
            name = f"Pod/{pod['metadata']['name']} container {container['name']}"
            message = str(waiting.get("message") or "")
            if reason in UNPULLED and any(words in message for words in PULL_LIMIT):
                yield f"{name}: the registry's pull limit is reached, log in or use a mirror: {message}"
            elif reason in UNPULLED:
                since = self._unpulled.setdefault(name, self._clock())
                if self._clock() - since >= UNPULLED_SECONDS:
                    yield f"{name}: {reason} for {UNPULLED_SECONDS:g} s"
            else:
                self._unpulled.pop(name, None)
            if reason in HOPELESS:
                yield f"{name}: {reason}: {message}"
            elif reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= GIVEN_UP_RESTARTS:
                yield f"{name} ended {container['restartCount']} times"


def _served(kube: Kube, definition: Object) -> Check:
    name = definition["metadata"]["name"]
    kind = "apiextensions.k8s.io/v1/CustomResourceDefinition"
    return Check(
        describe(kind, name, None),
        lambda seconds: poll(lambda: crds.served(kube, definition), timeout=seconds, what=f"{name} is served"),
        lambda: kube.get(kind, name),
    )


def _runs(kube: Kube, kind: str, name: str, namespace: str, selector: Mapping[str, str]) -> Check:
    source = all_of(kube.one(kind, name, namespace), kube.many("v1/Pod", namespace, selector))
    what = describe(kind, name, namespace)
    return Check(
        what,
        lambda seconds: eventually(source, Running(), timeout=seconds, what=f"{what} runs its newest generation"),
        lambda: kube.get(kind, name, namespace),
    )


def _operated(kube: Kube, item: Object, namespace: str) -> Iterator[Check]:
    """Yield that an operator made what an object asks for, of the object's newest generation, and that it runs."""
    kind, name = kind_of(item), item["metadata"]["name"]
    namespace = item["metadata"].get("namespace", namespace)
    what = describe(kind, name, namespace)
    statefulset = OPERATED[item["kind"]].format(name=name)
    selector = {"app.kubernetes.io/instance": name, "app.kubernetes.io/managed-by": "prometheus-operator"}
    yield Check(
        what,
        lambda seconds: eventually(
            kube.one(kind, name, namespace), condition("Reconciled"), timeout=seconds, what=f"{what} is reconciled"
        ),
        lambda: kube.get(kind, name, namespace),
    )
    yield _runs(kube, "apps/v1/StatefulSet", statefulset, namespace, selector)
    yield Check(
        what,
        lambda seconds: eventually(
            kube.one(kind, name, namespace), condition("Available"), timeout=seconds, what=f"{what} is available"
        ),
        lambda: kube.get(kind, name, namespace),
    )


def _webhooks(kube: Kube, item: Object, namespace: str) -> Iterator[Check]:
    """Yield that a webhook answers, asked with a dry run of an object that it checks."""
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
            lambda seconds, probe=probe: poll(  # type: ignore[misc]
                lambda: webhook_answering(kube, probe), timeout=seconds, what=f"the webhook {name} answers"
            ),
            lambda: kube.get(kind, name),
        )


def _exists(kube: Kube, kind: str, name: str, namespace: str) -> Check:
    what = describe(kind, name, namespace)
    return Check(
        what,
        lambda seconds: eventually(
            kube.one(kind, name, namespace),
            lambda item: Met(item) if item is not None else Pending("does not exist"),
            timeout=seconds,
            what=f"{what} exists",
        ),
        lambda: kube.get(kind, name, namespace),
    )


def _selector(item: Object) -> Mapping[str, str]:
    selector: Mapping[str, str] = item["spec"]["selector"]["matchLabels"]
    return selector


def _known(read: Callable[[], Object | None]) -> Object | None:
    """Return the object, or None where it cannot be read any more; the failure is told all the same."""
    try:
        return read()
    except HarnessError:
        return None
