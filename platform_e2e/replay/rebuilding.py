"""Make the layer of an earlier run again: from its copy, what was taken out of that from Git, or all from commit and patch."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e import paths, shell
from platform_e2e.cluster.embedded import cache
from platform_e2e.errors import WrongUsage
from platform_e2e.layer import tree
from platform_e2e.replay.keeping import COPY, SUMS, parse_sums, sums
from platform_e2e.replay.opening import PATCH, leads_out
from platform_e2e.replay.recorded import Recorded, strings
from platform_e2e.report import checkout
from platform_e2e.timeline import Timeline

KIND = "replays"
"""Of the cache's entries: one directory for each layer that was made again."""

CHANGED = "replays-changed"
"""Beside them: those in which somebody has worked. Only their owner knows what they are worth."""

MADE = "made.json"
"""Beside each: what of it could not be had, and its checksums, so that one in which somebody worked is made anew."""

SHOWN = 5
"""How many files a sentence names."""


@dataclass
class Rebuilt:
    """A layer that was made again.

    Attributes:
        directory: of it; nobody may change it.
        origin: what it was made from, in a few words.
        lacking: what of it is not as it was, one sentence each.
    """

    directory: Path
    origin: str = ""
    lacking: list[str] = field(default_factory=list)


def rebuild(recorded: Recorded) -> Rebuilt:
    """Make the layer of an earlier run again, and compare it with what was run.

    Raises:
        WrongUsage: it cannot be had, or its copy has what no layer may have; the text says what was tried.
    """
    files = recorded.kept.files
    repository, tried = _repository(recorded)

    def make(directory: Path) -> None:
        layer = directory / "layer"
        layer.mkdir()
        if COPY in files:
            unpack(files[COPY], layer, recorded.kept.where)
            # Links that are harmless one by one may lead out together; nothing is written through them before that is known.
            tree.files(layer.resolve())
            lacking = _put_back(recorded, repository, layer)
        elif repository is not None:
            lacking = _check_out(recorded, repository, layer)
        else:
            raise WrongUsage(
                f"--replay: the layer of {recorded.kept.name} cannot be had: it has no {COPY}, and {tried}",
                f"fetch its commit {recorded.commit[:12]} into this checkout, or give a layer with --layer"
                if recorded.commit
                else "give a layer with --layer",
            )
        (directory / MADE).write_text(json.dumps({"lacking": lacking, "sums": sums(layer)}), encoding="utf-8")

    described = json.dumps([recorded.commit, recorded.layer.get("withheld"), str(repository)], default=str)
    key = cache.digest(files.get(COPY, b""), files.get(PATCH, b""), described)
    place = paths.cache() / KIND / key
    aside = _set_aside(place)
    place = cache.entry(KIND, key, make, phase="replay", timeline=Timeline(None), nested=True)
    origin = "the copy that the run kept" if COPY in files else f"commit {recorded.commit[:12]} and the patch"
    lacking = json.loads((place / MADE).read_text(encoding="utf-8"))["lacking"]
    if aside:
        origin += f" (one that was made earlier has been changed since, it is {aside} now)"
    return Rebuilt(place / "layer", origin, [*lacking, *differences(recorded, place / "layer")])


def _set_aside(place: Path) -> Path | None:
    """Keep a layer in which somebody has worked, on a cluster that was kept, where nothing is ever swept, and return it."""
    with cache.held(KIND, phase="replay", timeline=Timeline(None)):
        if not place.is_dir():
            return None
        made = json.loads((place / MADE).read_text(encoding="utf-8"))
        if sums(place / "layer") == made["sums"]:
            return None
        changed = paths.cache() / CHANGED
        changed.mkdir(exist_ok=True)
        number = 1
        while (aside := changed / f"{place.name}-{number}").exists():
            number += 1
        place.rename(aside)
        return aside / "layer"


def differences(recorded: Recorded, place: Path) -> list[str]:
    """Return how a layer that was made again differs from what was run; nothing where their checksums are equal."""
    if SUMS not in recorded.kept.files:
        return ["layer: the run left no checksums of it, so it cannot be compared with what was run"]
    hidden = {str(one["path"]) for one in withheld(recorded)}
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


def withheld(recorded: Recorded) -> list[Mapping[str, Any]]:
    """Return what was taken out of the layer's copy, one entry for each file."""
    entries = recorded.layer.get("withheld")
    return [one for one in entries if isinstance(one, dict) and "path" in one] if isinstance(entries, list) else []


def unpack(packed: bytes, directory: Path, where: str) -> None:
    """Unpack the copy of a layer, which may have been made by a stranger.

    Raises:
        WrongUsage: a member leads out of it, or is neither file nor link, or there are too many bytes.
    """
    try:
        for member, content in _members(packed, where):
            target = directory / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                target.symlink_to(member.linkname)
            else:
                target.write_bytes(content)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, OSError) as error:
        raise WrongUsage(
            f"--replay: {COPY} of {where} cannot be unpacked: {error}", "take another copy of the run"
        ) from error


def _members(packed: bytes, where: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield what may be written of a copy."""
    links: set[PurePosixPath] = set()
    seen: set[PurePosixPath] = set()
    total = 0
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            total += member.size
            why = _wrong_with(member)
            if name in seen or links.intersection(name.parents):
                why = why or "would be written through a link or over another file"
            if total > tree.LARGEST_LAYER or len(seen) >= tree.MOST_FILES:
                why = why or f"is too much: more than {tree.LARGEST_LAYER >> 20} MiB or {tree.MOST_FILES} files"
            if why:
                shown = "".join(letter if letter.isprintable() else "?" for letter in member.name[:200])
                raise WrongUsage(
                    f"--replay: {COPY} of {where} is not unpacked: {shown} {why}", "take a copy that the harness made"
                )
            seen.add(name)
            if member.issym():
                links.add(name)
                yield member, b""
            elif member.isreg():
                file = archive.extractfile(member)
                yield member, file.read() if file else b""


def _wrong_with(member: tarfile.TarInfo) -> str:
    """Return why a member of a copy may not be written; empty where it may."""
    name = PurePosixPath(member.name)
    if leads_out(member.name) or not name.parts:
        return "leads out of it"
    if any(part.lower() == ".git" for part in name.parts):
        # Git runs programs that a repository's own configuration names.
        return "would make it a repository of Git"
    if member.issym():
        return "is a link out of it" if leads_out(member.linkname, name.parent) else ""
    return "" if member.isreg() or member.isdir() else "is neither a file nor a link"


@dataclass(frozen=True)
class Repository:
    """A repository on this machine that has the layer's commit.

    Attributes:
        place: of its checkout.
        ours: whether it is read whoever owns it; in one that only run.json names, Git's own check of the owner holds.
    """

    place: Path
    ours: bool

    def ask(self, *words: str, env: Mapping[str, str] | None = None) -> shell.Completed:
        """Ask git something."""
        return (checkout.git if self.ours else checkout.ask)(self.place, *words, env=env)

    def take(self, tree_ish: str, target: Path, *names: str) -> str:
        """Write files as a checkout has them; all where none is named. Return git's complaint, or nothing."""
        with paths.scratch() as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            chosen = ("--", *names) if names else ("--all",)
            for words in (("read-tree", tree_ish), ("checkout-index", f"--prefix={target}/", *chosen)):
                done = self.ask(*words, env=index)
                if done.returncode:
                    return next(iter(done.stderr.splitlines()), "") or f"git {words[0]} failed"
        return ""


def _repository(recorded: Recorded) -> tuple[Repository | None, str]:
    """Return a repository here that has the layer's commit, or what was looked at in vain."""
    commit = recorded.commit
    if not commit:
        return None, "it was in no Git repository"
    named = Path(str(recorded.layer.get("repository") or "/nonexistent"))
    for one in (Repository(paths.ROOT, ours=True), Repository(Path.cwd(), ours=True), Repository(named, ours=False)):
        if one.place.is_dir() and one.ask("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0:
            # From below its top, git would write only what lies below.
            top = one.ask("rev-parse", "--show-toplevel").stdout.strip()
            return replace(one, place=Path(top or one.place)), ""
    return None, f"its commit {commit[:12]} is in no checkout here"


def _put_back(recorded: Recorded, repository: Repository | None, directory: Path) -> list[str]:
    """Take from Git what was taken out of the copy, where it was committed; return what cannot be had."""
    said = []
    prefix = _prefix(recorded)
    for one in withheld(recorded):
        name, target = str(one["path"]), directory / str(one["path"])
        if leads_out(name) or not target.is_file() or target.is_symlink():
            continue
        why = "it was not committed"
        if one.get("committed") is True:
            why = f"commit {recorded.commit[:12]} is not here"
            if repository is not None and prefix is not None:
                why = _from_git(repository, recorded.commit, prefix + name, target)
        if why:
            said.append(f"layer: {name}: {one.get('what', 'a part')} taken out of the copy, and {why}")
    return said


def _from_git(repository: Repository, commit: str, name: str, target: Path) -> str:
    """Write a file as Git has it; return why that could not be done, or nothing."""
    with paths.scratch() as scratch:
        problem = repository.take(commit, scratch, name)
        made = scratch / name
        if problem or not made.is_file() or made.is_symlink():
            return problem or "Git has no such file"
        target.write_bytes(made.read_bytes())
    return ""


def _check_out(recorded: Recorded, repository: Repository, directory: Path) -> list[str]:
    """Make the layer from its commit and the patch; return what of the patch cannot be had."""
    prefix = _prefix(recorded)
    if prefix is None:
        raise WrongUsage(
            "--replay: run.json does not say where in its repository the layer was", "give it with --layer"
        )
    problem = repository.take(f"{recorded.commit}:{prefix.rstrip('/')}", directory)
    if problem:
        raise WrongUsage(f"--replay: the layer's commit cannot be checked out: {problem}", "give a layer with --layer")
    sections = re.split(r"(?m)^(?=diff --git )", recorded.kept.text(PATCH))
    whole = [one for one in sections if re.search(r"(?m)^(?:@@|GIT binary patch|deleted file|new file|old mode)", one)]
    said = strings(recorded.layer.get("patch_withheld"))
    if whole:
        depth = 1 + len(PurePosixPath(prefix).parts)
        # Outside of any repository, so that git applies it to files and not to what it knows.
        done = shell.run(
            ["git", "apply", f"-p{depth}", "--whitespace=nowarn", "-"],
            timeout=checkout.SECONDS,
            cwd=directory,
            env={"GIT_CEILING_DIRECTORIES": str(directory.parent)},
            stdin="".join(whole),
            ok=range(256),
        )
        if done.returncode:
            said.append(f"all of it: {next(iter(done.stderr.splitlines()), 'git apply failed')}")
    return [f"uncommitted.patch: {one}" for one in said]


def _prefix(recorded: Recorded) -> str | None:
    """Return where in its repository the layer was; None where that is not known, or no such place."""
    prefix = recorded.layer.get("prefix")
    if not isinstance(prefix, str) or (prefix and leads_out(prefix)):
        return None
    return prefix


def _named(names: set[str]) -> str:
    """Return some names as words."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(sorted(names)[:SHOWN]) + more
