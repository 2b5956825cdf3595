"""Crafted archives, directories and documents: each is read, or ends as a sentence with status 4, in little memory and time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.incident import capture
from platform_e2e.replay import preparing
from tests import crafted, forks, layers

MOST_MEMORY = 300 << 10
"""KiB of one process, with all that it has loaded."""

MOST_SECONDS = 10.0

KILLED_SECONDS = 45.0
"""For one that waits for something for ever; on a machine that does other work, too."""

STATUS = 4


def _in_a_process(ways: Sequence[str], path: Path, out: Path) -> None:
    """Replay or reproduce something, as the command line does before anything is started, and write how that ended."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    preparing._harness = lambda _: []  # type: ignore[assignment]
    out.write_text(json.dumps([_told(_replay if way == "replay" else _reproduce, path) for way in ways]))


def _told(way: Callable[[Path], int], path: Path) -> dict[str, Any]:
    start = sum(os.times()[:4])
    words = io.StringIO()
    status: int | str
    try:
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
            status = way(path)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is what the test must see
        status = repr(error)[:500]
    return {
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
        prepared = preparing.prepare({"replay": str(path), "trust": True}, {})
        assert prepared is not None
        preparing.with_layer(prepared)
        resolve(prepared.chosen, {})
        sys.stdout.write("\n".join(prepared.lines()))
    except HarnessError as error:
        sys.stdout.write(str(error))
        return error.exit_code
    return 0


def _reproduce(path: Path) -> int:
    """Refuse to trust: all of the archive is read before that is asked."""
    capture.renderer = lambda: layers.no_objects
    return cli.main(["reproduce", str(path), "--no-shell"])


def ended(ways: Sequence[str], path: Path, tmp_path: Path) -> list[dict[str, Any]]:
    out = tmp_path / "told.json"
    own = {"PLATFORM_E2E_CACHE": str(tmp_path / "cache"), "PLATFORM_E2E_ARTIFACTS": str(tmp_path / "none")}
    process = forks.start(_in_a_process, ways, path, out, env={**os.environ, **own}, directory=tmp_path)
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
@pytest.mark.parametrize("name", crafted.ARCHIVES)
def test_a_crafted_archive(place: Path, name: str) -> None:
    path = place / f"{name}.tar.gz"
    path.write_bytes(crafted.ARCHIVES[name]())
    _, of_incident = ended(["replay", "incident"], path, place)
    assert of_incident["status"] == STATUS, of_incident
    assert {one.name for one in place.iterdir()} <= {path.name, "told.json", "cache"}


@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("name", crafted.RUNS)
def test_a_crafted_run(place: Path, name: str) -> None:
    path = place / f"{name}.tar.gz"
    path.write_bytes(crafted.RUNS[name]())
    ended(["replay"], path, place)
    assert {one.name for one in place.iterdir()} <= {path.name, "told.json", "cache"}


@pytest.mark.point("links-not-followed")
@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("name", crafted.DIRECTORIES)
def test_a_crafted_directory(place: Path, name: str) -> None:
    crafted.DIRECTORIES[name](place / "run")
    (told,) = ended(["replay"], place / "run", place)
    assert "hunter2" not in told["said"]
    if name.startswith(("link-", "pipe-", "large-")) or name == "device":
        assert told["status"] == STATUS
        assert "is not read" in told["said"]


@pytest.mark.point("archives-bounded")
@pytest.mark.parametrize("name", crafted.INCIDENTS)
def test_a_crafted_incident(place: Path, name: str) -> None:
    path = place / f"{name}.tar.gz"
    path.write_bytes(crafted.INCIDENTS[name]())
    (told,) = ended(["incident"], path, place)
    assert told["status"] == STATUS
