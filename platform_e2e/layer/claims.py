"""Storage that a layer claims. A stand-in runs in place of what would provide it, so directories of the nodes are its volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.layer import not_judged
from platform_e2e.layer.argo_objects import mapping, mappings
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered

CLAIM = "v1/PersistentVolumeClaim"

_DIRECTORY = "a directory of the node is its volume: storage is not judged"
_DEVICE = "it claims a block device, and the nodes have none to give: it does not become ready here"
_USES = "it needs the block device that persistentvolumeclaim/{name} claims, and the nodes have none to give: it does not become ready here"


@dataclass(frozen=True)
class Claims:
    """What claims storage, or needs what is claimed.

    Attributes:
        directories: what claims a file system, which is there.
        devices: what claims or needs a block device, which is not there; Argo CD waits for it in vain.
    """

    directories: tuple[NotJudged, ...] = ()
    devices: tuple[NotJudged, ...] = ()

    @property
    def every(self) -> tuple[NotJudged, ...]:
        """Return all of them."""
        return (*self.directories, *self.devices)


def of(rendered: Sequence[Rendered]) -> Claims:
    """Return what of a layer's objects claims storage, or needs what another one claims."""
    directories: list[NotJudged] = []
    devices: list[NotJudged] = []
    names: set[tuple[str | None, str]] = set()
    for each in rendered:
        specs = [each.spec] if each.api == CLAIM else list(_templates(each))
        if any(spec.get("volumeMode") == "Block" for spec in specs):
            devices.append(not_judged.behind_stand_in(each, _DEVICE))
            if each.api == CLAIM:
                names.add((each.namespace, each.name))
        elif specs:
            directories.append(not_judged.behind_stand_in(each, _DIRECTORY))
    for each in rendered:
        needed = next((name for name in _named(each) if (each.namespace, name) in names), None)
        if needed is not None:
            devices.append(not_judged.behind_stand_in(each, _USES.format(name=needed)))
    return Claims(tuple(directories), tuple(devices))


def _templates(rendered: Rendered) -> Iterator[Mapping[str, Any]]:
    """Yield the specs of the claims that a StatefulSet makes for each of its pods."""
    for template in mappings(rendered.spec.get("volumeClaimTemplates")):
        yield mapping(template.get("spec"))


def _named(rendered: Rendered) -> Iterator[str]:
    """Yield the names of the claims that the pods of an object use as volumes."""
    for volume in mappings(mapping(rendered.pod.get("spec")).get("volumes")):
        claim = volume.get("persistentVolumeClaim")
        if isinstance(claim, Mapping) and isinstance(claim.get("claimName"), str):
            yield claim["claimName"]
