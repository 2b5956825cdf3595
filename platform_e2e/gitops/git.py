"""Serve a layer to Argo CD from inside the cluster, and commit, push and revert as its team would.

    git = GitServer.start(kube, kubeconfig, kubectl, image=image, directory=cluster / "git")
    commit = git.publish(layer_directory, Serving.of(layer, facts.pool_map))
    git.revert(git.commit({"manifests/chat/base/service.yaml": None}, "Drop the chat service"))

The repository lives on this machine and is pushed through `kubectl exec`, which works on every provider: the server has no port
outside of the cluster. The pod keeps its copy in the node's memory; when another pod has replaced it, the next push restores all
branches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.gitops import given_sources, server
from platform_e2e.gitops.bare_repository import BareRepository, File, GitError, PlannedCommit, files_of
from platform_e2e.gitops.other_repositories import POD, OtherRepositories
from platform_e2e.gitops.served_references import ValueChange
from platform_e2e.gitops.serving import Serving
from platform_e2e.gitops.transform import BRANCH, transform
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Refuted, Timeout, Verdict, all_of, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.kube.progress import Movement, clock, unless_still
from platform_e2e.layer import yamlfile

READY_SECONDS = 1200.0
"""Timeout of the server's pod; the wait ends earlier when nothing moves: the pod needs a node and about a second, and the time that a
slow line needs for its image, which is Argo CD's."""

_UNCHANGED = Serving()
"""Of a layer only the repository that its sources read is changed."""

_LAYER = ("%S", server.REPOSITORY)
"""What takes a push of the layer: Git's service, and the repository."""

_PUSH_SECONDS = 30.0
"""Seconds for one push; it takes less than one."""


class PushError(BrokenHarness):
    """The server inside the cluster refused a push."""


@dataclass(frozen=True)
class Commit:
    """The commit that is served.

    Attributes:
        sha: the commit that Argo CD reads: the working tree with the changes on top.
        layer: its parent: the unchanged working tree.
        before: the commit that was served before; None the first time.
        changed: files that differ from the previous commit, all of them the first time; and what else that is served has changed.
        pushed: False if the same content was served already.
        changes: the values that were changed for this cluster.
    """

    sha: str
    layer: str
    before: str | None = None
    changed: tuple[str, ...] = ()
    pushed: bool = True
    changes: tuple[ValueChange, ...] = field(default=(), repr=False)


class GitServer:
    """The git server of one cluster; any number of processes may push at the same time.

    Args:
        kube: the cluster.
        kubeconfig: the cluster's kubeconfig, for kubectl.
        kubectl: the path of kubectl.
        repository: the pushed repository; all processes of a cluster share it.
    """

    url = server.URL

    def __init__(self, kube: Kube, kubeconfig: Path, kubectl: Path, repository: BareRepository) -> None:
        self.repository = repository
        self._kube = kube
        self._kubeconfig = kubeconfig
        self._kubectl = kubectl

    @classmethod
    def start(
        cls, kube: Kube, kubeconfig: Path, kubectl: Path, *, image: str, directory: Path, charts: bool = False
    ) -> GitServer:
        """Start the server, or use the running one, without waiting for its pod.

        Args:
            kube: the cluster.
            kubeconfig: the cluster's kubeconfig, for kubectl.
            kubectl: the path of kubectl.
            image: any image that has sh and git.
            directory: the directory of the repository on this machine; one for each cluster, removed with it.
            charts: whether charts are served, too.
        """
        for manifest in server.manifests(image, charts=charts):
            kube.apply(manifest)
        return cls(kube, kubeconfig, kubectl, BareRepository.create(directory))

    def publish(self, layer_directory: Path, serving: Serving = _UNCHANGED) -> Commit:
        """Serve the working tree's layer, including uncommitted changes.

        Makes two commits: the unchanged layer, and on top of it the changes for this cluster. It reverts what tests left on the
        branch. If the served content would stay the same, nothing is pushed.

        Args:
            layer_directory: the layer.
            serving: what is changed of it, and what is served besides it.

        Raises:
            SourceError: the layer reads a source that cannot be served.
            PushError: the server refused the push.
        """
        files = files_of(layer_directory)
        plain = {name: file.content for name, file in files.items() if file.mode != "120000"}
        served = serving.applied(plain, self.url)
        new = served.transformed
        changes: dict[str, File | None] = {
            name: None if content is None else File(content, files[name].mode if name in files else "100644")
            for name, content in served.files.items()
        }
        steps = (
            PlannedCommit("The layer as it is in the working tree", files, whole=True),
            PlannedCommit(served.message, changes),
        )
        others = self.others.serve(serving.elsewhere, serving.own)
        branches = sorted({BRANCH, *new.branches})
        with self.repository.lock(_branch_lock(BRANCH)):
            head = self.repository.head(BRANCH)
            layer, sha = self.repository.write(head, steps)
            changed = self.repository.changed(head, sha)
            if head is not None and not changed:
                self._push(branches)
                return Commit(head, layer, head, others, pushed=bool(others), changes=new.changes)
            for branch in branches:
                self.repository.move(branch, sha, self.repository.head(branch))
            self._push(branches)
        return Commit(sha, layer, head, (*changed, *others), changes=new.changes)

    def served(self, objects: Sequence[Object], serving: Serving) -> str:
        """Return objects as a YAML text, with the references to the layer's repository as they are served.

        Args:
            objects: of Argo CD, as they were rendered.
            serving: how the layer is served.
        """
        told = [given_sources.redirected(each, serving.given, self.url) for each in objects]
        text = "\n---\n".join(yamlfile.as_json(each) for each in told)
        file = "rendered.yaml"
        # What is not judged may be among them, and is not applied.
        new = transform(
            {file: text.encode()}, url=self.url, also_own=serving.own, not_judged={file},
            elsewhere=serving.elsewhere, guest=True, renamed=serving.renamed,
        )  # fmt: skip
        return new.files.get(file, text.encode()).decode()

    def commit(self, changes: Mapping[str, bytes | None], message: str, *, branch: str = BRANCH) -> str:
        """Commit and push changes of files, and return the new commit.

        Args:
            changes: for each path relative to the layer its new content, or None to remove the file.
            message: the message of the commit.
            branch: the branch.

        Raises:
            GitError: nothing would change, or a file to remove does not exist.
            PushError: the server refused the push.
        """
        files = {path: None if content is None else File(content) for path, content in changes.items()}
        with self.repository.lock(_branch_lock(branch)):
            head = self.repository.head(branch)
            (sha,) = self.repository.write(head, [PlannedCommit(message, files)])
            changed = self.repository.changed(head, sha)
            absent = sorted(path for path, file in files.items() if file is None and path not in changed)
            if absent or not changed:
                reason = f"{absent[0]} is not there to be removed" if absent else "every file is like this already"
                raise GitError(f"the commit {message!r} on branch {branch} would change nothing: {reason}")
            return self._moved(branch, sha, head)

    def revert(self, sha: str, *, branch: str = BRANCH) -> str:
        """Undo a commit by `git revert`, push, and return the new commit.

        Raises:
            GitError: later commits changed the same lines, or the branch lacks that commit.
            PushError: the server refused the push.
        """
        with self.repository.lock(_branch_lock(branch)):
            head = self.repository.head(branch)
            return self._moved(branch, self.repository.revert(branch, sha), head)

    def branch(self, name: str, *, start: str | None = None) -> Branch:
        """Return a branch for a test's own Application, making it if it does not exist.

        Args:
            name: the name of the branch; the Application's `targetRevision`.
            start: the branch or commit at which it begins; None for an empty one, which exists from its first commit on.

        Raises:
            GitError: the start does not exist.
            PushError: the server refused the push.
        """
        if start is not None:
            with self.repository.lock(_branch_lock(name)):
                if self.repository.head(name) is None:
                    self._moved(name, self.repository.resolve(start), None)
        return Branch(self, name)

    def delete_branch(self, name: str) -> None:
        """Remove a branch here and in the cluster, if it exists."""
        if name == BRANCH:
            raise WrongUsage(f"the branch {BRANCH} must not be removed: it serves the layer")
        with self.repository.lock(_branch_lock(name)):
            if self.repository.head(name) is not None:
                self.repository.delete(name)
                self._push([name])

    def head(self, branch: str = BRANCH) -> str:
        """Return the newest commit of a branch.

        Raises:
            GitError: the branch does not exist.
        """
        return self.repository.resolve(branch)

    def has(self, sha: str) -> bool:
        """Tell whether any branch has a commit."""
        return self.repository.has(sha)

    def read(self, path: str, *, branch: str = BRANCH) -> str:
        """Return the text of a served file.

        Raises:
            GitError: the branch or the file does not exist.
        """
        return self.repository.read(self.repository.resolve(branch), path)

    def _moved(self, branch: str, sha: str, before: str | None) -> str:
        """Move a branch to a commit, here and in the cluster."""
        self.repository.move(branch, sha, before)
        self._push([branch])
        return sha

    def _push(self, branches: Sequence[str]) -> None:
        """Push the branches that differ on the server; all of them if its pod is new."""
        pod, uid = self._pod()
        known = self.repository.directory / POD
        send = partial(self._send, pod)
        self.others.push(uid, send)
        with self.repository.lock("push", shared=True):
            if known.exists() and known.read_text() == uid:
                wanted = {branch: self.repository.head(branch) for branch in branches}
                stale = {name: sha for name, sha in wanted.items() if sha != self.repository.pushed(name)}
                if stale:
                    send(self.repository, stale)
                return
        # One at a time, so that the state read before does not overwrite another process's newer branch.
        with self.repository.lock("push"):
            send(self.repository, dict(self.repository.branches()))
            known.write_text(uid)

    @property
    def others(self) -> OtherRepositories:
        """Return the repositories that are served beside the layer's."""
        return OtherRepositories(self.repository.directory / "elsewhere", self.url)

    def _send(
        self,
        pod: str,
        repository: BareRepository,
        commits: Mapping[str, str | None],
        service: Sequence[str] = _LAYER,
    ) -> None:
        cache = self.repository.directory / "kubectl-cache"
        remote = _remote(self._kubectl, self._kubeconfig, pod, cache, service)
        try:
            repository.push(remote, commits, timeout=_PUSH_SECONDS)
        except shell.CommandError as error:
            raise PushError(
                f"pod/{pod} -n {server.NAMESPACE} did not take a push of {', '.join(commits)}:\n{error.output.strip()}",
                f"look at the pod: kubectl -n {server.NAMESPACE} describe pod {pod}",
            ) from error

    def _pod(self) -> tuple[str, str]:
        """Wait until the server's pod is ready, and return its name and UID.

        Raises:
            PushError: it cannot get ready any longer.
        """
        pods = self._kube.many("v1/Pod", server.NAMESPACE, labels=server.LABELS)
        what = f"the git server in namespace {server.NAMESPACE} is ready"
        there = ready_pod(self._kube.list("v1/Pod", server.NAMESPACE, server.LABELS))
        if isinstance(there, Met):
            return _named(there.value)
        try:
            with Movement(self._kube) as moving:
                return _named(
                    eventually(
                        all_of(pods, clock()),
                        unless_still(lambda state: ready_pod(state[0]), moving.still),
                        timeout=READY_SECONDS,
                        what=what,
                    )
                )
        except (Timeout, Refuted) as error:
            raise PushError(
                f"{what}: {error.report.last}",
                f"look at the pod: kubectl -n {server.NAMESPACE} describe pod; its image is Argo CD's, which the nodes must be "
                "able to pull",
            ) from error


@dataclass(frozen=True)
class Branch:
    """One branch of a server, for a test's own Application."""

    server: GitServer
    name: str

    @property
    def url(self) -> str:
        """Return the repoURL."""
        return self.server.url

    def commit(self, changes: Mapping[str, bytes | None], message: str) -> str:
        """Commit and push as GitServer.commit does."""
        return self.server.commit(changes, message, branch=self.name)

    def revert(self, sha: str) -> str:
        """Revert and push as GitServer.revert does."""
        return self.server.revert(sha, branch=self.name)

    def head(self) -> str:
        """Return its newest commit."""
        return self.server.head(self.name)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return self.server.read(path, branch=self.name)

    def delete(self) -> None:
        """Remove the branch."""
        self.server.delete_branch(self.name)


def ready_pod(pods: list[Object]) -> Verdict:
    """Expect one pod that is Ready and is not being deleted; the value is its name and UID."""
    seen = []
    for pod in pods:
        name, status = pod["metadata"]["name"], pod.get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
        if pod["metadata"].get("deletionTimestamp"):
            seen.append(f"pod {name} is being deleted")
        elif ready:
            return Met((name, pod["metadata"]["uid"]))
        else:
            waiting = [" ".join(f"{w['reason']} {w.get('message') or s.get('image') or ''}".split())
                       for s in status.get("containerStatuses", ()) if (w := s.get("state", {}).get("waiting"))]  # fmt: skip
            seen.append(f"pod {name} is {status.get('phase', 'Pending')} {' '.join(waiting)}".strip())
    return Pending("; ".join(seen) or "there is no pod yet")


def _named(pod: tuple[object, object]) -> tuple[str, str]:
    name, uid = pod
    return str(name), str(uid)


def _branch_lock(branch: str) -> str:
    return f"branch {branch}"


def _remote(kubectl: Path, kubeconfig: Path, pod: str, cache: Path, service: Sequence[str] = _LAYER) -> str:
    """Return the remote by which git talks to git-receive-pack in the pod (git-remote-ext(1))."""
    words = [
        str(kubectl),
        f"--kubeconfig={kubeconfig}",
        # kubectl's default cache is in the home directory, which a run must not write to.
        f"--cache-dir={cache}",
        f"--namespace={server.NAMESPACE}",
        "exec",
        "-i",
        pod,
        "--container=git",
        "--",
    ]
    quoted = [_quoted(word) for word in words]
    return f"ext::{' '.join([*quoted, *('%S' if word == '%S' else _quoted(word) for word in service)])}"


def _quoted(word: str) -> str:
    return word.replace("%", "%%").replace(" ", "% ")
