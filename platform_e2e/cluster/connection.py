"""Choose the cluster that a command means: a cluster of this harness, or that of a kubeconfig."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from urllib3.util import Url, parse_url

from platform_e2e.cluster.directory import ClusterDirectory, every_cluster
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import ASKED, Limits
from platform_e2e.kube.client import Kube
from platform_e2e.kube.kubeconfig import Endpoint, load
from platform_e2e.kube.reader import Reader
from platform_e2e.paths import command
from platform_e2e.terminal import visible

LIST = "`python -m platform_e2e cluster list` shows the clusters of this harness"

UNVERIFIED = (
    "the certificate of {server} is NOT VERIFIED, for {path} says insecure-skip-tls-verify: "
    "another machine on the way can take the credentials and forge every answer; "
    "put the cluster's CA into certificate-authority-data"
)
"""Warning about a connection that accepts any certificate."""


@dataclass(frozen=True)
class Connection:
    """A connection to the chosen cluster.

    Attributes:
        kube: a client whose transport sends only GET requests.
        name: the cluster's name for a person.
        endpoint: the address, and the credentials.
        pool_map: ClusterFacts.pool_map of a cluster of this harness.
        repository: that a cluster of this harness is served from, or None.
    """

    kube: Reader
    name: str
    endpoint: Endpoint
    pool_map: Mapping[str, str] = field(default_factory=dict)
    repository: Path | None = None

    @property
    def server(self) -> str:
        """Return the URL of its API server, without what may be a secret in it: user, password, parameters."""
        url = parse_url(self.endpoint.server)
        return Url(url.scheme, host=url.host, port=url.port, path=url.path).url

    @property
    def namespace(self) -> str | None:
        """Return the namespace of its context, or None."""
        return self.endpoint.namespace

    def writer(self, *, patience: float, ends: float) -> Kube:
        """Return a second client, which can write.

        Args:
            patience: seconds for which a request is repeated.
            ends: monotonic time after which no request is sent.
        """
        return Kube(self.endpoint, patience=patience, limits=ASKED, ends=ends)


def connect(
    *,
    kubeconfig: Path | None,
    cluster: str,
    context: str,
    patience: float,
    limits: Limits = ASKED,
    ends: float = math.inf,
    client: type[Reader] = Reader,
) -> Connection:
    """Return a read-only client of the chosen cluster; sends no request yet.

    Args:
        kubeconfig: path of a kubeconfig, or None.
        cluster: name of a cluster of this harness, or empty.
        context: the context of the kubeconfig, or empty for its current one.
        patience: seconds for which a request is repeated.
        limits: the limits for answers.
        ends: monotonic time after which no request is sent.
        client: reads it.

    Raises:
        WrongUsage: no cluster fits, or more than one.
        KubeconfigError: the kubeconfig cannot be used.
    """
    if kubeconfig and cluster:
        raise WrongUsage("--kubeconfig and --cluster name two clusters", "give one of them")
    facts = _ours(cluster) if cluster else None if kubeconfig or context else _only_kept()
    path = kubeconfig or (Path(facts.kubeconfig) if facts else _users())
    # A cluster of this harness has a certificate; only a kubeconfig that the user names may run a program, as for kubectl.
    endpoint = load(path, context or None, trusted=facts is None)
    name = f"cluster {facts.name}" if facts else f"context {endpoint.context} of {path}"
    if not endpoint.verified:
        # One warning for a command, however many requests it sends.
        sys.stderr.write(visible(f"WARNING: {UNVERIFIED.format(server=endpoint.server, path=path)}\n"))
    reader = client(endpoint, patience=patience, limits=limits, ends=ends)
    if facts is None:
        return Connection(reader, name, endpoint)
    return Connection(reader, name, endpoint, facts.pool_map, ClusterDirectory(facts.name).repository)


def _ours(name: str) -> ClusterFacts:
    """Return the facts of the cluster of this harness with that name."""
    names = [each.name for each in every_cluster()]
    if name not in names:
        raise WrongUsage(f"there is no cluster {name}", f"there are: {', '.join(names)}" if names else f"{LIST}: none")
    facts = ClusterDirectory(name).facts()
    if facts is None:
        raise WrongUsage(f"cluster {name} is still being made", f"wait until it is; {LIST}")
    return facts


def _only_kept() -> ClusterFacts | None:
    """Return the facts of the only kept cluster of this harness; None if there are none."""
    kept = [each for each in every_cluster() if each.keep.exists() and each.supervisor.is_held()]
    found = [facts for each in kept if (facts := each.facts()) is not None]
    if len(found) > 1:
        # A cluster in use by a run is probably not the one that a person kept to look at.
        found = [facts for facts in found if not ClusterDirectory(facts.name).holders()] or found
    if len(found) > 1:
        raise WrongUsage(
            f"the command must name one of {len(found)} kept clusters: {', '.join(facts.name for facts in found)}",
            "name one by --cluster, or another one's file by --kubeconfig",
        )
    return found[0] if found else None


def _users() -> Path:
    """Return the kubeconfig that kubectl would use: $KUBECONFIG, or ~/.kube/config."""
    files = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    there = [file for file in files if file.exists()]
    if len(there) > 1:
        raise WrongUsage(
            f"$KUBECONFIG must name one file, got {', '.join(map(str, there))}",
            "the harness does not merge kubeconfigs: give one of them by --kubeconfig",
        )
    found = (there or files or [Path.home() / ".kube" / "config"])[0]
    if not found.exists():
        origin = (
            "$KUBECONFIG names" if files else "there is no kept cluster of this harness, $KUBECONFIG is not set, and"
        )
        said = f"{origin} {found}, which does not exist" if files else f"{origin} {found} does not exist"
        raise WrongUsage(
            f"no cluster is known: {said}",
            f"give --kubeconfig FILE, or keep a cluster: `{command('cluster')} up`, then --cluster NAME",
        )
    return found
