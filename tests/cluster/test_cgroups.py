from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.cluster import cgroups, naming
from platform_e2e.cluster.cgroups import Hierarchy, Layout, NoCgroups, layout, parse

pytestmark = pytest.mark.usefixtures("cache")

DATA = Path(__file__).parents[1] / "data" / "mountinfo"


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a cache of its own, whose identity the cluster's directory carries."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path_factory.mktemp("cache")))


def on_host() -> str:
    """Return the name of the cluster's directory in a hierarchy."""
    return f"platform-e2e-{naming.on_host('c')}"


def recorded(name: str) -> tuple[Hierarchy, ...]:
    return parse((DATA / f"{name}.txt").read_text())


@pytest.mark.parametrize("name", list(Layout))
def test_recorded_hosts_are_recognized(name: Layout) -> None:
    assert layout(recorded(name)) is name


def test_controllers_mounted_together_are_one_hierarchy() -> None:
    found = {each.mount_point: each.controllers for each in recorded("v1")}
    assert found[Path("/sys/fs/cgroup/cpu,cpuacct")] == ("cpu", "cpuacct")
    assert found[Path("/sys/fs/cgroup/systemd")] == ("name=systemd",)


def test_a_node_on_version_2_sees_one_mount_and_hands_controllers_on() -> None:
    hierarchies = recorded("v2")
    mounts, links = cgroups.mounts(hierarchies)
    assert [(mount["type"], mount["target"]) for mount in mounts] == [("cgroup2", "/sys/fs/cgroup")]
    assert links == {}
    assert cgroups.delegated(hierarchies) == "/sys/fs/cgroup"


def test_a_node_on_version_1_sees_the_same_hierarchies_as_the_host_and_a_link_for_each_controller() -> None:
    mounts, links = cgroups.mounts(recorded("v1"))
    options = {str(mount["target"]): mount["options"] for mount in mounts}
    assert options["/sys/fs/cgroup/cpu,cpuacct"] == ["nosuid", "nodev", "noexec", "cpu", "cpuacct"]
    assert options["/sys/fs/cgroup/systemd"] == ["nosuid", "nodev", "noexec", "none", "name=systemd"]
    assert links["/sys/fs/cgroup/cpu"] == "cpu,cpuacct"
    assert "/sys/fs/cgroup/memory" not in links
    assert cgroups.delegated(recorded("v1")) == ""


def test_a_node_on_a_hybrid_host_sees_both() -> None:
    mounts, _ = cgroups.mounts(recorded("hybrid"))
    kinds = {str(mount["target"]): mount["type"] for mount in mounts}
    assert kinds["/sys/fs/cgroup"] == "tmpfs"
    assert kinds["/sys/fs/cgroup/unified"] == "cgroup2"
    assert kinds["/sys/fs/cgroup/memory"] == "cgroup"


def test_spaces_in_a_mount_point_are_read_as_the_kernel_writes_them() -> None:
    line = r"29 22 0:25 / /a\040b rw - cgroup2 cgroup2 rw"
    assert parse(line)[0].mount_point == Path("/a b")


def test_a_second_mount_of_a_hierarchy_is_not_a_second_hierarchy() -> None:
    twice = (DATA / "v2.txt").read_text() + "41 27 0:25 /x /container/cgroup rw - cgroup2 cgroup2 rw\n"
    assert [each.mount_point for each in parse(twice)] == [Path("/sys/fs/cgroup")]


def test_read_only_hierarchies_are_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DATA / "v2.txt").read_text().replace("/sys/fs/cgroup rw,", "/sys/fs/cgroup ro,")
    monkeypatch.setattr(Path, "read_text", lambda _path: text)
    with pytest.raises(NoCgroups, match="--cgroupns=host"):
        cgroups.of_this_host()


def test_no_hierarchy_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _path: "27 1 8:1 / / rw - ext4 /dev/sda rw\n")
    with pytest.raises(NoCgroups, match="no cgroup hierarchy is mounted"):
        cgroups.of_this_host()


def v1_tree(root: Path) -> Hierarchy:
    """Make a directory that looks like a cpuset hierarchy, whose new directories have the files that a kernel makes."""
    (root / "cpuset.cpus").write_text("0-1\n")
    (root / "cpuset.mems").write_text("0\n")
    for directory in (root / on_host(), root / on_host() / "n1"):
        directory.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            (directory / name).write_text("\n")
    return Hierarchy(1, root, ("cpuset",))


def test_version_1_directories_get_their_processors_from_above(tmp_path: Path) -> None:
    made = cgroups.make([v1_tree(tmp_path)], "c", "n1")
    assert made == [tmp_path / on_host() / "n1"]
    assert (made[0] / "cpuset.cpus").read_text() == "0-1\n"
    assert (made[0] / "cpuset.mems").read_text() == "0\n"


def test_version_2_directories_get_every_controller_that_is_not_on_yet(tmp_path: Path) -> None:
    top = tmp_path / on_host()
    for directory, enabled in ((tmp_path, "cpu memory"), (top, "")):
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text("cpu memory pids\n")
        (directory / "cgroup.subtree_control").write_text(enabled)
    cgroups.make([Hierarchy(2, tmp_path)], "c", "n1")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"
    assert (top / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_a_hierarchy_that_allows_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / on_host()).write_text("a file is in the way")
    with pytest.raises(NoCgroups, match=str(tmp_path / on_host() / "n1")):
        cgroups.make([Hierarchy(1, tmp_path)], "c", "n1")


def test_processes_of_every_level_are_found_and_processes_of_other_namespaces_are_not(tmp_path: Path) -> None:
    inner = tmp_path / on_host() / "n1" / "kubepods" / "pod1"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text("12\n13\n")
    (inner.parent / "cgroup.procs").write_text("0\n14\n")
    assert cgroups.processes([Hierarchy(1, tmp_path)], "c") == {12, 13, 14}


@pytest.fixture
def running() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that waits to be ended."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def in_group(root: Path, *processes: int) -> Path:
    """Make a node's directory with processes in it, and return the file that lists them."""
    listing = root / on_host() / "n1" / "cgroup.procs"
    listing.parent.mkdir(parents=True)
    listing.write_text("".join(f"{process}\n" for process in processes))
    return listing


@pytest.mark.point("kills-only-its-own")
def test_what_runs_in_a_clusters_group_is_killed(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    in_group(tmp_path, running.pid)
    assert cgroups.kill([Hierarchy(1, tmp_path)], "c", "n2") == set()
    assert cgroups.kill([Hierarchy(1, tmp_path)], "c") == {running.pid}
    assert running.wait(10) == -signal.SIGKILL


@pytest.mark.point("kills-only-its-own")
@pytest.mark.parametrize("moment", ["before it is held", "after it is held"])
def test_a_process_that_has_the_id_of_one_that_ended_is_not_killed(
    tmp_path: Path, running: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    listing = in_group(tmp_path, running.pid)
    read = cgroups.processes

    def reads(*args: Any) -> set[int]:
        found = read(*args)
        if moment == "before it is held":
            # The cluster's process ends here, and its id is given to one that is nobody's.
            listing.write_text("")
        return found

    hold = os.pidfd_open

    def holds(process: int) -> int:
        held = hold(process)
        listing.write_text("")
        return held

    monkeypatch.setattr(cgroups, "processes", reads)
    monkeypatch.setattr(os, "pidfd_open", holds)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert cgroups.kill([Hierarchy(1, tmp_path)], "c") == set()
    assert running.poll() is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.point("kills-only-its-own")
def test_one_that_ends_while_it_is_killed_is_no_error(tmp_path: Path, running: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    in_group(tmp_path, ended.pid, running.pid)
    assert cgroups.kill([Hierarchy(1, tmp_path)], "c") == {running.pid}


def test_directories_are_removed_from_the_bottom_and_stuck_ones_are_returned(tmp_path: Path) -> None:
    stuck = tmp_path / on_host() / "n1" / "stuck"
    free = tmp_path / on_host() / "n2" / "pod"
    stuck.mkdir(parents=True)
    free.mkdir(parents=True)
    (stuck / "file").touch()
    left = cgroups.remove([Hierarchy(1, tmp_path)], "c")
    assert left == [stuck, stuck.parent, stuck.parent.parent]
    assert not free.parent.exists()
