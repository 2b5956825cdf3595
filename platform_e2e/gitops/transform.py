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
from platform_e2e.gitops import cluster_names, pool_remap, removals, repository_references, yaml_patches, yamledit
from platform_e2e.gitops.elsewhere import NOWHERE, Elsewhere
from platform_e2e.gitops.repository_references import Place, Role
from platform_e2e.layer.vendored import ChartWanted

BRANCH = "main"
"""The branch of the server's HEAD."""

_YAML = re.compile(r".*\.(?:ya?ml|json)|(?:.*/)?Kustomization")
_LINE = re.compile(r"""\brepoURL:[ \t]*["']?(?P<url>[^\s"'{}#]+)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
"""A line of a template that names a repository."""

_WORDS = re.compile(r"(?:[a-z]+://|[\w.-]+@)[^\s\"',\[\]{}#]+")
"""URLs within a text."""

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
    served = _Served(url, tuple(name for name in (own, *also_own) if name), elsewhere)
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


def _refuse(places: Sequence[Place], served: _Served) -> None:
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
            problems += _refuse_revision(place)
    if problems:
        listed = "\n".join(f"    {problem}" for problem in sorted(set(problems)))
        raise SourceError(
            f"the layer has sources that the git server inside the cluster cannot serve:\n{listed}",
            "what is served are path sources of the layer's own repository on a branch, and charts and other repositories that are "
            "fetched or given by --charts-dir and --repository URL=DIR",
        )


def _refuse_revision(place: Place) -> list[str]:
    revision = place.revision.removeprefix("refs/heads/")
    if revision in ("", "HEAD") or (_BRANCH.fullmatch(revision) and not revision.startswith("refs/")):
        if COMMIT_OR_PREFIX.fullmatch(revision) and re.search(r"\d", revision):
            return [f"{place}: the revision {revision} is a commit; the working tree has another"]
        return []
    return [f"{place}: the revision {revision!r} is not the name of a branch"]


@dataclass(frozen=True)
class _Served:
    """What stands for each reference inside the cluster.

    Attributes:
        url: of the layer.
        own: URLs of the layer's repository.
        elsewhere: what is served besides it.
    """

    url: str
    own: tuple[str, ...]
    elsewhere: Elsewhere

    def is_own(self, url: str) -> bool:
        """Tell whether a URL is that of the layer's repository, or the one that stands for it."""
        return canonical(url) in {canonical(name) for name in (*self.own, self.url)}

    def has(self, place: Place) -> bool:
        """Tell whether a reference can be served."""
        match place.role:
            case Role.ALLOWED:
                return True
            case Role.HELM:
                return self.elsewhere.chart_repository(place.url) is not None
            case Role.OCI:
                return self._artifact(place) is not None and bool(place.beside)
            case Role.SOURCE | Role.GENERATOR if self.is_own(place.url):
                return not _refuse_revision(place)
            case Role.SOURCE | Role.GENERATOR:
                return self.elsewhere.repository(place.url, place.revision) is not None
        return False

    def changes(self, place: Place) -> list[tuple[ScalarNode, str]]:
        """Return the scalars of a reference to change, with their new values."""
        if place.node is None:
            return []
        match place.role:
            case Role.ALLOWED:
                return [(place.node, self.allowed(place)[0])] if self.allowed(place) else []
            case Role.HELM:
                new = self.elsewhere.chart_repository(place.url)
                return [(place.node, new)] if new else []
            case Role.OCI:
                new = self._artifact(place)
                return [(place.node, new), *place.beside] if new else []
        other = None if self.is_own(place.url) else self.elsewhere.repository(place.url, place.revision)
        if other is None:
            return [(place.node, self.url)] if place.url != self.url else []
        pinned = [(place.pinned, other[1])] if place.pinned is not None and other[1] != place.revision else []
        return [(place.node, other[0]), *pinned]

    def wanted(
        self, part: yaml_patches.Fragment, left: AbstractSet[int], *, values: bool
    ) -> list[tuple[str, str, ScalarNode, str]]:
        """Return every value of a fragment to change: owner, field, scalar and new value.

        Args:
            part: the fragment.
            left: ids of the scalars of references that stay.
            values: whether each value that is the URL of a repository is changed.
        """
        places = [place for place in repository_references.find(part) if id(place.node) not in left]
        found = [
            (place.owner, place.where_of(node), node, new) for place in places for node, new in self.changes(place)
        ]
        known = {id(node) for _, _, node, _ in found}
        return found + [each for each in (self.values(part) if values else ()) if id(each[2]) not in known]

    def further(self, part: yaml_patches.Fragment) -> list[tuple[ValueChange, yamledit.Edit]]:
        """Return what is added to the repositories of a project, where one entry allows several that are served.

        Raises:
            SourceError: it cannot be written there.
        """
        found = []
        for place in repository_references.find(part):
            for more in self.allowed(place)[1:]:
                if place.node is None:
                    continue
                edit = yamledit.after(part.text, place.node, more) if part.host is None else None
                if edit is None:
                    raise SourceError(
                        f"{place}: {place.url} allows several repositories that are served here, which one entry cannot say",
                        "write sourceRepos as a list with an entry a line",
                    )
                change = ValueChange(place.file, part.line(place.node), place.owner, place.where, place.url, more)
                found.append((change, edit))
        return found

    def texts(self, part: yaml_patches.Fragment) -> list[tuple[ValueChange, yamledit.Edit]]:
        """Return what is changed within texts of several lines, such as the values of a chart that an Application has as a text."""
        found = []
        for node in (node for root in part.roots for node in yamledit.nodes(root)):
            text = yamledit.scalar(node) or ""
            if part.host is not None or not isinstance(node, ScalarNode) or "\n" not in text:
                continue
            words = {word: new for word in _WORDS.findall(text) if (new := self.instead(word))}
            if words:
                written, end = yamledit.raw(part.text, node), int(node.end_mark.index)
                new = _WORDS.sub(lambda match, words=words: words.get(match[0], match[0]), written)  # type: ignore[misc]
                edit = yamledit.Edit(end - len(written), end, new)
                line = part.line(node)
                found += [(ValueChange(part.file, line, "the values", "a repository's URL", word, new), edit)
                          for word, new in words.items()]  # fmt: skip
        return found

    def instead(self, url: str) -> str | None:
        """Return what stands for a URL, None where nothing does or it stands there already."""
        new = self.url if self.is_own(url) else self.elsewhere.replaced(url)
        return new if new != url else None

    def template(self, file: str, text: str) -> tuple[str, list[ValueChange]]:
        """Return a chart's template with what stands for each repository that a line of it names, and the changes."""
        changes: list[ValueChange] = []

        def line(match: re.Match[str]) -> str:
            new = self.instead(match["url"])
            if not new:
                return match[0]
            number = text.count("\n", 0, match.start("url")) + 1
            changes.append(ValueChange(file, number, "the template", "repoURL", match["url"], new))
            return match[0].replace(match["url"], new)

        return _LINE.sub(line, text), changes

    def allowed(self, place: Place) -> list[str]:
        """Return the entries of a project that stand for one which allows or forbids repositories."""
        if place.role is not Role.ALLOWED:
            return []
        forbids = "!" if place.url.startswith("!") else ""
        names = [self.url] if any(repository_references.matches(place.url, name) for name in self.own) else []
        names += [new for name, new in self.elsewhere.urls.items() if repository_references.matches(place.url, name)]
        charts = (self.elsewhere.chart_repository(name) for name in self.elsewhere.charts
                  if repository_references.matches(place.url, name))  # fmt: skip
        names += [new for new in charts if new]
        return [f"{forbids}{name}" for name in dict.fromkeys(names)]

    def values(self, part: yaml_patches.Fragment) -> list[tuple[str, str, ScalarNode, str]]:
        """Return every value of a file that is the URL of a repository, and that of what stands for it: owner, field, scalar, URL."""
        found = []
        for root in part.roots:
            for node in yamledit.nodes(root):
                text = yamledit.scalar(node) or ""
                if not isinstance(node, ScalarNode) or not ("://" in text or "@" in text) or "\n" in text:
                    continue
                new = self.instead(text)
                if new:
                    found.append(("the values", "a repository's URL", node, new))
        return found

    def _artifact(self, place: Place) -> str | None:
        return self.elsewhere.chart_repository(ChartWanted.of_artifact(place.url, place.revision).repository)


def _branches(places: Sequence[Place]) -> tuple[str, ...]:
    asked = {place.revision.removeprefix("refs/heads/") for place in places if place.node is not None}
    return tuple(sorted(asked - {"", "HEAD"}))
