"""The clusters that an Argo CD knows: of Secrets that the layer has in Git, of platform-e2e.yaml, or of a file that the user names.

Only one of them is the cluster under test; Argo CD itself knows it as `in-cluster`, and what names it otherwise is served renamed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from platform_e2e.layer import yamlfile
from platform_e2e.layer.argo_objects import NAMESPACE, mapping, sequence, text
from platform_e2e.layer.destinations import IN_CLUSTER, Aim, Destination, form
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.survey import Survey
from platform_e2e.untrusted import typed
from platform_e2e.untrusted.documents import NoDocument

LABEL = "argocd.argoproj.io/secret-type"
"""What makes a Secret that of a cluster, with the value `cluster`."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that Argo CD knows.

    Attributes:
        name: of the cluster, as Applications may name it.
        server: URL of its API server.
        labels: of its Secret, which selectors of the clusters generator ask for.
        annotations: of its Secret.
    """

    name: str
    server: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def written(self) -> frozenset[str]:
        """Return name and server as they are compared."""
        return Destination(self.url, self.name).written

    @property
    def url(self) -> str:
        """Return its server; of one whose server is not known, one that there cannot be."""
        return self.server or f"https://{self.name}.invalid"

    def secret(self, *, here: bool) -> dict[str, Any]:
        """Return the Secret by which Argo CD knows it.

        Args:
            here: whether it is the cluster under test, which Argo CD reaches by its own address.
        """
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"platform-e2e-cluster-{self.name}".lower().replace("_", "-")[:250],
                "namespace": NAMESPACE,
                "labels": {**self.labels, LABEL: "cluster"},
                "annotations": dict(self.annotations),
            },
            "type": "Opaque",
            "stringData": {
                "name": self.name,
                "server": IN_CLUSTER[1] if here else self.url,
                "config": "{}",
            },
        }


def read(path: Path) -> tuple[Cluster, ...]:
    """Return the clusters that a file lists, each with `name`, `server`, `labels` and `annotations`.

    Raises:
        LayerError: it is no list of such clusters.
    """
    documents = yamlfile.read(path.resolve().parent, path.resolve())
    content = documents[0].data if len(documents) == 1 else None
    if not isinstance(content, list):
        raise LayerError(
            str(path), 1, "must be one document with a list of clusters", "write `- {name: NAME, server: URL}`"
        )
    found = []
    known = [each.name for each in fields(Cluster)]
    for index, each in enumerate(content):
        unknown = next((key for key in mapping(each) if key not in known), None)
        if unknown is not None:
            raise documents[0].error(
                f"a cluster cannot have the key `{unknown}`", f"it has {', '.join(known)}", (index, unknown)
            )
        try:
            found.append(typed.strict(each, Cluster))
        except NoDocument as error:
            raise documents[0].error(
                f"a cluster: {error}", "it has name, server, labels and annotations", (index,)
            ) from error
    return tuple(found)


def of_layer(survey: Survey) -> tuple[Cluster, ...]:
    """Return the clusters whose Secrets a layer has in Git, or the templates of these Secrets.

    Args:
        survey: the files.
    """
    found: dict[str, Cluster] = {}
    for path, document in survey.mentioning(LABEL):
        for each in _of_object(mapping(document.data)) if survey.chart_of(path) is None else ():
            found.setdefault(each.name, each)
    return tuple(found.values())


def _of_object(data: Mapping[str, Any]) -> Iterator[Cluster]:
    for item in sequence(data.get("items")):
        yield from _of_object(mapping(item))
    metadata, holder = mapping(data.get("metadata")), data
    if data.get("kind") in ("ExternalSecret", "SealedSecret", "ClusterExternalSecret"):
        spec = mapping(data.get("spec"))
        holder = mapping(mapping(spec.get("target")).get("template")) or mapping(spec.get("template"))
        metadata = mapping(holder.get("metadata"))
    elif data.get("kind") != "Secret":
        return
    labels = mapping(metadata.get("labels"))
    if text(labels.get(LABEL)) != "cluster":
        return
    said = {**_decoded(mapping(data.get("data"))), **mapping(holder.get("stringData"))}
    said |= mapping(holder.get("data")) if holder is not data else {}
    name = text(said.get("name")) or text(metadata.get("name")) or text(mapping(data.get("metadata")).get("name"))
    if not name or "{{" in name:
        return
    kept = {key: value for key, value in labels.items() if isinstance(value, str) and key != LABEL}
    notes = {key: value for key, value in mapping(metadata.get("annotations")).items() if isinstance(value, str)}
    server = text(said.get("server"))
    yield Cluster(name, "" if "{{" in server else server, kept, notes)


def _decoded(data: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key in ("name", "server"):
        try:
            found[key] = base64.b64decode(text(data.get(key)), validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    return {key: value for key, value in found.items() if value}


def with_aliases(named: Sequence[str], clusters: Iterable[Cluster]) -> tuple[str, ...]:
    """Return names and servers of clusters, with the other name of each that is known by both.

    Args:
        named: some of them.
        clusters: that are known.
    """
    wanted = {form(each) for each in named}
    more = [each for cluster in clusters if cluster.written & wanted for each in (cluster.name, cluster.url)]
    return tuple(dict.fromkeys([*named, *more]))


@dataclass(frozen=True)
class Here:
    """How the cluster under test is called on itself.

    Attributes:
        renamed: servers and names that are served otherwise, with what stands in their place.
        secrets: Secrets of clusters that are applied before the layer.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[dict[str, Any], ...] = ()


def among(rendered: Iterable[Rendered]) -> frozenset[str]:
    """Return the names of the clusters whose Secrets the layer itself brings."""
    secrets = (each.object for each in rendered if each.kind == "Secret")
    return frozenset(cluster.name for each in secrets for cluster in _of_object(each))


def here(
    aims: Mapping[Destination, Aim], clusters: Sequence[Cluster], named: Sequence[str], in_git: AbstractSet[str]
) -> Here:
    """Return how the destinations that are the cluster under test are called on it.

    Args:
        aims: of all Applications.
        clusters: that are known.
        named: names and servers that are the cluster under test.
        in_git: names of clusters whose Secrets the layer brings.
    """
    chosen = {form(each) for each in named} | {each for aim, why in aims.items() if why.here for each in aim.written}
    own = {form(each) for each in IN_CLUSTER}
    mine = [each for each in clusters if each.written & chosen]
    names = [aim.name for aim, why in aims.items() if why.here and aim.name and form(aim.name) not in own]
    called = next((each.name for each in mine), names[0] if names else "")
    cluster = next((each for each in mine), Cluster(called)) if called and form(called) not in own else None
    if cluster is None and mine and (mine[0].labels or mine[0].annotations):
        cluster = mine[0]
    servers = [aim.server for aim, why in aims.items() if why.here and aim.server and form(aim.server) not in own]
    servers += [each.server for each in mine if each.server and form(each.server) not in own]
    renamed = dict.fromkeys(servers, IN_CLUSTER[1])
    if cluster is not None:
        # Argo CD knows one cluster by one name.
        others = [*names, IN_CLUSTER[0]]
        renamed |= {name: cluster.name for name in others if form(name) != form(cluster.name)}
    brought = cluster is not None and cluster.name not in in_git
    return Here(renamed, (cluster.secret(here=True),) if cluster is not None and brought else ())
