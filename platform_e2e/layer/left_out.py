"""Objects of a layer that are not served, so that nothing on the cluster asks for what cannot be there; each is named as not judged."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from platform_e2e.layer.applications import Application
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered


@dataclass(frozen=True)
class LeftOut:
    """An object that is not served.

    Attributes:
        rendered: the object.
        unknown: why, for the verdict.
    """

    rendered: Rendered
    unknown: NotJudged

    @property
    def plain(self) -> bool:
        """Tell whether it is a document of its own in a plain directory, which can be taken out of its file.

        A kustomization that loses a document may not build any more, and what a chart renders stands in no file.
        """
        written = self.rendered.written
        if written is None or written.kustomizations or written.patches or self.rendered.line is None:
            return False
        if not written.document.whole:
            return False
        data = written.document.data
        same = (
            isinstance(data, dict) and data.get("kind") == self.rendered.kind and isinstance(data.get("metadata"), dict)
        )
        return same and data["metadata"].get("name") == self.rendered.name


def without(application: Application, left: Collection[LeftOut]) -> Application:
    """Return an Application without the objects that are not served."""
    gone = {each.rendered.identity for each in left if each.rendered.application == application.name}
    if not gone:
        return application
    return replace(application, objects=tuple(each for each in application.objects if each.identity not in gone))


def excluded(left: Collection[LeftOut]) -> frozenset[tuple[str, str]]:
    """Return group and kind of what no file can lose, so that Argo CD has to be told to leave all of that kind out."""
    return frozenset((each.rendered.identity[0], each.rendered.kind) for each in left if not each.plain)


def children(rendered: Collection[Rendered], unseen: Collection[NotJudged]) -> Iterator[LeftOut]:
    """Yield the Applications of plain directories that are not judged and Argo CD may be able to render: nobody has looked at them."""
    known = {each.identity: each for each in unseen}
    for each in rendered:
        unknown = known.get((each.kind.lower(), each.namespace or "argocd", each.name))
        found = LeftOut(each, unknown) if unknown else None
        if found is not None and found.plain:
            yield found
