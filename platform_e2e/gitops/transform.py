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

from platform_e2e.addresses import AddressRange
from platform_e2e.git.urls import canonical
from platform_e2e.gitops import cluster_names, pool_remap, removals, repository_references, yaml_patches, yamledit
from platform_e2e.gitops.elsewhere import NOWHERE, Elsewhere
from platform_e2e.gitops.repository_references import Place, Role
from platform_e2e.gitops.served_references import ServedReferences, SourceError, ValueChange, refused_revision

BRANCH = "main"
"""The branch of the server's HEAD."""

_YAML = re.compile(r".*\.(?:ya?ml|json)|(?:.*/)?Kustomization")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")


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
    elsewhere: Elsewhere = NOWHERE,
    values: AbstractSet[str] = frozenset(),
    guest: bool = False,
    renamed: Mapping[str, str] | None = None,
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
        elsewhere: what is served besides the layer.
        values: files from which a chart or a generator may take the URL of a repository: in these each value that is one is changed.
        guest: whether the files are those of another repository, from which nothing is learnt about the layer's URL.
        renamed: servers and names of the cluster under test that Argo CD knows otherwise on it, with what it knows.
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
    read, templates = _read(files, moves, not_judged, values, renamed or {})
    places = [place for parts in read.values() for part in parts for place in repository_references.find(part)]
    judged = [place for place in places if place.file not in not_judged]
    # Those that are served besides it are none of the layer's.
    mine, every = ([each for each in some if canonical(each.url) not in elsewhere.urls] for some in (judged, places))
    own = "" if guest else _own_repository(mine, url, also_own) or _usual_repository(every, url, also_own)
    served = ServedReferences(url, tuple(name for name in (own, *also_own) if name), elsewhere)
    _refuse(judged, served)
    left = {id(place.node) for place in places if place.file in not_judged and not served.has(place)}
    for file, parts in read.items():
        edits: list[yamledit.Edit] = []
        for part in parts:
            wanted = served.wanted(part, left, values=file in values)
            wanted += [(move.owner, move.where, move.node, move.value) for move in pool_remap.find(part, moves)]
            wanted += [(move.owner, move.where, move.node, move.value)
                       for move in cluster_names.find(part, renamed or {})]  # fmt: skip
            edits += part.edits([(node, new) for _, _, node, new in wanted])
            changes += [ValueChange(file, part.line(node), owner, where, str(node.value), new)
                        for owner, where, node, new in wanted]  # fmt: skip
            for change, edit in (*served.further(part), *(served.texts(part) if file in values else ())):
                edits.append(edit)
                changes.append(change)
        if edits:
            text = yamledit.apply(parts[0].text, edits)
            changed[file] = text.encode("utf-8", errors="surrogateescape")
    for file in sorted(templates):
        text, found = served.template(file, files[file].decode("utf-8", errors="surrogateescape"))
        if found:
            changed[file] = text.encode("utf-8", errors="surrogateescape")
            changes += found
    unique = sorted(set(changes), key=lambda change: (change.file, change.line, change.where))
    kept = [place for place in places if id(place.node) not in left and served.is_own(place.url)]
    return Transformed(changed, tuple(unique), own, _branches(kept))


def _read(
    files: Mapping[str, bytes],
    moves: Mapping[AddressRange, AddressRange],
    not_judged: AbstractSet[str],
    values: AbstractSet[str],
    renamed: Mapping[str, str],
) -> tuple[dict[str, list[yaml_patches.Fragment]], set[str]]:
    """Return the files that can have something to change, read, and those of `values` that are no YAML: templates of charts."""
    read: dict[str, list[yaml_patches.Fragment]] = {}
    templates: set[str] = set()
    for file, content in sorted(files.items()):
        concerned = file in values or _concerned(content, moves) or cluster_names.concerned(content, renamed)
        if not _YAML.fullmatch(file) or not concerned:
            continue
        try:
            read[file] = yaml_patches.read(file, content.decode("utf-8", errors="surrogateescape"))
        except yamledit.UnreadableYaml:
            if file in values:
                templates.add(file)
            elif file not in not_judged:
                # What is not judged may also be the template of a chart.
                raise
    return read, templates


def with_changes(files: Mapping[str, bytes], *changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Return files with others in place of some, the later ones before the earlier; None stands for one that is not there."""
    every: dict[str, bytes | None] = dict(files)
    for each in changes:
        every |= each
    return {name: content for name, content in every.items() if content is not None}


def message(
    transformed: Transformed,
    added: Sequence[str] = (),
    without: Sequence[str] = (),
    redirected: Sequence[ValueChange] = (),
) -> str:
    """Return the message of the commit with the changes, one line for each.

    Args:
        transformed: the changes of values.
        added: files that are added, or hold other names of what is.
        without: files from which a foundation was taken out.
        redirected: changes by which Applications read what the team has rendered itself.
    """
    lines = [f"{file}: without the foundation that is installed by itself" for file in without]
    lines += [str(change) for change in (*redirected, *transformed.changes)]
    lines += [f"{name}: what would be fetched while it is rendered" for name in added]
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


def _refuse(places: Sequence[Place], served: ServedReferences) -> None:
    """Raise one error that names every source that cannot be served."""
    problems = []
    for place in places:
        if place.role is Role.UNSERVED:
            problems.append(f"{place}: {place.url}")
        elif place.role is Role.HELM and not served.has(place):
            problems.append(f"{place}: the Helm repository {place.url} is outside of the cluster")
        elif place.role is Role.OCI and not served.has(place):
            problems.append(f"{place}: the registry {place.url} is outside of the cluster")
        elif place.role in (Role.SOURCE, Role.GENERATOR) and not served.has(place):
            problems += refused_revision(place)
    if problems:
        listed = "\n".join(f"    {problem}" for problem in sorted(set(problems)))
        raise SourceError(
            f"the layer has sources that the git server inside the cluster cannot serve:\n{listed}",
            "what is served are path sources of the layer's own repository on a branch, and charts and other repositories that are "
            "fetched or given by --charts-dir and --repository URL=DIR",
        )


def _branches(places: Sequence[Place]) -> tuple[str, ...]:
    asked = {place.revision.removeprefix("refs/heads/") for place in places if place.node is not None}
    return tuple(sorted(asked - {"", "HEAD"}))
