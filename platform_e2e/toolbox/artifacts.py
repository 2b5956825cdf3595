"""What every cluster is made of and none changes: programs, the nodes' root file system, the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import hostpackages, images, programs, rootfs, store
from platform_e2e.toolbox.programs import Programs
from platform_e2e.toolbox.store import Store


@dataclass(frozen=True)
class Artifacts:
    """What lies ready in the cache.

    Attributes:
        programs: the built programs.
        rootfs: the directory of the nodes' root file system.
        store: containerd's directory with every image in it.
    """

    programs: Programs
    rootfs: Path
    store: Store

    def lay(self, directory: Path) -> None:
        """Make a node's own containerd directory."""
        store.lay(self.store, directory)


def ensure_artifacts(timeline: Timeline) -> Artifacts:
    """Return what a cluster is made of, building what is not in the cache yet."""
    hostpackages.install_or_explain(timeline)
    built = programs.ensure(timeline)
    root = rootfs.ensure("node", timeline)
    return Artifacts(built, root, store.ensure(images.ensure(timeline), root, timeline))
