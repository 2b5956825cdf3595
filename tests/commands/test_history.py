"""`platform-e2e history` and what the runs before are read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.runs import digest
from platform_e2e.runs.history.jsonl import Ledger
from tests.fakes.histories import entry


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_E2E_ARTIFACTS", str(tmp_path))
    return tmp_path


def fill(artifacts: Path) -> None:
    for one in (entry(1), entry(2, exit_code=1), entry(3, whole=False, accepted=("2 tests, 3 before",))):
        Ledger(artifacts / "history.jsonl").append(one.as_json())
    Ledger(artifacts / "flakes.jsonl").append(
        {"test": "t", "verdicts": ["passed", "failed"], "runs": ["x", entry(2).id]}
    )
    with (artifacts / "history.jsonl").open("a") as file:
        file.write("{torn")


def test_a_table_has_verdict_time_heal_and_flakes(artifacts: Path, capsys: Any) -> None:
    fill(artifacts)
    assert cli.main(["history"]) == 0
    out, err = capsys.readouterr()
    first, second, third = (line.split("│") for line in out.splitlines()[2:])
    assert [word.strip() for word in first[1:]] == [
        "holds", "3 of 3", "1 min 58 s", "0.40 s", "", "embedded, 1 node(s)",
        "4fc39cf24fe1 (1a1e)",
    ]  # fmt: skip
    assert (second[1].strip(), second[5].strip()) == ("BROKEN", "1")
    assert third[1].split(",")[1].strip() == "in part"
    assert "1 damaged or unknown line(s)" in err


def test_json_is_for_scripts(artifacts: Path, capsys: Any) -> None:
    fill(artifacts)
    assert cli.main(["history", "--json", "--last", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == [entry(2).id, entry(3).id]
    assert rows[0]["flakes"] == 1
    assert rows[0]["heal_median_seconds"] == 0.4
    assert rows[1]["accepted"] == ["2 tests, 3 before"]


def test_without_a_run_it_says_so(artifacts: Path, capsys: Any) -> None:
    assert cli.main(["history"]) == 0
    assert capsys.readouterr().out == f"no run has left a line in {artifacts}/history.jsonl yet\n"


@pytest.mark.usefixtures("artifacts")
def test_no_number_is_wrong_usage(capsys: Any) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["history", "--last", "none"])
    assert error.value.code == 4
    assert "must be a whole number from 1 on, got `none`" in capsys.readouterr().err


def test_a_digest_is_of_names_contents_links_and_executable_bits(tmp_path: Path) -> None:
    def seen() -> str:
        return digest.tree(tmp_path / "layer", tmp_path / "conftest.py")

    (tmp_path / "layer" / "a").mkdir(parents=True)
    (tmp_path / "conftest.py").write_text("x")
    file = tmp_path / "layer" / "a" / "b.yaml"
    file.write_text("b")
    digests = [seen()]
    file.write_text("c")
    digests.append(seen())
    file.chmod(0o755)
    digests.append(seen())
    file = file.rename(file.with_name("c.yaml"))
    digests.append(seen())
    (tmp_path / "layer" / "link").symlink_to("a")
    digests.append(seen())
    (tmp_path / "conftest.py").write_text("y")
    digests.append(seen())
    assert len(set(digests)) == len(digests)
    (tmp_path / "layer" / "__pycache__").mkdir()
    (tmp_path / "layer" / "__pycache__" / "x.pyc").write_text("x")
    file.touch()
    assert seen() == digests[-1], "neither a cache nor a time is content"


def test_what_cannot_be_read_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(Path, "read_bytes", _refuse)
    assert digest.tree(tmp_path) == ""
    assert digest.head(tmp_path) == "", "it is no checkout"


def _refuse(path: Path) -> bytes:
    raise PermissionError(13, "denied", str(path))
