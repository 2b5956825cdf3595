"""Whole runs of pytest over fakes: a red run is run again from what it left, and says what became of each test."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests import test_run_in_a_box
from tests.test_run_in_a_box import Box

box = test_run_in_a_box.box

RED = """
from fixtures.layer import layer_of
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises, pytestconfig):
    promises.report([FINDING] if "broken" in (layer_of(pytestconfig).directory / "service.yaml").read_text() else [])
@pytest.mark.promise("monitoring")
def test_target(cluster):
    assert 1 + 1 == 2
def test_plain(cluster):
    raise BrokenPlatform("deployment/chat-7f9c is not available after 12.5 s", "Look at its pods.")
"""


def a_red_run(box: Box, *args: str) -> Path:
    """Return the directory of a red run of a layer that is deleted afterwards, moved to where no run is looked for."""
    box.tests(RED)
    layer = box.directory / "elsewhere" / "layer"
    layer.mkdir(parents=True)
    (layer / "service.yaml").write_text("kind: Service # broken\n")
    status, out = box.run("e2e", "--layer", str(layer), "--nodes", "3", *args)
    assert status == 1, out
    run = (box.artifacts / "latest").resolve()
    assert f"reproduce: nox -s e2e -- --replay artifacts/{run.name}" in out
    shutil.rmtree(layer.parent)
    return run


def verdicts(box: Box) -> dict[str, tuple[str, str]]:
    """Return of each test of a replay its cause now, and what that is beside the one before."""
    return {one["test"].split("::")[1]: (one["now"], one["verdict"]) for one in box.result["replay"]["tests"]}


def as_directory(run: Path) -> Path:
    return run


def as_name(run: Path) -> Path:
    return Path(run.name)


def as_tar(run: Path) -> Path:
    with tarfile.open(run.parent.parent / "run.tar.gz", "w:gz") as archive:
        archive.add(run, "some/where/" + run.name)
    return run.parent.parent / "run.tar.gz"


def as_zip(run: Path) -> Path:
    with zipfile.ZipFile(run.parent.parent / "e2e-4711.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in run.rglob("*"):
            archive.write(path, f"{run.name}/{path.relative_to(run)}")
    return run.parent.parent / "e2e-4711.zip"


@pytest.mark.parametrize(
    ("form", "workers"), [(as_directory, "0"), (as_directory, "2"), (as_name, "0"), (as_tar, "0"), (as_zip, "2")]
)
def test_what_failed_fails_again_with_the_same_causes(box: Box, form: Any, workers: str) -> None:
    run = a_red_run(box)
    what = form(run)
    if form in {as_tar, as_zip}:
        shutil.rmtree(box.artifacts)
    status, out = box.run("e2e", "--replay", str(what), "-n", workers)
    assert status == 1, out
    assert verdicts(box) == {
        "test_address": ("loadbalancer-pool-full", "same"),
        "test_plain": ("deployment/chat-7f9c is not available after 12.5 s", "same"),
    }
    assert "of 2 test(s) that failed: 2 same" in out
    counts = box.result["verdict"]["counts"]
    assert (counts["failed"], counts["passed"]) == (2, 0), "what passed is not run again"
    assert box.result["options"]["nodes"] == 3
    assert box.result["verdict"]["promises"][0]["tests"] == "1 failed"
    first = out.index("replay of ")
    assert first < out.index("collected" if workers == "0" else "workers")
    assert f"layer of {run.name}, from the copy that the run kept" in out
    lacking = [line for line in box.result["replay"]["lacking"] if not line.startswith("harness: ")]
    assert lacking == [], "somebody may work on the harness meanwhile; all else is as it was"
    assert f"layer of {run.name}" in out[out.index("= verdict =") :]
