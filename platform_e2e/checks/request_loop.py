"""Ask addresses one request after another while something else happens, and count what was not answered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.finding import Cause, Finding, Promise

PAUSE_SECONDS = 0.1
"""Between two requests to one address: often enough to meet a restart, which takes about a second, and no load."""

END_SECONDS = 15.0
"""For the last request of each address to end: twice the longest that one takes."""


@dataclass
class Answers:
    """What one address has answered.

    Attributes:
        asked: requests.
        failed: outcomes that were not as they should be, in order.
    """

    asked: int = 0
    failed: list[ProbeResult] = field(default_factory=list)


@contextlib.contextmanager
def asking(targets: Mapping[str, Callable[[], ProbeResult]]) -> Iterator[dict[str, Answers]]:
    """Ask each of some targets again and again until the block ends, and yield what they have answered so far.

    Args:
        targets: by the name of what is asked, what sends one request.
    """
    found = {name: Answers() for name in targets}
    stop = threading.Event()

    def work(name: str, ask: Callable[[], ProbeResult]) -> None:
        while not stop.is_set():
            answer = ask()
            found[name].asked += 1
            if answer.problem:
                found[name].failed.append(answer)
            stop.wait(PAUSE_SECONDS)

    threads = [threading.Thread(target=work, args=each, daemon=True) for each in targets.items()]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(END_SECONDS)


def check(answers: Mapping[str, Answers], what: str) -> list[Finding]:
    """Return which addresses have not answered every request.

    Args:
        answers: by the name of what was asked.
        what: what happened meanwhile, for the cause.
    """
    found = []
    for name, answer in answers.items():
        if answer.failed or not answer.asked:
            first = answer.failed[0] if answer.failed else None
            observed = f"{len(answer.failed)} of {answer.asked} requests failed"
            said = f", first {first.where}: {first.problem}" if first else ", for none was sent"
            cause = Cause(
                "requests-lost",
                f"{name} did not answer every request during {what}, which does not concern it: {observed}{said}",
                "look at the events of its pods and of its Service at that time",
            )
            found.append(Finding(name, Promise.ROLLBACK, "each request is answered", observed, cause))
    return found


def figures(answers: Mapping[str, Answers]) -> dict[str, int]:
    """Return what the verdict's table shows."""
    return {
        "requests": sum(answer.asked for answer in answers.values()),
        "failed requests": sum(len(answer.failed) for answer in answers.values()),
    }
