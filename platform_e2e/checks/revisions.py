"""Every revision that an Application reads is one of the team's repository: what a test serves has all of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.git import repository, urls
from platform_e2e.git.repository import COMMIT_OR_PREFIX, Repository
from platform_e2e.layer import EXEMPT, Layer

RANGE = re.compile(r"[\^~<>=*, |]|(?:^|\.)[xX](?:\.|$)")
"""A semantic version's range, for which Argo CD takes the newest tag in it; a branch cannot be called so."""

VERSION = re.compile(r"v?\d+(?:\.\d+){0,2}(?:[-+].*)?")


@dataclass(frozen=True)
class References:
    """What a checkout knows of its repository.

    Attributes:
        branches: local ones, and those of remotes by their own names.
        tags: by name.
        commits: those of the wanted ones that are there, as they are written.
        trouble: why a revision that is not among these may still exist; empty where it cannot.
    """

    branches: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    commits: frozenset[str] = frozenset()
    trouble: str = ""

    def has(self, revision: str) -> bool:
        """Tell whether the repository has a revision, by any name that Argo CD resolves."""
        name = re.sub(r"^(?:refs/)?(?:heads|tags|remotes/origin)/", "", revision)
        if revision == "HEAD" or name in self.branches | self.tags | self.commits:
            return True
        return bool(RANGE.search(revision)) and any(VERSION.fullmatch(tag) for tag in self.tags)


def references(directory: Path, layer: Layer) -> References:
    """Return what a checkout knows of its repository's branches and tags, and of the commits that a layer names.

    Args:
        directory: the layer's, or any other within the checkout.
        layer: whose revisions are looked for.
    """
    with repository.opened(directory) as found:
        if found is None:
            return References(trouble="the layer is in no checkout of Git")
        names = found.references()
        trouble = _trouble(found, names)
        if trouble or names is None:
            return References(trouble=trouble)
        wanted = {revision for _, _, revision in _named(layer) if COMMIT_OR_PREFIX.fullmatch(revision)}
        commits = frozenset(
            commit for commit in wanted if not found.git("cat-file", "-e", f"{commit}^{{commit}}").returncode
        )
        split = [name.removeprefix("refs/").partition("/") for name in names]
        branches = {name for kind, _, name in split if kind == "heads"}
        branches |= {name.partition("/")[2] for kind, _, name in split if kind == "remotes"}
        return References(frozenset(branches), frozenset(name for kind, _, name in split if kind == "tags"), commits)


def _trouble(found: Repository, names: frozenset[str] | None) -> str:
    """Return why a revision that a checkout does not know may still be in its repository."""
    if names is None:
        return "the checkout keeps its branches and tags in tables, which are not read"
    if found.shallow:
        return "the checkout is shallow"
    fetched = [value for name, value in found.stated if name.startswith("remote.") and name.endswith(".fetch")]
    options = [value for name, value in found.stated if name.startswith("remote.") and name.endswith(".tagopt")]
    if found.urls and (not any("refs/heads/*:" in each for each in fetched) or "--no-tags" in options):
        return "the checkout has not all branches and tags"
    return ""


def check(layer: Layer, known: References) -> tuple[list[Finding], str]:
    """Return a finding for each revision that is not there, and why nothing could be judged where that is so.

    Args:
        layer: the layer.
        known: of its repository.
    """
    named = {revision: None for _, _, revision in _named(layer) if revision != "HEAD"}
    if known.trouble:
        return [], known.trouble
    there = {revision for revision in named if known.has(revision)}
    if named and not there:
        return [], f"the checkout has none of the revisions {', '.join(named)}: it is another repository's"
    found = [
        _finding(subject, place, revision, known)
        for subject, place, revision in _named(layer)
        if revision != "HEAD" and revision not in there
    ]
    return found, ""


def _named(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield each Application and ApplicationSet with file and line of each revision of the layer that it reads, and the revision."""
    # What was read of another repository was there.
    others = {urls.canonical(url) for each in layer.material.repositories[1:] for url in each.urls}
    for app in layer.applications:
        if not app.exempt(Promise.APPLICATIONS):
            several = bool((app.manifest.get("spec") or {}).get("sources"))
            places: dict[str, str] = {}
            for index, source in enumerate(app.sources):
                if (
                    source.chart
                    or source.repository.startswith("oci://")
                    or urls.canonical(source.repository) in others
                ):
                    continue
                where = ("sources", index) if several else ("source",)
                places.setdefault(source.revision, app.place("spec", *where, "targetRevision"))
            for revision, place in places.items():
                yield str(app), place, revision
    for owner in layer.applicationsets:
        if not owner.annotations.get(EXEMPT + Promise.APPLICATIONS):
            generators = (owner.manifest.get("spec") or {}).get("generators")
            found: dict[str, tuple[str | int, ...]] = {}
            for written, keys in _of_generators(generators, ("spec", "generators"), others):
                found.setdefault(written, keys)
            for written, keys in found.items():
                yield str(owner), owner.place(*keys), written


def _of_generators(
    value: Any, above: tuple[str | int, ...], others: AbstractSet[str]
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Yield each revision that generators read, with the keys of its field."""
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for name, inside in items:
        if name == "git" and isinstance(inside, dict):
            if urls.canonical(str(inside.get("repoURL"))) in others:
                continue
            yield str(inside.get("revision") or "HEAD"), (*above, name, "revision")
        else:
            yield from _of_generators(inside, (*above, name), others)


def _finding(subject: str, place: str, revision: str, known: References) -> Finding:
    near = difflib.get_close_matches(revision, known.branches | known.tags, n=1, cutoff=0.6)
    hint = f"; the nearest is {near[0]}" if near else ""
    cause = Cause(
        "application-revision-missing",
        f"{subject} reads revision {revision}, which is no branch, tag or commit of the layer's repository{hint}",
        f"correct the revision in {place}, or push it",
    )
    return Finding(subject, Promise.APPLICATIONS, "its revision exists", f"there is no {revision}", cause)
