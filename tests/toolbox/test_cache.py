"""The content-addressed cache: whole entries or none, made once, whatever is interrupted."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache
from platform_e2e.toolbox.locks import LockBusy
from tests.support import forks, make_once

SILENT = Timeline(None)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(key: str, text: str = "content", kind: str = "things") -> Path:
    return cache.entry(
        kind, key, lambda directory: void((directory / "file").write_text(text)), phase="x", timeline=SILENT
    )


def void(_: object) -> None:
    return None


def test_an_entry_is_made_once() -> None:
    assert (entry("k") / "file").read_text() == "content"
    assert (entry("k", "other") / "file").read_text() == "content"
    assert (entry("l", "other") / "file").read_text() == "other"


def test_what_fails_leaves_nothing_that_looks_finished(own_cache: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "file").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.entry("things", "k", fail, phase="x", timeline=SILENT)
    assert not (own_cache / "things" / "k").exists()
    assert list((own_cache / "scratch").iterdir()) == []
    assert (entry("k") / "file").read_text() == "content"


def test_what_a_killed_run_left_is_swept_by_the_next_of_its_kind(own_cache: Path) -> None:
    mine, other = (own_cache / "scratch" / name for name in ("things-4000000-1", "things-else-4000000-1"))
    for path in (mine, other):
        path.mkdir(parents=True)
    locked = mine / "read-only"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0o500)
    entry("k")
    assert not mine.exists()
    assert other.exists()


def test_processes_at_the_same_time_make_it_once(own_cache: Path) -> None:
    witness, said = own_cache.parent / "witness", [own_cache.parent / f"said-{number}" for number in range(3)]
    runs = [forks.start(make_once.main, witness, out, env=os.environ) for out in said]
    for run in runs:
        run.join(30)
        forks.end(run)
    assert {out.read_text() for out in said} == {f"{own_cache}/things/k"}
    assert witness.read_text() == "made\n"


def test_who_waits_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline")
    release = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with cache.held("things", phase="x", timeline=SILENT):
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        held.wait(10)
        with (
            pytest.raises(LockBusy) as error,
            cache.held("things", phase="x", timeline=timeline, timeout=0.1),
        ):
            pass
    finally:
        release.set()
        holder.join()
    assert f"process {os.getpid()} (" in str(error.value)
    assert ": makes things holds " in str(error.value)
    assert "things.lock for more than 0.1 s" in str(error.value)
    (line,) = (tmp_path / "timeline").read_text().splitlines()
    assert json.loads(line)["text"].startswith(f"waits for process {os.getpid()} (")
    with cache.held("things", phase="x", timeline=SILENT, timeout=0.1):
        pass


def test_entries_that_nobody_used_for_long_are_forgotten_when_a_new_one_is_made() -> None:
    old, recent = entry("old"), entry("recent")
    long_ago = time.time() - cache.UNUSED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    entry("new")
    assert not old.exists()
    assert recent.exists()


def test_using_an_entry_keeps_it() -> None:
    old = entry("old")
    long_ago = time.time() - cache.UNUSED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    entry("old")
    entry("new")
    assert old.exists()


def test_what_a_living_cluster_may_use_is_not_forgotten() -> None:
    old = entry("old")
    long_ago = time.time() - cache.UNUSED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    spec = paths.clusters() / "one" / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.touch()
    os.utime(spec, (long_ago - 60, long_ago - 60))
    entry("new")
    assert old.exists()


def test_making_an_entry_is_a_phase_of_the_report_and_using_it_is_none(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    for nested in (False, False, True):
        name = "nested" if nested else "plain"
        cache.entry(name, "k", lambda _: None, phase="x", timeline=timeline, nested=nested)
    assert timeline.path is not None
    events = [json.loads(line) for line in timeline.path.read_text().splitlines()]
    assert [(event["kind"], event["name"]) for event in events] == [("phase-start", "plain"), ("phase-end", "plain")]


def test_a_digest_depends_on_where_one_part_ends(tmp_path: Path) -> None:
    assert cache.digest("ab", "c") != cache.digest("a", "bc")
    (tmp_path / "file").write_text("ab")
    assert cache.digest(tmp_path / "file") == cache.digest(b"ab") == cache.digest("ab")


def test_a_tree_digest_sees_names_content_and_executable_bits(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    file = tmp_path / "d" / "file"
    file.write_text("x")
    seen = {cache.tree_digest(tmp_path)}
    file.chmod(0o755)
    seen.add(cache.tree_digest(tmp_path))
    file.write_text("y")
    seen.add(cache.tree_digest(tmp_path))
    file.rename(tmp_path / "d" / "other")
    seen.add(cache.tree_digest(tmp_path))
    assert len(seen) == 4
    assert cache.tree_digest(tmp_path, ignored=lambda path: path.name == "other") == cache.tree_digest(
        tmp_path / "none"
    )


def test_entries_that_no_living_cluster_can_use_are_forgotten() -> None:
    old = entry("old")
    os.utime(old, (time.time() - 100, time.time() - 100))
    spec = paths.clusters() / "one" / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.touch()
    cache.entry("things", "new", lambda _: None, phase="x", timeline=SILENT, unused=99)
    assert not old.exists()


def test_entries_that_clusters_copied_are_forgotten_all_the_same() -> None:
    old = entry("old")
    (paths.clusters() / "one").mkdir(parents=True)
    os.utime(old, (time.time() - 100, time.time() - 100))
    cache.entry("things", "new", lambda _: None, phase="x", timeline=SILENT, unused=99, copied=True)
    assert not old.exists()
