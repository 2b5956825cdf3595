"""An earlier run is found in what a person names, and an archive that a stranger made can do no harm."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.runs import find_run
from platform_e2e.runs.find_run import find
from platform_e2e.untrusted.members import ArchiveLimits, leads_out


def said(status: int = 1) -> bytes:
    return json.dumps({"exit_code": status, "options": {}, "verdict": {"tests": []}}).encode()


def tar(path: Path, members: Mapping[str, bytes], *others: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for other in others:
            archive.addfile(other)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def run_directory(place: Path, status: int = 1) -> Path:
    place.mkdir(parents=True)
    (place / "run.json").write_bytes(said(status))
    (place / "layer.tar.gz").write_bytes(b"copy")
    (place / "timeline.jsonl").write_text("")
    return place


def test_a_directory_its_run_json_its_name_and_latest_are_the_same_run(tmp_path: Path) -> None:
    run = run_directory(tmp_path / "artifacts" / "2026-e2e-1")
    (tmp_path / "artifacts" / "latest").symlink_to("2026-e2e-1")
    latest = tmp_path / "artifacts" / "latest"
    for what in (str(run), str(run / "run.json"), "2026-e2e-1", str(latest), str(tmp_path / "artifacts")):
        kept = find(what, tmp_path / "artifacts")
        assert (kept.name, kept.directory) == ("2026-e2e-1", run), what
        assert kept.files.keys() == {"run.json", "layer.tar.gz"}


@pytest.mark.parametrize("prefix", ["", "./", "2026-e2e-1/", "home/runner/artifacts/2026-e2e-1/"])
@pytest.mark.parametrize("mode", ["w:gz", "w", "zip"])
def test_an_archive_has_the_run_at_any_depth(tmp_path: Path, prefix: str, mode: str) -> None:
    members = {f"{prefix}run.json": said(), f"{prefix}layer.tar.gz": b"copy", f"{prefix}evidence/chat/pod.yaml": b"x"}
    path = tmp_path / "mine.tar.gz"
    kept = find(str(zipped(path, members) if mode == "zip" else tar(path, members, mode=mode)), tmp_path)
    assert kept.name == ("2026-e2e-1" if "2026" in prefix else "mine")
    assert kept.files == {"run.json": said(), "layer.tar.gz": b"copy"}
    assert list(tmp_path.iterdir()) == [path], "nothing is unpacked"


def test_of_several_runs_the_only_red_one_is_meant(tmp_path: Path) -> None:
    both = {"a-1/run.json": said(0), "b-2/run.json": said(1)}
    assert find(str(zipped(tmp_path / "ci.zip", both)), tmp_path).name == "b-2"
    unknown = {"a-1/run.json": said(5), "b-2/run.json": said(1)}
    assert find(str(zipped(tmp_path / "ci.zip", unknown)), tmp_path).name == "b-2", "what is unknown has not failed"
    for statuses, words in (
        ((1, 1), "and 2 of them were red: a-1, b-2"),
        ((0, 0), "and none of them was red: a-1, b-2"),
    ):
        path = zipped(
            tmp_path / "ci.zip", {f"{n}/run.json": said(s) for n, s in zip(("a-1", "b-2"), statuses, strict=True)}
        )
        with pytest.raises(WrongUsage, match=words) as refused:
            find(str(path), tmp_path)
        assert "unpack it and name the directory of one" in str(refused.value)


def test_a_url_is_to_be_downloaded_by_hand_and_its_token_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage) as refused:
        find("https://ci:hunter2-token@example.org/artifact.zip", tmp_path)
    assert "download the artifact by hand" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no archive")
    for what, words in (
        ("nothing", "--replay: nothing does not exist"),
        ("empty", r"must have run\.json, got none: it is not of a run, or the run was killed"),
        ("notes.txt", "is neither a directory nor a .tar.gz, .tgz, .tar or .zip"),
    ):
        with pytest.raises(WrongUsage, match=words) as refused:
            find(what if what == "nothing" else str(tmp_path / what), tmp_path)
        assert "a run's directory" in str(refused.value)


def encrypted(path: Path) -> Path:
    zipped(path, {"run.json": said()})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1  # "encrypted" in the general purpose flags
    path.write_bytes(data)
    return path


def cut(path: Path) -> Path:
    whole = tar(path, {"run.json": said(), "layer.tar.gz": bytes(range(256)) * 4000}).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "up": (lambda path: tar(path, {"a/../../run.json": said()}), "leads out of it"),
    "absolute": (lambda path: tar(path, {"run.json": said(), "/etc/cron.d/run.json": b"{}"}), "leads out of it"),
    "zip-up": (lambda path: zipped(path, {"run.json": said(), "../../.bashrc": b""}), "leads out of it"),
    "zip-absolute": (lambda path: zipped(path, {"run.json": said(), "/etc/passwd": b""}), "leads out of it"),
    "zip-backslash": (lambda path: zipped(path, {"run.json": said(), "..\\..\\x": b""}), "leads out of it"),
    "link-out": (
        lambda path: tar(path, {"r/run.json": said()}, link("r/layer.tar.gz", "../../etc/shadow")),
        "is a link to ../../etc/shadow, out of it",
    ),
    "link-absolute": (lambda path: tar(path, {"run.json": said()}, link("x", "/etc/shadow")), "out of it"),
    "hard-link": (lambda path: tar(path, {"run.json": said()}, link("x", "../y", tarfile.LNKTYPE)), "out of it"),
    "device": (
        lambda path: tar(path, {"run.json": said()}, link("x", "", tarfile.CHRTYPE)),
        "is neither a file, a directory nor a link",
    ),
    "twice": (lambda path: tar(path, {"run.json": said(), "./run.json": said(0)}), r"it has \./run\.json twice"),
    "encrypted": (encrypted, "cannot be read to its end"),
    "cut": (cut, "cannot be read to its end"),
    "terminal": (lambda path: tar(path, {"/\x1b]0;owned\x07": b""}), r"/\\x1b\]0;owned\\x07 leads out of it"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    make, words = HOSTILE[name]
    place = tmp_path / "deep" / "deeper"
    place.mkdir(parents=True)
    path = make(place / "run.tar.gz")
    with pytest.raises(WrongUsage, match=words):
        find(str(path), tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_an_archive_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_run, "LIMITS", ArchiveLimits(archive=100_000, members=10, kept=3000, file=1000))
    zeros = bytes(200_000)
    lying = zipped(tmp_path / "lying.zip", {"run.json": bytes(5000)})
    lying.write_bytes(lying.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    for path, words in (
        (tar(tmp_path / "large.tar.gz", {"run.json": bytes(2000)}), "run.json has more than 1000 bytes"),
        (tar(tmp_path / "bomb.tar.gz", {"other": zeros, "run.json": said()}), "its members must have at most"),
        (zipped(tmp_path / "bomb.zip", {"other": zeros, "run.json": said()}), "its members must have at most"),
        (zipped(tmp_path / "large.zip", {"run.json": bytes(2000)}), "has more than"),
        (tar(tmp_path / "many.tar.gz", {f"{n}": b"" for n in range(11)}), "it has more than 10 members"),
        (lying, "has more than|cannot be read"),
    ):
        with pytest.raises(WrongUsage, match=words):
            find(str(path), tmp_path)


def test_what_is_only_gzip_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"no tar" * 100))
    with pytest.raises(WrongUsage, match="is neither a directory nor"):
        find(str(path), tmp_path)


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("a/b", False),
        ("./a", False),
        ("a:b", False),
        ("..", True),
        ("a/../b", True),
        ("/a", True),
        ("", True),
        ("a\0b", True),
        ("\\\\host\\share", True),
    ],
)
def test_names_that_lead_out(name: str, out: bool) -> None:
    assert leads_out(name) is out
