"""Choose what a team applies by hand: what has Applications, and is rendered by no Application that was found.

Sets of Applications that exclude each other, such as those of several clusters, are told from each other by what they say: they
have an Application of one name, are made of one base, or are siblings by cluster or environment that deploy to one namespace.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.layer.survey import Survey
from platform_e2e.layer.units import Kind, Unit, rendered

_APART = frozenset({"overlays", "clusters", "cluster", "environments", "environment", "envs", "env", "stages", "sites"})
"""Names of directories whose directories are each for another cluster or environment."""

_ENVIRONMENT = re.compile(
    r"(?:.*[-_])?(?:dev|develop|development|test|testing|qa|uat|stg|stage|staging|preprod|prod|production|live|lab|home|cloud|local"
    r"|sandbox)(?:[-_0-9].*)?"
)

_SWITCHED_OFF = re.compile(
    r"(?:.*[-_.])?(?:disabled|archived?|deprecated|unused|obsolete|graveyard|attic|examples?|samples?|templates?)(?:[-_.].*)?"
)
"""Names of directories and files whose Applications are not applied unchanged."""


@dataclass(frozen=True)
class Choice:
    """What of the candidates is applied by hand.

    Attributes:
        units: the roots.
        excluding: groups of candidates of which each excludes the others; none of these is among the roots.
        left: candidates that are not taken, each with the reason.
    """

    units: tuple[Unit, ...]
    excluding: tuple[tuple[Unit, ...], ...] = ()
    left: tuple[tuple[Unit, str], ...] = ()


def choose(survey: Survey, found: Sequence[Unit], owns: Callable[[str], bool]) -> Choice:
    """Return which of the candidates are applied by hand.

    Args:
        survey: the files.
        found: the candidates, as `units.units` returns them.
        owns: tells whether a URL is that of the repository itself.
    """
    known = rendered(survey, found, owns)
    tops = _tops(found, known.by)
    left: list[tuple[Unit, str]] = []
    for unit in tops:
        # One that applies the kustomization is applied by hand, and none of its resources.
        off = next((each for each in found if _leaves_out(each, unit) and each.path not in known.by[unit.path]), None)
        by = known.left_out.get(unit.path)
        if off is not None:
            left.append((unit, f"is not among the resources of the kustomization in {survey.name(off.path)}"))
        elif by is not None:
            left.append((unit, f"is left out by the patterns of the {by.kind} {by.name}"))
    tops = _without(tops, left)
    off_by_name = [(unit, "is switched off or an example, by its name") for unit in tops if _switched_off(survey, unit)]
    if len(off_by_name) < len(tops):
        left += off_by_name
        tops = _without(tops, off_by_name)
    roots = _together(survey, tops, known.by)
    groups = _groups([unit for unit in roots if unit.deploys])
    excluding = {unit.path for group in groups for unit in group}
    for group in _groups([unit for unit in roots if not unit.deploys]):
        left += [(unit, "has projects that others have too") for unit in group]
    roots = _without(roots, left)
    return Choice(tuple(unit for unit in roots if unit.path not in excluding), groups, tuple(left))


def _without(every: Sequence[Unit], left: Iterable[tuple[Unit, str]]) -> list[Unit]:
    out = {unit.path for unit, _ in left}
    return [unit for unit in every if unit.path not in out]


def _leaves_out(kustomization: Unit, unit: Unit) -> bool:
    """Tell whether a team's kustomization has a candidate below its directory and not among its resources."""
    if kustomization.kind is not Kind.KUSTOMIZATION or unit.path == kustomization.path:
        return False
    if unit.kind is Kind.KUSTOMIZATION:
        return unit.path.is_relative_to(kustomization.path) and unit.path not in kustomization.bases
    return unit.path.is_relative_to(kustomization.path) and not (unit.files and unit.files <= kustomization.files)


def _switched_off(survey: Survey, unit: Unit) -> bool:
    parts = survey.name(unit.path).lower().split("/")
    return any(_SWITCHED_OFF.fullmatch(part) for part in parts)


def _tops(found: Sequence[Unit], by: Mapping[Path, frozenset[Path]]) -> list[Unit]:
    """Return the smallest set of candidates from which all others are rendered."""
    by_other = {path for unit in found for path in by[unit.path] if path != unit.path}
    chosen = [unit for unit in found if unit.path not in by_other]
    reached: set[Path] = set()

    def reach(path: Path) -> None:
        pending = [path]
        while pending:
            at = pending.pop()
            if at not in reached:
                reached.add(at)
                pending += by[at]

    for unit in chosen:
        reach(unit.path)
    # What is left renders each other: that which renders most is the beginning.
    for unit in sorted(found, key=lambda unit: -len(by[unit.path])):
        if unit.path not in reached:
            chosen.append(unit)
            reach(unit.path)
    return chosen


def _together(survey: Survey, tops: Sequence[Unit], by: Mapping[Path, frozenset[Path]]) -> list[Unit]:
    """Put files into directories that have nothing else, unless objects in one exclude each other."""
    files = [unit for unit in tops if unit.kind is Kind.FILE]
    found = [unit for unit in tops if unit.kind is not Kind.FILE]
    deploying = [unit for unit in files if unit.deploys]
    if len(deploying) == 1 and by[deploying[0].path] - {deploying[0].path}:
        found += deploying
        files = [unit for unit in files if not unit.deploys]
    loose = {unit.path: unit for unit in files}
    within = Counter(above for path in survey.files for above in path.parents)
    alone = Counter(above for path in loose if survey.only_objects(path) for above in path.parents)
    whole = [path for path, count in alone.items() if count == within[path] and path.is_relative_to(survey.directory)]
    for directory in sorted(whole, key=lambda path: len(path.parts)):
        inside = [unit for path, unit in loose.items() if path.is_relative_to(directory)]
        if inside and not _divided(inside):
            found.append(_directory(inside))
            for unit in inside:
                del loose[unit.path]
    return [*found, *loose.values()]


def _directory(inside: Sequence[Unit]) -> Unit:
    return Unit(
        Kind.DIRECTORY,
        Path(os.path.commonpath([unit.path.parent for unit in inside])),
        tuple(item for unit in inside for item in unit.objects),
        frozenset(file for unit in inside for file in unit.files),
    )


def _divided(inside: Sequence[Unit]) -> bool:
    """Tell whether files of one directory exclude each other: then it is for several clusters."""
    directories: dict[Path, list[Unit]] = {}
    for unit in inside:
        directories.setdefault(unit.path.parent, []).append(unit)
    names = Counter(item.identity for unit in inside for item in unit.objects if item.name)
    parts = [_directory(several) for several in directories.values()]
    return any(count > 1 for count in names.values()) or len(_groups(parts)) > 0


def _groups(roots: Sequence[Unit]) -> tuple[tuple[Unit, ...], ...]:
    """Return the candidates that exclude each other, in groups."""
    groups: list[list[Unit]] = []
    for unit in roots:
        joined = [group for group in groups if any(_exclude(unit, other) for other in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(each for group in joined for each in group), unit])
    return tuple(tuple(sorted(group, key=lambda unit: unit.path)) for group in groups if len(group) > 1)


def _exclude(one: Unit, other: Unit) -> bool:
    """Tell whether two candidates cannot both be applied to one cluster."""
    if {item.identity for item in one.objects if item.name} & {item.identity for item in other.objects}:
        return True
    if one.bases & other.bases or (one.kind is other.kind is Kind.KUSTOMIZATION and one.files & other.files):
        return True
    return _for_another(one, other) and bool(_aims(one) & _aims(other) or not (one.objects and other.objects))


def _for_another(one: Unit, other: Unit) -> bool:
    """Tell whether the paths of two candidates part at directories of different clusters or environments."""
    for depth, (here, there) in enumerate(zip(one.path.parts, other.path.parts, strict=False)):
        if here != there:
            both = all(_ENVIRONMENT.fullmatch(name.partition(".")[0].lower()) for name in (here, there))
            return both or one.path.parts[depth - 1] in _APART
    return False


def _aims(unit: Unit) -> set[tuple[str, str, str]]:
    return {aim for item in unit.objects for aim in item.aims}
