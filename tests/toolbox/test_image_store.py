"""The store that nodes start from, with a stand-in for containerd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import image_store
from platform_e2e.toolbox.image_archive import Config, LayerEntry
from platform_e2e.toolbox.images import Image

SILENT = Timeline(None)

IMAGES = [
    Image(f"example.org/{name}:1", "a file", f"key-of-{name}", (LayerEntry("/x", content=b"x"),), Config(("/x",)))
    for name in ("one", "two")
]

UNSHARE = """\
#!/bin/sh
# Stands for the namespaces and the containerd in them; the last three words are root file system, archives and state.
while [ $# -gt 3 ]; do shift; done
[ -z "$BROKEN" ] || { echo "ctr: no space left on device"; exit 1; }
while read -r archive image; do test -f "$2/$archive" && echo "imports $image"; done <"$2/images"
mkdir -p "$3/io.containerd.content.v1.content" "$3/io.containerd.metadata.v1.bolt" "$3/io.containerd.other"
mkdir -p "$3/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs"
echo database >"$3/io.containerd.metadata.v1.bolt/meta.db"
echo file >"$3/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/file"
"""


@pytest.fixture
def fake_containerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "unshare").write_text(UNSHARE)
    (binaries / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BROKEN", "")
    root = tmp_path / "cache" / "rootfs-node" / "some-key" / "root"
    root.mkdir(parents=True)
    return root


def test_a_store_has_every_image_and_only_what_nodes_share(fake_containerd: Path, tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline")
    kept = image_store.ensure(IMAGES, fake_containerd, timeline)
    assert {path.name for path in kept.directory.iterdir()} == set(image_store.NEEDED)
    assert kept.images == tuple(image.name for image in IMAGES)
    shown = (tmp_path / "timeline").read_text()
    assert all(f'"imports {image.name}"' in shown for image in IMAGES)
    assert list((tmp_path / "cache" / "scratch").iterdir()) == []


def test_another_image_or_another_containerd_makes_another_store(fake_containerd: Path) -> None:
    first = image_store.ensure(IMAGES, fake_containerd, SILENT)
    assert image_store.ensure(IMAGES[::-1], fake_containerd, SILENT).directory == first.directory
    assert image_store.ensure(IMAGES[1:], fake_containerd, SILENT).directory != first.directory
    other = fake_containerd.parent.parent / "another-key" / "root"
    other.mkdir(parents=True)
    assert image_store.ensure(IMAGES, other, SILENT).directory != first.directory


def test_an_import_that_fails_shows_why_and_leaves_no_store(
    fake_containerd: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(image_store.StoreError) as error:
        image_store.ensure(IMAGES, fake_containerd, SILENT)
    assert "ctr: no space left on device" in str(error.value)
    assert "logs/store.log" in str(error.value)
    assert not (tmp_path / "cache" / "store").exists()


def test_a_node_shares_files_and_has_databases_of_its_own(fake_containerd: Path, tmp_path: Path) -> None:
    kept = image_store.ensure(IMAGES, fake_containerd, SILENT)
    image_store.lay(kept, tmp_path / "node" / "containerd")
    laid = tmp_path / "node" / "containerd"
    file = Path("io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/file")
    database = Path("io.containerd.metadata.v1.bolt/meta.db")
    assert (laid / file).samefile(kept.directory / file)
    assert not (laid / database).samefile(kept.directory / database)
    (laid / database).write_text("changed")
    assert (kept.directory / database).read_text() == "database\n"


def test_a_directory_that_is_there_is_not_overwritten(fake_containerd: Path, tmp_path: Path) -> None:
    kept = image_store.ensure(IMAGES, fake_containerd, SILENT)
    with pytest.raises(image_store.StoreError, match="must not exist"):
        image_store.lay(kept, tmp_path)
