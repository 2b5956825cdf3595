from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.gitops import server
from platform_e2e.gitops.git import PushError
from platform_e2e.gitops.serving import Serving
from tests.fakes.git_server import APPLICATION, OWN, Setup, git, make_layer


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return make_layer(tmp_path)


def test_publish_serves_the_working_tree_below_one_commit_of_changes(setup: Setup, layer: Path) -> None:
    commit = setup.git.publish(layer)
    assert setup.served() == commit.sha == setup.git.head()
    assert git(setup.pod, "rev-parse", "main^") == commit.layer
    assert git(setup.pod, "show", f"{commit.layer}:argocd/config.yaml") == APPLICATION.strip()
    assert git(setup.pod, "show", "main:argocd/config.yaml") == APPLICATION.replace(OWN, server.URL).strip()
    assert git(setup.pod, "show", "--format=", "--name-only", "main") == "argocd/config.yaml"
    body = git(setup.pod, "log", "-1", "--format=%an|%cn|%B", "main")
    assert body.startswith("platform-e2e|platform-e2e|")
    assert f"argocd/config.yaml:5: Application config, spec.source.repoURL: {OWN} -> {server.URL}" in body
    assert commit.pushed
    assert set(commit.changed) == {"argocd/config.yaml", "config/cm.yaml"}


def test_publish_moves_pools(setup: Setup, layer: Path) -> None:
    (layer / "pool.yaml").write_text("kind: IPAddressPool\nspec:\n  addresses: [10.89.0.200-10.89.0.220]\n")
    setup.git.publish(layer, Serving(pool_map={"10.89.0.200-10.89.0.220": "10.90.0.200-10.90.0.220"}))
    assert "10.90.0.200-10.90.0.220" in setup.git.read("pool.yaml")


def test_publish_serves_the_branches_that_the_layer_asks_for(setup: Setup, layer: Path) -> None:
    (layer / "argocd/config.yaml").write_text(APPLICATION.replace("targetRevision: main", "targetRevision: release/1"))
    commit = setup.git.publish(layer)
    assert setup.served("release/1") == setup.served("main") == commit.sha


def test_publish_of_the_same_pushes_nothing(setup: Setup, layer: Path) -> None:
    first = setup.git.publish(layer)
    pushes = setup.pushes()
    again = setup.start().publish(layer)
    assert (again.sha, again.pushed, again.changed) == (first.sha, False, ())
    assert setup.pushes() == pushes == 1


def test_publish_of_a_change_names_the_changed_files(setup: Setup, layer: Path) -> None:
    first = setup.git.publish(layer)
    (layer / "config/cm.yaml").unlink()
    (layer / "config/new.yaml").write_text("a: 1\n")
    second = setup.git.publish(layer)
    assert second.pushed
    assert second.changed == ("config/cm.yaml", "config/new.yaml")
    assert git(setup.pod, "rev-parse", "main~2") == first.sha


def test_publish_undoes_what_a_test_left(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    setup.git.commit({"config/cm.yaml": b"left by a test that was killed\n"}, "Break")
    commit = setup.git.publish(layer)
    assert commit.changed == ("config/cm.yaml",)
    assert git(setup.pod, "show", "main:config/cm.yaml") == "kind: ConfigMap"


def test_publish_after_a_failed_push_pushes(setup: Setup, layer: Path) -> None:
    setup.broken.touch()
    with pytest.raises(PushError, match=r"pod/git-1 -n platform-e2e-git did not take a push of main") as caught:
        setup.git.publish(layer)
    assert "container not found" in str(caught.value)
    assert "describe pod git-1" in str(caught.value)
    setup.broken.unlink()
    assert setup.git.publish(layer).sha == setup.served()


def test_a_failed_push_of_a_commit_is_made_good_by_the_next(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    setup.broken.touch()
    with pytest.raises(PushError):
        setup.git.commit({"a": b"1"}, "One")
    setup.broken.unlink()
    sha = setup.git.commit({"b": b"2"}, "Two")
    assert setup.served() == sha
    assert git(setup.pod, "log", "--format=%s", "-2", "main").splitlines() == ["Two", "One"]


def test_a_new_pod_gets_every_branch_back(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    branch = setup.git.branch("test-1")
    sha = branch.commit({"a": b"1"}, "One")
    setup.new_pod()
    setup.kube.uid = "uid-2"
    other = setup.git.commit({"b": b"2"}, "Two")
    assert (setup.served("test-1"), setup.served()) == (sha, other)
