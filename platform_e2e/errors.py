"""The errors a person may see; the text of each says which object is meant and what to do.

A run ends with one of these exit codes, so that a nightly job can tell who must get up:

* 0: every promise held.
* 1: the platform is broken (`BrokenPlatform`, or a finding in a test).
* 3: the harness or the machine is broken (`BrokenHarness`), the platform was not judged.
* 4: the call was wrong (`WrongUsage`), nothing was started.
* 5: nothing is broken, and something is unknown that the team's own file does not accept.
"""

from __future__ import annotations

from typing import ClassVar

from platform_e2e.terminal import visible

NOT_JUDGED = "the platform was not judged: this is a fault of the harness or the machine, not of the platform"
"""What is said of every error that is one of the harness itself."""


class ExitCode:
    """The exit statuses of a run and of every command."""

    HOLDS = 0
    BROKEN_PLATFORM = 1
    INTERRUPTED = 2
    BROKEN_HARNESS = 3
    WRONG_USAGE = 4
    UNKNOWN = 5


class HarnessError(Exception):
    """Say what went wrong with which object, and how to mend it.

    Args:
        problem: one sentence that names the object.
        remedy: what the reader can do; empty only where nothing can be done.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = visible(problem)
        self.remedy = visible(remedy)
        super().__init__(f"{self.problem}\n  remedy: {self.remedy}" if remedy else self.problem)


class BrokenPlatform(HarnessError):
    """The platform under test does not keep a promise."""

    exit_code: ClassVar[int] = 1


class BrokenHarness(HarnessError):
    """The machine or the harness could not do its part; the platform was not judged."""

    exit_code: ClassVar[int] = 3


class WrongUsage(HarnessError):
    """An option, an environment variable or the layer's files cannot be used as given."""

    exit_code: ClassVar[int] = 4
