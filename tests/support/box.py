"""A directory with tests of a platform that does not exist, and whole runs of pytest over them."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import forks, harness_in_a_box

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

ROOT = Path(__file__).resolve().parents[2]

RUN_SECONDS = 50.0
"""How long a run may take; the longest needs about five."""

HEADER = """
import contextlib, os, pytest, threading
from platform_e2e.errors import BrokenHarness, BrokenPlatform
from platform_e2e.finding import Cause, Finding, Promise

FINDING = Finding(
    "Service/chat -n chat-dev", Promise.LOADBALANCER, "an address of 10.89.0.200-10.89.0.220", "no address",
    Cause("loadbalancer-pool-full", "the pool `default` has no free address", "Widen the pool."),
)
"""


class Run:
    """A run of pytest in a process of its own."""

    def __init__(self, process: ForkServerProcess, out: Path) -> None:
        self._process = process
        self._out = out

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def end(self) -> None:
        """Kill it where it still runs."""
        forks.end(self._process)

    def finish(self, timeout: float = RUN_SECONDS) -> tuple[int, str]:
        """Return the exit status and what the run printed; one that takes longer than ``timeout`` seconds is killed."""
        self._process.join(timeout)
        status = self._process.exitcode
        self.end()
        out = self._out.read_text()
        assert status is not None, f"not finished in {timeout:g} s:\n{out}"
        return status, out


@dataclass
class Box:
    """A directory with tests of a platform that does not exist."""

    directory: Path
    environment: dict[str, str]
    runs: list[Run] = field(default_factory=list)

    def tests(self, code: str) -> None:
        (self.directory / "e2e" / "test_it.py").write_text(HEADER + code)

    def start(self, *args: str, **environment: str) -> Run:
        words = ["-p", "no:cacheprovider", "-p", "xdist.plugin", *(args or ("e2e",))]
        # Beside the directory: what a run leaves in it is looked at.
        out = self.directory.with_name(f"{self.directory.name}.out")
        out.write_text("")
        process = forks.start(
            _pytest, words, out, env={**os.environ, **self.environment, **environment}, directory=self.directory
        )
        self.runs.append(Run(process, out))
        return self.runs[-1]

    def run(self, *args: str, **environment: str) -> tuple[int, str]:
        return self.start(*args, **environment).finish()

    @property
    def notes(self) -> list[str]:
        path = Path(self.environment["HARNESS_IN_A_BOX"])
        return path.read_text().splitlines() if path.exists() else []

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts"

    @property
    def result(self) -> dict[str, Any]:
        return json.loads((self.artifacts / "latest" / "run.json").read_text())  # type: ignore[no-any-return]


def new_box(directory: Path) -> Box:
    for name in ("e2e", "layer"):
        (directory / name).mkdir()
    (directory / "conftest.py").write_text(harness_in_a_box.conftest(ROOT))
    (directory / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    environment = {
        "PLATFORM_E2E_CACHE": str(directory / "cache"),
        "PLATFORM_E2E_ARTIFACTS": str(directory / "artifacts"),
        "PLATFORM_E2E_LAYER": str(directory / "layer"),
        "HARNESS_IN_A_BOX": str(directory / "notes"),
        # Nothing beside the harness's own files; nox says where else what is compiled may be kept.
        "PYTHONDONTWRITEBYTECODE": "" if sys.pycache_prefix else "1",
        # On GitHub these tests run in a job with a page of its own.
        "GITHUB_STEP_SUMMARY": "",
        # A third of the time; test_options.py loads all plugins together.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COLUMNS": "140",
    }
    return Box(directory, environment)


def unjudge(box: Box, **accepted: str) -> None:
    """Let three Applications of the box's layer be judged, and two not."""
    known = [
        {
            "object": f"application/{name} -n argocd",
            "reason": reason,
            "problem": f"what {name} needs is not here",
            "remedy": "fetch it",
            "file": f"apps/{name}.yaml",
            "line": 3,
        }
        for name, reason in (("certs", "chart"), ("vault", "plugin"))
    ]
    accepts = [{"object": f"application/{name} -n argocd", "reason": reason} for name, reason in accepted.items()]
    told = {"applications": 3, "not_judged": known, "accepted": accepts}
    (box.directory / "layer" / "coverage.json").write_text(json.dumps(told))


def _pytest(words: list[str], out: Path) -> None:
    """Be `python -m pytest WORDS` in that directory."""
    from tests.support.preloaded import OF_THE_HARNESS, PLUGINS

    metadata.distributions = lambda **_: PLUGINS
    OF_THE_HARNESS.remember()
    sys.argv = ["pytest", *words]
    sys.path.insert(0, str(Path.cwd()))
    # Its workers append to the same file.
    with out.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    forks.workers_too()
    sys.exit(pytest.console_main())
