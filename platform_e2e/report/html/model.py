"""All that the page shows, as plain data: what the template writes, and what its script draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from platform_e2e import redact
from platform_e2e.report.console import duration
from platform_e2e.report.html import alerts, excerpts, headline
from platform_e2e.report.html.course import Course, Item, Lane, Wait, course
from platform_e2e.report.html.problems import NotRun, ReportedProblem, not_run, problems
from platform_e2e.report.html.source import Kept, RunFiles
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import BAD, Outcome, Result, summarise

PROBLEMS_SHOWN = 60
"""How many problems have a card of their own; a reader stops before that, and more problems have few causes."""

CASES_SHOWN, TESTS_SHOWN = 40, 100
"""How many objects and tests a card lists."""

WAITS_SHOWN = 4
"""How many waits in vain a card tells the states of."""

TOLD = 8_000
"""How much of pytest's account of an error a card has, half of it from each end; run.json has more."""

ITEMS_SHOWN = 4000
"""How many items one lane has: more than a screen has columns."""

POINTS_SHOWN = 3000
"""How many values of one plot are drawn; the longest ones where there are more."""

CHARACTERS = 400
"""How much of one text an item of the timeline has; the files have the whole."""


class Words:
    """Texts that come again and again, each kept once."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def __call__(self, words: str) -> int:
        """Return a text's number."""
        return self._number.setdefault(words, len(self._number))

    def all(self) -> list[str]:
        """Return the texts by number."""
        return list(self._number)


def page(source: RunFiles) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the template writes and what the script draws, both without secrets.

    Args:
        source: the run's files.
    """
    run = source.run
    happened = course(source.events, {test.test: test.outcome.value for test in run.verdict.tests})
    found, idle = problems(run, happened.waits), not_run(run)
    kept = excerpts.Logs(source.directory, source.files)
    logs = {id(problem): excerpts.chosen(problem, kept) for problem in found[:PROBLEMS_SHOWN]}
    # The first log of every problem before the second of any: it is the one that is read.
    ranked = [files[rank].path for rank in range(excerpts.LOGS_SHOWN) for files in logs.values() if rank < len(files)]
    ends = excerpts.excerpts(source.directory, ranked)
    for lane in happened.lanes:
        if len(lane.items) > ITEMS_SHOWN:
            source.missing.append(
                f"{len(lane.items) - ITEMS_SHOWN} of the timeline's {lane.name or lane.group} are in timeline.jsonl only."
            )
            # What is bad stays.
            shown = sorted(lane.items, key=lambda item: item.look != "bad")[:ITEMS_SHOWN]
            lane.items = sorted(shown, key=lambda item: item.start)
    written = {
        "head": headline.head(source, found[:PROBLEMS_SHOWN], idle, happened),
        "problems": [
            _problem(place, problem, logs[id(problem)], happened, source)
            for place, problem in enumerate(found[:PROBLEMS_SHOWN], start=1)
        ],
        "more_problems": max(len(found) - PROBLEMS_SHOWN, 0),
        "alerts": alerts.rows(run),
        "not_run": [_idle(tests, found[:PROBLEMS_SHOWN]) for tests in idle],
        "files": [_file(file) for file in source.files],
        "left_out": source.left_out,
        "missing": source.missing,
    }
    words = Words()
    drawn = {
        "began": happened.began,
        "seconds": round(happened.seconds, 3),
        "lanes": _lanes(happened.lanes, {test.test: place for place, test in enumerate(run.verdict.tests)}, words),
        "short": happened.short,
        "tests": _tests(run, happened, found, words),
        "logs": {path: asdict(excerpt) for path, excerpt in ends.items()},
        "plots": _plots(run, happened),
    }
    # What a run keeps was redacted when it was written; an older harness knew fewer shapes of secrets.
    safe: dict[str, Any] = redact.plain(drawn)
    safe["words"] = [redact.text(word) for word in words.all()]
    return redact.plain(written), safe


def _problem(
    place: int, problem: ReportedProblem, logs: Sequence[Kept], happened: Course, source: RunFiles
) -> dict[str, Any]:
    """Return one problem for the template."""
    ran = [happened.tests[name] for test in problem.tests if (name := test.test) in happened.tests]
    own = {test.evidence for test in problem.tests} - {""}
    kept = [file for file in source.files if any(file.path.startswith(f"{directory}/") for directory in own)]
    return {
        "anchor": f"cause-{place}",
        "place": place,
        "id": problem.id,
        "promise": problem.promise,
        "sentence": problem.sentence or "no cause could be worked out",
        "remedy": problem.remedy,
        "harness": problem.harness,
        "cases": [asdict(case) for case in problem.cases[:CASES_SHOWN]],
        "more_cases": max(len(problem.cases) - CASES_SHOWN, 0),
        "tests": [_test(test) for test in problem.tests[:TESTS_SHOWN]],
        "more_tests": max(len(problem.tests) - TESTS_SHOWN, 0),
        "text": both_ends(problem.text),
        "waits": [_wait(wait) for wait in _each_once(problem.waits)],
        "logs": [_file(file) for file in logs],
        "files": [_file(file) for file in kept if file not in logs],
        "window": [round(min(start for start, *_ in ran), 3), round(max(end for _, end, _ in ran), 3)] if ran else [],
    }


def _each_once(waits: Iterable[Wait]) -> list[Wait]:
    """Return the waits that tell how it went: none twice, the longest first, none that only looked once where others waited."""
    known = {(wait.what, tuple(step.split("  ", 1)[-1] for step in wait.steps)): wait for wait in waits}
    longest = sorted(known.values(), key=lambda wait: -wait.seconds)
    return [wait for place, wait in enumerate(longest) if not place or wait.seconds >= 1 or len(wait.steps) > 1][
        :WAITS_SHOWN
    ]


def _wait(wait: Wait) -> dict[str, Any]:
    """Return one wait for the template: each state with when it was seen."""
    steps = [step.partition("  ") for step in wait.steps]
    return {
        "what": wait.what,
        "outcome": wait.outcome,
        "steps": [(when.strip(), words.strip()) if words else ("", when) for when, _, words in steps],
    }


def _test(result: Result) -> dict[str, Any]:
    """Return one test for the template."""
    return {"id": result.test, "proves": result.proves, "took": duration(result.seconds)}


def _idle(tests: NotRun, found: Sequence[ReportedProblem]) -> dict[str, Any]:
    """Return tests that were not judged, with the place of the cause that blocks them."""
    place = next(
        (place for place, problem in enumerate(found, start=1) if tests.cause and problem.id == tests.cause), 0
    )
    return {**asdict(tests), "place": place}


def _file(file: Kept) -> dict[str, Any]:
    """Return one file with a link that leads nowhere but to it."""
    path = PurePosixPath(file.path)
    return {
        "path": file.path,
        "name": path.name,
        "place": "/".join(part for part in path.parts[1:-1] if part != "logs"),
        "link": quote(f"./{file.path}"),
        "size": size(file.size),
        "what": file.what,
        "cut": file.cut,
        "kept": "/" in file.path,
    }


def size(octets: int) -> str:
    """Return how much that is: 900 B, 12 kB, 3.4 MB."""
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.0f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def both_ends(words: str) -> str:
    """Return a text without its middle, and told so, where it is longer than a card can show."""
    left, half = len(words) - TOLD, TOLD // 2
    return (
        words
        if left <= 0
        else f"{words[:half]}\n... {left} characters are left out here; run.json has them ...\n{words[-half:]}"
    )


def shortened(words: str) -> str:
    """Return the beginning of a text that is longer than an item can show."""
    return words if len(words) <= CHARACTERS else words[: CHARACTERS - 1] + "…"


def _lanes(lanes: Iterable[Lane], places: Mapping[str, int], words: Words) -> list[dict[str, Any]]:
    """Return the lanes, each item as a list: start, end, look, title, text, number of the test, steps; empty ends are left off."""

    def listed(item: Item) -> list[Any]:
        made: list[Any] = [
            round(item.start, 3),
            round(item.end, 3),
            words(item.look),
            words(shortened(item.title)),
            words(shortened(item.text)),
            places.get(item.test, -1),
        ]
        return [*made, [shortened(step) for step in item.steps]] if item.steps else made

    return [{"group": lane.group, "label": lane.name, "items": [listed(item) for item in lane.items]} for lane in lanes]


def _tests(run: SavedRun, happened: Course, found: Sequence[ReportedProblem], words: Words) -> list[list[Any]]:
    """Return the tests, each as a list: id, promise, outcome, seconds, object, what it proves, expected, observed, place of its problem, start, end."""
    place_of = {
        test.test: place for place, problem in reversed(list(enumerate(found, start=1))) for test in problem.tests
    }
    made = []
    for result in run.verdict.tests:
        expected = "; ".join(dict.fromkeys(finding.expected for finding in result.findings))
        observed = "; ".join(dict.fromkeys(finding.observed for finding in result.findings))
        if not result.findings:
            observed = result.reason if result.outcome is not Outcome.PASSED else summarise([result.figures])
        objects = list(dict.fromkeys(finding.object for finding in result.findings)) or [result.object]
        start, end, _ = happened.tests.get(result.test, (-1.0, -1.0, ""))
        made.append(
            [
                result.test, words(result.promise), words(result.outcome.value), round(result.seconds, 3),
                words(", ".join(objects)), words(result.proves), words(shortened(expected)),
                words(shortened(observed)), place_of.get(result.test, 0), round(start, 3), round(end, 3),
            ]
        )  # fmt: skip
    return made


def _plots(run: SavedRun, happened: Course) -> dict[str, Any]:
    """Return what the plots draw: names and seconds."""
    heals = sorted(happened.heals, key=lambda heal: -heal[2])
    waits = sorted(happened.waits, key=lambda wait: -wait.seconds)
    trends = run.history.trends if run.history else {}
    return {
        "heals": [[name, round(seconds, 3)] for name, _, seconds in heals][:POINTS_SHOWN],
        "waits": [
            [shortened(wait.what), round(wait.seconds, 3), wait.outcome] for wait in waits if wait.seconds >= 0.001
        ][:POINTS_SHOWN],
        "durations": [
            [place, round(test.seconds, 3), int(test.outcome in BAD)]
            for place, test in enumerate(run.verdict.tests)
            if test.outcome in {Outcome.PASSED, *BAD}
        ],
        "phases": [[phase.name, round(phase.seconds, 3), int(bool(phase.error))] for phase in run.phases],
        "trends": {name: points for name, points in trends.items() if len(points) > 1},
    }
