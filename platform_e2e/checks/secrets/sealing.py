"""The controller of Sealed Secrets as a test uses it: seal for it, ask it, stop it, and wait for what it does."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e import timeline
from platform_e2e.checks.applications import TESTS
from platform_e2e.diagnosis.objects import at, labels_of, name_of
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.expect import (
    StateSource,
    eventually,
    eventually_gone,
)
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.readiness import rolled_out
from platform_e2e.layer import Release, sealed_secrets

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube
    from platform_e2e.kube.read_api import ReadApi
    from platform_e2e.kube.reader import Reader

API = sealed_secrets.API

MANAGED = "sealedsecrets.bitnami.com/managed"
"""Annotation of a Secret that the controller may take over (pkg/apis/sealedsecrets/v1alpha1/types.go)."""

CHART = "sealed-secrets"

LABELS = {"app.kubernetes.io/name": CHART}
"""Labels of the chart's objects (sealed-secrets 2.18, helm/sealed-secrets/templates/_helpers.tpl); the metrics' Service has one more."""

METRICS = {"app.kubernetes.io/component": "metrics"}

CERTIFICATE = "/v1/cert.pem"
"""Path of the certificate that seals (pkg/controller/server.go); kubeseal asks for the same."""

FOREIGN_BITS = 2048
"""Bits of a key that no controller has; fewer than the controller's own 4096, so that it is made in no time."""

STARTED_SECONDS = 60.0
"""For the controller to stop or to start; it needs about 5."""

SCOPES: Mapping[str, Mapping[str, str]] = {
    "strict": {},
    "namespace-wide": {sealed_secrets.NAMESPACE_WIDE: "true"},
    "cluster-wide": {sealed_secrets.CLUSTER_WIDE: "true"},
}
"""The annotations of a SealedSecret by kubeseal's name of its scope."""


@dataclass(frozen=True)
class Sealing:
    """What seals values for one controller.

    Attributes:
        public: the key that seals.
        namespace: of the controller.
        service: its name.
    """

    public: rsa.RSAPublicKey = field(repr=False)
    namespace: str = ""
    service: str = ""

    @classmethod
    def of(cls, kube: Reader, release: Release) -> Sealing:
        """Return what seals for the controller of a release, by the certificate that it gives out.

        Raises:
            ApiError: the controller does not answer.
            BrokenHarness: the release has no Service, or answers with something else.
        """
        name = service(kube, release)
        text = kube.proxy(release.namespace, name, "http", CERTIFICATE)
        try:
            public = x509.load_pem_x509_certificate(text).public_key()
        except ValueError:
            public = None
        if not isinstance(public, rsa.RSAPublicKey):
            raise BrokenHarness(
                f"service/{name} -n {release.namespace} must give out a certificate, got something else",
                "look at what serves that Service",
            )
        return cls(public, release.namespace, name)

    @classmethod
    def foreign(cls) -> Sealing:
        """Return what seals with a key that no controller has."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=FOREIGN_BITS).public_key())

    def sealed(self, name: str, namespace: str, scope: str = "strict", **values: str) -> Object:
        """Return a SealedSecret of some values.

        Args:
            name: of it.
            namespace: of it.
            scope: one of `SCOPES`.
            values: to seal, by key.
        """
        metadata = {"name": name, "namespace": namespace, "annotations": dict(SCOPES[scope])}
        label = sealed_secrets.label({"metadata": metadata})
        data = {each: sealed_secrets.seal(self.public, value.encode(), label) for each, value in values.items()}
        spec = {"encryptedData": data, "template": {"metadata": {"name": name, "namespace": namespace}}}
        return {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": metadata, "spec": spec}


def service(view: ReadApi, release: Release) -> str:
    """Return the name of the Service of a release's controller: what kubeseal calls the controller's name.

    Raises:
        BrokenHarness: there is none.
    """
    found = [
        each
        for each in view.list("v1/Service", release.namespace, labels=LABELS)
        if METRICS.items() - labels_of(each).items()
    ]
    if not found:
        raise BrokenHarness(
            f"release {release.name} must have a Service with the label {LABELS}, got none",
            "look at the chart's values",
        )
    return key(found[0])[1]


def secret(kube: Reader, name: str, namespace: str) -> StateSource[Object | None]:
    """Return a Secret as something to wait for."""
    return kube.one("v1/Secret", name, namespace)


def sealed_secret(kube: Reader, name: str, namespace: str) -> StateSource[Object | None]:
    """Return a SealedSecret as something to wait for."""
    return kube.one(API, name, namespace)


def plain(name: str, namespace: str, *, managed: bool = False, **values: str) -> Object:
    """Return a Secret that no SealedSecret has made; one that is `managed` may be taken over."""
    metadata = {"name": name, "namespace": namespace, "annotations": {MANAGED: "true"} if managed else {}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def copied(sealed: Object, name: str, namespace: str) -> Object:
    """Return a SealedSecret with the same ciphertext under another name, as who copies the file makes it."""
    other = copy.deepcopy(sealed)
    other["metadata"].update(name=name, namespace=namespace)
    other["spec"]["template"]["metadata"].update(name=name, namespace=namespace)
    return other


@contextlib.contextmanager
def namespace_beside(kube: Kube, namespace: str) -> Iterator[str]:
    """Make a second namespace of a test, and yield its name."""
    name = f"{namespace}-b"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {TESTS: namespace}}})
    try:
        yield name
    finally:
        kube.delete("v1/Namespace", name)


@contextlib.contextmanager
def stopped(kube: Kube, release: Release) -> Iterator[None]:
    """Keep the controller of a release down while the block runs."""
    deployments = kube.list("apps/v1/Deployment", release.namespace, labels=LABELS)
    if len(deployments) != 1:
        raise BrokenHarness(
            f"release {release.name} must have one Deployment with the label {LABELS}, got {len(deployments)}"
        )
    (deployment,) = deployments
    replicas, name = at(deployment, "spec", "replicas"), key(deployment)[1]
    shown = name_of(deployment)
    pods = kube.many("v1/Pod", release.namespace, labels=LABELS)
    timeline.current().event("disturbance-start", shown, change="scaled-to-none")
    try:
        _scale(kube, name, release.namespace, 0)
        eventually_gone(pods, timeout=STARTED_SECONDS, what=f"{shown} has no pods")
        yield
    finally:
        _scale(kube, name, release.namespace, int(replicas))
        source = kube.one("apps/v1/Deployment", name, release.namespace)
        eventually(source, rolled_out, timeout=STARTED_SECONDS, what=f"{shown} runs again")
        timeline.current().event("disturbance-end", shown)


def _scale(kube: Kube, name: str, namespace: str, replicas: int) -> None:
    kube.patch("apps/v1/Deployment", name, {"spec": {"replicas": replicas}}, namespace, manager="platform-e2e-drift")
