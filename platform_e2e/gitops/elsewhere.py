"""What a cluster has of charts and of other repositories than the layer's: where they are served, and what is served there.

A repository is served beside the layer's, under its host and path, so that a pattern of a project can be written for it; each revision
is a branch. Charts are files of one more repository, which a small server beside the Git server gives as static chart repositories.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from platform_e2e.git.repository import COMMIT_OR_PREFIX
from platform_e2e.git.urls import canonical, without_credentials
from platform_e2e.gitops import server
from platform_e2e.layer import Layer, vendored
from platform_e2e.layer.renderer import Chart, Repository
from platform_e2e.layer.vendored import ChartWanted

HEAD = "platform-e2e-head"
"""The branch of HEAD of each of the other repositories: what they call theirs need not be served."""

BRANCH_NAME = re.compile(r"(?!-)(?!.*(?:\.\.|//|@\{))[A-Za-z0-9._/@+-]+(?<![./])")
"""Names that git accepts for a branch, without the characters of Argo CD's version ranges."""


@dataclass(frozen=True)
class Elsewhere:
    """What is served besides the layer.

    Attributes:
        repositories: by their common form of URL and the revision: the directory, with what is added to it.
        charts: of each chart repository, by its URL without a scheme.
    """

    repositories: Mapping[tuple[str, str], Repository] = field(default_factory=dict)
    charts: Mapping[str, Sequence[Chart]] = field(default_factory=dict)

    @classmethod
    def of(cls, layer: Layer) -> Elsewhere:
        """Return what the Applications and ApplicationSets of a layer read, of what it was rendered from."""
        own = {canonical(url) for url in layer.urls}
        repositories: dict[tuple[str, str], Repository] = {}
        charts: dict[str, list[Chart]] = {}
        wanted = [
            (source.repository, source.revision, source.chart)
            for application in layer.applications
            for source in application.sources
        ]
        wanted += [(url, revision, "") for each in layer.applicationsets for url, revision in generated(each.manifest)]
        for url, revision, chart in wanted:
            if chart or url.startswith("oci://"):
                named = (
                    ChartWanted(without_credentials(url), chart, revision)
                    if chart
                    else ChartWanted.of_artifact(url, revision)
                )
                found = vendored.find(layer.material, named)
                known = charts.setdefault(bare(named.repository), [])
                if found is not None and found not in known:
                    known.append(found)
            elif canonical(url) not in own:
                repository = vendored.repository(layer.material, without_credentials(url), revision)
                if repository is not None:
                    repositories[canonical(url), revision or "HEAD"] = repository
        return cls(repositories, {url: each for url, each in charts.items() if each})

    @cached_property
    def urls(self) -> dict[str, str]:
        """Return where each other repository is served, by its common form of URL."""
        return {name: f"{server.BASE}{path_of(name)}" for name, _ in self.repositories}

    def repository(self, url: str, revision: str) -> tuple[str, str] | None:
        """Return URL and revision under which a repository is served, None where it is not.

        Args:
            url: as it is written.
            revision: as it is written; empty for HEAD; a template that cannot be resolved stays as it is.
        """
        name = canonical(url)
        if name not in self.urls:
            return None
        if "{{" in revision:
            return self.urls[name], revision
        if (name, revision or "HEAD") not in self.repositories:
            return None
        branch = branch_of(revision, self.repositories[name, revision or "HEAD"])
        return self.urls[name], revision if branch == HEAD and revision in {"", "HEAD"} else branch

    def chart_repository(self, url: str) -> str | None:
        """Return the URL at which the charts of a chart repository are served, None where they are not."""
        return f"{server.CHARTS_URL}{path_of(bare(url))}" if bare(url) in self.charts else None

    def replaced(self, url: str) -> str | None:
        """Return the URL that stands for one of either kind, None where it is not served."""
        return self.urls.get(canonical(url)) or self.chart_repository(url)

    def files_of_charts(self) -> dict[str, bytes]:
        """Return the static chart repositories: an index and archives for each, by path."""
        found: dict[str, bytes] = {}
        for url, charts in self.charts.items():
            entries: dict[str, list[dict[str, Any]]] = {}
            for chart in charts:
                name = f"{chart.name}-{chart.version}.tgz"
                found[f"{path_of(url)}/{name}"] = chart.archive.read_bytes()
                entry = {"apiVersion": "v2", "name": chart.name, "version": chart.version, "urls": [name]}
                entries.setdefault(chart.name, []).append(entry)
            found[f"{path_of(url)}/index.yaml"] = yaml.safe_dump({"apiVersion": "v1", "entries": entries}).encode()
        return found


NOWHERE = Elsewhere()
"""Nothing is served besides the layer."""


def branch_of(revision: str, repository: Repository) -> str:
    """Return the branch that serves a revision."""
    if revision in {"", "HEAD"} or not repository.revisions:
        return HEAD
    plain = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if BRANCH_NAME.fullmatch(plain) and not plain.startswith("refs/") and not COMMIT_OR_PREFIX.fullmatch(plain):
        return plain
    return f"at-{re.sub(r'[^A-Za-z0-9]+', '-', revision).strip('-')[:80]}"


def bare(url: str) -> str:
    """Return the common form of all spellings of a chart repository's URL: without a scheme, in lower case."""
    return without_credentials(url).lower().partition("://")[2].rstrip("/") or url.lower().rstrip("/")


def path_of(name: str) -> str:
    """Return a common form of a URL as a path."""
    parts = (re.sub(r"[^a-z0-9._-]+", "-", part).lstrip(".-") or "-" for part in name.split("/"))
    return "/".join(parts)


def generated(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return URL and revision of each Git generator of an ApplicationSet, nested ones included."""
    waiting: list[Any] = [manifest.get("spec")]
    found = []
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict):
            continue
        for generator in each.get("generators") or ():
            git = generator.get("git") if isinstance(generator, dict) else None
            if isinstance(git, dict) and isinstance(git.get("repoURL"), str):
                found.append((git["repoURL"], str(git.get("revision") or "HEAD")))
            waiting += generator.values() if isinstance(generator, dict) else ()
    return found
