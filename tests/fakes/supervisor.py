"""The real supervisor with a provider that makes clusters of nothing, and runs that hold one; test_lease.py starts them."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from platform_e2e import atomic, paths
from platform_e2e.cluster import acquisition, cleanup, providers, supervisor
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, NodeFacts, Problem, Provider
from platform_e2e.errors import BrokenHarness
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import wait_until
from tests.support import forks

SUPERVISOR = ("-m", "tests.fakes.supervisor")
"""Words after the interpreter's name that start it as a program."""


def note(text: str) -> None:
    """Append one line to what the test looks at."""
    with Path(os.environ["FAKE_NOTES"]).open("a") as file:
        file.write(text + "\n")


class FakeProvider:
    """Makes directories, or fails, or hangs, as FAKE_CLUSTER says."""

    name = "fake"
    capabilities = frozenset({Capability.NODES})

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        fatal = os.environ.get("FAKE_CLUSTER") == "unfit"
        return [Problem("this is no Linux", "use another provider", fatal), Problem("it is slow", "wait", fatal=False)]

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        note("create")
        timeline.progress("cluster", "makes it")
        kind = os.environ.get("FAKE_CLUSTER")
        if kind == "broken":
            (directory / "logs" / "n1").mkdir(parents=True)
            (directory / "logs" / "n1" / "kubelet.log").write_text("no bridge\n")
            raise BrokenHarness("the bridge cannot be made", "load the module bridge")
        if kind == "full":

            def full(*_: object, **__: object) -> int:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            for name in ("write_text", "write_bytes"):
                setattr(Path, name, full)
            atomic.whole_file = full  # type: ignore[assignment]
            full()
        if kind == "crash":
            raise ZeroDivisionError
        if kind == "hangs":
            wait_until(lambda: "never", timeout=60, what="it hangs")
        (directory / "project").write_text(str(paths.project()))
        nodes = tuple(NodeFacts(f"n{number + 1}", "10.89.0.2", "") for number in range(spec.nodes))
        return ClusterFacts(spec.name, self.name, str(directory), "", "v1.34.4", nodes, segment="10.89.0.0/24")

    def alive(self, facts: ClusterFacts) -> bool:
        return os.environ.get("FAKE_CLUSTER") != "dead"

    def tend(self, name: str, directory: Path) -> None:
        if os.environ.get("FAKE_CLUSTER") == "needy" and not (directory / "tended").exists():
            (directory / "tended").touch()
            note("tend")
            raise BrokenHarness("it could not be tended this time")

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        raise NotImplementedError

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        raise NotImplementedError

    def start_node(self, facts: ClusterFacts, node: str) -> None:
        raise NotImplementedError

    def enter(self, facts: ClusterFacts, node: str) -> Sequence[str]:
        raise NotImplementedError

    def ask_from(self, facts: ClusterFacts, words: Sequence[str], timeout: float) -> str:
        raise NotImplementedError

    def delete(self, name: str, directory: Path) -> None:
        note("delete")
        # As the real ones do: it is renamed first, so that no half of it is taken for a cluster.
        cleanup.forget(directory)
        if os.environ.get("FAKE_CLUSTER") == "lingers":
            threading.Event().wait(0.5)
            note("gone")

    def leftovers(self, name: str) -> Sequence[str]:
        return []


def main(cluster: str) -> None:
    """Supervise a cluster of nothing."""
    provider = FakeProvider()

    def choose(name: str | None) -> Provider:
        return provider

    providers.choose = choose
    supervisor.main(cluster)


def forked(argv: Sequence[str], *, timeout: float, env: Mapping[str, str]) -> None:
    """Start the supervisor as `shell.run` does, but as a fork of a process that has loaded it already."""
    assert tuple(argv[:-1]) == (sys.executable, *SUPERVISOR)
    process = forks.start(main, argv[-1], env={**os.environ, **env})
    process.join(timeout)
    forks.end(process)
    assert process.exitcode == 0


def hold(
    cluster: str,
    layer: tuple[str, str] | None,
    timeline: Path | None,
    told: Connection[Any, Any],
    ends: Connection[Any, Any],
) -> None:
    """Hold a cluster, for the tests of a layer where one is given, until the other end of a pipe is closed.

    Args:
        cluster: its name.
        layer: its fingerprint and its name.
        timeline: of the run.
        told: gets whether it was this process that had the cluster made, once its tests may begin.
        ends: the pipe.
    """
    acquisition.SUPERVISOR, acquisition.run = SUPERVISOR, forked  # type: ignore[assignment, attr-defined]
    with (
        acquisition.acquire(
            ClusterSpec(cluster), FakeProvider(), keep=lambda: False, timeline=Timeline(timeline)
        ) as held,
        contextlib.ExitStack() as stack,
    ):
        if layer is not None:
            stack.enter_context(held.for_layer(*layer))
        told.send(held.created)
        with contextlib.suppress(EOFError):
            ends.recv()


if __name__ == "__main__":
    main(sys.argv[1])
