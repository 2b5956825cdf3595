"""Find the commit that a live platform was deployed at, from what its Applications were compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from platform_e2e.diagnosis.objects import at
from platform_e2e.git.repository import COMMIT
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key


@dataclass(frozen=True)
class Origin:
    """Where the layer comes from.

    Attributes:
        repository: repoURL.
        revision: commit; empty where no Application was compared with a commit.
        others: Applications at other commits, as `NAME at COMMIT of URL`.
    """

    repository: str
    revision: str
    others: tuple[str, ...] = ()


def origin_of(apps: Sequence[Object]) -> Origin:
    """Return the commit that most Applications were compared with last.

    Args:
        apps: the live Applications.
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
