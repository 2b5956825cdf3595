"""Every provider by its name."""

from __future__ import annotations

from platform_e2e.cluster.provider import Provider
from platform_e2e.errors import WrongUsage

NAMES = ("embedded", "k3d")
"""The providers that exist, the default first."""


def choose(name: str | None) -> Provider:
    """Return the provider of that name, or the default one.

    Raises:
        WrongUsage: none is called so; the text names those that exist.
    """
    if name not in {None, "", *NAMES}:
        raise WrongUsage(f"no provider is called `{name}`", f"use one of: {', '.join(NAMES)}")
    if name == "k3d":
        from platform_e2e.cluster.k3d.provider import K3dProvider  # noqa: PLC0415 - only who asks pays for it

        return K3dProvider()
    from platform_e2e.cluster.embedded.provider import EmbeddedProvider  # noqa: PLC0415 - only who asks pays for it

    return EmbeddedProvider()
