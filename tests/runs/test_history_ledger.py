"""History's file: appended to by many at once, bounded, and readable whatever has happened to it."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_e2e.runs.history import changes, jsonl, record
from platform_e2e.runs.history.jsonl import Ledger
from platform_e2e.runs.history.record import RecordedRun, RecordedTest, counts
from platform_e2e.runs.verdict import Outcome, Result, verdict_on
from tests.fakes.histories import entry


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "history.jsonl", lines=10, size=2000)


def numbers(book: Ledger) -> list[int]:
    return [line["n"] for line in book.read(dict).whole]


def test_what_is_not_there_is_empty(book: Ledger) -> None:
    assert book.read(dict) == jsonl.Lines(())


def test_a_torn_line_is_counted_and_the_next_one_begins_anew(book: Ledger) -> None:
    book.append({"n": 1})
    with book.path.open("ab") as file:
        file.write(b'{"n": 2, "tes')
    book.append({"n": 3})
    assert numbers(book) == [1, 3]
    assert book.read(dict).damaged == 1
    assert book.read(dict, 1) == jsonl.Lines(({"n": 3},))


def test_the_oldest_lines_go_by_number_and_by_size(book: Ledger) -> None:
    for number in range(25):
        book.append({"n": number})
    assert numbers(book)[-1] == 24
    assert 10 <= len(numbers(book)) <= 11
    for number in range(25, 30):
        book.append({"n": number, "much": "x" * 700})
    assert numbers(book) == [28, 29]
    book.append({"n": 30, "much": "x" * 7000})
    assert numbers(book) == [30], "the newest stays, whatever its size"


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        Ledger(tmp_path / "h.jsonl").append({"n": number, "much": "x" * 5000})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert sorted(numbers(Ledger(tmp_path / "h.jsonl"))) == list(range(40))


def test_a_full_disk_leaves_the_file_as_it_was(book: Ledger) -> None:
    book.append({"n": 1})
    before = book.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            book.append({"n": 2, "much": "x" * 1000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert book.path.read_bytes() == before


def test_a_lock_that_somebody_else_holds_for_too_long_is_an_error(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "LOCK_SECONDS", 0.01)
    book.append({"n": 1})
    with book._locked(), pytest.raises(OSError, match="lock"):
        Ledger(book.path).append({"n": 2})
    assert numbers(book) == [1]


def test_a_device_is_not_read_for_ever(book: Ledger) -> None:
    book.path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        book.read(dict)
    with pytest.raises(OSError, match="not a regular file"):
        book.append({"n": 1})


def test_a_link_to_where_a_person_wants_it_stays_one(book: Ledger, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    book.path.symlink_to(tmp_path / "store" / "kept.jsonl")
    for number in range(30):
        book.append({"n": number})
    assert book.path.is_symlink()
    assert numbers(book)[-1] == 29


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_whatever_a_file_has_is_read_or_counted(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    book = Ledger(tmp_path_factory.mktemp("d") / "h.jsonl")
    book.path.write_bytes(content)
    assert book.read(RecordedRun.from_json).whole == ()
    book.append(entry().as_json())
    assert [one.id for one in book.read(RecordedRun.from_json).whole] == [entry().id]


def test_an_entry_is_the_same_after_it_was_written_and_read() -> None:
    one = entry(exempt=(("monitoring", "servicemonitor/d -n d"),), accepted=("2 tests, 3 before",))
    assert RecordedRun.from_json(json.loads(json.dumps(one.as_json()))) == one


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.sampled_from(sorted(entry().as_json())), JSON)
def test_a_damaged_field_makes_the_line_one_that_is_left_out_and_nothing_else(name: str, value: Any) -> None:
    line = {**entry().as_json(), name: value}
    try:
        read = RecordedRun.from_json(line)
    except ValueError:
        return
    # What was taken over can be used for every comparison.
    assert read.kind
    assert all(isinstance(one.seconds, float) for one in read.tests.values())


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where a line has a number."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


@pytest.mark.parametrize("number", [1e999, -1e999, 1e308, -1e14, 10**400, 10**15, "NaN"], ids=str)
@pytest.mark.parametrize("place", list(places(entry().as_json())), ids=str)
def test_a_line_with_any_number_is_left_out_or_can_be_compared_with(place: tuple[Any, ...], number: Any) -> None:
    line = json.loads(json.dumps(entry().as_json()))
    inner = line
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = float(number) if isinstance(number, str) else number
    try:
        read = RecordedRun.from_json(line)
    except ValueError:
        return
    for accept in (False, True):
        now = entry(9, tests={}, promises={"monitoring": {"verdict": "holds", "tests": {}, "figures": {}}})
        said = changes.compare(now, [entry(2), read], accept=accept)
        assert said.as_json()


def test_a_figure_that_is_no_number_to_calculate_with_is_not_remembered() -> None:
    figures = {"heal_seconds": [0.5, float("inf")], "odd_seconds": float("nan"), "odd": 10**400, "large": 10**18}
    result = Result(test="e2e/a.py::a", outcome=Outcome.PASSED, promise="selfheal", figures=figures)
    row = record.promises(verdict_on([result], complete=True))["selfheal"]
    assert row["figures"] == {"heal_seconds": [0.5, 0.5, 0.5], "large": 10**18}
    one = entry(promises={"selfheal": row})
    assert RecordedRun.from_json(json.loads(json.dumps(one.as_json()))) == one


@pytest.mark.parametrize("name", sorted({*entry().as_json()} - {"applications", "unjudged"}))
def test_an_entry_that_lacks_a_field_is_none(name: str) -> None:
    line = entry().as_json()
    del line[name]
    with pytest.raises(ValueError, match=r"is not a line of this version|lacks"):
        RecordedRun.from_json(line)


def test_a_line_has_no_secret() -> None:
    name = "e2e/test_x.py::test_x[password=hunter2-and-more]"
    one = replace(entry(), tests={name: RecordedTest("passed", 1.0)}, chosen="-k token=s3cr3t-value")
    text = json.dumps(one.as_json())
    assert "hunter2" not in text
    assert "s3cr3t" not in text


def test_counts_are_what_the_platform_offers_and_not_what_depends_on_the_moment() -> None:
    figures = {
        "targets": 3,
        "samples": 812,
        "address": ["10.89.0.200", "10.89.0.200", "10.89.0.201", None],
        "environment": "dev",
        "pool": "platform",
        "heal_seconds": 0.4,
        "rules": [2, 3],
        "ready": True,
    }
    assert counts(figures) == {"targets": 3, "addresses": 2, "environments": 1, "rules": 5}


def test_the_seconds_of_a_release_that_is_called_like_a_secret_are_kept() -> None:
    made = entry(phases={"release-secrets": 1.5, "release-token": 2.0})
    assert RecordedRun.from_json(json.loads(json.dumps(made.as_json()))).phases == made.phases
