"""Where images can come from on this machine: found out first, within seconds, and said."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from platform_e2e.cluster.k3d.judging import listing
from platform_e2e.cluster.provider import Images
from platform_e2e.errors import WrongUsage

NODES = ("docker.io", "ghcr.io")
"""Registries of k3s' node image with its system's own pods, and of k3d's tools."""

ENDPOINTS: Mapping[str, str] = {"docker.io": "https://registry-1.docker.io"}
"""Where a registry answers, if not at its name."""

OCI = "oci://"
"""Before a chart repository that is a registry."""

ANSWER_SECONDS = 3.0
"""For a registry to say anything at all; a tenth of a second is usual."""

ALL = "*"
"""k3s' word for every registry."""


@dataclass(frozen=True)
class Supplies:
    """What a run needs from elsewhere, besides the nodes' own images.

    Attributes:
        registries: of the images of its pods.
        repositories: URLs of the chart repositories.
        downloads: where these keep their archives, if elsewhere.
        ca: file with certificates that are trusted too, or empty.
    """

    registries: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    ca: str = ""

    def urls(self, mirrors: Mapping[str, str]) -> dict[str, str]:
        """Return by name where each answers; a mirror in place of its registry.

        Args:
            mirrors: as `parse_mirror` returns them.
        """
        charts = {url.removeprefix(OCI).partition("/")[0] for url in self.repositories if url.startswith(OCI)}
        direct = charts if ALL in mirrors else {*NODES, *self.registries, *charts} - mirrors.keys()
        asked = {name: f"{ENDPOINTS.get(name, f'https://{name}')}/v2/" for name in direct}
        asked.update({url: f"{url}/v2/" for url in mirrors.values()})
        indexes = {url: f"{url.rstrip('/')}/index.yaml" for url in self.repositories if not url.startswith(OCI)}
        asked.update({url.partition("//")[2].rstrip("/"): at for url, at in indexes.items()})
        asked.update({url.partition("//")[2]: url for url in self.downloads})
        return asked


NOTHING = Supplies()


@dataclass(frozen=True)
class Decision:
    """Where images come from, and why; None where they cannot be had."""

    source: Images | None
    reason: str


def ask(url: str, ca: str = "") -> str:
    """Return an empty text when a registry or a chart repository answers at a URL, else why not.

    A registry that wants a login first says 401, and is there.

    Args:
        url: to ask; of what it answers only the status is read.
        ca: file with certificates that are trusted where the usual ones are not enough.
    """
    verify: bool | str = True
    for verify in dict.fromkeys((True, ca or True)):
        try:
            # Some indexes have several megabytes.
            with requests.get(url, timeout=ANSWER_SECONDS, allow_redirects=True, stream=True, verify=verify) as answer:
                return "" if answer.status_code in {200, 401} else f"it answers {answer.status_code}"
        except requests.Timeout:
            return f"no answer within {ANSWER_SECONDS:g} s"
        except requests.exceptions.SSLError:
            continue
        except (requests.RequestException, OSError) as error:
            return type(error).__name__
    return "its certificate is not trusted"


def unreachable(urls: Mapping[str, str], ca: str = "") -> dict[str, str]:
    """Return those that do not answer, each with the reason; all are asked at once.

    Args:
        urls: by name of the registry or chart repository.
        ca: file with certificates that are trusted too, or empty.
    """
    with ThreadPoolExecutor(max(len(urls), 1)) as pool:
        reasons = dict(zip(urls, pool.map(lambda url: ask(url, ca), urls.values()), strict=True))
    return {name: reason for name, reason in reasons.items() if reason}


def parse_mirror(text: str) -> dict[str, str]:
    """Return the mirrors in the value of --registry-mirror: registry to URL, `*` for every registry.

    Args:
        text: a URL, or REGISTRY=URL once for each registry, with commas between them.

    Raises:
        WrongUsage: it is neither.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        registry, _, url = part.rpartition("=") if "=" in part.partition("//")[0] else (ALL, "", part)
        if not url.startswith(("http://", "https://")) or not url.partition("//")[2].strip("/"):
            raise WrongUsage(
                f"--registry-mirror: `{part}` is no URL",
                "write https://mirror.example.com, or docker.io=http://cache:5000,quay.io=http://cache:5001",
            )
        if "@" in url.partition("//")[2].partition("/")[0]:
            raise WrongUsage(
                f"--registry-mirror: the URL for {registry} must have no user and no password",
                "log in once with `docker login HOST`: the nodes are given the same login",
            )
        found[registry] = url.rstrip("/")
    return found


def decide(asked_for: str, mirror: str, supplies: Supplies = NOTHING, *, local: bool) -> Decision:
    """Find out where images come from.

    Args:
        asked_for: `registry`, `mirror`, `built`, or empty for whatever can be had.
        mirror: the value of --registry-mirror.
        supplies: what the run needs from elsewhere; a registry that it does not use is not asked.
        local: whether the Docker daemon sees this host's files.

    Raises:
        WrongUsage: --images mirror without --registry-mirror, or the other way round.
    """
    mirrors = parse_mirror(mirror)
    if asked_for == Images.MIRROR and not mirrors:
        raise WrongUsage("--images mirror: no mirror is named", "name it with --registry-mirror URL")
    if mirrors and asked_for in {Images.REGISTRY, Images.BUILT}:
        raise WrongUsage(f"--registry-mirror has no use with --images {asked_for}", "leave one of the two out")
    if asked_for == Images.BUILT:
        cannot = cannot_build(local=local)
        return Decision(None, cannot) if cannot else Decision(Images.BUILT, "as chosen")
    silent = unreachable(supplies.urls(mirrors), supplies.ca)
    if mirrors:
        reason = f"from {', '.join(mirrors.values())}"
        return Decision(None, _said(silent)) if silent else Decision(Images.MIRROR, reason)
    if not silent:
        return Decision(Images.REGISTRY, "every registry answers")
    if asked_for == Images.REGISTRY:
        return Decision(None, _said(silent))
    cannot = cannot_build(local=local)
    if cannot:
        return Decision(None, f"{_said(silent)}, and {cannot}")
    return Decision(Images.BUILT, _said(silent))


def cannot_build(*, local: bool, system: str = sys.platform, user: int | None = None) -> str:
    """Return why images cannot be built here, or an empty text.

    Args:
        local: whether the Docker daemon sees this host's files.
        system: as sys.platform.
        user: id, this process's by default.
    """
    if system != "linux":
        return "images are built on Linux only"
    if (os.geteuid() if user is None else user) != 0:
        return "images are built by root only"
    return "" if local else "images are built only for a Docker daemon on this host"


def _said(silent: Mapping[str, str]) -> str:
    names = sorted(silent)
    reasons = sorted(set(silent.values()))
    return f"{listing(names)} cannot be reached ({', '.join(reasons)})"
