"""Every SealedSecret that Git has can be opened, also one that no Application renders yet: what will not open is found before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e import paths
from platform_e2e.diagnosis.causes import promise_of
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.sealed_secrets import again, other_scope
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import EXEMPT, Layer, Rendered, manifests, sealed_secrets, yamlfile
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.objects import described
from platform_e2e.layer.sealed_secrets import Seal

KIND = "SealedSecret"


@dataclass(frozen=True)
class SealedFile:
    """One SealedSecret that Git has.

    Attributes:
        object: as it is applied, or as it is written where nothing applies it.
        place: file and line.
        rendered: as an Application renders it; None where none does.
    """

    object: Mapping[str, Any] = field(repr=False)
    place: str
    rendered: Rendered | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return how a finding names it."""
        metadata = mapping(self.object.get("metadata"))
        return described(KIND, str(metadata.get("name")), str(metadata.get("namespace")))


def of_layer(layer: Layer) -> Iterator[SealedFile]:
    """Yield every SealedSecret that Applications render, and those that are written beside what they render.

    Others may be for another cluster, which has other keys.
    """
    invented = {each.source.identity for each in layer.invented}
    rendered = layer.of_kind(sealed_secrets.API)
    for each in rendered:
        if not each.exempt(Promise.SECRETS) and each.identity not in invented:
            yield SealedFile(each.object, each.place(), each)
    if invented:
        return
    read = {each.file for each in rendered}
    for document in _documents(layer):
        metadata = mapping(document.data.get("metadata"))
        exempt = mapping(metadata.get("annotations")).get(f"{EXEMPT}{Promise.SECRETS}")
        # Without a namespace it is a part of something, such as a patch.
        if document.file not in read and metadata.get("name") and metadata.get("namespace") and not exempt:
            yield SealedFile(document.data, f"{document.file}:{document.line}")


def check(
    layer: Layer, opens: Callable[[Mapping[str, Any]], bool], keys: Sequence[rsa.RSAPrivateKey], view: ReadApi
) -> tuple[int, list[Finding], list[Finding]]:
    """Return how many SealedSecrets were looked at, what is wrong with those that nothing applies, and what holds the others.

    Args:
        layer: that has them.
        opens: tells whether the controller can open one.
        keys: private keys that it was given, which tell why it cannot.
        view: the cluster.
    """
    every = list(of_layer(layer))
    closed = [each for each in every if not opens(each.object)]
    labels = labels_of(every)
    found = [finding_of(each, keys, labels) for each in closed if each.rendered is None]
    return len(every), found, [_held(each, keys, labels, view) for each in closed if each.rendered is not None]


def labels_of(every: Sequence[SealedFile]) -> list[str]:
    """Return for what a value may have been sealed: each name of these in each of their namespaces, and those namespaces."""
    templates = [mapping(mapping(each.object.get("spec")).get("template")) for each in every]
    written = [*(each.object for each in every), *templates]
    metadata = [found for each in written if (found := mapping(each.get("metadata")))]
    names = sorted({str(each.get("name")) for each in metadata})
    namespaces = sorted({str(each.get("namespace")) for each in metadata})
    return [*namespaces, *(f"{namespace}/{name}" for namespace in namespaces for name in names)]


def finding_of(each: SealedFile, keys: Sequence[rsa.RSAPrivateKey], labels: Sequence[str] = ()) -> Finding:
    """Return the finding about a SealedSecret that keys do not open.

    Args:
        each: the SealedSecret.
        keys: private keys that tell why.
        labels: that its values may be sealed with instead.
    """
    sealed = dict(each.object)
    opening = sealed_secrets.opening(sealed, keys, labels)
    names = ", ".join(opening.keys) or "it"
    if opening.seal is Seal.OTHER_SCOPE:
        cause = Cause(
            "sealed-secret-other-scope", f"{each} will not open: {other_scope(opening, sealed)}", again(sealed)
        )
    elif opening.seal is Seal.MALFORMED:
        cause = Cause(
            "sealed-secret-malformed",
            f"{each} will not open: {names} has no value that was sealed, or only a part of one",
            again(sealed),
        )
    else:
        cause = Cause(
            "sealed-secret-other-key",
            f"{each} will not open: {names} is sealed with a key that is not there, or damaged",
            "seal its values again with the certificate of this cluster (kubeseal --cert FILE), or restore the key that it was sealed with",
        )
    return Finding(str(each), Promise.SECRETS, "its values can be opened", "no key opens it", cause.located(each.place))


def _held(each: SealedFile, keys: Sequence[rsa.RSAPrivateKey], labels: Sequence[str], view: ReadApi) -> Finding:
    """Return what the cluster says of one that is applied: its own tests tell it."""
    metadata = mapping(each.object.get("metadata"))
    live = view.get(sealed_secrets.API, str(metadata.get("name")), metadata.get("namespace"))
    cause = explain(live, view) if live else None
    if cause is None:
        return finding_of(each, keys, labels)
    promise = promise_of(cause, Promise.SECRETS)
    return Finding(str(each), promise, "it is unsealed", "it is not", cause.located(each.place))


def _documents(layer: Layer) -> Iterator[yamlfile.Document]:
    """Yield the SealedSecrets that stand in directories of which something is rendered."""
    top = paths.repository_of(layer.directory)
    read = {(top / each.file).parent for each in layer.rendered}
    for path in layer.files:
        if path.parent not in read or path.is_symlink() or not manifests.is_manifest(path):
            continue
        try:
            documents = (
                yamlfile.read(layer.directory, path)
                if KIND in path.read_text(encoding="utf-8", errors="replace")
                else []
            )
        except LayerError:
            # A template, or a file that nothing reads: what is read of it has an error of its own.
            continue
        for document in documents:
            if isinstance(document.data, dict) and document.data.get("kind") == KIND:
                yield document
