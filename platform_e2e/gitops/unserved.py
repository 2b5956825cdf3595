"""Which Applications would read another place than the cluster's own: told before there is a cluster.

What a chart renders is known only once it is rendered: so each Application that renders Applications is rendered again as it will be
served, and what it renders may name nothing that is not served.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platform_e2e.git.urls import canonical
from platform_e2e.gitops import argocd, server, values_files
from platform_e2e.gitops.bare_repository import files_of
from platform_e2e.gitops.elsewhere import HEAD, Elsewhere, branch_of
from platform_e2e.gitops.serving import Serving
from platform_e2e.gitops.transform import transform
from platform_e2e.layer import Layer, yamlfile
from platform_e2e.layer.renderer import Chart, Material, Renderer, Repository


@dataclass(frozen=True)
class Unserved:
    """An Application that would read what is not in the cluster.

    Attributes:
        object: named as findings do.
        by: the Application that renders it, named likewise.
        url: that it would read.
    """

    object: str
    by: str
    url: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        return (
            f"{self.object}, which {self.by} renders, reads {self.url} also inside the cluster: put the URL into values.yaml, a values"
            " file or a line `repoURL: URL` of a template, where it can be replaced"
        )


def unserved(layer: Layer, renderer: Renderer) -> tuple[Unserved, ...]:
    """Return the Applications that charts of the layer render with a URL that is not served.

    Args:
        layer: as it was read.
        renderer: that rendered it.

    Raises:
        SourceError: the layer reads a source that cannot be served.
    """
    makers = values_files.charts(layer)
    if not makers or not layer.material.repositories:
        return ()
    serving = Serving.of(layer)
    plain = {name: file.content for name, file in files_of(layer.directory).items() if file.mode != "120000"}
    elsewhere, files = serving.elsewhere, serving.applied(plain, server.URL).files
    served = _served(layer.material, elsewhere, files)
    asked = [_as_served(each.manifest, layer, elsewhere) for each in makers]
    found = []
    with renderer(served) as render:
        for maker, rendering in zip(makers, render(asked), strict=True):
            for source in rendering.sources:
                found += [Unserved(name, str(maker), url) for name, url in _reads(source.objects) if not _is_ours(url)]
    return tuple(dict.fromkeys(found))


def _served(material: Material, elsewhere: Elsewhere, files: Mapping[str, bytes | None]) -> Material:
    own, *others = material.repositories
    named = {server.URL, *own.urls}
    repositories = [Repository(own.directory, tuple(named), (), files)]
    for each in others:
        urls = tuple(url for name, url in elsewhere.urls.items() if name in map(canonical, each.urls))
        branches = {branch_of(revision, each) for revision in each.revisions or ("HEAD",)}
        revisions = (*branches, "HEAD") if HEAD in branches else tuple(branches)
        repositories.append(replace(each, urls=(*each.urls, *urls), revisions=(*each.revisions, *revisions)))
    charts = [
        Chart(new, chart.name, chart.version, chart.archive)
        for url, several in elsewhere.charts.items()
        if (new := elsewhere.chart_repository(url))
        for chart in several
    ]
    return replace(material, repositories=tuple(repositories), charts=(*material.charts, *charts))


def _as_served(manifest: Mapping[str, Any], layer: Layer, elsewhere: Elsewhere) -> dict[str, Any]:
    file = "application.yaml"
    text = yamlfile.as_json(manifest)
    new = transform({file: text.encode()}, url=server.URL, also_own=layer.urls, elsewhere=elsewhere, values={file})
    served: dict[str, Any] = json.loads(new.files.get(file, text.encode()))
    return served


def _reads(objects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield each Application that is rendered, with each URL that it reads."""
    for each in objects:
        if f"{each.get('apiVersion')}/{each.get('kind')}" != argocd.APPLICATION:
            continue
        spec, metadata = each.get("spec") or {}, each.get("metadata") or {}
        name = f"application/{metadata.get('name')} -n {metadata.get('namespace') or argocd.NAMESPACE}"
        for source in spec.get("sources") or [spec.get("source") or {}]:
            if isinstance(source, dict) and source.get("repoURL"):
                yield name, str(source["repoURL"])


def _is_ours(url: str) -> bool:
    return url == server.URL or url.startswith((server.BASE, server.CHARTS_URL))
