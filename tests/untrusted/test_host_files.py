"""What pods and strangers leave where this harness reads and writes as root: links, named pipes and devices are refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import shell
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.embedded.provider import ends_of_logs
from platform_e2e.cluster.supervisor import Supervisor
from platform_e2e.evidence import pack
from platform_e2e.evidence.cluster_state import Beside, StateCollector
from platform_e2e.evidence.store import Store
from platform_e2e.incident import archive
from platform_e2e.report import html
from platform_e2e.timeline import Timeline
from platform_e2e.untrusted import plainfile
from tests.fakes import made_run

SECRET = "root:hunter2hunter2:19000"


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _pipe(path: Path, _secret: Path) -> None:
    os.mkfifo(path)


def _device(path: Path, _secret: Path) -> None:
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def _directory(path: Path, secret: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "x.log").symlink_to(secret)


def _linked_directory(path: Path, secret: Path) -> None:
    path.parent.joinpath("real").mkdir()
    path.parent.parent.joinpath("node2").symlink_to(secret.parent)


PLANTS: dict[str, Callable[[Path, Path], None]] = {
    "link": _link,
    "pipe": _pipe,
    "device": _device,
    "directory": _directory,
    "linked-directory": _linked_directory,
}


@pytest.fixture(params=PLANTS)
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the directory of the nodes' logs, in which a pod has planted something."""
    secret = tmp_path / "host" / "shadow.log"
    secret.parent.mkdir()
    secret.write_text(SECRET)
    made = tmp_path / "cluster" / "logs"
    (made / "node1").mkdir(parents=True)
    (made / "node1" / "kubelet.log").write_text("sound\n")
    PLANTS[request.param](made / "node1" / "x.log", secret)
    return made


def everything(place: Path) -> str:
    return "".join(
        path.read_text(errors="replace") for path in place.rglob("*") if path.is_file() and not path.is_symlink()
    )


@pytest.mark.point("host-files-stay")
def test_logs_that_are_none_are_not_in_the_evidence(logs: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "evidence", tmp_path / "ledger", limit=10**6)
    nothing: Any = None
    StateCollector(nothing, store, Beside(logs=logs))._node_logs()
    kept = everything(tmp_path / "evidence")
    assert "sound" in kept
    assert "hunter2" not in kept


@pytest.mark.point("host-files-stay")
def test_logs_that_are_none_do_not_outlive_a_cluster(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    supervisor = Supervisor.__new__(Supervisor)
    supervisor.timeline = Timeline(tmp_path / "run" / "timeline.jsonl")
    supervisor.files = ClusterDirectory("e2e")
    monkeypatch.setattr(ClusterDirectory, "path", logs.parent)
    supervisor.files.log.parent.mkdir(parents=True, exist_ok=True)
    supervisor.files.log.write_text("supervised\n")
    kept = supervisor._keep_logs()
    assert kept is not None
    assert "sound" in everything(kept)
    assert "hunter2" not in everything(kept)


@pytest.mark.point("host-files-stay")
def test_logs_that_are_none_are_not_in_an_error(logs: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    said = ends_of_logs(logs, [ended])
    assert "sound" in said
    assert "hunter2" not in said


@pytest.mark.point("host-files-stay")
@pytest.mark.parametrize("plant", [_link, _pipe])
def test_a_program_writes_its_log_through_no_link(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    plant(tmp_path / "node.log", victim)
    with pytest.raises(shell.CommandError, match="is not a plain file"):
        shell.background(["true"], log_file=tmp_path / "node.log", env={})
    assert victim.read_text() == "mine"


@pytest.mark.point("host-files-stay")
def test_no_planted_name_is_written_through(tmp_path: Path) -> None:
    """A bundle and an incident are written beside what others may have planted there."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    for name in (".run.tar.gz.new", ".incident.tar.gz.new"):
        (tmp_path / name).symlink_to(victim)
    pack.pack(run)
    archive.write(tmp_path / "incident.tar.gz", {"incident.json": b"{}"})
    assert victim.read_text() == "mine"
    assert not (tmp_path / "incident.tar.gz").is_symlink()
    assert not (tmp_path / "run.tar.gz").is_symlink()


@pytest.mark.point("host-files-stay")
def test_a_report_of_a_strangers_directory_has_no_file_of_the_host(tmp_path: Path) -> None:
    run = made_run.red(tmp_path / "run")
    secret = tmp_path / "shadow.log"
    secret.write_text(SECRET)
    for name in ("run.json", "timeline.jsonl"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(secret)
    (run / "evidence").mkdir(exist_ok=True)
    (run / "evidence" / "x.log").symlink_to(secret)
    (run / "evidence" / "index.json").unlink(missing_ok=True)
    os.mkfifo(run / "evidence" / "index.json")
    assert "hunter2" not in html.write(run).read_text()


@pytest.mark.point("host-files-stay")
def test_no_part_of_a_path_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("a")
    (tmp_path / "linked").symlink_to("real")
    assert plainfile.read(tmp_path / "real" / "a", 9, tmp_path) == b"a"
    for path in ("linked/a", "real/../linked/a", "real/../../a", "real"):
        with pytest.raises((plainfile.NotPlain, FileNotFoundError)):
            plainfile.read(tmp_path / path, 9, tmp_path)
    with pytest.raises(plainfile.NotPlain):
        plainfile.read(tmp_path / "real" / "a", 0, tmp_path)
