"""Old runs go, and nothing else: neither what somebody needs nor what is none of ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from platform_e2e.runs import retention
from platform_e2e.runs.retention import GOING, apply, going, needed
from tests.fakes.histories import entry


def run(artifacts: Path, number: int, *files: str) -> Path:
    directory = artifacts / f"2026-11-{number:02}T02-17-00Z-e2e-x"
    (directory / "evidence").mkdir(parents=True)
    for name in files or ("run.json", "timeline.jsonl"):
        (directory / name).write_text("{}")
    return directory


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = [run(tmp_path, number) for number in range(1, 6)]
    (tmp_path / "latest").symlink_to(made[-1].name)
    return made


def left(artifacts: Path) -> list[str]:
    return sorted(path.name[8:10] for path in artifacts.glob("2026-*"))


def test_the_oldest_go_beyond_the_number(runs: list[Path], tmp_path: Path) -> None:
    done = apply(tmp_path, 2, set())
    assert done == retention.Removal((runs[0].name, runs[1].name, runs[2].name))
    assert left(tmp_path) == ["04", "05"]
    assert apply(tmp_path, 2, set()).removed == ()
    assert (tmp_path / "latest").resolve() == runs[-1]


def test_of_two_runs_of_one_second_the_later_one_stays(tmp_path: Path) -> None:
    names = [f"2026-11-01T02-17-00Z-e2e-{ending}" for ending in ("b", "c", "a")]
    for age, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
        os.utime(tmp_path / name, (age, age))
    assert apply(tmp_path, 1, set()).removed == (names[0], names[1])


def test_what_is_needed_and_what_latest_shows_stays(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to(runs[1].name)
    apply(tmp_path, 1, {runs[0].name})
    assert left(tmp_path) == ["01", "02", "05"]


def test_the_newest_green_one_of_each_kind_is_needed() -> None:
    k3d = {"provider": "k3d"}
    entries = [entry(1), entry(2, options=k3d), entry(3), entry(4, exit_code=1), entry(5, whole=False)]
    assert needed(entries) == {entry(2).id, entry(3).id}


def test_a_run_that_goes_on_stays_and_one_that_was_killed_goes(tmp_path: Path) -> None:
    going_on, killed, older, newest = (run(tmp_path, number, "timeline.jsonl") for number in (1, 2, 3, 4))
    ended = going(going_on)
    (killed / GOING).touch()
    os.utime(older, (0, 0))
    apply(tmp_path, 1, set())
    assert left(tmp_path) == ["01", "04"]
    ended()
    assert list(going_on.glob(".*")) == [], "nothing of the lock is left"
    (going_on / "run.json").touch()
    apply(tmp_path, 1, set())
    assert left(tmp_path) == [newest.name[8:10]]


def test_what_has_neither_verdict_nor_lock_may_be_a_run_that_has_just_begun(tmp_path: Path) -> None:
    run(tmp_path, 1, "timeline.jsonl")
    run(tmp_path, 2)
    apply(tmp_path, 1, set())
    assert left(tmp_path) == ["01", "02"]


def test_nothing_else_is_touched(tmp_path: Path) -> None:
    kept = run(tmp_path, 9)
    for name in ("breaks", "2026-11-01-notes", "2026-11-01T02-17-00Z-E2E", "2026-11-01T02-17-00Z-empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "breaks" / "run.json").touch()
    (tmp_path / "2026-11-02T02-17-00Z-file").touch()
    before = {path.name for path in tmp_path.iterdir()}
    assert apply(tmp_path, 1, set()).removed == ()
    assert {path.name for path in tmp_path.iterdir()} == before
    assert kept.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    elsewhere = run(tmp_path / "elsewhere", 1)
    artifacts = tmp_path / "artifacts"
    inside = run(artifacts, 2)
    run(artifacts, 3)
    (artifacts / elsewhere.name).symlink_to(elsewhere)
    (inside / "evidence" / "link").symlink_to(elsewhere)
    assert apply(artifacts, 1, set()) == retention.Removal((inside.name,))
    assert (elsewhere / "run.json").exists()
    assert (artifacts / elsewhere.name).is_symlink()


def test_what_cannot_be_removed_is_said_and_the_others_go(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def refuse(path: Path) -> None:
        if path == runs[0]:
            raise PermissionError(1, "not permitted")
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    done = apply(tmp_path, 3, set())
    assert done.removed == (runs[1].name,)
    assert done.failed == (f"{runs[0].name}: [Errno 1] not permitted",)


def test_a_directory_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert "cannot be read" in apply(tmp_path / "nothing", 1, set()).failed[0]


def test_of_many_kinds_those_that_were_run_last_are_needed() -> None:
    kinds = [{"layer": f"/builds/{number}/platform"} for number in range(1, 9)]
    entries = [entry(number, options=options) for number, options in enumerate(kinds, 1)]
    entries.append(entry(9, options=kinds[0]))
    assert needed(entries) == {entry(number).id for number in (5, 6, 7, 8, 9)}
