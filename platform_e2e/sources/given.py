"""What a layer is rendered from besides itself: what the store has of its lock file, and what is given by option."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.git.urls import canonical
from platform_e2e.layer import vendored
from platform_e2e.layer.renderer import Chart, Material, Repository
from platform_e2e.layer.survey import CHART
from platform_e2e.settings import Settings
from platform_e2e.sources import lockfile
from platform_e2e.sources.lockfile import LockedChart, LockedFile, LockedRepository, LockFile
from platform_e2e.sources.store import Store, digest_of
from platform_e2e.toolbox import cache
from platform_e2e.untrusted import archive

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,250}")
"""Names and versions of charts: they become names of files."""


def material(settings: Settings) -> Material:
    """Return the charts and repositories for a run.

    Args:
        settings: layer, store, and what is given by option.

    Raises:
        WrongUsage: a lock file cannot be read, or the store has something else than it says; or what is given is not a chart.
    """
    return of(
        Store.at(settings.store),
        lockfile.read(settings.layer),
        charts_dir=settings.charts_dir,
        repositories=settings.repositories,
    )


def of(
    store: Store,
    locked: LockFile | None,
    *,
    charts_dir: Path | None = None,
    repositories: Sequence[tuple[str, Path]] = (),
) -> Material:
    """Return charts and repositories; what is given by hand comes before what was fetched.

    Args:
        store: what was fetched.
        locked: what the layer's lock file says; without one nothing of the store is taken.
        charts_dir: directory with NAME-VERSION.tgz and NAME/.
        repositories: URLs with directories, each taken for every revision.

    Raises:
        WrongUsage: a digest is not that of the lock file, or a chart cannot be read.
    """
    locked = locked or LockFile()
    charts = [Chart(each.repository, each.name, each.version, path) for each, path in _charts(store, locked)]
    charts += _given(charts_dir) if charts_dir else []
    named = {canonical(url) for url, _ in repositories}
    fetched: dict[tuple[str, str], Repository] = {}
    for each, path in _repositories(store, locked):
        if canonical(each.url) not in named:
            fetched[canonical(each.url), each.revision] = Repository(path.resolve(), (each.url,), (each.revision,))
    given = [Repository(directory.resolve(), (url,)) for url, directory in repositories]
    files = {each.url: path for each, path in _files(store, locked)}
    return Material((*given, *fetched.values()), tuple(charts), files)


def _charts(store: Store, locked: LockFile) -> list[tuple[LockedChart, Path]]:
    there = store.charts()
    wanted = {(each.repository, each.name, each.version): each for each in locked.charts}
    found: dict[tuple[str, str, str], tuple[LockedChart, Path]] = {}
    for entry, path in there:
        key = (entry.repository, entry.name, entry.version)
        if key in wanted and (key not in found or entry.digest == wanted[key].digest):
            found[key] = entry, path
    for key, (_, path) in found.items():
        _demand(f"chart {key[1]} {key[2]} of {key[0]}", wanted[key].digest, path)
    return list(found.values())


def _repositories(store: Store, locked: LockFile) -> list[tuple[LockedRepository, Path]]:
    there = store.repositories()
    wanted = {(canonical(each.url), each.revision, each.commit): each for each in locked.repositories}
    found = []
    for entry, path in there:
        key = (canonical(entry.url), entry.revision, entry.commit)
        if key in wanted:
            _demand(f"{entry.url} at {entry.revision}", wanted[key].digest, path)
            found.append((entry, path))
    return found


def _files(store: Store, locked: LockFile) -> list[tuple[LockedFile, Path]]:
    there = store.files()
    wanted = {each.url: each.digest for each in locked.files}
    found: dict[str, tuple[LockedFile, Path]] = {}
    for entry, path in there:
        if entry.url in wanted and (entry.url not in found or entry.digest == wanted[entry.url]):
            found[entry.url] = entry, path
    for url, (_, path) in found.items():
        _demand(url, wanted[url], path)
    return list(found.values())


def _demand(what: str, wanted: str, path: Path) -> None:
    now = digest_of(path)
    if now != wanted:
        raise WrongUsage(
            f"{what} must have the digest {wanted} that {lockfile.NAME} says, got {now} in {path.parent}",
            f"if it was published again and you trust it, fetch it with --update; else remove {path.parent} and fetch again",
        )


def _given(directory: Path) -> list[Chart]:
    """Return the charts of a directory; an unpacked one is packed."""
    found = []
    for path in sorted(directory.iterdir()):
        packed = _packed(path) if (path / CHART).is_file() else path
        if packed.suffix == ".tgz" and packed.is_file():
            found.append(Chart("", *stated(packed), packed))
    return found


def stated(path: Path) -> tuple[str, str]:
    """Return name and version that the archive of a chart states.

    Raises:
        WrongUsage: it is not a chart.
    """
    remedy = "it must be what `helm package` or `helm pull` makes"

    def is_head(name: object) -> bool:
        parts = str(name).split("/")
        return len(parts) == 2 and parts[1] == CHART

    with archive.readable(str(path), remedy):
        opened = archive.read(path, str(path), remedy, vendored.LIMITS, is_head)
    for name, content in opened.files.items():
        data = vendored.parsed(content)
        words = data.get("name"), str(data.get("version") or "")
        if words[0] == name.parts[0] and all(WORD.fullmatch(str(word)) for word in words):
            return str(words[0]), words[1]
    raise WrongUsage(f"{path} must be the archive of a chart, got no NAME/{CHART} with that name and a version", remedy)


def _packed(directory: Path) -> Path:
    """Return the archive of a chart's directory, from the cache."""
    data = vendored.read(directory / CHART)
    name = str(data.get("name") or "") if isinstance(data, dict) else ""
    if not WORD.fullmatch(name):
        raise WrongUsage(f"{directory / CHART} must state the name of a chart, got `{name}`", "correct it")
    target = paths.cache() / "given-charts" / f"{digest_of(directory)[7:39]}.tgz"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with cache.scratch("given-charts") as scratch:
            made = scratch / "chart.tgz"
            with tarfile.open(made, "w:gz", dereference=False) as packed:
                packed.add(directory, arcname=name)
            made.rename(target)
    return target
