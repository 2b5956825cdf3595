"""What a team may apply by hand: a file, a kustomization or a chart with Applications, and which of them an Application renders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from platform_e2e.layer import argo_objects, manifests
from platform_e2e.layer.argo_objects import ArgoObject, Reads
from platform_e2e.layer.survey import Survey


class Kind(StrEnum):
    """What a root is."""

    DIRECTORY = "directory"
    KUSTOMIZATION = "kustomization"
    CHART = "chart"
    FILE = "file"


@dataclass(frozen=True)
class Unit:
    """Something that a team may apply by hand.

    Attributes:
        kind: what it is.
        path: of the directory or file, an absolute path.
        objects: of Argo CD in it, as far as they stand in files.
        files: that these are in.
        bases: directories of kustomizations that it is made of.
    """

    kind: Kind
    path: Path
    objects: tuple[ArgoObject, ...] = ()
    files: frozenset[Path] = frozenset()
    bases: frozenset[Path] = frozenset()

    @property
    def deploys(self) -> bool:
        """Tell whether it has more than projects; a chart's Applications are known only once it is rendered."""
        return not self.objects or any(each.kind in argo_objects.DEPLOYING for each in self.objects)


def units(survey: Survey) -> list[Unit]:
    """Return everything with Applications in a directory, each object in one of them."""
    rendered = survey.kustomizations
    parts = {part for each in rendered.values() for part in each.parts}
    used = {file for each in rendered.values() for file in each.files | each.patches}
    found = [Unit(Kind.CHART, chart) for chart, deploys in survey.charts.items() if deploys]
    for directory in rendered:
        unit = kustomization(survey, directory)
        if directory not in parts and directory.is_relative_to(survey.directory) and unit is not None:
            found.append(unit)
    found += [
        Unit(Kind.FILE, path, objects, frozenset({path}))
        for path in survey.files
        if path not in used and survey.chart_of(path) is None and (objects := survey.objects(path))
    ]
    return found


def kustomization(survey: Survey, directory: Path) -> Unit | None:
    """Return the kustomization of a directory, where it has Applications."""
    each = survey.kustomizations.get(directory)
    if each is None:
        return None
    files = frozenset(file for file in each.files if survey.objects(file))
    if not files and not each.hints:
        return None
    bases = frozenset(part for part in each.parts if kustomization(survey, part) is not None)
    objects = tuple(item for file in sorted(files) for item in survey.objects(file))
    return Unit(Kind.KUSTOMIZATION, directory, objects, files, bases)


@dataclass(frozen=True)
class Rendered:
    """What is known of the candidates that Applications of others render.

    Attributes:
        by: for each candidate's path the paths of the candidates that its Applications render.
        left_out: for each candidate that an Application's patterns leave out, that Application.
    """

    by: dict[Path, frozenset[Path]]
    left_out: dict[Path, ArgoObject]


def rendered(survey: Survey, found: Sequence[Unit], owns: Callable[[str], bool]) -> Rendered:
    """Return which candidates are rendered by the Applications of which.

    Args:
        survey: the files.
        found: the candidates.
        owns: tells whether a URL is that of the repository itself.
    """
    known: dict[str, bool] = {}

    def own(url: str) -> bool:
        if url not in known:
            known[url] = "{{" in url or owns(url)
        return known[url]

    places = {unit.path: _places(survey, unit) for unit in found}
    by: dict[Path, frozenset[Path]] = {}
    left_out: dict[Path, ArgoObject] = {}
    for unit in found:
        reads = [(item, each) for item in unit.objects for each in item.reads if own(each.repository)]
        taken = set()
        for other in found:
            for item, each in reads:
                takes = _takes(each, places[other.path], other)
                if takes:
                    taken.add(other.path)
                    break
                if takes is False and unit is not other:
                    left_out.setdefault(other.path, item)
        by[unit.path] = frozenset(taken)
    return Rendered(by, left_out)


def _places(survey: Survey, unit: Unit) -> dict[str, str]:
    """Return the directories from which a candidate is rendered, and its path below each: empty for one that has all of it."""
    if unit.kind is Kind.FILE:
        above = [place for place in unit.path.parents if place.is_relative_to(survey.repository)]
        plain = [place for place in above if place not in survey.kustomizations and place not in survey.charts]
        return {survey.name(place): unit.path.relative_to(place).as_posix() for place in plain}
    made = [directory for directory, each in survey.kustomizations.items() if unit.path in each.parts]
    return {survey.name(place): "" for place in (unit.path, *made)}


def _takes(reads: Reads, places: dict[str, str], unit: Unit) -> bool | None:
    """Tell whether an Application's source renders a candidate; False where only its patterns leave it out."""
    exact = reads.exact
    takes = None
    for place in (reads.path,) if exact else places:
        if place not in places or not (exact or argo_objects.fits(reads.path, place)):
            continue
        name = places[place]
        if unit.kind is not Kind.FILE:
            return True
        if "/" in name and not reads.recurse:
            continue
        if (reads.exclude and manifests.glob(reads.exclude, name)) or (
            reads.include and not manifests.glob(reads.include, name)
        ):
            takes = False
            continue
        return True
    return takes
