"""What renders a layer: the types between the reader of a layer and Argo CD's own code, which runs apart from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Reason(StrEnum):
    """Why an object is not judged; of an Application or ApplicationSet that is not rendered `argocd-render` says all but TIME, OPTIONS, EMPTY, DESTINATION, ADDRESS, FOUNDATION, MONITOR, SERIES, ALERT, CASE and ADMISSION, which are told here."""

    SHAPE = "shape"
    """A field has another form than its kind asks for, of the object or of what it renders (`layer.shapes`)."""
    REPOSITORY = "repository"
    """There is no copy of a repository that it reads."""
    CHART = "chart"
    """There is no copy of a chart, in the version that it asks for."""
    PLUGIN = "plugin"
    """A config management plugin renders it."""
    GENERATOR = "generator"
    """A generator asks something other than the object itself, Git and the clusters."""
    LINK = "link"
    """A symbolic link leads out of its repository."""
    RENDER = "render"
    """Argo CD refuses it: so it would on a cluster."""
    TIME = "time"
    """It takes too long to render."""
    MEMORY = "memory"
    """The renderer died of it, or a program that renders it had no memory left, or it becomes too large."""
    OPTIONS = "options"
    """Its kustomization may need an option that is not taken here."""
    EMPTY = "empty"
    """It renders no object, or generates no Application: Argo CD takes that for a success, and nothing is there to judge."""
    STAND_IN = "stand-in"
    """A stand-in runs in the place of the program that could prove it (`layer.stand_ins`)."""
    SECRET = "secret"  # noqa: S105 - the word for a reason
    """Its values cannot be had here, so that invented ones are in the Secret (`layer.invented`)."""
    DESTINATION = "destination"
    """It is for another cluster than the one under test."""
    ADDRESS = "address"
    """Its address comes from a controller that is not here."""
    FOUNDATION = "foundation"
    """It is left out with a foundation that its Application has among other objects."""
    MONITOR = "monitor"
    """It tells what to scrape in a way that is not compared with what is scraped."""
    SERIES = "series"
    """A rule of it reads what has not been seen, and may come with a fault (`checks.rules`)."""
    ALERT = "alert"
    """Nothing made an alert fire, so that its way to a receiver is not known (`checks.alerts`)."""
    CASE = "case"
    """An alert of it has no case in which it fires, or none in which it does not (`checks.alerts`)."""
    ADMISSION = "admission"
    """It refuses objects of the harness (`diagnosis.admission`)."""


@dataclass(frozen=True)
class Repository:
    """A Git repository whose files are there.

    Attributes:
        directory: its root, an absolute path.
        urls: its spellings; those that Argo CD takes for the same (`.git`, ssh, case) need not be among them.
        revisions: that it is taken for, as Applications write them, HEAD where they write none; without any, every one.
        changed: files that are rendered otherwise than they are, or added to them, by path from the root; None for one that is not there.
    """

    directory: Path
    urls: tuple[str, ...]
    revisions: tuple[str, ...] = ()
    changed: Mapping[str, bytes | None] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Chart:
    """A chart whose archive is there.

    Attributes:
        repository: URL of the chart repository, as an Application names it; without one it is taken for every repository's.
        name: of the chart.
        version: of the chart.
        archive: the .tgz.
    """

    repository: str
    name: str
    version: str
    archive: Path


@dataclass(frozen=True)
class Material:
    """All that a layer may be rendered from.

    Attributes:
        repositories: that Applications read.
        charts: that Applications read.
        files: that kustomizations read, by URL.
        build_options: argocd-cm's `kustomize.buildOptions`.
        api_versions: that charts may ask for, such as `monitoring.coreos.com/v1`, besides those of Kubernetes itself.
        clusters: Secrets of clusters, for the clusters generator.
        new_file_globbing: argocd-cmd-params-cm's `applicationsetcontroller.enable.new.git.file.globbing`.
    """

    repositories: tuple[Repository, ...]
    charts: tuple[Chart, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    build_options: str = ""
    api_versions: tuple[str, ...] = ()
    clusters: tuple[Mapping[str, Any], ...] = ()
    new_file_globbing: bool = False


@dataclass(frozen=True)
class Problem:
    """Why an object is not rendered.

    Attributes:
        reason: one of `Reason`.
        text: Argo CD's own words, or what is missing: a URL, a chart, the name of a plugin or generator.
        source: index of the Application's source that it is about.
    """

    reason: Reason
    text: str
    source: int = 0


@dataclass(frozen=True)
class RenderedSource:
    """What one source of an Application became.

    Attributes:
        type: Directory, Kustomize, Helm, or Ref for a source that only lends its files.
        objects: as Argo CD would apply them, without its tracking.
    """

    type: str
    objects: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Rendering:
    """What an Application or ApplicationSet became.

    Attributes:
        sources: of an Application, in its order.
        applications: of an ApplicationSet.
        problem: why it became nothing, or None.
    """

    sources: tuple[RenderedSource, ...] = ()
    applications: tuple[dict[str, Any], ...] = field(default=())
    problem: Problem | None = None


@dataclass(frozen=True)
class Engine:
    """What renders, for the head of the verdict.

    Attributes:
        confined: how it is kept apart from the user's files: `namespaces`, `chroot`, or `limits`, which is not at all.
        argocd: version of Argo CD, such as `3.2.11`.
        helm: version of helm, such as `3.19.4`.
        kustomize: version of kustomize, such as `5.8.1`.
    """

    confined: str
    argocd: str
    helm: str
    kustomize: str


class Render(Protocol):
    """What renders Applications and ApplicationSets."""

    @property
    def engine(self) -> Engine:
        """Return what renders."""

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        """Render objects, each by itself; one result for each, in their order."""


Renderer = Callable[[Material], AbstractContextManager[Render]]
"""Begin to render a layer; what is begun ends with the context."""
