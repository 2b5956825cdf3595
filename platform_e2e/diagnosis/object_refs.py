"""Object references as people write them: `service/chat -n chat-dev`, `deploy a b`, `pods -l app=chat`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.kube.discovery import Kind
from platform_e2e.layer.objects import described

ARGOCD = ("argoproj.io",)
"""Groups of the kinds that live in Argo CD's own namespace."""


@dataclass(frozen=True)
class ObjectRef:
    """One object, or the objects of a kind, as a person has written it.

    Attributes:
        kind: the word for the kind.
        name: of the object; None for those that have the labels.
    """

    kind: str
    name: str | None

    def __str__(self) -> str:
        """Name it as it was written."""
        return f"{self.kind}/{self.name}" if self.name else self.kind


@dataclass(frozen=True)
class ResolvedRef:
    """One object, or the objects of a kind, that the API server knows by this kind.

    Attributes:
        kind: what it is.
        name: of the object; None for those that have the labels.
        namespace: None for a kind that has none, and for objects of all namespaces.
        labels: that the objects have, where no name was given.
    """

    kind: Kind
    name: str | None
    namespace: str | None
    labels: str = ""

    @property
    def api(self) -> str:
        """Return the kind as the client takes it, `apps/v1/Deployment`."""
        return self.kind.resource.kind

    def __str__(self) -> str:
        """Name it as findings do."""
        if self.name:
            return described(self.kind.resource.short, self.name, self.namespace)
        where = f" -n {self.namespace}" if self.namespace else ""
        return f"{self.kind.resource.plural}{where}{f' -l {self.labels}' if self.labels else ''}"


def parse(words: Sequence[str], labels: str) -> list[ObjectRef]:
    """Return what the words of a command line name.

    Args:
        words: `KIND/NAME ...`, `KIND NAME ...` or `KIND`.
        labels: of the option -l.

    Raises:
        WrongUsage: they cannot be read as objects.
    """
    if any("/" in word for word in words):
        found = [_kind_and_name(word) for word in words]
        odd = [word for word, ref in zip(words, found, strict=True) if not ref.kind or not ref.name or "/" in ref.kind]
        if odd:
            raise WrongUsage(
                f"object must be KIND/NAME, got `{odd[0]}`",
                "write each as KIND/NAME, or all of one kind as KIND NAME ...",
            )
    else:
        found = [ObjectRef(words[0], name) for name in words[1:]] or [ObjectRef(word, None) for word in words]
    if labels and any(ref.name for ref in found):
        raise WrongUsage(f"{found[0]} has a name and -l labels", "give the name or the labels")
    return list(dict.fromkeys(found))


def named(text: str) -> tuple[ObjectRef, str | None]:
    """Return the object that a text names as findings do, and its namespace.

    Args:
        text: `service/chat -n chat-dev`; the kind may have its group and version, `apps/v1/Deployment/chat -n chat-dev`.

    Raises:
        WrongUsage: it names no object.
    """
    words, _, namespace = text.partition(" -n ")
    ref = _kind_and_name(words)
    if not ref.kind or not ref.name or " " in words:
        raise WrongUsage(
            f"object must be written `kind/NAME -n NAMESPACE`, got `{text}`",
            "write it as `service/chat -n chat-dev`, or as `apps/v1/Deployment/chat -n chat-dev`",
        )
    return ref, namespace.strip() or None


def _kind_and_name(word: str) -> ObjectRef:
    """Split a word at its last slash: a kind may have its group and version before it, a name has none."""
    kind, _, name = word.rpartition("/")
    return ObjectRef(kind, name)


def resolve(ref: ObjectRef, kind: Kind, *, labels: str, namespace: str, context_namespace: str | None) -> ResolvedRef:
    """Return what was asked for as the API server knows it.

    Args:
        ref: what was asked for.
        kind: of it.
        labels: of the option -l.
        namespace: of the option -n, or empty.
        context_namespace: of the kubeconfig's context, or None.
    """
    where = None
    if kind.resource.namespaced:
        group = kind.resource.api_version.partition("/")[0]
        where = namespace or (argocd.NAMESPACE if group in ARGOCD else context_namespace or "default")
    return ResolvedRef(kind, ref.name, where, labels)
