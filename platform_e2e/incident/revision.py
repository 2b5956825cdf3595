"""The commit that a live platform was deployed at, and the export of its layer from a checkout that has that commit."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.diagnosis.objects import at
from platform_e2e.errors import BrokenHarness, HarnessError
from platform_e2e.git import repository
from platform_e2e.git.repository import COMMIT
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.layer import tree


class NoCommit(BrokenHarness):
    """A checkout has not the commit that was deployed."""


@dataclass(frozen=True)
class Origin:
    """Where the layer comes from.

    Attributes:
        repository: repoURL.
        revision: commit; empty where no Application was compared with any.
        others: Applications at another commit, `name at commit`.
    """

    repository: str
    revision: str
    others: tuple[str, ...] = ()


def origin_of(apps: Sequence[Object]) -> Origin:
    """Return the commit that most Applications were compared with last.

    Args:
        apps: as the cluster has them.
    """
    at_commit = {key(app)[1]: found for app in apps if (found := _commit(app))}
    if not at_commit:
        return Origin("", "")
    (repository, revision), _ = Counter(at_commit.values()).most_common(1)[0]
    others = tuple(
        f"{name} at {commit[:12]} of {url}"
        for name, (url, commit) in sorted(at_commit.items())
        if (url, commit) != (repository, revision)
    )
    return Origin(repository, revision, others)


def _commit(app: Object) -> tuple[str, str] | None:
    """Return repository and commit of an Application's first source in Git; a chart's version is not a commit."""
    sources = at(app, "spec", "sources") or [at(app, "spec", "source") or {}]
    for source, revision in zip(sources, argocd.revisions(app), strict=False):
        if not source.get("chart") and COMMIT.fullmatch(revision):
            return str(source.get("repoURL")), revision
    return None


def export(directory: Path, revision: str, target: Path) -> None:
    """Write a layer as a commit has it.

    Args:
        directory: of the layer within a checkout, or a bare repository that has the layer as its root.
        revision: the commit.
        target: directory to write to.

    Raises:
        NoCommit: the checkout has not that commit; the text says how to get it.
        BrokenHarness: it could not be written.
    """
    if not COMMIT.fullmatch(revision):
        raise NoCommit(f"revision must be a commit, got `{revision}`", "refresh the Applications, then capture again")
    # A repository that a cluster of ours is served from; what else says that it is a bare one may be a part of the layer.
    own = directory.resolve().is_relative_to(paths.clusters().resolve())
    with repository.opened(directory, bare=own) as found:
        if found is None:
            raise NoCommit(f"{directory} is in no Git checkout", "name the layer in a checkout by --layer DIR")
        if not found.has(revision):
            raise NoCommit(
                f"the checkout of {directory} has no commit {revision[:12]}",
                f"git -C {shlex.quote(str(directory))} fetch origin {revision}, or name the right checkout by --layer DIR",
            )
        target.mkdir(parents=True, exist_ok=True)
        problem = found.write(revision, found.prefix, target)
    try:
        tree.files(target.resolve())
    except HarnessError as error:
        problem = error.problem
    if problem:
        shutil.rmtree(target)
        raise BrokenHarness(f"the layer at {revision[:12]} cannot be used: {problem}")
