"""The parts of the host's Debian that are used: its mirror, its archive keys, and apt's proxy."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import run, which

SUITE = "trixie"
"""Debian 13: coreutils 9.7 (Argo CD's init container calls `cp --update=none`), containerd 1.7, redis 8, Alertmanager 0.28."""

DEFAULT_MIRROR = "http://deb.debian.org/debian"
"""Debian's default mirror, for hosts whose apt uses none of Debian's. Packages are verified by signature, not by TLS."""

KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
"""Where the package debian-archive-keyring has the keys, newest format first."""


class NoDebian(BrokenHarness):
    """Debian's packages are unavailable or cannot be verified on this host."""


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    """Return the host's os-release as a mapping; empty where the file is missing."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}


def family(release: dict[str, str]) -> frozenset[str]:
    """Return the distribution and those it derives from, such as ubuntu and debian."""
    return frozenset([release.get("ID", ""), *release.get("ID_LIKE", "").split()])


def keyring() -> Path:
    """Return the file with Debian's archive keys.

    Raises:
        NoDebian: the package debian-archive-keyring is not installed.
    """
    for path in KEYRINGS:
        if path.is_file():
            return path
    raise NoDebian(
        "packages must be verified with Debian's archive keys, which this host lacks",
        "install the package debian-archive-keyring",
    )


def mirror(release: dict[str, str] | None = None, apt: Path = Path("/etc/apt")) -> str:
    """Return the Debian mirror that this host's apt uses for its own release, else Debian's default.

    Args:
        release: the host's os-release; read from the host by default.
        apt: directory of apt's configuration.
    """
    release = os_release() if release is None else release
    codename = release.get("VERSION_CODENAME")
    if release.get("ID") != "debian" or not codename:
        return DEFAULT_MIRROR
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        sources = _deb822(text) if path.suffix == ".sources" else _one_line(text) if path.suffix == ".list" else ()
        for uri, suites, components in sources:
            usable = urllib.parse.urlsplit(uri).scheme in {"http", "https"} and "snapshot." not in uri
            if usable and codename in suites and "main" in components:
                return uri.rstrip("/")
    return DEFAULT_MIRROR


def _one_line(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield URI, suites and components of each `deb` line."""
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.partition("#")[0].strip())
        if match:
            yield match[1], [match[2]], match[3].split()


def _deb822(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each URI, with suites and components, of each enabled stanza that has packages."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            name.strip().lower(): value.split()
            for name, found, value in (line.partition(":") for line in re.sub(r"\n[ \t]+", " ", stanza).splitlines())
            if found
        }
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for uri in fields.get("uris", []):
                yield uri, fields.get("suites", []), fields.get("components", [])


def apt_options() -> list[str]:
    """Return the host's settings for reaching mirrors (proxies, retries) as apt option lines.

    mmdebstrap starts from an empty configuration, and would reach no mirror where a proxy is needed.
    """
    if which("apt-config") is None:
        return []
    dumped = run(["apt-config", "dump"], timeout=30).stdout.splitlines()
    return [line for line in dumped if re.match(r'Acquire::(Retries|https?::Proxy\S*) "[^"]+";', line)]
