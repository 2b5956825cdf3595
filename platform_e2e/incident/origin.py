"""Which commit a live platform was deployed at, and where its layer can be had: from a checkout that has the commit."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness
from platform_e2e.explain.objects import at
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.report import checkout

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""A commit of Git, by either of its hashes."""

GIT_SECONDS = 60.0
"""For one git command on a local checkout; a large one takes seconds to write an archive."""


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
    """Return repository and commit of an Application's first source in Git; a chart's version is no commit."""
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
        raise NoCommit(f"`{revision}` is no commit", "refresh the Applications, then capture again")
    inside = _git(directory, "rev-parse", "--show-prefix", ok=(0, 128))
    if inside.returncode:
        raise NoCommit(f"{directory} is in no Git checkout", "name the layer in a checkout by --layer DIR")
    there = _git(directory, "cat-file", "-e", f"{revision}^{{commit}}", ok=(0, 1, 128))
    if there.returncode:
        raise NoCommit(
            f"the checkout of {directory} has no commit {revision[:12]}",
            f"git -C {directory} fetch origin {revision}, or name the right checkout by --layer DIR",
        )
    prefix = inside.stdout.strip().rstrip("/")
    target.mkdir(parents=True, exist_ok=True)
    packed = target.parent / f"{target.name}.tar"
    tree = f"{revision}:{prefix}" if prefix else revision
    # Within a working tree git would take the tree's paths for those below its directory.
    inner = _git(directory, "rev-parse", "--absolute-git-dir").stdout.strip()
    _git(Path(inner), f"--git-dir={inner}", "archive", "--format=tar", f"--output={packed.absolute()}", tree)
    try:
        _unpack(packed, target)
    except (tarfile.TarError, OSError) as error:
        raise BrokenHarness(f"the layer at {revision[:12]} cannot be unpacked: {error}") from error
    finally:
        packed.unlink(missing_ok=True)


def _unpack(packed: Path, target: Path) -> None:
    """Write what `git archive` has packed: directories, files with their executable bit, and links that stay inside.

    The filters of `tarfile` came with Python 3.11.4; Debian 12 has 3.11.2.

    Raises:
        TarError: a link, or a path through one, leads out of the layer, which a checkout may have and a layer must not.
    """
    top = target.resolve()
    with tarfile.open(packed) as tar:
        for member in tar:
            path = top / member.name
            leads_to = path.parent / member.linkname if member.issym() else path.parent
            if not leads_to.resolve().is_relative_to(top):
                raise tarfile.TarError(f"{member.name} leads out of the layer")
            if member.issym():
                path.symlink_to(member.linkname)
            elif member.isdir():
                path.mkdir(exist_ok=True)
            elif (content := tar.extractfile(member)) is not None:
                with path.open("xb") as file:
                    shutil.copyfileobj(content, file)
                path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _git(directory: Path, *words: str, ok: Sequence[int] = (0,)) -> shell.Completed:
    return checkout.ask(directory, *words, timeout=GIT_SECONDS, ok=ok)
