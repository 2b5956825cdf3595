"""Ask Argo CD to look at Git now: `--refresh` of a wait (scenario A1).

Argo CD is asked by an annotation of the Application: the one thing that a wait ever writes, and only where a person says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from platform_e2e.diagnosis.conditions import JointCondition
from platform_e2e.diagnosis.revision_conditions import HEAD
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.expect import Met, Pending, Verdict
from platform_e2e.kube.objects import Object, key


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
