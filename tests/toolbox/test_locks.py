from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.toolbox.locks import FileLock, LockBusy, this_process

HOLD = """
import os, sys
os.environ.pop("PYTEST_XDIST_WORKER", None)
from pathlib import Path
from platform_e2e.toolbox.locks import FileLock, this_process
with FileLock(Path(sys.argv[1])).held(sys.argv[2], shared=sys.argv[3] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process that holds a lock."""

    def __init__(self, path: Path, what: str, mode: str = "alone") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path), what, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=paths.ROOT,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "a.lock"


@pytest.fixture
def others() -> Iterator[list[Other]]:
    started: list[Other] = []
    yield started
    for each in started:
        each.kill()


def test_a_lock_that_another_process_holds_is_not_free(path: Path, others: list[Other]) -> None:
    others.append(Other(path, "paints the door"))
    assert FileLock(path).try_take("paints too") is None
    assert FileLock(path).is_held()


def test_whoever_waits_is_told_for_whom(path: Path, others: list[Other]) -> None:
    other = Other(path, "paints the door")
    others.append(other)
    told: list[str] = []

    def tell(who: str) -> None:
        told.append(who)
        other.kill()

    with FileLock(path).held("paints too", waiting=tell):
        pass
    (who,) = told
    assert f"process {other.process.pid}" in who
    assert "paints the door" in who


def test_a_killed_holder_holds_nothing(path: Path, others: list[Other]) -> None:
    others.append(Other(path, "paints the door"))
    others[0].kill()
    assert not FileLock(path).is_held()
    assert FileLock(path).holders() == ""
    release = FileLock(path).try_take("paints")
    assert release is not None
    release()


def test_shared_holders_share_and_keep_the_others_out(path: Path, others: list[Other]) -> None:
    others.append(Other(path, "reads", "shared"))
    with FileLock(path).held("reads too", shared=True):
        assert "reads" in FileLock(path).holders()
    assert FileLock(path).try_take("writes") is None


def test_one_process_does_not_hold_a_lock_twice(path: Path) -> None:
    with FileLock(path).held("once"):
        assert FileLock(path).try_take("twice") is None


def test_a_lock_that_is_removed_while_it_is_waited_for_is_made_anew(path: Path) -> None:
    release = FileLock(path).take("first")
    taken = threading.Event()

    def second() -> None:
        with FileLock(path).held("second"):
            taken.set()

    thread = threading.Thread(target=second)
    thread.start()
    # The second may have opened the file by now, or make another one at once.
    FileLock(path).remove()
    release()
    thread.join(5)
    assert taken.is_set()
    assert path.exists()


def test_a_worker_of_pytest_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/pytest", "e2e"])
    assert this_process() == f"process {os.getpid()} (pytest e2e)"
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    assert this_process().startswith(f"process {os.getpid()} (pytest's worker gw3, ")


def test_looking_whether_a_lock_is_held_is_not_seen_by_who_looks_at_the_same_moment(path: Path) -> None:
    lock = FileLock(path)
    lock.try_take("makes the file")()  # type: ignore[misc]  # it is free
    with lock.held("looks", shared=True):
        # As another process's `is_held` does for a moment.
        assert not lock.is_held()


def test_a_full_disk_takes_the_words_and_not_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with FileLock(path).held("removes the cluster"):
        assert FileLock(path).is_held()
    assert not FileLock(path).is_held()


def test_a_lock_that_never_was_is_not_held(path: Path) -> None:
    assert not FileLock(path).is_held()
    assert not path.exists()


def test_a_lock_that_is_not_free_in_time_names_its_holder(path: Path, others: list[Other]) -> None:
    others.append(Other(path, "paints the door"))
    with pytest.raises(
        LockBusy, match=rf"(?s)process {others[0].process.pid} .*: paints the door holds {path} for more"
    ):
        FileLock(path).take("paints too", timeout=0.05)


def test_a_lock_that_becomes_free_in_time_is_taken(path: Path, others: list[Other]) -> None:
    others.append(Other(path, "paints the door"))
    with FileLock(path).held("paints too", timeout=10, waiting=lambda _: others[0].kill()):
        assert FileLock(path).is_held()
