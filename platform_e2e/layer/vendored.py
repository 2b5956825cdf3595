"""What a repository's charts and kustomizations would fetch while they are rendered, put beside them in a copy.

Argo CD lets helm and kustomize fetch charts that a chart depends on, charts of `helmCharts`, and remote bases. Where these are given they
are files of the copy that is rendered, and of the one that is served inside the cluster: charts in `charts/`, bases in `.platform-e2e/`.
Chart.yaml and Chart.lock stay as they are. The user's own files are only read.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e.git.urls import canonical
from platform_e2e.layer import remote_bases, tree, versions, yamlfile
from platform_e2e.layer.argo_objects import mapping, mappings
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.kustomize import NAMES
from platform_e2e.layer.remote_bases import RemoteBase, RemoteFile
from platform_e2e.layer.renderer import Chart, Material, Repository
from platform_e2e.layer.survey import CHART
from platform_e2e.untrusted import archive
from platform_e2e.untrusted.members import ArchiveLimits, UnsafeArchive

PLACE = ".platform-e2e"
"""The directory of remote bases; Argo CD's generators pass over hidden ones."""

LIMITS = ArchiveLimits(archive=256 << 20, members=20_000, kept=128 << 20, file=16 << 20)
"""Of a chart's archive: the largest of public ones have a few MiB."""

_LARGEST = 4 << 20
"""Bytes of a Chart.yaml or a kustomization that is read here."""


@dataclass(frozen=True)
class ChartWanted:
    """A chart that is needed.

    Attributes:
        repository: URL of the chart repository; `oci://` too.
        name: of the chart.
        version: or a constraint; empty means any release.
    """

    repository: str
    name: str
    version: str

    @classmethod
    def of_artifact(cls, url: str, version: str) -> ChartWanted:
        """Return the chart that an artifact of a registry is.

        Args:
            url: of the artifact, which ends with the chart's name.
            version: or a constraint.
        """
        repository, _, name = url.rstrip("/").rpartition("/")
        return cls(repository, name, version)

    def __str__(self) -> str:
        """Name it as a refusal does."""
        return " ".join(f"{self.name} {self.version} of {self.repository}".split())


@dataclass(frozen=True)
class Local:
    """A chart that another one takes from its own repository.

    Attributes:
        name: under which it is taken.
        directory: where it is, from the chart that takes it.
    """

    name: str
    directory: str


def same_charts(one: str, other: str) -> bool:
    """Tell whether two URLs name the same repository of charts; OCI ones are written with and without a scheme."""
    first, second = (each.removeprefix("oci://").rstrip("/").lower() for each in (one, other))
    return first == second


def find(material: Material, wanted: ChartWanted) -> Chart | None:
    """Return the chart that is meant, of those that are there."""
    there = {
        chart.version: chart
        for chart in material.charts
        if chart.name == wanted.name and (not chart.repository or same_charts(chart.repository, wanted.repository))
    }
    version = versions.chosen(wanted.version, there)
    return there[version] if version is not None else None


def repository(material: Material, url: str, revision: str) -> Repository | None:
    """Return a repository at a revision: one of just that, else one that is taken for every revision."""
    name, revision = canonical(url), revision or "HEAD"
    there = [each for each in material.repositories if name in map(canonical, each.urls)]
    exact = (each for each in there if revision in each.revisions)
    return next(exact, None) or next((each for each in there if not each.revisions), None)


def read(path: Path) -> Any:
    """Return the first document of a YAML file; None for one that is not there, too large or not YAML."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        documents = yamlfile.parse(path.read_text(encoding="utf-8", errors="replace"), path.name)
    except (OSError, LayerError):
        return None
    return documents[0].data if documents else None


def parsed(content: bytes) -> Mapping[str, Any]:
    """Return the mapping that a Chart.yaml or the like has; an empty one for anything else."""
    try:
        documents = yamlfile.parse(content.decode(errors="replace"), CHART)
    except LayerError:
        return {}
    return mapping(documents[0].data) if documents else {}


def kustomization(directory: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the file and the content of a directory's kustomization."""
    for name in NAMES:
        data = read(directory / name)
        if isinstance(data, dict):
            return directory / name, data
    return None


def entries(data: Mapping[str, Any]) -> Iterator[str]:
    """Return what a kustomization is made of: files, directories and what is elsewhere."""
    for name in ("resources", "bases", "components", "crds"):
        values = data.get(name)
        yield from (each for each in values if isinstance(each, str)) if isinstance(values, list) else ()


def inflated(data: Mapping[str, Any]) -> list[ChartWanted]:
    """Return the charts of a kustomization's `helmCharts`."""
    every = [*mappings(data.get("helmCharts")), *mappings(data.get("helmChartInflationGenerator"))]
    found = []
    for each in every:
        name, url = each.get("name") or each.get("chartName"), each.get("repo") or each.get("chartRepo")
        version = each.get("version") or each.get("chartVersion") or ""
        if isinstance(name, str) and isinstance(url, str) and name and url:
            found.append(ChartWanted(url, name, str(version)))
    return found


def dependencies(directory: Path) -> list[ChartWanted | Local]:
    """Return the charts that a chart takes and does not have in `charts/`; those that it locks in that version."""
    found: list[ChartWanted | Local] = []
    for file, lock in ((CHART, "Chart.lock"), ("requirements.yaml", "requirements.lock")):
        data, locked = read(directory / file), read(directory / lock)
        pinned = {
            (each.get("name"), each.get("repository")): each.get("version")
            for each in mappings(mapping(locked).get("dependencies"))
        }
        for each in mappings(mapping(data).get("dependencies")):
            name, url = each.get("name"), each.get("repository") or ""
            if not isinstance(name, str) or not _NAME.fullmatch(name) or _has(directory / "charts", name):
                continue
            if isinstance(url, str) and url.startswith("file://"):
                found.append(Local(name, url.removeprefix("file://")))
            elif isinstance(url, str) and url:
                version = pinned.get((name, url)) or each.get("version") or ""
                found.append(ChartWanted(url, name, str(version)))
    return found


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,250}")


def _has(charts: Path, name: str) -> bool:
    """Tell whether a chart is among those beside another one."""
    if (charts / name / CHART).is_file():
        return True
    return charts.is_dir() and any(
        re.fullmatch(rf"{re.escape(name)}-v?\d.*\.tgz", each.name) for each in charts.iterdir() if each.is_file()
    )


@dataclass
class Vendor:
    """Work out what is added to repositories.

    Attributes:
        material: what there is.
    """

    material: Material
    _made: dict[Path, dict[str, bytes]] = field(default_factory=dict)

    def added(self, root: Path) -> Mapping[str, bytes]:
        """Return the content of the files that are added to a repository, or replace some of it, by path.

        Args:
            root: of the repository; it is only read.
        """
        if not (self.material.charts or self.material.files or len(self.material.repositories) > 1):
            return {}
        if root not in self._made:
            # Of two repositories with bases of each other, one is without what it would add.
            found: dict[str, bytes] = {}
            self._made[root] = {}
            for directory, below, names in os.walk(root):
                below[:] = sorted(name for name in below if name not in {".git", "node_modules"})
                here = Path(directory)
                if CHART in names:
                    found |= self._chart(root, here)
                if any(name in NAMES for name in names):
                    found |= self._kustomization(root, here)
            self._made[root] = found
        return self._made[root]

    def _chart(self, root: Path, directory: Path) -> dict[str, bytes]:
        needed = dependencies(directory)
        elsewhere = [each for each in needed if isinstance(each, ChartWanted)]
        charts = [(each, found) for each in elsewhere if (found := find(self.material, each)) is not None]
        if not charts:
            return {}
        place = directory.relative_to(root) / "charts"
        added = {
            (place / f"{each.name}-{chart.version}.tgz").as_posix(): chart.archive.read_bytes()
            for each, chart in charts
        }
        for each in needed:
            if isinstance(each, Local):
                # Helm would build all dependencies again for one that is missing.
                added |= self._local(root, directory, each, place, depth=0)
        return added

    def _local(self, root: Path, directory: Path, local: Local, place: Path, depth: int) -> dict[str, bytes]:
        if not tree.can_be(local.directory):
            return {}
        source = (directory / local.directory).resolve()
        if (
            not source.is_dir()
            or not source.is_relative_to(root)
            or directory.is_relative_to(source)
            or depth > _DEEPEST
        ):
            return {}
        target = place / local.name
        found = {(target / name).as_posix(): content for name, content in _files(source)}
        for each in dependencies(source):
            if isinstance(each, Local):
                found |= self._local(root, source, each, target / "charts", depth + 1)
            elif (chart := find(self.material, each)) is not None:
                found[(target / "charts" / f"{each.name}-{chart.version}.tgz").as_posix()] = chart.archive.read_bytes()
        return found

    def _kustomization(self, root: Path, directory: Path) -> dict[str, bytes]:
        read_ = kustomization(directory)
        if read_ is None:
            return {}
        path, data = read_
        here = directory.relative_to(root)
        found: dict[str, bytes] = {}
        home = data.get("helmGlobals") or {}
        charts = str(home.get("chartHome") or "charts") if isinstance(home, dict) else "charts"
        for wanted in inflated(data):
            found |= self._inflated(root, directory, charts, wanted)
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        replaced = text
        for entry in entries(data):
            remote = remote_bases.parse(entry)
            if remote is None or (tree.can_be(entry) and (directory / entry).exists()):
                continue
            named, files = self._remote(here, remote)
            if named:
                found |= files
                replaced = _renamed(replaced, entry, named)
        if replaced != text:
            found[(here / path.name).as_posix()] = replaced.encode("utf-8", errors="surrogateescape")
        return found

    def _inflated(self, root: Path, directory: Path, home: str, wanted: ChartWanted) -> dict[str, bytes]:
        """Return a chart unpacked where kustomize looks for it before it asks helm (api/internal/builtins)."""
        chart = find(self.material, wanted)
        place = (directory / home / (f"{wanted.name}-{wanted.version}" if wanted.version else "")).resolve()
        if chart is None or (place / wanted.name).exists() or not place.is_relative_to(root):
            return {}
        try:
            opened = archive.read(chart.archive, str(wanted), "", LIMITS)
        except UnsafeArchive:
            # It is then named as one whose chart is not there.
            return {}
        return {(place.relative_to(root) / name).as_posix(): content for name, content in opened.files.items()}

    def _remote(self, here: Path, remote: RemoteBase | RemoteFile) -> tuple[str, dict[str, bytes]]:
        """Return how a remote base is named from a directory of the copy, and its files; nothing where it is not there."""
        if isinstance(remote, RemoteFile):
            file = self.material.files.get(remote.url)
            if file is None:
                return "", {}
            # Beside the kustomization: kustomize takes no file from elsewhere.
            name = f"{PLACE}-{_slug(remote.url)}.yaml"
            return name, {(here / name).as_posix(): file.read_bytes()}
        found = repository(self.material, remote.url, remote.revision)
        if found is None:
            return "", {}
        top = PurePosixPath(PLACE) / _slug(f"{canonical(remote.url)}@{remote.revision}")
        added = self.added(found.directory)
        files = {
            (top / name).as_posix(): content for name, content in closure(found.directory, added, remote.path).items()
        }
        if not files:
            return "", {}
        return posixpath.relpath((top / remote.path).as_posix(), here.as_posix()), files


_DEEPEST = 20
"""Charts within charts, and bases of bases."""


def closure(root: Path, added: Mapping[str, bytes], path: str) -> dict[str, bytes]:
    """Return the files of a directory of a repository and of all that its kustomizations refer to, by path.

    Args:
        root: of the repository.
        added: to it.
        path: of the directory.
    """
    found: dict[str, bytes] = {}
    waiting, seen = [path], set()
    while waiting:
        name = posixpath.normpath(waiting.pop())
        if not tree.can_be(name) or name in seen or name.startswith(("../", "/")):
            continue
        seen.add(name)
        place = root / name
        if place.is_file() and not place.is_symlink():
            found[name] = added.get(name) or place.read_bytes()
        if not place.is_dir() or not place.resolve().is_relative_to(root):
            continue
        for each, content in _files(place):
            found[posixpath.normpath(f"{name}/{each}")] = content
        prefix = "" if name == "." else f"{name}/"
        found |= {each: content for each, content in added.items() if each.startswith(prefix)}
        for directory in {posixpath.dirname(each) for each in found if posixpath.basename(each) in NAMES}:
            if (read_ := kustomization(root / directory)) is not None:
                waiting += [posixpath.join(directory, entry) for entry in references(read_[1])]
        # What was added is referred to by what replaces a kustomization.
        found |= {each: content for each, content in added.items() if each.startswith(f"{PLACE}/")}
    return found


def references(data: Mapping[str, Any]) -> list[str]:
    """Return every path that a kustomization names."""
    found = list(entries(data))
    for name in ("patchesStrategicMerge", "configurations", "transformers", "generators"):
        values = data.get(name)
        found += [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    for name in ("patches", "patchesJson6902", "replacements"):
        found += [str(each["path"]) for each in mappings(data.get(name)) if each.get("path")]
    return [each for each in found if "\n" not in each and remote_bases.parse(each) is None]


def _renamed(text: str, entry: str, name: str) -> str:
    """Return a kustomization's text with another name in place of an entry, wherever it stands as a whole."""
    return re.sub(rf"(?<![^\s\"'\[,]){re.escape(entry)}(?![^\s\"'\],])", lambda _: name, text)


def _files(directory: Path) -> Sequence[tuple[str, bytes]]:
    """Return the plain files of a directory and those below, by path from it."""
    found = []
    for place, below, names in os.walk(directory):
        below[:] = sorted(name for name in below if name != ".git")
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                found.append((path.relative_to(directory).as_posix(), path.read_bytes()))
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.@-]+", "-", text.partition("://")[2] or text).strip("-.")[:150]
