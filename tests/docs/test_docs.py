"""What the documents tell a person to type exists and does what they say."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e import cli, paths
from platform_e2e.commands import wait
from platform_e2e.diagnosis import conditions, object_refs
from platform_e2e.settings import OPTIONS
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, deployment, pod, run

__all__ = ["api", "run"]  # fixtures

ROOT = paths.ROOT
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RIGHTS = {("release.yml", "publish"): {"contents": "write", "id-token": "write", "attestations": "write"}}
"""Of the jobs that may more than read: by workflow and name. Whoever may write runs nothing of this repository."""
PYTEST_OPTIONS = {"--help", "--collect-only", "--co"}


def sessions() -> dict[str, str]:
    """Return the sessions of the noxfile with their help; one may have another name than its function."""
    found = {}
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
        if isinstance(node, ast.FunctionDef) and any("session" in text for text in decorators):
            named = re.search(r"name='([^']+)'", " ".join(decorators))
            found[named[1] if named else node.name] = ast.get_docstring(node) or ""
    return found


def commands(text: str) -> list[str]:
    """Return every call of nox in a text."""
    return [match.strip() for match in re.findall(r"nox (-[sR] [^`\n|\"]+)", text)]


def test_every_session_has_one_line_of_help() -> None:
    assert {"e2e", "tests", "lint", "types", "cluster", "doctor", "breaks", "leaks", "benchmark"} <= set(sessions())
    for name, text in sessions().items():
        assert text, name
        assert "\n" not in text, name
        assert len(text) < 130, name


@pytest.mark.parametrize("page", [*PAGES, *WORKFLOWS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_every_session_and_option_that_a_document_names_exists(page: Path) -> None:
    options = {option.option for option in OPTIONS} | PYTEST_OPTIONS
    for command in commands(page.read_text().replace('$venv/bin/nox" ', "nox ")):
        before, _, after = command.partition(" -- ")
        named = [word for word in before.split()[1:] if re.fullmatch(r"[a-z0-9][a-z0-9-]*", word)]
        assert named, command
        assert set(named) <= set(sessions()), command
        if "e2e" in named:
            assert set(re.findall(r"--[a-z][a-z-]*", after)) <= options, command


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_one_liner_for_the_last_runs_findings_works(tmp_path: Path) -> None:
    (line,) = re.findall(r"^\$ (python3 -c .*)$", (ROOT / "docs" / "debugging.md").read_text(), re.MULTILINE)
    finding = {"object": "service/chat -n chat-dev", "cause": {"id": "loadbalancer-pool-full"}}
    run = {"verdict": {"tests": [{"findings": [finding]}, {"findings": []}]}}
    (tmp_path / "artifacts" / "latest").mkdir(parents=True)
    (tmp_path / "artifacts" / "latest" / "run.json").write_text(json.dumps(run))
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "service/chat -n chat-dev loadbalancer-pool-full\n", done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_more_rights_than_it_says_and_pins_what_it_uses(path: Path) -> None:
    workflow: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    assert workflow["permissions"] == {}
    # A release is not cut off by another push.
    assert workflow["concurrency"]["cancel-in-progress"] is (path.name != "release.yml")
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == RIGHTS.get((path.name, name), {"contents": "read"})
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if "uses" in step:
                # One of this repository is of the same commit.
                local = step["uses"].startswith("./") and (ROOT / step["uses"] / "action.yml").is_file()
                assert local or re.fullmatch(r"[\w/.-]+@(v\d+|[0-9a-f]{40})", step["uses"])
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


def test_the_nightly_run_uploads_its_results_whatever_happened() -> None:
    workflow = YAML(typ="safe", pure=True).load(ROOT / ".github" / "workflows" / "e2e.yml")
    assert "schedule" in workflow["on"]
    assert workflow["on"]["push"]["tags"]
    steps = workflow["jobs"]["platform"]["steps"]
    (upload,) = [step for step in steps if step.get("uses", "").startswith("actions/upload-artifact")]
    assert upload["if"] == "always()"


def test_the_script_of_the_continuous_integration_is_bash_that_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "set -euo pipefail" in script.read_text()


def test_the_documents_are_finished() -> None:
    for page in PAGES:
        assert not re.search(r"TODO|to be filled", page.read_text()), page.name


def typed(page: Path) -> list[list[str]]:
    """Return the words of every call of the command line that a page has in its console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    calls = [match[1] for line in lines if (match := re.search(r"\bplatform-e2e (.*)", line))]
    return [shlex.split(call) for call in calls]


def test_every_call_of_the_command_line_that_a_document_has_is_one() -> None:
    calls = [words for page in PAGES for words in typed(page)]
    assert len(calls) > 10
    for words in calls:
        # A substitution of the shell stands for what it prints.
        given = ["0123456789abcdef" if word.startswith("$(") else word for word in words]
        known, rest = cli._parser(given).parse_known_args(given)
        assert not rest, words
        if getattr(known, "objects", None):
            assert object_refs.parse(known.objects, known.selector)
        if words[0] == "wait":
            conditions.options(known)


def test_the_page_about_waiting_has_every_option_of_its_parser() -> None:
    parser = argparse.ArgumentParser()
    wait.add_arguments(parser)
    text = (ROOT / "docs" / "wait-and-explain.md").read_text()
    for option in re.findall(r"--[a-z][a-z-]+", parser.format_usage()):
        assert f"`{option}" in text or option in {"--help", "--namespace", "--selector", "--output"}, option


def test_the_example_of_an_explanation_is_what_is_printed(api: ScriptedApi, run: Run, capsys: Any) -> None:
    page = (ROOT / "docs" / "wait-and-explain.md").read_text()
    (example,) = re.findall(r"\$ platform-e2e explain (deploy/chat -n chat-dev)\n(.*?)```", page, re.DOTALL)
    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("explain", *example[0].split()) == 1
    assert capsys.readouterr().out == example[1]


@pytest.mark.point("both-ways-run")
def test_the_readmes_first_screen_says_what_happens_with_docker_and_without() -> None:
    screen = (ROOT / "README.md").read_text().partition("\n## ")[0]
    assert len(screen.splitlines()) <= 40
    for word in (
        "with Docker",
        "without",
        "--provider k3d",
        "--provider embedded",
        "macOS",
        "root",
        "GB",
        "registries",
    ):
        assert word in screen, word


@pytest.mark.point("both-ways-run")
def test_the_workflow_runs_the_path_with_a_registry_as_an_ordinary_user() -> None:
    workflow = YAML(typ="safe", pure=True).load(ROOT / ".github" / "workflows" / "e2e.yml")
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    pulled = [step for step in steps if "--provider k3d --images registry" in step]
    assert {step.partition(" -- ")[0] for step in pulled} == {"nox -s e2e", "nox -s contract"}
    assert not [step for step in pulled if "sudo" in step]
    installs = [step for step in steps if "pipx install" in step]
    assert installs
    assert all('pipx install --python "$(which python)"' in step for step in installs), "pipx has a Python of its own"
