"""Serve what the team has rendered itself: its manifests are added to the layer, and its Application reads these.

Argo CD in the cluster cannot render them as the team does, such as by a config management plugin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.nodes import MappingNode, Node

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import yamledit
from platform_e2e.gitops.served_references import ValueChange
from platform_e2e.gitops.transform import BRANCH
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application, Layer, applications, manifests, yamlfile

PLACE = "platform-e2e-rendered"
"""Directory of the served layer with what the team has rendered."""


@dataclass(frozen=True)
class GivenSource:
    """What an Application reads in place of its own sources.

    Attributes:
        application: as findings name it.
        namespace: of the Application.
        name: of the Application.
        file: that it is written in, from the layer's directory.
        directory: with all its objects.
    """

    application: str
    namespace: str
    name: str
    file: str
    directory: Path

    def content(self) -> bytes:
        """Return all its objects as one text."""
        documents = manifests.directory(self.directory, self.directory, recurse=True)
        return "\n---\n".join(yamlfile.as_json(document.data) for document in documents).encode()

    @property
    def path(self) -> str:
        """Return the directory that it reads."""
        return f"{PLACE}/{self.namespace}/{self.name}"

    def reads(self, url: str) -> dict[str, str]:
        """Return its source.

        Args:
            url: of the git server inside the cluster.
        """
        return {"repoURL": url, "targetRevision": BRANCH, "path": self.path}


def of(layer: Layer) -> tuple[GivenSource, ...]:
    """Return what the layer's Applications read in place of their own sources.

    Args:
        layer: that was read with `rendered`.

    Raises:
        WrongUsage: such an Application is not written in a file of its own, so that it cannot be told to read something else.
    """
    return tuple(_of(each, layer, each.given) for each in layer.applications if each.given is not None)


def _of(application: Application, layer: Layer, directory: Path) -> GivenSource:
    file = layer.relative(application.file)
    source = GivenSource(str(application), application.namespace, application.name, file, directory)
    written = application.generated_by is None and (layer.directory / file).is_file()
    if not written or _node(source, (layer.directory / file).read_text(encoding="utf-8", errors="replace")) is None:
        raise WrongUsage(
            f"--rendered {application.name}=DIR must be for an Application that is written in a file of its own, got one that "
            f"{f'the ApplicationSet {application.generated_by}' if application.generated_by else application.file} makes",
            "accept in platform-e2e.yaml that it is not judged",
        )
    return source


def served(
    files: Mapping[str, bytes], given: Sequence[GivenSource], url: str
) -> tuple[dict[str, bytes], list[ValueChange]]:
    """Return the files that differ from the layer's, and what was changed in those that it has.

    Args:
        files: of the layer, by path.
        given: what Applications read in place of their own sources.
        url: of the git server inside the cluster.
    """
    made: dict[str, bytes] = {}
    changes: list[ValueChange] = []
    for source in given:
        made[f"{source.path}/manifests.yaml"] = source.content()
        text = made.get(source.file, files[source.file]).decode("utf-8", errors="surrogateescape")
        found = _node(source, text)
        if found is None:
            continue
        where, node = found
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        # A block ends where the next token begins: what is between stays.
        end = start + len(text[start:end].rstrip())
        new = yamlfile.as_json([source.reads(url)] if where == "sources" else source.reads(url), indent=None)
        changes.append(
            ValueChange(source.file, yamledit.line(node), source.application, where, "as written", source.path)
        )
        edited = yamledit.apply(text, [yamledit.Edit(start, end, new)])
        made[source.file] = edited.encode("utf-8", errors="surrogateescape")
    return made, changes


def redirected(manifest: Object, given: Sequence[GivenSource], url: str) -> Object:
    """Return an object of Argo CD, an Application with what it reads in place of its own sources.

    Args:
        manifest: as it was rendered.
        given: what Applications read in place of their own sources.
        url: of the git server inside the cluster.
    """
    metadata = manifest.get("metadata") or {}
    named = (metadata.get("namespace") or applications.NAMESPACE, metadata.get("name"))
    source = next((each for each in given if (each.namespace, each.name) == named), None)
    if source is None or manifest.get("kind") != "Application":
        return manifest
    spec = {name: value for name, value in manifest["spec"].items() if name not in {"source", "sources"}}
    return {**manifest, "spec": {**spec, "source": source.reads(url)}}


def _node(source: GivenSource, text: str) -> tuple[str, Node] | None:
    """Return the field of an Application that says what it reads, and its value; None where the text does not have it."""
    try:
        roots = yamledit.documents(source.file, text)
    except yamledit.UnreadableYaml:
        return None
    for root in (each for document in roots for each in _objects(document)):
        metadata = yamledit.get(root, "metadata")
        namespace = yamledit.scalar(yamledit.get(metadata, "namespace")) or applications.NAMESPACE
        named = (namespace, yamledit.scalar(yamledit.get(metadata, "name")))
        if yamledit.scalar(yamledit.get(root, "kind")) != "Application" or named != (source.namespace, source.name):
            continue
        for field in ("sources", "source"):
            node = yamledit.get(root, "spec", field)
            if node is not None:
                return field, node
    return None


def _objects(root: Node) -> Iterator[MappingNode]:
    """Return the objects of a document, also those of a `kind: List`."""
    if yamledit.scalar(yamledit.get(root, "kind")) == "List":
        for item in yamledit.items(yamledit.get(root, "items")):
            yield from _objects(item)
    elif isinstance(root, MappingNode):
        yield root
