"""How others run it: the action for GitHub, the template for GitLab, the image, the release, and the page about them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e import paths
from platform_e2e.settings import OPTIONS

ROOT = paths.ROOT
ACTION = ROOT / ".github" / "actions" / "platform-e2e"
PAGE = (ROOT / "docs" / "installing.md").read_text()
NAMES = {option.option for option in OPTIONS}

PYTHON = """\
#!/bin/sh
# Stands for the environment's Python: writes down what it is told, and ends as a red run does.
printf '%s\\n' "$*" >>"$CALLS"
case "$*" in *pytest*) exit 1 ;; esac
"""
SUDO = """\
#!/bin/sh
printf 'sudo %s\\n' "$*" >>"$CALLS"
while [ "${1#-}" != "$1" ]; do shift; done
[ "$1" = chown ] || exec "$@"
"""


def yaml(path: Path) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(path))


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(tmp_path: Path, step: str, **variables: str) -> subprocess.CompletedProcess[str]:
    runner = tmp_path / "runner"
    script(runner / "platform-e2e" / "bin" / "python", PYTHON)
    script(tmp_path / "bin" / "sudo", SUDO)
    known = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "RUNNER_TEMP": str(runner),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "CALLS": str(tmp_path / "calls"),
        "PLATFORM_E2E_CACHE": str(tmp_path / "cache"),
    }
    words = [str(ACTION / "run"), step]
    return subprocess.run(words, cwd=tmp_path, env={**known, **variables}, capture_output=True, text=True, check=False)


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_no_input_of_the_action_is_read_as_a_command() -> None:
    (action,) = yaml(ACTION / "action.yml")
    steps = action["runs"]["steps"]
    assert not [step for step in steps if "${{" in step.get("run", "")]
    used = json.dumps(steps)
    assert [name for name in action["inputs"] if f"inputs.{name} " not in used] == []
    for step in steps:
        assert "uses" in step or step["shell"] == "bash"
        assert re.fullmatch(r"[\w/.-]+@(v\d+|[0-9a-f]{40})", step.get("uses", "actions/none@v1"))
    upload = steps[-1]
    assert upload["if"] == "always()"
    assert upload["uses"].startswith("actions/upload-artifact@")


def test_the_action_hands_on_what_it_is_given_and_how_the_run_has_ended(tmp_path: Path) -> None:
    done = run(tmp_path, "prove", LAYER="my layer", PROVIDER="k3d", TESTS="", ARGUMENTS="-m smoke $(touch${IFS}x) *")
    assert done.returncode == 1, done.stderr
    doctor, tests = calls(tmp_path)
    assert doctor == "-P -m platform_e2e doctor --before-run --layer my layer --provider k3d"
    assert tests == (
        f"-P -m pytest -p no:cacheprovider {ROOT}/e2e --layer my layer --provider k3d -m smoke $(touch${{IFS}}x) *"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("provider", ["embedded", "k3d"])
def test_only_the_embedded_cluster_is_given_root(tmp_path: Path, provider: str) -> None:
    run(tmp_path, "prove", LAYER="platform", PROVIDER=provider, TESTS="mine", ARGUMENTS="", GITHUB_STEP_SUMMARY="x")
    asked = [call for call in calls(tmp_path) if call.startswith("sudo")]
    if provider == "k3d" or os.geteuid() == 0:
        assert asked == []
    else:
        assert all("GITHUB_STEP_SUMMARY" in call and "PLATFORM_E2E_CACHE" in call for call in asked[:2])
    assert any("pytest -p no:cacheprovider mine" in call for call in calls(tmp_path))


def test_a_directory_without_the_wheel_is_named(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "other.whl").touch()
    done = run(tmp_path, "install", WHEELS="dist")
    assert done.returncode == 4
    assert done.stdout.startswith("::error::dist must have platform_e2e-*.whl, got: other.whl")


@pytest.mark.parametrize(("names", "compiles"), [(["platform_e2e-1.whl"], "true"), (["both"], "false")])
def test_with_the_wheel_of_programs_no_cache_is_kept(tmp_path: Path, names: list[str], compiles: str) -> None:
    wheels = ["platform_e2e-1.whl", "platform_e2e_programs-1.whl"] if names == ["both"] else names
    (tmp_path / "dist").mkdir()
    for name in wheels:
        (tmp_path / "dist" / name).touch()
    # `python -m venv` would make a real one over the stand-in.
    script(tmp_path / "bin" / "python", "#!/bin/sh\n")
    done = run(tmp_path, "install", WHEELS="dist")
    assert done.returncode == 0, done.stderr
    assert f"compiles={compiles}\n" in (tmp_path / "output").read_text()
    install = calls(tmp_path)[0]
    assert install.endswith(" ".join(f"dist/{name}" for name in wheels))


def test_the_template_for_gitlab_uses_every_input_that_it_declares_and_no_other() -> None:
    head, job = yaml(ROOT / ".ci" / "gitlab.yml")
    inputs = head["spec"]["inputs"]
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", json.dumps(job)))
    assert used == set(inputs)
    # No image is published, so there is none to take by default.
    assert "default" not in inputs["image"]
    (body,) = job.values()
    assert body["artifacts"]["when"] == "always"
    for line in body["script"]:
        assert set(re.findall(r"--[a-z-]+", line)) <= NAMES, line
        assert "[[" not in line, "an input must not be read as a command"


def test_the_image_has_what_its_first_words_need() -> None:
    text = (ROOT / "Containerfile").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ${BASE}"]
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    (entry,) = [json.loads(line.removeprefix("ENTRYPOINT")) for line in lines if line.startswith("ENTRYPOINT")]
    assert set(re.findall(r"--[a-z-]+", " ".join(entry))) <= NAMES
    assert "/dist/platform_e2e-*.whl" in text
    assert "/dist/platform_e2e_programs-*.whl" in text


def test_a_release_is_built_and_proven_before_a_job_may_write() -> None:
    (workflow,) = yaml(ROOT / ".github" / "workflows" / "release.yml")
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    said = " ".join(step.get("run", "") for step in build["steps"])
    assert "nox -s dist" in said
    assert " -s programs-wheel" in said
    (proof,) = [step for step in build["steps"] if step.get("uses", "").startswith("./")]
    assert proof["with"]["wheels"] == "dist"
    assert publish["needs"] == "build"
    # What may write runs nothing of the repository and attests all that it attaches.
    assert not [step for step in publish["steps"] if re.match(r"\./|actions/checkout", step.get("uses", ""))]
    (attest,) = [step for step in publish["steps"] if "attest" in step.get("uses", "")]
    (attach,) = [step["run"] for step in publish["steps"] if "run" in step]
    assert attest["with"]["subject-path"] == "dist/*"
    assert shlex.split(attach)[:5] == ["gh", "release", "create", "$GITHUB_REF_NAME", "dist/*"]


def test_the_page_installs_only_what_lies_on_this_machine() -> None:
    """Nothing is on an index, so no command may ask one for it."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if re.search(r"\b(pip|uvx|pipx)\b", line)]
    assert len(lines) >= 4
    for line in lines:
        if "platform" in line:
            assert "dist/" in line, line


def test_the_page_names_every_way_and_every_input() -> None:
    (action,) = yaml(ACTION / "action.yml")
    for name in action["inputs"]:
        assert f"`{name}`" in PAGE, name
    for way in ("uvx", "pipx run", "nox -s dist", "nox -s programs-wheel", "Containerfile", ".ci/gitlab.yml"):
        assert way in PAGE, way
    assert "docs/installing.md" in (ROOT / "README.md").read_text()
