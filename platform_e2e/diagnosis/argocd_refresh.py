"""Conditions on an Application's revision and the refresh of it: `--converged-on` and `--refresh` (scenario A1).

HEAD is the commit that the Application's own branch or tag has when Argo CD looks after the command has begun, or a later one.
So it needs no access to Git from here, and it is never an answer from before the command. But Argo CD has to be asked to look,
by an annotation of the Application: the one thing that is ever written, and only where a person says `--refresh`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import Wanted, converged_on
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.expect import Expectation, Met, Pending, Verdict
from platform_e2e.kube.objects import Object, key

if TYPE_CHECKING:
    from platform_e2e.diagnosis.conditions import JointCondition

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


class Refresher:
    """Ask Argo CD for each Application to look at Git now, and once more where it has lost that.

    Args:
        kube: the cluster.
        tell: is given what a person should know.
    """

    def __init__(self, kube: Kube, tell: Callable[[str], None]) -> None:
        self._kube = kube
        self._tell = tell
        self._asked: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()

    def ask(self, app: Object, revision: str) -> Pending | None:
        """Ask, or return what has to be waited for before.

        A refresh requested by another client may have begun before the commit was there, so its end is waited for. An
        Application that does not exist needs none: it is compared with Git when it is made.

        Args:
            app: the Application as it was just read.
            revision: that is waited for.

        Raises:
            Forbidden: the user may not ask, and HEAD cannot be known without.
        """
        namespace, name = key(app)
        if (namespace, name) in self._asked:
            return None
        if argocd.refresh_asked(app):
            return Pending(f"Argo CD has not done the refresh of application/{name} that another client asked for")
        try:
            argocd_requests.ask_refresh(self._kube, name, namespace=namespace)
        except Forbidden as error:
            if revision == HEAD:
                raise
            self._tell(f"Argo CD is not asked to look at Git and does so by itself every few minutes: {error.message}")
            self._refused.add((namespace, name))
        self._asked.add((namespace, name))
        return None

    def wait(
        self,
        joint: JointCondition,
        *,
        timeout: float,
        what: str,
        progress: Callable[[str], None],
    ) -> None:
        """Wait until Argo CD has looked, for every Application that it was asked for.

        Args:
            joint: what is waited for then; its words tell what it is until then.
            timeout: seconds.
            what: what is expected in the end, as a sentence.
            progress: is given in words each state that differs from the one before.

        Raises:
            Timeout: it has not looked in time.
            Unobserved: nothing could be read at all.
        """

        def looked(state: Any) -> Verdict:
            verdict = joint.judge(state)
            return verdict if any(map(self._is_owed, joint.applications())) else Met()

        def again() -> None:
            for app in filter(self._is_owed, joint.applications()):
                # One that is gone does not keep the others from being asked.
                with argocd_requests.passing_over():
                    argocd_requests.ask_refresh(self._kube, key(app)[1], namespace=key(app)[0], again=True)

        argocd_requests.eventually_asked(
            joint.source,
            looked,
            again,
            every=argocd_requests.LOST_SECONDS,
            timeout=timeout,
            what=what,
            explain=joint.explain,
            progress=progress,
        )

    def _is_owed(self, app: Object) -> bool:
        """Tell whether Argo CD was asked for a refresh of an Application and has not done it."""
        return key(app) in self._asked - self._refused and argocd.refresh_asked(app)
