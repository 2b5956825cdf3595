"""What `--converged-on` demands of an Application: that Argo CD has compared and synced it with a commit (scenario A1).

HEAD is the commit that the Application's own branch or tag has when Argo CD looks after the command has begun, or a later one.
So it needs no access to Git from here, and it is never an answer from before the command.
"""

from __future__ import annotations

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import Wanted, converged_on
from platform_e2e.kube.expect import Expectation, Verdict
from platform_e2e.kube.objects import Object

HEAD = "HEAD"

COMPARED = "is what Argo CD compared it with last"
"""In words that follow an Application's name, what is demanded where neither a commit nor a look at Git is asked for."""


def phrase(revision: str) -> str:
    """Return in words that follow an Application's name what is demanded."""
    return "is what its newest commit says" if revision == HEAD else f"is what commit {revision[:12]} says"


def converged_at(revision: str) -> Expectation[Object | None]:
    """Return the expectation that an Application is what a commit says; its value is the Application.

    Args:
        revision: the first digits of a commit; HEAD for the one that Argo CD compared with last, which is Git's newest where
            a refresh was asked for before.
    """

    def judge(app: Object | None) -> Verdict:
        wanted = argocd.revisions(app or {}) if revision == HEAD else _of_each_source(app or {}, revision)
        return converged_on(wanted)(app)

    return judge


def _of_each_source(app: Object, sha: str) -> Wanted:
    """Return which revision each source must be at; a chart has a version of its own.

    Raises:
        WrongUsage: the commit cannot be of all sources.
    """
    sources = (app.get("spec") or {}).get("sources") or []
    found = argocd.revisions(app)
    if not sources or len(found) != len(sources):
        return sha
    repositories = {str(source.get("repoURL")) for source in sources if not source.get("chart")}
    if len(repositories) != 1:
        name = app["metadata"]["name"]
        raise WrongUsage(
            f"application/{name} reads {len(repositories)} Git repositories, and commit {sha[:12]} can be of one only",
            "use --converged-on HEAD --refresh",
        )
    return tuple(now if source.get("chart") else sha for now, source in zip(found, sources, strict=True))
