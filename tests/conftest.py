"""What every test of the harness needs: a loopback interface, and nothing written into the tree."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import socket
import struct
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import forks, points, scenarios
from tests.support.box import Box, new_box

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
"""Of linux/sockios.h and linux/if.h."""

WAIT = frozenset(
    {
        "benchmarks/test_proxy.py",
        "cluster/test_lease.py",
        "commands/test_wait.py",
        "gitops/test_deploy.py",
        "kube/test_expect.py",
        "kube/test_lasting.py",
        "kube/test_watch.py",
        "layer/test_argocd_render.py",
        "pytest_plugin/test_run_in_a_box.py",
        "test_shell.py",
        "untrusted/test_crafted.py",
    }
)
"""Files whose tests wait for most of their time, some for processes of their own; a third of the time of all tests (measured)."""

# The tree may belong to somebody else, and a shared machine may take its time.
settings.register_profile("harness", database=None, deadline=None)
settings.load_profile("harness")


BETWEEN_COLLECTIONS = 200_000
"""Objects more than were let go of, after which garbage is collected; at CPython's 700 it takes a twentieth of the tests' time."""

TESTS = Path(__file__).parent

ASSURANCE = TESTS.parent / "docs" / "assurance.md"

SCENARIOS = TESTS.parent / "docs" / "scenarios.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the table of what the tests assure."""
    parser.addoption("--write-assurance", action="store_true", help="write docs/assurance.md and docs/scenarios.md")


def pytest_configure(config: pytest.Config) -> None:
    """Set the loopback interface up: in a fresh network namespace (`unshare -n`) it is down. Let workers be forks."""
    gc.set_threshold(BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
    config.addinivalue_line("markers", "point(id): what of docs/assurance.md the test shows")
    config.addinivalue_line("markers", "security: it shows a point of being safe with strangers")
    forks.workers_too()
    request = struct.Struct("16sh14x")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        _, flags = request.unpack(fcntl.ioctl(probe, SIOCGIFFLAGS, request.pack(b"lo", 0)))
        if not flags & IFF_UP:
            # Without the right to do so, the tests that need it say what is missing.
            with contextlib.suppress(PermissionError):
                fcntl.ioctl(probe, SIOCSIFFLAGS, request.pack(b"lo", flags | IFF_UP))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what shows a point of security, and spread what waits, so that other workers compute meanwhile."""
    marked = [(str(mark.args[0]), item) for item in items for mark in item.iter_markers("point")]
    unknown = {point for point, _ in marked} - points.POINTS.keys()
    if unknown:
        raise pytest.UsageError(
            f"tests/support/points.py must have each marked point, lacks {', '.join(sorted(unknown))}"
        )
    for point, item in marked:
        if points.POINTS[point][0] == points.SECURITY:
            item.add_marker("security")
    if config.getoption("--write-assurance"):
        ASSURANCE.write_text(points.table((point, item.nodeid) for point, item in marked), encoding="utf-8")
        SCENARIOS.write_text(scenarios.page(scenarios.marked()), encoding="utf-8")
    items[:] = _spread(items)


def _spread(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with those that wait between the files of the others, as many after each as it has of all tests."""
    files = [list(tests) for _, tests in itertools.groupby(items, lambda item: item.path)]
    # Each file's evenly from the first to the last, so that none of them is what the others wait for in the end.
    parts = [((at + 0.5) / len(file), item) for file in files if _waits(file[0]) for at, item in enumerate(file)]
    waiting = [item for _, item in sorted(parts, key=itemgetter(0))]
    computing = [file for file in files if not _waits(file[0])]
    of_all, ordered, done = sum(map(len, computing)), [], 0
    for file in computing:
        ordered += file
        due = len(waiting) * (done + len(file)) // of_all
        ordered += waiting[len(waiting) * done // of_all : due]
        done += len(file)
    return ordered or waiting


def _waits(item: pytest.Item) -> bool:
    return item.path.relative_to(TESTS).as_posix() in WAIT


def pytest_collection_finish() -> None:
    """Leave thousands of tests, which stay until the end, out of what is looked through for garbage."""
    gc.freeze()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Yield an empty box; of what was started in it nothing goes on after the test."""
    made = new_box(tmp_path)
    yield made
    for run in made.runs:
        run.end()
