from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import cgroups, cleanup, machine, naming
from platform_e2e.cluster.cgroups import Hierarchy
from platform_e2e.cluster.embedded import provider
from platform_e2e.cluster.network import claims, links, reservations
from platform_e2e.cluster.provider import ClusterSpec
from platform_e2e.toolbox import waiting
from platform_e2e.toolbox.waiting import NotInTime

POOL = AddressRange.parse("10.89.0.200-10.89.0.220")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be a host with one cgroup hierarchy, no interfaces of ours, and a cache of its own."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cgroup").mkdir()
    monkeypatch.setattr(cgroups, "parse", lambda _text: (Hierarchy(1, tmp_path / "cgroup"),))
    monkeypatch.setattr(links, "exists", lambda _cluster: False)
    monkeypatch.setattr(links, "taken", list)
    # Other tests and real clusters of this machine claim networks too.
    monkeypatch.setattr(claims, "PREFIX", f"platform-e2e-test-{os.getpid()}/")
    yield tmp_path
    for made in (tmp_path / "cache" / "clusters").glob("*"):
        claims.drop(made)


def group_of(host: Path, cluster: str) -> Path:
    """Return the directory of a cluster in the host's hierarchy."""
    return host / "cgroup" / f"platform-e2e-{naming.on_host(cluster)}"


def directory(host: Path, name: str) -> Path:
    made = host / "cache" / "clusters" / name
    made.mkdir(parents=True, exist_ok=True)
    return made


def test_every_trace_is_found_and_then_gone(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = directory(host, "c")
    group = group_of(host, "c") / "n1"
    group.mkdir(parents=True)
    assert cleanup.find("c") == [f"cgroup {group}", f"cgroup {group.parent}", f"directory {there}"]
    cleanup.remove("c", there)
    assert cleanup.find("c") == []
    assert list(there.parent.iterdir()) == []


def test_another_clusters_traces_stay(host: Path) -> None:
    other = group_of(host, "cc") / "n1"
    other.mkdir(parents=True)
    cleanup.remove("c", directory(host, "c"))
    assert other.is_dir()


def test_removing_what_is_gone_is_no_error(host: Path) -> None:
    cleanup.remove("c", host / "cache" / "clusters" / "c")
    assert not (host / "cache" / "clusters" / "c").exists()
    assert not group_of(host, "c").exists()


def test_a_process_that_does_not_die_is_named(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "kill", lambda _hierarchies, _cluster: {4711})
    monkeypatch.setattr(cleanup, "END_SECONDS", 0.1)
    with pytest.raises(NotInTime, match="processes 4711 still run"):
        cleanup.end("c")


def test_two_clusters_do_not_choose_the_same_network(host: Path) -> None:
    first = reservations.choose(directory(host, "a"), [POOL], 1)
    second = reservations.choose(directory(host, "b"), [POOL], 1)
    assert (first.segment, second.segment) == (IPv4Network("10.89.0.0/24"), IPv4Network("10.89.1.0/24"))
    assert second.pool_map == {str(POOL): "10.89.1.200-10.89.1.220"}
    assert json.loads((directory(host, "a") / reservations.FILE).read_text())["host"] == "10.89.0.1"


def test_a_half_written_reservation_reserves_nothing(host: Path) -> None:
    (directory(host, "a") / reservations.FILE).write_text('{"segm')
    assert reservations.choose(directory(host, "b"), [POOL], 1).segment == IPv4Network("10.89.0.0/24")


def test_the_interfaces_name_fits_the_kernel_and_tells_clusters_apart() -> None:
    names = {links.interface(name) for name in ("e2e", "e2e-1", "a-name-of-20-letters")}
    assert len(names) == 3
    assert all(len(name) <= 15 and name.startswith(links.PREFIX) for name in names)


def test_what_does_not_come_says_what_it_waited_for_and_adds_the_explanation() -> None:
    with pytest.raises(NotInTime) as caught:
        waiting.wait_until(
            lambda: "n1 has not registered",
            timeout=0.05,
            what="every node is ready",
            explain=lambda: "kubelet.log: no space left on device",
            remedy="free some",
        )
    text = str(caught.value)
    assert text.startswith("every node is ready")
    assert "n1 has not registered" in text
    assert "no space left on device" in text
    assert text.endswith("remedy: free some")
    assert caught.value.exit_code == 3


def test_a_node_that_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "n1").mkdir()
    (tmp_path / "n1" / "node.log").write_text("mounting overlay on /: invalid argument\n")
    with subprocess.Popen(["false"]) as process:
        process.wait()
    look = provider.unless_ended([process], tmp_path, lambda: "the API server does not answer")
    with pytest.raises(provider.NodeEnded) as caught:
        waiting.wait_until(look, timeout=20, what="the API server is ready")
    assert f"node process {process.pid} has ended with status 1" in caught.value.problem
    assert "mounting overlay on /: invalid argument" in caught.value.problem


def test_a_living_cluster_whose_directory_is_gone_is_not_joined(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "observe", lambda: None)
    monkeypatch.setattr(machine, "judge", lambda _machine, _spec: [])
    asked = provider.EmbeddedProvider()
    assert list(asked.doctor(ClusterSpec("e2e"))) == []
    group = group_of(host, "e2e") / "n1"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("1\n")
    (problem,) = asked.doctor(ClusterSpec("e2e"))
    assert problem.fatal
    assert "an earlier cluster e2e still runs" in problem.what
    assert "another name" in problem.remedy


def test_the_ends_of_all_logs_are_told_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "n1").mkdir()
    (tmp_path / "n1" / "kubelet.log").write_text("".join(f"line {number}\n" for number in range(100)))
    told = provider.ends_of_logs(tmp_path, [])
    assert told.splitlines()[0] == "n1/kubelet.log:"
    assert "line 99" in told
    assert "line 90" not in told
