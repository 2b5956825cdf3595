"""The supported versions of k3d and k3s, pinned here and in `cli/go.mod`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.toolbox import gomod

MODULE = Path(__file__).parent / "cli"
"""The Go module of k3d, built if PATH has no k3d that fits; separate from the embedded cluster's programs, so that a change of
one does not rebuild the other."""

PACKAGE = "github.com/k3d-io/k3d/v5"

K3S = "v1.34.4-k3s1"
"""Tag of the node image: the embedded cluster's version of Kubernetes, so that both give the same verdicts."""

K3S_IMAGE = f"docker.io/rancher/k3s:{K3S}"


@dataclass(frozen=True, order=True)
class Version:
    """A version of a release, of three numbers."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """Return it with a leading v, as the programs do."""
        return f"v{self.major}.{self.minor}.{self.patch}"


LEAST = Version(5, 7, 0)
"""The first k3d with container fixes by default and CoreDNS records that survive a restart (its CHANGELOG.md)."""

BELOW = Version(6, 0, 0)
"""A next major version may read another format of configuration file."""


def parse(text: str) -> Version | None:
    """Return the version in the output of `k3d version`, or None for a pre-release.

    A pre-release may lack features of the release, and its image for tools may not exist.

    Args:
        text: the output, such as `k3d version v5.9.0` and further lines.
    """
    found = re.search(r"\bk3d version v(\d+)\.(\d+)\.(\d+)(-\S+)?", text)
    if found is None or found[4]:
        return None
    return Version(*(int(found[number]) for number in (1, 2, 3)))


def fits(version: Version) -> bool:
    """Tell whether a k3d of that version supports our configuration."""
    return LEAST <= version < BELOW


def pinned() -> str:
    """Return the version of k3d that this harness builds, with its leading v."""
    return gomod.read(MODULE / "go.mod").module(PACKAGE).version
