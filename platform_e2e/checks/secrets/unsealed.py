"""Every SealedSecret has its Secret: made by it, of its type, with its keys, and with the values that Git has sealed."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.checks import unsealed_secrets
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.objects import annotations_of, at, condition, listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, Rendered, sealed_secrets, sealing_keys

DEFAULT_TYPE = "Opaque"

UNATTENDED = "sealed-secret-unattended"
"""The cause of one that no controller looks at."""


@dataclass(frozen=True)
class WantedSecret:
    """What must be true of one SealedSecret.

    Attributes:
        rendered: as Git has it.
        keys: private keys that the controller was given; with them its values are compared, else only that they are there.
        located: names in a cause's remedy the file and line of the field to change.
    """

    rendered: Rendered
    keys: Sequence[rsa.RSAPrivateKey] = field(default=(), repr=False)
    located: Callable[[Cause], Cause] = lambda cause: cause

    @classmethod
    def of(cls, rendered: Rendered, layer: Layer) -> WantedSecret:
        """Return what the layer says about a SealedSecret."""
        return cls(rendered, located=partial(layer.located, otherwise=rendered))

    @classmethod
    def made(cls, obj: Object) -> WantedSecret:
        """Return what must be true of a SealedSecret that a test has made."""
        return cls(Rendered(obj, "", "", None))

    def known_by(self, backup: Path | None) -> WantedSecret:
        """Return the same with the keys of a backup that the controller was given; unchanged where there is none."""
        return replace(self, keys=sealing_keys.known(backup))

    @property
    def id(self) -> str:
        """Return a name for its test."""
        return f"{self.rendered.namespace}/{self.rendered.name}"

    @property
    def application(self) -> str:
        """Return the name of the Application that renders it."""
        return self.rendered.application

    @property
    def names(self) -> frozenset[str]:
        """Return the keys that its Secret must have."""
        spec = self.rendered.spec
        return frozenset(map(str, (*(spec.get("encryptedData") or ()), *(at(spec, "template", "data") or ()))))

    @property
    def type(self) -> str:
        """Return the type that its Secret must have."""
        return str(at(self.rendered.spec, "template", "type") or DEFAULT_TYPE)


def of_layer(layer: Layer) -> Iterator[WantedSecret]:
    """Yield every SealedSecret of a layer that is not exempt and whose key may be had here."""
    invented = {each.source.identity for each in layer.invented}
    for each in layer.of_kind(sealed_secrets.API):
        if not each.exempt(Promise.SECRETS) and each.identity not in invented:
            yield WantedSecret.of(each, layer)


def check(wanted: WantedSecret, view: ReadApi) -> list[Finding]:
    """Return the finding about the first thing that is wrong with a SealedSecret, or an empty list.

    Args:
        wanted: the SealedSecret.
        view: the cluster.
    """
    expected, problem = _problem(wanted, view)
    if problem is None:
        return []
    observed, cause = problem
    return [Finding(str(wanted.rendered), Promise.SECRETS, expected, observed, wanted.located(cause))]


def unattended(layer: Layer, view: ReadApi) -> list[Finding]:
    """Return the findings about SealedSecrets of a layer that no controller looks at: it would look at no other one either."""
    every = (finding for wanted in of_layer(layer) for finding in check(wanted, view))
    return [finding for finding in every if finding.cause.id == UNATTENDED]


def watch(wanted: WantedSecret, view: ReadApi, *, timeout: float) -> list[Finding]:
    """Look at a SealedSecret until nothing is wrong with it, or waiting no longer helps; return what was found last.

    Args:
        wanted: the SealedSecret.
        view: the cluster.
        timeout: seconds.
    """
    what = f"{wanted.rendered} is unsealed"
    return until_no_findings(lambda: check(wanted, view), timeout=timeout, what=what)


def _problem(wanted: WantedSecret, view: ReadApi) -> tuple[str, tuple[str, Cause] | None]:
    """Return what is expected, and what is observed with its cause; None where it is so."""
    rendered = wanted.rendered
    name, namespace = rendered.name, rendered.namespace
    expected = "its controller has unsealed it"
    live = view.get(sealed_secrets.API, name, namespace)
    if live is None:
        cause = Cause(OBJECT_MISSING, f"{rendered} is not in the cluster", "look at the Application that renders it")
        return expected, ("it is not in the cluster", cause)
    if cause_of_it := explain(live, view):
        return expected, ("it has not", cause_of_it)
    if not _is_unsealed(live):
        cause = Cause(
            UNATTENDED,
            f"no controller of Sealed Secrets attends to {rendered} yet",
            "look at the controller's Deployment and log",
        )
        return expected, ("it has not yet", cause)
    return "its Secret is what Git has sealed", _problem_of_secret(wanted, live, view.get("v1/Secret", name, namespace))


def _problem_of_secret(wanted: WantedSecret, live: Object, secret: Object | None) -> tuple[str, Cause] | None:
    """Return what is observed of the Secret of a SealedSecret that is unsealed, with its cause; None where it is as it should be."""
    rendered = wanted.rendered
    name, namespace = rendered.name, rendered.namespace
    if secret is None:
        cause = Cause(
            "unsealed-secret-missing",
            f"secret/{name} -n {namespace} is gone, and {rendered} calls itself unsealed: the controller does not make it again",
            "do not start the controller with --skip-recreate (`skipRecreate` of the chart)",
        )
        return "there is none", cause
    for tampered in unsealed_secrets.check(live, secret):
        return tampered.observed, tampered.cause
    differences = list(_differences(wanted, live, secret))
    if not differences:
        return None
    cause = Cause(
        "unsealed-secret-differs",
        f"secret/{name} -n {namespace} is not what {rendered} says: {'; '.join(differences)}",
        "find out who has changed it; deleted, the controller makes it again as it is in Git",
    )
    return "; ".join(differences), cause


def _is_unsealed(live: Object) -> bool:
    newest, seen = at(live, "metadata", "generation"), at(live, "status", "observedGeneration")
    return condition(live, "Synced").get("status") == "True" and not (seen and newest and seen < newest)


def _differences(wanted: WantedSecret, live: Object, secret: Object) -> Iterator[str]:
    """Yield in words how a Secret differs from what its SealedSecret says; never a value."""
    owners = at(secret, "metadata", "ownerReferences") or ()
    owned = any(owner.get("uid") == at(live, "metadata", "uid") for owner in owners)
    patched = annotations_of(secret).get(unsealed_secrets.PATCHED) == "true"
    if not owned and not patched:
        yield "it does not belong to it"
    missing = sorted(wanted.names - (secret.get("data") or {}).keys())
    if missing:
        yield f"it lacks {listed(missing)}"
    found = secret.get("type", DEFAULT_TYPE)
    if found != wanted.type:
        yield f"its type is {found} instead of {wanted.type}"
    changed = sorted(_changed(wanted, secret.get("data") or {}))
    if changed:
        yield f"another value than the sealed one has {listed(changed)}"


def _changed(wanted: WantedSecret, data: Mapping[str, str]) -> Iterator[str]:
    """Yield the keys whose values are not those that were sealed; templates make values of their own."""
    templated = at(wanted.rendered.spec, "template", "data") or {}
    for name, value in sealed_secrets.plain(wanted.rendered.object, wanted.keys).items():
        if name in data and name not in templated and not _same(data[name], value):
            yield name


def _same(encoded: str, value: bytes) -> bool:
    try:
        return hmac.compare_digest(base64.b64decode(encoded), value)
    except (binascii.Error, ValueError):
        return False
