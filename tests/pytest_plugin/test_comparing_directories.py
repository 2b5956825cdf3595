"""A run of one directory of tests is compared with others of it, and not with those of another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.pytest_plugin import comparing


def config(root: Path, *words: str, homes: tuple[str, ...] = ("e2e", "alerts"), **options: Any) -> Any:
    """Return the configuration of a run of some words of a command line."""
    return SimpleNamespace(
        rootpath=root,
        args=list(words),
        invocation_params=SimpleNamespace(dir=root),
        option=SimpleNamespace(**options),
        getini=lambda _: list(homes),
    )


@pytest.mark.parametrize(
    ("words", "homes", "whole", "kind"),
    [
        (["e2e"], ("e2e",), True, {}),
        (["e2e", "alerts"], ("e2e", "alerts"), True, {}),
        (["."], ("e2e", "alerts"), True, {}),
        (["e2e"], ("e2e", "alerts"), True, {"tests": "e2e"}),
        (["alerts"], ("e2e", "alerts"), True, {"tests": "alerts"}),
        (["alerts/test_alerts.py"], ("e2e", "alerts"), False, {}),
        (["e2e/test_a.py::test_b"], ("e2e",), False, {}),
        (["e2e"], (), False, {}),
    ],
)
def test_run_of_a_whole_directory_is_of_its_own_kind(
    words: list[str], homes: tuple[str, ...], whole: bool, kind: dict[str, str], tmp_path: Path
) -> None:
    made = config(tmp_path, *words, homes=homes)
    assert comparing._all_chosen(made) is whole
    assert comparing._directories(made) == kind


def test_run_that_passes_something_over_is_not_whole(tmp_path: Path) -> None:
    assert not comparing._all_chosen(config(tmp_path, "e2e", ignore=["e2e/test_a.py"]))
