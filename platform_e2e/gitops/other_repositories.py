"""The repositories that are served beside the layer's: those that Applications read, and one with the files of charts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platform_e2e.gitops import server
from platform_e2e.gitops.bare_repository import BareRepository, File, PlannedCommit, files_of
from platform_e2e.gitops.elsewhere import HEAD, Elsewhere, branch_of, path_of
from platform_e2e.gitops.transform import BRANCH, transform, with_changes

POD = "platform-e2e-pod"
"""File in the copy of a repository: the UID of the pod that has its branches."""

_PLACE = "platform-e2e-place"
"""File in the copy of another repository: its place in the pod, and the branch of its HEAD."""

Send = Callable[[BareRepository, Mapping[str, str | None], Sequence[str]], None]
"""Push commits of a repository, by their branches, to a service of the pod."""


class OtherRepositories:
    """Copies of other repositories on this machine, as they are served.

    Args:
        directory: of the copies.
        url: of the layer inside the cluster.
    """

    def __init__(self, directory: Path, url: str) -> None:
        self._directory = directory
        self._url = url

    def serve(self, elsewhere: Elsewhere, own: Sequence[str]) -> tuple[str, ...]:
        """Serve charts and other repositories with the next push, and return those that have changed since they were served before.

        Args:
            elsewhere: what is served.
            own: URLs of the layer's repository, which Applications in others may read.
        """
        changed = []
        branches: dict[str, dict[str, Mapping[str, File]]] = {}
        for (name, revision), repository in elsewhere.repositories.items():
            files = files_of(repository.directory)
            plain = {path: file.content for path, file in files.items() if file.mode != "120000"}
            plain = with_changes(plain, repository.changed)
            new = transform(
                plain, url=self._url, also_own=own, not_judged=plain.keys(), elsewhere=elsewhere, guest=True
            )
            modes = {path: file.mode for path, file in files.items()}
            made = {path: File(content, modes.get(path, "100644")) for path, content in (plain | new.files).items()}
            branches.setdefault(path_of(name), {})[branch_of(revision, repository)] = {**files, **made}
        for path, contents in branches.items():
            changed += [path] if self._serve(f"{server.ELSEWHERE}/{path}", HEAD, contents) else []
        if elsewhere.charts:
            charts = {name: File(content) for name, content in elsewhere.files_of_charts().items()}
            changed += ["charts"] if self._serve(server.CHARTS, BRANCH, {BRANCH: charts}) else []
        return tuple(changed)

    def _serve(self, place: str, first: str, contents: Mapping[str, Mapping[str, File]]) -> bool:
        """Serve the content of branches as another repository, and tell whether a branch was there with other content.

        Args:
            place: of the repository in the pod.
            first: the branch of its HEAD.
            contents: the files of each branch.
        """
        directory = self._directory / place.strip("/").replace("/", "+")
        other = BareRepository.create(directory)
        (directory / _PLACE).write_text(f"{place}\n{first}\n", encoding="utf-8")
        changed = False
        with other.lock("publish"):
            for branch, files in contents.items():
                head = other.head(branch)
                planned = PlannedCommit("As it was fetched, with what is served in its place", files, whole=True)
                (sha,) = other.write(head, [planned])
                if head is None or other.changed(head, sha):
                    other.move(branch, sha, head)
                    changed = changed or head is not None
        return changed

    def push(self, uid: str, send: Send) -> None:
        """Push the branches that a pod does not have.

        Args:
            uid: of the pod.
            send: pushes to it.
        """
        for marker in sorted(self._directory.glob(f"*/{_PLACE}")):
            other = BareRepository(marker.parent)
            place, first = marker.read_text(encoding="utf-8").split()
            known = other.directory / POD
            with other.lock("push"):
                same = known.exists() and known.read_text() == uid
                stale = {name: sha for name, sha in other.branches().items() if not same or sha != other.pushed(name)}
                if stale:
                    send(other, dict(stale), ("sh", "-c", server.RECEIVE, "receive", "%S", place, first))
                    known.write_text(uid)
