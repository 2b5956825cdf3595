"""The lease of a cluster: the first process makes the cluster, others attach, and it is removed after the last one leaves.

    with acquire(spec, provider, keep=lambda: False, timeline=timeline) as lease:
        lease.once("foundations", install)

The cluster belongs to its supervisor (`supervisor`), which removes it however the processes end that use it.
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
"""Timeout for making a cluster: an empty cache needs all builds first; a run's own deadline passes earlier."""

REMOVAL_SECONDS = 60.0
"""Timeout for removing a cluster, which takes about one second."""

SUPERVISOR = ("-m", "platform_e2e.cluster.supervisor")
"""Arguments of Python; the cluster's name is appended."""

WORTH_TELLING = 0.1
"""Shortest wait for a lock, in seconds, that a report shows; taking a free one is below a millisecond."""

START_SECONDS = 30.0
"""Timeout for the supervisor to go into the background, which takes about 0.1 s."""


class Unfit(BrokenHarness):
    """This machine cannot make the requested cluster; the remedy says what would help."""


class Dead(BrokenHarness):
    """The cluster of that name was made once, and one of its nodes has ended since."""


class CreationFailed(BrokenHarness):
    """The cluster could not be made; every process that waits for it gets this error."""

    def __init__(self, problem: str, remedy: str, exit_code: int = 3) -> None:
        super().__init__(problem, remedy)
        self.exit_code = exit_code  # type: ignore[misc]  # that of the failure that the supervisor met


class Blocked(BrokenHarness):
    """The same work failed in another process, which reports the failure itself.

    Attributes:
        by: the key of the failed work.
        exit_code: the exit code of the failure.
    """

    def __init__(self, by: str, why: str, exit_code: int) -> None:
        super().__init__(f"blocked by {by}: {why.splitlines()[0] if why else 'it failed'}")
        self.by = by
        self.exit_code = exit_code  # type: ignore[misc]  # that of the failure in the other process


@dataclass(frozen=True)
class Lease:
    """One process's hold on a cluster.

    Attributes:
        facts: the provider's facts about the cluster.
        created: whether this process made it; the others attached.
        files: the cluster's files.
        timeline: shows waits.
        generation: number of this use of a kept cluster.
    """

    facts: ClusterFacts
    created: bool
    files: ClusterDirectory
    timeline: Timeline
    generation: int
    _mine: set[str] = field(default_factory=set)

    def once(self, key: str, work: Callable[[], Any], *, fingerprint: str = "") -> Any:
        """Do some work once for the cluster, in the process that comes first, and share its result.

        Args:
            key: the name of the work.
            work: does it, and returns JSON data.
            fingerprint: the fingerprint of its inputs; if that has changed the work is done again.

        Returns:
            The result of `work`, from this process or another one.

        Raises:
            Blocked: the work failed in another process of this use of the cluster. Here its own error is raised.
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
                # An assertion is about the platform; any other error without an exit code is a defect of the harness.
                code = getattr(error, "exit_code", 1 if isinstance(error, AssertionError) else 3)
                record |= {"problem": str(error) or repr(error), "exit_code": code}
                raise
            finally:
                # An interrupted attempt has no result, so the next process tries again.
                if len(record) > 2:
                    atomic_write(file, json.dumps(record))
            # Read it back, to return what the other processes get: JSON has lists for tuples.
            return json.loads(file.read_text())["result"]

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """Share a part of the cluster with other processes that only read it.

        Args:
            name: the name of the part, such as `metallb`.

        Raises:
            WrongUsage: this process holds it already, and would wait for itself.
        """
        with self._held(name, shared=True):
            yield

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a part of the cluster exclusively; the timeline shows a waiting process the holder.

        Args:
            name: the name of the part, such as `metallb`.

        Raises:
            WrongUsage: this process holds it already, and would wait for itself.
        """
        with self._held(name, shared=False):
            yield

    @contextlib.contextmanager
    def for_layer(self, fingerprint: str, name: str) -> Iterator[None]:
        """Hold the cluster for one layer, shared with processes that test the same one.

        A process with another layer waits until all of them have ended; it is shown the name of the layer.

        Args:
            fingerprint: the fingerprint of the layer's content and of its settings on the cluster.
            name: the name of the layer, shown to waiting processes.
        """
        directory = self.files.path / "locks"
        which, lock = directory / "layer", FileLock(directory / "layer.lock")
        gate = FileLock(directory / "layer.gate.lock")
        began, words = time.monotonic(), f"tests the layer {name}"
        while True:
            # A process that comes at the same moment must not find the lock taken and the layer unnamed.
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
            # Wait for its end only; the loop above decides which layer is next.
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
            raise WrongUsage(f"this process must not take the lock {name} twice", "release it before taking it again")
        directory = self.files.path / "locks"
        part, gate = FileLock(directory / f"{name}.lock"), FileLock(directory / f"{name}.gate.lock")
        words = f"{name} {'shared' if shared else 'alone'}"

        def waits(who: str) -> None:
            self._waits(name, who)

        began = time.monotonic()
        # A process that wants the part exclusively keeps the gate shut while it waits, or readers that come and go could make it
        # wait forever.
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
        spec: the requested cluster.
        provider: the provider that makes it.
        keep: called at the end; returns True to keep the cluster after its last holder has left.
        timeline: shows the making, and waits.

    Raises:
        CreationFailed: it could not be made, and nothing of it remains.
        Dead: it was made earlier, and one of its nodes has ended.
        Unfit: this machine cannot make it; checked before anything is made.
        WrongUsage: the cluster of that name differs from the requested one.
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
            # A process that was refused the cluster must not keep it, and a removed cluster cannot be kept.
            if files.facts_file.exists() and keep():
                with contextlib.suppress(FileNotFoundError):
                    files.keep.touch()
    finally:
        release()
        _leave(files)


def _enter(
    files: ClusterDirectory, spec: ClusterSpec, provider: Provider, timeline: Timeline, waits: Callable[[str], None]
) -> tuple[bool, Callable[[], None], int]:
    """Make or attach to the cluster; first wait for the end of one that is being removed."""
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
    """Tell whether the cluster failed or was told to end, and waits only for its removal."""
    doomed = files.end.exists() or (files.failure_file.exists() and not files.holders())
    return doomed and files.supervisor.is_held()


def _attach(
    files: ClusterDirectory, spec: ClusterSpec, provider: Provider, timeline: Timeline
) -> tuple[bool, Callable[[], None]]:
    """Hold the living cluster, or start a new one, and tell whether it is new; the caller holds the lock."""
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
        # From here on the supervisor runs in the background; wait only until it does.
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
        # A supervisor that is in the background already removes the cluster itself.
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
    """Refuse a cluster that differs from the requested one."""
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
    """Wait until the cluster is removed, unless it has other holders or is kept."""
    if not files.supervisor.is_held():
        # It is gone; or its supervisor was killed, and only this process will remove what remains.
        gc.sweep().demand(files.name)
        return

    def look() -> bool | str:
        if not files.path.exists():
            # Its directory is renamed before it is removed; the lock is held until all is gone.
            return "its supervisor is removing it" if files.lock.is_held() else True
        if files.holders():
            return True
        if not files.supervisor.is_held():
            # The supervisor was killed, and a later sweep removes what remains; or the lock was removed with the rest.
            return "its supervisor is removing it" if files.lock.is_held() else True
        # A cluster that could not be made is never kept.
        return True if files.keep.exists() and files.facts_file.exists() else "its supervisor is removing it"

    wait_until(
        look,
        timeout=REMOVAL_SECONDS,
        what=f"cluster {files.name} is removed",
        most=0.05,
        remedy=f"read {files.log}, then run: {command('cluster')} down {files.name}",
    )
