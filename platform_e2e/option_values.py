"""The values of options, from what a user writes: each parser returns one, or raises ValueError with what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path, PurePosixPath

CLUSTER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
"""Names of clusters: at most 20 characters, because interface names and host names contain it."""

DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
"""Durations: 90, 90s, 30m, 1h30m."""

SIZE = re.compile(r"(\d{1,12}) ?([kKmMgG]?)B?")
"""Sizes: 50000000, 500kB, 50MB, 2GB."""

IMAGES = ("auto", "registry", "mirror", "built")
"""Values of --images."""

STAND_INS = ("auto", "all", "none")
"""Values of --stand-ins."""


class Keep(StrEnum):
    """When a cluster outlives its run."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


def parts(text: str) -> list[str]:
    """Return the values of an option that is given several times, which its variable has separated by commas."""
    return [part for each in text.split(",") if (part := each.strip())]


def seconds(text: str) -> float:
    """Return the seconds of a duration such as 90, 90s, 30m or 1h30m."""
    match = DURATION.fullmatch(text.strip())
    if not match or not any(match.groups()):
        raise ValueError("must be a duration such as 90s, 30m or 1h30m")
    hours, minutes, rest = (int(group or 0) for group in match.groups())
    total = hours * 3600 + minutes * 60 + rest
    if total <= 0:
        raise ValueError("must be longer than 0 s")
    return float(total)


def size(text: str) -> int:
    """Return the bytes of a size such as 500kB, 50MB or 2GB, in powers of ten."""
    match = SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError("must be a size such as 500kB, 50MB or 2GB")
    total = int(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[(match[2] or "").lower()]
    if total < 100_000:
        raise ValueError("must be at least 100kB, to hold any evidence")
    return total


def node_count(text: str) -> int:
    """Return a number of nodes."""
    if not text.isdecimal() or not 1 <= int(text) <= 9:
        raise ValueError("must be a whole number from 1 to 9")
    return int(text)


def run_count(text: str) -> int:
    """Return a number of runs to keep."""
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise ValueError("must be a whole number from 1 to 999999")
    return int(text)


def one_of(*values: str) -> Callable[[str], str]:
    """Return a parser that takes these words alone."""

    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return text

    return parse


def keep(text: str) -> Keep:
    """Return when a cluster outlives its run."""
    if text not in list(Keep):
        raise ValueError(f"must be one of {', '.join(Keep)}")
    return Keep(text)


def name(text: str) -> str:
    """Return the name of a cluster."""
    if not CLUSTER_NAME.fullmatch(text):
        raise ValueError("must be 1 to 20 characters of a-z, 0-9 and -, and begin and end with a letter or digit")
    return text


def directory(text: str) -> Path:
    """Return the absolute path of a directory that exists."""
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise ValueError("must be a directory that exists")
    return path


def file(text: str) -> Path:
    """Return the absolute path of a file that exists."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise ValueError("must be a file that exists")
    return path


def repositories(text: str) -> str:
    """Return directories, with or without the URL that each stands for, with absolute paths and separated by commas."""
    found = []
    for each in parts(text):
        url, sign, place = each.rpartition("=")
        if sign and not url:
            raise ValueError("must be DIR or URL=DIR")
        found.append(f"{url}{sign}{directory(place)}")
    if sum("=" not in each for each in found) > 1:
        raise ValueError("must be one checkout of the layer's own repository, others are URL=DIR")
    return ",".join(dict.fromkeys(found))


def own_checkout(text: str) -> Path | None:
    """Return the directory without a URL among the values of --repository."""
    return next((directory(each) for each in parts(text) if "=" not in each), None)


def path(text: str) -> Path:
    """Return an absolute path."""
    return Path(text).expanduser().absolute()


def roots(text: str) -> str:
    """Return paths within a repository, each once and in its usual form, separated by commas."""
    found = [PurePosixPath(part) for part in parts(text)]
    if not found or any(path.is_absolute() or ".." in path.parts for path in found):
        raise ValueError("must be paths from the root of the layer's repository, separated by commas and without `..`")
    return ",".join(dict.fromkeys(path.as_posix() for path in found))


def names(text: str) -> str:
    """Return names, each once, separated by commas."""
    found = parts(text)
    if not found:
        raise ValueError("must be names or URLs, separated by commas")
    return ",".join(dict.fromkeys(found))


def renderings(text: str) -> str:
    """Return pairs of an Application and a directory, with absolute paths and separated by commas."""
    found = {}
    for each in parts(text):
        called, _, place = each.partition("=")
        if not place or not re.fullmatch(r"(?:[a-z0-9.-]+/)?[a-z0-9.-]+", called):
            raise ValueError("must be APP=DIR, the name of an Application and the directory with its manifests")
        found[called] = directory(place)
    return ",".join(f"{called}={place}" for called, place in found.items())


def switch(text: str) -> bool:
    """Return whether a switch is on."""
    values = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in values:
        raise ValueError(f"must be one of {', '.join(values)}")
    return values[text.lower()]
