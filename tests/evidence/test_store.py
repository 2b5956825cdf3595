from __future__ import annotations

import errno
import fcntl
import json
import shutil
import tarfile
from collections import namedtuple
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.evidence import store as store_module
from platform_e2e.evidence.pack import pack
from platform_e2e.evidence.store import RESERVE, Store, write_index
from platform_e2e.option_values import size


def store(path: Path, limit: int = 1_000_000) -> Store:
    return Store(path / "evidence", path / "marks" / "evidence.jsonl", limit=limit)


def index(path: Path) -> dict[str, Any]:
    return json.loads((path / "evidence" / "index.json").read_text())  # type: ignore[no-any-return]


def test_a_file_that_is_too_long_ends_with_how_much_of_it_is_missing(tmp_path: Path) -> None:
    kept = store(tmp_path, limit=100_000)
    text = "".join(f"line {number:05}\n" for number in range(2000))
    kept.text("a.log", text, "log", keep="end")
    kept.text("b.yaml", text, "objects")
    write_index(kept)
    log, objects = ((tmp_path / "evidence" / name).read_text().splitlines() for name in ("a.log", "b.yaml"))
    assert log[-2] == "line 01999", "of a log the end is kept"
    assert objects[0] == "line 00000"
    assert log[-1].endswith("of 22000 bytes left out at the start: a file has at most 10000 bytes]")
    assert objects[-1].endswith("of 22000 bytes left out at the end: a file has at most 10000 bytes]")
    left = int(log[-1].removeprefix("[").split()[0])
    assert left + sum(len(line) + 1 for line in log[:-1]) == 22000, "to the byte"
    assert [(f["path"], f["truncated"], f["of_bytes"]) for f in index(tmp_path)["files"]] == [
        ("a.log", True, 22000), ("b.yaml", True, 22000),
    ]  # fmt: skip
    assert "CUT, of 22000 bytes" in (tmp_path / "evidence" / "index.txt").read_text()


def test_all_processes_share_one_limit_and_what_did_not_fit_is_named(tmp_path: Path) -> None:
    for number in range(30):
        store(tmp_path, limit=100_000).text(f"{number:02}.txt", "x" * 9_000, "text")
    write_index(store(tmp_path, limit=100_000))
    found = index(tmp_path)
    assert sum(file["bytes"] for file in found["files"]) <= 100_000 + 200
    assert len(found["left_out"]) > 15
    assert found["left_out"][-1] == {
        "what": "29.txt (text)",
        "why": "all evidence has at most 100000 bytes (--evidence-limit)",
    }


def test_an_archive_is_whole_or_not_there(tmp_path: Path) -> None:
    kept = store(tmp_path, limit=100_000)
    kept.data("a.tar.gz", b"x" * 60_000, "the layer")
    kept.data("b.tar.gz", b"x" * 40_000, "the layer")
    write_index(kept)
    assert [file["path"] for file in index(tmp_path)["files"]] == ["b.tar.gz"]
    assert "more than half" in index(tmp_path)["left_out"][0]["why"]


def test_files_of_others_are_in_the_index_too(tmp_path: Path) -> None:
    (tmp_path / "evidence" / "test_it").mkdir(parents=True)
    (tmp_path / "evidence" / "test_it" / "captured.txt").write_text("said")
    write_index(store(tmp_path))
    assert index(tmp_path)["files"] == [
        {
            "path": "test_it/captured.txt",
            "bytes": 4,
            "what": "what the test printed and logged",
            "truncated": False,
            "of_bytes": None,
        }
    ]


def test_nothing_makes_no_index(tmp_path: Path) -> None:
    store(tmp_path).text("empty.txt", "", "nothing")
    write_index(store(tmp_path))
    assert not (tmp_path / "evidence").exists()


def test_a_disk_that_fills_up_is_told_once_and_half_a_file_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store(tmp_path)
    kept.text("before.txt", "kept\n", "text")
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    kept.text("a.txt", "not kept\n", "text")
    kept.text("b.txt", "not tried\n", "text")
    monkeypatch.undo()
    write_index(kept)
    assert kept.trouble == f"the disk is full: {tmp_path / 'evidence'} takes nothing more"
    assert {file["path"] for file in index(tmp_path)["files"]} == {"before.txt"}
    assert not (tmp_path / "evidence" / "a.txt").exists()
    assert [one["what"] for one in index(tmp_path)["left_out"]] == ["a.txt (text)", "b.txt (text)"]


def test_evidence_leaves_room_for_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, RESERVE))
    kept = store(tmp_path)
    kept.text("a.txt", "not kept\n", "text")
    assert "has 16000000 bytes left, which the results need" in kept.trouble
    assert not (tmp_path / "evidence").exists()


def test_a_ledger_that_cannot_be_written_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "marks").write_text("no directory")
    kept = store(tmp_path)
    kept.text("a.txt", "kept\n", "text")
    write_index(kept)
    assert "marks" in kept.trouble


@pytest.mark.parametrize(
    ("text", "bytes_"), [("50MB", 50_000_000), ("500kB", 500_000), ("2g", 2 * 10**9), ("123456", 123456)]
)
def test_a_size_is_written_as_people_do(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


@pytest.mark.parametrize("text", ["", "much", "-1", "50 kilo", "10"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a size|must be at least 100kB"):
        size(text)


def a_run(path: Path) -> Path:
    run = path / "artifacts" / "2026-11-24T11-56-35Z-e2e"
    (run / "evidence" / "cluster").mkdir(parents=True)
    (run / "marks").mkdir()
    (run / "run.json").write_text("{}")
    (run / "evidence" / "cluster" / "nodes.yaml").write_text("a: 1\n")
    (run / "marks" / "failed").touch()
    (run / "link").symlink_to("/etc/passwd")
    (path / "artifacts" / "latest").symlink_to(run.name)
    return run


def test_a_run_is_packed_into_one_file_the_same_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(tmp_path)
    assert cli.main(["bundle", str(tmp_path / "artifacts" / "latest")]) == 0
    archive = run.parent / f"{run.name}.tar.gz"
    first = archive.read_bytes()
    assert capsys.readouterr().out == f"{archive} ({len(first)} bytes)\n"
    assert pack(run).read_bytes() == first
    assert first[4:8] == bytes(4), "gzip's own time (RFC 1952), which would differ from one second to the next"
    with tarfile.open(archive) as tree:
        members = tree.getmembers()
    assert [one.name for one in members] == [f"{run.name}/evidence/cluster/nodes.yaml", f"{run.name}/run.json"]
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"is not the directory of a run: it has no run\.json and no timeline\.jsonl"):
        pack(tmp_path)


def test_an_archive_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(BrokenHarness, match=r"cannot be written: .*\n  remedy: make room"):
        pack(a_run(tmp_path), tmp_path / "nowhere" / "x.tar.gz")


def test_json_stays_json_whatever_its_texts_quote(tmp_path: Path) -> None:
    kept = store(tmp_path)
    data = [{"message": 'panic: bad token: "', "why": '"secret":"chat-db'}, {"password": "hunter2", "at": Path("/x")}]
    kept.json("versions.json", data, "versions")
    read = json.loads((tmp_path / "evidence" / "versions.json").read_text())
    assert read[1] == {"password": "[redacted]", "at": "/x"}
    assert read[0]["message"].startswith("panic: bad token: ")


def test_nobody_writes_between_reading_what_is_there_and_writing_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store(tmp_path)
    kept.text("a.txt", "kept\n", "text")
    replace, free = Path.replace, []

    def tried(path: Path, target: Path) -> Path:
        with (tmp_path / "marks" / "evidence.jsonl").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free.append(False)
            else:
                free.append(True)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", tried)
    write_index(kept)
    assert free == [False, False], "both files are written while the ledger is locked"


def test_a_ledger_is_parsed_once_however_much_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    parse = store_module._parsed

    def counted(text: str) -> list[Mapping[str, Any]]:
        lines.extend(text.splitlines())
        return parse(text)

    monkeypatch.setattr(store_module, "_parsed", counted)
    kept, other = store(tmp_path), store(tmp_path)
    for number in range(20):
        (other if number % 5 else kept).text(f"{number:02}.txt", "x\n", "text")
    write_index(kept)
    assert len(index(tmp_path)["files"]) == 20
    assert len(lines) <= 2 * 20, "a line is read once by each store"
