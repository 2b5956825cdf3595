"""The lease of a cluster: one process's hold on it, with work that is done once and locks that its holders share.

`acquisition` gives and ends it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from platform_e2e.atomic import atomic_write
from platform_e2e.cluster import layer_turns
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.locks import FileLock


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
        with layer_turns.hold(self.files.path / "locks", fingerprint, name, self.timeline):
            yield

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
        if waited >= layer_turns.WORTH_TELLING:
            self.timeline.wait(f"the lock on {words}", seconds=waited, outcome="met")
        self._mine.add(name)
        try:
            yield
        finally:
            self._mine.discard(name)
            release()

    def _waits(self, name: str, who: str) -> None:
        self.timeline.progress("cluster", f"{name}: waits for {who}")
