"""Each point that the harness assures about itself has a test, and the page says which."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from platform_e2e import paths
from tests.support.points import POINTS, table

TESTS = paths.ROOT / "tests"


def marks(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the points of decorators, or of what `pytestmark` is."""
    for node in nodes:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.point":
                yield ast.literal_eval(call.args[0])


def marked(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each point of a file with the test that shows it, as pytest's collection names it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(paths.ROOT).as_posix()
    assigned = [one for one in tree.body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "pytestmark"]
    of_all = [point for one in assigned for point in marks([one.value])]
    for one in tree.body:
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"):
            for point in (*of_all, *marks(one.decorator_list)):
                yield point, f"{name}::{one.name}"


def test_every_point_has_a_test_and_the_page_of_them_is_up_to_date() -> None:
    found = [pair for path in sorted(TESTS.rglob("test_*.py")) for pair in marked(path)]
    assert {point for point, _ in found} == set(POINTS)
    page = (paths.ROOT / "docs" / "assurance.md").read_text(encoding="utf-8")
    assert page == table(found), "write docs/assurance.md again: nox -s assurance"
