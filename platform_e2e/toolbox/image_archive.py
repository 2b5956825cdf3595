"""Write image archives that are reproducible: the same content gives the same bytes.

The format is that of `docker save`: writing it needs no Docker, and containerd, Docker and k3d all import it.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import struct
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

EPOCH = 1767225600
"""2026-01-01T00:00:00Z, the latest time stamp in any layer and the one that mmdebstrap is given."""

CAP_NET_BIND_SERVICE = 10
"""The capability's number in linux/capability.h."""


@dataclass(frozen=True)
class LayerEntry:
    """One file, link or directory of a layer.

    Attributes:
        path: the absolute path in the image.
        source: a file of the host that has the content.
        content: the content itself, for an entry without `source`.
        link: the target, for a symbolic link.
        mode: permissions; an entry without source, content and link is a directory.
        owner: user and group id.
        capability: number of a file capability, which every user gets who starts the program; None for a plain file.
    """

    path: str
    source: Path | None = None
    content: bytes | None = None
    link: str | None = None
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    capability: int | None = None


@dataclass(frozen=True)
class Config:
    """How a container of an image is started, unless its pod states something else.

    Attributes:
        entrypoint: the program and its first arguments.
        arguments: further arguments, which a pod's `args` replace.
        user: as `UID` or `UID:GID`; empty for root.
        environment: environment variables, PATH excepted.
        directory: the working directory.
    """

    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    user: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"


MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of processor architectures in images, by those of the kernel."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def write_image(path: Path, name: str, layers: Sequence[Path], config: Config, volumes: Sequence[str] = ()) -> None:
    """Write an image.

    Args:
        path: the archive to write.
        name: the name of the image, with its tag.
        layers: tar files, lowest first.
        config: how its containers are started.
        volumes: directories of its containers that need file systems of their own.
    """
    digests = [file_digest(layer) for layer in layers]
    variables = {"PATH": PATH, **config.environment}
    described = {
        "architecture": MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Entrypoint": list(config.entrypoint),
            "Cmd": list(config.arguments) or None,
            "User": config.user,
            "Env": [f"{variable}={value}" for variable, value in variables.items()],
            "WorkingDir": config.directory,
            **({"Volumes": {volume: {} for volume in volumes}} if volumes else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "platform-e2e"} for _ in layers],
    }
    written = json.dumps(described, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(written).hexdigest()}.json"
    layer_names = [f"{digest.removeprefix('sha256:')}.tar" for digest in digests]
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": layer_names}]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, config_name, LayerEntry(config_name, content=written, mode=0o644))
        for layer_name, layer in zip(layer_names, layers, strict=True):
            _add(tar, layer_name, LayerEntry(layer_name, source=layer, mode=0o644))
        _add(tar, "manifest.json", LayerEntry("manifest.json", content=json.dumps(manifest).encode(), mode=0o644))


def write_tree(path: Path, root: Path) -> str:
    """Write a directory's content as a layer.

    Args:
        path: the tar file to write.
        root: the directory; the layer gets the owners and permissions of its files.

    Returns:
        The layer's digest, `sha256:...`.
    """

    def normal(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uname = info.gname = ""
        info.mtime = min(int(info.mtime), EPOCH)
        return info

    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        # `add` walks in sorted order.
        tar.add(root, arcname=".", filter=normal)
    return file_digest(path)


def write_entries(path: Path, entries: Sequence[LayerEntry]) -> str:
    """Write entries as a layer, with the directories above them.

    Args:
        path: the tar file to write.
        entries: in any order.

    Returns:
        The layer's digest, `sha256:...`.
    """
    stated = {_name(entry): entry for entry in entries}
    above = {str(parent) for name in stated for parent in PurePosixPath(name).parents if parent.name}
    for name in above - stated.keys():
        stated[name] = LayerEntry("/" + name)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(stated):
            _add(tar, name, stated[name])
    return file_digest(path)


def _name(entry: LayerEntry) -> str:
    return entry.path.strip("/")


def _add(tar: tarfile.TarFile, name: str, entry: LayerEntry) -> None:
    info = tarfile.TarInfo(name)
    info.mode = entry.mode
    info.mtime = EPOCH
    info.uid, info.gid = entry.owner
    if entry.capability is not None:
        info.pax_headers = {"SCHILY.xattr.security.capability": file_capability(entry.capability)}
    if entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    elif entry.source is not None:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as content:
            tar.addfile(info, content)
    elif entry.content is not None:
        info.size = len(entry.content)
        tar.addfile(info, io.BytesIO(entry.content))
    else:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)


def file_capability(number: int) -> str:
    """Return the extended attribute that `setcap CAPABILITY=+ep` sets: struct vfs_cap_data, revision 2, effective."""
    revision_and_effective = 0x02000001
    permitted = 1 << number
    data = struct.pack("<5I", revision_and_effective, permitted & 0xFFFFFFFF, 0, permitted >> 32, 0)
    # tarfile writes these values as UTF-8, and reads of the extension are bytes: each byte must be below 128.
    return data.decode("ascii")


def file_digest(path: Path) -> str:
    """Return a file's digest as images write it."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
