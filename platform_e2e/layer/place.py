"""Where a layer begins: its repository, and what of it the team applies by hand, found from files or named by the team.

What was taken for what is said with the reason, and so is what was not taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import argo_objects, origin, roots, team_file, tree, units
from platform_e2e.layer.origin import Checkout
from platform_e2e.layer.survey import CHART, KUSTOMIZATIONS, Survey
from platform_e2e.layer.team_file import NamedRoot, Said
from platform_e2e.layer.units import Kind, Unit

USUAL = "argocd"
"""The directory that is looked into first: a convention of this harness."""

_SHOWN = 20
"""How many candidates an error or a reason names."""


@dataclass(frozen=True)
class Root:
    """Something that a team applies by hand.

    Attributes:
        kind: what it is.
        path: from the repository's root; `.` for all of it.
        values: values files of a chart, relative to it.
        parts: of a kustomization: the files with its Applications, which can be read where it cannot be rendered; what it
            patches is then not seen.
    """

    kind: Kind
    path: str
    values: tuple[str, ...] = ()
    parts: tuple[Root, ...] = ()

    def application(self, url: str) -> dict[str, Any]:
        """Return an Application that renders the root's objects.

        Args:
            url: of the repository.
        """
        path = PurePosixPath(self.path)
        name = re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")[:50] or "root"
        source: dict[str, Any] = {"repoURL": url, "targetRevision": "HEAD", "path": self.path}
        if self.kind is Kind.DIRECTORY:
            source["directory"] = {"recurse": True}
        elif self.kind is Kind.FILE:
            # A name is a pattern to Argo CD.
            source |= {
                "path": path.parent.as_posix(),
                "directory": {"include": re.sub(r"([][\\*?{},!])", r"\\\1", path.name)},
            }
        elif self.values:
            source["helm"] = {"valueFiles": list(self.values)}
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": argo_objects.NAMESPACE},
            "spec": {
                "project": "default",
                "source": source,
                "destination": {"server": "https://kubernetes.default.svc", "namespace": argo_objects.NAMESPACE},
            },
        }


@dataclass(frozen=True)
class Place:
    """Where a layer begins.

    Attributes:
        directory: as it was given, an absolute path without symbolic links.
        repository: the root of the repository that has it: the paths of Applications begin there.
        urls: of the repository, in all known spellings, the most used first; never empty.
        roots: what is applied by hand.
        reasons: what was taken for what and why, and what was not taken, one sentence each.
        said: what platform-e2e.yaml says.
        survey: what its directory has.
    """

    directory: Path
    repository: Path
    urls: tuple[str, ...]
    roots: tuple[Root, ...]
    reasons: tuple[str, ...]
    said: Said
    survey: Survey = field(repr=False, compare=False)

    def owns(self, url: str) -> bool:
        """Tell whether a URL is that of the repository, in any spelling."""
        return origin.owner(self.urls)(url)


def place(directory: Path, named: Sequence[str] = ()) -> Place:
    """Return where a layer begins.

    Args:
        directory: of the layer.
        named: paths of roots, which the user has named.

    Raises:
        LayerError: platform-e2e.yaml cannot be used; the text has file and line.
        WrongUsage: the directory does not exist, a named root is not there, nothing can be a root, or several candidates exclude
            each other; the text lists them.
    """
    if not directory.is_dir():
        raise WrongUsage(
            f"--layer must be a directory that exists, got {directory}", "name the layer's directory with --layer DIR"
        )
    here = directory.resolve()
    checkout = Checkout.of(here)
    survey = Survey.of(here, checkout.top)
    said = team_file.read(here, checkout.top)
    objects = [item for path in survey.files if survey.chart_of(path) is None for item in survey.objects(path)]
    repository, why = origin.root(here, checkout, objects)
    survey = survey if repository == checkout.top else Survey.of(here, repository)
    own = origin.own_urls(repository, checkout, said.content.urls, objects)
    found, reasons = _roots(survey, named, said, own.urls)
    return Place(here, repository, own.urls, found, (why, *own.reasons, *reasons), said, survey)


def _roots(survey: Survey, named: Sequence[str], said: Said, urls: Iterable[str]) -> tuple[tuple[Root, ...], list[str]]:
    owns = origin.owner(urls)
    asked = [(NamedRoot(path), "--root", f"--root {path}") for path in named] or [
        (each, said.place("roots", index), said.place("roots", index)) for index, each in enumerate(said.roots)
    ]
    if asked:
        taken: list[Root] = []
        reasons: list[str] = []
        for each, by, at in asked:
            root = _named(survey, each, at)
            several, more = _below(survey, root, owns) or ((root,), [f"{_words(root)} is a root: {by} names it"])
            taken += several
            reasons += more
        return tuple(taken), reasons
    every = units.units(survey)
    usual = survey.directory / USUAL
    inside = [unit for unit in every if unit.path.is_relative_to(usual)]
    if any(unit.deploys for unit in inside):
        whole = next((unit for unit in inside if unit.path == usual and unit.deploys), None) or _plain(
            survey, usual, inside
        )
        if whole is not None:
            words = f"is a root: it is the directory {USUAL}/ of the layer, and what is in it is applied by hand"
            return (_root(survey, whole),), [f"{_words(_root(survey, whole))} {words}"]
        return _chosen(survey, roots.choose(survey, inside, owns), f"of what is in {USUAL}/ ")
    reasons = []
    if usual.is_dir():
        reasons.append(f"{survey.name(usual)} is not a root: it has no Application and no ApplicationSet")
    if not any(unit.deploys for unit in every):
        raise _nothing(survey)
    found, more = _chosen(survey, roots.choose(survey, every, owns), "")
    return found, [*reasons, *more]


def _below(survey: Survey, root: Root, owns: Callable[[str], bool]) -> tuple[tuple[Root, ...], list[str]] | None:
    """Return what is applied by hand of a directory with kustomizations or charts in it: files of these are not objects."""
    path = survey.repository / root.path
    inside = [unit for unit in units.units(survey) if unit.path.is_relative_to(path)]
    deploying = any(unit.deploys for unit in inside)
    if root.kind is not Kind.DIRECTORY or not deploying or _plain(survey, path, inside) is not None:
        return None
    return _chosen(survey, roots.choose(survey, inside, owns), f"of what is in {root.path}/ ")


def _plain(survey: Survey, directory: Path, inside: Sequence[Unit]) -> Unit | None:
    """Return a directory as one root, where it has neither a kustomization nor a chart."""
    special = (*survey.kustomizations, *survey.charts)
    if any(place.is_relative_to(directory) for place in special):
        return None
    return Unit(Kind.DIRECTORY, directory, tuple(item for unit in inside for item in unit.objects))


def _chosen(survey: Survey, choice: roots.Choice, scope: str) -> tuple[tuple[Root, ...], list[str]]:
    if choice.excluding:
        raise _several(survey, choice)
    single = sum(len(unit.files) or 1 for unit in choice.units) == 1
    why = "it alone is rendered by no other Application" if single else "no Application that was found renders it"
    found = tuple(_root(survey, unit) for unit in sorted(choice.units, key=lambda unit: unit.path))
    reasons = [f"{_words(root)} is a root: {scope}{why}" for root in found[:_SHOWN]]
    if len(found) > _SHOWN:
        reasons.append(f"{len(found) - _SHOWN} more are roots: {scope}{why}")
    for root, unit in zip(found, sorted(choice.units, key=lambda unit: unit.path), strict=True):
        reasons += _values(survey, root, unit)
    together: dict[tuple[Path, str], list[Unit]] = {}
    for unit, reason in choice.left:
        together.setdefault((unit.path.parent, reason), []).append(unit)
    for (above, reason), several in together.items():
        what = survey.name(several[0].path) if len(several) == 1 else f"each of {len(several)} in {survey.name(above)}"
        reasons.append(f"{what} is not a root: it {reason}; --root names it nevertheless")
    return found, reasons


def _values(survey: Survey, root: Root, unit: Unit) -> list[str]:
    """Say which values files a chart of Applications has that nothing names."""
    if unit.kind is not Kind.CHART:
        return []
    there = sorted(path.name for path in survey.files if path.parent == unit.path and "values" in path.name.lower())
    more = [name for name in there if name != "values.yaml"]
    if not more:
        return []
    written = f"roots: [{{path: {root.path}, valueFiles: [{', '.join(more[:_SHOWN])}]}}]"
    return [f"{root.path} is rendered with values.yaml alone: for others write `{written}` into {team_file.NAME}"]


def _several(survey: Survey, choice: roots.Choice) -> WrongUsage:
    group = [unit for each in choice.excluding for unit in each]
    shown = [survey.name(unit.path) for unit in group[:_SHOWN]]
    more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
    beside = [survey.name(unit.path) for unit in sorted(choice.units, key=lambda unit: unit.path)][:_SHOWN]
    also = f"; besides them there are {', '.join(beside)}" if beside else ""
    return WrongUsage(
        f"{survey.directory} must have the Applications of one cluster, got several sets that exclude each other:"
        f" {', '.join(shown)}{more}{also}",
        f"choose what is applied to one cluster: {' or '.join(f'--root {name}' for name in shown)}; --root may be given several times,"
        f" and `roots:` in {team_file.NAME} does the same",
    )


def _nothing(survey: Survey) -> WrongUsage:
    return WrongUsage(
        f"{survey.directory} must have an Application or ApplicationSet of Argo CD, got none in {len(survey.files)} manifests",
        f"roots are looked for in {USUAL}/, which is a convention of this harness, and then in every directory; name what is applied by"
        f" hand with --root PATH or in {team_file.NAME}, or another directory with --layer DIR",
    )


def _named(survey: Survey, given: NamedRoot, by: str) -> Root:
    """Return a root that was named, by what it is."""
    path = PurePosixPath(given.path)
    found = None
    if given.path and tree.can_be(given.path) and not path.is_absolute() and ".." not in path.parts:
        places = (survey.repository / path, survey.directory / path)
        found = next((at for at in places if at.exists() and at.resolve().is_relative_to(survey.repository)), None)
    if found is None:
        raise WrongUsage(
            f"{by}: a root must be a directory or file of {survey.repository}, got `{given.path}`",
            "give its path from the root of the repository",
        )
    if found.name in (*KUSTOMIZATIONS, CHART):
        found = found.parent
    if any((found / name).is_file() for name in KUSTOMIZATIONS):
        kind = Kind.KUSTOMIZATION
    elif (found / CHART).is_file():
        kind = Kind.CHART
    else:
        kind = Kind.FILE if found.is_file() else Kind.DIRECTORY
    if given.valueFiles and kind is not Kind.CHART:
        raise WrongUsage(f"{by}: a root with valueFiles must be a chart, got a {kind}", "leave valueFiles out")
    unit = units.kustomization(survey, found) if kind is Kind.KUSTOMIZATION else None
    return Root(kind, survey.name(found), given.valueFiles, _parts(survey, unit))


def _root(survey: Survey, unit: Unit) -> Root:
    return Root(unit.kind, survey.name(unit.path), (), _parts(survey, unit))


def _parts(survey: Survey, unit: Unit | None) -> tuple[Root, ...]:
    """Return the files with the Applications of a kustomization."""
    if unit is None or unit.kind is not Kind.KUSTOMIZATION:
        return ()
    return tuple(Root(Kind.FILE, survey.name(file)) for file in sorted(unit.files))


def _words(root: Root) -> str:
    return f"{root.kind} {root.path}"
