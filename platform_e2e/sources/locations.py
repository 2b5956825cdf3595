"""Which URLs of a layer are fetched: a layer is a stranger's, and must not choose what of this host is read or run."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

GIT = ("http", "https", "ssh")
"""Of Git repositories, besides the short form user@host:path."""

CHARTS = ("http", "https", "oci")
"""Of chart repositories; an OCI registry may be written without a scheme."""

FILES = ("http", "https")
"""Of single files."""

_SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:(?!/?-)[^:\s]+")
_REGISTRY = re.compile(r"[A-Za-z0-9][\w.-]*(?::\d+)?(?:/[A-Za-z0-9][\w.-]*)+")
_PLAIN = re.compile(r"[\x21-\x7e]{1,1000}")


def refused(url: str, schemes: tuple[str, ...]) -> str:
    """Return why a URL is not fetched; empty if it is.

    Args:
        url: as the layer writes it.
        schemes: that are fetched: one of the constants here.
    """
    allowed = f"only {', '.join(schemes)} are fetched"
    if not _PLAIN.fullmatch(url) or url.startswith("-") or "\\" in url:
        return "it is not a URL"
    if "::" in url.partition("/")[0]:
        return f"{allowed}, and no transport that runs a program"
    if "://" in url:
        return _refused(url, schemes, allowed)
    short = schemes is GIT and _SCP.fullmatch(url)
    registry = schemes is CHARTS and _REGISTRY.fullmatch(url) and ".." not in url
    return "" if short or registry else allowed


def _refused(url: str, schemes: tuple[str, ...], allowed: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "it is not a URL"
    # A host or user that begins so would be an option of ssh.
    faults = {
        f"{allowed}, got {parts.scheme}": parts.scheme.lower() not in schemes,
        "it names no host": not host or host.startswith("-") or (parts.username or "").startswith("-"),
        "its path has `..`": ".." in parts.path.split("/"),
    }
    return next((fault for fault, there in faults.items() if there), "")


def is_loopback(url: str) -> bool:
    """Tell whether a registry is on this host: these are asked without TLS, as Docker does."""
    host = urlsplit(url if "://" in url else f"oci://{url}").hostname or ""
    return host in {"localhost", "127.0.0.1", "::1"}
