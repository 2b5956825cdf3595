"""Which k3d and which k3s: pinned here and in `cli/go.mod`, and compared as versions, not as texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.toolbox import gomod

MODULE = Path(__file__).parent / "cli"
"""The Go module that k3d is built from where PATH has none that fits; apart from the embedded cluster's programs, so that
neither is built anew for the other."""

PACKAGE = "github.com/k3d-io/k3d/v5"

K3S = "v1.34.4-k3s1"
"""Tag of the node image: the Kubernetes of the embedded cluster, so that both give the same verdicts."""

K3S_IMAGE = f"docker.io/rancher/k3s:{K3S}"


@dataclass(frozen=True, order=True)
class Version:
    """A version of three numbers, of a release."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """Write it as the programs do."""
        return f"v{self.major}.{self.minor}.{self.patch}"


LEAST = Version(5, 7, 0)
"""The first k3d whose fixes for containers are on by default and that keeps CoreDNS' records over a restart (its CHANGELOG.md)."""

BELOW = Version(6, 0, 0)
"""A next major version may read another kind of configuration file."""


def parse(text: str) -> Version | None:
    """Return the version in what `k3d version` says, or None for what is no release.

    What comes before a release lacks some of it, and its image for tools may not exist.

    Args:
        text: such as `k3d version v5.9.0` and further lines.
    """
    found = re.search(r"\bk3d version v(\d+)\.(\d+)\.(\d+)(-\S+)?", text)
    if found is None or found[4]:
        return None
    return Version(*(int(found[number]) for number in (1, 2, 3)))


def fits(version: Version) -> bool:
    """Tell whether a k3d of that version understands what it is told here."""
    return LEAST <= version < BELOW


def pinned() -> str:
    """Return the version of k3d that is built, with its leading v."""
    return gomod.read(MODULE / "go.mod").module(PACKAGE).version
