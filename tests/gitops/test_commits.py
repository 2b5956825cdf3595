from __future__ import annotations

import json
import multiprocessing
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import server
from platform_e2e.gitops.bare_repository import BareRepository, File, GitError, PlannedCommit, files_of
from platform_e2e.gitops.git import PushError, _remote, ready_pod
from platform_e2e.kube.expect import Met, Pending
from platform_e2e.kube.progress import STILL_SECONDS, Movement
from platform_e2e.layer.errors import LayerError
from tests.fakes.git_server import OnePod, Setup, git, make_layer, pod


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return make_layer(tmp_path)


def test_commit_changes_adds_and_removes(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    sha = setup.git.commit(
        {"config/cm.yaml": b"changed\n", 'config/\u00e9 "q" \\.bin': b"\x00\xff\n", "argocd/config.yaml": None},
        "Change",
    )
    assert setup.served() == sha
    assert git(setup.pod, "show", "main:config/cm.yaml") == "changed"
    names = git(setup.pod, "ls-tree", "-r", "-z", "--name-only", "main").strip("\0").split("\0")
    assert names == ["config/cm.yaml", 'config/\u00e9 "q" \\.bin']


def test_a_commit_that_changes_nothing_is_refused(setup: Setup, layer: Path) -> None:
    sha = setup.git.publish(layer).sha
    refused: list[tuple[dict[str, bytes | None], str]] = [
        ({"config/cm.yaml": b"kind: ConfigMap\n"}, "every file is like this already"),
        ({"config/cm.yaml": b"x", "absent.yaml": None}, "absent.yaml is not there to be removed"),
        ({}, "every file is like this already"),
    ]
    for changes, text in refused:
        with pytest.raises(GitError, match=text):
            setup.git.commit(changes, "Nothing")
        assert setup.served() == setup.git.head() == sha


def test_a_path_that_is_not_in_the_layer_is_refused(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    for path in ("/etc/passwd", "../x", "a/../b", ".git/config", ""):
        with pytest.raises(WrongUsage, match="the path of a file to change must be relative to the layer"):
            setup.git.commit({path: b""}, "Escape")


def test_revert_restores_the_content_by_a_new_commit(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    bad = setup.git.commit({"config/cm.yaml": None, "config/more.yaml": b"1\n"}, "Break it")
    setup.git.commit({"other.yaml": b"1\n"}, "Something else")
    reverted = setup.git.revert(bad)
    assert setup.served() == reverted
    assert git(setup.pod, "log", "-1", "--format=%an %s", "main") == 'platform-e2e Revert "Break it"'
    assert setup.git.read("config/cm.yaml") == "kind: ConfigMap\n"
    names = git(setup.pod, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert names == ["argocd/config.yaml", "config/cm.yaml", "other.yaml"]


def test_revert_that_conflicts_moves_nothing(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    first = setup.git.commit({"config/cm.yaml": b"one\n"}, "One")
    second = setup.git.commit({"config/cm.yaml": b"two\n"}, "Two")
    with pytest.raises(GitError, match=rf"{first[:12]} cannot be reverted on branch main: .*[Cc]") as caught:
        setup.git.revert(first)
    assert "revert the later commits" in str(caught.value)
    assert setup.served() == setup.git.head() == second
    assert not list(setup.directory.glob("revert-*"))
    assert not list(setup.directory.glob("worktrees/*"))


def test_revert_of_an_unknown_commit_says_so(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    for sha in ("0" * 40, "no-such"):
        with pytest.raises(GitError, match=rf"{sha[:12]} cannot be reverted on branch main"):
            setup.git.revert(sha)
        with pytest.raises(GitError, match="the branch other must exist"):
            setup.git.revert(sha, branch="other")


def test_a_branch_without_start_has_only_its_own_files(setup: Setup, layer: Path) -> None:
    main = setup.git.publish(layer).sha
    branch = setup.git.branch("e2e/heal")
    sha = branch.commit({"app/cm.yaml": b"1\n"}, "An application of its own")
    assert setup.served("e2e/heal") == sha == branch.head()
    assert git(setup.pod, "ls-tree", "-r", "--name-only", "e2e/heal") == "app/cm.yaml"
    assert branch.read("app/cm.yaml") == "1\n"
    assert branch.url == server.URL
    branch.revert(branch.commit({"app/cm.yaml": b"2\n"}, "Two"))
    assert branch.read("app/cm.yaml") == "1\n"
    assert setup.served() == main
    branch.delete()
    branch.delete()
    assert git(setup.pod, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert setup.git.branch("e2e/heal").commit({"app/cm.yaml": b"1\n"}, "Again") == setup.served("e2e/heal")


def test_a_branch_can_start_at_the_layer(setup: Setup, layer: Path) -> None:
    main = setup.git.publish(layer).sha
    branch = setup.git.branch("copy", start="main")
    assert setup.served("copy") == branch.head() == main
    assert setup.git.branch("copy", start="main").head() == main
    with pytest.raises(GitError, match="got nowhere"):
        setup.git.branch("other", start="nowhere")


def test_a_commit_belongs_to_git_as_long_as_a_branch_has_it(setup: Setup, layer: Path) -> None:
    main = setup.git.publish(layer).sha
    branch = setup.git.branch("e2e/audit", start="main")
    sha = branch.commit({"app/cm.yaml": b"1\n"}, "An application of its own")
    assert setup.git.has(main)
    assert setup.git.has(sha)
    branch.delete()
    assert not setup.git.has(sha)
    assert setup.git.has(main)
    assert not setup.git.has("f" * 40)


def test_main_cannot_be_removed(setup: Setup, layer: Path) -> None:
    setup.git.publish(layer)
    with pytest.raises(WrongUsage, match="the branch main must not be removed"):
        setup.git.delete_branch("main")


def test_head_and_read_name_what_is_missing(setup: Setup, layer: Path) -> None:
    with pytest.raises(GitError, match="must be an existing branch or commit, got main"):
        setup.git.head()
    setup.git.publish(layer)
    with pytest.raises(GitError, match=r"nothing\.yaml is not in commit"):
        setup.git.read("nothing.yaml")
    setup.git.commit({"binary": b"\xff"}, "Binary")
    with pytest.raises(GitError, match="is not text"):
        setup.git.read("binary")


def _commit_many(root: Path, worker: int) -> None:
    setup = object.__new__(Setup)
    setup.kube, setup.kubectl, setup.directory = OnePod(), root / "bin dir" / "kubectl", root / "run"
    server = setup.start()
    for number in range(3):
        server.commit({f"main-{worker}-{number}": b"x"}, "Main")
        server.branch(f"b-{worker}").commit({f"own-{number}": b"x"}, "Own")


def test_processes_commit_to_shared_and_own_branches_at_once(setup: Setup, layer: Path, tmp_path: Path) -> None:
    setup.git.publish(layer)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_commit_many, args=(tmp_path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 3
    names = git(setup.pod, "ls-tree", "-r", "--name-only", "main").splitlines()
    assert sum(name.startswith("main-") for name in names) == 9
    assert setup.served() == setup.git.head()
    for number in range(3):
        assert len(git(setup.pod, "ls-tree", "-r", "--name-only", f"b-{number}").splitlines()) == 3


def test_the_users_git_settings_and_a_hooks_variables_change_nothing(
    setup: Setup, layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[commit]\n\tgpgsign = true\n[user]\n\tname = Somebody\n[gpg]\n\tprogram = /bin/false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    setup.git.publish(layer)
    sha = setup.git.commit({"a": b"1"}, "One")
    reverted = setup.git.revert(sha)
    monkeypatch.undo()
    assert git(setup.pod, "log", "-1", "--format=%an", reverted) == "platform-e2e"
    assert not (tmp_path / "elsewhere").exists()


def test_files_of_takes_the_directory_as_it_is(layer: Path) -> None:
    subprocess.run(["git", "init", "-q", str(layer)], check=True)
    (layer / ".gitignore").write_text("ignored.yaml\n")
    (layer / "ignored.yaml").write_text("a: 1\n")
    (layer / "run.sh").write_text("#!/bin/sh\n")
    (layer / "run.sh").chmod(0o755)
    (layer / "link.yaml").symlink_to("config/cm.yaml")
    found = files_of(layer)
    assert found["ignored.yaml"] == File(b"a: 1\n")
    assert found["run.sh"] == File(b"#!/bin/sh\n", "100755")
    assert found["link.yaml"] == File(b"config/cm.yaml", "120000")
    assert not [name for name in found if name.startswith(".git/")]


def test_files_of_refuses_a_link_out_of_the_layer(layer: Path) -> None:
    (layer / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(LayerError, match="passwd: is a symbolic link to the absolute path"):
        files_of(layer)


def test_modes_and_links_are_served(setup: Setup, layer: Path) -> None:
    (layer / "run.sh").write_text("#!/bin/sh\n")
    (layer / "run.sh").chmod((layer / "run.sh").stat().st_mode | stat.S_IXUSR)
    (layer / "link.yaml").symlink_to("config/cm.yaml")
    setup.git.publish(layer)
    listing = git(setup.pod, "ls-tree", "-r", "main")
    assert "100755 blob" in listing
    assert "120000 blob" in listing


def test_move_refuses_a_branch_that_has_moved(tmp_path: Path) -> None:
    repository = BareRepository.create(tmp_path / "r")
    one, two = repository.write(None, [PlannedCommit("1", {"a": File(b"1")}), PlannedCommit("2", {"a": File(b"2")})])
    repository.move("main", one, None)
    with pytest.raises(Exception, match="cannot lock ref"):
        repository.move("main", two, None)
    repository.move("main", two, one)
    assert repository.log("main") == ((two, "2"), (one, "1"))


@pytest.mark.point("limits-by-progress")
def test_the_server_s_pod_has_the_time_that_its_image_takes(
    setup: Setup, layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.kube.ready = False
    asked = len(setup.kube.asked)

    def still(_: object) -> float:
        # The image comes once the wait has looked some times.
        setup.kube.ready = len(setup.kube.asked) > asked + 3
        return 0.0

    monkeypatch.setattr(Movement, "still", still)
    assert setup.git.publish(layer).sha == setup.served()


@pytest.mark.point("limits-by-progress")
def test_a_server_that_does_not_get_ready_any_more_is_told_with_its_image(
    setup: Setup, layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.kube.ready = False
    monkeypatch.setattr(Movement, "still", lambda _: STILL_SECONDS)
    with pytest.raises(PushError) as error:
        setup.git.publish(layer)
    assert error.value.exit_code == 3
    assert "pod git-1 is Pending ImagePullBackOff argocd:1, and nothing moves any more" in str(error.value)


@pytest.mark.parametrize(
    ("pods", "verdict"),
    [
        ([], Pending("there is no pod yet")),
        ([pod("a", ready=False)], Pending("pod a is Pending ImagePullBackOff argocd:1")),
        ([pod("a", ready=True, deleting=True)], Pending("pod a is being deleted")),
        ([pod("a", ready=True, deleting=True), pod("b", ready=True, uid="2")], Met(("b", "2"))),
    ],
)
def test_ready_pod(pods: list[dict[str, Any]], verdict: Met | Pending) -> None:
    assert ready_pod(pods) == verdict


def test_the_remote_quotes_what_git_would_split() -> None:
    remote = _remote(Path("/a b/kubectl"), Path("/k/100%"), "git-1", Path("/run/cache"))
    assert remote.startswith("ext::/a% b/kubectl --kubeconfig=/k/100%% --cache-dir=/run/cache ")
    assert remote.endswith(" exec -i git-1 --container=git -- %S /srv/platform.git")


def test_the_server_is_read_only_over_the_network_and_unprivileged(setup: Setup) -> None:
    namespace, service, deployment = setup.kube.applied
    assert [obj["kind"] for obj in setup.kube.applied] == ["Namespace", "Service", "Deployment"]
    template = deployment["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert container["image"] == "argocd:1"
    assert "receive-pack" not in json.dumps(container)
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["readinessProbe"] == {"tcpSocket": {"port": "git"}, "periodSeconds": 1}
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert (
        f"git://{service['metadata']['name']}.{namespace['metadata']['name']}.svc.cluster.local/platform.git"
        == server.URL
    )
    assert f"git init --quiet --bare --initial-branch=main {server.REPOSITORY}" in container["command"][-1]
