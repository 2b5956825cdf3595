"""The sources of images that this machine can reach, found within seconds before anything else happens."""

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
"""Registries of k3s' node image with its system pods, and of k3d's tools."""

ENDPOINTS: Mapping[str, str] = {"docker.io": "https://registry-1.docker.io"}
"""Endpoints of registries that differ from their names."""

OCI = "oci://"
"""Start of the URL of a chart repository that is a registry."""

ANSWER_SECONDS = 3.0
"""Timeout for any answer of a registry; a tenth of a second is usual."""

ALL = "*"
"""k3s' name for every registry."""


@dataclass(frozen=True)
class Supplies:
    """The registries and repositories that a run needs beside those of the nodes' images.

    Attributes:
        registries: the registries of the images of its pods.
        repositories: the URLs of the chart repositories.
        downloads: the URLs of their archives, if they lie elsewhere.
        ca: file with additional trusted certificates, or empty.
    """

    registries: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    ca: str = ""

    def urls(self, mirrors: Mapping[str, str]) -> dict[str, str]:
        """Return for each name the URL to ask; a mirror replaces its registry.

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
    """The source of images, and the reason; the source is None if they are out of reach."""

    source: Images | None
    reason: str


def ask(url: str, ca: str = "") -> str:
    """Return an empty text if a registry or a chart repository answers at a URL, else the reason.

    A registry that requires a login answers 401, which counts as an answer.

    Args:
        url: the URL; only the status of the answer is read.
        ca: file with additional trusted certificates, or empty.
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
    """Return those that do not answer, each with the reason; asks all at once.

    Args:
        urls: for each registry or chart repository its URL.
        ca: file with additional trusted certificates, or empty.
    """
    with ThreadPoolExecutor(max(len(urls), 1)) as pool:
        reasons = dict(zip(urls, pool.map(lambda url: ask(url, ca), urls.values()), strict=True))
    return {name: reason for name, reason in reasons.items() if reason}


def parse_mirror(text: str) -> dict[str, str]:
    """Return the mirrors in the value of --registry-mirror: registry to URL, `*` for every registry.

    Args:
        text: a URL, or REGISTRY=URL once for each registry, with commas between them.

    Raises:
        WrongUsage: the text has neither form.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        registry, _, url = part.rpartition("=") if "=" in part.partition("//")[0] else (ALL, "", part)
        if not url.startswith(("http://", "https://")) or not url.partition("//")[2].strip("/"):
            raise WrongUsage(
                f"--registry-mirror must be a URL, or REGISTRY=URL once for each registry, got `{part}`",
                "write https://mirror.example.com, or docker.io=http://cache:5000,quay.io=http://cache:5001",
            )
        if "@" in url.partition("//")[2].partition("/")[0]:
            raise WrongUsage(
                f"--registry-mirror: the URL for {registry} must have no user and no password",
                "log in once with `docker login HOST`: the nodes get the same login",
            )
        found[registry] = url.rstrip("/")
    return found


def decide(asked_for: str, mirror: str, supplies: Supplies = NOTHING, *, local: bool) -> Decision:
    """Choose the source of images.

    Args:
        asked_for: `registry`, `mirror`, `built`, or empty for any source that works.
        mirror: the value of --registry-mirror.
        supplies: what else the run needs from registries; only registries in use are asked.
        local: whether the Docker daemon sees this host's files.

    Raises:
        WrongUsage: --images mirror without --registry-mirror, or the reverse.
    """
    mirrors = parse_mirror(mirror)
    if asked_for == Images.MIRROR and not mirrors:
        raise WrongUsage("--images mirror must come with a mirror, got none", "name it with --registry-mirror URL")
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
        system: the operating system, as in sys.platform.
        user: the user's id; this process's by default.
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
