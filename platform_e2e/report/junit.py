"""JUnit XML as GitHub, GitLab and Jenkins show it best, from the file that pytest has written.

The order of elements and the attributes are those of Jenkins' junit-10.xsd as of xunit-plugin 1.100, with `properties` in a
test case as its JUnit plugin reads them (`keepProperties: true`). GitLab takes the first of two test cases with one name, so
a test has one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e import redact
from platform_e2e.atomic import atomic_write
from platform_e2e.errors import ExitCode
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.report.not_judged import reason
from platform_e2e.runs.history.record import OF_HISTORY
from platform_e2e.runs.verdict import BAD, Outcome, Result

ILLEGAL = re.compile("[^\u0009\u000a\u000d\u0020-\u007e\u0080-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot have (Char of its specification), and DEL, as pytest does it."""

MESSAGE_CHARACTERS = 500
"""How much a list of failures shows of one."""

ORDER = ("properties", "skipped", "error", "failure", "system-out", "system-err")
"""Of the elements of a test case."""

PROPERTIES = (
    "promise",
    "causes",
    "object",
    "proves",
    "heal_seconds",
    "waits",
    "longest_wait_seconds",
    "longest_wait",
    "evidence",
)
"""Ours, in the order in which a viewer lists them; what else a test has recorded comes after them."""

NOT_JUDGED = "not_judged"
"""The class of the test cases of what is not judged."""

WHOSE = {
    ExitCode.BROKEN_PLATFORM: "broken-platform",
    ExitCode.BROKEN_HARNESS: "broken-harness",
    ExitCode.WRONG_USAGE: "wrong-usage",
}
"""The type of a failure that no finding explains."""


@dataclass(frozen=True)
class Waits:
    """What a test waited for.

    Attributes:
        number: of waits.
        longest: seconds of the longest.
        what: that one was for.
    """

    number: int = 0
    longest: float = 0.0
    what: str = ""


@dataclass(frozen=True)
class Suite:
    """What all test cases of a run have in common.

    Attributes:
        results: of its tests, those of the comparison with earlier runs among them.
        places: file and line, counted from 1, of each test.
        waits: of each test.
        properties: of the run.
        prefix: that pytest was told to put before class names.
        seconds: how long the run took.
        unknown: what is not judged: each is a test case that is skipped, so that no viewer shows less than there is.
    """

    results: Sequence[Result]
    places: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    waits: Mapping[str, Waits] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)
    prefix: str = ""
    seconds: float = 0.0
    unknown: Sequence[NotJudged] = ()


def waits_of(events: Iterable[Mapping[str, Any]]) -> dict[str, Waits]:
    """Return what each test waited for, from the run's timeline."""
    found: dict[str, Waits] = {}
    for event in events:
        test = str(event.get("test", ""))
        if event["kind"] != "wait" or not test:
            continue
        before, seconds = found.get(test, Waits()), float(event.get("seconds", 0))
        longest = (seconds, str(event["name"])) if seconds > before.longest else (before.longest, before.what)
        found[test] = Waits(before.number + 1, *longest)
    return found


def rewrite(path: Path, suite: Suite) -> None:
    """Put into pytest's file what its viewers need; it is replaced as a whole or not at all.

    A path that is not a regular file, such as /dev/stdout, stays as pytest wrote it.

    Raises:
        OSError: the file cannot be read or written.
        ValueError: it is not XML.
    """
    if path.exists() and not path.is_file():
        # Some devices never end.
        return
    try:
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - pytest has just written it
    except ET.ParseError as error:
        raise ValueError(f"{path} must be XML: {error}") from error
    element = root if root.tag == "testsuite" else root.find("testsuite")
    if element is None:
        raise ValueError(f"{path} has no testsuite")
    _fill(element, suite)
    _clean(root)
    atomic_write(path, b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="utf-8") + b"\n")


def _fill(element: ET.Element, suite: Suite) -> None:
    """Make one test case of each test, with what is known of it."""
    element.set("name", "platform-e2e")
    known = {address(result.test, suite.prefix): result for result in suite.results}
    cases: dict[tuple[str, str], ET.Element] = {}
    for case in element.findall("testcase"):
        key = (case.get("classname", ""), case.get("name", ""))
        element.remove(case)
        if key in cases:
            _merge(cases[key], case)
        else:
            cases[key] = case
    for key, result in known.items():
        if key not in cases and result.test.startswith(OF_HISTORY):
            cases[key] = ET.Element("testcase", classname=key[0], name=key[1], time="0.000")
            tag = "error" if result.outcome is Outcome.ERROR else "failure"
            ET.SubElement(cases[key], tag)
    for unknown in suite.unknown:
        case = _not_judged(unknown)
        cases[NOT_JUDGED, case.get("name", "")] = case
    for key, case in cases.items():
        if key in known:
            _describe(case, known[key], suite)
        for child in (*case.findall("error"), *case.findall("failure")):
            # A file that cannot be collected is pytest's own; the schema wants a type of all.
            child.attrib.setdefault("type", WHOSE[ExitCode.BROKEN_HARNESS])
        element.append(case)
    _count(element)
    old = element.find("properties")
    if old is not None:
        element.remove(old)
    element.insert(0, _properties(suite.properties))


def _not_judged(unknown: NotJudged) -> ET.Element:
    """Return the test case of an object that is not judged."""
    # GitLab takes the first of two with one name, and an object may be there for two reasons.
    name = legal(f"{unknown.object} ({unknown.reason})")
    case = ET.Element("testcase", classname=NOT_JUDGED, name=name, time="0.000", file=unknown.file)
    if unknown.line:
        case.set("line", str(unknown.line))
    case.append(_properties({"object": unknown.object, "reason": unknown.reason}))
    why = reason(unknown, accepted=False)
    ET.SubElement(
        case, "skipped", message=_short(f"not judged: {why}"), type="not-judged"
    ).text = f"{unknown}\nremedy: {unknown.remedy}"
    return case


def _count(element: ET.Element) -> None:
    """Say how many test cases there are of each kind, now that there is one for each test."""
    cases = element.findall("testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    errors = [case for case in cases if case.find("error") is not None and case not in failed]
    skipped = [case for case in cases if case.find("skipped") is not None]
    for name, found in (("tests", cases), ("failures", failed), ("errors", errors), ("skipped", skipped)):
        element.set(name, str(len(found)))


def address(test: str, prefix: str = "") -> tuple[str, str]:
    """Return class name and name of a test as pytest writes them."""
    head, bracket, case = test.partition("[")
    path, *names = head.split("::")
    *classes, name = [path.replace("/", ".").removesuffix(".py"), *names]
    return ".".join([*([prefix] if prefix else []), *classes]), legal(name + bracket + case)


def legal(text: str) -> str:
    """Return a text with what XML cannot have written as `#xNN`."""
    return ILLEGAL.sub(
        lambda found: f"#x{ord(found[0]):02X}" if ord(found[0]) < 256 else f"#x{ord(found[0]):04X}", text
    )


def _merge(case: ET.Element, other: ET.Element) -> None:
    """Add what a test's teardown says to what the test said."""
    for child in other:
        if child.tag != "properties":
            case.append(child)
        elif (mine := case.find("properties")) is not None:
            mine.extend(child)
        else:
            case.append(child)
    case.set("time", f"{max(float(case.get('time', 0)), float(other.get('time', 0))):.3f}")


def _describe(case: ET.Element, result: Result, suite: Suite) -> None:
    """Write down what is known of one test."""
    path, line = suite.places.get(result.test, (result.test.partition("::")[0], None))
    if not result.test.startswith(OF_HISTORY):
        case.set("file", path)
    if line is not None:
        case.set("line", str(line))
    old = case.find("properties")
    recorded = {} if old is None else {element.get("name", ""): element.get("value", "") for element in old}
    if old is not None:
        case.remove(old)
    waits = suite.waits.get(result.test, Waits())
    ours = _known(result, waits)
    case.append(_properties({**{name: ours[name] for name in PROPERTIES if name in ours}, **_rest(recorded, ours)}))
    if result.outcome is Outcome.FAILED:
        # What only blocked it, as pytest saw it, no other test has told.
        for child in case.findall("skipped"):
            case.remove(child)
            ET.SubElement(case, "failure")
    for tag in ("failure", "error"):
        for child in case.findall(tag):
            _explain(child, result)
    if result.outcome in BAD:
        for child in case.findall("system-out"):
            case.remove(child)
        ET.SubElement(case, "system-out").text = "\n".join(_account(result, waits))
    case[:] = sorted(case, key=lambda child: ORDER.index(child.tag) if child.tag in ORDER else len(ORDER))


def _known(result: Result, waits: Waits) -> dict[str, object]:
    """Return our properties of one test, those that it has."""
    heal = result.figures.get("heal_seconds")
    found: dict[str, object] = {
        "promise": result.promise,
        "causes": " ".join(result.causes),
        "object": result.object or next((finding.object for finding in result.findings), ""),
        "proves": result.proves,
        "heal_seconds": "" if heal is None else _seconds(heal),
        "waits": waits.number or "",
        "longest_wait_seconds": _seconds(waits.longest) if waits.number else "",
        "longest_wait": waits.what,
        "evidence": result.evidence,
    }
    return {name: value for name, value in found.items() if value != ""}


def _rest(recorded: Mapping[str, str], ours: Mapping[str, object]) -> dict[str, str]:
    """Return what tests have recorded besides; the findings are told by the failure itself."""
    return {name: value for name, value in recorded.items() if name not in {*ours, "findings", "blocking", "unknown"}}


def _seconds(value: Any) -> str:
    several = value if isinstance(value, list | tuple) else [value]
    return " ".join(f"{each:.3f}" for each in several if isinstance(each, int | float))


def _explain(child: ET.Element, result: Result) -> None:
    """Say in the message what a person needs first, and in the type why: viewers group by both."""
    if result.findings:
        finding = result.findings[0]
        more = f" (and {len(result.findings) - 1} more)" if len(result.findings) > 1 else ""
        message = f"{finding.object}: {finding.cause.sentence}{more}"
        child.text = child.text or "\n\n".join(finding.render() for finding in result.findings)
    else:
        message = result.reason or next(iter((child.text or "").splitlines()), "")
    child.set("message", _short(message))
    child.set("type", next(iter(result.causes), WHOSE.get(result.exit_code, "failed")))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_CHARACTERS else line[: MESSAGE_CHARACTERS - 1] + "…"


def _account(result: Result, waits: Waits) -> Iterable[str]:
    """Return the few lines that GitLab and Jenkins show beside a failure: what the failure itself does not say."""
    if result.proves:
        yield f"proves: {result.proves}"
    for finding in result.findings:
        yield f"remedy: {finding.cause.remedy}"
    if waits.number:
        yield f"waits: {waits.number}, the longest {waits.longest:.1f} s: {waits.what}"
    if result.evidence:
        yield f"evidence: {result.evidence} in the run's directory"


def _properties(values: Mapping[str, object]) -> ET.Element:
    element = ET.Element("properties")
    for name, value in values.items():
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        element.append(ET.Element("property", name=str(name), value=shown))
    return element


def _clean(root: ET.Element) -> None:
    """Take secrets and what XML cannot have out of all of it."""
    for element in root.iter():
        for name, value in element.attrib.items():
            element.set(name, legal(redact.text(value)))
        if element.text:
            element.text = legal(redact.text(element.text))
