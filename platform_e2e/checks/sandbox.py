"""Sandbox of a test: an Application of its own with branch, namespace and project.

A control must not touch what the layer keeps: a generated Application would be reverted by its ApplicationSet, and the
layer's pool serves everyone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_e2e import timeline
from platform_e2e.checks.applications import TESTS
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.diagnosis.explain import explain
from platform_e2e.finding import Finding, Promise
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import converge
from platform_e2e.kube.expect import (
    Expectation,
    Met,
    Pending,
    StateSource,
    Timeout,
    Verdict,
    eventually,
    eventually_gone,
)
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Rendered

if TYPE_CHECKING:
    from platform_e2e.gitops.git import Branch, GitServer
    from platform_e2e.kube.client import Kube

SETTINGS = "settings"
"""Name of the one ConfigMap that an own Application has."""

COLOUR = "blue"
"""What Git says in it."""

CONVERGE_SECONDS = 60.0
"""For an Application of one ConfigMap; it takes about two seconds."""

GONE_SECONDS = 30.0
"""For an Application without a finalizer, which goes at once unless an operation runs."""

NOT_COMPARED = "application-stale-revision"
"""The cause of an Application that is never compared; of an own one, of which Git has one commit, it is Argo CD's."""


@dataclass(frozen=True)
class SandboxApplication:
    """An Application of a test's own.

    Attributes:
        name: of the Application.
        namespace: of its ConfigMap.
        sha: the commit that it has converged on.
        kube: the cluster.
    """

    name: str
    namespace: str
    sha: str
    kube: Kube

    @property
    def source(self) -> StateSource[Object | None]:
        """Return the Application as something to wait for."""
        return self.kube.one(argocd.APPLICATION, self.name, argocd.NAMESPACE)

    @property
    def settings(self) -> StateSource[Object | None]:
        """Return its ConfigMap as something to wait for."""
        return self.kube.one("v1/ConfigMap", SETTINGS, self.namespace)

    @property
    def git(self) -> Rendered:
        """Return its ConfigMap as Git has it."""
        found = settings()
        return Rendered({**found, "metadata": {**found["metadata"], "namespace": self.namespace}}, self.name, "", None)

    def change(self, **data: str) -> None:
        """Change or add keys of the ConfigMap in the cluster, and let Argo CD look."""
        self.kube.patch("v1/ConfigMap", SETTINGS, {"data": data}, self.namespace, manager="platform-e2e-drift")
        timeline.current().event(
            "disturbance-start", changed_object(self.namespace), change="field-edited", application=self.name
        )
        argocd_requests.refresh(self.kube, self.name)


@dataclass(frozen=True)
class Sandbox:
    """A branch, a namespace and an AppProject, in which a test makes Applications.

    Attributes:
        kube: the cluster.
        branch: of the git server.
        namespace: of the test; its name is the project's and the branch's, too.
    """

    kube: Kube
    branch: Branch
    namespace: str

    @classmethod
    @contextlib.contextmanager
    def open(cls, kube: Kube, git: GitServer, namespace: str) -> Iterator[Sandbox]:
        """Make branch and project, and remove at the end everything outside of the namespace."""
        sandbox = cls(kube, git.branch(namespace), namespace)
        kube.create(project(namespace, sandbox.branch.url))
        try:
            yield sandbox
        finally:
            kube.delete(argocd.APPLICATION, namespace, argocd.NAMESPACE)
            source = kube.one(argocd.APPLICATION, namespace, argocd.NAMESPACE)
            # Before its project and its branch: an Application without them would only report errors.
            eventually_gone(source, timeout=GONE_SECONDS, what=f"application/{namespace} -n {argocd.NAMESPACE} is gone")
            timeline.current().event("disturbance-end", changed_object(namespace))
            kube.delete(argocd.APPPROJECT, namespace, argocd.NAMESPACE)
            sandbox.branch.delete()

    def application(self, *, self_heal: bool) -> SandboxApplication:
        """Commit one ConfigMap, make an automated Application of it, and wait until it has converged.

        Raises:
            BlockedByPromise: Argo CD compares nothing, which the tests of the layer's own Applications tell.
            Timeout: it has not converged.
        """
        sha = self.branch.commit({"manifests/settings.json": json.dumps(settings()).encode()}, "Add settings")
        self.kube.create(application(self.namespace, self.branch.url, self.branch.name, self_heal=self_heal))
        self.converge(sha)
        return SandboxApplication(self.namespace, self.namespace, sha, self.kube)

    def converge(self, sha: str, *, by_operation: bool = True) -> None:
        """Wait until the Application has converged on a commit.

        Args:
            sha: the commit.
            by_operation: whether the commit surely changes something, so that an operation of it must have ended.

        Raises:
            BlockedByPromise: Argo CD compares nothing, which the tests of the layer's own Applications tell.
            Refuted: Argo CD has given the commit up.
            Timeout: it has not converged.
        """
        with self._blocked_by_argo_cd(sha):
            converge(
                self.kube,
                [self.namespace],
                sha,
                timeout=CONVERGE_SECONDS,
                by_operation=by_operation,
                explain=lambda app: explain(app, self.kube),
            )

    @contextlib.contextmanager
    def _blocked_by_argo_cd(self, sha: str) -> Iterator[None]:
        """Tell that a test is blocked where Argo CD compares nothing."""
        try:
            yield
        except Timeout as error:
            cause = error.cause
            if cause is None or cause.id != NOT_COMPARED:
                raise
            name = f"application/{self.namespace} -n {argocd.NAMESPACE}"
            expected = f"it is what commit {sha[:12]} says"
            finding = Finding(name, Promise.APPLICATIONS, expected, error.report.last, cause)
            raise BlockedByPromise([finding]) from error

    @property
    def source(self) -> StateSource[Object | None]:
        """Return its Application as something to wait for."""
        return self.kube.one(argocd.APPLICATION, self.namespace, argocd.NAMESPACE)

    @property
    def live(self) -> Object:
        """Return its Application as it is now, empty where there is none."""
        return self.kube.get(argocd.APPLICATION, self.namespace, argocd.NAMESPACE) or {}

    def objects(self) -> list[Object]:
        """Return the objects of the cluster that its Application manages now."""
        managed = [resource for resource in argocd.resources(self.live) if not resource.hook]
        found = (self.kube.get(each.api, each.name, each.namespace or None) for each in managed)
        return [obj for obj in found if obj is not None]

    def commit(
        self, *objects: Object, drop: Iterable[Object] = (), files: Mapping[str, bytes | None] | None = None, why: str
    ) -> str:
        """Commit objects, and have Argo CD look where the Application exists; return the commit.

        Args:
            objects: each is written to a file of its own, or replaces the one of its kind and name.
            drop: objects whose files are removed.
            files: files besides, by their path below the branch; None removes one.
            why: the message of the commit.
        """
        changes: dict[str, bytes | None] = {file_of(obj): json.dumps(obj, indent=1).encode() for obj in objects}
        changes |= {file_of(obj): None for obj in drop} | dict(files or {})
        return self._looked_at(self.branch.commit(changes, why))

    def revert(self, sha: str) -> str:
        """Revert a commit by `git revert`, have Argo CD look, and return the new commit."""
        return self._looked_at(self.branch.revert(sha))

    def _looked_at(self, sha: str) -> str:
        if self.live:
            argocd_requests.ask_refresh(self.kube, self.namespace)
        return sha

    def deploy(
        self,
        *,
        automated: Mapping[str, Any] | None = None,
        retry: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
        **spec: Any,
    ) -> None:
        """Make the automated Application of what was committed, and wait until Argo CD has compared it, but for no sync.

        Args:
            automated: what differs from `prune: true, selfHeal: true`.
            retry: what its sync policy says about retries; Argo CD's default where it is None.
            options: sync options.
            spec: more fields of its specification.

        Raises:
            BlockedByPromise: Argo CD compares nothing, which the tests of the layer's own Applications tell.
            Timeout: it has not compared it.
        """
        app = application(self.namespace, self.branch.url, self.branch.name, self_heal=True)
        policy = app["spec"]["syncPolicy"]
        policy["automated"] |= dict(automated or {})
        policy |= {"retry": dict(retry)} if retry is not None else {}
        policy |= {"syncOptions": list(options)} if options else {}
        app["spec"] |= spec
        self.kube.create(app)
        compared = fits(lambda live: argocd.sync_status(live or {}), lambda _: "it was not compared")
        with self._blocked_by_argo_cd(self.branch.head()):
            eventually(
                self.source,
                compared,
                timeout=CONVERGE_SECONDS,
                what=f"Argo CD compares application/{self.namespace} -n {argocd.NAMESPACE}",
                explain=lambda live: explain(live, self.kube) if live else None,
            )


def file_of(obj: Object) -> str:
    """Return the file in which a sandbox keeps an object."""
    return f"manifests/{str(obj['kind']).lower()}-{obj['metadata']['name']}.json"


def changed_object(namespace: str) -> str:
    """Return how a report names the ConfigMap of an own Application."""
    return f"configmap/{SETTINGS} -n {namespace}"


def settings() -> Object:
    """Return the ConfigMap of an own Application."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SETTINGS}, "data": {"colour": COLOUR}}


def project(namespace: str, url: str) -> Object:
    """Return an AppProject that allows one repository and one namespace."""
    return _argocd(
        "AppProject",
        namespace,
        {
            "sourceRepos": [url],
            "destinations": [{"server": "https://kubernetes.default.svc", "namespace": namespace}],
        },
    )


def application(namespace: str, url: str, branch: str, *, self_heal: bool) -> Object:
    """Return an automated Application of the directory `manifests` of a branch."""
    return _argocd(
        "Application",
        namespace,
        {
            "project": namespace,
            "source": {"repoURL": url, "targetRevision": branch, "path": "manifests"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": self_heal}},
        },
    )


def _argocd(kind: str, name: str, spec: dict[str, Any]) -> Object:
    metadata = {"name": name, "namespace": argocd.NAMESPACE, "labels": {TESTS: name}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def fits(predicate: Callable[[Any], object], otherwise: Callable[[Any], object]) -> Expectation[Any]:
    """Return the expectation that a state fits a predicate.

    Args:
        predicate: tells whether it does.
        otherwise: says what the state is where it does not.
    """
    return lambda state: Met(state) if predicate(state) else Pending(str(otherwise(state)))


def has_colour(colour: str) -> Expectation[Object | None]:
    """Return the expectation that the ConfigMap says this colour."""

    def judge(live: Object | None) -> Verdict:
        found = (live or {}).get("data", {}).get("colour")
        return Met(live) if found == colour else Pending(f"the colour is {found}")

    return judge


def has_key(key: str) -> Expectation[Object | None]:
    """Return the expectation that the ConfigMap has a key, whatever its value."""

    def judge(live: Object | None) -> Verdict:
        return Met(live) if key in (live or {}).get("data", {}) else Pending(f"there is no key {key}")

    return judge


def is_sync(status: str) -> Expectation[Object | None]:
    """Return the expectation that Argo CD calls an Application Synced or OutOfSync."""

    def judge(app: Object | None) -> Verdict:
        found = argocd.sync_status(app or {})
        return Met(app) if found == status else Pending(f"it is {found or 'not compared'}")

    return judge


def synced_with_key(key: str) -> Expectation[tuple[Object | None, ...]]:
    """Return the expectation about an Application and its ConfigMap: Synced, and with a key, whatever its value."""

    def judge(state: tuple[Object | None, ...]) -> Verdict:
        verdicts = (is_sync("Synced")(state[0]), has_key(key)(state[1]))
        return next((verdict for verdict in verdicts if not isinstance(verdict, Met)), Met(state))

    return judge
