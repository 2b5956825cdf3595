"""Whole runs of pytest over fakes: a red run is run again from what it left, and says what became of each test."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.box import Box, new_box

RED = """
from platform_e2e.pytest_plugin.layer import layer_of
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises, pytestconfig):
    text = (layer_of(pytestconfig).directory / "service.yaml").read_text()
    promises.report([FINDING] if "broken" in text else [])
@pytest.mark.promise("monitoring")
def test_target(cluster):
    assert 1 + 1 == 2
def test_plain(cluster):
    raise BrokenPlatform("deployment/chat-7f9c is not available after 12.5 s", "Look at its pods.")
"""


@dataclass
class Red:
    """A red run whose layer is gone.

    Attributes:
        run: its directory, where no run is looked for.
        out: what it printed.
    """

    run: Path
    out: str


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Red:
    box = new_box(tmp_path_factory.mktemp("red"))
    box.tests(RED)
    layer = box.directory / "elsewhere"
    layer.mkdir()
    (layer / "service.yaml").write_text("kind: Service # broken\n")
    status, out = box.run("e2e", "--layer", str(layer), "--nodes", "3")
    assert status == 1, out
    shutil.rmtree(layer)
    return Red((box.artifacts / "latest").resolve(), out)


def verdicts(box: Box) -> dict[str, tuple[str, str]]:
    """Return of each test of a replay its cause now, and what that is beside the one before."""
    return {one["test"].split("::")[1]: (one["now"], one["verdict"]) for one in box.result["replay"]["tests"]}


def lacking(box: Box) -> list[str]:
    """Return what a replay says cannot be had, besides the harness: somebody may be working on it."""
    return [line for line in box.result["replay"]["lacking"] if not line.startswith("harness: ")]


def zipped(run: Path, target: Path) -> Path:
    """Return an archive as a CI system makes it."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in run.rglob("*"):
            archive.write(path, f"{run.name}/{path.relative_to(run)}")
    return target


def test_a_red_run_says_how_to_make_it_again_and_keeps_what_that_takes(red: Red) -> None:
    assert f"reproduce: nox -s e2e -- --replay artifacts/{red.run.name}" in red.out
    data = json.loads((red.run / "run.json").read_text())
    assert data["failed"] == [
        {"test": "e2e/test_it.py::test_address", "causes": ["loadbalancer-pool-full"]},
        {"test": "e2e/test_it.py::test_plain", "causes": []},
    ]
    assert data["chosen"]["nodes"] == data["chosen"]["layer"] == "command line"
    assert data["chosen"]["cache"] == "environment"
    assert data["state"]["kubernetes"] == "v1.35.0"
    assert data["selection"]["arguments"] == ["e2e"]
    assert data["seed"] is None
    assert data["layer"]["digest"].startswith("sha256:")
    assert (red.run / "layer.tar.gz").exists()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_failed_fails_again_with_the_same_causes(box: Box, red: Red, workers: str) -> None:
    box.tests(RED)
    what = red.run if workers == "0" else zipped(red.run, box.directory / "e2e-4711.zip")
    status, out = box.run("e2e", "--replay", str(what), "--trust", "-n", workers, PLATFORM_E2E_NODES="2")
    assert status == 1, out
    assert verdicts(box) == {
        "test_address": ("loadbalancer-pool-full", "same"),
        "test_plain": ("deployment/chat-7f9c is not available after 12.5 s", "same"),
    }
    assert "of 2 test(s) that failed: 2 same" in out
    counts = box.result["verdict"]["counts"]
    assert (counts["failed"], counts["passed"]) == (2, 0), "what passed is not run again"
    assert box.result["options"]["nodes"] == 3
    first = out.index("replay of ")
    assert first < out.index("collected" if workers == "0" else "1 worker")
    assert f"layer of {red.run.name}, from the copy that the run kept" in out[first:]
    assert lacking(box) == ["option: PLATFORM_E2E_NODES=2 is set and not used; the run had 3"]
    assert f"layer of {red.run.name}" in out[out.index("= verdict =") :]
    assert f"reproduce: nox -s e2e -- --replay artifacts/{(box.artifacts / 'latest').resolve().name}" in out


def test_the_run_that_is_replayed_outlives_its_replay(box: Box) -> None:
    box.tests(RED)
    box.run()
    earlier = (box.artifacts / "latest").resolve()
    status, out = box.run("e2e", "--replay", str(earlier), "--keep-runs", "1")
    assert status == 1, out
    assert (earlier / "run.json").is_file(), out


CHANGED = RED.replace("def test_plain(", "def test_renamed(").replace("[FINDING] if", "[OTHER] if").replace(
    "@pytest.mark.promise", "import dataclasses\nOTHER = dataclasses.replace(FINDING, cause=Cause('other', 'o', 'r'))\n"
    "@pytest.mark.promise", 1
)  # fmt: skip


def test_what_is_another_now_and_what_there_is_no_more_is_said(box: Box, red: Red) -> None:
    box.tests(CHANGED)
    status, out = box.run("e2e", "--replay", str(red.run), "--trust", "--nodes", "1")
    assert status == 1, out
    assert verdicts(box) == {"test_address": ("other", "different"), "test_plain": ("", "no longer exists")}
    gone = out.index("replay: e2e/test_it.py::test_plain no longer exists")
    assert gone < out.index("cluster                        starts"), "named before anything runs"
    assert lacking(box) == ["option: --nodes 1 as given; the run had 3"]
    assert "of 2 test(s) that failed: 1 different, 1 no longer exists" in out


def test_a_layer_that_is_given_is_tested_against_what_failed(box: Box, red: Red) -> None:
    box.tests(RED.replace("raise BrokenPlatform", "print"))
    (box.directory / "layer" / "service.yaml").write_text("kind: Service # mended\n")
    status, out = box.run(
        "e2e", "--replay", str(red.run), "--trust", "--layer", str(box.directory / "layer"), "--keep", "always"
    )
    assert status == 0, out
    assert set(verdicts(box).values()) == {("passed", "passes now")}
    assert any("as given, in place of the layer of" in one for one in lacking(box))
    assert "reproduce:" not in out
    assert "kept" in box.notes
    status, out = box.run("e2e", "--replay", str((box.artifacts / "latest").resolve()))
    assert status == 4, out
    assert "failed (it ended with 0)" in out
    assert "choose what to run in its state with -k, -m or the ids of tests; -k test_ is all of them" in out
    assert len([path for path in box.artifacts.iterdir() if path.is_dir()]) == 2, "nothing was started"


def test_what_the_caller_chooses_runs_in_the_state_of_the_run(box: Box, red: Red) -> None:
    box.tests(RED)
    status, out = box.run("e2e", "--replay", str(red.run), "--trust", "-k", "test_target")
    assert status == 0, out
    assert box.result["verdict"]["counts"]["passed"] == 1
    assert box.result["options"]["nodes"] == 3
    assert box.result["replay"]["tests"] == []


def test_listing_starts_nothing(box: Box, red: Red) -> None:
    box.tests(RED)
    status, out = box.run("e2e", "--replay", str(red.run), "--trust", "--collect-only", "-q")
    assert status == 0, out
    assert "e2e/test_it.py::test_address" in out
    assert "test_target" not in out
    assert not box.notes
