"""Read a layer: follow every Application to its objects, and stop with file and line at whatever cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Promise
from platform_e2e.layer import (
    applications,
    applicationsets,
    inventory,
    kustomize,
    manifests,
    own_annotations,
    releases,
    rendering,
    tree,
    unread,
)
from platform_e2e.layer.applications import Application
from platform_e2e.layer.applicationsets import ApplicationSet, Environment
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.kustomize import Renderer
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.objects import Exemption, Rendered, described, exemptions
from platform_e2e.layer.unread import Unread
from platform_e2e.layer.yamlfile import Document

ROOTS = "argocd"
"""The directory that a team applies by hand once: its Applications, ApplicationSets and AppProjects."""

_GROUP = "argoproj.io/"


def load(directory: Path, renderer: Renderer = kustomize.unavailable, *, besides: Path | None = None) -> Layer:
    """Read a layer.

    Args:
        directory: of the layer; it is the root of the repository that Argo CD reads.
        renderer: for kustomizations, such as `kustomize_build(PROGRAM)`.
        besides: a directory that the run itself writes to: a change there is none of the layer.

    Raises:
        LayerError: a file cannot be used; the text has file and line.
        WrongUsage: the directory does not exist, or is not a layer.
        BrokenHarness: kustomize is needed and cannot be run.
    """
    root = directory.resolve()
    files = tree.files(root)
    apart = besides.resolve() if besides else None
    # Before anything is read, so that what is written meanwhile counts as changed.
    contents = tree.contents(root, files, apart)
    if not (root / ROOTS).is_dir():
        raise WrongUsage(
            f"{root} is not a layer: it must have a directory {ROOTS}/", "name the layer's directory with --layer DIR"
        )
    listed = releases.read(root)
    found = _Reading(root, renderer)
    found.take(document for document in manifests.directory(root, root / ROOTS, recurse=True))
    if not found.applications:
        raise LayerError(
            paths.in_repository(root / ROOTS, root),
            None,
            "holds no Application and no ApplicationSet",
            "a layer that deploys nothing proves nothing",
        )
    found.render()
    every = tuple(sorted(found.rendered.values(), key=lambda application: application.name))
    every = tuple(
        replace(application, allowed_by=found.project_of(application)) for application in rendering.scoped(every)
    )
    rendered = tuple(rendered for application in every for rendered in application.objects)
    left = unread.unread(root, files, found.read, found.environments)
    return Layer(
        directory=root,
        files=files,
        releases=listed,
        applications=every,
        applicationsets=tuple(found.applicationsets.values()),
        projects=tuple(found.projects.values()),
        environments=tuple(found.environments),
        rendered=rendered,
        pools=tuple(inventory.pool(pool) for pool in rendered if pool.kind == "IPAddressPool"),
        exemptions=_exemptions(found, rendered, left),
        unread=left,
        contents=contents,
        besides=apart,
    )


@dataclass
class _Reading:
    """What was found so far; Applications may render further Applications."""

    root: Path
    renderer: Renderer
    applications: dict[tuple[str, str], Application] = field(default_factory=dict)
    rendered: dict[tuple[str, str], Application] = field(default_factory=dict)
    applicationsets: dict[tuple[str, str], ApplicationSet] = field(default_factory=dict)
    projects: dict[tuple[str, str], Rendered] = field(default_factory=dict)
    environments: list[Environment] = field(default_factory=list)
    read: set[Path] = field(default_factory=set)

    def take(self, documents: Iterable[Document]) -> None:
        """Take note of the Applications, ApplicationSets and AppProjects among some objects, and check all for annotations."""
        for document in documents:
            metadata = document.data["metadata"]
            own_annotations.check(
                document, described(document.data["kind"], metadata["name"], metadata.get("namespace"))
            )
            if not str(document.data["apiVersion"]).startswith(_GROUP):
                continue
            match document.data["kind"]:
                case "Application":
                    self._application(applications.parse(document))
                case "ApplicationSet":
                    self._applicationset(document)
                case "AppProject":
                    self._project(document)

    def render(self) -> None:
        """Render every Application, also those that an Application renders."""
        while waiting := [application for key, application in self.applications.items() if key not in self.rendered]:
            # All are read before the first is rendered: what is wrong shows before a renderer, which may have to be built.
            for application in waiting:
                self._check_repository(application)
            made_of = [rendering.inputs(self.root, application) for application in waiting]
            for application, inputs in zip(waiting, made_of, strict=True):
                self.read |= unread.directories(self.root, inputs)
                objects = rendering.render(application, inputs, self.renderer)
                self.rendered[application.namespace, application.name] = replace(application, objects=objects)
                self.take(rendered.document for rendered in objects)

    def _application(self, new: Application) -> None:
        known = self.applications.setdefault((new.namespace, new.name), new)
        if (known.file, known.line) != (new.file, new.line):
            problem = f"{new} is there a second time"
            raise LayerError(new.file, new.line, problem, f"the first is in {known.file}:{known.line}")

    def _applicationset(self, document: Document) -> None:
        key = (document.data["metadata"].get("namespace") or applications.NAMESPACE, document.data["metadata"]["name"])
        known = self.applicationsets.get(key)
        if known is not None:
            if (known.file, known.line) == (document.file, document.line):
                return
            problem = f"{known} is there a second time"
            raise document.error(problem, f"the first is in {known.file}:{known.line}")
        owner, generated = applicationsets.expand(self.root, document)
        self.applicationsets[key] = owner
        self.environments.extend(applicationsets.environments(self.root, owner, generated))
        for application in generated:
            written = Document(application.manifest, application.file, application.line, written=application.written)
            own_annotations.check(written, str(application))
            self._application(application)

    def _project(self, document: Document) -> None:
        metadata = document.data["metadata"]
        key = (metadata.get("namespace") or applications.NAMESPACE, metadata["name"])
        data = {**document.data, "metadata": {**metadata, "namespace": key[0]}}
        self.projects.setdefault(key, Rendered(data, "", document.file, document.line, Written.of(document)))

    def project_of(self, application: Application) -> Rendered | None:
        """Return the AppProject of an Application, which may live in a namespace of its own, projects beside Argo CD alone."""
        places = (applications.NAMESPACE, application.namespace)
        return next(
            (self.projects[key] for place in places if (key := (place, application.project)) in self.projects), None
        )

    def _check_repository(self, application: Application) -> None:
        """Refuse an Application that reads another repository than most: its path means nothing in this layer."""
        written = Counter(
            source.repository for application in self.applications.values() for source in application.sources
        )
        ours = written.most_common(1)[0][0]
        for source in application.sources:
            if source.repository != ours:
                problem = f"{application} reads {source.repository}, the others {ours}"
                raise LayerError(
                    application.file, application.line, problem, "a test serves one repository: this layer"
                )


def _exemptions(found: _Reading, rendered: tuple[Rendered, ...], left: tuple[Unread, ...]) -> tuple[Exemption, ...]:
    """Return every exemption once; Applications and ApplicationSets may also be among the rendered."""
    written: list[Application | ApplicationSet | Rendered] = [*found.rendered.values(), *found.applicationsets.values()]
    every = {
        (exemption.object, exemption.promise): exemption
        for thing in (*written, *rendered)
        for exemption in exemptions(thing.annotations, str(thing), thing.file, thing.line)
    }
    for environment in found.environments:
        if environment.exempt and environment.application is None:
            subject = described("Environment", environment.path, None)
            exemption = Exemption(subject, Promise.ENVIRONMENTS, environment.exempt, environment.file)
            every[subject, Promise.ENVIRONMENTS] = exemption
    for directory in left:
        if directory.exempt:
            named = paths.in_repository(found.root / directory.path, found.root)
            exemption = Exemption(str(directory), Promise.APPLICATIONS, directory.exempt, named)
            every[str(directory), Promise.APPLICATIONS] = exemption
    return tuple(every.values())
