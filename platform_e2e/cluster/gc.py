"""Remove clusters whose supervisor was killed."""

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
    """The result of a sweep.

    Attributes:
        removed: names of the removed clusters.
        stuck: for each cluster that could not be removed, the reason.
    """

    removed: list[str] = field(default_factory=list)
    stuck: dict[str, HarnessError] = field(default_factory=dict)

    def demand(self, name: str) -> None:
        """Raise the reason why a cluster could not be removed, if there is one."""
        if name in self.stuck:
            raise self.stuck[name]


def sweep(*, besides: str = "") -> Swept:
    """Remove every cluster without a supervisor; a cluster that cannot be removed does not stop the others.

    Args:
        besides: the name of a cluster to leave alone, because the caller holds its lock.
    """
    swept = Swept()
    paths.sweep_scratch()
    for name in sorted(names() - {besides}):
        each = ClusterDirectory(name)
        release = None if each.supervisor.is_held() else each.lock.try_take("sweeps what is left of the cluster")
        # Locked: another process is using it.
        if release is None:
            continue
        try:
            if not each.supervisor.is_held():
                if each.path.exists():
                    remove(each)
                    swept.removed.append(name)
                # The process that renamed it may have been killed before it was removed.
                shutil.rmtree(_removed(name), ignore_errors=True)
                each.lock.remove()
        except HarnessError as error:
            swept.stuck[name] = error
        finally:
            release()
    return swept


def names() -> set[str]:
    """Return the names of all clusters that have a file here."""
    found = set()
    for path in paths.clusters().glob("*"):
        hidden = path.name.startswith(".")
        if not hidden:
            found.add(path.name)
        elif path.name.endswith((".lock", ".removed")) and path.name != ".networks.lock":
            found.add(path.name[1:].rpartition(".")[0])
    return found


def remove(each: ClusterDirectory) -> None:
    """Remove every trace of a cluster without a supervisor; the caller must hold its lock."""
    try:
        _, provider, _ = read_spec(each.spec_file)
    except (FileNotFoundError, json.JSONDecodeError):
        # The supervisor was killed before it had a specification; the default provider finds traces by the cluster's name.
        provider = ""
    providers.choose(provider).delete(each.name, each.path)


def _removed(name: str) -> Path:
    return paths.clusters() / f".{name}.removed"
