"""Small files that somebody wrote who had not seen the redactor, by every way that a text takes to a reader."""

from __future__ import annotations

import random

import pytest

from benchmarks import secrets
from benchmarks.planted.corpus import measure
from benchmarks.planted.ways import MISSED, MOST_CHANGED, WAYS

SEED = 20261129


@pytest.mark.point("secrets-withheld")
@pytest.mark.point("no-over-redaction")
@pytest.mark.parametrize("way", WAYS)
def test_what_is_missed_is_known_and_hardly_anything_innocuous_is_changed(way: str) -> None:
    done = measure(WAYS[way], random.Random(SEED))
    assert (done.planted, done.innocuous) >= (200, 200)
    assert set(done.missed) == MISSED[way]
    assert len(done.changed) <= MOST_CHANGED * done.innocuous, done.changed


@pytest.mark.point("secrets-withheld")
def test_the_benchmark_prints_every_miss_and_every_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ways = {"as it is": lambda _, text: text, "nothing": lambda _name, _text: ""}
    monkeypatch.setattr(secrets, "WAYS", ways)
    monkeypatch.setattr(secrets, "MISSED", dict.fromkeys(ways, frozenset({"netrc-one-line"})))
    assert secrets.main(["--texts", "--seed", "7"]) == 1
    said = capsys.readouterr().out
    assert "as it is, seed 7: 392 of 392 shapes missed, 0 of 245 innocuous texts changed" in said
    assert "  MISSED netrc-one-line (known)\n" in said
    assert "  MISSED xml-element\n" in said
    assert "  CHANGED tokens-count\n" in said
