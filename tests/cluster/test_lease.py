"""Leases of a cluster of nothing, held by real processes and supervised by the real supervisor."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths, shell
from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import acquisition, directory, gc, manage, providers, supervisor
from platform_e2e.cluster.acquisition import CreationFailed, Dead, Unfit
from platform_e2e.cluster.directory import ClusterDirectory, every_cluster
from platform_e2e.cluster.lease import Blocked, Lease
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, NodeFacts
from platform_e2e.commands import cluster
from platform_e2e.errors import BrokenPlatform, WrongUsage
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache
from platform_e2e.toolbox.waiting import wait_until
from tests.fakes import supervisor as fake_supervisor
from tests.fakes.supervisor import FakeProvider
from tests.support import forks

NAME = "c"


class Other:
    """Another process that holds the cluster, for the tests of a layer where one is named."""

    def __init__(self, box: Box, *layer: str) -> None:
        self._told, told = forks.FORKS.Pipe(duplex=False)
        ends, self._ends = forks.FORKS.Pipe(duplex=False)
        words = (layer, box.timeline.path) if layer else (None, None)
        self.process = forks.start(fake_supervisor.hold, NAME, *words, told, ends, env=os.environ, directory=paths.ROOT)
        told.close()
        ends.close()
        box.started.append(self)

    @property
    def created(self) -> bool:
        """Wait until it holds the cluster, and tell whether it was the one to create it."""
        return bool(self._told.recv())

    def tests(self, seconds: float = 10.0) -> bool:
        """Tell whether its turn comes."""
        return self._told.poll(seconds)

    def ends(self) -> None:
        """Let it end by itself."""
        self._ends.close()

    def end(self) -> None:
        """Kill it where it still runs."""
        forks.end(self.process)
        self._told.close()
        self._ends.close()


class Box:
    """A cache directory of its own, and what happened to the cluster in it."""

    def __init__(self, directory: Path) -> None:
        self.notes_file = directory / "notes"
        self.timeline = Timeline(directory / "timeline.jsonl")
        self.started: list[Other] = []

    @property
    def notes(self) -> list[str]:
        return self.notes_file.read_text().split() if self.notes_file.exists() else []

    @property
    def told(self) -> str:
        return self.timeline.path.read_text() if self.timeline.path and self.timeline.path.exists() else ""

    def acquire(self, *, nodes: int = 1, keep: Callable[[], bool] = lambda: False, pool: str = "") -> Any:
        pools = (AddressRange.parse(pool),) if pool else ()
        return acquisition.acquire(ClusterSpec(NAME, nodes, pools), FakeProvider(), keep=keep, timeline=self.timeline)

    def other(self) -> tuple[Other, bool]:
        """Start another process that holds the cluster, and tell whether it was the one to create it."""
        other = Other(self)
        return other, other.created

    def supervisor(self) -> int:
        """Return the process id of the cluster's supervisor."""
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if link.readlink() == ClusterDirectory(NAME).supervisor.path:
                    return int(link.parts[2])
            except OSError:
                continue
        raise AssertionError("the supervisor is not to be found")

    def gone(self) -> None:
        """Wait until nothing of the cluster is left."""
        wait_until(
            lambda: "its directory is there" if ClusterDirectory(NAME).path.exists() else True,
            timeout=10,
            what="it is gone",
        )


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    made = Box(tmp_path)
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_NOTES", str(made.notes_file))
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT), prepend=os.pathsep)
    monkeypatch.setattr(acquisition, "SUPERVISOR", fake_supervisor.SUPERVISOR)
    monkeypatch.setattr(acquisition, "run", fake_supervisor.forked)
    monkeypatch.setattr(providers, "choose", lambda _name: FakeProvider())
    yield made
    for other in made.started:
        other.end()
    for each in every_cluster():
        each.keep.unlink(missing_ok=True)
        made.gone()


def test_the_first_makes_the_others_attach_and_the_last_has_it_removed(box: Box) -> None:
    with box.acquire() as first:
        assert first.created
        other, created = box.other()
        assert not created
        with box.acquire() as third:
            assert third.facts == first.facts
    assert ClusterDirectory(NAME).path.exists(), "another process still holds it"
    assert box.notes == ["create"]
    other.ends()
    box.gone()
    assert box.notes == ["create", "delete"]


def test_the_supervisor_makes_the_images_of_the_repository_that_asked(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "team" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "team")
    with box.acquire():
        assert (ClusterDirectory(NAME).path / "project").read_text() == str(tmp_path / "team")


def test_leaving_last_means_that_everything_is_gone(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        acquisition, "run", shell.run
    )  # the supervisor as the program that it is, from its start to its end
    with box.acquire():
        pass
    assert not ClusterDirectory(NAME).path.exists()
    assert box.notes == ["create", "delete"]


def test_leaving_last_waits_also_for_what_goes_after_the_directory(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "lingers")
    with box.acquire():
        pass
    assert box.notes == ["create", "delete", "gone"]


def test_what_the_supervisor_does_is_on_the_runs_timeline(box: Box) -> None:
    with box.acquire():
        assert "makes it" in box.told


def test_a_killed_holder_is_no_holder(box: Box) -> None:
    other, created = box.other()
    assert created
    other.process.kill()
    box.gone()
    assert box.notes == ["create", "delete"]


def test_a_run_that_is_killed_while_the_cluster_is_made_leaves_nothing(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "hangs")
    other = Other(box)
    wait_until(lambda: True if box.notes else "not yet", timeout=10, what="the making has begun")
    other.process.kill()
    box.gone()
    assert box.notes == ["create", "delete"]


def test_a_kept_cluster_outlives_its_run_and_is_found_again(box: Box) -> None:
    with box.acquire(keep=lambda: True):
        pass
    assert ClusterDirectory(NAME).path.exists()
    with box.acquire() as again:
        assert not again.created
    assert box.notes == ["create"]


def test_a_cluster_is_kept_for_the_failure_that_happened_in_it(box: Box) -> None:
    with pytest.raises(BrokenPlatform), box.acquire(keep=lambda: True):
        raise BrokenPlatform("it is broken")
    assert ClusterDirectory(NAME).path.exists()


def test_what_cannot_be_made_is_told_to_everybody_and_removed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "broken")
    with pytest.raises(CreationFailed) as caught, box.acquire(keep=lambda: True):
        pass
    kept = box.notes_file.parent / "evidence" / "nodes"
    assert caught.value.problem == f"the bridge cannot be made\n  all logs: {kept}"
    assert caught.value.remedy == "load the module bridge"
    assert (kept / "n1" / "kubelet.log").read_text() == "no bridge\n"
    assert "the bridge cannot be made" in (kept / "supervisor.log").read_text()
    assert caught.value.exit_code == 3
    assert not ClusterDirectory(NAME).path.exists(), "what could not be made is not kept"


def test_a_cluster_that_is_being_removed_has_no_holders(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ClusterDirectory(NAME)
    (there.path / "holders").mkdir(parents=True)
    listed = os.listdir

    def gone(directory: Path) -> list[str]:
        shutil.rmtree(there.path)
        return listed(directory)

    monkeypatch.setattr(os, "listdir", gone)
    assert there.holders() == []


def test_the_end_of_a_removal_is_waited_for_where_its_lock_is_gone_already(box: Box) -> None:
    there = ClusterDirectory(NAME)
    there.path.mkdir(parents=True)
    supervises = there.supervisor.take("supervises")
    removes = there.lock.take("removes the cluster")

    def remove() -> None:
        (there.path / "supervisor.lock").unlink()
        supervises()
        # Several looks happen meanwhile.
        threading.Event().wait(0.2)
        shutil.rmtree(there.path)
        removes()

    thread = threading.Timer(0.1, remove)
    thread.start()
    acquisition._leave(there)
    there_is_one = there.path.exists()
    thread.join()
    assert not there_is_one


def test_a_crash_of_the_supervisor_is_told_too(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "crash")
    with pytest.raises(CreationFailed, match="ZeroDivisionError"), box.acquire():
        pass


def test_a_full_disk_is_told_with_its_remedy(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "full")
    with pytest.raises(CreationFailed) as caught, box.acquire():
        pass
    assert caught.value.problem == f"cluster c could not be made: no space left on the disk of {paths.cache()}"
    assert "free some, or set PLATFORM_E2E_CACHE" in caught.value.remedy
    assert not ClusterDirectory(NAME).path.exists()


def test_a_supervisor_starts_also_while_somebody_looks_whether_there_is_one(box: Box) -> None:
    there = ClusterDirectory(NAME)
    there.path.mkdir(parents=True)
    directory.write_spec(there.spec_file, ClusterSpec(NAME), "fake", None)
    with there.supervisor.held("looks", shared=True):
        process = forks.start(fake_supervisor.main, NAME, env=os.environ, directory=paths.ROOT)
        process.join(2)
        went_on = process.exitcode is None
    process.join(10)
    status = process.exitcode
    forks.end(process)
    assert went_on
    assert status == 0
    box.gone()


def test_the_end_of_a_cluster_is_not_swallowed_by_an_event_loop() -> None:
    def end() -> None:
        raise supervisor.Ended

    loop = asyncio.new_event_loop()
    loop.call_soon(end)
    loop.call_soon(loop.stop)
    with pytest.raises(supervisor.Ended):
        loop.run_forever()
    loop.close()


def test_a_machine_that_cannot_is_refused_before_anything_is_made(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLUSTER", "unfit")
    with pytest.raises(Unfit) as caught, box.acquire():
        pass
    assert str(caught.value) == "this is no Linux\n  remedy: use another provider"
    assert box.notes == []
    assert not ClusterDirectory(NAME).path.exists()


def kill_supervisor(box: Box) -> None:
    os.kill(box.supervisor(), signal.SIGKILL)
    wait_until(
        lambda: "it lives" if ClusterDirectory(NAME).supervisor.is_held() else True,
        timeout=10,
        what="the supervisor is dead",
    )


def test_a_kept_cluster_whose_nodes_have_ended_is_refused(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    with box.acquire(keep=lambda: True):
        pass
    monkeypatch.setenv("FAKE_CLUSTER", "dead")
    with pytest.raises(Dead, match=r"cluster c no longer runs\n.*down c"), box.acquire():
        pass


def test_whoever_leaves_last_sweeps_after_a_killed_supervisor(box: Box) -> None:
    with box.acquire(keep=lambda: True):
        kill_supervisor(box)
    assert not ClusterDirectory(NAME).path.exists()


def test_what_a_killed_supervisor_left_is_swept_before_a_new_cluster_is_made(box: Box) -> None:
    with box.acquire(keep=lambda: True):
        pass
    kill_supervisor(box)
    with box.acquire() as again:
        assert again.created
        assert box.notes == ["create", "delete", "create"]


def test_another_clusters_remains_are_swept_too(box: Box) -> None:
    left = ClusterDirectory("dead").path
    left.mkdir(parents=True)
    (left / "file").touch()
    (paths.clusters() / ".older.removed").mkdir()
    (paths.clusters() / ".older.lock").touch()
    with box.acquire():
        assert not left.exists()
        assert gc.names() == {NAME}


def test_a_stuck_cluster_of_somebody_else_keeps_nobody_from_a_new_one(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ClusterDirectory("stuck").path
    left.mkdir(parents=True)

    def delete(self: FakeProvider, name: str, directory: Path) -> None:
        if name == "stuck":
            raise BrokenPlatform("a process of cluster stuck does not end")
        cache.remove(directory)

    monkeypatch.setattr(FakeProvider, "delete", delete)
    with box.acquire() as mine:
        assert mine.created
    assert "could not remove what is left of cluster stuck: a process of cluster stuck does not end" in box.told
    with pytest.raises(BrokenPlatform, match="a process of cluster stuck does not end"):
        manage.down("stuck", force=False)
    left.rmdir()


def test_a_cluster_that_failed_for_another_run_is_waited_for_and_made_anew(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ClusterDirectory(NAME)
    there.path.mkdir(parents=True)
    there.failure_file.write_text('{"problem": "of another run", "remedy": ""}')
    release = there.supervisor.try_take("supervises the cluster")
    assert release is not None

    def remove() -> None:
        wait_until(lambda: "waits until" in box.told or "nobody waits", timeout=10, what="the new run waits")
        # Out of sight first, as a supervisor does: whoever waits looks whether somebody holds what is in there.
        cache.remove(there.path.rename(there.path.with_name(f".{NAME}.removed")))
        release()

    remover = threading.Thread(target=remove)
    remover.start()
    with box.acquire() as mine:
        assert mine.created
    remover.join()
    assert f"waits until an earlier cluster {NAME} is removed" in box.told


def test_a_cluster_of_another_size_is_refused_with_the_way_out(box: Box) -> None:
    with box.acquire(), pytest.raises(WrongUsage) as caught, box.acquire(nodes=2):
        pass
    assert "has 1 node(s), not 2" in str(caught.value)
    assert "nox -s cluster -- down c" in str(caught.value)


def test_a_cluster_that_was_laid_for_other_pools_is_refused(box: Box) -> None:
    with (
        box.acquire(pool="10.89.0.5-10.89.0.9"),
        pytest.raises(WrongUsage, match=r"192\.168\.0\.5-192\.168\.0\.9"),
        box.acquire(pool="192.168.0.5-192.168.0.9"),
    ):
        pass


def test_a_pool_that_was_made_smaller_lies_where_the_whole_one_was_moved() -> None:
    facts = ClusterFacts(
        *("c", "embedded", "", "", ""),
        nodes=(NodeFacts("n1", "10.89.1.2", ""),),
        segment="10.89.1.0/24",
        pool_map={"10.89.0.200-10.89.0.220": "10.89.1.200-10.89.1.220"},
    )
    acquisition._same(ClusterSpec("c", 1, pools=(AddressRange.parse("10.89.0.201-10.89.0.202"),)), facts)
    with pytest.raises(WrongUsage, match=r"10\.89\.0\.210-10\.89\.0\.221"):
        acquisition._same(ClusterSpec("c", 1, pools=(AddressRange.parse("10.89.0.210-10.89.0.221"),)), facts)


@pytest.mark.parametrize("name", ["..", "../go", "a/b", "", "A", "a" * 21, "-a"])
def test_a_name_that_is_no_plain_word_is_refused_before_a_path_is_made_of_it(box: Box, name: str) -> None:
    beside = paths.cache() / "go"
    beside.mkdir(parents=True)
    with pytest.raises(WrongUsage, match="1 to 20 characters of a-z"):
        manage.up(ClusterSpec(name), "")
    assert beside.exists()
    assert box.notes == []


@pytest.mark.parametrize("nodes", [0, -1, 10])
def test_a_number_of_nodes_that_nobody_can_have_is_refused(nodes: int) -> None:
    with pytest.raises(WrongUsage, match=f"must have 1 to 9 nodes, got {nodes}"):
        ClusterSpec("c", nodes)


def test_whoever_is_refused_a_cluster_does_not_keep_it(box: Box) -> None:
    with box.acquire(), pytest.raises(WrongUsage), box.acquire(nodes=2, keep=lambda: True):
        pass
    box.gone()


def test_a_cluster_that_was_removed_by_force_ends_its_run_without_another_error(box: Box) -> None:
    with box.acquire(keep=lambda: True):
        manage.down(NAME, force=True)
    assert not ClusterDirectory(NAME).path.exists()


def test_a_supervisor_that_does_not_start_leaves_no_directory(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquisition, "run", shell.run)
    monkeypatch.setattr(acquisition, "SUPERVISOR", ("-c", "raise SystemExit('no module')"))
    with pytest.raises(CommandError, match="no module"), box.acquire():
        pass
    assert gc.names() <= {NAME}
    assert not ClusterDirectory(NAME).path.exists()


def test_a_holder_that_cannot_write_its_name_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    ClusterDirectory(NAME).path.mkdir(parents=True)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        ClusterDirectory(NAME).hold()
    assert ClusterDirectory(NAME).holders() == []


def test_a_holder_with_a_dead_holders_number_has_words_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    directory = ClusterDirectory(NAME).path / "holders"
    directory.mkdir(parents=True)
    monkeypatch.setattr("platform_e2e.cluster.directory.NUMBERS", iter([0]))
    (directory / f"{os.getpid()}-0").write_text("x" * 500)
    release = ClusterDirectory(NAME).hold()
    (words,) = ClusterDirectory(NAME).holders()
    release()
    assert not words.endswith("x")


@pytest.mark.parametrize(("error", "code"), [(KeyError("x"), 3), (AssertionError("no"), 1)])
def test_a_bug_that_others_are_blocked_by_is_the_harnesss_own(box: Box, error: Exception, code: int) -> None:
    def fail() -> None:
        raise error

    with box.acquire() as first, box.acquire() as second:
        with pytest.raises(type(error)):
            first.once("k", fail)
        with pytest.raises(Blocked) as caught:
            second.once("k", fail)
    assert caught.value.exit_code == code


def test_work_is_done_once_and_its_result_is_for_all(box: Box) -> None:
    with box.acquire() as first, box.acquire() as second:
        assert first.once("k", lambda: {"a": (1, 2)}) == {"a": [1, 2]}
        assert second.once("k", lambda: pytest.fail("done twice")) == {"a": [1, 2]}
        assert second.once("other/key", lambda: 7) == 7


def test_work_is_done_again_when_what_it_depends_on_has_changed(box: Box) -> None:
    with box.acquire() as held:
        assert held.once("k", lambda: 1, fingerprint="a") == 1
        assert held.once("k", lambda: 2, fingerprint="b") == 2
        assert held.once("k", lambda: 3, fingerprint="b") == 2


def test_a_failure_is_shared_and_not_repeated(box: Box) -> None:
    def fail() -> None:
        raise BrokenPlatform("release metallb does not come up", "look at its events")

    with box.acquire() as first, box.acquire() as second:
        with pytest.raises(BrokenPlatform, match="metallb"):
            first.once("foundations", fail)
        with pytest.raises(Blocked) as caught:
            second.once("foundations", lambda: pytest.fail("tried again"))
    assert caught.value.by == "foundations"
    assert caught.value.exit_code == 1
    assert str(caught.value) == "blocked by foundations: release metallb does not come up"


def test_a_failure_is_forgotten_when_a_kept_cluster_is_taken_up_again(box: Box) -> None:
    def fail() -> None:
        raise BrokenPlatform("no")

    with box.acquire(keep=lambda: True) as held, pytest.raises(BrokenPlatform):
        held.once("k", fail)
    with box.acquire() as again:
        assert again.once("k", lambda: "done") == "done"


def test_an_interrupted_attempt_is_repeated(box: Box) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with box.acquire() as first, box.acquire() as second:
        with pytest.raises(KeyboardInterrupt):
            first.once("k", interrupted)
        assert second.once("k", lambda: "done") == "done"


def exclusion(first: Lease, second: Lease, box: Box) -> str:
    """Take a part shared by one and alone by the other, and return what the one who had to wait was told."""
    import threading

    entered = threading.Event()

    def alone() -> None:
        with second.exclusive("metallb"):
            entered.set()

    with first.shared("metallb"):
        thread = threading.Thread(target=alone)
        thread.start()
        assert not entered.wait(0.3)
    thread.join(5)
    assert entered.is_set()
    return box.told


def test_a_part_taken_alone_waits_for_its_readers_and_says_so(box: Box) -> None:
    with box.acquire() as first, box.acquire() as second:
        told = exclusion(first, second, box)
    (said,) = [event["text"] for event in map(json.loads, told.splitlines()) if "metallb" in event.get("text", "")]
    assert said.startswith("metallb: waits for process")
    assert "metallb shared" in said
    (wait,) = [event for event in map(json.loads, told.splitlines()) if event["kind"] == "wait"]
    assert (wait["name"], wait["outcome"]) == ("the lock on metallb alone", "met")
    assert wait["seconds"] > 0.2


def test_readers_share_a_part_and_other_parts_are_free(box: Box) -> None:
    with (
        box.acquire() as first,
        box.acquire() as second,
        first.shared("metallb"),
        second.shared("metallb"),
        first.exclusive("argocd"),
    ):
        assert "waits for process" not in box.told


def test_taking_a_part_twice_is_refused_instead_of_waiting_for_oneself(box: Box) -> None:
    with (
        box.acquire() as held,
        held.shared("metallb"),
        pytest.raises(WrongUsage, match="this process must not take the lock metallb twice"),
        held.exclusive("metallb"),
    ):
        pass


def waits(box: Box) -> list[str]:
    return [text for line in box.told.splitlines() if "another layer" in (text := json.loads(line).get("text", ""))]


@pytest.mark.point("kept-cluster-one-layer")
@pytest.mark.parametrize("end", ["by itself", "killed"])
def test_a_run_with_another_layer_waits_for_the_one_before_and_says_for_which(box: Box, end: str) -> None:
    first = Other(box, "a", "/layers/first")
    assert first.tests()
    second = Other(box, "b", "/layers/second")
    wait_until(lambda: bool(waits(box)) or "it does not wait", timeout=10, what="the second run says that it waits")
    assert not second.tests(0.2), "both judge one cluster"
    assert f"another layer: waits for process {first.process.pid} " in waits(box)[0]
    assert waits(box)[0].endswith("tests the layer /layers/first")
    if end == "killed":
        first.process.kill()
    else:
        first.ends()
    assert second.tests()
    (met,) = [one for line in box.told.splitlines() if (one := json.loads(line))["kind"] == "wait"]
    assert met["name"] == "the end of the runs that test another layer"


@pytest.mark.point("kept-cluster-one-layer")
def test_runs_with_one_layer_share_a_cluster_and_all_of_them_are_waited_for(box: Box) -> None:
    first, beside = Other(box, "a", "/first"), Other(box, "a", "/first")
    assert first.tests()
    assert beside.tests()
    other = Other(box, "b", "/second")
    wait_until(lambda: bool(waits(box)) or "it does not wait", timeout=10, what="the other run says that it waits")
    first.ends()
    assert not other.tests(0.2)
    late = Other(box, "a", "/first")
    assert late.tests(), "a worker of a run that goes on is let in"
    late.ends()
    beside.ends()
    assert other.tests()


@pytest.mark.point("kept-cluster-one-layer")
def test_a_layer_that_was_tested_before_is_nobodys_any_more(box: Box) -> None:
    with box.acquire() as held:
        for fingerprint in ("a", "b", "b", "a"):
            with held.for_layer(fingerprint, "/x"):
                pass
    assert not waits(box)


def test_list_shows_every_cluster_with_its_state(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    ClusterDirectory("dead").path.mkdir(parents=True)
    with box.acquire():
        manage.show()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["NAME", "PROVIDER", "AGE", "NODES", "SEGMENT", "STATE"]
    assert f"used by process {os.getpid()}" in shown[1]
    assert shown[1].split()[1:2] == ["fake"]


def test_down_refuses_a_cluster_in_use_and_force_removes_it(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    other, _ = box.other()
    with pytest.raises(WrongUsage, match=f"used by process {other.process.pid}"):
        manage.down(NAME)
    manage.down(NAME, force=True)
    assert not ClusterDirectory(NAME).path.exists()
    assert "cluster c is removed" in capsys.readouterr().out


def test_down_removes_a_kept_cluster(box: Box) -> None:
    with box.acquire(keep=lambda: True):
        pass
    assert cluster.main(["down"]) == 0
    assert not ClusterDirectory(NAME).path.exists()
    assert box.notes == ["create", "delete"]


def test_a_cluster_that_does_not_exist_is_named_with_those_that_do(box: Box) -> None:
    with pytest.raises(WrongUsage, match=r"there is no cluster x\n.*there is none; make one"):
        cluster.main(["down", "x"])
    with box.acquire(), pytest.raises(WrongUsage, match="there are: c"):
        cluster.main(["kubeconfig", "x"])


def test_a_wrong_command_line_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="invalid choice: 'upp'"):
        cluster.main(["upp"])


def test_no_provider_of_that_name() -> None:
    with pytest.raises(WrongUsage, match=r"the provider must be one of .*embedded.*, got `kinder`"):
        providers.choose("kinder")
