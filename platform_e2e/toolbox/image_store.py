"""The image store that every node starts from: containerd's state with all images imported and unpacked.

Importing and unpacking 1 GB of images takes tens of seconds, too long for each start of a node. So it happens once for each
set of images: the containerd of the node's root file system runs in private namespaces, and the store keeps the state that it
leaves. A node gets the same state in its own directory within a fraction of a second: the files of the snapshots are hard
links, which is safe because containers write through overlayfs and never into a committed snapshot; the databases are copies.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, run, stream
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache
from platform_e2e.toolbox.images import Image

PHASE = "store"

IMPORT_SECONDS = 600.0
"""Timeout for all images together; 10 seconds were seen."""

LAY_SECONDS = 60.0
"""Timeout for giving a node its copy; 0.2 seconds were seen."""

UNUSED_SECONDS = 3600.0
"""Seconds without use after which a store is removed when a new one is made: each is 1 GB, and one is made in 12 seconds."""

NEEDED = (
    "io.containerd.content.v1.content",
    "io.containerd.metadata.v1.bolt",
    "io.containerd.snapshotter.v1.overlayfs",
)
"""The parts of containerd's state that hold images; the rest belongs to the one daemon that made it."""

CONFIG = """\
version = 2
root = "/run/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.tracing"]
"""

ENTER = """\
set -eu
cd "$1"
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/archives run/root
mount --bind "$2" run/archives
mount --bind "$3" run/root
exec chroot . /bin/bash /run/archives/import.sh
"""
"""Runs in namespaces of its own with the node's root file system, the directory of archives, and the state to fill."""

IMPORT = """\
set -eu
containerd --config /run/archives/config.toml --log-level warn &
containerd=$!
for _ in {1..300}; do
    ctr version >/dev/null 2>&1 && break
    kill -0 $containerd
    sleep 0.1
done
while read -r archive image; do
    echo "imports $image"
    # A layer is needed until it is unpacked; without it the store is half as large.
    ctr -n k8s.io images import --local --discard-unpacked-layers --snapshotter overlayfs "/run/archives/$archive" >/dev/null
    # managed: the CRI plugin's own mark. pinned: the kubelet's image collector leaves such images alone.
    ctr -n k8s.io images label "$image" io.cri-containerd.image=managed io.cri-containerd.pinned=pinned >/dev/null
done </run/archives/images
ctr -n k8s.io content prune references >/dev/null
kill $containerd
wait $containerd
"""


class StoreError(BrokenHarness):
    """The images cannot be put into a store, or a node cannot get its copy."""


@dataclass(frozen=True)
class ImageStore:
    """A finished store, which is read-only.

    Attributes:
        directory: containerd's root directory with all images in it.
        images: the names of the images.
    """

    directory: Path
    images: tuple[str, ...]


def ensure(images: Sequence[Image], rootfs: Path, timeline: Timeline) -> ImageStore:
    """Return the store with these images, making it if the cache lacks it.

    Args:
        images: the images to store.
        rootfs: the node's root file system; its containerd makes the store, so that the same version reads it.
        timeline: shows the image that is being imported.

    Raises:
        StoreError: containerd refuses the images; the text has the end of its log.
        LockBusy: another process has been making it for too long.
    """
    # A root file system's directory is `KEY/root` in the cache: the key changes with containerd's version.
    key = cache.digest(CONFIG, ENTER, IMPORT, str(NEEDED), rootfs.parent.name, *sorted(image.key for image in images))

    def make(directory: Path) -> None:
        _make(images, rootfs, directory, timeline)

    place = cache.entry("store", key, make, phase=PHASE, timeline=timeline, unused=UNUSED_SECONDS, copied=True)
    return ImageStore(place, tuple(image.name for image in images))


def _make(images: Sequence[Image], rootfs: Path, directory: Path, timeline: Timeline) -> None:
    log = cache.log_file("store")
    with cache.scratch("store") as archives:
        state = archives / "state"
        state.mkdir()
        (archives / "config.toml").write_text(CONFIG)
        (archives / "import.sh").write_text(IMPORT)
        listing = []
        for image in images:
            timeline.progress(PHASE, f"assembles {image.name}")
            image.write(archives / f"{image.key}.tar")
            listing.append(f"{image.key}.tar {image.name}\n")
        (archives / "images").write_text("".join(listing))
        # Everything in the namespace, and with it the mounts, ends with its PID 1.
        argv: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "--pid", "--ipc", "--net"]
        argv += ["--fork", "--kill-child", "--", "/bin/sh", "-c", ENTER, "enter", rootfs, archives, state]
        try:
            stream(
                argv,
                timeout=IMPORT_SECONDS,
                on_line=lambda line: timeline.progress(PHASE, line) if line.startswith("imports ") else None,
                log_file=log,
                tied=True,
            )
        except CommandError as error:
            raise StoreError(
                f"the images cannot be imported into containerd:\n  {error.problem}", f"read {log}"
            ) from error
        for name in NEEDED:
            (state / name).rename(directory / name)


def lay(store: ImageStore, target: Path) -> None:
    """Give a node its own root directory of containerd, with all images of the store in it.

    Args:
        store: from `ensure`.
        target: the directory to make, on the cache's file system; it must not exist.

    Raises:
        StoreError: the directory exists, or lies on another file system.
    """
    if target.exists():
        raise StoreError(f"{target} must not exist, or it cannot become a node's image store", "remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        run(["cp", "--archive", "--link", "--no-target-directory", store.directory, target], timeout=LAY_SECONDS)
    except CommandError as error:
        raise StoreError(
            f"{target} cannot become a node's image store:\n  {error.problem}",
            f"it must lie on the file system of {store.directory}, which must have room and inodes left",
        ) from error
    for database in store.directory.rglob("*.db"):
        copy = target / database.relative_to(store.directory)
        copy.unlink()
        shutil.copy2(database, copy)
