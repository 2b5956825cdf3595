"""Make the layer of an earlier run again: from its copy, what was taken out of that from Git, or all from commit and patch."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.git import gitcommand, repository
from platform_e2e.git.repository import Repository
from platform_e2e.layer import tree
from platform_e2e.outside import archive, plainfile
from platform_e2e.outside.archive import Limits, leads_out
from platform_e2e.outside.tarformat import Kind
from platform_e2e.replay.find_run import PATCH
from platform_e2e.replay.run_record import RunRecord, strings
from platform_e2e.replay.snapshot import COPY, SUMS, parse_sums, sums
from platform_e2e.report import checkout
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache

KIND = "replays"
"""Of the cache's entries: one directory for each layer that was made again."""

CHANGED = "replays-changed"
"""Beside them: layers that were edited; they stay until they were left alone for `cache.UNUSED_SECONDS`."""

MADE = "made.json"
"""Beside each: what of it could not be had, and its checksums, so that one that was edited is made again."""

GROWS = re.compile(r"(?m)^(?:copy|rename) (?:from|to) |^delta \d|^literal \d{8}")
"""What makes more of a small patch than can be seen in it: copies, differences to binary files, contents of more than 10 MB."""

SHOWN = 5
"""How many files a sentence names."""


@dataclass
class Restored:
    """A layer that was made again.

    Attributes:
        directory: of it; read-only.
        origin: what it was made from, in a few words.
        lacking: what of it is not as it was, one sentence each.
    """

    directory: Path
    origin: str = ""
    lacking: list[str] = field(default_factory=list)


def restore(recorded: RunRecord, given: Path | None = None) -> Restored:
    """Make the layer of an earlier run again, and compare it with what was run.

    Args:
        recorded: the earlier run.
        given: a checkout that may have the layer's commit; besides, this harness's own and the current directory are asked.

    Raises:
        WrongUsage: it cannot be had, or its copy has what no layer may have; the text says what was tried.
    """
    with ExitStack() as stack:
        return _rebuild(recorded, *_repository(recorded, given, stack))


def _rebuild(recorded: RunRecord, git: Repository | None, tried: str) -> Restored:
    files = recorded.kept.files

    def make(directory: Path) -> None:
        layer = directory / "layer"
        layer.mkdir()
        if COPY in files:
            unpack(files[COPY], layer, recorded.kept.where)
            # Links that are harmless one by one may lead out together; nothing is written through them before that is known.
            tree.files(layer.resolve())
            lacking = _put_back(recorded, git, layer)
        elif git is not None:
            lacking = _check_out(recorded, git, layer)
        else:
            raise WrongUsage(
                f"--replay: the layer of {recorded.kept.name} cannot be had: it has no {COPY}, and {tried}",
                f"fetch its commit {recorded.commit[:12]} into this checkout, name one that has it by --repository, or give a "
                "layer with --layer"
                if recorded.commit
                else "give a layer with --layer",
            )
        (directory / MADE).write_text(json.dumps({"lacking": lacking, "sums": sums(layer)}), encoding="utf-8")
        # Secrets that were put back from Git are for this user alone.
        directory.chmod(0o700)
        for path in tree.files(layer.resolve()):
            if not path.is_symlink():
                path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)

    described = json.dumps(
        [recorded.commit, recorded.layer.get("withheld"), str(git.top if git else None)], default=str
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
    """Keep a layer that was edited, where nothing is swept, and return its new place."""
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
    """Remove layers that were edited, when that was as long ago as unused entries of the cache stay."""
    for place in changed.iterdir():
        newest = max((path.lstat().st_mtime for path in (place, *place.rglob("*"))), default=0.0)
        if time.time() - newest > cache.UNUSED_SECONDS:
            cache.remove(place)


def differences(recorded: RunRecord, place: Path) -> list[str]:
    """Return how a layer that was made again differs from what was run; nothing where their checksums are equal."""
    if SUMS not in recorded.kept.files:
        return ["layer: the run left no checksums of it, so it cannot be compared with what was run"]
    hidden = {str(entry["path"]) for entry in withheld(recorded)}
    then = parse_sums(recorded.kept.text(SUMS))
    now = {name: value for name, value in sums(place).items() if name not in hidden}
    said = []
    for what, names in (
        ("cannot be had", then.keys() - now.keys()),
        ("was not there then", now.keys() - then.keys()),
        ("is not as it was", {name for name in then.keys() & now.keys() if then[name] != now[name]}),
    ):
        if names:
            said.append(f"layer: {_named(names)} {what}")
    return said


def withheld(recorded: RunRecord) -> list[Mapping[str, Any]]:
    """Return what was taken out of the layer's copy, one entry for each file."""
    entries = recorded.layer.get("withheld")
    return (
        [entry for entry in entries if isinstance(entry, dict) and "path" in entry] if isinstance(entries, list) else []
    )


def unpack(packed: bytes, directory: Path, where: str) -> None:
    """Unpack the copy of a layer, which may have been made by a stranger.

    Raises:
        WrongUsage: a member leads out of it, or is neither file nor link, or there are too many bytes.
    """
    limits = Limits(2 * tree.LARGEST_LAYER, tree.MOST_FILES, tree.LARGEST_LAYER, tree.LARGEST_FILE)
    packed_as, remedy = f"--replay: {COPY} of {where}", "take a copy that the harness made"
    try:
        # All of it is looked at before anything is written.
        for member, _ in archive.members(io.BytesIO(packed), packed_as, remedy, limits, lambda _: False):
            if member.kind is Kind.HARD_LINK:
                raise WrongUsage(f"{packed_as} is not read: {member.name} is neither a file nor a link", remedy)
        for member, content in archive.members(io.BytesIO(packed), packed_as, remedy, limits, lambda _: True):
            target = directory / member.name
            if member.kind is Kind.DIRECTORY:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.kind is Kind.LINK:
                target.symlink_to(member.target)
            else:
                with target.open("xb") as file:
                    file.write(content)
                target.chmod(0o700 if member.executable else 0o600)
    except (OSError, ValueError) as error:
        raise WrongUsage(f"{packed_as} cannot be unpacked: {error}", "take another copy of the run") from error


def _repository(recorded: RunRecord, given: Path | None, stack: ExitStack) -> tuple[Repository | None, str]:
    """Return a repository here that has the layer's commit, or what was looked at in vain.

    Where the earlier run says that it had it is not looked at: it may be any place of this machine. Nor is what lies in the run's
    own directory, or in the cache, where others' layers are unpacked.
    """
    if not recorded.commit:
        return None, "it was in no Git repository"
    theirs = [place.resolve() for place in (paths.cache(), recorded.kept.directory) if place is not None]
    for place in dict.fromkeys((given, paths.project(), paths.ROOT)):
        if place is None or any(place.resolve().is_relative_to(one) for one in theirs):
            continue
        found = stack.enter_context(repository.opened(place))
        if (
            found is not None
            and not any(found.top.is_relative_to(one) for one in theirs)
            and found.has(recorded.commit)
        ):
            return found, ""
    return None, f"its commit {recorded.commit[:12]} is in no checkout here"


def _put_back(recorded: RunRecord, git: Repository | None, directory: Path) -> list[str]:
    """Take from Git what was taken out of the copy, where it was committed; return what cannot be had."""
    prefix = _prefix(recorded)
    entries = {
        name: entry
        for entry in withheld(recorded)
        if not leads_out(name := str(entry["path"])) and _is_plain(directory / name, directory)
    }
    committed = [name for name, one in entries.items() if one.get("committed") is True]
    with paths.scratch() as scratch:
        problem = f"commit {recorded.commit[:12]} is not here"
        if git is not None and prefix is not None and committed:
            (scratch / "tree").mkdir()
            problem = git.write(recorded.commit, prefix, scratch / "tree", committed) or "Git has no such file"
        put = {name for name in committed if _put(scratch / "tree" / name, scratch, directory / name)}
    return [
        f"layer: {name}: {one.get('what', 'a part')} taken out of the copy, and "
        f"{problem if name in committed else 'it was not committed'}"
        for name, one in entries.items()
        if name not in put
    ]


def _is_plain(path: Path, below: Path) -> bool:
    """Tell whether a path is one of a plain file, by no link."""
    try:
        plainfile.opened(path, below).close()
    except (OSError, ValueError):
        return False
    return True


def _put(made: Path, below: Path, target: Path) -> bool:
    """Write a file as Git has it; tell whether Git has one."""
    try:
        content = plainfile.read(made, tree.LARGEST_FILE, below)
    except (OSError, ValueError):
        return False
    target.write_bytes(content)
    return True


def _check_out(recorded: RunRecord, git: Repository, directory: Path) -> list[str]:
    """Make the layer from its commit and the patch; return what of the patch cannot be had."""
    prefix = _prefix(recorded)
    if prefix is None:
        raise WrongUsage(
            "--replay: run.json does not say where in its repository the layer was", "give it with --layer"
        )
    problem = git.write(recorded.commit, prefix, directory)
    if problem:
        raise WrongUsage(f"--replay: the layer's commit cannot be checked out: {problem}", "give a layer with --layer")
    sections = re.split(r"(?m)^(?=diff --git )", recorded.kept.text(PATCH))
    whole = [
        section
        for section in sections
        if re.search(r"(?m)^(?:@@|GIT binary patch|deleted file|new file|old mode)", section)
    ]
    said = strings(recorded.layer.get("patch_withheld"))
    grows = [one for one in whole if GROWS.search(one)]
    if grows or len(recorded.kept.files.get(PATCH, b"")) > checkout.LARGEST_PATCH:
        said.append("all of it: it copies files or has binary content, or is too large")
    elif whole:
        depth = 1 + len(PurePosixPath(prefix).parts)
        # Of no repository, so that git applies it to files and not to what it knows.
        done = gitcommand.run(
            "apply", f"-p{depth}", "--whitespace=nowarn", "-", cwd=directory, env={"GIT_DIR": gitcommand.NOTHING},
            stdin="".join(whole), ok=range(256),
        )  # fmt: skip
        if done.returncode:
            said.append(f"all of it: {next(iter(done.stderr.splitlines()), 'git apply failed')}")
    return [f"uncommitted.patch: {one}" for one in said]


def _prefix(recorded: RunRecord) -> str | None:
    """Return where in its repository the layer was; None where that is not known, or no such place."""
    prefix = recorded.layer.get("prefix")
    if not isinstance(prefix, str) or (prefix and leads_out(prefix)):
        return None
    return prefix


def _named(names: set[str]) -> str:
    """Return some names as words."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more
