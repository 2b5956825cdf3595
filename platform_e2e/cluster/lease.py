"""The lease of a cluster: the first process makes it, others attach, the last one to leave has it removed.

    with acquire(spec, provider, keep=lambda: False, timeline=timeline) as lease:
        lease.once("foundations", install)

The cluster itself belongs to its supervisor (`supervisor`), so that it is removed however the processes end that use it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.atomic import atomic_write
from platform_e2e.cluster import gc
from platform_e2e.cluster.directory import ClusterDirectory, write_spec
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Provider
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.paths import command
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.locks import FileLock
from platform_e2e.toolbox.waiting import wait_until

CREATION_SECONDS = 3 * 3600.0
"""The longest that a cluster may take: everything is built first on an empty cache; a run's own deadline comes earlier."""

REMOVAL_SECONDS = 60.0
"""The longest that removing a cluster may take; it takes about one second."""

SUPERVISOR = ("-m", "platform_e2e.cluster.supervisor")
"""What Python is told to run; the cluster's name is added."""

WORTH_TELLING = 0.1
"""Seconds of waiting for a lock from which on a report shows them; taking a free one is below a millisecond."""

START_SECONDS = 30.0
"""The longest that the supervisor may take to go into the background; it takes about 0.1 s."""


class Unfit(BrokenHarness):
    """This machine cannot make the cluster that is asked for, and what would help."""


class Dead(BrokenHarness):
    """The cluster of that name was made once, and a node of it has ended since."""


class CreationFailed(BrokenHarness):
    """The cluster could not be made; every process that waits for it gets this."""

    def __init__(self, problem: str, remedy: str, exit_code: int = 3) -> None:
        super().__init__(problem, remedy)
        self.exit_code = exit_code  # type: ignore[misc]  # this one's own, for the reason that the supervisor met


class Blocked(BrokenHarness):
    """Another process tried the same thing and it failed there; that failure is told there.

    Attributes:
        by: the key of what failed.
        exit_code: of the failure.
    """

    def __init__(self, by: str, why: str, exit_code: int) -> None:
        super().__init__(f"blocked by {by}: {why.splitlines()[0] if why else 'it failed'}")
        self.by = by
        self.exit_code = exit_code  # type: ignore[misc]  # this one's own, of the failure it stands for


@dataclass(frozen=True)
class Lease:
    """One process's hold on a cluster.

    Attributes:
        facts: what the provider states about the cluster.
        created: whether this process was the first; the others attached.
        files: the cluster's files.
        timeline: where waiting is shown.
        generation: tells this use of a kept cluster from earlier ones.
    """

    facts: ClusterFacts
    created: bool
    files: ClusterDirectory
    timeline: Timeline
    generation: int
    _mine: set[str] = field(default_factory=set)

    def once(self, key: str, work: Callable[[], Any], *, fingerprint: str = "") -> Any:
        """Do something once for the cluster, in whichever process comes first, and share what came of it.

        Args:
            key: names it.
            work: does it and returns JSON data.
            fingerprint: of what it depends on; when that has changed it is done again.

        Returns:
            What `work` returned, here or in the process that did it.

        Raises:
            Blocked: it failed in another process of this use of the cluster. Where it fails here, its own error is raised.
        """
        directory = self.files.path / "once"
        file = directory / f"{quote(key, safe='')}.json"
        with FileLock(file.with_suffix(".lock")).held(key, waiting=lambda who: self._waits(key, who)):
            done = json.loads(file.read_text()) if file.exists() else {}
            if done.get("fingerprint") == fingerprint:
                if "result" in done:
                    return done["result"]
                if done["generation"] == self.generation:
                    raise Blocked(key, done["problem"], done["exit_code"])
            record: dict[str, Any] = {"fingerprint": fingerprint, "generation": self.generation}
            try:
                record["result"] = work()
            except Exception as error:
                # An assertion is about the platform; what else has no code of its own is a defect of the harness.
                code = getattr(error, "exit_code", 1 if isinstance(error, AssertionError) else 3)
                record |= {"problem": str(error) or repr(error), "exit_code": code}
                raise
            finally:
                # Of an interrupted attempt nothing is known, so the next process tries again.
                if len(record) > 2:
                    atomic_write(file, json.dumps(record))
            # As the other processes get it: tuples have become lists there.
            return json.loads(file.read_text())["result"]

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """Hold a part of the cluster together with others that only read it.

        Args:
            name: of the part, such as `metallb`.

        Raises:
            WrongUsage: this process holds it already, and would wait for itself.
        """
        with self._held(name, shared=True):
            yield

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a part of the cluster alone; whoever waits is told on the timeline for whom.

        Args:
            name: of the part, such as `metallb`.

        Raises:
            WrongUsage: this process holds it already, and would wait for itself.
        """
        with self._held(name, shared=False):
            yield

    @contextlib.contextmanager
    def for_layer(self, fingerprint: str, name: str) -> Iterator[None]:
        """Hold the cluster for one layer, together with whoever tests the same; others would have theirs judged by this one.

        Another layer is waited for, whose name is shown, as long as somebody tests it.

        Args:
            fingerprint: of the layer's content and of what else is made of the cluster.
            name: of the layer, for those who wait.
        """
        directory = self.files.path / "locks"
        which, lock = directory / "layer", FileLock(directory / "layer.lock")
        gate = FileLock(directory / "layer.gate.lock")
        began, words = time.monotonic(), f"tests the layer {name}"
        while True:
            # Who comes at the same moment must not find the lock taken and the layer not named yet.
            with gate.held(words):
                same = which.exists() and which.read_text() == fingerprint
                release = lock.try_take(words, shared=same)
                if release is not None and not same:
                    try:
                        which.write_text(fingerprint)
                    finally:
                        release()
                    release = lock.try_take(words, shared=True)
            if release is not None:
                break
            # Its end is waited for; whose layer the cluster has next is told above.
            with lock.held(f"waits to test the layer {name}", waiting=lambda who: self._waits("another layer", who)):
                pass
        waited = time.monotonic() - began
        if waited >= WORTH_TELLING:
            self.timeline.wait("the end of the runs that test another layer", seconds=waited, outcome="met")
        try:
            yield
        finally:
            release()

    @contextlib.contextmanager
    def _held(self, name: str, *, shared: bool) -> Iterator[None]:
        if name in self._mine:
            raise WrongUsage(f"the lock {name} is held by this process already", "release it before taking it again")
        directory = self.files.path / "locks"
        part, gate = FileLock(directory / f"{name}.lock"), FileLock(directory / f"{name}.gate.lock")
        words = f"{name} {'shared' if shared else 'alone'}"

        def waits(who: str) -> None:
            self._waits(name, who)

        began = time.monotonic()
        # Whoever wants the part alone keeps the gate shut while it waits, or readers that come and go could keep it
        # waiting for ever.
        with gate.held(f"waits for {words}", shared=shared, waiting=waits):
            release = part.take(words, shared=shared, waiting=waits)
        waited = time.monotonic() - began
        if waited >= WORTH_TELLING:
            self.timeline.wait(f"the lock on {words}", seconds=waited, outcome="met")
        self._mine.add(name)
        try:
            yield
        finally:
            self._mine.discard(name)
            release()

    def _waits(self, name: str, who: str) -> None:
        self.timeline.progress("cluster", f"{name}: waits for {who}")


@contextlib.contextmanager
def acquire(spec: ClusterSpec, provider: Provider, *, keep: Callable[[], bool], timeline: Timeline) -> Iterator[Lease]:
    """Hold a cluster: make it, or attach to the one of that name.

    Args:
        spec: what is asked for.
        provider: makes it.
        keep: asked at the end; True lets the cluster live on when nobody holds it any more.
        timeline: where the making, and what is waited for, is shown.

    Raises:
        CreationFailed: it could not be made; nothing of it is left.
        Dead: it was made earlier and a node of it has ended.
        Unfit: this machine cannot make one; said before anything is made.
        WrongUsage: a cluster of that name exists and is another one than asked for.
    """
    files = ClusterDirectory(spec.name)

    def waits(who: str) -> None:
        timeline.progress("cluster", f"waits for {who}")

    created, release, generation = _enter(files, spec, provider, timeline, waits)
    try:
        facts = _wait_for(files)
        _same(spec, facts)
        if not created and not provider.alive(facts):
            raise Dead(
                f"cluster {files.name} does not run any more", f"remove it: {command('cluster')} down {files.name}"
            )
        try:
            yield Lease(facts, created, files, timeline, generation)
        finally:
            # Who was refused the cluster has no say in it, and one that was removed meanwhile cannot be kept.
            if files.facts_file.exists() and keep():
                with contextlib.suppress(FileNotFoundError):
                    files.keep.touch()
    finally:
        release()
        _leave(files)


def _enter(
    files: ClusterDirectory, spec: ClusterSpec, provider: Provider, timeline: Timeline, waits: Callable[[str], None]
) -> tuple[bool, Callable[[], None], int]:
    """Make or attach to the cluster; one that is about to be removed is waited for, or its fate would be this run's."""
    while True:
        with files.lock.held("makes or attaches to the cluster", waiting=waits):
            if not _is_going(files):
                return *_attach(files, spec, provider, timeline), files.generation()
        timeline.progress("cluster", f"waits until an earlier cluster {files.name} is removed")
        wait_until(
            lambda: not _is_going(files) or "its supervisor is removing it",
            timeout=REMOVAL_SECONDS,
            what=f"the earlier cluster {files.name} is removed",
            most=0.05,
            remedy=f"read {files.log}, then run: {command('cluster')} down {files.name}",
        )


def _is_going(files: ClusterDirectory) -> bool:
    """Tell whether the cluster failed or was told to end, and only its removal is outstanding."""
    doomed = files.end.exists() or (files.failure_file.exists() and not files.holders())
    return doomed and files.supervisor.is_held()


def _attach(
    files: ClusterDirectory, spec: ClusterSpec, provider: Provider, timeline: Timeline
) -> tuple[bool, Callable[[], None]]:
    """Become a holder of the living cluster, or start a new one; the lock is held. Tell whether it is a new one."""
    if files.path.exists():
        if files.supervisor.is_held():
            if not files.holders():
                files.next_generation()
            return False, files.hold()
        timeline.progress("cluster", f"removes what is left of an earlier cluster {files.name}")
        gc.remove(files)
    swept = gc.sweep(besides=files.name)
    for name in swept.removed:
        timeline.progress("cluster", f"removed what was left of cluster {name}, whose supervisor was killed")
    for name, why in swept.stuck.items():
        timeline.progress("cluster", f"could not remove what is left of cluster {name}: {why}")
    fatal = [problem for problem in provider.doctor(spec) if problem.fatal]
    if fatal:
        raise Unfit("; ".join(problem.what for problem in fatal), "; ".join(problem.remedy for problem in fatal))
    files.path.mkdir(parents=True, mode=0o700)
    release = files.hold()
    try:
        write_spec(files.spec_file, spec, provider.name, timeline.path)
        path = os.pathsep.join([str(paths.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        # From here on it lives in the background; what is waited for here is only that it does.
        run(
            [sys.executable, *SUPERVISOR, files.name],
            timeout=START_SECONDS,
            env={
                "PYTHONPATH": path,
                "PLATFORM_E2E_CACHE": str(paths.cache()),
                paths.PROJECT: str(paths.project()),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )
    except BaseException:
        release()
        # One that is in the background already removes the cluster itself.
        if not files.supervisor.is_held():
            gc.remove(files)
        raise
    return True, release


def _wait_for(files: ClusterDirectory) -> ClusterFacts:
    """Return the facts as soon as the supervisor has written them."""

    def look() -> ClusterFacts | str:
        facts = files.facts()
        if facts is not None:
            return facts
        if files.failure_file.exists():
            raise CreationFailed(**json.loads(files.failure_file.read_text()))
        if not files.supervisor.is_held():
            tail = "\n".join(files.log.read_text().splitlines()[-20:]) if files.log.exists() else ""
            raise CreationFailed(f"the supervisor of cluster {files.name} ended before its time\n{tail}", "run again")
        return "it is being made"

    return wait_until(look, timeout=CREATION_SECONDS, what=f"cluster {files.name} can be used", most=0.05)


def _same(spec: ClusterSpec, facts: ClusterFacts) -> None:
    """Refuse a cluster that is not what was asked for."""
    network = facts.network
    strange = [
        pool
        for pool in spec.pools
        if network is not None
        and not any(pool.lies_in(AddressRange.parse(stated)) for stated in facts.pool_map)
        and not (pool.first in network and pool.last in network)
    ]
    if strange:
        raise WrongUsage(
            f"cluster {spec.name} exists, and its segment {network} was not laid for the pool {strange[0]}",
            f"choose another name, or remove it: {command('cluster')} down {spec.name}",
        )
    if len(facts.nodes) != spec.nodes:
        raise WrongUsage(
            f"cluster {spec.name} exists and has {len(facts.nodes)} node(s), not {spec.nodes}",
            f"ask for {len(facts.nodes)} node(s), choose another name, or remove it: {command('cluster')} down {spec.name}",
        )


def _leave(files: ClusterDirectory) -> None:
    """Wait until the cluster is removed, if nobody else holds it and nobody wants to keep it."""
    if not files.supervisor.is_held():
        # It is gone, or its supervisor was killed and nobody will look at what is left.
        gc.sweep().demand(files.name)
        return

    def look() -> bool | str:
        if not files.path.exists():
            # It is moved out of sight before it is removed; whoever removes it holds the lock until all is gone.
            return "its supervisor is removing it" if files.lock.is_held() else True
        if files.holders():
            return True
        if not files.supervisor.is_held():
            # It was killed, and what is left is swept later; or the lock was just now removed with all else.
            return "its supervisor is removing it" if files.lock.is_held() else True
        # A cluster that could not be made is not kept.
        return True if files.keep.exists() and files.facts_file.exists() else "its supervisor is removing it"

    wait_until(
        look,
        timeout=REMOVAL_SECONDS,
        what=f"cluster {files.name} is removed",
        most=0.05,
        remedy=f"read {files.log}, then run: {command('cluster')} down {files.name}",
    )
