from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.cluster import hoststate, leaks, naming
from platform_e2e.cluster.hoststate import HostState, Mark
from platform_e2e.cluster.k3d import inventory
from platform_e2e.cluster.leaks import Ending, Leak
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.errors import WrongUsage

MARK = Mark("c", "abc")


def state(*lines: str) -> HostState:
    return HostState(frozenset(lines))


def test_what_came_and_what_went_is_told() -> None:
    before = state("interface eth0", "route default/0 on eth0", "process 7 python")
    after = state("interface eth0", "interface pe-1", "cgroup /x")
    assert before.left(after) == ["cgroup /x", "interface pe-1"]
    assert before.lost(after) == ["route default/0 on eth0"]


def test_a_process_or_a_file_of_somebody_else_may_go() -> None:
    assert state("process 7 python", "file /tmp/x", "network namespace net:[7]").lost(state()) == []


@pytest.mark.parametrize(
    ("variable", "value", "seen"),
    [
        (hoststate.TOKEN, "abc", True),
        (hoststate.TOKEN, "abcd", False),
        ("PLATFORM_E2E_CLUSTER_NAME", "c", True),
        ("PLATFORM_E2E_CLUSTER_NAME", "cc", False),
    ],
)
def test_a_runs_processes_are_known_by_a_variable(
    variable: str, value: str, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    value = naming.on_host(value) if variable != hoststate.TOKEN else value
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={variable: value},
    )
    assert sleeper.stdout is not None
    sleeper.stdout.readline()
    try:
        assert any(line.startswith(f"process {sleeper.pid} ") for line in hoststate.processes(MARK)) is seen
    finally:
        sleeper.communicate()
    assert not any(line.startswith(f"process {sleeper.pid} ") for line in hoststate.processes(MARK))


def test_other_clusters_are_none_of_a_runs_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    for name in ("c", "other"):
        (paths.clusters() / name).mkdir(parents=True)
    assert MARK.others() == {naming.on_host("other")}


def test_files_outside_of_the_cache_are_seen_and_those_inside_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hoststate, "TROUBLED", (str(tmp_path),))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    before = hoststate.look(MARK)
    for name in ("cache/entry", "home/.kube"):
        (tmp_path / name).mkdir(parents=True)
    left = [line for line in before.left(hoststate.look(MARK)) if line.startswith("file ")]
    assert left == [f"file {tmp_path / 'home'}"]
    (tmp_path / "home/.kube/config").touch()
    assert f"file {tmp_path / 'home/.kube/config'}" in hoststate.look(MARK).lines


def test_what_others_are_responsible_for_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hoststate, "TROUBLED", (str(tmp_path),))
    (tmp_path / "noise").touch()
    assert f"file {tmp_path / 'noise'}" in hoststate.look(MARK).lines
    assert f"file {tmp_path / 'noise'}" not in hoststate.look(MARK, [f"file {tmp_path}/*"]).lines


def test_a_result_says_what_was_left() -> None:
    assert Leak(Ending.NORMAL, 0, 0.2).render() == "normal     status 0, clean after 0.2 s"
    told = Leak(Ending.KILL, -9, 10.0, left=("interface pe-1",), lost=("route default/0 on eth0",)).render()
    assert told.splitlines() == [
        "kill-9     status -9, NOT CLEAN after 10.0 s",
        "  left: interface pe-1",
        "  lost: route default/0 on eth0",
    ]


USE = """
import signal, sys, threading
from pathlib import Path
def clean_up():
    Path(sys.argv[1]).joinpath("cluster.json").unlink()
    Path(sys.argv[1]).rmdir()
def clean(*_):
    clean_up()
    sys.exit(2)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, clean)
Path(sys.argv[1]).mkdir(parents=True)
Path(sys.argv[2]).rename(Path(sys.argv[1]) / "cluster.json")
"""

RUN = f"{USE}threading.Event().wait(60)"


@pytest.fixture
def quiet_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Look at one directory only, as root."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(leaks, "GONE_SECONDS", 0.2)

    def look(_mark: Mark, _ignored: Sequence[str] = ()) -> HostState:
        return state(*(f"directory {path}" for path in paths.clusters().glob("*")))

    monkeypatch.setattr(hoststate, "look", look)
    return tmp_path


def a_run(box: Path, cluster: str, code: str = RUN) -> list[str]:
    facts = box / "facts.json"
    ClusterFacts("c", "fake", "", "", "", ()).write(facts)
    return [sys.executable, "-c", code, str(paths.clusters() / cluster), str(facts)]


@pytest.mark.parametrize("ending", [Ending.INTERRUPT, Ending.TERMINATE, Ending.HANG_UP])
def test_a_run_that_cleans_up_after_a_signal_is_clean(quiet_host: Path, ending: Ending) -> None:
    (result,) = leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster), endings=[ending])
    assert (result.status, result.left, result.clean) == (2, (), True)


def test_a_run_is_interrupted_too_where_the_comparison_itself_ignores_it(quiet_host: Path) -> None:
    waits = "try: threading.Event().wait(20)\nexcept KeyboardInterrupt: clean()"
    code = USE.replace("signal.SIGINT, ", "") + waits
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        (result,) = leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster, code), endings=[Ending.INTERRUPT])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.status, result.clean) == (2, True)


def test_a_run_that_nobody_cleans_up_after_is_not_clean(quiet_host: Path) -> None:
    (result,) = leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster), endings=[Ending.KILL])
    assert (result.status, result.left) == (-9, (f"directory {paths.clusters() / 'leaks-kill-9'}",))


@pytest.mark.parametrize(("ending", "status"), [(Ending.KILL, 0), (Ending.FAILING, 3)])
def test_a_run_that_ends_too_early_proves_nothing(quiet_host: Path, ending: Ending, status: int) -> None:
    program = [sys.executable, "-c", f"raise SystemExit({status})"]
    (result,) = leaks.run_leaks(lambda _, __: program, endings=[ending])
    assert not result.clean
    assert "before it had a cluster" in result.trouble


@pytest.mark.parametrize("status", [0, 5])
def test_a_run_in_which_nothing_is_broken_has_ended_as_usual(quiet_host: Path, status: int) -> None:
    code = f"{USE}\nimport time; time.sleep(0.5)\nclean_up()\nraise SystemExit({status})"
    (result,) = leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster, code), endings=[Ending.NORMAL])
    assert (result.status, result.trouble) == (status, "")


@pytest.mark.parametrize(("ending", "status"), [(Ending.NORMAL, 1), (Ending.FAILING, 0), (Ending.FAILING, 5)])
def test_a_run_that_ends_otherwise_than_meant_proves_nothing(quiet_host: Path, ending: Ending, status: int) -> None:
    code = f"{USE}\nimport time; time.sleep(0.5)\nclean_up()\nraise SystemExit({status})"
    (result,) = leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster, code), endings=[ending])
    assert result.trouble.startswith(f"it ended with status {status}")


def test_whoever_interrupts_the_comparison_leaves_no_run_behind(
    quiet_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def interrupted(process: subprocess.Popen[bytes], _cluster: object) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(leaks, "_until_in_use", interrupted)
    with pytest.raises(KeyboardInterrupt):
        leaks.run_leaks(lambda _, cluster: a_run(quiet_host, cluster), endings=[Ending.KILL])
    assert started[0].poll() is not None


def test_only_root_sees_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(WrongUsage, match="sudo -E nox -s leaks"):
        leaks.run_leaks(lambda _, __: [])


def test_what_docker_has_is_looked_at_and_other_clusters_of_ours_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    monkeypatch.setattr(hoststate, "TROUBLED", ())
    (paths.clusters() / "other").mkdir(parents=True)
    monkeypatch.setattr(
        inventory, "lines", lambda: ["docker container k3d-c-server-0", "docker volume k3d-other-images"]
    )
    asked: list[set[str]] = []

    def belongings(clusters: set[str]) -> frozenset[str]:
        asked.append(clusters)
        return frozenset({"k3d-other-images"})

    monkeypatch.setattr(inventory, "belongings", belongings)
    docker = [line for line in hoststate.look(MARK).lines if line.startswith("docker ")]
    assert docker == ["docker container k3d-c-server-0"]
    assert asked == [{naming.on_host("other")}]
