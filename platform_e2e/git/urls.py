"""Spellings of a repository's URL: which of them name the same repository, and which can be shown to anybody."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)")
"""git@host:path, the short form of ssh URLs."""

_USUAL_PORTS = {"http": "80", "https": "443"}


def canonical(url: str) -> str:
    """Return the common form of all URLs of one repository, for every protocol: host and path in lower case.

    The port of an ssh URL is left out, since it says nothing about the port of the same host's HTTPS.
    """
    url = url.strip().lower()
    scp = _SCP.fullmatch(url)
    if "://" not in url and scp:
        place = f"{scp['host']}/{scp['path']}"
    else:
        parts = _split(url)
        place = f"{_host(parts[0], parts[1])}{parts[2]}" if parts[0] else url
    return place.rstrip("/").removesuffix(".git").rstrip("/")


def is_remote(url: str) -> bool:
    """Tell whether a URL names a host: a path of this machine says nothing about where others have the repository."""
    scheme, host, _ = _split(url.strip())
    return bool(host) if scheme else _SCP.fullmatch(url.strip()) is not None


def without_credentials(url: str) -> str:
    """Return a URL without user and password; the user of an ssh URL stays, since it belongs to the address."""
    scheme, host, _ = _split(url)
    if "@" not in host or scheme.lower() not in _USUAL_PORTS:
        return url
    return url.replace(host, host.rpartition("@")[2], 1)


def spellings(url: str) -> tuple[str, ...]:
    """Return the usual spellings of a repository's URL without `.git`: that by HTTPS, and that by ssh unless its port is unknown."""
    host, _, path = canonical(url).partition("/")
    return (f"https://{host}/{path}", *(() if ":" in host else (f"git@{host}:{path}",)))


def _split(url: str) -> tuple[str, str, str]:
    """Return scheme, host with user and port, and path; nothing but a path of what is not the URL of a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Such as a bracket that opens an address of IPv6 and is not closed.
        return "", "", url
    return parts.scheme, parts.netloc, parts.path


def _host(scheme: str, netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    if colon and port.isdecimal() and ("ssh" in scheme or port == _USUAL_PORTS.get(scheme)):
        return name
    return host
