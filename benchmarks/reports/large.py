"""The directory of a large run: as many tests, waits, changes and states as a platform of fifty teams would have."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.fakes.made_run import Made, history, row

SEED = 7
"""Every made run is the same one, so that figures can be compared."""

PROMISES = ("loadbalancer", "monitoring", "selfheal", "applications", "environments")
WORKERS = 8
APPLICATIONS = 60
RED_EACH = 60
"""Every so many-th test fails, so that the page also has causes, waits in vain and logs."""


def large(directory: Path, *, tests: int, minutes: float) -> Path:
    """Make the directory of a large run and return it.

    Args:
        directory: of the run; made.
        tests: how many.
        minutes: from its first event to its last.
    """
    rng = random.Random(SEED)  # noqa: S311 - figures for a picture
    made, end = Made(directory), minutes * 60
    made.fact(0.0, "cluster", "embedded cluster `large`, Kubernetes v1.34.4, 9 node(s)")
    made.phase(0.1, 12, "cluster")
    made.phase(12, 60, "foundations")
    for place in range(8):
        made.phase(13, 30 + 3 * place, f"release-{place}", f"release team-{place} v1.{place}.0")
    made.phase(60, 110, "applications")
    _states(made, rng, end)
    each = (end - 111) * WORKERS / tests
    for place in range(tests):
        start = 110 + (place // WORKERS) * each
        _test(made, rng, place, start, each * rng.uniform(0.2, 0.98))
    rows = [row(name, "BROKEN", f"{tests // 5} tests", "heal 0.01 to 1.13 s, median 0.41 s") for name in PROMISES]
    made.run |= {
        "exit_code": 1, "started": made.lines[0][1]["at"], "seconds": end, "history": history(),
        "layer": {"commit": "19bde1c40a52f00d", "uncommitted": []}, "options": {"layer": "platform"},
    }  # fmt: skip
    made.run["verdict"] |= {"promises": rows, "complete": True, "broken_phase": ""}
    for place in range(60):
        lines = "".join(
            f'{{"level":"info","n":{n},"msg":"reconciled chat-{n % 40}/chat in {n} ms"}}\n' for n in range(300)
        )
        made.file(f"evidence/team-{place}/logs/controller-{place}.controller.log", lines)
    return made.write()


def _states(made: Made, rng: random.Random, end: float) -> None:
    """Let Applications drift and heal, pods restart and warnings come."""
    for place in range(APPLICATIONS):
        name, at = f"team-{place}-chat", 60.0 + place / 4
        while at < end - 1:
            sync, health = (
                rng.choice(("Synced", "Synced", "OutOfSync")),
                rng.choice(("Healthy", "Healthy", "Progressing", "Degraded")),
            )
            made.event(at, "application", name, sync=sync, health=health, operation="", heals=False,
                       revision="19bde1c40a52", of_tests=False, why="one object of three is not ready" * (sync != "Synced"))  # fmt: skip
            at += rng.expovariate(1 / 40)
    for place in range(800):
        pod = f"pod/chat-{place % 90:x}-{rng.randrange(16**5):05x} -n team-{place % 50}"
        kind = "restart" if place % 10 == 0 else "warning"
        why = (
            "OOMKilled 137"
            if kind == "restart"
            else f"Readiness probe failed: Get http://10.0.{place % 255}.7:8080/: refused"
        )
        made.event(rng.uniform(20, end), kind, pod, count=1 + place % 4, container="chat", reason="Unhealthy", why=why)


def _test(made: Made, rng: random.Random, place: int, start: float, seconds: float) -> None:
    """Let one test run, with its waits and its change."""
    promise = PROMISES[place % len(PROMISES)]
    object_ = f"service/chat-{place % 40} -n team-{place % 50}"
    name, red = f"e2e/test_{promise}.py::test_it_is_as_in_git[{place}-field-edited {object_}]", place % RED_EACH == 0
    pid, at = 200 + place % WORKERS, start
    for number in range(3):
        took = seconds * rng.uniform(0.05, 0.3)
        at += took
        steps = [
            "+0.00 s  nothing was read",
            f"+{took / 2:.2f} s  1 of 3 replicas are available",
            f"+{took:.2f} s  as expected",
        ]
        met = not (red and number == 2)
        made.event(at, "wait", f"{object_} is ready for the {number + 1}. time", pid=pid, test=name, seconds=took,
                   outcome="met" if met else "not within 30 s", steps=steps)  # fmt: skip
    if promise == "selfheal":
        made.event(
            start + 0.1, "disturbance-start", object_, pid=pid, test=name, change="field-edited", field="/spec/replicas"
        )
        if not red:
            made.event(
                start + 0.1 + seconds / 5, "disturbance-healed", object_, pid=pid, test=name, seconds=seconds / 5
            )
        made.event(start + seconds * 0.9, "disturbance-end", object_, pid=pid, test=name, undone_by_harness=red)
    finding: dict[str, Any] = {
        "object": object_, "promise": promise, "expected": "three replicas, all of them ready", "observed": f"1 of 3 after {seconds:.0f} s",
        "cause": {"id": f"cause-{place % 7}", "sentence": f"{object_} waits for something that is number {place % 7 * 'x'}",
                  "remedy": "let it have that"},
        "details": {"replicas": 1},
    }  # fmt: skip
    made.test(start, seconds, name, "failed" if red else "passed", worker=place % WORKERS, promise=promise, object=object_,
              proves="The object is exactly as in Git again, by an operation that Argo CD began by itself.",
              figures={"heal_seconds": seconds / 5}, findings=[finding] if red else [])  # fmt: skip
