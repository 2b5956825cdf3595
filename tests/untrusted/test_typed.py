"""Plain data of any shape becomes typed objects: strictly, or as far as it has the types, and what is left out is said."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_e2e.untrusted import typed
from platform_e2e.untrusted.documents import NoDocument
from platform_e2e.untrusted.typed import NOTES_KEPT, Finite, lenient, strict


class End(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Place(TypedDict, total=False):
    commit: str
    files: Sequence[str]


@dataclass(frozen=True)
class Leaf:
    name: str
    seconds: Finite = 1.0
    end: End = End.GOOD
    pair: tuple[Finite, Finite] = (0.0, 0.0)


@dataclass(frozen=True)
class Ended:
    test: str
    end: End


@dataclass(frozen=True)
class Whole:
    code: int | None = None
    leaves: tuple[Leaf, ...] = ()
    tests: tuple[Ended, ...] = ()
    named: Mapping[str, Leaf] = field(default_factory=dict)
    place: Place = field(default_factory=Place)
    last: Leaf | None = None
    anything: Any = None


SOUND: dict[str, Any] = {
    "code": 3,
    "leaves": [{"name": "a", "seconds": 2, "pair": [1, 2.5]}, {"name": "b", "end": "bad"}],
    "tests": [{"test": "t", "end": "good"}],
    "named": {"x": {"name": "c"}},
    "place": {"commit": "d", "files": ["e"]},
    "last": {"name": "f"},
    "anything": [{"g": None}],
    "unknown": {"of": "another version"},
}


def test_what_has_the_types_is_taken_whole_and_unknown_fields_are_ignored() -> None:
    found, odd = lenient(SOUND, Whole, "it")
    assert odd == []
    assert found == strict(SOUND, Whole)
    assert found == Whole(
        3, (Leaf("a", 2.0, pair=(1.0, 2.5)), Leaf("b", end=End.BAD)), (Ended("t", End.GOOD),), {"x": Leaf("c")},
        {"commit": "d", "files": ["e"]}, Leaf("f"), [{"g": None}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field_name", "left", "said"),
    [
        ({"code": True}, "code", None, "it: `code` must be an integer or null, got true or false; it is left out."),
        ({"leaves": {}}, "leaves", (), "it: `leaves` must be a list, got a mapping; it is left out."),
        ({"leaves": [3, {"name": "a"}]}, "leaves", (Leaf("a"),), "`leaves[0]` must be a mapping, got an integer"),
        ({"leaves": [{"name": "a", "seconds": "x"}]}, "leaves", (Leaf("a"),), "`leaves[0].seconds` must be a number"),
        ({"leaves": [{"name": "a", "seconds": 1e999}]}, "leaves", (Leaf("a"),), "`leaves[0].seconds` must be a number <="),
        ({"leaves": [{"name": "a", "seconds": 10**400}]}, "leaves", (Leaf("a"),), "seconds` must be a number, got one out of range"),
        ({"leaves": [{"name": "a", "pair": [1]}]}, "leaves", (Leaf("a"),), "`leaves[0].pair` must be a list of length 2"),
        ({"leaves": [{"name": "a", "pair": [1, "x"]}]}, "leaves", (Leaf("a"),), "`leaves[0].pair` must be a number"),
        ({"leaves": [{"name": 7}]}, "leaves", (Leaf(""),), "`leaves[0].name` must be a text, got an integer"),
        ({"tests": [{"test": "t", "end": "odd"}, {"test": "u", "end": "bad"}]}, "tests", (Ended("u", End.BAD),),
         "`tests[0].end` cannot be 'odd'"),
        ({"named": {"x": 1, "y": {"name": "c"}}}, "named", {"y": Leaf("c")}, "`named.x` must be a mapping, got an integer"),
        ({"place": {"commit": 1, "files": ["a", 2]}}, "place", {"files": ["a"]}, "`place.files[1]` must be a text"),
        ({"last": {"name": []}}, "last", Leaf(""), "`last.name` must be a text, got a list"),
        ({"last": []}, "last", None, "`last` must be a mapping or null, got a list"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_left_out_alone_and_named(
    changed: dict[str, Any], field_name: str, left: object, said: str
) -> None:
    found, odd = lenient({**SOUND, **changed}, Whole, "it")
    assert getattr(found, field_name) == left
    assert any(said in sentence for sentence in odd), odd
    whole = strict(SOUND, Whole)
    assert all(getattr(found, name) == getattr(whole, name) for name in vars(whole) if name != field_name)
    with pytest.raises(ValueError, match=r"must be|cannot be"):
        strict({**SOUND, **changed}, Whole)


def test_what_is_missing_or_null_has_its_default_or_is_empty_without_a_word() -> None:
    assert lenient({"leaves": [{}, {"name": None, "seconds": None}]}, Whole, "it") == (
        Whole(leaves=(Leaf(""), Leaf(""))),
        [],
    )
    found, odd = lenient({"tests": [{"test": "t"}]}, Whole, "it")
    assert found == Whole()
    assert odd == ["it: `tests[0]` is missing; it is left out."], "an end has no empty value"


def test_no_more_is_said_than_a_person_reads() -> None:
    _, odd = lenient({"leaves": list(range(1000)), "x" * 9999: 1}, Whole, "it")
    assert len(odd) == NOTES_KEPT + 1
    assert odd[-1] == f"it: {1000 - NOTES_KEPT} more values are left out."
    _, odd = lenient({"named": {"k" * 9999: 1}}, Whole, "it")
    assert len(odd[0]) < 2 * typed.PATH_CHARACTERS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tests": [{"test": "t", "end": "odd"}]}, ["it: `tests[0].end` cannot be 'odd'; it is left out."]),
        ({"tests": [{"test": 5, "end": {}}]}, [
            "it: `tests[0].test` must be a text, got an integer; it is left out.",
            "it: `tests[0].end` must be a text, got a mapping; it is left out.",
        ]),
        ({"place": {"files": "a"}}, ["it: `place.files` must be a list, got a text; it is left out."]),
    ],
)  # fmt: skip
def test_what_is_left_out_is_said_once(changed: dict[str, Any], said: list[str]) -> None:
    assert lenient({**SOUND, **changed}, Whole, "it")[1] == said


@pytest.mark.parametrize("data", [[], [SOUND], "text", None, 5])
def test_data_that_is_no_object_is_named(data: Any) -> None:
    found, (said,) = lenient(data, Whole, "run.json")
    assert found == Whole()
    assert said.startswith("run.json: it must be a mapping, got ")


def test_a_sentence_quotes_little_of_a_value() -> None:
    _, odd = lenient({"tests": [{"test": "t", "end": "x" * (1 << 20)}], "k": 1}, Whole, "it")
    assert len(odd) == 1
    assert odd[0].startswith("it: `tests[0].end` cannot be 'xxx")
    assert len(odd[0]) < 300


@pytest.mark.parametrize(
    ("value", "kept"),
    [(7, 0), ("x", 0), ({}, 1), ({"seconds": "x"}, 1), ([], 0), ({"end": "odd"}, 1)],
    ids=str,
)
@pytest.mark.parametrize("field_name", ["leaves", "tests", "named"])
def test_many_odd_values_take_little_time(field_name: str, value: Any, kept: int) -> None:
    many = 20_000
    data = {str(n): value for n in range(many)} if field_name == "named" else [value] * many
    began = time.process_time()
    found, odd = lenient({field_name: data, "code": "x"}, Whole, "it")
    assert time.process_time() - began < 0.5
    assert len(getattr(found, field_name)) == (0 if field_name == "tests" else kept * many)
    assert len(odd) <= NOTES_KEPT + 1


def test_half_of_a_surrogate_pair_is_left_out_alone() -> None:
    data = {"tests": [{"test": "t", "end": "\ud800"}, {"test": "u", "end": "bad"}], "\udfff": {"\ud800": 1}, "code": 3}
    found, odd = lenient(data, Whole, "it")
    assert found == Whole(3, tests=(Ended("u", End.BAD),))
    assert odd == [
        "it: `tests[0].end` must be a text of whole characters, got half of a surrogate pair; it is left out."
    ]
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        strict(data, Whole)
    with pytest.raises(NoDocument, match="must be a text of whole characters, got half of a surrogate pair"):
        strict(data, Whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SOUND, "name", "seconds", "end", "commit", "files", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_it_is_there_is_an_object_of_the_right_types(data: Any) -> None:
    found, _ = lenient(data, Whole, "it")
    assert strict({name: plain(value) for name, value in vars(found).items()}, Whole) == found


def plain(value: Any) -> Any:
    if isinstance(value, Leaf | Ended):
        return {name: plain(part) for name, part in vars(value).items()}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value
