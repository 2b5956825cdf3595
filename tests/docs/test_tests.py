"""The tests themselves: each says what it asserts, and each of their helper modules says what it is for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from platform_e2e import paths

TESTS = paths.ROOT / "tests"
HELPERS = TESTS / "fakes" / "README.md"
ASSERTS = re.compile(r"_?(assert|check)|(raises|warns|fail|fnmatch_lines)$")
"""Names of functions that assert something for the test that calls them."""


def silent(source: str) -> Iterator[str]:
    """Yield the tests of a file that only run: without an assertion, and without a docstring that says what their end shows."""
    tree = ast.parse(source)
    for test in ast.walk(tree):
        if not isinstance(test, ast.FunctionDef) or not test.name.startswith("test_") or ast.get_docstring(test):
            continue
        called = (ast.unparse(node.func).split(".")[-1] for node in ast.walk(test) if isinstance(node, ast.Call))
        if not any(isinstance(node, ast.Assert) for node in ast.walk(test)) and not any(map(ASSERTS.match, called)):
            yield test.name


@pytest.mark.parametrize(
    "directory", sorted({path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")})
)
def test_each_test_says_what_it_asserts(directory: str) -> None:
    files = sorted((TESTS / directory).glob("test_*.py"))
    assert [f"{path.name}::{name}" for path in files for name in silent(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("act()", True),
        ("assert act()", False),
        ("assert_still(act())", False),
        ("with pytest.raises(OSError): act()", False),
        ("'''It does not raise.'''; act()", False),
    ],
)
def test_a_test_that_only_runs_is_found(body: str, found: bool) -> None:
    assert list(silent(f"def test_it() -> None:\n    {body}")) == ["test_it"] * found


def test_the_page_on_helpers_has_each_of_them_once() -> None:
    named = re.findall(r"^\| `(\w+\.py)` \|", HELPERS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for part in ("fakes", "support") for path in (TESTS / part).glob("*.py"))
