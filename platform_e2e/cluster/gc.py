"""Removing what clusters left behind whose supervisor was killed: nobody else would ever look at their files."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import providers
from platform_e2e.cluster.directory import ClusterDirectory, read_spec
from platform_e2e.errors import HarnessError


@dataclass
class Swept:
    """What was swept.

    Attributes:
        removed: names of the clusters that are gone.
        stuck: names of those that could not be removed, with the reason.
    """

    removed: list[str] = field(default_factory=list)
    stuck: dict[str, HarnessError] = field(default_factory=dict)

    def demand(self, name: str) -> None:
        """Raise why a cluster could not be removed, if it was not."""
        if name in self.stuck:
            raise self.stuck[name]


def sweep(*, besides: str = "") -> Swept:
    """Remove every cluster that nobody supervises any more; one that is stuck keeps nobody from beginning another.

    Args:
        besides: the name of one that is left, because the caller holds its lock.
    """
    swept = Swept()
    paths.sweep_scratch()
    for name in sorted(names() - {besides}):
        each = ClusterDirectory(name)
        release = None if each.supervisor.is_held() else each.lock.try_take("sweeps what is left of the cluster")
        # Somebody works on it just now.
        if release is None:
            continue
        try:
            if not each.supervisor.is_held():
                if each.path.exists():
                    remove(each)
                    swept.removed.append(name)
                # Whoever moved it out of sight was killed before it was gone.
                shutil.rmtree(_removed(name), ignore_errors=True)
                each.lock.remove()
        except HarnessError as error:
            swept.stuck[name] = error
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


def remove(each: ClusterDirectory) -> None:
    """Remove every trace of a cluster that nobody supervises; the caller holds its lock."""
    try:
        _, provider, _ = read_spec(each.spec_file)
    except (FileNotFoundError, json.JSONDecodeError):
        # Killed before it knew what it was to be; the default provider finds what belongs to a name.
        provider = ""
    providers.choose(provider).delete(each.name, each.path)


def _removed(name: str) -> Path:
    return paths.clusters() / f".{name}.removed"
