"""promtool of the Prometheus that is pinned: parses rules as Prometheus does, and evaluates them over series that are written down.

The rules are a stranger's. promtool opens no connection for what is asked of it here, reads only the files that are named in a
directory of our own, and has bounds of time, memory and output.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, Completed, run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

NAME = "promtool"

SECONDS = 120.0
"""How long a run may take: a hundred times what the alerts of a large chart take."""

MEMORY = 2 << 30
"""Bytes of data that it may have, as the renderer of layers (RLIMIT_DATA)."""

LARGEST_RESULT = 64 << 20
"""Bytes of its results."""

STATUSES = (0, 1, 3)
"""Success, an error, and tests that fail (cmd/promtool/main.go)."""


class PromtoolError(BrokenHarness):
    """promtool cannot be run, or its results cannot be read.

    Attributes:
        reason: in a few words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"promtool {reason}", "look whether a rule is far larger than those of charts")
        self.reason = reason


@dataclass(frozen=True)
class Failures:
    """What failed.

    Attributes:
        groups: the errors of each group of tests, by file and group.
        files: why a file could not be used at all.
    """

    groups: Mapping[tuple[str, str], Sequence[str]]
    files: Mapping[str, str]


class Promtool:
    """promtool as a program.

    Args:
        program: its path.
    """

    def __init__(self, program: Path) -> None:
        self._program = program

    @classmethod
    def built(cls) -> Promtool:
        """Return it, built where this machine does not have it yet."""
        return cls(programs.ensure(Timeline(None), (NAME,)).path(NAME))

    def refusal(self, rules: Any) -> str:
        """Return why Prometheus would not load rules; empty where it would.

        Args:
            rules: the content of a file of rules, `{"groups": [...]}`.
        """
        with paths.scratch() as scratch:
            (scratch / "rules.yaml").write_text(json.dumps(rules), encoding="utf-8")
            done = self._run(["check", "rules", "--lint=none", "rules.yaml"], scratch)
        return "" if done.returncode == 0 else _without_path(done.stderr or done.stdout)

    def test(self, files: Mapping[str, str], *, timeout: float = SECONDS) -> Failures:
        """Run the unit tests among files, and return what fails.

        Args:
            files: their content by their names; those that end with `.test.yaml` are tests, and may name the others.
            timeout: seconds.

        Raises:
            PromtoolError: it ended without results.
        """
        tests = sorted(name for name in files if name.endswith(".test.yaml"))
        if not tests:
            return Failures({}, {})
        with paths.scratch() as scratch:
            for name, text in files.items():
                (scratch / name).write_text(text, encoding="utf-8")
            done = self._run(["test", "--junit=results.xml", "rules", *tests], scratch, timeout)
            results = scratch / "results.xml"
            size = results.stat().st_size if results.exists() else 0
            if not 0 < size <= LARGEST_RESULT:
                raise PromtoolError(f"must write its results, got {size} bytes: {done.stderr.strip()[-500:]}")
            return _failures(results.read_text(encoding="utf-8", errors="replace"))

    def _run(self, arguments: Sequence[str], directory: Path, timeout: float = SECONDS) -> Completed:
        bounded = shutil.which("prlimit")
        prefix = [bounded, f"--data={MEMORY}", f"--fsize={LARGEST_RESULT}", "--"] if bounded else []
        environment = {"TMPDIR": str(directory), "HOME": str(directory), "GOMAXPROCS": "2"}
        try:
            return run(
                [*prefix, self._program, *arguments],
                timeout=timeout,
                ok=STATUSES,
                cwd=directory,
                env=environment,
                alone=True,
            )
        except CommandError as error:
            raise PromtoolError(error.reason) from error


def _failures(results: str) -> Failures:
    groups: dict[tuple[str, str], list[str]] = {}
    files: dict[str, str] = {}
    # Written by promtool itself, whose encoder writes no document type: nothing can be expanded or fetched.
    for suite in ET.fromstring(results):  # noqa: S314
        name = Path(suite.get("name", "")).name
        for case in suite:
            if (error := case.findtext("error")) is not None:
                files[name] = error
            texts = [each.text or "" for each in case.findall("failure")]
            if texts:
                groups[name, case.get("name", "")] = texts
    return Failures(groups, files)


def _without_path(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    kept = [
        line.removeprefix("rules.yaml: ") for line in lines if line and "FAILED" not in line and "Checking" not in line
    ]
    return "; ".join(kept)[:1000]
