"""What is taken out of a layer: the foundations, which are installed first, as in production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.layer.applications import Application
from platform_e2e.layer.foundation_forms import Form, Foundation
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import described
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Reason

Key = tuple[str, str]
"""Namespace and name of an Application."""

_OF_THE_LAYER = frozenset(
    {
        "IPAddressPool",
        "L2Advertisement",
        "BGPAdvertisement",
        "BGPPeer",
        "AppProject",
        "Application",
        "ApplicationSet",
        "Ingress",
    }
    | {"ServiceMonitor", "PodMonitor", "HTTPRoute", "SealedSecret", "ExternalSecret", "Certificate"}
)
"""Kinds that are in no install manifest of a product."""


@dataclass(frozen=True)
class Taken:
    """A foundation that was taken out of a layer.

    Attributes:
        foundation: as it is written.
        release: that is installed.
        remarks: what is not as in production, one sentence each.
    """

    foundation: Foundation
    release: Release
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what was taken, from where."""
        form = self.foundation.form
        return f"{self.foundation.label} ({self.foundation.place}, {form} of {self.foundation.application})"


@dataclass(frozen=True)
class Taking:
    """What was taken out of a layer.

    Attributes:
        taken: the foundations.
        changed: files without them, by path from the repository's root; None for one that is removed.
        apart: Applications that are nothing else.
        without: of other Applications the indexes of their sources that are foundations.
        said: what was recognised and not taken, and why, one sentence each.
    """

    taken: tuple[Taken, ...] = ()
    changed: Mapping[str, bytes | None] = field(default_factory=dict)
    apart: frozenset[Key] = frozenset()
    without: Mapping[Key, frozenset[int]] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def aside(self) -> tuple[NotJudged, ...]:
        """Return the Applications that are nothing but a foundation, which is installed without them."""
        every = {key_of(each.foundation.application): each for each in self.taken}
        return tuple(
            NotJudged(
                described("Application", key[1], key[0]),
                Reason.FOUNDATION,
                f"it is installed by itself, as the foundation {every[key].foundation.label}"
                if key in every
                else "it is a foundation",
                "",
                every[key].foundation.application.file if key in every else "",
                every[key].foundation.application.line if key in every else None,
                (),
            )
            for key in sorted(self.apart)
        )

    @property
    def lost(self) -> tuple[NotJudged, ...]:
        """Return the Applications that hold more than the objects of a product, which cannot be told from each other when it is served."""
        found = []
        for each in self.taken:
            foundation = each.foundation
            left = [one for one in foundation.application.objects if one.kind in _OF_THE_LAYER]
            if foundation.form is Form.OBJECTS and left:
                application = foundation.application
                more = f" and {len(left) - 1} more" if len(left) > 1 else ""
                problem = f"it is left out with the objects of {foundation.chart}, and so is {left[0]}{more}"
                remedy = f"keep what is not {foundation.chart}'s own in an Application of its own"
                found.append(
                    NotJudged(
                        str(application), Reason.FOUNDATION, problem, remedy, application.file, application.line, ()
                    )
                )
        return tuple(found)

    def rest_of(self, application: Application) -> dict[str, Any]:
        """Return an Application as it is without its foundations."""
        gone = self.without.get(key_of(application))
        if not gone:
            return application.manifest
        spec = application.manifest["spec"]
        left = [each for index, each in enumerate(spec["sources"]) if index not in gone]
        return {**application.manifest, "spec": {**spec, "sources": left}}


def key_of(application: Application) -> Key:
    """Return what only one Application of a cluster has."""
    return application.namespace, application.name
