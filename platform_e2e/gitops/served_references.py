"""What stands inside the cluster for each reference to a repository or chart, and the changes that make it so."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ruamel.yaml.nodes import ScalarNode

from platform_e2e.errors import WrongUsage
from platform_e2e.git.repository import COMMIT_OR_PREFIX
from platform_e2e.git.urls import canonical
from platform_e2e.gitops import repository_references, yaml_patches, yamledit
from platform_e2e.gitops.elsewhere import BRANCH_NAME, Elsewhere
from platform_e2e.gitops.repository_references import Place, Role
from platform_e2e.layer.vendored import ChartWanted

_LINE = re.compile(r"""\brepoURL:[ \t]*["']?(?P<url>[^\s"'{}#]+)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
"""A line of a template that names a repository."""

_WORDS = re.compile(r"(?:[a-z]+://|[\w.-]+@)[^\s\"',\[\]{}#]+")
"""URLs within a text."""


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


def refused_revision(place: Place) -> list[str]:
    """Return why the layer's own repository cannot be served at the revision that a reference names; nothing where it can."""
    revision = place.revision.removeprefix("refs/heads/")
    if revision in ("", "HEAD") or (BRANCH_NAME.fullmatch(revision) and not revision.startswith("refs/")):
        if COMMIT_OR_PREFIX.fullmatch(revision) and re.search(r"\d", revision):
            return [f"{place}: the revision {revision} is a commit; the working tree has another"]
        return []
    return [f"{place}: the revision {revision!r} is not the name of a branch"]


@dataclass(frozen=True)
class ServedReferences:
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
                return not refused_revision(place)
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
