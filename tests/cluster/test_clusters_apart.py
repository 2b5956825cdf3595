"""Clusters of two caches on one host: neither may end, take over or number its network like the other's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import cgroups, cleanup, gc, hoststate, naming
from platform_e2e.cluster.cgroups import Hierarchy
from platform_e2e.cluster.hoststate import Mark
from platform_e2e.cluster.k3d import daemon, docker_objects
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.network import claims, links, reservations
from platform_e2e.toolbox.waiting import NotInTime
from tests.fakes.docker import FakeTools, tools

__all__ = ["tools"]

pytestmark = pytest.mark.point("clusters-apart")

POOL = AddressRange.parse("10.89.0.200-10.89.0.220")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    """Be a host with one hierarchy of cgroups, and with nobody else's networks."""
    (tmp_path / "cgroup").mkdir()
    found = Hierarchy(1, tmp_path / "cgroup")
    monkeypatch.setattr(cgroups, "parse", lambda _text: (found,))
    monkeypatch.setattr(links, "exists", lambda _cluster: False)
    monkeypatch.setattr(links, "taken", list)
    monkeypatch.setattr(claims, "PREFIX", f"platform-e2e-test-{os.getpid()}/")
    monkeypatch.setattr(cleanup, "END_SECONDS", 0.2)
    return found


@pytest.fixture
def running() -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that waits to be ended."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def use(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Go on with another cache, and return the directory of its clusters."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(cache))
    return cache / "clusters"


@pytest.mark.parametrize("provider", ["embedded", ""])
def test_a_half_made_directory_does_not_end_another_caches_cluster_of_that_name(
    group: Hierarchy, running: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    use(monkeypatch, tmp_path / "a")
    (there,) = cgroups.make([group], "e2e", "n1")
    (there / "cgroup.procs").write_text(f"{running.pid}\n")
    half = use(monkeypatch, tmp_path / "b") / "e2e"
    half.mkdir(parents=True)
    if provider:
        (half / "spec.json").write_text(
            json.dumps(
                {"name": "e2e", "nodes": 1, "pools": [], "kubernetes": "", "provider": provider, "timeline": None}
            )
        )
    swept = gc.sweep()
    assert (swept.removed, swept.stuck) == (["e2e"], {})
    assert running.poll() is None, "the other cache's process was killed"
    assert there.is_dir()
    assert cleanup.find("e2e") == []


def test_what_is_called_after_a_cluster_is_called_after_its_cache_too(
    group: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for cache in ("a", "b"):
        use(monkeypatch, tmp_path / cache)
        names.append({links.interface("e2e"), str(group.directory("e2e")), naming.on_host("e2e")})
        assert len(links.interface("e2e")) <= 15
        # k3d refuses a name of more than 32 characters.
        assert len(naming.on_host("a" * 20)) <= 32
    assert not names[0] & names[1]


def test_a_cache_that_is_copied_moved_or_made_again_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path / "a")
    first = naming.on_host("c")
    naming._identity.cache_clear()
    assert naming.on_host("c") == first, "another process has the same answer"
    assert naming.in_cache(first) == "c"
    shutil.copytree(tmp_path / "a", tmp_path / "copied")
    use(monkeypatch, tmp_path / "copied")
    copied = naming.on_host("c")
    (tmp_path / "a").rename(tmp_path / "moved")
    use(monkeypatch, tmp_path / "moved")
    moved = naming.on_host("c")
    # As an archive of the cache, or another container of one image, puts it: the same place, the same word.
    shutil.copytree(tmp_path / "moved", tmp_path / "a")
    use(monkeypatch, tmp_path / "a")
    naming._identity.cache_clear()
    assert len({first, copied, moved, naming.on_host("c")}) == 4


def test_two_that_come_at_once_give_a_cache_one_identity(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: naming._read(tmp_path / "new" / naming.FILE)[0], range(32)))) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == [naming.FILE]


def test_a_cache_that_cannot_be_written_has_nobodys_clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    use(monkeypatch, tmp_path / "file" / "cache")
    assert naming.is_ours(naming.on_host("c"))


def test_clusters_of_two_caches_have_networks_of_their_own_before_either_is_made(
    group: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, directories = [], []
    for cache in ("a", "b"):
        directories.append(use(monkeypatch, tmp_path / cache) / "e2e")
        directories[-1].mkdir(parents=True)
        chosen.append(reservations.choose(directories[-1], [POOL], 1).segment)
    assert chosen == [IPv4Network("10.89.0.0/24"), IPv4Network("10.89.1.0/24")]
    assert set(chosen) <= set(claims.claimed())
    # One that is made again is not in its own way.
    assert reservations.choose(directories[1], [POOL], 1).segment == chosen[1]
    for cache, directory in zip(("a", "b"), directories, strict=True):
        use(monkeypatch, tmp_path / cache)
        claims.drop(directory)
    assert claims.claimed() == []


def test_a_claim_goes_with_the_process_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PREFIX", f"platform-e2e-test-{os.getpid()}/")
    program = (
        "import sys; from ipaddress import IPv4Network; from pathlib import Path\n"
        "from platform_e2e.cluster.network import claims\n"
        f"claims.PREFIX = {claims.PREFIX!r}\n"
        f"claims.claim(Path({str(tmp_path / 'clusters' / 'c')!r}), IPv4Network('10.89.7.0/24'))\n"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PLATFORM_E2E_CACHE": str(tmp_path)},
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert claims.claimed() == [IPv4Network("10.89.7.0/24")]
        other.kill()
    assert claims.claimed() == []


def test_two_processes_do_not_choose_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "CHOOSING_SECONDS", 0.05)
    with (
        claims.choosing(),
        pytest.raises(NotInTime, match="another process chooses one"),
        claims.choosing(),
    ):
        pass
    with claims.choosing():
        pass


def test_a_cluster_of_k3d_is_called_after_its_cache_wherever_docker_knows_it(
    tools: FakeTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "parse", lambda _text: ())
    monkeypatch.setattr(links, "exists", lambda _cluster: False)
    monkeypatch.setattr(daemon, "ask", lambda _docker: Daemon("27"))
    half = use(monkeypatch, tmp_path / "b") / "e2e"
    half.mkdir(parents=True)
    Docker().write(half / docker_objects.DAEMON)
    (half / "spec.json").write_text(
        json.dumps({"name": "e2e", "nodes": 1, "pools": [], "kubernetes": "", "provider": "k3d", "timeline": None})
    )
    tools.says("docker network inspect", "[]", err="No such network", status=1)
    assert gc.sweep().removed == ["e2e"]
    own = naming.on_host("e2e")
    asked = tools.asked()
    assert any(f"label=k3d.cluster={own}" in line for line in asked)
    assert not [line for line in asked if line.endswith(("k3d.cluster=e2e", "k3d-e2e"))]


def test_another_caches_cluster_is_none_of_a_runs_leaks(
    group: Hierarchy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, tmp_path / "a")
    (theirs,) = cgroups.make([group], "leaks", "n1")
    use(monkeypatch, tmp_path / "b")
    (ours,) = cgroups.make([group], "leaks", "n1")
    monkeypatch.setattr(hoststate, "TROUBLED", ())
    lines = hoststate.look(Mark("leaks", "x")).lines
    assert f"cgroup {ours.parent}" in lines
    assert f"cgroup {theirs.parent}" not in lines
