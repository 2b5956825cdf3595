"""Find every reference to a repository in a layer's files.

Searched are documents of the API group argoproj.io, also inside of `kind: List`, and partial ones in strategic merge patches:

* Application: `spec.source`, `spec.sources[]`;
* ApplicationSet: the same in `spec.template.spec` and in each generator's own `template`; `repoURL` of git generators; and
  values of list generators that a templated `repoURL` uses; generators nested in matrix and merge included;
* AppProject: `spec.sourceRepos[]`;
* JSON patches: operations whose path ends in a source, a `repoURL` or `sourceRepos`.

Patches are found in files and inline in a kustomization, as kustomize finds them.

`templatePatch` is text for a template engine and stays unchanged; one that mentions a repoURL is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ruamel.yaml.nodes import Node, ScalarNode

from platform_e2e.git.urls import canonical
from platform_e2e.gitops import yamledit
from platform_e2e.gitops.yaml_patches import Fragment, PatchOperation
from platform_e2e.layer.vendored import ChartWanted

_PARAMETER = re.compile(r"\{\{-?\s*\.?(?P<name>[\w.-]+)\s*-?\}\}")
"""A template of a single parameter: {{name}} or, with goTemplate, {{ .name }}."""

_REMOTE_GENERATORS = {
    "scmProvider": "lists repositories of a git host",
    "pullRequest": "lists pull requests of a git host",
}
"""Generators that need a service outside of the cluster."""


class Role(StrEnum):
    """The meaning of the reference."""

    SOURCE = "source"
    GENERATOR = "generator"
    ALLOWED = "allowed"
    HELM = "helm"
    OCI = "oci"
    UNSERVED = "unserved"


@dataclass(frozen=True)
class Place:
    """A reference to a repository in a file.

    Attributes:
        file: the path relative to the layer.
        line: the line, from 1.
        owner: kind and name of its object.
        where: the field, in the notation of `kubectl explain`.
        role: the meaning of the reference.
        url: the URL; for UNSERVED the reason.
        node: the scalar to change.
        revision: the targetRevision beside it, or empty.
        beside: further scalars to change, each with its new value: a template's revision stays.
        pinned: the scalar of the revision, where it is written beside it.
    """

    file: str
    line: int
    owner: str
    where: str
    role: Role
    url: str
    node: ScalarNode | None
    revision: str = ""
    beside: tuple[tuple[ScalarNode, str], ...] = ()
    pinned: ScalarNode | None = None

    def where_of(self, node: ScalarNode) -> str:
        """Return the field of one of its scalars."""
        above = self.where.removesuffix(".repoURL")
        if node is self.pinned:
            return f"{above}.{'revision' if self.role is Role.GENERATOR else 'targetRevision'}"
        return f"{above}.path" if any(node is each for each, _ in self.beside) else self.where

    def __str__(self) -> str:
        """Return the reference for errors and the commit's message."""
        return f"{self.owner}: {self.where} ({self.file}:{self.line})"


def matches(pattern: str, url: str) -> bool:
    """Tell whether a pattern of an AppProject's `sourceRepos` names the repository.

    A lone `*` allows every repository, including the served one, so it names none. In a longer pattern `*` ends at a slash
    and `**` does not, as in Argo CD. A leading `!`, which forbids, is ignored.
    """
    bare = pattern.removeprefix("!").strip()
    if bare in ("*", "**"):
        return False
    parts = re.split(r"(\*\*|\*|\?)", canonical(bare))
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(signs.get(part, re.escape(part)) for part in parts), canonical(url)) is not None


def find(fragment: Fragment) -> list[Place]:
    """Return every reference in a fragment, in no particular order."""
    file = fragment.file
    found = [place for root in fragment.roots for place in _document(file, root)]
    found += [place for operation in fragment.operations() for place in _operation(file, operation)]
    return [replace(place, line=place.line + fragment.offset) for place in found]


def _as_chart(source: Node | None, url: str) -> tuple[tuple[ScalarNode, str], ...]:
    """Return the changes by which an artifact of a registry becomes a chart of a repository: `path: .` becomes `chart: NAME`."""
    key = yamledit.key(source, "path")
    value = yamledit.get(source, "path")
    if key is None or not isinstance(value, ScalarNode):
        return ()
    return (key, "chart"), (value, ChartWanted.of_artifact(url, "").name)


def _document(file: str, root: Node) -> Iterator[Place]:
    if yamledit.scalar(yamledit.get(root, "kind")) == "List":
        for item in yamledit.items(yamledit.get(root, "items")):
            yield from _document(file, item)
        return
    if not (yamledit.scalar(yamledit.get(root, "apiVersion")) or "").startswith("argoproj.io/"):
        return
    kind = yamledit.scalar(yamledit.get(root, "kind")) or ""
    name = yamledit.scalar(yamledit.get(root, "metadata", "name")) or "without a name"
    spec = yamledit.get(root, "spec")
    found = _Object(file, f"{kind} {name}", _parameters(spec) if kind == "ApplicationSet" else {})
    if kind == "Application":
        yield from found.application("spec", spec)
    elif kind == "ApplicationSet":
        yield from found.applicationset(spec)
    elif kind == "AppProject":
        for index, node in enumerate(yamledit.items(yamledit.get(spec, "sourceRepos"))):
            # An empty pattern, which Argo CD takes, allows nothing.
            if yamledit.scalar(node) != "":
                yield found.text(f"spec.sourceRepos[{index}]", Role.ALLOWED, node)


def _operation(file: str, operation: PatchOperation) -> Iterator[Place]:
    """Return the references in one operation of a JSON patch: a `repoURL`, or a source that has one."""
    found = _Object(file, f"the patch of {operation.path}", {})
    values = yamledit.items(operation.value) or [operation.value]
    if operation.path.endswith("/repoURL"):
        yield found.text("value", Role.SOURCE, operation.value)
    elif re.search(r"/sourceRepos(/[0-9-]+)?$", operation.path):
        for node in values:
            yield found.text("value", Role.ALLOWED, node)
    elif re.search(r"/sources?(/[0-9-]+)?$", operation.path):
        for node in values:
            yield from found.source("value", node)


def _parameters(applicationset: Node | None) -> dict[str, list[ScalarNode]]:
    """Return the values in list generators, also nested ones, by the parameter's name."""
    generators = yamledit.get(applicationset, "generators")
    stated: dict[str, list[ScalarNode]] = {}
    for node in yamledit.nodes(generators) if generators else ():
        for element in yamledit.items(yamledit.get(node, "list", "elements")):
            for key, value in yamledit.entries(element):
                if isinstance(value, ScalarNode):
                    stated.setdefault(key, []).append(value)
    return stated


@dataclass(frozen=True)
class _Object:
    """The object that is searched for references."""

    file: str
    owner: str
    parameters: Mapping[str, list[ScalarNode]]

    def applicationset(self, spec: Node | None) -> Iterator[Place]:
        yield from self.application("spec.template.spec", yamledit.get(spec, "template", "spec"))
        for index, generator in enumerate(yamledit.items(yamledit.get(spec, "generators"))):
            yield from self.generator(f"spec.generators[{index}]", generator)
        patch = yamledit.get(spec, "templatePatch")
        if patch is not None and "repoURL" in (yamledit.scalar(patch) or ""):
            why = "a templatePatch that sets a repoURL cannot be followed; put the repoURL into the template"
            yield self.unserved("spec.templatePatch", patch, why)

    def generator(self, where: str, generator: Node) -> Iterator[Place]:
        for kind, body in yamledit.entries(generator):
            here = f"{where}.{kind}"
            if kind in _REMOTE_GENERATORS:
                why = f"the generator {kind} {_REMOTE_GENERATORS[kind]}, which a closed cluster cannot reach"
                yield self.unserved(here, body, why)
            if kind == "git":
                yield from self.repository(here, body, Role.GENERATOR, "revision")
            for index, nested in enumerate(yamledit.items(yamledit.get(body, "generators"))):
                yield from self.generator(f"{here}.generators[{index}]", nested)
            yield from self.application(f"{here}.template.spec", yamledit.get(body, "template", "spec"))

    def application(self, where: str, spec: Node | None) -> Iterator[Place]:
        hydrator = yamledit.get(spec, "sourceHydrator")
        if hydrator is not None:
            why = "a sourceHydrator pushes to the repository, which only the real one allows"
            yield self.unserved(f"{where}.sourceHydrator", hydrator, why)
        yield from self.source(f"{where}.source", yamledit.get(spec, "source"))
        for index, source in enumerate(yamledit.items(yamledit.get(spec, "sources"))):
            yield from self.source(f"{where}.sources[{index}]", source)

    def source(self, where: str, source: Node | None) -> Iterator[Place]:
        role, url = Role.SOURCE, yamledit.scalar(yamledit.get(source, "repoURL")) or ""
        if yamledit.scalar(yamledit.get(source, "chart")):
            role = Role.HELM
        elif url.startswith("oci://"):
            role = Role.OCI
        for place in self.repository(where, source, role, "targetRevision"):
            yield replace(place, beside=_as_chart(source, url)) if role is Role.OCI else place

    def repository(self, where: str, holder: Node | None, role: Role, revision_key: str) -> Iterator[Place]:
        """Return the reference of a `repoURL`; for a template, the list generators' values that it uses."""
        node = yamledit.get(holder, "repoURL")
        if node is None:
            return
        where, template = f"{where}.repoURL", yamledit.scalar(node) or ""
        stated = self.stated(template) if "{{" in template else [node]
        if not stated:
            yield self.unserved(where, node, f"{template} is not just one parameter that a list generator states")
        for value in stated:
            for revision in self.revisions(yamledit.get(holder, revision_key)):
                pinned = yamledit.get(holder, revision_key)
                text = "{{" not in (yamledit.scalar(pinned) or "")
                found = self.text(where, role, value, revision)
                yield replace(found, pinned=pinned) if isinstance(pinned, ScalarNode) and text else found

    def revisions(self, node: Node | None) -> list[str]:
        """Return the possible values of a revision; a template that cannot be resolved stays unchanged."""
        text = yamledit.scalar(node) or ""
        stated = self.stated(text) if "{{" in text else []
        return [yamledit.scalar(value) or "" for value in stated] or [text]

    def stated(self, template: str) -> Sequence[Node]:
        """Return the values of the parameter that a template consists of; empty for any other template."""
        match = _PARAMETER.fullmatch(template.strip())
        return self.parameters.get(match["name"], []) if match else []

    def text(self, where: str, role: Role, node: Node, revision: str = "") -> Place:
        url = yamledit.scalar(node)
        if isinstance(node, ScalarNode) and url:
            return Place(self.file, yamledit.line(node), self.owner, where, role, url, node, revision)
        return self.unserved(where, node, "it is not the text of a URL")

    def unserved(self, where: str, node: Node, why: str) -> Place:
        return Place(self.file, yamledit.line(node), self.owner, where, Role.UNSERVED, why, None)
