"""Which cluster a person means, where nobody says it in full: one of this harness, or that of a kubeconfig."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from urllib3.util import Url, parse_url

from platform_e2e.cluster import place
from platform_e2e.cluster.place import Place
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
"""What is said of a connection that trusts everybody."""


@dataclass(frozen=True)
class Connection:
    """A cluster that was chosen.

    Attributes:
        kube: its client, whose transport sends nothing but GET.
        name: how a person names it.
        endpoint: where it is, and as whom to ask.
    """

    kube: Reader
    name: str
    endpoint: Endpoint

    @property
    def server(self) -> str:
        """Return the URL of its API server, without what may be a secret in it: user, password, parameters."""
        url = parse_url(self.endpoint.server)
        return Url(url.scheme, host=url.host, port=url.port, path=url.path).url

    @property
    def namespace(self) -> str | None:
        """Return the namespace that its context is for, or None."""
        return self.endpoint.namespace

    def writer(self, *, patience: float, ends: float) -> Kube:
        """Return another client of it, which can write.

        Args:
            patience: seconds that a request is tried for.
            ends: monotonic time from which on nothing is asked any more.
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
) -> Connection:
    """Return a client that can only read of the cluster that is meant; asks nothing of it yet.

    Args:
        kubeconfig: its file, or None.
        cluster: name of a cluster of this harness, or empty.
        context: of the kubeconfig, or empty for its current one.
        patience: seconds that a request is tried for.
        limits: of what is answered.
        ends: monotonic time from which on nothing is asked any more.

    Raises:
        WrongUsage: no cluster, or more than one, could be meant.
        KubeconfigError: the kubeconfig cannot be used.
    """
    if kubeconfig and cluster:
        raise WrongUsage("--kubeconfig and --cluster name two clusters", "give one of them")
    facts = _ours(cluster) if cluster else None if kubeconfig or context else _only_kept()
    path = kubeconfig or (Path(facts.kubeconfig) if facts else _users())
    # A cluster of this harness has a certificate; what runs a program is only what the user names, as for kubectl.
    endpoint = load(path, context or None, trusted=facts is None)
    name = f"cluster {facts.name}" if facts else f"context {endpoint.context} of {path}"
    if not endpoint.verified:
        # Once for a command, however many requests it makes.
        sys.stderr.write(visible(f"WARNING: {UNVERIFIED.format(server=endpoint.server, path=path)}\n"))
    return Connection(Reader(endpoint, patience=patience, limits=limits, ends=ends), name, endpoint)


def _ours(name: str) -> ClusterFacts:
    """Return the cluster of this harness of that name."""
    names = [each.name for each in place.every()]
    if name not in names:
        raise WrongUsage(f"there is no cluster {name}", f"there are: {', '.join(names)}" if names else f"{LIST}: none")
    facts = Place(name).facts()
    if facts is None:
        raise WrongUsage(f"cluster {name} is still being made", f"wait until it is; {LIST}")
    return facts


def _only_kept() -> ClusterFacts | None:
    """Return the only kept cluster of this harness; None where there is none."""
    kept = [each for each in place.every() if each.keep.exists() and each.supervisor.is_held()]
    found = [facts for each in kept if (facts := each.facts()) is not None]
    if len(found) > 1:
        # One that somebody's run is using is not the one that a person has kept to look at.
        found = [facts for facts in found if not Place(facts.name).holders()] or found
    if len(found) > 1:
        raise WrongUsage(
            f"{len(found)} clusters of this harness are kept: {', '.join(facts.name for facts in found)}",
            "name one by --cluster, or another one's file by --kubeconfig",
        )
    return found[0] if found else None


def _users() -> Path:
    """Return the kubeconfig that kubectl would use: $KUBECONFIG, or ~/.kube/config."""
    files = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    there = [file for file in files if file.exists()]
    if len(there) > 1:
        raise WrongUsage(
            f"$KUBECONFIG names {len(there)} files, which are not merged here", "give one of them by --kubeconfig"
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
