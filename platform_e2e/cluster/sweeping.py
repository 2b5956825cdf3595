"""Removing what clusters left behind whose supervisor was killed: nobody else would ever look at their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import providers
from platform_e2e.cluster.place import Place, read_spec


def sweep(*, besides: str = "") -> list[str]:
    """Remove every cluster that nobody supervises any more and return their names.

    Args:
        besides: the name of one that is left, because the caller holds its lock.
    """
    swept = []
    for name in sorted(names() - {besides}):
        each = Place(name)
        release = None if each.supervisor.is_held() else each.lock.try_take("sweeps what is left of the cluster")
        # Somebody works on it just now.
        if release is None:
            continue
        try:
            if not each.supervisor.is_held():
                if each.directory.exists():
                    remove(each)
                    swept.append(name)
                # Whoever moved it out of sight was killed before it was gone.
                shutil.rmtree(_removed(name), ignore_errors=True)
                each.lock.remove()
        finally:
            release()
    return swept


def names() -> set[str]:
    """Return the name of every cluster of which there is a file."""
    found = set()
    for path in paths.clusters().glob("*"):
        hidden = path.name.startswith(".")
        if not hidden:
            found.add(path.name)
        elif path.name.endswith((".lock", ".removed")) and path.name != ".networks.lock":
            found.add(path.name[1:].rpartition(".")[0])
    return found


def remove(each: Place) -> None:
    """Remove every trace of a cluster that nobody supervises; the caller holds its lock."""
    try:
        _, provider, _ = read_spec(each.spec_file)
    except (FileNotFoundError, json.JSONDecodeError):
        # Killed before it knew what it was to be; the default provider finds what belongs to a name.
        provider = ""
    providers.choose(provider).delete(each.name, each.directory)


def _removed(name: str) -> Path:
    return paths.clusters() / f".{name}.removed"
