from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from platform_e2e.checks.revisions import References, check, references
from platform_e2e.finding import Finding
from platform_e2e.layer import Layer
from tests.fakes import layers

pytestmark = pytest.mark.point("revision-exists")


def git(directory: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(directory), *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = layers.write(tmp_path_factory.mktemp("team"), {})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "layer")
    git(root, "tag", "v1.2.0")
    git(root, "branch", "release/1")
    return root


def reading(*revisions: str) -> Layer:
    demo = layers.demo()
    first = demo.applications[0]
    made = [
        replace(first, name=f"a{n}", sources=(replace(first.sources[0], revision=one),))
        for n, one in enumerate(revisions)
    ]
    return replace(demo, applications=tuple(made), applicationsets=())


def judged(layer: Layer, directory: Path) -> tuple[list[Finding], str]:
    return check(layer, references(directory, layer))


@pytest.mark.parametrize(
    "revision",
    ["main", "HEAD", "v1.2.0", "release/1", "refs/heads/main", "refs/tags/v1.2.0", "v1.*", "^1.0.0", ">=1, <2"],
)
def test_what_the_repository_has_is_found(team: Path, revision: str) -> None:
    assert judged(reading("main", revision), team) == ([], "")


def test_a_commit_is_found_by_its_first_digits(team: Path) -> None:
    commit = git(team, "rev-parse", "HEAD")
    assert judged(reading("main", commit, commit[:8]), team) == ([], "")


@pytest.mark.parametrize("revision", ["release-1", "v1.3.0", "f" * 40, "refs/heads/gone", "production"])
def test_what_it_does_not_have_is_told(team: Path, revision: str) -> None:
    ((one,), unjudged) = judged(reading("main", revision), team)
    assert unjudged == ""
    assert (one.promise, one.cause.id) == ("applications", "application-revision-missing")
    assert (
        f"application/a1 -n argocd reads revision {revision}, which is no branch, tag or commit" in one.cause.sentence
    )
    assert one.cause.remedy.startswith(f"correct the revision in {reading('x').applications[0].file}")


def test_a_branch_of_the_remote_is_one_of_the_repository(team: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(team), "mine")
    assert judged(reading("main", "release/1"), tmp_path / "mine") == ([], "")


def test_what_cannot_be_known_is_not_judged_and_said(team: Path, tmp_path: Path) -> None:
    outside = layers.write(tmp_path / "copy", {})
    assert judged(reading("gone"), outside) == ([], "the layer is in no checkout of Git")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{team}", "shallow")
    assert judged(reading("main", "gone"), tmp_path / "shallow") == ([], "the checkout is shallow")
    git(tmp_path, "clone", "-q", "--single-branch", f"file://{team}", "single")
    assert judged(reading("main", "gone"), tmp_path / "single")[1] == "the checkout has not all branches and tags"
    assert "another repository's" in judged(reading("gone"), team)[1]


def test_the_revision_of_a_generator_counts() -> None:
    demo = layers.demo()
    (owner,) = demo.applicationsets
    inner = {"git": {"repoURL": "x", "revision": "gone", "directories": []}}
    spec = {**owner.manifest["spec"], "generators": [{"matrix": {"generators": [inner]}}]}
    changed = replace(demo, applicationsets=(replace(owner, manifest={**owner.manifest, "spec": spec}),))
    ((one,), _) = check(changed, References(frozenset({"main"})))
    assert one.object == "applicationset/chat -n argocd"
