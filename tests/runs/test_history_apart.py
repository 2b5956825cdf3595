"""Runs that are red on purpose stay apart from those that a team looks at."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e import paths
from platform_e2e.breaks import runner
from platform_e2e.cluster import hoststate, leaks
from platform_e2e.cluster.hoststate import HostState
from platform_e2e.cluster.leaks import Ending
from platform_e2e.settings import resolve


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_E2E_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    return tmp_path / "artifacts"


def test_each_break_has_an_empty_directory_of_its_own_and_no_page(
    artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    def run(_argv: object, *, env: dict[str, str], **_: Any) -> SimpleNamespace:
        assert not Path(env["PLATFORM_E2E_ARTIFACTS"]).exists(), "what it would be compared with"
        seen.update(env)
        return SimpleNamespace(stdout="", stderr="", returncode=1, seconds=1.0)

    monkeypatch.setattr("platform_e2e.shell.run", run)
    (artifacts / "breaks" / "pool-full").mkdir(parents=True)
    (artifacts / "breaks" / "pool-full" / "history.jsonl").touch()
    runner._run(resolve({}), paths.ROOT / "platform", "pool-full")
    assert seen["PLATFORM_E2E_ARTIFACTS"] == str(artifacts / "breaks" / "pool-full")
    assert seen["GITHUB_STEP_SUMMARY"] == ""


def test_runs_that_are_ended_on_purpose_have_a_directory_of_their_own_and_no_page(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(hoststate, "look", lambda *_: HostState(frozenset()))
    seen = tmp_path / "seen"
    code = f"import os; open({str(seen)!r}, 'w').write(os.environ['PLATFORM_E2E_ARTIFACTS'] + os.environ['GITHUB_STEP_SUMMARY'])"
    (result,) = leaks.run_leaks(lambda *_: [sys.executable, "-c", code], endings=[Ending.NORMAL])
    assert result.clean, result.render()
    assert seen.read_text() == str(artifacts / "leaks")


def test_the_nightly_run_is_compared_with_the_night_before_and_shown_on_its_page() -> None:
    workflow = YAML(typ="safe", pure=True).load(paths.ROOT / ".github" / "workflows" / "e2e.yml")
    steps = workflow["jobs"]["platform"]["steps"]
    runs = [step["run"] for step in steps if " -s e2e " in step.get("run", "")]
    assert runs
    for command in runs:
        (kept,) = [word for word in command.split() if word.startswith("--preserve-env=")]
        assert {"PATH", "PLATFORM_E2E_CACHE", "GITHUB_STEP_SUMMARY"} <= set(kept.partition("=")[2].split(","))
    restore, save = [
        step for step in steps if step.get("uses", "").startswith(("actions/cache/restore", "actions/cache/save"))
    ]
    assert restore["with"]["path"] == save["with"]["path"] == "artifacts/history.jsonl\nartifacts/flakes.jsonl\n"
    assert restore["with"]["key"] == save["with"]["key"]
    assert restore["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert save["if"] == "always()", "a red night is a part of the history too"
