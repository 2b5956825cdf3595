"""Which cluster is meant: one that was named, the only kept one, or that of kubectl's kubeconfig."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from platform_e2e.cluster.connection import Connection, connect
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.errors import WrongUsage
from platform_e2e.kube.errors import KubeconfigError

Make = Callable[..., ClusterDirectory]


def kubeconfig(path: Path, server: str, namespace: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    context = f"{{cluster: c{f', namespace: {namespace}' if namespace else ''}}}"
    path.write_text(
        f"""
current-context: first
contexts: [{{name: first, context: {context}}}, {{name: second, context: {{cluster: d}}}}]
clusters: [{{name: c, cluster: {{server: "http://{server}"}}}}, {{name: d, cluster: {{server: "http://second"}}}}]
"""
    )
    return path


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no cluster and no kubeconfig of the person who runs the tests."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes the place of a cluster, with a supervisor that lives as long as the test."""
    with ExitStack() as stack:

        def place(name: str, *, kept: bool = True, alive: bool = True, ready: bool = True) -> ClusterDirectory:
            made = ClusterDirectory(name)
            made.path.mkdir(parents=True)
            if kept:
                made.keep.touch()
            if alive:
                stack.enter_context(made.supervisor.held("test"))
            if ready:
                file = kubeconfig(tmp_path / name / "kubeconfig", name)
                ClusterFacts(name, "embedded", str(made.path), str(file), "v1", ()).write(made.facts_file)
            return made

        yield place


def meant(*, file: Path | None = None, cluster: str = "", context: str = "") -> Connection:
    return connect(kubeconfig=file, cluster=cluster, context=context, patience=0)


def test_the_only_kept_cluster_is_meant_where_nothing_is_said(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("mine")
    make("of-a-run", kept=False)
    make("abandoned", alive=False)
    make("half-made", ready=False)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "other", "other")))
    found = meant()
    assert (found.name, found.kube.server) == ("cluster mine", "http://mine")


def test_several_kept_clusters_have_to_be_told_apart(make: Make) -> None:
    make("one")
    make("two")
    with pytest.raises(
        WrongUsage, match="the command must name one of 2 kept clusters: one, two\n  remedy: name one by --cluster"
    ):
        meant()
    assert meant(cluster="two").kube.server == "http://two"
    release = ClusterDirectory("one").hold()
    try:
        assert meant().kube.server == "http://two", "a run is using the other one"
    finally:
        release()


def test_a_cluster_that_is_named_need_not_be_kept(make: Make) -> None:
    make("of-a-run", kept=False)
    assert meant(cluster="of-a-run").name == "cluster of-a-run"


@pytest.mark.parametrize(("there", "remedy"), [(["one"], "there are: one"), ([], "cluster list` shows the clusters")])
def test_a_cluster_that_is_not_there(make: Make, there: list[str], remedy: str) -> None:
    for name in there:
        make(name)
    with pytest.raises(WrongUsage, match=f"there is no cluster nope\n  remedy: .*{remedy}"):
        meant(cluster="nope")


def test_a_cluster_that_is_being_made(make: Make) -> None:
    make("young", ready=False)
    with pytest.raises(WrongUsage, match="cluster young is still being made\n  remedy: wait until it is; "):
        meant(cluster="young")


def test_without_a_kept_cluster_it_is_kubectls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = kubeconfig(tmp_path / "home" / ".kube" / "config", "home", "chat-dev")
    found = meant()
    assert (found.kube.server, found.namespace) == ("http://home", "chat-dev")
    assert found.name == f"context first of {home}"
    file = kubeconfig(tmp_path / "file", "file")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'absent'}:{file}")
    assert meant().kube.server == "http://file"
    assert meant(file=home).kube.server == "http://home"


def test_a_context_names_a_kubeconfigs_cluster_and_not_a_kept_one(make: Make, tmp_path: Path) -> None:
    make("mine")
    kubeconfig(tmp_path / "home" / ".kube" / "config", "home")
    assert meant(context="second").kube.server == "http://second"
    with pytest.raises(KubeconfigError, match="has no context 'third' in contexts"):
        meant(context="third")


def test_several_kubeconfigs_are_not_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [kubeconfig(tmp_path / name, name) for name in ("a", "b")]
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
    with pytest.raises(WrongUsage, match=r"\$KUBECONFIG must name one file, got .*, .*\n  remedy: .*give one"):
        meant()


def test_no_cluster_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongUsage) as error:
        meant()
    assert error.value.problem == (
        "no cluster is known: there is no kept cluster of this harness, $KUBECONFIG is not set, and "
        f"{tmp_path}/home/.kube/config does not exist"
    )
    assert error.value.remedy.startswith("give --kubeconfig FILE, or keep a cluster: ")
    monkeypatch.setenv("KUBECONFIG", "/absent/a:/absent/b")
    with pytest.raises(WrongUsage, match=r"no cluster is known: \$KUBECONFIG names /absent/a, which does not exist"):
        meant()


def test_two_clusters_at_once(make: Make, tmp_path: Path) -> None:
    make("mine")
    with pytest.raises(WrongUsage, match="--kubeconfig and --cluster name two clusters\n  remedy: give one of them"):
        meant(file=tmp_path / "x", cluster="mine")


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="cannot be read: No such file or directory\n  remedy: give the path"):
        meant(file=tmp_path / "x")
