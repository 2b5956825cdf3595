"""How a layer is served: all that is changed of it in the commit of transformations, and what is served besides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from platform_e2e import paths
from platform_e2e.gitops import given_sources, removals, values_files
from platform_e2e.gitops.elsewhere import NOWHERE, Elsewhere
from platform_e2e.gitops.given_sources import GivenSource
from platform_e2e.gitops.transform import Transformed, message, transform, with_changes
from platform_e2e.layer import Layer


@dataclass(frozen=True)
class Served:
    """A layer as it is served.

    Attributes:
        files: those that differ from the layer's, or are added to it; None for one that is not served.
        transformed: the changes of values.
        message: of the commit with all of that.
    """

    files: Mapping[str, bytes | None]
    transformed: Transformed
    message: str


@dataclass(frozen=True)
class Serving:
    """How a layer is served.

    Attributes:
        pool_map: ClusterFacts.pool_map.
        own: repoURLs that refer to this layer, besides the one that its sources use most.
        not_judged: files, relative to the layer, with an object that is not judged.
        elsewhere: charts and repositories that are served besides the layer.
        added: content of files that are added to the layer: what its charts and kustomizations would fetch.
        values: files from which a chart or a generator may take the URL of a repository.
        without: files as they are without the layer's foundations, which are installed by themselves; None for one that is removed.
        renamed: servers and names of the cluster under test that Argo CD knows otherwise on it.
        left_out: by file the objects that are not served.
        given: what Applications read in place of their own sources.
    """

    pool_map: Mapping[str, str] = field(default_factory=dict)
    own: Sequence[str] = ()
    not_judged: AbstractSet[str] = frozenset()
    elsewhere: Elsewhere = NOWHERE
    added: Mapping[str, bytes | None] = field(default_factory=dict)
    values: AbstractSet[str] = frozenset()
    without: Mapping[str, bytes | None] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, AbstractSet[removals.Document]] = field(default_factory=dict)
    given: Sequence[GivenSource] = ()

    @classmethod
    def of(cls, layer: Layer, pool_map: Mapping[str, str] | None = None) -> Serving:
        """Return how a layer is served.

        Args:
            layer: as it was read.
            pool_map: ClusterFacts.pool_map; without one no address is moved.

        Raises:
            WrongUsage: what was given for an Application cannot be served in its place.
        """
        relative = {each.rendered.file: layer.relative(each.rendered.file) for each in layer.left_out if each.plain}
        return cls(
            pool_map or {},
            layer.urls,
            files_not_judged(layer),
            Elsewhere.of(layer),
            layer.material.repositories[0].changed if layer.material.repositories else {},
            values_files.of(layer),
            layer.taken_out,
            layer.here.renamed,
            removals.by_file(layer.left_out, relative),
            given_sources.of(layer),
        )

    def applied(self, files: Mapping[str, bytes], url: str) -> Served:
        """Return the layer's files as they are served.

        Args:
            files: path relative to the layer, with `/`, to content.
            url: of the git server inside the cluster.

        Raises:
            SourceError: the layer reads a source that cannot be served.
            UnreadableYaml: a file that has something to change is not YAML.
        """
        without = {name: content for name, content in self.without.items() if name in files}
        plain = with_changes(files, without, self.added)
        given, redirected = given_sources.served(plain, self.given, url)
        new = transform(
            plain | given, url=url, pool_map=self.pool_map, also_own=self.own, not_judged=self.not_judged,
            elsewhere=self.elsewhere, values=self.values, renamed=self.renamed, left_out=self.left_out,
        )  # fmt: skip
        changed = {**without, **self.added, **given, **new.files}
        return Served(changed, new, message(new, sorted(self.added), sorted(without), redirected))


def files_not_judged(layer: Layer) -> frozenset[str]:
    """Return the files, relative to the layer, that have nothing of Argo CD's that is judged.

    A file of an Application that is not judged is among them, whatever else it has, and so is an example that nothing applies.
    """
    top = paths.repository_of(layer.directory)
    files = {each.file for each in layer.projects} | {each.file for each in layer.applicationsets}
    files |= {each.file for each in layer.applications}
    apart = {each.file for each in layer.not_judged} | {each.foundation.application.file for each in layer.taking.taken}
    judged = {top / file for file in files - apart}
    return frozenset(path.relative_to(layer.directory).as_posix() for path in layer.files if path not in judged)
