"""What of a store a layer needs that has no lock file, since it is read where nothing may be written."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from platform_e2e import layer
from platform_e2e.layer import LayerError, LayerErrors, Material, Renderer, place, vendored
from platform_e2e.layer.vendored import ChartWanted
from platform_e2e.sources import given
from platform_e2e.sources.lockfile import LockFile
from platform_e2e.sources.store import Store
from platform_e2e.sources.wants import Asked, RepositoryWanted, Wanted, satisfied

ROUNDS = 8
"""How often a layer is read: what a repository has may need another one."""


def needed(directory: Path, roots: Sequence[str], renderer: Renderer, store: Store) -> Material:
    """Return what of a store a layer needs.

    Args:
        directory: of the layer.
        roots: what is applied by hand; found by default.
        renderer: of Applications.
        store: with charts, repositories and files.
    """
    charts, repositories, files = store.charts(), store.repositories(), store.files()
    locked = LockFile(
        charts=tuple(each for each, _ in charts),
        repositories=tuple(each for each, _ in repositories),
        files=tuple(each for each, _ in files),
    )
    every, chosen = given.of(store, locked), Material(())
    for _ in range(ROUNDS if every != chosen else 0):
        asked = Asked(place.place(directory, roots).owns)
        with contextlib.suppress(LayerError, LayerErrors):
            layer.load(directory, asked.around(renderer), roots=roots, material=chosen)
        more = [each for each in asked.by if not satisfied(each, chosen) and satisfied(each, every)]
        if not more:
            break
        for each in more:
            chosen = _with(chosen, each, every)
    return chosen


def _with(chosen: Material, wanted: Wanted, every: Material) -> Material:
    match wanted:
        case ChartWanted():
            chart = vendored.find(every, wanted)
            return replace(chosen, charts=(*chosen.charts, chart)) if chart and chart not in chosen.charts else chosen
        case RepositoryWanted(url, revision):
            found = vendored.repository(every, url, revision)
            known = found is None or found in chosen.repositories
            return chosen if found is None or known else replace(chosen, repositories=(*chosen.repositories, found))
    return replace(chosen, files={**chosen.files, wanted.url: every.files[wanted.url]})
