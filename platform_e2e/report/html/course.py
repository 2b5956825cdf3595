"""The course of a run as lanes of spans and points, from the events of its timeline."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from platform_e2e.report.html.source import TimelineEvent

SHORT_SECONDS = 0.1
"""A wait that was met faster is not an item of its own: a thousand of them hide the others and say nothing."""

STEPS_KEPT = 20
"""How many states of a wait, or lines of a phase, an item has: those of a wait's own text and some."""

ROWS = 12
"""How many lanes things that overlap are spread over; what does not fit shares the last one."""


@dataclass
class Item:
    """Something that happened.

    Attributes:
        start: seconds since the run began.
        end: the same; equal to `start` for what has no duration.
        look: how it is drawn: ok, bad, open, heal, note, warn, or an Application's `SYNC/HEALTH`.
        title: what it is.
        text: what else there is to say, in one sentence.
        test: id of the test that it belongs to, or an empty string.
        steps: the states on the way.
    """

    start: float
    end: float
    look: str
    title: str
    text: str = ""
    test: str = ""
    steps: Sequence[str] = ()


@dataclass
class Lane:
    """A row of the timeline.

    Attributes:
        group: what can be shown and hidden together.
        name: what stands beside it.
        items: in the order of their start.
    """

    group: str
    name: str
    items: list[Item] = field(default_factory=list)


@dataclass
class Wait:
    """A wait that has ended.

    Attributes:
        what: was waited for.
        end: seconds since the run began.
        seconds: how long it took.
        outcome: `met`, or how it ended otherwise.
        test: that waited, or an empty string.
        steps: the states on the way.
    """

    what: str
    end: float
    seconds: float
    outcome: str
    test: str
    steps: list[str]


@dataclass
class Course:
    """All of it.

    Attributes:
        began: wall clock of the first event, seconds; 0 where there is none.
        seconds: from the first event to the last.
        lanes: from top to bottom.
        waits: in the order of their end.
        heals: what was changed, by which test, and the seconds until it was as before.
        tests: for each test's id its start and end, and the name of the process that ran it.
        short: how many waits are not among the lanes' items because they were met at once.
    """

    began: float = 0.0
    seconds: float = 0.0
    lanes: list[Lane] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    heals: list[tuple[str, str, float]] = field(default_factory=list)
    tests: dict[str, tuple[float, float, str]] = field(default_factory=dict)
    short: int = 0


def course(events: Sequence[TimelineEvent], outcomes: Mapping[str, str]) -> Course:
    """Return the course of a run.

    Args:
        events: of the timeline, in their order.
        outcomes: how each test ended, by its id.
    """
    if not events:
        return Course()
    zero = events[0].mono
    made = Course(events[0].at, events[-1].mono - zero)
    of: dict[str, list[tuple[float, TimelineEvent]]] = {}
    for event in events:
        of.setdefault(event.kind, []).append((event.mono - zero, event))

    def all_of(*kinds: str) -> list[tuple[float, TimelineEvent]]:
        return sorted((pair for kind in kinds for pair in of.get(kind, ())), key=lambda pair: pair[0])

    made.lanes += _phases(all_of("phase-start", "phase-progress", "phase-end"), made.seconds)
    made.lanes += _points("phases", "facts", all_of("fact", "cluster"), _fact)
    made.lanes += _applications(all_of("application"), made.seconds)
    made.lanes += _points("cluster", "restarts", all_of("restart"), _restart)
    made.lanes += _points("cluster", "warnings", all_of("warning"), _warning)
    changes = _changes(all_of("disturbance-start", "disturbance-healed", "disturbance-end"), made, outcomes)
    made.lanes += _packed("changes", "changes by tests", changes)
    made.lanes += _points("tests", "findings", all_of("finding"), _finding)
    made.lanes += _tests(all_of("test-start", "test-end"), made, outcomes)
    made.lanes += _packed("waits", "waits", _waits(all_of("wait"), made))
    return made


def _phases(events: Iterable[tuple[float, TimelineEvent]], end: float) -> list[Lane]:
    """Return one lane for each phase, in the order of their starts."""
    lanes: dict[str, Lane] = {}
    lines: dict[str, list[str]] = {}
    for at, event in events:
        name = event.name
        lane = lanes.setdefault(name, Lane("phases", name))
        if event.kind == "phase-start" or not lane.items:
            start = at - event.seconds
            lane.items.append(Item(start, end, "open", event.title or name, "it did not end"))
            lines[name] = []
        item = lane.items[-1]
        if event.kind == "phase-progress":
            lines[name].append(f"+{at - item.start:.1f} s  {event.text}")
        elif event.kind == "phase-end":
            error = event.error or ""
            item.end, item.look, item.text = at, "bad" if error else "ok", error
        item.steps = lines[name][-STEPS_KEPT:]
    return list(lanes.values())


def _points(
    group: str,
    name: str,
    events: Sequence[tuple[float, TimelineEvent]],
    say: Callable[[TimelineEvent], tuple[str, str, str]],
) -> list[Lane]:
    """Return one lane of points, or none where there is none."""
    lane = Lane(group, name)
    for at, event in events:
        look, title, words = say(event)
        lane.items.append(Item(at, at, look, title, words, event.test))
    return [lane] if lane.items else []


def _fact(event: TimelineEvent) -> tuple[str, str, str]:
    return "note", event.name, event.text


def _restart(event: TimelineEvent) -> tuple[str, str, str]:
    often = f"restart {event.count} of container {event.container}"
    return "bad", event.name, ": ".join(part for part in (often, event.why) if part)


def _warning(event: TimelineEvent) -> tuple[str, str, str]:
    often = f" (seen {event.count} times)" if event.count > 1 else ""
    return "warn", event.name, f"{event.reason}{often}: {event.why}"


def _finding(event: TimelineEvent) -> tuple[str, str, str]:
    return (
        "bad",
        event.object,
        f"breaks the promise {event.promise} [{event.name}]",
    )


def _applications(events: Iterable[tuple[float, TimelineEvent]], end: float) -> list[Lane]:
    """Return one lane for each Application: its states, each until the next one; those of tests come last."""
    lanes: dict[str, Lane] = {}
    for at, event in events:
        name = event.name
        lane = lanes.setdefault(name, Lane("own" if event.of_tests else "applications", name))
        if lane.items:
            lane.items[-1].end = at
        words = [event.why]
        if event.operation not in {"", "Succeeded"}:
            words.insert(0, f"operation {event.operation}")
        if event.heals:
            words.insert(0, "it heals itself")
        if event.revision:
            words.append(f"at {event.revision}")
        state = f"{event.sync}/{event.health}" if event.sync or event.health else "gone/gone"
        lane.items.append(Item(at, end, state, name, "; ".join(word for word in words if word)))
    return sorted(lanes.values(), key=lambda lane: (lane.group != "applications", lane.name))


def _changes(events: Iterable[tuple[float, TimelineEvent]], made: Course, outcomes: Mapping[str, str]) -> list[Item]:
    """Return what tests changed, from the change until it was as before.

    A test that passed although its change was not healed is a control, which expects that.
    """
    going: dict[tuple[str, str], Item] = {}
    items: list[Item] = []
    for at, event in events:
        name, test = event.name, event.test
        item = going.get((name, test))
        if event.kind == "disturbance-start":
            parts = (event.change.replace("-", " "), event.field)
            item = Item(at, made.seconds, "open", name, " ".join(part for part in parts if part), test)
            going[name, test] = item
            items.append(item)
        elif item is not None and event.kind == "disturbance-healed":
            seconds = event.seconds
            item.end, item.look, item.text = at, "heal", f"{item.text}: healed after {seconds:.2f} s"
            made.heals.append((name, test, seconds))
        elif item is not None:
            if item.look == "open":
                wanted = outcomes.get(test) == "passed"
                item.end, item.look = at, ("note" if wanted else "bad") if event.undone_by_harness else "ok"
                item.text += ": not healed, the harness put it back" if event.undone_by_harness else ""
            del going[name, test]
    return items


def _tests(events: Iterable[tuple[float, TimelineEvent]], made: Course, outcomes: Mapping[str, str]) -> list[Lane]:
    """Return one lane for each process that ran tests, and note when each test ran."""
    lanes: dict[str, Lane] = {}
    names: dict[int, str] = {}
    going: dict[tuple[int, str], Item] = {}
    for at, event in events:
        pid, test = event.pid, event.name
        if event.kind == "test-start":
            worker = names.setdefault(pid, event.worker or "tests")
            item = Item(at, made.seconds, outcomes.get(test) or "open", "", "", test)
            lanes.setdefault(worker, Lane("tests", worker)).items.append(item)
            going[pid, test] = item
            made.tests[test] = (item.start, item.end, worker)
        elif (pid, test) in going:
            item = going.pop((pid, test))
            item.end = at
            item.text = _parts(event)
            made.tests[test] = (item.start, item.end, names[pid])
    return [lanes[name] for name in sorted(lanes, key=lambda name: (len(name), name))]


def _parts(event: TimelineEvent) -> str:
    """Return how long each part of a test took, where it is worth telling."""
    parts = {part: getattr(event, part) for part in ("setup", "call", "teardown")}
    return ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items() if seconds >= SHORT_SECONDS)


def _waits(events: Iterable[tuple[float, TimelineEvent]], made: Course) -> list[Item]:
    """Return what was waited for, and note all of it."""
    items = []
    for at, event in events:
        steps = list(event.steps)[-STEPS_KEPT:]
        wait = Wait(
            event.name, at, event.seconds, event.outcome,
            event.test, steps,
        )  # fmt: skip
        made.waits.append(wait)
        met = wait.outcome == "met"
        if met and wait.seconds < SHORT_SECONDS:
            made.short += 1
            continue
        words = f"met after {wait.seconds:.2f} s" if met else wait.outcome
        start = max(at - wait.seconds, 0.0)
        # The history of what was met is short; that of what was not is told in full beside its failure, too.
        items.append(Item(start, at, "ok" if met else "bad", wait.what, words, wait.test, steps))
    return items


def _packed(group: str, name: str, items: list[Item]) -> list[Lane]:
    """Return as few lanes as what overlaps needs."""
    lanes: list[Lane] = []
    free: list[tuple[float, int]] = []
    for item in sorted(items, key=lambda item: item.start):
        if free and (free[0][0] <= item.start or len(lanes) >= ROWS):
            _, row = heapq.heappop(free)
        else:
            row = len(lanes)
            lanes.append(Lane(group, name if not lanes else ""))
        lanes[row].items.append(item)
        heapq.heappush(free, (item.end, row))
    return lanes
