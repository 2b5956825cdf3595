"""The table of providers, and the choice of one for a run that names none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_e2e.cluster.provider import Images, Provider
from platform_e2e.errors import BrokenHarness, WrongUsage

if TYPE_CHECKING:
    from platform_e2e.cluster.k3d.image_sources import Supplies

EMBEDDED, K3D = "embedded", "k3d"

NAMES = (EMBEDDED, K3D)
"""The providers that exist."""

AUTO = "auto"
"""The option's value for a provider that fits this machine."""


class NoImages(BrokenHarness):
    """The requested provider cannot get its images here."""


class NoDaemon(BrokenHarness):
    """The requested provider needs a Docker daemon, and none answers."""


@dataclass(frozen=True)
class Choice:
    """The provider and the images of a run.

    Attributes:
        provider: the provider's name.
        images: the source of its images.
        reason: the reason, in a few words.
    """

    provider: str
    images: Images
    reason: str

    def __str__(self) -> str:
        """Return the choice and its reason in one line."""
        return f"{self.provider} with images {self.images}: {self.reason}"


def choose(name: str | None) -> Provider:
    """Return the provider of that name, the embedded one by default.

    Raises:
        WrongUsage: the name is unknown; the text has those that exist.
    """
    if name not in {None, "", *NAMES}:
        raise WrongUsage(f"the provider must be one of {', '.join((AUTO, *NAMES))}, got `{name}`", "name one of these")
    if name == K3D:
        from platform_e2e.cluster.k3d.provider import K3dProvider  # noqa: PLC0415 - only who asks pays for it

        return K3dProvider()
    from platform_e2e.cluster.embedded.provider import EmbeddedProvider  # noqa: PLC0415 - only who asks pays for it

    return EmbeddedProvider()


def decide(provider: str, images: str = AUTO, mirror: str = "", *, supplies: Supplies | None = None) -> Choice:
    """Choose the provider and its images: k3d if Docker answers and can get its images, else embedded.

    Args:
        provider: a name, or `auto`.
        images: `registry`, `mirror`, `built`, or `auto`.
        mirror: the value of --registry-mirror.
        supplies: what else the run needs from registries; by default nothing but the cluster's own images.

    Raises:
        WrongUsage: the options contradict each other, or name an unknown provider.
        NoDaemon: k3d was requested, and no Docker daemon answers.
        NoImages: k3d was requested, and cannot get its images.
    """
    if provider not in {AUTO, *NAMES}:
        raise WrongUsage(
            f"the provider must be one of {', '.join((AUTO, *NAMES))}, got `{provider}`", "name one of these"
        )
    if provider == EMBEDDED:
        if images not in {AUTO, Images.BUILT} or mirror:
            raise WrongUsage(
                "the embedded cluster builds its images and takes no others", "use --provider k3d for a registry's"
            )
        return Choice(EMBEDDED, Images.BUILT, "as chosen")
    from platform_e2e.cluster.k3d import daemon, image_sources  # noqa: PLC0415 - only who asks pays for it
    from platform_e2e.cluster.k3d.docker import Docker  # noqa: PLC0415 - the same

    found = daemon.ask(Docker.of_environment())
    forced = provider == K3D or mirror or images not in {AUTO, Images.BUILT}
    if isinstance(found, daemon.Silence):
        if forced:
            raise NoDaemon(f"k3d needs Docker: {found.reason}", f"{found.remedy}, or use --provider embedded")
        return Choice(EMBEDDED, Images.BUILT, found.reason)
    asked_for = "" if images == AUTO else images
    decided = image_sources.decide(asked_for, mirror, supplies or image_sources.NOTHING, local=found.local)
    if decided.source is None:
        if forced:
            raise NoImages(
                f"k3d cannot get its images: {decided.reason}",
                "name a mirror with --registry-mirror, or use --images built or --provider embedded where this is Linux "
                "and you are root",
            )
        return Choice(EMBEDDED, Images.BUILT, f"{found} answers, but {decided.reason}")
    return Choice(K3D, decided.source, f"{found} answers; images: {decided.reason}")
