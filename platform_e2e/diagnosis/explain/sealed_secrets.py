"""Causes of a SealedSecret that makes no Secret."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.diagnosis.objects import at, changed_at, condition, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import sealed_secrets
from platform_e2e.layer.sealed_secrets import Seal

UNMANAGED = re.compile(r'Resource "(?P<name>[^"]+)" already exists and is not managed by SealedSecret')
"""The controller's words for a Secret of another maker (sealed-secrets 0.32.0, pkg/controller/controller.go)."""

ATTENDED = timedelta(seconds=20)
"""Within which a controller has looked at a SealedSecret, or tried to for the last time: it takes well below a second, and its
five attempts are milliseconds apart (pkg/controller/controller.go, maxRetries)."""

_KEYS: list[Sequence[rsa.RSAPrivateKey]] = []


@contextlib.contextmanager
def keys_known(keys: Sequence[rsa.RSAPrivateKey]) -> Iterator[None]:
    """Let explanations tell another name from another key while the block runs.

    The keys of a cluster are never read for that: whoever asks what holds an object may not want them on this machine.

    Args:
        keys: that the controller was given.
    """
    _KEYS.append(keys)
    try:
        yield
    finally:
        _KEYS.remove(keys)


@explains(sealed_secrets.API)
def secret_not_managed(sealed: Object, _view: ReadApi) -> Cause | None:
    """Its Secret exists already, and something else has made it: the controller leaves it as it is."""
    found = UNMANAGED.search(_refusal(sealed))
    if found is None:
        return None
    namespace, _ = key(sealed)
    return Cause(
        "secret-not-managed",
        f"{name_of(sealed)} changes nothing: secret/{found['name']} -n {namespace} exists already, and another has made it",
        f"remove that Secret, and what makes it; or let the controller take it over, by the annotation "
        f'sealedsecrets.bitnami.com/managed: "true" on secret/{found["name"]}',
    )


@explains(sealed_secrets.API)
def not_unsealed(sealed: Object, view: ReadApi) -> Cause | None:
    """It cannot be decrypted."""
    refusal = _refusal(sealed)
    if not refusal:
        return None
    known, remedy = _known(sealed, view)
    return Cause("secret-not-unsealed", f"{name_of(sealed)} makes no Secret, because of `{refusal}`{known}", remedy)


@explains(sealed_secrets.API)
def unattended(sealed: Object, _view: ReadApi) -> Cause | None:
    """The controller has not looked at it, or not since it was changed."""
    newest, seen = at(sealed, "metadata", "generation"), at(sealed, "status", "observedGeneration")
    # Controllers before 0.18 do not say which generation they mean.
    attended = condition(sealed, "Synced") and not (seen and newest and seen < newest)
    if attended or datetime.now(UTC) < changed_at(sealed) + ATTENDED:
        return None
    said = f"its status is of generation {seen}, and it has {newest}" if seen else "it has no status"
    return Cause(
        "sealed-secret-unattended",
        f"no controller of Sealed Secrets attends to {name_of(sealed)}: {said}",
        "look at the controller's Deployment and log, and at the namespaces that it watches (`additionalNamespaces` of the chart)",
    )


def _refusal(sealed: Object) -> str:
    """Return why the controller could not make its Secret; empty where it could, or has said so of earlier content only."""
    synced = condition(sealed, "Synced")
    seen, newest = at(sealed, "status", "observedGeneration"), at(sealed, "metadata", "generation")
    # What the controller says of earlier content may be mended.
    if synced.get("status") != "False" or (seen and newest and seen < newest):
        return ""
    return " ".join(str(synced.get("message", "")).split()) or "no reason is given"


def _known(sealed: Object, view: ReadApi) -> tuple[str, str]:
    """Return what the keys that are known here tell, for the end of the sentence, and the remedy."""
    usual = "seal it again for this cluster's key, name and namespace, or restore the key that it was sealed with"
    if not _KEYS or not _KEYS[-1]:
        return "", usual
    found = sealed_secrets.opening(sealed, _KEYS[-1], _other_labels(sealed, view))
    if found.seal is Seal.OTHER_SCOPE:
        return (
            f": {other_scope(found, sealed)}",
            f"{again(sealed)}; a value is bound to the name that it was sealed for",
        )
    if found.seal is Seal.MALFORMED:
        return f": {', '.join(found.keys)} has no value that was sealed", again(sealed)
    if found.seal is Seal.NO_KEY:
        return f": {', '.join(found.keys)} is sealed with a key that is not in --sealing-key, or damaged", usual
    return "", usual


def other_scope(found: sealed_secrets.Opening, sealed: Object) -> str:
    """Return what a SealedSecret is sealed for, as the end of a sentence."""
    return f"{', '.join(found.keys)} is sealed for {_scope(found.sealed_for)}, and must be for {_scope(sealed_secrets.label(sealed))}"


def again(sealed: Object) -> str:
    """Return how a SealedSecret is sealed for the name that it has."""
    namespace, name = key(sealed)
    scope = {"": "--scope cluster-wide", str(namespace): "--scope namespace-wide"}.get(sealed_secrets.label(sealed), "")
    words = " ".join(filter(None, ["kubeseal --cert FILE", f"--name {name} --namespace {namespace}", scope]))
    return f"seal its values again, for the name that it has in the cluster (`{words}`), or give it back the name, namespace and scope that it was sealed for"


def _scope(label: str | None) -> str:
    """Return in words what a label says."""
    if label is None:
        return "another name or namespace"
    return f"`{label}`" if "/" in label else f"the whole namespace `{label}`" if label else "the whole cluster"


def _other_labels(sealed: Object, view: ReadApi) -> list[str]:
    """Return labels that a value of a SealedSecret may have been sealed with before it was copied or renamed."""
    namespace, name = key(sealed)
    names = {name, str(at(sealed, "spec", "template", "metadata", "name") or name)}
    try:
        names |= {key(each)[1] for each in view.list(sealed_secrets.API)}
        namespaces = {key(each)[1] for each in view.list("v1/Namespace")}
    except ApiError:
        namespaces = set()
    namespaces |= {str(namespace), str(at(sealed, "spec", "template", "metadata", "namespace") or namespace)}
    return [*sorted(namespaces), *(f"{each}/{one}" for each in sorted(namespaces) for one in sorted(names))]
