"""Secrets whose values cannot be had here: sealed for another key, or kept by a system that the cluster does not reach.

Pods that read one would never start. So a Secret with the named keys and invented values takes its place; it is no object of the layer's
in Git, and what the real values would show is *unknown*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.layer import sealed_secrets
from platform_e2e.layer.argo_objects import mapping, mappings
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.renderer import Reason

REMEDY = "give what has the values to the cluster (of a SealedSecret the key, by --sealing-key), or accept it in platform-e2e.yaml"

TLS = "kubernetes.io/tls"


@dataclass(frozen=True)
class Invented:
    """A Secret that the harness provides.

    Attributes:
        source: the object that would make it.
        name: of the Secret.
        namespace: of the Secret.
        keys: of its data.
        type: of the Secret.
    """

    source: Rendered
    name: str
    namespace: str
    keys: tuple[str, ...]
    type: str = "Opaque"

    @property
    def unknown(self) -> NotJudged:
        """Return what is not proven."""
        keys = ", ".join(self.keys) or "no key that is known"
        problem = f"its values cannot be had here: secret/{self.name} has invented ones ({keys})"
        return NotJudged(str(self.source), Reason.SECRET, problem, REMEDY, self.source.file, self.source.line, ())


Read = Callable[[Mapping[str, Any]], Iterator[tuple[str, list[str], str]]]
"""Yields name, keys and type of each Secret that an object of a kind would make, from its spec and metadata."""


def _external(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    spec = mapping(obj.get("spec"))
    target = mapping(spec.get("target"))
    template = mapping(target.get("template"))
    keys = (
        [each.get("secretKey") for each in mappings(spec.get("data"))]
        if template.get("mergePolicy") == "Merge" or not template.get("data")
        else []
    )
    keys += list(mapping(template.get("data")))
    yield str(target.get("name") or _name(obj)), _texts(keys), str(template.get("type") or "Opaque")


def _sealed(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    spec = mapping(obj.get("spec"))
    template = mapping(spec.get("template"))
    keys = [*mapping(spec.get("encryptedData")), *mapping(template.get("data"))]
    name = mapping(template.get("metadata")).get("name") or _name(obj)
    yield str(name), _texts(keys), str(template.get("type") or "Opaque")


def _one_password(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    yield _name(obj), [], str(obj.get("type") or "Opaque")


def _vault(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    destination = mapping(mapping(obj.get("spec")).get("destination"))
    templates = mapping(mapping(destination.get("transformation")).get("templates"))
    yield str(destination.get("name") or _name(obj)), _texts(templates), str(destination.get("type") or "Opaque")


def _sops(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    for each in mappings(mapping(obj.get("spec")).get("secretTemplates")):
        keys = [*mapping(each.get("stringData")), *mapping(each.get("data"))]
        yield str(each.get("name")), _texts(keys), str(each.get("type") or "Opaque")


def _infisical(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    spec = mapping(obj.get("spec"))
    references = [spec.get("managedSecretReference"), *mappings(spec.get("managedKubeSecretReferences"))]
    for each in filter(None, map(mapping, references)):
        yield str(each.get("secretName")), [], str(each.get("secretType") or "Opaque")


def _bitwarden(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    spec = mapping(obj.get("spec"))
    yield (
        str(spec.get("secretName") or _name(obj)),
        _texts(each.get("secretKeyName") for each in mappings(spec.get("map"))),
        "Opaque",
    )


def _doppler(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    managed = mapping(mapping(obj.get("spec")).get("managedSecret"))
    yield str(managed.get("name") or _name(obj)), [], str(managed.get("type") or "Opaque")


def _certificate(obj: Mapping[str, Any]) -> Iterator[tuple[str, list[str], str]]:
    yield str(mapping(obj.get("spec")).get("secretName") or _name(obj)), ["tls.crt", "tls.key", "ca.crt"], TLS


SEALED = ("bitnami.com", "SealedSecret")

KINDS: Mapping[tuple[str, str], Read] = {
    SEALED: _sealed,
    ("external-secrets.io", "ExternalSecret"): _external,
    ("kubernetes-client.io", "ExternalSecret"): _external,
    ("onepassword.com", "OnePasswordItem"): _one_password,
    ("secrets.hashicorp.com", "VaultStaticSecret"): _vault,
    ("secrets.hashicorp.com", "VaultDynamicSecret"): _vault,
    ("secrets.hashicorp.com", "VaultPKISecret"): _vault,
    ("isindir.github.com", "SopsSecret"): _sops,
    ("secrets.infisical.com", "InfisicalSecret"): _infisical,
    ("k8s.bitwarden.com", "BitwardenSecret"): _bitwarden,
    ("secrets.doppler.com", "DopplerSecret"): _doppler,
    ("cert-manager.io", "Certificate"): _certificate,
}
"""What makes Secrets of values that are elsewhere, by group and kind; each by its own documentation of its CRD."""


def find(
    rendered: Sequence[Rendered], sealing_keys: Sequence[bytes], *, attended: Iterable[tuple[str, str]]
) -> tuple[Invented, ...]:
    """Return the Secrets of a layer whose values cannot be had.

    Args:
        rendered: every object of every Application.
        sealing_keys: private keys in PEM that the controller of SealedSecrets is given.
        attended: group and kind of what a real controller attends to.
    """
    kinds = KINDS.keys() - {SEALED} - set(attended)
    sealed = [each for each in rendered if (each.identity[0], each.kind) == SEALED]
    if sealed and not any(opens(each.object, sealing_keys) for each in sealed):
        # Where one can be opened the key is the layer's, and another that cannot is a fault of it.
        kinds.add(SEALED)
    used = _used(rendered)
    found: dict[tuple[str, str], Invented] = {}
    for each in rendered:
        read = KINDS.get((each.identity[0], each.kind)) if (each.identity[0], each.kind) in kinds else None
        for name, keys, type_ in read(each.object) if read else ():
            place = each.namespace or "", name
            every = tuple(dict.fromkeys([*keys, *sorted(used.get(place, ()))]))
            found.setdefault(place, Invented(each, name, place[0], every, type_))
    return tuple(found.values())


def opens(obj: Mapping[str, Any], sealing_keys: Sequence[bytes]) -> bool:
    """Tell whether a value of a SealedSecret is sealed with one of the keys, private ones in PEM; for whatever name."""
    loaded = (serialization.load_pem_private_key(pem, password=None) for pem in sealing_keys)
    return sealed_secrets.is_for(obj, [key for key in loaded if isinstance(key, rsa.RSAPrivateKey)])


def _used(rendered: Iterable[Rendered]) -> dict[tuple[str, str], set[str]]:
    """Return the keys that pods of the layer read, by namespace and name of the Secret."""
    used: dict[tuple[str, str], set[str]] = {}
    for each in rendered:
        waiting: list[Any] = [each.object]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Mapping):
                for name, keys in _references(value):
                    used.setdefault((each.namespace or "", name), set()).update(keys)
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
    return used


def _references(value: Mapping[Any, Any]) -> Iterator[tuple[str, list[str]]]:
    reference, volume = mapping(value.get("secretKeyRef")), mapping(value.get("secret"))
    if reference.get("name"):
        yield str(reference["name"]), _texts([reference.get("key")])
    if volume.get("secretName"):
        yield str(volume["secretName"]), _texts(each.get("key") for each in mappings(volume.get("items")))


def _name(obj: Mapping[str, Any]) -> str:
    return str(mapping(obj.get("metadata")).get("name"))


def _texts(values: Iterable[Any]) -> list[str]:
    return [str(value) for value in values if value]
