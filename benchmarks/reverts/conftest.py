"""The fixtures of the platform's own tests, and the table at the end, which one process alone can print."""

from __future__ import annotations

import pytest

from e2e.conftest import answering, outside, sandbox
from platform_e2e import terminal

__all__ = ["answering", "outside", "sandbox"]

ROWS = pytest.StashKey[list[tuple[str, ...]]]()


@pytest.fixture
def rows(pytestconfig: pytest.Config) -> list[tuple[str, ...]]:
    """Return the rows of the table, to which a test adds one."""
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    found = config.stash.get(ROWS, [])
    if found:
        columns = ("commit", "objects changed", "live state", "seconds", "requests", "failed requests")
        width, colour = terminal.size(120)
        title = f"{len(found)} reverts"
        terminalreporter.write(terminal.table(columns, found, width=width, colour=colour, title=title, lines=False))
