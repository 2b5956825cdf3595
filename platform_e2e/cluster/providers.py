"""Every provider by its name, and which one a run takes that names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_e2e.cluster.provider import Images, Provider
from platform_e2e.errors import BrokenHarness, WrongUsage

if TYPE_CHECKING:
    from platform_e2e.cluster.k3d.sources import Supplies

EMBEDDED, K3D = "embedded", "k3d"

NAMES = (EMBEDDED, K3D)
"""The providers that exist."""

AUTO = "auto"
"""The word for whatever fits this machine."""


class NoImages(BrokenHarness):
    """The provider that was asked for cannot get its images here."""


class NoDaemon(BrokenHarness):
    """The provider that was asked for needs a Docker daemon, and none answers."""


@dataclass(frozen=True)
class Choice:
    """What a run uses.

    Attributes:
        provider: its name.
        images: where images come from.
        reason: why, in a few words.
    """

    provider: str
    images: Images
    reason: str

    def __str__(self) -> str:
        """Say which and why in one line."""
        return f"{self.provider} with images {self.images}: {self.reason}"


def choose(name: str | None) -> Provider:
    """Return the provider of that name, the embedded one where none is named.

    Raises:
        WrongUsage: none is called so; the text names those that exist.
    """
    if name not in {None, "", *NAMES}:
        raise WrongUsage(f"no provider is called `{name}`", f"use one of: {', '.join((AUTO, *NAMES))}")
    if name == K3D:
        from platform_e2e.cluster.k3d.provider import K3dProvider  # noqa: PLC0415 - only who asks pays for it

        return K3dProvider()
    from platform_e2e.cluster.embedded.provider import EmbeddedProvider  # noqa: PLC0415 - only who asks pays for it

    return EmbeddedProvider()


def decide(provider: str, images: str = AUTO, mirror: str = "", *, supplies: Supplies | None = None) -> Choice:
    """Choose the provider and the source of its images: k3d where Docker answers and can get its images, else embedded.

    Args:
        provider: a name, or `auto`.
        images: `registry`, `mirror`, `built`, or `auto`.
        mirror: the value of --registry-mirror.
        supplies: what the run needs from elsewhere; by default only what a cluster itself does.

    Raises:
        WrongUsage: the options do not fit together, or name what does not exist.
        NoDaemon: k3d was asked for, and no Docker daemon answers.
        NoImages: k3d was asked for, and cannot get its images.
    """
    if provider not in {AUTO, *NAMES}:
        raise WrongUsage(f"no provider is called `{provider}`", f"use one of: {', '.join((AUTO, *NAMES))}")
    if provider == EMBEDDED:
        if images not in {AUTO, Images.BUILT} or mirror:
            raise WrongUsage("the embedded cluster's images are always built", "use --provider k3d for a registry's")
        return Choice(EMBEDDED, Images.BUILT, "as chosen")
    from platform_e2e.cluster.k3d import daemon, sources  # noqa: PLC0415 - only who asks pays for it
    from platform_e2e.cluster.k3d.docker import Docker  # noqa: PLC0415 - the same

    found = daemon.ask(Docker.of_environment())
    forced = provider == K3D or mirror or images not in {AUTO, Images.BUILT}
    if isinstance(found, daemon.Silence):
        if forced:
            raise NoDaemon(f"k3d needs Docker: {found.reason}", f"{found.remedy}, or use --provider embedded")
        return Choice(EMBEDDED, Images.BUILT, found.reason)
    asked_for = "" if images == AUTO else images
    decided = sources.decide(asked_for, mirror, supplies or sources.NOTHING, local=found.local)
    if decided.source is None:
        if forced:
            raise NoImages(
                f"k3d cannot get its images: {decided.reason}",
                "name a mirror with --registry-mirror, or use --images built or --provider embedded where this is Linux "
                "and you are root",
            )
        return Choice(EMBEDDED, Images.BUILT, f"{found} answers, but {decided.reason}")
    return Choice(K3D, decided.source, f"{found} answers; images: {decided.reason}")
