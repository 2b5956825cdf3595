"""The changes by which a layer runs in its own cluster: the repository that is read, the addresses that are used, what is left out.

Pure functions from files to files. Only values change, and documents go; comments, order, quotes and indentation stay, so that the
commit with the changes shows nothing else. `sources` and `pool_remap` list the fields that are searched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType

from ruamel.yaml.nodes import ScalarNode

from platform_e2e.addresses import AddressRange
from platform_e2e.errors import WrongUsage
from platform_e2e.git.repository import COMMIT_OR_PREFIX
from platform_e2e.git.urls import canonical
from platform_e2e.gitops import pool_remap, removals, repository_references, yaml_patches, yamledit
from platform_e2e.gitops.repository_references import Place, Role

BRANCH = "main"
"""The branch of the server's HEAD."""

_YAML = re.compile(r".*\.(?:ya?ml|json)|(?:.*/)?Kustomization")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_BRANCH = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{))[A-Za-z0-9._/@+-]+(?<![./])")
"""Names that git accepts for a branch, without the characters of Argo CD's version ranges."""


class SourceError(WrongUsage):
    """The layer reads a source that a closed cluster cannot serve."""


@dataclass(frozen=True)
class ValueChange:
    """One value that was changed.

    Attributes:
        file: the path relative to the layer.
        line: the line of the value, from 1.
        owner: kind and name of the object.
        where: the field.
        before: the value in the working tree.
        after: the served value.
    """

    file: str
    line: int
    owner: str
    where: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return the change as one line of the commit's message."""
        return f"{self.file}:{self.line}: {self.owner}, {self.where}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class Transformed:
    """The result.

    Attributes:
        files: the changed files, with their new content.
        changes: every changed value, in the order of files and lines.
        repository: the layer's own repoURL, empty if it has none.
        branches: branch names in the layer's sources, besides HEAD.
    """

    files: dict[str, bytes]
    changes: tuple[ValueChange, ...]
    repository: str
    branches: tuple[str, ...]


def transform(
    files: Mapping[str, bytes],
    *,
    url: str,
    pool_map: Mapping[str, str] | None = None,
    also_own: Sequence[str] = (),
    not_judged: AbstractSet[str] = frozenset(),
    left_out: Mapping[str, AbstractSet[removals.Document]] = MappingProxyType({}),
) -> Transformed:
    """Return the layer's files with the changes for its own cluster.

    Args:
        files: path relative to the layer, with `/`, to content.
        url: the URL of the git server inside the cluster.
        pool_map: ClusterFacts.pool_map; empty if the layer's ranges were free.
        also_own: further repoURLs that refer to this layer.
        not_judged: files with an object that is not judged: what cannot be served there stays as it is, and is not refused, since
            the verdict names the object.
        left_out: by file the objects that are not served.

    Raises:
        SourceError: a source cannot be served; names every such source with its Application and file.
        UnreadableYaml: a file that mentions a repository or a moved address is not YAML.
    """
    moves = pool_remap.ranges(pool_map or {})
    changed: dict[str, bytes] = {}
    changes: list[ValueChange] = []
    for file, documents in left_out.items():
        changed[file], told = removals.remove(file, files[file], documents)
        changes += [ValueChange(file, line, owner, "the object", "served", "left out") for line, owner in told]
    files = {**files, **changed}
    read: dict[str, list[yaml_patches.Fragment]] = {}
    for file, content in sorted(files.items()):
        if not _YAML.fullmatch(file) or not _concerned(content, moves):
            continue
        try:
            read[file] = yaml_patches.read(file, content.decode("utf-8", errors="surrogateescape"))
        except yamledit.UnreadableYaml:
            # Such as the template of a chart.
            if file not in not_judged:
                raise
    places = [place for parts in read.values() for part in parts for place in repository_references.find(part)]
    judged = [place for place in places if place.file not in not_judged]
    own = _own_repository(judged, url, also_own) or _usual_repository(places, url, also_own)
    _refuse(judged)
    left = {id(place.node) for place in places if place.file in not_judged and not _is_own(place, own, url, also_own)}
    for file, parts in read.items():
        edits: list[yamledit.Edit] = []
        for part in parts:
            wanted = [(place.owner, place.where, node, new) for place in repository_references.find(part)
                      for node, new in _served(place, own, url, also_own) if id(node) not in left]  # fmt: skip
            wanted += [(move.owner, move.where, move.node, move.value) for move in pool_remap.find(part, moves)]
            edits += part.edits([(node, new) for _, _, node, new in wanted])
            changes += [ValueChange(file, part.line(node), owner, where, str(node.value), new)
                        for owner, where, node, new in wanted]  # fmt: skip
        if edits:
            text = yamledit.apply(parts[0].text, edits)
            changed[file] = text.encode("utf-8", errors="surrogateescape")
    unique = sorted(set(changes), key=lambda change: (change.file, change.line, change.where))
    return Transformed(
        changed, tuple(unique), own, _branches([place for place in places if id(place.node) not in left])
    )


def message(transformed: Transformed) -> str:
    """Return the message of the commit with the changes, one line for each."""
    lines = [str(change) for change in transformed.changes]
    return "\n".join(["Serve the layer inside the cluster", "", *(lines or ["Nothing had to be changed."]), ""])


def _concerned(content: bytes, moves: Mapping[AddressRange, AddressRange]) -> bool:
    """Tell whether a file must be parsed: most have neither repositories nor addresses."""
    if b"argoproj.io/" in content or b"repoURL" in content or b"sourceRepos" in content:
        return True
    return bool(moves) and _ADDRESS.search(content.decode("latin-1")) is not None


def _own_repository(places: Sequence[Place], url: str, also_own: Sequence[str]) -> str:
    """Return the single repository of all sources with a path, as the layer writes it most often."""
    asked = Counter(place.url for place in places if place.role in (Role.SOURCE, Role.GENERATOR))
    mapped = {canonical(other) for other in (*also_own, url)}
    foreign = {canonical(found): found for found in asked if canonical(found) not in mapped}
    if len(foreign) <= 1:
        return _usual_repository(places, url, also_own)
    named = "\n".join(
        f"    {found}: {next(place for place in places if place.url == found)}" for found in sorted(foreign.values())
    )
    raise SourceError(
        f"the layer's sources read {len(foreign)} repositories, but only the layer itself can be served:\n{named}",
        "keep what they read in the layer, or say which of them are the layer under another name",
    )


def _usual_repository(places: Sequence[Place], url: str, also_own: Sequence[str]) -> str:
    """Return the repository that sources with a path name most often, one that is not mapped before one that is."""
    asked = Counter(place.url for place in places if place.role in (Role.SOURCE, Role.GENERATOR))
    mapped = {canonical(other) for other in (*also_own, url)}
    return max(asked, key=lambda found: (canonical(found) not in mapped, asked[found]), default="")


def _is_own(place: Place, own: str, url: str, also_own: Sequence[str]) -> bool:
    """Tell whether a reference beside an object that is not judged can be served: it is to the layer itself, on a branch."""
    if place.role is Role.ALLOWED:
        return True
    ours = {canonical(name) for name in (own, url, *also_own) if name}
    known = place.role in (Role.SOURCE, Role.GENERATOR) and canonical(place.url) in ours
    return known and not _refuse_revision(place)


def _refuse(places: Sequence[Place]) -> None:
    """Raise one error that names every source that cannot be served."""
    problems = []
    for place in places:
        if place.role is Role.UNSERVED:
            problems.append(f"{place}: {place.url}")
        elif place.role is Role.HELM:
            problems.append(f"{place}: the Helm repository {place.url} is outside of the cluster")
        elif place.role is Role.OCI:
            problems.append(f"{place}: the registry {place.url} is outside of the cluster")
        elif place.role in (Role.SOURCE, Role.GENERATOR):
            problems += _refuse_revision(place)
    if problems:
        listed = "\n".join(f"    {problem}" for problem in sorted(set(problems)))
        raise SourceError(
            f"the layer has sources that the git server inside the cluster cannot serve:\n{listed}",
            "only path sources of the layer's own repository on a branch can be served; "
            "install charts as foundations, or keep them in the layer",
        )


def _refuse_revision(place: Place) -> list[str]:
    revision = place.revision.removeprefix("refs/heads/")
    if revision in ("", "HEAD") or (_BRANCH.fullmatch(revision) and not revision.startswith("refs/")):
        if COMMIT_OR_PREFIX.fullmatch(revision) and re.search(r"\d", revision):
            return [f"{place}: the revision {revision} is a commit; the working tree has another"]
        return []
    return [f"{place}: the revision {revision!r} is not the name of a branch"]


def _served(place: Place, own: str, url: str, also_own: Sequence[str]) -> list[tuple[ScalarNode, str]]:
    """Return the scalars of a reference to change, with their new values."""
    if place.node is None:
        return []
    if place.role is Role.ALLOWED:
        if any(repository_references.matches(place.url, name) for name in (own, *also_own) if name):
            forbids = "!" if place.url.startswith("!") else ""
            return [(place.node, forbids + url)]
        return []
    return [(place.node, url)] if place.url != url else []


def _branches(places: Sequence[Place]) -> tuple[str, ...]:
    asked = {place.revision.removeprefix("refs/heads/") for place in places if place.node is not None}
    return tuple(sorted(asked - {"", "HEAD"}))
