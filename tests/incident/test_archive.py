"""An archive is read as hostile input: whatever no capture writes is refused, with a text that says what it was."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.incident import archive
from platform_e2e.incident.archive import files_of
from platform_e2e.incident.model import SCHEMA, Incident, parse
from platform_e2e.incident.reproduce import drift_documents
from platform_e2e.untrusted.members import UnsafeArchive
from tests.fakes.incidents import FINDING, drift

HEAD = {"incident.json": b"{}"}


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def test_what_is_written_is_read_again_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    files = {"incident.json": b"{}", "layer/argocd/one.yaml": b"a: 1\n", "events.txt": b""}
    path = tmp_path / "incident.tar.gz"
    archive.write(path, files)
    assert archive.read(path) == files
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in tmp_path.iterdir()] == ["incident.tar.gz"]


def test_what_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "addfile", stop)
    with pytest.raises(KeyboardInterrupt):
        archive.write(tmp_path / "a", HEAD)
    assert list(tmp_path.iterdir()) == []


def test_the_same_incident_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive.write(tmp_path / name, HEAD)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "layer/../../outside", "..\\b", "a\nb", "x" * 500])
def test_a_name_that_leads_out_or_cannot_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "a.tar.gz", (member(name), b"x"))
    with pytest.raises(UnsafeArchive, match=r"leads out of it|a name that is too long or cannot be printed"):
        archive.read(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = packed(tmp_path / "a.tar.gz", (member("layer/link", type=kind, linkname="/etc/passwd"), b""))
    with pytest.raises(UnsafeArchive, match=r"it is not a plain file|is a link to|is neither a file"):
        archive.read(path)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_no_file_is_there_twice_or_below_another_one(tmp_path: Path, names: tuple[str, str]) -> None:
    path = packed(tmp_path / "a.tar.gz", *((member(name), b"x") for name in names))
    with pytest.raises(UnsafeArchive, match=r"it has .* twice"):
        archive.read(path)


def test_a_bomb_is_ended_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "MOST_FILES", 10)
    zeros = packed(tmp_path / "a.tar.gz", (member("layer/zeros"), bytes(3 << 20)))
    assert zeros.stat().st_size < 10_000
    with pytest.raises(UnsafeArchive, match="layer/zeros has more than 1 MiB"):
        archive.read(zeros)
    # One whose header says nothing of its size: a name of some megabytes in an extended header.
    long = packed(tmp_path / "b.tar.gz", (member("n" * (3 << 20)), b""))
    with pytest.raises(UnsafeArchive, match="it has a header of more than"):
        archive.read(long)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.tar.gz", *((member(f"f{index}"), b"") for index in range(12)))
    monkeypatch.setattr(archive, "MOST_FILES", 10)
    with pytest.raises(UnsafeArchive, match="more than 10 members"):
        archive.read(path)


@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda _: b"no archive", lambda _: gzip.compress(b"no tar" * 200)]
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.tar.gz"
    archive.write(path, {"incident.json": bytes(range(256)) * 64})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UnsafeArchive, match=r"a\.tar\.gz is not read: it (is neither|cannot be read)"):
        archive.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"nowhere cannot be read: No such file"):
        archive.read(tmp_path / "nowhere")


def test_an_incident_that_is_too_large_asks_for_fewer_applications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 10)
    with pytest.raises(WrongUsage, match="--app NAME"):
        archive.write(tmp_path / "a", {"a": bytes(11)})


def incident() -> Incident:
    return Incident(
        captured="2026-01-01T00:00:00Z",
        harness="0.1",
        cluster="context prod",
        kubernetes="v1.34.4",
        nodes=3,
        apps=("one",),
        revision="a" * 40,
        missed={"foundations": "forbidden: no"},
        drift=(drift(),),
        findings=(FINDING,),
        alerts=({"alertname": "Down"},),
    )


def test_an_incident_comes_back_as_it_was() -> None:
    files = files_of(incident(), [], [])
    assert parse(files, drift_documents(files)) == incident()


def test_another_schema_is_refused_with_the_version_that_wrote_it() -> None:
    files = files_of(incident(), [], [])
    head = json.loads(files["incident.json"]) | {"schema": SCHEMA + 1, "harness": "9.9"}
    with pytest.raises(WrongUsage, match=r"must have schema 1, got 2, written by platform-e2e 9\.9"):
        parse({**files, "incident.json": json.dumps(head).encode()}, [])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("incident.json", b"[]", "must be a mapping"),
        ("incident.json", b"{", "cannot be read as JSON"),
        ("incident.json", b"[" * 100_000, "cannot be read as JSON"),
        ("findings.json", b"{}", "must be a list"),
        ("findings.json", b"[1]", "entry 1: must be a mapping, got an integer"),
        ("findings.json", b'[{"object": "a", "cause": 1}]', "`a`: `cause` must be a mapping, got an integer"),
        ("findings.json", b'[{"object": "a", "cause": {"id": 1}}]', "`a`: `cause.id` must be a text, got an integer"),
        ("foundations.json", b'[{"name": "a"}]', "`a`: must have the field `namespace`"),
        ("alerts.json", b'[{"a": "b"}, {"a": 1}]', "entry 2: .* must be a text, got an integer"),
        ("incident.json", b'{"schema": 1, "captured": "", "harness": "", "cluster": 1}', "`cluster` must be a text"),
        ("incident.json", b'{"schema": 1, "captured": ""}', "must have the field `harness`"),
    ],
)
def test_a_part_that_is_none_is_named(name: str, content: bytes, words: str) -> None:
    files = files_of(incident(), [], []) | {name: content}
    with pytest.raises(WrongUsage, match=f"{name} of the incident.* {words}"):
        parse(files, [])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"change": "other"}, "configmap/one -n one: `change` must be one of changed, .*, got `other`"),
        (
            {"live": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}}},
            "configmap/one -n one: `live` must be the same object, got another one",
        ),
        ({"live": {"metadata": 1}}, "configmap/one -n one: `live`: "),
        ({"change": "extra", "live": None}, "configmap/one -n one: `live` must be the object where"),
        ({"differences": [{"path": "/data"}]}, r"`one`: `differences\[0\]` must have the field `expected`"),
        ({"kind": ["v1/ConfigMap"]}, "`one`: `kind` must be a text, got a list"),
    ],
)
def test_drift_that_does_not_fit_is_refused(spoil: dict[str, Any], words: str) -> None:
    files = files_of(incident(), [], [])
    documents: list[Any] = drift_documents(files)
    with pytest.raises(WrongUsage, match=f"invalid entry in drift of the incident: {words}"):
        parse(files, [{**documents[0], **spoil}])


def test_drift_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(WrongUsage, match=r"drift/a\.yaml of the incident cannot be read as YAML"):
        drift_documents({"drift/a.yaml": b"a: [1"})
