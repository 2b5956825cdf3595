"""The directory that one run leaves behind, shared by every process of the run."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from platform_e2e import paths, redact
from platform_e2e.atomic import atomic_write
from platform_e2e.settings import Settings
from platform_e2e.timeline import Timeline


@dataclass
class Run:
    """One run as its processes know it.

    Attributes:
        settings: what was chosen.
        directory: of the run's results; made by `begin`.
        end: monotonic second at which the deadline is reached, the same in every process of the run.
        timeline: of the run, in its directory.
        before: lines of a timeline from before the run had a directory.
        interrupted: monotonic second at which it was told to end; what fails after that fails because of it.
        source: what the layer under test was when the run began: name, commit, uncommitted changes, checksums.
        earlier: name of the directory that `latest` pointed to before.
    """

    settings: Settings
    directory: Path
    end: float
    timeline: Timeline = field(init=False)
    before: str = ""
    interrupted: float = math.inf
    source: dict[str, Any] = field(default_factory=dict)
    earlier: str = ""

    def __post_init__(self) -> None:
        """Put the timeline in the directory; its first event makes the file."""
        self.timeline = Timeline(self.directory / "timeline.jsonl")

    @classmethod
    def plan(cls, settings: Settings) -> Run:
        """Return a new run; its directory does not exist yet."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        directory = settings.artifacts / f"{stamp}-{settings.cluster}"
        number = 1
        while directory.exists():
            number += 1
            directory = settings.artifacts / f"{stamp}-{settings.cluster}-{number}"
        return cls(settings, directory, time.monotonic() + settings.deadline)

    @property
    def id(self) -> str:
        """Return what tells this run from every other one of this machine."""
        return self.directory.name

    @property
    def junit(self) -> Path:
        """Return where JUnit XML goes unless --junitxml says otherwise."""
        return self.directory / "junit.xml"

    @property
    def scratch(self) -> Path:
        """Return the directory of what tests write for themselves; it goes with the end of the run."""
        return self.directory / "scratch"

    def begin(self) -> None:
        """Make the directory, let `latest` beside it point there, and let the deadline's clock run.

        What happened before, such as the first build of all programs, has limits of its own.
        """
        paths.hide_from_git(self.directory.parent)
        self.directory.mkdir(exist_ok=True)
        if self.before:
            (self.directory / "timeline.jsonl").write_text(self.before, encoding="utf-8")
        self.end = time.monotonic() + self.settings.deadline
        latest = self.directory.parent / "latest"
        self.earlier = latest.readlink().name if latest.is_symlink() else ""
        self._lead_to(self.directory.name)

    def withdraw(self) -> None:
        """Let `latest` point again to the run before this one: nothing was tested."""
        if self.earlier and (self.directory.parent / self.earlier).is_dir():
            self._lead_to(self.earlier)

    def _lead_to(self, name: str) -> None:
        """Let `latest` point to the directory of that name, in one step."""
        link = self.directory.parent / f".latest-{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        link.replace(self.directory.parent / "latest")

    def claim(self, name: str) -> bool:
        """Tell whether this call is the run's first with that name, over all its processes."""
        marks = self.directory / "marks"
        try:
            marks.mkdir(parents=True, exist_ok=True)
            (marks / name.replace("/", "-")).touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError as error:
            # On a full disk each process is the first: said twice is better than not at all.
            self.timeline.trouble = f"{marks} takes nothing more: {error.strerror}"
        return True

    @property
    def failed(self) -> bool:
        """Tell whether any process of the run has called `fail`."""
        return (self.directory / "marks" / "failed").exists()

    def fail(self) -> None:
        """Remember that something failed; a cluster kept on failure asks for it."""
        self.claim("failed")

    def keeps(self) -> bool:
        """Tell whether the cluster outlives the run, as things stand."""
        return self.settings.keep == "always" or (self.settings.keep == "on-failure" and self.failed)

    @contextlib.contextmanager
    def phase(self, name: str, title: str = "") -> Iterator[None]:
        """Record a phase; an error that leaves it knows the phase, so that what depends on it is blocked by it.

        Of several processes that go through it the first is the one that does the work and is recorded.
        """
        timeline = self.timeline if self.claim(f"phase-{name}") else Timeline(None)
        with timeline.phase(name, title):
            try:
                yield
            except Exception as error:
                if not phase_of(error):
                    error.add_note(f"phase: {name}")
                raise

    def events(self) -> list[dict[str, Any]]:
        """Return what the timeline has so far, without what threads still wrote after an interruption."""
        path = self.timeline.path
        if path is None or not path.exists():
            return []
        events = []
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # a line that a full disk has cut off
                events.append(json.loads(line))
        return [event for event in events if event["mono"] <= self.interrupted]

    def write_json(self, name: str, data: object) -> Path:
        """Store plain data in the directory, redacted, so that a reader sees the whole or nothing."""
        path = self.directory / name
        try:
            atomic_write(path, json.dumps(redact.plain(data), indent=1, default=str) + "\n")
        except OSError as error:
            self.timeline.trouble = f"{path} cannot be written: {error.strerror}"
        return path

    def write_text(self, name: str, content: str) -> None:
        """Store a text without secrets in the directory, or say at the end of the run why it is not there."""
        path = self.directory / name
        try:
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            self.timeline.trouble = f"{path} cannot be written: {error.strerror}"
            with contextlib.suppress(OSError):
                path.unlink()


def phase_of(error: BaseException) -> str:
    """Return the phase that the error ended, or an empty string."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith("phase: "):
            return str(note.removeprefix("phase: "))
    return ""


def machine() -> dict[str, Any]:
    """Return what of this machine a reader of run.json needs to judge figures."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "user": "root" if os.geteuid() == 0 else "unprivileged",
    }


def versions() -> dict[str, Any]:
    """Return the harness's own version, and the repository with the platform that it proves."""
    return {"platform-e2e": _own_version(), "root": str(paths.project())}


def _own_version() -> str:
    """Return the version in pyproject.toml of the checkout that the harness runs from, else that which is installed."""
    import tomllib  # noqa: PLC0415 - only for run.json, once per run

    if paths.CHECKOUT is None:
        return metadata.version("platform-e2e")
    with (paths.CHECKOUT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
