"""Fetch all that a layer needs besides itself, until what is there asks for nothing more; and write the lock file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e import layer
from platform_e2e.errors import HarnessError
from platform_e2e.git.urls import canonical
from platform_e2e.layer import LayerError, LayerErrors, Material, NotJudged, Renderer, place, vendored
from platform_e2e.layer.vendored import ChartWanted
from platform_e2e.shell import CommandError
from platform_e2e.sources import fetch_charts, fetch_files, fetch_git, given, lockfile
from platform_e2e.sources.fetch_charts import HelmFetcher
from platform_e2e.sources.lockfile import LockedChart, LockedFile, LockedRepository, LockFile
from platform_e2e.sources.store import Store
from platform_e2e.sources.wants import CREDENTIALS, Asked, FileWanted, RepositoryWanted, Wanted, satisfied

ROUNDS = 20
"""How often a layer is read: once more for each level of Applications in repositories that an Application names."""


@dataclass(frozen=True)
class Failure:
    """Something that could not be fetched.

    Attributes:
        wanted: what it is.
        objects: that need it, each with the place where it is written as far as that is known.
        problem: why not, in one line without credentials.
        remedy: what to do.
    """

    wanted: Wanted
    objects: tuple[str, ...]
    problem: str
    remedy: str


@dataclass
class Fetched:
    """What became of it.

    Attributes:
        new: what was fetched now.
        there: how much was there before.
        failed: what could not be fetched.
        not_judged: of the layer, with all that is there.
        lock: the lock file.
    """

    new: list[Wanted] = field(default_factory=list)
    there: int = 0
    failed: list[Failure] = field(default_factory=list)
    not_judged: Sequence[NotJudged] = ()
    lock: Path | None = None


@dataclass
class Fetcher:
    """Fetch for one layer.

    Attributes:
        directory: of the layer.
        store: gets what is fetched.
        renderer: of Applications.
        helm: the program.
        tell: is told what is done, one line each.
        roots: what is applied by hand; found by default.
        charts_dir: charts that are given by hand.
        repositories: that are given by hand.
        update: whether branches and the like are resolved again, which the lock file has.
    """

    directory: Path
    store: Store
    renderer: Renderer
    helm: Path
    tell: Callable[[str], None]
    roots: Sequence[str] = ()
    charts_dir: Path | None = None
    repositories: Sequence[tuple[str, Path]] = ()
    update: bool = False
    _locked: dict[object, LockedChart | LockedRepository | LockedFile] = field(default_factory=dict)

    def run(self) -> Fetched:
        """Fetch, write the lock file, and return what became of it.

        Raises:
            WrongUsage: the layer or its lock file cannot be read.
            LockBusy: another command fetches for too long.
        """
        with self.store.changing(lambda who: self.tell(f"waits for {who}")), HelmFetcher.begun(self.helm) as helm:
            return self._run(helm)

    def _run(self, helm: HelmFetcher) -> Fetched:
        done, failed = Fetched(), {}  # type: tuple[Fetched, dict[Wanted, tuple[str, str]]]
        before = lockfile.read(self.directory) or LockFile()
        owns = place.place(self.directory, self.roots).owns
        known = LockFile() if self.update else before
        asked = Asked(owns)
        for number in range(1, ROUNDS + 1):
            material = self._material(known)
            asked = Asked(owns)
            self.tell(f"reads {self.directory} ({number})")
            done.not_judged = self._read(asked, material)
            missing = [each for each in asked.by if each not in failed and not satisfied(each, material)]
            if number == 1:
                done.there = len(asked.by) - len(missing)
            if not missing:
                break
            for at, wanted in enumerate(missing, 1):
                self.tell(f"fetches {at} of {len(missing)}: {wanted}")
                try:
                    known = _with(known, self._one(wanted, helm, before))
                    done.new.append(wanted)
                except HarnessError as error:
                    failed[wanted] = _said(error), error.remedy or _remedy(wanted)
                    self.tell(f"  not fetched: {failed[wanted][0]}")
                # Also where this is interrupted: what is there is not fetched again.
                self._write(known)
        places = {each.object: f"{each.file}:{each.line}" if each.line else each.file for each in done.not_judged}
        for wanted, (problem, remedy) in failed.items():
            names = tuple(f"{name} ({places[name]})" if name in places else name for name in asked.by.get(wanted, ()))
            done.failed.append(Failure(wanted, names, problem, remedy))
        done.lock = self._write(_only(known, asked.by, self._material(known)))
        return done

    def _material(self, known: LockFile) -> Material:
        return given.of(self.store, known, charts_dir=self.charts_dir, repositories=self.repositories)

    def _read(self, asked: Asked, material: Material) -> Sequence[NotJudged]:
        try:
            return layer.load(
                self.directory, asked.around(self.renderer), roots=self.roots, material=material
            ).not_judged
        except (LayerError, LayerErrors) as error:
            # Nothing of it is rendered yet.
            return error.not_judged

    def _one(self, wanted: Wanted, helm: HelmFetcher, before: LockFile) -> LockedChart | LockedRepository | LockedFile:
        stored = None if self.update else self._stored(wanted, _commit(before, wanted))
        if stored is not None:
            return stored
        self.store.directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=self.store.directory) as made:
            into = Path(made)
            match wanted:
                case ChartWanted(repository, name, _):
                    version, archive = helm.fetch(wanted, into)
                    return self.store.add_chart(repository, name, version, archive)
                case RepositoryWanted(url, revision):
                    pinned = "" if self.update else _commit(before, wanted)
                    commit, tree = fetch_git.fetch(url, revision, pinned, into)
                    return self.store.add_repository(url, revision, commit, tree)
                case FileWanted(url):
                    return self.store.add_file(url, fetch_files.fetch(url, into))

    def _stored(self, wanted: Wanted, commit: str) -> LockedChart | LockedRepository | None:
        """Return what another layer's command has fetched, where it can be nothing else: an exact version, or a commit."""
        match wanted:
            case ChartWanted(repository, name, version):
                return next(
                    (
                        each
                        for each, _ in self.store.charts()
                        if (each.repository, each.name, each.version) == (repository, name, version)
                    ),
                    None,
                )
            case RepositoryWanted(url, revision):
                pinned = commit or revision
                return next(
                    (
                        each
                        for each, _ in self.store.repositories()
                        if (canonical(each.url), each.revision, each.commit) == (canonical(url), revision, pinned)
                    ),
                    None,
                )
            case FileWanted():
                return None

    def _write(self, known: LockFile) -> Path:
        return lockfile.write(self.directory, known)


def _commit(before: LockFile, wanted: Wanted) -> str:
    if not isinstance(wanted, RepositoryWanted):
        return ""
    return next(
        (
            each.commit
            for each in before.repositories
            if (canonical(each.url), each.revision) == (canonical(wanted.url), wanted.revision)
        ),
        "",
    )


def _with(known: LockFile, entry: LockedChart | LockedRepository | LockedFile) -> LockFile:
    """Return a lock file with one entry more, in place of one of the same name."""
    charts = {(each.repository, each.name, each.version): each for each in known.charts}
    repositories = {(canonical(each.url), each.revision): each for each in known.repositories}
    files = {each.url: each for each in known.files}
    match entry:
        case LockedChart():
            # Another digest than the locked one is refused when it is read.
            charts.setdefault((entry.repository, entry.name, entry.version), entry)
        case LockedRepository():
            name = canonical(entry.url), entry.revision
            if name not in repositories or repositories[name].commit != entry.commit:
                repositories[name] = entry
        case LockedFile():
            files.setdefault(entry.url, entry)
    return LockFile(known.version, tuple(charts.values()), tuple(repositories.values()), tuple(files.values()))


def _only(known: LockFile, asked: Mapping[Wanted, object], material: Material) -> LockFile:
    """Return a lock file without what nothing asks for any longer; what is asked for stays also where the store lacks it."""
    charts = [each for each in asked if isinstance(each, ChartWanted)]
    meant = {
        (found.repository, found.name, found.version) for each in charts if (found := vendored.find(material, each))
    }
    unmet = {(each.repository, each.name) for each in charts if not vendored.find(material, each)}
    revisions = {(canonical(each.url), each.revision) for each in asked if isinstance(each, RepositoryWanted)}
    files = {each.url for each in asked if isinstance(each, FileWanted)}
    return LockFile(
        known.version,
        tuple(
            each
            for each in known.charts
            if (each.repository, each.name, each.version) in meant or (each.repository, each.name) in unmet
        ),
        tuple(each for each in known.repositories if (canonical(each.url), each.revision) in revisions),
        tuple(each for each in known.files if each.url in files),
    )


def _said(error: HarnessError) -> str:
    """Return why something could not be fetched: of a program's words the last line, without credentials."""
    from platform_e2e import redact  # noqa: PLC0415  only after a failure

    said = error.problem
    if isinstance(error, CommandError) and error.output.strip():
        said = error.output.strip().splitlines()[-1]
    return " ".join(redact.text(CREDENTIALS.sub("", said)).split())[:500]


def _remedy(wanted: Wanted) -> str:
    match wanted:
        case ChartWanted():
            return fetch_charts.REMEDY
        case RepositoryWanted():
            return fetch_git.REMEDY
        case FileWanted():
            return fetch_files.REMEDY
