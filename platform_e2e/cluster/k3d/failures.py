"""The meaning of errors that k3d and Docker print: the failed object, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from platform_e2e.errors import BrokenHarness

LINES_SHOWN = 12
"""Lines of k3d's output in the error's text."""


class K3dFailed(BrokenHarness):
    """k3d or Docker failed."""


@dataclass(frozen=True)
class Meaning:
    """The meaning of one kind of message.

    Attributes:
        pattern: the message of k3d or Docker.
        sentence: its meaning, with groups of the pattern as in `re.Match.expand`.
        remedy: the remedy.
    """

    pattern: str
    sentence: str
    remedy: str


MEANINGS: Sequence[Meaning] = (
    Meaning(
        r"toomanyrequests|pull rate limit|429 Too Many Requests",
        "the registry's pull limit is reached: it allows this address, or this account, no more pulls for now",
        "log in with `docker login`, use a mirror or pull-through cache (--registry-mirror), or wait: Docker Hub counts six "
        "hours",
    ),
    Meaning(
        r"no space left on device|disk quota exceeded",
        "Docker's disk is full",
        "free some: `docker system df` shows what is used, `docker system prune` removes unused data",
    ),
    Meaning(
        r"cluster with that name already exists|[Cc]onflict\. The container name \"?/?(?P<name>[\w.-]+)",
        "a cluster or container of that name exists already",
        "choose another name with --cluster, or remove it: k3d cluster delete NAME",
    ),
    Meaning(
        r"[Pp]ool overlaps with other one on this address space|conflicts with network",
        "the cluster's network overlaps with one that Docker assigned meanwhile",
        "run again, which chooses another one; `docker network ls` shows the existing ones",
    ),
    Meaning(
        r"could not find an available,? non-overlapping|all predefined address pools",
        "Docker has no network left",
        "remove unused networks: docker network prune",
    ),
    Meaning(
        r"port is already allocated|address already in use",
        "a port that k3d chose was taken meanwhile",
        "run again, which chooses another one",
    ),
    Meaning(
        r"Cannot connect to the Docker daemon|error during connect|connection reset by peer|unexpected EOF|: EOF$",
        "the Docker daemon has gone away",
        "start it again and look into its log (journalctl -u docker); what is left of the cluster is removed by the next run",
    ),
    Meaning(
        r"unable to apply caps|setting capabilities|can't set oom score|oom_score_adj|operation not permitted",
        "Docker cannot start containers unchanged: this machine lacks a capability, most often CAP_SYS_RESOURCE",
        "start the daemon with a runtime that requests only what this machine grants, as .ci/docker does (docs/providers.md)",
    ),
    Meaning(
        r"server gave HTTP response to HTTPS client",
        "the registry speaks http, and Docker connects by https",
        "name it as localhost, which Docker reaches by http, or add it to insecure-registries in Docker's daemon.json; "
        "--registry-mirror http://... configures the nodes",
    ),
    Meaning(
        r"x509: |tls: failed to verify certificate|certificate signed by unknown authority",
        "the registry's certificate is not trusted, or not valid at this time",
        "give the nodes its CA with --registry-ca FILE, and Docker itself with /etc/docker/certs.d/HOST/ca.crt; if the "
        "certificate has expired, check the clock",
    ),
    Meaning(
        r"error getting credentials|docker-credential-\S+: executable file not found",
        "Docker cannot read the credential store that its config.json names",
        "install the helper, or take credsStore and credHelpers out of ~/.docker/config.json and run `docker login`",
    ),
    Meaning(
        r"proxyconnect|407 Proxy Authentication|Proxy Authentication Required",
        "the proxy before the registry does not let Docker through",
        "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY, here and in Docker's own settings (systemctl show docker, daemon.json)",
    ),
    Meaning(
        r"pull access denied|repository does not exist or may require",
        "the registry does not have an image of that name, or does not show it to this account",
        "see the name in the lines above, and log in with `docker login`; a mirror must have what docker.io has under the same "
        "path",
    ),
    Meaning(
        r"unauthorized|authentication required|401 Unauthorized|no basic auth credentials",
        "the registry wants a login, or refuses the one that it got",
        "log in with `docker login HOST`; the nodes get the same credentials",
    ),
    Meaning(
        r"\bdenied: |403 Forbidden|insufficient_scope",
        "the registry does not allow this account to fetch the image",
        "log in with `docker login HOST` as an account that may read it",
    ),
    Meaning(
        r"no such host|i/o timeout|TLS handshake timeout|connection refused|server misbehaving",
        "a registry cannot be reached",
        "check the network and Docker's proxy settings, use --registry-mirror, or --images built",
    ),
    Meaning(
        r"manifest unknown|manifest for \S+ not found|repository does not exist|name unknown",
        "the registry does not have an image of that name",
        "see the name in the lines above; a mirror must have what docker.io has under the same path",
    ),
)
"""The table of meanings, in order: the first match is the cause, later ones may be its consequences."""


def explain(what: str, output: str) -> K3dFailed:
    """Return the error for the output of k3d or Docker.

    Args:
        what: the failed action, as the beginning of a sentence.
        output: the output of the program; its last lines are quoted.
    """
    shown = "".join(f"\n    {line}" for line in output.strip().splitlines()[-LINES_SHOWN:])
    for meaning in MEANINGS:
        if re.search(meaning.pattern, output, re.MULTILINE):
            return K3dFailed(f"{what}: {meaning.sentence}{shown}", meaning.remedy)
    return K3dFailed(f"{what}{shown}", "read the lines above; the nodes' own logs are kept beside them")
