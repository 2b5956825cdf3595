"""Which version of a chart a constraint means: the cases are those of Masterminds/semver's own documentation."""

from __future__ import annotations

import pytest

from platform_e2e.layer import versions

THERE = ("0.2.3", "0.3.0", "1.2.3", "1.2.9", "1.3.0", "1.10.0", "2.0.0", "2.1.0-beta.1", "3.0.0-alpha")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "2.0.0"),
        ("*", "2.0.0"),
        ("1.x", "1.10.0"),
        ("1.2.x", "1.2.9"),
        ("1", "1.10.0"),
        ("1.2", "1.2.9"),
        ("^1.2.3", "1.10.0"),
        ("^0.2.3", "0.2.3"),
        ("^0", "0.3.0"),
        ("~1.2.3", "1.2.9"),
        ("~1", "1.10.0"),
        (">=1.2 <1.3", "1.2.9"),
        (">= 1.2, < 3.0.0", "2.0.0"),
        (">1.2", "2.0.0"),
        (">2", None),
        ("<=1.3", "1.3.0"),
        ("<1.2.9 || 0.3.*", "1.2.3"),
        ("1.2 - 1.3", "1.3.0"),
        ("!=2.0.0", "1.10.0"),
        ("2.1.0-beta.1", "2.1.0-beta.1"),
        (">=2.1.0-0", "3.0.0-alpha"),
        ("v1.2.3", "1.2.3"),
        ("9.9.9", None),
        ("what?", None),
        ("1.2.3.4", None),
        ("x" * 300, None),
    ],
)
def test_a_constraint_means_the_newest_that_it_allows(wanted: str, found: str | None) -> None:
    assert versions.chosen(wanted, THERE) == found


def test_what_is_there_as_it_is_written_comes_first() -> None:
    assert versions.chosen("1.2", ["1.2", "1.2.7"]) == "1.2"
    assert versions.chosen("1.2.0", ["v1.2.0"]) == "v1.2.0"


def test_only_a_whole_version_is_exact() -> None:
    assert [each for each in ("1.2.3", "v1.2.3-rc.1", "1.2", "1.x", "", ">=1") if versions.is_exact(each)] == [
        "1.2.3",
        "v1.2.3-rc.1",
    ]
