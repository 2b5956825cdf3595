from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from platform_e2e import redact
from platform_e2e.pytest_plugin import redaction
from tests.support.box import Box


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_is_known_to_be_a_secret_only_later_reaches_no_result(box: Box, workers: str) -> None:
    box.tests("""
from platform_e2e import redact
@pytest.mark.promise("monitoring")
def test_a_says_it(cluster, promises, platform_e2e_run):
    platform_e2e_run.timeline.event("fact", "x", text="the code is swordfish2026")
    promises.report(figures={"code": "swordfish2026"})
@pytest.mark.promise("monitoring")
def test_b_learns_it(cluster):
    redact.learn([{"data": {"room": "c3dvcmRmaXNoMjAyNg=="}}])
""")
    status, out = box.run("e2e", "-n", workers)
    assert status == 0, out
    run = (box.artifacts / "latest").resolve()
    for name in ("run.json", "junit.xml", "timeline.jsonl"):
        text = (run / name).read_text()
        assert "swordfish2026" not in text, name
        assert "[redacted]" in text, name


def test_a_reason_to_skip_is_told_without_its_secret(box: Box) -> None:
    box.tests("""
def test_it(cluster):
    pytest.skip("cannot log in with password=hunter2")
def test_other(cluster): ...
""")
    box.run()
    (skipped,) = ET.parse(box.artifacts / "latest" / "junit.xml").iter("skipped")
    assert "password=[redacted]" in (skipped.get("message") or "")


def test_a_file_of_tests_that_cannot_be_read_is_quoted_without_its_secret(box: Box) -> None:
    box.tests("raise RuntimeError('password=hunter2')\n")
    status, _ = box.run()
    assert status == 3
    assert "hunter2" not in (box.artifacts / "latest" / "junit.xml").read_text()


def test_a_full_disk_is_named_and_does_not_hide_the_verdict(box: Box) -> None:
    # /dev/full answers every write as a full disk does.
    box.tests("""
from platform_e2e.runs import directory as runs
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises, platform_e2e_run):
    os.symlink("/dev/full", platform_e2e_run.directory / "junit.xml")
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))
    runs.atomic_write = full
    promises.report([FINDING])
""")
    status, out = box.run()
    assert status == 1, out
    assert "INTERNALERROR" not in out
    assert "cause:    the pool `default` has no free address [loadbalancer-pool-full]" in out
    assert "BROKEN" in out[out.index("= verdict =") :]
    assert out.count("No space left on device") == 2, "one line for each file"


CUT = ['panic: bad token: "', '"secret":"chat-db', "it ends with password=\\"]


@pytest.mark.parametrize("cut", CUT)
def test_a_property_that_is_json_stays_json_whatever_it_quotes(cut: str) -> None:
    findings = json.dumps([{"observed": cut, "token": "hunter2", "object": "service/chat"}])
    (read,) = json.loads(redaction._safe(findings))
    assert read["object"] == "service/chat"
    assert read["token"] == "[redacted]"


def test_a_finding_that_quotes_a_log_cut_in_a_value_is_still_a_finding(box: Box) -> None:
    box.tests(f"""
from dataclasses import replace
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises):
    promises.report([replace(FINDING, observed={CUT[0]!r})], figures={{"log": {CUT[0]!r}}})
""")
    status, out = box.run()
    assert "INTERNALERROR" not in out
    assert status == 1, out
    (test,) = box.result["verdict"]["tests"]
    assert len(test["findings"]) == 1


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timeline.jsonl").write_text("the code is swordfish2027\n")
    (tmp_path / "junit.xml").write_text("<testsuites><testcase name='password=hunter2'/></testsuites>")
    redact.learn([{"data": {"room": "c3dvcmRmaXNoMjAyNw=="}}])

    def full(_path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    works: dict[str, Callable[[], None]] = {
        "timeline.jsonl": lambda: redaction.written_before(tmp_path),
        "junit.xml": lambda: redaction.sweep(tmp_path / "junit.xml"),
    }
    for name, work in works.items():
        before = (tmp_path / name).read_text()
        with pytest.raises(OSError, match="No space left"):
            work()
        assert (tmp_path / name).read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "timeline.jsonl"], "no scratch file stays"
    monkeypatch.undo()
    redaction.written_before(tmp_path)
    assert (tmp_path / "timeline.jsonl").read_text() == "the code is [redacted]\n"
