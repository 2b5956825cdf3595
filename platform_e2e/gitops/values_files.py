"""The files from which charts and generators take the URL of a repository: values of charts that render Applications, and the like.

In these each value that is one of the served URLs is changed; in the values of any other chart it may be anything, such as a link.
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from platform_e2e.git.urls import canonical
from platform_e2e.gitops import argocd
from platform_e2e.layer import Application, Layer
from platform_e2e.layer.survey import CHART

_KINDS = (argocd.APPLICATION, argocd.APPLICATIONSET, argocd.APPPROJECT)


def makers(layer: Layer) -> tuple[Application, ...]:
    """Return the Applications that render Applications."""
    names = {rendered.application for rendered in layer.rendered if rendered.api in _KINDS}
    return tuple(application for application in layer.applications if application.name in names) if names else ()


def charts(layer: Layer) -> tuple[Application, ...]:
    """Return the Applications that render Applications by a chart: from what these take their URLs is known only then."""
    return tuple(
        each
        for each in makers(layer)
        if any(source.chart or (layer.directory / source.path / CHART).is_file() for source in each.sources)
    )


def of(layer: Layer) -> frozenset[str]:
    """Return the files, relative to the layer, in which values are changed."""
    own = {canonical(url) for url in layer.urls}
    files = {path.relative_to(layer.directory).as_posix() for path in layer.files if not path.is_symlink()}
    found: set[str] = set()
    for application in makers(layer):
        spec = application.manifest["spec"]
        sources = spec.get("sources") or [spec.get("source") or {}]
        lent = {f"${each.get('ref')}" for each in sources if each.get("ref") and canonical(each["repoURL"]) in own}
        for source in sources:
            named = set(_values(source, lent))
            helm = source.get("helm") or {}
            if any(helm.get(name) for name in ("values", "valuesObject", "parameters")):
                found.add(_relative(layer, application.file))
            path = source.get("path")
            if path and canonical(source["repoURL"]) in own and posixpath.normpath(f"{path}/{CHART}") in files:
                top = "" if posixpath.normpath(path) == "." else f"{posixpath.normpath(path)}/"
                found |= {f"{top}values.yaml"} | named
                found |= {name for name in files if name.startswith(f"{top}templates/")}
            elif not path:
                # A chart of a repository, with values of this one.
                found |= named
    patterns = [pattern for each in layer.applicationsets for pattern in _patterns(each.manifest, own)]
    found |= {name for name in files if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)}
    return frozenset(name for name in found if name in files)


def _relative(layer: Layer, file: str) -> str:
    try:
        return layer.relative(file)
    except ValueError:
        return file


def _values(source: Mapping[str, Any], lent: set[str]) -> Iterator[str]:
    """Yield the values files of a source that are in the layer's repository."""
    for each in (source.get("helm") or {}).get("valueFiles") or ():
        start, _, rest = str(each).partition("/")
        if start in lent:
            yield posixpath.normpath(rest)
        elif str(each).startswith("/"):
            yield posixpath.normpath(str(each).lstrip("/"))
        else:
            yield posixpath.normpath(f"{source.get('path') or '.'}/{each}")


def _patterns(manifest: Mapping[str, Any], own: set[str]) -> Iterator[str]:
    """Yield the patterns of files that the Git generators of an ApplicationSet read in the layer's repository."""
    waiting: list[Any] = [manifest.get("spec")]
    while waiting:
        each = waiting.pop()
        for generator in each.get("generators") or () if isinstance(each, dict) else ():
            git = generator.get("git") if isinstance(generator, dict) else None
            if isinstance(git, dict) and canonical(str(git.get("repoURL"))) in own:
                yield from (str(file.get("path")) for file in git.get("files") or () if isinstance(file, dict))
            waiting += generator.values() if isinstance(generator, dict) else ()
