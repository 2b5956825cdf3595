"""Fetch a Git repository at a revision, which is resolved as Argo CD resolves it (util/git, LsRemote)."""

from __future__ import annotations

import re
from pathlib import Path

from platform_e2e.errors import WrongUsage
from platform_e2e.git import gitcommand
from platform_e2e.git.repository import COMMIT
from platform_e2e.layer import versions
from platform_e2e.sources import locations

SECONDS = 1800.0
"""Timeout of one repository; Git itself ends a transfer that stands still."""

_SLOW = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
"""Less than 1,000 bytes a second for a minute is a connection that stands still (git-config(1))."""

_REFERENCE = re.compile(r"refs/(?:heads|tags)/[^\s~^:?*\[\\\x00-\x1f\x7f]{1,500}")

REMEDY = "check that `git ls-remote URL` works for this user, or give a checkout by --repository URL=DIR"


def fetch(url: str, revision: str, commit: str, into: Path) -> tuple[str, Path]:
    """Fetch a repository, and return the commit and the directory of its files.

    Args:
        url: of the repository, without credentials.
        revision: branch, tag, commit, or constraint on tags; HEAD.
        commit: that the revision was before; empty to resolve it.
        into: an empty directory.

    Raises:
        WrongUsage: the URL is not fetched, or has no such revision.
        CommandError: Git refuses.
    """
    why = locations.refused(url, locations.GIT)
    if why:
        raise WrongUsage(f"the repository {url} is not fetched: {why}", "give a checkout by --repository URL=DIR")
    reference = "" if commit else resolve(url, revision)
    wanted = commit or reference
    bare, tree = into / "git", into / "tree"
    gitcommand.run("init", "--quiet", "--bare", "--template=", str(bare))
    words = [f"--git-dir={bare}", "fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]
    gitcommand.fetch(*_SLOW, *words, "--depth=1", "--", url, f"+{wanted}:refs/fetched", timeout=SECONDS)
    found = gitcommand.run(f"--git-dir={bare}", "rev-parse", "--verify", "refs/fetched^{commit}").stdout.strip()
    tree.mkdir()
    place = (f"--git-dir={bare}", f"--work-tree={tree}")
    gitcommand.run(*place, "checkout", "--quiet", "--force", found, "--", ".", timeout=SECONDS)
    return found, tree


def resolve(url: str, revision: str) -> str:
    """Return the full name of the reference that a revision means, or the commit that it is.

    Raises:
        WrongUsage: the repository has no such revision.
        CommandError: Git refuses.
    """
    if COMMIT.fullmatch(revision):
        return revision
    listed = gitcommand.fetch(*_SLOW, "ls-remote", "--", url, timeout=SECONDS).stdout.splitlines()
    pairs = (line.partition("\t")[::2] for line in listed)
    found = {name: commit for commit, name in pairs if name == "HEAD" or _REFERENCE.fullmatch(name)}
    if revision in {"", "HEAD"} and "HEAD" in found:
        return found["HEAD"]
    for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
        if name in found:
            return name
    prefix = "refs/tags/"
    tags = [name.removeprefix(prefix) for name in found if name.startswith(prefix)]
    newest = versions.chosen(revision, tags) if versions.Version.parse(revision) is None else None
    if newest is None:
        names = ", ".join(sorted(name.split("/", 2)[-1] for name in found if name != "HEAD")[:10])
        raise WrongUsage(f"{url} has no revision {revision}: it has {names or 'none'}", "correct targetRevision")
    return prefix + newest
