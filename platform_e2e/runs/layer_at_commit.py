"""Restore a layer at a commit from a checkout, with uncommitted changes on top: for replays and for incidents."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path, PurePosixPath

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness, HarnessError
from platform_e2e.git import gitcommand, repository
from platform_e2e.git.repository import COMMIT, Repository
from platform_e2e.layer import tree
from platform_e2e.runs import checkout

GROWS = re.compile(r"(?m)^(?:copy|rename) (?:from|to) |^delta \d|^literal \d{8}")
"""Lines of a small patch that makes large files: copies, differences to binary files, contents of more than 10 MB."""

WHOLE = re.compile(r"(?m)^(?:@@|GIT binary patch|deleted file|new file|old mode)")
"""Lines of which each section of a patch has one, unless its content was redacted as a whole."""


class NoCommit(BrokenHarness):
    """A checkout does not have the commit of the layer."""


def export(directory: Path, revision: str, target: Path) -> None:
    """Write a layer at a commit.

    Args:
        directory: of the layer within a checkout, or a bare repository that has the layer as its root.
        revision: the commit.
        target: directory to write to.

    Raises:
        NoCommit: the checkout does not have the commit; the remedy says how to get it.
        BrokenHarness: the layer cannot be written, or has what no layer may have.
    """
    if not COMMIT.fullmatch(revision):
        raise NoCommit(f"revision must be a commit, got `{revision}`", "refresh the Applications, then capture again")
    # A repository that a cluster of ours is served from. Any other one that says it is bare may be a part of the layer.
    own = directory.resolve().is_relative_to(paths.clusters().resolve())
    with repository.opened(directory, bare=own) as found:
        if found is None:
            raise NoCommit(f"{directory} must be in a Git checkout", "name the layer in a checkout by --layer DIR")
        if not found.has(revision):
            raise NoCommit(
                f"the checkout of {directory} has no commit {revision[:12]}",
                f"git -C {shlex.quote(str(directory))} fetch origin {revision}, or name the right checkout by --layer DIR",
            )
        problem = check_out(found, revision, found.prefix, target)
    if problem:
        raise BrokenHarness(f"the layer at {revision[:12]} cannot be used: {problem}")


def check_out(git: Repository, commit: str, prefix: str, target: Path) -> str:
    """Write a directory at a commit, and return why it cannot be used as a layer; an empty string where it can.

    Args:
        git: has the commit.
        commit: of the layer.
        prefix: of the layer's directory in the repository.
        target: directory to write to, empty or absent; removed where the layer cannot be used.
    """
    target.mkdir(parents=True, exist_ok=True)
    problem = git.write(commit, prefix, target)
    if not problem:
        try:
            tree.files(target.resolve())
        except HarnessError as error:
            problem = error.problem
    if problem:
        shutil.rmtree(target)
    return problem


def apply_patch(patch: str, prefix: str, layer: Path) -> list[str]:
    """Apply uncommitted changes to a layer, and return why they cannot be applied, one sentence each.

    Args:
        patch: as `checkout.describe` has made it, possibly changed by a stranger; its paths begin at the repository's top.
        prefix: of the layer's directory in the repository.
        layer: its directory.
    """
    whole = [section for section in re.split(r"(?m)^(?=diff --git )", patch) if WHOLE.search(section)]
    if any(GROWS.search(section) for section in whole) or len(patch.encode()) > checkout.LARGEST_PATCH:
        return ["all of it: it copies files or has binary content, or is too large"]
    if not whole:
        return []
    words = ("apply", f"-p{1 + len(PurePosixPath(prefix).parts)}", "--whitespace=nowarn", "-")
    # Without a repository Git applies it to the files alone.
    outside = {"GIT_DIR": gitcommand.NOTHING}
    done = gitcommand.run(*words, cwd=layer, env=outside, stdin="".join(whole), ok=range(256))
    return [f"all of it: {next(iter(done.stderr.splitlines()), 'git apply failed')}"] if done.returncode else []
