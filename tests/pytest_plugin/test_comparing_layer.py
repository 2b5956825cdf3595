"""What a layer is called and which content it has, said before anything of it is read for the run itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platform_e2e import paths, shell
from platform_e2e.evidence.served_layer import served
from platform_e2e.layer import tree
from platform_e2e.pytest_plugin.comparing import layer_digest, layer_name
from platform_e2e.runs import digest, layer_at_commit


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "platform" / "apps").mkdir(parents=True)
    (tmp_path / "platform" / "apps" / "one.yaml").write_text("one")
    return tmp_path / "platform"


def git(directory: Path, *words: str) -> str:
    return shell.run(["git", "-C", directory, *words], timeout=10).stdout.strip()


def test_a_digest_is_of_the_content_without_the_runs(layer: Path) -> None:
    artifacts = layer / "artifacts"
    before = layer_digest(layer, artifacts)
    assert len(before) == digest.DIGITS
    artifacts.mkdir()
    (artifacts / "history.jsonl").write_text("a line of each run")
    assert layer_digest(layer, artifacts) == before
    (layer / "apps" / "one.yaml").write_text("two")
    assert layer_digest(layer, artifacts) != before


def test_what_no_layer_may_have_is_not_opened_and_has_no_digest(layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layer_digest(layer, layer / "artifacts")
    os.mkfifo(layer / "pipe")
    # It is left out of the layer.
    assert layer_digest(layer, layer / "artifacts") == before
    assert digest.tree(layer) == digest.tree(layer / "pipe") == ""
    (layer / "pipe").unlink()
    monkeypatch.setattr(tree, "LARGEST_LAYER", 2)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read"))
    assert layer_digest(layer, layer / "artifacts") == ""
    assert layer_digest(layer / "none", layer / "artifacts") == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ci:t0ken@git.example.com/team/platform.git", "https://git.example.com/team/platform.git"),
        ("https://ci:t0@ken@git.example.com:8443/team/p/", "https://git.example.com:8443/team/p"),
        ("git@git.example.com:team/platform.git", "git.example.com:team/platform.git"),
        ("/srv/git/platform@2.git", "/srv/git/platform@2.git"),
    ],
)
def test_a_layer_in_a_checkout_is_called_as_its_repository(layer: Path, url: str, shown: str) -> None:
    git(layer, "init", "-q")
    git(layer, "config", "remote.origin.url", url)
    git(layer, "config", "remote.another.url", "https://fork.example.com/")
    assert layer_name(layer) == shown
    assert layer_name(layer / "apps") == f"{shown}/apps"


def test_any_other_layer_is_called_as_its_directory(layer: Path) -> None:
    assert layer_name(layer) == "platform"
    git(layer, "init", "-q")
    assert layer_name(layer) == "platform", "it has no remote repository"
    assert layer_name(paths.ROOT / "platform" / "apps") == "platform/apps"


def test_what_a_git_hook_sets_names_no_other_repository(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(layer, "init", "-q", "-b", "main")
    git(layer, "add", ".")
    git(layer, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one")
    commit = git(layer, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another.git"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "another.git" / "objects"))
    assert digest.head(layer) == commit
    assert served(layer / ".git", "main")[0] == commit
    layer_at_commit.export(layer, commit, tmp_path / "out")
    assert (tmp_path / "out" / "apps" / "one.yaml").read_text() == "one"
