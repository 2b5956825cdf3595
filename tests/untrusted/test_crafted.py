"""Crafted archives, directories and documents: each is read, or ends as a sentence with status 4, in little memory and time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.incident import capture
from platform_e2e.runs import run_options
from tests.fakes import crafted, layers, rendering
from tests.support import forks

MOST_MEMORY = 300 << 10
"""KiB of one process, with all that it has loaded."""

MOST_SECONDS = 10.0

KILLED_SECONDS = 90.0
"""For one that waits for something for ever; on a machine that does other work, too."""

STATUS = 4

BATCH = 10


def batches(names: Iterable[str]) -> list[Any]:
    """Return names in batches: to begin a process takes longer than most of them."""
    every = list(names)
    return [pytest.param(every[at : at + BATCH], id=every[at]) for at in range(0, len(every), BATCH)]


def _in_a_process(ways: Sequence[str], paths: Sequence[Path], out: Path) -> None:
    """Replay or reproduce things, as the command line does before anything is started, and write how that ended."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    run_options._harness = lambda _: []  # type: ignore[assignment]
    told = [_told(way, path) for path in paths for way in ways]
    out.write_text(json.dumps(told))


def _told(way: str, path: Path) -> dict[str, Any]:
    start = sum(os.times()[:4])
    words = io.StringIO()
    status: int | str
    try:
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
            status = _replay(path) if way == "replay" else _reproduce(path)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what the test must see
        status = repr(error)[:500]
    return {
        "name": path.parent.name,
        "way": way,
        "status": status,
        "said": words.getvalue()[:5000],
        # Of the processor: how long it takes beside other tests says nothing. One that waits for something is killed.
        "seconds": sum(os.times()[:4]) - start,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _replay(path: Path) -> int:
    from platform_e2e.errors import HarnessError
    from platform_e2e.settings import resolve

    try:
        prepared = run_options.prepare({"replay": str(path), "trust": True}, {})
        assert prepared is not None
        run_options.with_layer(prepared)
        resolve(prepared.chosen, {})
        sys.stdout.write("\n".join(prepared.lines()))
    except HarnessError as error:
        sys.stdout.write(str(error))
        return error.exit_code
    return 0


def _reproduce(path: Path) -> int:
    """Refuse to trust: all of the archive is read before that is asked."""
    capture.renderer = lambda: rendering.renderer(layers.no_objects)
    return cli.main(["reproduce", str(path), "--no-shell"])


def assert_harmless(ways: Sequence[str], made: Mapping[str, Callable[[], bytes]], place: Path) -> list[dict[str, Any]]:
    """Return how archives are read that are made in a place."""
    paths = []
    for name, make in made.items():
        paths.append(place / name / "e2e.tar.gz")
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(make())
    every = assert_harmless_at(ways, paths, place)
    assert {one.name for one in place.iterdir()} <= {*made, "told.json", "cache"}
    assert all([one.name for one in path.parent.iterdir()] == [path.name] for path in paths), "nothing is unpacked"
    return every


def assert_harmless_at(ways: Sequence[str], paths: Sequence[Path], place: Path) -> list[dict[str, Any]]:
    """Return how what is at these paths is read, in a process of its own."""
    out = place / "told.json"
    own = {"PLATFORM_E2E_CACHE": str(place / "cache"), "PLATFORM_E2E_ARTIFACTS": str(place / "none")}
    process = forks.start(_in_a_process, ways, paths, out, env={**os.environ, **own}, directory=place)
    process.join(KILLED_SECONDS)
    forks.end(process)
    assert out.exists(), "it was killed"
    every: list[dict[str, Any]] = json.loads(out.read_text())
    for told in every:
        assert told["memory"] < MOST_MEMORY, told
        assert told["seconds"] < MOST_SECONDS, told
        assert told["status"] in {0, STATUS}, told
        assert all(letter.isprintable() or letter in "\n\t" for letter in told["said"]), told["said"]
        assert "Traceback" not in told["said"]
        assert told["status"] == 0 or told["said"].strip()
        assert told["status"] == STATUS or told["way"] == "replay", told
    return every


@pytest.fixture
def place() -> Any:
    """Yield a directory whose files are gone after the test: some of them are large."""
    with tempfile.TemporaryDirectory(prefix="crafted-") as directory:
        yield Path(directory)


def test_there_are_enough() -> None:
    counts = [len(each) for each in (crafted.ARCHIVES, crafted.RUNS, crafted.DIRECTORIES, crafted.INCIDENTS)]
    assert sum(counts) >= 76, counts
    assert crafted.directory_of(crafted.tar(crafted.RUN)) == ["r/run.json"], "a sound one is one"


@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("names", batches(crafted.ARCHIVES))
def test_crafted_archives(place: Path, names: list[str]) -> None:
    assert_harmless(["replay", "reproduce"], {name: crafted.ARCHIVES[name] for name in names}, place)


@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("names", batches(crafted.RUNS))
def test_crafted_runs(place: Path, names: list[str]) -> None:
    assert_harmless(["replay"], {name: crafted.RUNS[name] for name in names}, place)


@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("names", batches(crafted.INCIDENTS))
def test_crafted_incidents(place: Path, names: list[str]) -> None:
    assert_harmless(["reproduce"], {name: crafted.INCIDENTS[name] for name in names}, place)


@pytest.mark.point("links-not-followed")
@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("names", batches(crafted.DIRECTORIES))
def test_crafted_directories(place: Path, names: list[str]) -> None:
    for name in names:
        (place / name).mkdir()
        crafted.DIRECTORIES[name](place / name / "run")
    for told in assert_harmless_at(["replay"], [place / name / "run" for name in names], place):
        assert "hunter2" not in told["said"]
        if told["name"].startswith(("link-", "pipe-", "large-", "device")):
            assert told["status"] == STATUS
            assert "is not read" in told["said"]
