"""Where images can come from on this machine: found out first, within seconds, and said."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from platform_e2e.cluster.k3d.daemon import listing
from platform_e2e.cluster.provider import Images
from platform_e2e.errors import WrongUsage

REGISTRIES: Mapping[str, str] = {
    "docker.io": "https://registry-1.docker.io/v2/",
    "ghcr.io": "https://ghcr.io/v2/",
    "quay.io": "https://quay.io/v2/",
    "registry.k8s.io": "https://registry.k8s.io/v2/",
}
"""Those that k3d, k3s and the foundations' charts fetch from, and where each answers (distribution specification, GET /v2/)."""

ANSWER_SECONDS = 3.0
"""For a registry to say anything at all; a tenth of a second is usual."""

ALL = "*"
"""k3s' word for every registry."""


@dataclass(frozen=True)
class Decision:
    """Where images come from, and why; None where they cannot be had."""

    source: Images | None
    reason: str


def ask(url: str) -> str:
    """Return an empty text when a registry answers at a URL, else why not.

    A registry that wants a login first says 401, and is there.
    """
    try:
        answer = requests.get(url, timeout=ANSWER_SECONDS, allow_redirects=True)
    except requests.Timeout:
        return f"no answer within {ANSWER_SECONDS:g} s"
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.status_code in {200, 401} else f"it answers {answer.status_code}"


def unreachable(urls: Mapping[str, str]) -> dict[str, str]:
    """Return the registries that do not answer, each with the reason; all are asked at once.

    Args:
        urls: by name of the registry.
    """
    with ThreadPoolExecutor(max(len(urls), 1)) as pool:
        reasons = dict(zip(urls, pool.map(ask, urls.values()), strict=True))
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
        found[registry] = url.rstrip("/")
    return found


def decide(asked_for: str, mirror: str, *, local: bool) -> Decision:
    """Find out where images come from.

    Args:
        asked_for: `registry`, `mirror`, `built`, or empty for whatever can be had.
        mirror: the value of --registry-mirror.
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
    if mirrors:
        silent = unreachable({url: f"{url}/v2/" for url in set(mirrors.values())})
        return (
            Decision(None, _said(silent)) if silent else Decision(Images.MIRROR, f"from {', '.join(mirrors.values())}")
        )
    silent = unreachable(REGISTRIES)
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
