"""Restore the layer of an earlier run: from its copy, completed from Git, or from its commit and the patch."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.git import gitcommand, repository
from platform_e2e.git.repository import Repository
from platform_e2e.git.urls import is_remote
from platform_e2e.layer import tree
from platform_e2e.runs import layer_at_commit
from platform_e2e.runs.find_run import PATCH
from platform_e2e.runs.run_record import RunRecord
from platform_e2e.runs.snapshot import COPY, SUMS, parse_sums, sums
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache
from platform_e2e.untrusted import archive, plainfile
from platform_e2e.untrusted.members import ArchiveLimits, leads_out

KIND = "replays"
"""Kind of the cache's entries: one directory for each restored layer."""

CHANGED = "replays-changed"
"""Directory beside them for restored layers that were edited; they stay until they are untouched for `cache.UNUSED_SECONDS`."""

MADE = "made.json"
"""File beside each restored layer: what is lacking, and its checksums, by which an edited one is recognised and restored again."""

SHOWN = 5
"""How many files a sentence names."""


@dataclass
class Restored:
    """A restored layer.

    Attributes:
        directory: of the layer; read-only.
        origin: what it was restored from, in a few words.
        lacking: how it differs from what was run, one sentence each.
    """

    directory: Path
    origin: str = ""
    lacking: list[str] = field(default_factory=list)


def restore(recorded: RunRecord, given: Path | None = None) -> Restored:
    """Restore the layer of an earlier run, and compare it with what was run.

    Args:
        recorded: the earlier run.
        given: a checkout that may have the layer's commit; those of this harness and of the current directory are tried, too.

    Raises:
        WrongUsage: it cannot be restored, or its copy has what no layer may have; the text says what was tried.
    """
    with ExitStack() as stack:
        made = _rebuild(recorded, *_repository(recorded, given, stack))
    within = _within(recorded)
    if within and not (made.directory / within).is_dir():
        raise WrongUsage(
            f"--replay: the layer of {recorded.kept.name} must have the directory {within}, got none",
            "give a layer with --layer",
        )
    made.directory /= within
    return made


def _rebuild(recorded: RunRecord, git: Repository | None, tried: str) -> Restored:
    files = recorded.kept.files

    def make(directory: Path) -> None:
        layer = directory / "layer"
        layer.mkdir()
        if COPY in files:
            unpack(files[COPY], layer, recorded.kept.where)
            # Links that are harmless one by one may lead out together: they are checked before anything is written through them.
            tree.files(layer.resolve())
            lacking = _put_back(recorded, git, layer)
        elif git is not None:
            lacking = _check_out(recorded, git, layer)
        else:
            raise WrongUsage(
                f"--replay: the layer of {recorded.kept.name} cannot be restored: the run has no {COPY}, and {tried}",
                f"fetch its commit {recorded.commit[:12]} into this checkout, name one that has it by --repository, or give a "
                "layer with --layer"
                if recorded.commit
                else "give a layer with --layer",
            )
        if _within(recorded):
            _make_a_repository(layer, recorded.layer.get("urls", ()))
        (directory / MADE).write_text(json.dumps({"lacking": lacking, "sums": sums(layer)}), encoding="utf-8")
        # The layer may have secrets from Git: only this user may read it.
        directory.chmod(0o700)
        for path in tree.files(layer.resolve()):
            if not path.is_symlink():
                path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)

    described = json.dumps(
        [
            recorded.commit,
            recorded.layer.get("withheld"),
            _within(recorded),
            recorded.layer.get("urls"),
            str(git.top if git else None),
        ],
        default=str,
    )
    key = cache.digest(files.get(COPY, b""), files.get(PATCH, b""), described)
    place = paths.cache() / KIND / key
    aside = _set_aside(place)
    place = cache.entry(KIND, key, make, phase="replay", timeline=Timeline(None), nested=True)
    origin = "the copy that the run kept" if COPY in files else f"commit {recorded.commit[:12]} and the patch"
    lacking = json.loads((place / MADE).read_text(encoding="utf-8"))["lacking"]
    if aside:
        origin += f" (one that was made earlier has been changed since, it is {aside} now)"
    return Restored(place / "layer", origin, [*lacking, *differences(recorded, place / "layer")])


def _set_aside(place: Path) -> Path | None:
    """Move an edited layer to where the cache removes nothing, and return its new place; None where it was not edited."""
    with cache.held(KIND, phase="replay", timeline=Timeline(None)):
        if not place.is_dir():
            return None
        made = json.loads((place / MADE).read_text(encoding="utf-8"))
        if sums(place / "layer") == made["sums"]:
            return None
        changed = paths.cache() / CHANGED
        changed.mkdir(exist_ok=True)
        _forget(changed)
        number = 1
        while (aside := changed / f"{place.name}-{number}").exists():
            number += 1
        place.rename(aside)
        return aside / "layer"


def _forget(changed: Path) -> None:
    """Remove edited layers that are untouched for as long as unused entries of the cache stay."""
    for place in changed.iterdir():
        newest = max((path.lstat().st_mtime for path in (place, *place.rglob("*"))), default=0.0)
        if time.time() - newest > cache.UNUSED_SECONDS:
            cache.remove(place)


def differences(recorded: RunRecord, place: Path) -> list[str]:
    """Return how a restored layer differs from what was run, one sentence each; none where their checksums are equal."""
    if SUMS not in recorded.kept.files:
        return ["layer: the run left no checksums of it, so it cannot be compared with what was run"]
    hidden = {str(entry["path"]) for entry in recorded.withheld}
    then = parse_sums(recorded.kept.text(SUMS))
    now = {name: value for name, value in sums(place).items() if name not in hidden}
    said = []
    for what, names in (
        ("missing", then.keys() - now.keys()),
        ("added", now.keys() - then.keys()),
        ("changed", {name for name in then.keys() & now.keys() if then[name] != now[name]}),
    ):
        if names:
            said.append(f"layer: {what} since that run: {_named(names)}")
    return said


def unpack(packed: bytes, directory: Path, where: str) -> None:
    """Unpack the copy of a layer, which a stranger may have made.

    Args:
        packed: the copy.
        directory: to unpack it into; empty.
        where: the run was found.

    Raises:
        WrongUsage: a member leads out of the copy, is neither file nor symbolic link, or there are too many bytes.
    """
    limits = ArchiveLimits(2 * tree.LARGEST_LAYER, tree.MOST_FILES, tree.LARGEST_LAYER, tree.LARGEST_FILE)
    archive.unpack(packed, directory, f"--replay: {COPY} of {where}", "take a copy that the harness has made", limits)


def _repository(recorded: RunRecord, given: Path | None, stack: ExitStack) -> tuple[Repository | None, str]:
    """Return a repository on this machine that has the layer's commit, or None and the reason.

    The place that the earlier run names is not tried: it may be any place of this machine. Neither is the run's own directory, nor
    the cache, where layers of others are unpacked.
    """
    if not recorded.commit:
        return None, "it was in no Git repository"
    untrusted = [place.resolve() for place in (paths.cache(), recorded.kept.directory) if place is not None]
    for place in dict.fromkeys((given, paths.project(), paths.ROOT)):
        if place is None or any(place.resolve().is_relative_to(directory) for directory in untrusted):
            continue
        found = stack.enter_context(repository.opened(place))
        if (
            found is not None
            and not any(found.top.is_relative_to(directory) for directory in untrusted)
            and found.has(recorded.commit)
        ):
            return found, ""
    return None, f"its commit {recorded.commit[:12]} is in no checkout here"


def _put_back(recorded: RunRecord, git: Repository | None, directory: Path) -> list[str]:
    """Restore from Git the committed files of which something was taken out; return what is lacking, one sentence each."""
    prefix = _prefix(recorded)
    entries = {
        name: entry
        for entry in recorded.withheld
        if not leads_out(name := str(entry["path"])) and _is_plain(directory / name, directory)
    }
    committed = [name for name, entry in entries.items() if entry.get("committed") is True]
    with paths.scratch() as scratch:
        problem = f"commit {recorded.commit[:12]} is not here"
        if git is not None and prefix is not None and committed:
            (scratch / "tree").mkdir()
            problem = git.write(recorded.commit, prefix, scratch / "tree", committed) or "Git has no such file"
        put = {name for name in committed if _put(scratch / "tree" / name, scratch, directory / name)}
    return [
        f"layer: {name}: {entry.get('what', 'a part')} taken out of the copy, and "
        f"{problem if name in committed else 'it was not committed'}"
        for name, entry in entries.items()
        if name not in put
    ]


def _is_plain(path: Path, below: Path) -> bool:
    """Tell whether a path leads to a plain file, without a link on the way."""
    try:
        plainfile.opened(path, below).close()
    except (OSError, ValueError):
        return False
    return True


def _put(made: Path, below: Path, target: Path) -> bool:
    """Write the file of Git in place of that of the copy; tell whether Git has it."""
    try:
        content = plainfile.read(made, tree.LARGEST_FILE, below)
    except (OSError, ValueError):
        return False
    target.write_bytes(content)
    return True


def _check_out(recorded: RunRecord, git: Repository, directory: Path) -> list[str]:
    """Restore the layer from its commit and the patch; return what of the patch is lacking, one sentence each."""
    prefix = _prefix(recorded)
    if prefix is None:
        raise WrongUsage(
            "--replay: run.json must say where in its repository the layer was, got no such path",
            "give the layer with --layer",
        )
    problem = layer_at_commit.check_out(git, recorded.commit, prefix, directory)
    if problem:
        raise WrongUsage(f"--replay: the layer's commit cannot be checked out: {problem}", "give a layer with --layer")
    said = [*recorded.layer.get("patch_withheld", ())]
    said += layer_at_commit.apply_patch(recorded.kept.text(PATCH), prefix, directory)
    return [f"uncommitted.patch: {sentence}" for sentence in said]


def _prefix(recorded: RunRecord) -> str | None:
    """Return the layer's path in its repository; None where it is unknown or leads out of the repository."""
    prefix = recorded.layer.get("prefix")
    return None if prefix and leads_out(prefix) else prefix


def _within(recorded: RunRecord) -> str:
    """Return the layer's path from the directory that the paths of its Applications begin at; empty where it is that directory."""
    within = str(recorded.layer.get("within") or "")
    return "" if leads_out(within) else within


def _make_a_repository(directory: Path, urls: Sequence[str]) -> None:
    """Make a directory the root of a repository, so that the paths of Applications begin there again, as on the first run."""
    at = {"GIT_DIR": str(directory / ".git")}
    gitcommand.run("init", "--quiet", "--template=", str(directory), env=at)
    for number, url in enumerate(each for each in urls if is_remote(each)):
        gitcommand.run("config", f"remote.{f'url-{number}' if number else 'origin'}.url", url, env=at)


def _named(names: set[str]) -> str:
    """Return the first names, sorted, and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more
