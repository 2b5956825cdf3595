"""platform-e2e.yaml: what a team says of its own repository, where it cannot be found out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from platform_e2e.layer import yamlfile
from platform_e2e.layer.clusters import Cluster
from platform_e2e.layer.durations import is_duration
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.limits import DURATIONS, Limits
from platform_e2e.layer.not_judged import Accepted
from platform_e2e.layer.renderer import Reason
from platform_e2e.layer.yamlfile import Document
from platform_e2e.untrusted import typed
from platform_e2e.untrusted.documents import NoDocument

NAME = "platform-e2e.yaml"

PAGE = "docs/platform-e2e-yaml.md"


@dataclass(frozen=True)
class NamedRoot:
    """A root that the team names.

    Attributes:
        path: from the root of the repository, or from the directory of the layer.
        valueFiles: of a chart, relative to it, as an Application names them.
    """

    path: str
    valueFiles: tuple[str, ...] = ()  # noqa: N815 - the name in the file


@dataclass(frozen=True)
class TeamFile:
    """What a team says of its repository.

    Attributes:
        roots: what the team applies by hand: directories or files, from the root of the repository.
        urls: further URLs of this repository.
        destinations: servers or names of clusters that are the one under test.
        accept: what is unknown and does not make a run fail, each with its reason.
        kustomizeBuildOptions: argocd-cm's `kustomize.buildOptions`.
        clusters: that Argo CD knows.
        unmanagedChanges: whether fields that were changed by hand and that Git does not state break a promise.
        limits: of its monitoring.
        alertCases: a directory with cases of alerts that the team keeps, from the directory of the file.
    """

    roots: tuple[NamedRoot | str, ...] = ()
    urls: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    accept: tuple[Accepted, ...] = ()
    kustomizeBuildOptions: str | None = None  # noqa: N815 - the name in the file
    clusters: tuple[Cluster, ...] = ()
    unmanagedChanges: Literal["list", "break"] = "list"  # noqa: N815 - the name in the file
    limits: Limits = field(default_factory=Limits)
    alertCases: str | None = None  # noqa: N815 - the name in the file


MEANINGS: Mapping[str, str] = {
    "roots": "what is applied by hand: paths of directories or files from the repository's root; of a chart also `{path, valueFiles}`",
    "urls": "further URLs under which Applications read this repository, besides its remotes in Git",
    "destinations": "servers or names of the clusters that are the one under test; Applications for others are left out and named",
    "accept": "what may stay unknown: a list of `{object, reason}`, the object as the verdict names it, the reason one of "
    + ", ".join(f"`{reason}`" for reason in Reason),
    "kustomizeBuildOptions": "`kustomize.buildOptions` of argocd-cm, where no file of the repository says it",
    "clusters": "clusters that Argo CD knows, besides those whose Secrets are in Git: a list of `{name, server, labels, annotations}`, for ApplicationSets with the generator `clusters`",
    "unmanagedChanges": "`break` where a field that was changed by hand and that Git does not state breaks the promise `selfheal`; `list`, the default, "
    "lists it beside the verdict: for Argo CD it is no drift",
    "limits": "what monitoring may be at most: `criticalFor`, how long a fault may last until an alert with `severity: critical` fires (`5m`); "
    "of each scrape `scrapeDuration` (`5s`), `samplesPerScrape` and `labelsPerSeries`; what is not said is not judged",
    "alertCases": "a directory, from that of this file, with cases of alerts that are kept: unit tests of promtool, which are run against the rules that the layer renders",
}
"""What the keys are for, in the order of the page."""


@dataclass(frozen=True)
class Said:
    """What was read.

    Attributes:
        content: of the file; that of an empty one where there is none.
        document: the file; None where there is none.
    """

    content: TeamFile = field(default_factory=TeamFile)
    document: Document | None = None

    def place(self, *keys: str | int) -> str:
        """Return file and line of a field."""
        return f"{self.document.file}:{self.document.line_of(*keys)}" if self.document else NAME

    @property
    def roots(self) -> tuple[NamedRoot, ...]:
        """Return the roots, all in the same form."""
        return tuple(NamedRoot(each) if isinstance(each, str) else each for each in self.content.roots)


def read(directory: Path, repository: Path) -> Said:
    """Read the file of the directory, or else that of the repository's root.

    Args:
        directory: of the layer, an absolute path.
        repository: its repository's root.

    Raises:
        LayerError: it cannot be read, or a key is unknown or has another type than it must have.
    """
    for place in dict.fromkeys((directory, repository)):
        path = place / NAME
        if path.is_file() and not path.is_symlink():
            return _said(path, place)
    return Said()


def _said(path: Path, root: Path) -> Said:
    documents = yamlfile.read(root, path)
    if not documents:
        return Said()
    document = documents[0]
    if len(documents) > 1:
        problem = f"{NAME} must have one document, got {len(documents)}"
        raise LayerError(document.file, documents[1].line, problem, "put all into one")
    _check_keys(document)
    # A key without a value says nothing.
    given = {key: value for key, value in document.data.items() if value is not None}
    try:
        content = typed.strict(given, TeamFile)
    except NoDocument as error:
        raise document.error(f"{NAME}: {error}", f"see {PAGE}", _keys(str(error))) from error
    for index, each in enumerate(content.accept):
        remedy = "name the object as the verdict does, and the word of the reason"
        if not each.object.strip():
            problem = f"{NAME}: `accept[{index}].object` must be a text, got an empty one"
            raise document.error(problem, remedy, ("accept", index, "object"))
        if each.reason not in set(Reason):
            problem = f"{NAME}: `accept[{index}].reason` must be one of {', '.join(Reason)}, got `{each.reason}`"
            raise document.error(problem, remedy, ("accept", index, "reason"))
    _check_limits(document, content.limits)
    return Said(content, document)


def _check_limits(document: Document, limits: Limits) -> None:
    for name in DURATIONS:
        said = getattr(limits, name)
        if said is not None and not is_duration(said):
            problem = f"{NAME}: `limits.{name}` must be a duration, got `{said}`"
            raise document.error(problem, "write it as Prometheus does: 30s, 5m, 1h30m", ("limits", name))


def _check_keys(document: Document) -> None:
    """Refuse unknown keys, which would else have no effect without a word."""
    if not isinstance(document.data, dict):
        got = "a list" if isinstance(document.data, list) else f"`{document.data}`"
        raise document.error(f"{NAME} must be a mapping, got {got}", _known(MEANINGS))
    _only_known(document, (), document.data, MEANINGS)
    for key, kind in (("roots", NamedRoot), ("accept", Accepted), ("clusters", Cluster)):
        entries = document.data.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                _only_known(document, (key, index), entry, [each.name for each in fields(kind)])
    limits = document.data.get("limits")
    if isinstance(limits, dict):
        _only_known(document, ("limits",), limits, [each.name for each in fields(Limits)])


def _only_known(document: Document, at: tuple[str | int, ...], found: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in found:
        if key not in known:
            where = "".join(f"[{part}]" if isinstance(part, int) else part for part in at)
            held = f"`{where}` of {NAME}" if where else NAME
            raise document.error(f"{held} cannot have the key `{key}`", _known(known), (*at, key))


def _known(known: Iterable[str]) -> str:
    return f"it has {', '.join(known)}; see {PAGE}"


def _keys(sentence: str) -> tuple[str | int, ...]:
    """Return the field that a sentence begins with, such as `roots[0].path`, as keys."""
    match = re.match(r"`([^`]+)`", sentence)
    words = re.findall(r"\[(\d+)\]|([^.\[\]]+)", match[1]) if match else []
    return tuple(int(index) if index else name for index, name in words)


def as_markdown() -> str:
    """Return the table in docs/platform-e2e-yaml.md."""
    rows = ["| key | meaning |", "|---|---|", *(f"| `{key}` | {meaning} |" for key, meaning in MEANINGS.items())]
    return "\n".join(rows) + "\n"
