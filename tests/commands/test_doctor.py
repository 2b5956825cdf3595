"""The doctor names what a machine lacks, with the remedy, and finds nothing on a machine that lacks nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import cleanup
from platform_e2e.cluster import machine as machines
from platform_e2e.cluster.embedded.provider import EmbeddedProvider
from platform_e2e.cluster.provider import ClusterSpec
from tests.fakes.docker import FakeTools, tools

__all__ = ["tools"]

SOUND = machines.Machine(
    system="linux",
    root=True,
    capabilities=(1 << 41) - 1,
    disk=20 * machines.GIB,
    memory=8 * machines.GIB,
    inotify_instances=128,
    inotify_watches=65536,
    cgroups="v2",
    routes=(IPv4Network("192.168.1.0/24"),),
    missing_tools=(),
    warm=False,
)
SPEC = ClusterSpec("e2e", pools=(AddressRange.parse("10.89.0.200-10.89.0.220"),))


def test_sound_machine_has_no_problem() -> None:
    assert machines.judge(SOUND, SPEC) == []


@pytest.mark.parametrize(
    ("change", "what", "remedy"),
    [
        (
            {"system": "darwin"},
            "this is darwin: the embedded cluster is made of Linux namespaces",
            "use a provider that runs on Docker",
        ),
        ({"root": False}, "this user is not root", "sudo -E nox -s e2e"),
        ({"capabilities": (1 << 41) - 1 - (1 << 21)}, "root lacks CAP_SYS_ADMIN here", "--cap-add SYS_ADMIN"),
        (
            {"missing_tools": ("mmdebstrap",)},
            "missing on this host: mmdebstrap",
            "apt-get install --no-install-recommends mmdebstrap",
        ),
        ({"disk": 14 * machines.GIB}, "the first run, which builds everything, needs 15 GiB", "PLATFORM_E2E_CACHE"),
        ({"disk": 3 * machines.GIB, "warm": True}, "a run needs 4 GiB", "PLATFORM_E2E_CACHE"),
        ({"memory": machines.GIB}, "1.0 GiB of memory are available", "nox -s cluster -- list"),
        (
            {"inotify_instances": 64},
            "fs.inotify.max_user_instances is 64",
            "sysctl -w fs.inotify.max_user_instances=128",
        ),
        ({"inotify_watches": 10}, "fs.inotify.max_user_watches is 10", "sysctl -w fs.inotify.max_user_watches=8192"),
        ({"cgroups": ""}, "no cgroups are mounted", "mount -t cgroup2"),
    ],
)
def test_each_lack_is_named_alone_and_stops_the_run(change: dict[str, Any], what: str, remedy: str) -> None:
    (problem,) = machines.judge(replace(SOUND, **change), SPEC)
    assert what in problem.what
    assert remedy in problem.remedy
    assert problem.fatal


def test_what_another_range_answers_is_a_note() -> None:
    (problem,) = machines.judge(replace(SOUND, routes=(IPv4Network("10.0.0.0/8"),)), SPEC)
    assert "the layer's address pool 10.89.0.200-10.89.0.220 is inside 10.0.0.0/8" in problem.what
    assert not problem.fatal


def test_warm_cache_needs_less_disk() -> None:
    assert machines.judge(replace(SOUND, warm=True, disk=5 * machines.GIB), SPEC) == []


V1 = "38 31 0:35 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


@pytest.mark.parametrize(("text", "layout"), [(V1, "v1"), (V1 + UNIFIED, "hybrid"), (V2, "v2"), ("", "")])
def test_cgroup_layout_is_read_from_mountinfo(text: str, layout: str) -> None:
    assert machines.cgroup_layout(text) == layout


def test_routes_leave_the_default_out() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert machines.routes(table) == (IPv4Network("10.89.0.0/24"),)


def test_paragraph_says_problem_then_remedy() -> None:
    text = machines.render(machines.judge(replace(SOUND, memory=machines.GIB), SPEC))
    assert text.startswith(
        "problem: 1.0 GiB of memory are available; a cluster needs 4 GiB\n  remedy: end other programs"
    )


@pytest.mark.parametrize("here", [True, False])
def test_what_runs_of_an_earlier_cluster_is_in_the_way_unless_its_directory_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    monkeypatch.setattr(machines, "observe", lambda: SOUND)
    monkeypatch.setattr(cleanup, "find", lambda name: [f"process 4711 of {name}"])
    if here:
        (tmp_path / "clusters" / SPEC.name).mkdir(parents=True)
    said = [problem.what for problem in EmbeddedProvider().doctor(SPEC)]
    gone = f"an earlier cluster {SPEC.name} still runs, whose directory in {tmp_path / 'clusters'} is gone"
    assert said == ([] if here else [gone])


@pytest.mark.point("builds-what-it-uses")
@pytest.mark.parametrize(
    ("disk", "tools", "said"),
    [
        (7, False, []),
        (5, False, ["the first run, which builds argocd, helm, kubectl and kustomize, needs 6 GiB"]),
        (3, True, []),
        (0, True, ["a run needs 1 GiB"]),
    ],
)
def test_with_a_registry_disk_is_asked_for_four_tools_only(disk: int, tools: bool, said: list[str]) -> None:
    machine = replace(SOUND, disk=disk * machines.GIB, tools=tools)
    whats = [problem.what for problem in machines.resources(machine, built=False)]
    assert [what.endswith(text) for what, text in zip(whats, said, strict=True)] == [True] * len(said)


@pytest.mark.point("builds-what-it-uses")
def test_the_doctor_of_k3d_with_a_registry_asks_for_no_build(
    tmp_path: Path, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    from platform_e2e.cluster.k3d import daemon
    from platform_e2e.cluster.k3d.provider import K3dProvider
    from platform_e2e.cluster.provider import Images

    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    monkeypatch.setattr(machines, "observe", lambda: replace(SOUND, disk=7 * machines.GIB))
    monkeypatch.setattr(daemon, "may_send_frames", lambda: True)
    monkeypatch.setattr(daemon, "ask", lambda _: daemon.Daemon("28.2.2", "Debian", endpoint="unix:///s"))
    assert K3dProvider().doctor(replace(SPEC, source=Images.REGISTRY)) == []


@pytest.mark.point("builds-what-it-uses")
@pytest.mark.parametrize("command", ["doctor", "cluster list", "cluster down e2e", "history"])
def test_a_command_that_runs_none_of_the_programs_builds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from platform_e2e import cli
    from platform_e2e.toolbox import programs

    built: list[object] = []

    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    monkeypatch.setenv("PLATFORM_E2E_ARTIFACTS", str(tmp_path))
    monkeypatch.setattr(programs, "ensure", lambda *what, **_: built.append(what))
    monkeypatch.setattr("platform_e2e.cluster.k3d.image_sources.ask", lambda _: "no network in this test")
    cli.main(command.split())
    assert built == []
