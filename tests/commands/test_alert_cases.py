"""`alert-cases`: what of a run is kept, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e import cli

CASE = """# Alert A
tests:
  - name: A fires
    input_series: []
  - name: A does not fire
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "alerts").mkdir(parents=True)
    (tmp_path / "run" / "alerts" / "A.test.yaml").write_text(CASE)
    (tmp_path / "run" / "alerts" / "Always.test.yaml").write_text("tests:\n  - name: Always fires\n")
    return tmp_path / "run"


def test_cases_are_kept_and_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    words = ["alert-cases", str(run), "--to", str(kept)]
    assert cli.main(words) == 0
    assert f"{kept / 'A.test.yaml'}: new" in capsys.readouterr().out
    assert (kept / "A.test.yaml").read_text().endswith(CASE)
    assert not (kept / "Always.test.yaml").exists(), "one case alone holds whatever changes"
    (kept / "Gone.test.yaml").write_text("x")
    assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert f"{kept / 'A.test.yaml'}: as it was" in said
    assert "Gone.test.yaml: no alert of the run has such cases" in said
    (kept / "A.test.yaml").write_text("x")
    assert cli.main([*words, "--only", "A"]) == 0
    assert capsys.readouterr().out == f"{kept / 'A.test.yaml'}: changed\n"


def test_what_cannot_be_kept_is_wrong_usage(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["alert-cases", str(tmp_path), "--to", str(tmp_path)]) == 4
    assert "must have cases of alerts, got none" in capsys.readouterr().err
    assert cli.main(["alert-cases", str(run), "--to", str(tmp_path), "--only", "B"]) == 4
    assert "--only must be one of A, Always, got B" in capsys.readouterr().err
