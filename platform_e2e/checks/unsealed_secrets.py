"""An unsealed Secret is healed by nobody: Argo CD keeps the SealedSecret, and its controller watches the Secret's deletion alone.

So who wrote its data is read from the Secret itself (sealed-secrets 0.32.0, pkg/controller/controller.go, watchSecrets).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.diagnosis.objects import annotations_of, at, condition, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object, uid
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import sealed_secrets
from platform_e2e.layer.argo_objects import mapping

SEALED = "bitnami.com/v1alpha1/SealedSecret"

KEYS = "sealedsecrets.bitnami.com/sealed-secrets-key=active"
"""Label of the Secrets with the controller's keys (README of sealed-secrets)."""


PATCHED = "sealedsecrets.bitnami.com/patch"
"""Annotation of a Secret of another maker that the controller adds to (sealed-secrets 0.32.0, pkg/controller/controller.go)."""


def check(sealed: Object, secret: Object | None) -> list[Finding]:
    """Return the finding that a Secret does not hold what its SealedSecret says, or was written by somebody else since.

    Args:
        sealed: the SealedSecret of the cluster.
        secret: the Secret of its name, or None.
    """
    if secret is None or condition(sealed, "Synced").get("status") != "True":
        # That it is not unsealed is another promise's.
        return []
    name = f"secret/{at(secret, 'metadata', 'name')} -n {at(secret, 'metadata', 'namespace')}"
    wanted, found = set(mapping(at(sealed, "spec", "encryptedData"))), set(mapping(secret.get("data")))
    template = set(mapping(at(sealed, "spec", "template", "data")))
    different = [f"lacks {key}" for key in sorted(wanted - found)]
    if annotations_of(secret).get(PATCHED) != "true":
        different += [f"has {key}, which nothing seals" for key in sorted(found - wanted - template)]
    others = [f"{keys} by {entry.get('manager')} at {entry.get('time')}" for entry, keys in _foreign(sealed, secret)]
    if not different and not others:
        return []
    written = f"; written: {'; '.join(others)}" if others else ""
    cause = Cause(
        "secret-tampered",
        f"{name} is not what {name_of(sealed)} has unsealed: {listed(different, 'the keys are those, and their values are not its own')}"
        f"{written}",
        f"delete {name}: the controller of Sealed Secrets makes it again; nothing else puts it back",
        about=name,
    )
    return [Finding(name, Promise.SELFHEAL, "what was sealed, and no other hand", "it was changed", cause)]


def _foreign(sealed: Object, secret: Object) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the entries of managed fields that have keys of a Secret's data and are not the controller's, with these keys.

    The controller is who wrote that the SealedSecret owns it.
    """
    entries = at(secret, "metadata", "managedFields") or ()
    owner = f'k:{{"uid":"{uid(sealed)}"}}'
    controllers = {
        entry.get("manager")
        for entry in entries
        if owner in mapping(at(entry, "fieldsV1", "f:metadata", "f:ownerReferences"))
    }
    for entry in entries:
        keys = [key.removeprefix("f:") for key in mapping(at(entry, "fieldsV1", "f:data")) if key != "."]
        if keys and controllers and entry.get("manager") not in controllers:
            yield entry, listed(sorted(keys))


def seal(values: Mapping[str, str], name: str, namespace: str, view: ReadApi) -> Object:
    """Return a SealedSecret of texts, as kubeseal makes it, for the newest key of the cluster's controller.

    Args:
        values: by key.
        name: of the Secret.
        namespace: of the Secret.
        view: of the cluster, for the certificate.

    Raises:
        LookupError: the cluster has no key of Sealed Secrets.
    """
    keys = sorted(view.list("v1/Secret", labels=KEYS), key=_made)
    if not keys:
        raise LookupError(f"no Secret has the label {KEYS}")
    certificate = x509.load_pem_x509_certificate(base64.b64decode(keys[-1]["data"]["tls.crt"]))
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)  # noqa: S101  the controller makes no other; this tells the type checker
    label = f"{namespace}/{name}"
    sealed = {key: sealed_secrets.seal(public, text.encode(), label) for key, text in values.items()}
    metadata = {"name": name, "namespace": namespace}
    spec = {"encryptedData": sealed, "template": {"metadata": metadata}}
    return {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": metadata, "spec": spec}


def _made(key: Object) -> datetime:
    return datetime.fromisoformat(str(at(key, "metadata", "creationTimestamp")))
