"""What `pip install platform-e2e` brings is what the product imports, and nothing else."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import xdist.newhooks

from platform_e2e import paths

PRODUCT = ("platform_e2e", "fixtures")
"""What the wheel has; the fixtures travel as `platform_e2e.fixtures`."""

HOOKED = {"pytest-xdist": xdist.newhooks}
"""Plugins of pytest that the product works with by their hooks, which need no import."""


def normal(name: str) -> str:
    """Return a distribution's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(file: Path) -> Iterator[str]:
    """Yield the top-level names of what a module imports, wherever in it, and of what it gives to `import_module`."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def distributions(*folders: Path) -> set[str]:
    """Return the distributions that the modules below folders import from."""
    names = {name for folder in folders for file in folder.rglob("*.py") for name in imported(file)}
    foreign = names - sys.stdlib_module_names - set(PRODUCT)
    owners = packages_distributions()
    return {normal(owners[name][0]) if name in owners else f"nothing installed has {name}" for name in foreign}


def declared() -> tuple[set[str], set[str]]:
    """Return the project's dependencies, and those of its extras."""
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], [word for extra in project["optional-dependencies"].values() for word in extra]]
    always, extra = ({normal(re.split(r"[<>=!~\[; ]", word)[0]) for word in words} for words in wanted)
    return always, extra


@pytest.fixture(scope="module")
def used() -> set[str]:
    return distributions(*(paths.ROOT / folder for folder in PRODUCT))


def hooked() -> set[str]:
    """Return the plugins of which the product implements a hook."""
    files = [file for folder in PRODUCT for file in (paths.ROOT / folder).rglob("*.py")]
    written = {
        node.name
        for file in files
        if "def pytest_" in (text := file.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }
    return {
        plugin
        for plugin, hooks in HOOKED.items()
        if written & {name for name in vars(hooks) if name.startswith("pytest_")}
    }


def test_every_dependency_is_imported_by_the_product(used: set[str]) -> None:
    always, _ = declared()
    assert always - used - hooked() == set()


def test_everything_that_the_product_imports_is_declared(used: set[str]) -> None:
    always, extra = declared()
    assert used - always - extra == set()


def test_a_dependency_that_is_not_imported_or_not_declared_is_seen(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "import json\ndef late():\n    from yaml.reader import Reader\n    import nosuch\n"
    )
    assert distributions(tmp_path) == {"pyyaml", "nothing installed has nosuch"}
