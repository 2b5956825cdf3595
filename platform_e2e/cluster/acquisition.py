"""Acquire a cluster: the first process makes it, others attach, and it is removed after the last one leaves.

    with acquire(spec, provider, keep=lambda: False, timeline=timeline) as lease:
        lease.once("foundations", install)

The cluster belongs to its supervisor (`supervisor`), which removes it however the processes end that use it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator

from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import gc
from platform_e2e.cluster.directory import ClusterDirectory, write_spec
from platform_e2e.cluster.lease import Lease
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Provider
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.paths import command
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import wait_until

CREATION_SECONDS = 3 * 3600.0
"""Timeout for making a cluster: an empty cache needs all builds first; a run's own deadline passes earlier."""

REMOVAL_SECONDS = 60.0
"""Timeout for removing a cluster, which takes about one second."""

SUPERVISOR = ("-m", "platform_e2e.cluster.supervisor")
"""Arguments of Python; the cluster's name is appended."""

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
            raise Dead(f"cluster {files.name} no longer runs", f"remove it: {command('cluster')} down {files.name}")
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
    if facts.stand_ins != spec.replaces and facts.images == spec.source.value:
        raise WrongUsage(
            f"cluster {spec.name} exists and was made with --stand-ins {facts.stand_ins}, not {spec.replaces}",
            f"choose that, or another name, or remove it: {command('cluster')} down {spec.name}",
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
