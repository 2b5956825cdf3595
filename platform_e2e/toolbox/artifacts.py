"""The artifacts that every cluster is made from, none of which a cluster changes: programs, node root file system, images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import hostpackages, image_store, images, programs, rootfs
from platform_e2e.toolbox.image_store import ImageStore
from platform_e2e.toolbox.programs import Programs


@dataclass(frozen=True)
class Artifacts:
    """The artifacts in the cache.

    Attributes:
        programs: the built programs.
        rootfs: the directory of the nodes' root file system.
        store: containerd's directory with every image in it.
    """

    programs: Programs
    rootfs: Path
    store: ImageStore

    def lay(self, directory: Path) -> None:
        """Make a node's own containerd directory as a copy of the store."""
        image_store.lay(self.store, directory)


def ensure_artifacts(timeline: Timeline) -> Artifacts:
    """Return the artifacts of a cluster, building those that are missing in the cache."""
    hostpackages.install_or_explain(timeline)
    built = programs.ensure(timeline)
    root = rootfs.ensure("node", timeline)
    return Artifacts(built, root, image_store.ensure(images.ensure(timeline), root, timeline))
