"""The page of a run: what a person reads in it, and that neither a hostile layer nor a damaged directory gets the better of it."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e import cli
from platform_e2e.errors import BrokenHarness
from platform_e2e.pytest_plugin import reporting
from platform_e2e.report.html import headline, model, problems, write
from platform_e2e.report.html.excerpts import LINES_SHOWN, excerpts
from platform_e2e.report.html.source import RunFiles, event_of
from platform_e2e.report.html.writing import SCRIPTS
from platform_e2e.runs.directory import Run
from platform_e2e.runs.run_json import SavedRun
from tests.fakes.made_run import HOSTILE, Made, hostile, red

TOKEN = "ghp_" + "a1B2c3D4" * 5


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.scripts[0])  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return red(tmp_path_factory.mktemp("runs") / "artifacts" / "2026-11-23-e2e", secret=f"token: {TOKEN}")


@pytest.fixture(scope="module")
def page(directory: Path) -> Page:
    return Page(write(directory))


def test_the_first_screen_has_verdict_causes_remedies_promises_and_what_changed(page: Page) -> None:
    for words in (
        "3 of 5 promises are broken",
        "3 causes",
        "5 failed",
        "8 blocked",
        "asks for 10.89.0.240, which lies in no pool",
        "correct the annotation metallb.io/loadBalancerIPs, or widen the pool",
        "give the ServiceMonitor the labels that serviceMonitorSelector asks for",
        "add selfHeal: true to the template of the ApplicationSet",
        "and 2 more alike",
        "heal 0.31 to 1.13 s, median 0.45 s",
        "platform at 19bde1c40a52",
        "argocd v3.2.11 in place of v3.4.4",
        "argocd runs v3.2.11, it was v3.2.9",
        "service/kiosk -n shop (no address in the lab)",
    ):
        assert words in page.text, words


def test_a_cause_has_its_objects_its_waits_its_logs_and_the_line_that_reproduces_it(page: Page) -> None:
    assert "application/chat-staging -n argocd" in page.text
    assert "not within 30 s" in page.text
    assert "event AllocationFailed" in page.text
    assert "nox -s e2e -- --replay artifacts/2026-11-23-e2e" in page.text
    logs = page.data["logs"]
    controller = next(end for path, end in logs.items() if "controller" in path)
    assert "chat-prod/chat" in controller["text"], "a controller's log that tells of the object is chosen"
    assert controller["said"] == "the last 60 of 300 lines"


@pytest.mark.parametrize(
    ("name", "kept", "said"),
    [
        ("2026-11-23-e2e-6f1d20aa", False, "1 node(s); it was made for this run and removed after it"),
        ("2026-11-23-e2e-6f1d20aa", True, "1 node(s); it was kept"),
        # A cluster that was there before may have stayed.
        ("2026-11-23-e2e-11111111", False, "1 node(s)"),
        ("2026-11-23-e2e-6f1d20aa", None, "1 node(s)"),
    ],
)
def test_what_became_of_the_cluster_is_said_as_far_as_it_is_known(
    tmp_path: Path, name: str, kept: bool | None, said: str
) -> None:
    place = red(tmp_path / name)
    source = RunFiles.read(place)
    known = replace(source.run, kept=kept)
    words = dict(headline.facts(RunFiles(place, known, source.events), 0.0, 0.0))
    assert words["cluster"] == f"embedded cluster `e2e-6f1d20aa`, Kubernetes v1.34.4, {said}"


def test_where_only_the_comparison_with_earlier_runs_failed_no_line_reproduces_it(tmp_path: Path) -> None:
    place = red(tmp_path / "artifacts" / "2026-11-23-e2e")
    run = json.loads((place / "run.json").read_text())
    failed = next(one for one in run["verdict"]["tests"] if one["outcome"] == "failed")
    passed = [one for one in run["verdict"]["tests"] if one["outcome"] == "passed"]
    run["verdict"]["tests"] = [{**failed, "test": "history::monitoring"}, *passed]
    (place / "run.json").write_text(json.dumps(run))
    made = Page(write(place))
    assert len([1 for tag, _ in made.tags if tag == "article"]) == 1
    assert "--replay" not in made.text


def test_three_objects_with_one_cause_are_one_cause(page: Page) -> None:
    assert len([1 for tag, attrs in page.tags if tag == "article"]) == 3
    assert page.text.count("keeps drift") == 2, "once in the list of what to do, once as the cause"


@pytest.mark.parametrize(("about", "several"), [("l2advertisement/platform -n metallb-system", 1), ("", 2)])
def test_what_is_mended_at_one_place_is_one_cause_whatever_each_object_says(about: str, several: int) -> None:
    def finding(environment: str, address: str) -> dict[str, Any]:
        sentence = f"service/chat -n {environment} has {address} from the pool platform, and nobody announces it"
        cause = {"id": "loadbalancer-not-announced-selectors", "sentence": sentence, "remedy": "add it", "about": about}
        return {"object": f"service/chat -n {environment}", "promise": "loadbalancer", "cause": cause}

    tests = [
        {"test": name, "outcome": "failed", "findings": [finding(name, address)]}
        for name, address in (("chat-dev", "10.89.0.201"), ("chat-prod", "10.89.0.203"))
    ]
    found = problems.problems(SavedRun.from_json({"verdict": {"tests": tests}})[0], [])
    assert [len(one.cases) for one in found] == [2 // several] * several


def test_what_is_blocked_is_told_once_and_leads_to_its_cause(page: Page) -> None:
    assert page.text.count("[application-not-selfhealing]") == 1
    blocked = [attrs for tag, attrs in page.tags if tag == "a" and attrs.get("aria-label") == "cause 3"]
    assert {attrs["href"] for attrs in blocked} == {"#cause-3"}


def test_the_timeline_has_a_lane_for_each_thing_that_went_on(page: Page) -> None:
    lanes = [(lane["group"], lane["label"]) for lane in page.data["lanes"]]
    assert {("phases", "foundations"), ("applications", "chat-prod"), ("own", "e2e-1c2d3e4f"), ("cluster", "restarts"),
            ("cluster", "warnings"), ("tests", "gw0"), ("tests", "gw2"), ("tests", "findings"),
            ("waits", "waits")} <= set(lanes)  # fmt: skip
    words = page.data["words"]
    (chat,) = [lane["items"] for lane in page.data["lanes"] if lane["label"] == "chat-prod"]
    assert [words[item[2]] for item in chat] == ["OutOfSync/Missing", "Synced/Progressing"]
    assert chat[0][1] == chat[1][0], "a state lasts until the next"
    heals = [words[item[4]] for lane in page.data["lanes"] if lane["group"] == "changes" for item in lane["items"]]
    assert "field edited /spec/labels/team: healed after 0.31 s" in heals
    assert len(page.data["plots"]["heals"]) == 6


def test_no_secret_that_was_left_in_a_file_reaches_the_page(directory: Path) -> None:
    assert TOKEN in next(directory.rglob("*.chat.log")).read_text()
    run = json.loads((directory / "run.json").read_text())
    run["history"]["changes"].append({"text": f"https://bob:{TOKEN}@git.example.org"})
    (directory / "run.json").write_text(json.dumps(run))
    content = write(directory).read_text()
    assert TOKEN not in content
    assert "[redacted]" in content


def test_a_private_key_that_the_end_of_a_log_cuts_is_hidden_too(tmp_path: Path) -> None:
    body = "\n".join(f"MIIEpAIBAAKCAQEA{place:048}" for place in range(LINES_SHOWN + 20))
    (tmp_path / "a.log").write_text(
        f"starts\n-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nends\n"
    )
    assert "MIIE" not in excerpts(tmp_path, ["a.log"])["a.log"].text


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value, the first of each list only."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = other
    return changed


def test_nothing_that_a_layer_names_becomes_markup_or_script(tmp_path: Path) -> None:
    directory = hostile(tmp_path / "run")
    page = Page(write(directory))
    assert [attrs.get("type") for tag, attrs in page.tags if tag == "script"] == ["application/json", None]
    assert not [tag for tag, _ in page.tags if tag in {"img", "iframe", "object", "link", "base", "form"}]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    links = [str(attrs["href"]) for tag, attrs in page.tags if tag == "a"]
    assert all(re.match(r"#|\./", link) for link in links), links
    assert HOSTILE in "".join(page.data["words"]), "as text it is all there"
    assert "window.hit" not in page.scripts[1]


def test_only_the_pages_own_script_and_style_may_be_used_and_nothing_is_fetched(page: Page, directory: Path) -> None:
    policy = next(str(attrs["content"]) for tag, attrs in page.tags if "http-equiv" in attrs)
    content = (directory / "report.html").read_text()
    for part in (page.scripts[1], re.findall(r"<style>(.*?)</style>", content, re.DOTALL)[0]):
        assert "sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"(?:src|href)=\"?https?:|url\(|@import|fetch\(|XMLHttpRequest|innerHTML", content)


ODD: tuple[Any, ...] = (None, 7, "x", [None, 3, "y"], {"a": 1}, float("nan"))


def test_a_run_of_any_other_shape_still_has_a_page(directory: Path) -> None:
    run = json.loads((directory / "run.json").read_text())
    # One test of each outcome, that with a finding first.
    run["verdict"]["tests"] = list({test["outcome"]: test for test in reversed(run["verdict"]["tests"])}.values())
    run["verdict"]["tests"].sort(key=lambda test: test["outcome"] != "failed")
    for place, path in enumerate(leaves(run)):
        for other in ODD if len(path) < 2 else (ODD[place % len(ODD)],):
            written, _ = model.page(RunFiles(directory, SavedRun.from_json(replaced(run, path, other))[0]))
            assert written["head"]["title"], f"{path} is {other}"


def test_events_of_any_other_shape_still_have_a_timeline(directory: Path) -> None:
    lines = [json.loads(line) for line in (directory / "timeline.jsonl").read_text().splitlines()]
    events = [
        event_of(json.dumps({key: other if key not in {"kind", "mono"} else item for key, item in line.items()}))
        for other in ODD
        for line in lines
    ]
    assert None not in events
    model.page(RunFiles(directory, RunFiles.read(directory).run, [event for event in events if event is not None]))


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    assert "No verdict was recorded" in Page(write(tmp_path)).text
    (tmp_path / "run.json").write_text('{"exit_code": 0, "verd')
    (tmp_path / "timeline.jsonl").write_text(
        '{"kind": "fact", "name": "cluster", "mono": 1, "text": "a"}\n{"kind": "fa'
    )
    text = Page(write(tmp_path)).text
    assert "run.json is damaged: verdict, promises and findings are not shown." in text
    assert "timeline.jsonl is damaged: one line of 2 cannot be read and are left out." in text
    (tmp_path / "run.json").write_text('{"exit_code": 0}')
    assert "run.json has no verdict" in Page(write(tmp_path)).text


@pytest.mark.parametrize("lone", [r"\ud800", r"\uDFFF", "\ud800"], ids=["first", "second", "bytes"])
def test_half_of_a_surrogate_pair_in_any_file_still_makes_a_page(tmp_path: Path, lone: str) -> None:
    run = {"verdict": {"tests": [{"test": "LONE", "outcome": "LONE"}]}, "options": {"LONE": 1}, "layer": {"LONE": 1}}
    files = {
        "run.json": json.dumps(run),
        "timeline.jsonl": json.dumps({"kind": "fact", "name": "LONE", "mono": 1, "LONE": "LONE", "text": {"LONE": 1}}),
        "evidence/index.json": json.dumps({"files": [{"path": "LONE", "LONE": 1, "bytes": {"LONE": 1}}]}),
    }
    (tmp_path / "evidence").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.replace("LONE", lone).encode("utf-8", "surrogatepass"))
    text = Page(write(tmp_path)).text
    assert "damaged" not in text


def test_a_page_is_written_whatever_characters_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_e2e.report.html.writing.render", lambda _: "a\ud800b")
    assert write(tmp_path).read_text(encoding="utf-8") == "a?b"


def test_a_page_that_cannot_be_written_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(BrokenHarness, match=r"the report .*report\.html cannot be made: IsADirectoryError"):
        write(tmp_path)


@pytest.mark.parametrize(
    ("code", "holds", "title"),
    [
        (0, True, "Every promise holds"),
        (0, False, "What was run holds"),
        (1, True, "The platform is broken: phase foundations failed"),
        (2, True, "The run was interrupted"),
        (3, True, "Not judged: the harness or the machine broke"),
        (4, True, "Nothing was judged: an option or a file of the layer is wrong"),
        (None, True, "No verdict was recorded"),
    ],
)
def test_the_title_says_who_must_get_up(tmp_path: Path, code: int | None, holds: bool, title: str) -> None:
    row = {"promise": "selfheal", "verdict": "holds", "tests": "1 passed", "figures": "", "holds": holds}
    run = {"exit_code": code, "verdict": {"promises": [row], "broken_phase": "foundations", "tests": []}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert title in Page(write(tmp_path)).text


def test_a_failed_phase_is_one_cause_and_everything_else_is_blocked_by_it(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 1})
    told = "phase foundations failed: release argocd is not ready\n  remedy: look at its pods"
    made.test(
        1, 1, "e2e/test_a.py::test_a", "error", promise="selfheal", text=told, exit_code=1, reason=told.splitlines()[0]
    )
    for place in range(40):
        made.test(2, 0, f"e2e/test_a.py::test_{place}", "blocked", promise="selfheal", reason="blocked by foundations")
    made.run["verdict"]["broken_phase"] = "foundations"
    page = Page(write(made.write()))
    assert [tag for tag, _ in page.tags].count("article") == 1
    assert "1 cause " in page.text
    assert "look at its pods" in page.text
    assert "40 blocked by foundations" in page.text


def test_a_phase_that_failed_without_a_test_to_tell_of_it_is_told(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 3})
    made.phase(0, 5, "cluster", error="the bridge cannot be made\n  remedy: load the module bridge")
    made.run["verdict"] = {"broken_phase": "cluster", "tests": []}
    text = Page(write(made.write())).text
    assert "phase cluster failed: the bridge cannot be made" in text
    assert "load the module bridge" in text


def test_many_errors_stay_a_page_that_can_be_opened(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 3})
    for place in range(model.PROBLEMS_SHOWN + 40):
        reason = "".join(chr(97 + int(digit)) for digit in str(place)) + " broke"
        made.test(place, 1, f"e2e/test_a.py::test_{place}", "error", text="x" * 20_000, exit_code=3, reason=reason)
    path = write(made.write())
    page = Page(path)
    assert [tag for tag, _ in page.tags].count("article") == model.PROBLEMS_SHOWN
    assert "100 causes" in page.text
    assert "40 more causes are told beside their tests" in page.text
    assert "characters are left out here; run.json has them" in page.text
    assert path.stat().st_size < 1_500_000


def test_a_lane_with_too_many_items_keeps_what_is_bad_and_says_so(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 0, "verdict": {"tests": []}})
    for place in range(model.ITEMS_SHOWN + 10):
        made.event(place, "warning", f"pod/p{place} -n a", reason="BackOff", count=1, why="again")
    page = Page(write(made.write()))
    (lane,) = page.data["lanes"]
    assert len(lane["items"]) == model.ITEMS_SHOWN
    assert "10 of the timeline's warnings are in timeline.jsonl only." in page.text


def test_what_did_not_end_or_was_not_healed_is_drawn_as_such(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 2, "verdict": {"tests": []}})
    made.event(0, "phase-start", "foundations", title="foundations")
    made.event(1, "test-start", "e2e/a.py::t", pid=9, worker="")
    made.event(2, "disturbance-start", "service/chat -n a", change="object-deleted", field="", test="e2e/a.py::t")
    made.event(9, "disturbance-end", "service/chat -n a", test="e2e/a.py::t", undone_by_harness=True)
    page = Page(write(made.write()))
    words = page.data["words"]
    items = {lane["group"]: lane["items"][0] for lane in page.data["lanes"]}
    assert {group: (item[0], item[1], words[item[2]]) for group, item in items.items()} == {
        "phases": (0.0, 9.0, "open"), "tests": (1.0, 9.0, "open"), "changes": (2.0, 9.0, "bad"),
    }  # fmt: skip
    assert "not healed, the harness put it back" in words[items["changes"][4]]


def test_a_control_that_wanted_its_change_to_stay_is_nothing_bad(tmp_path: Path) -> None:
    made = Made(tmp_path / "run", {"exit_code": 0})
    made.event(
        2,
        "disturbance-start",
        "application/platform -n argocd",
        change="field-edited",
        field="/spec",
        test="e2e/a.py::c",
    )
    made.event(9, "disturbance-end", "application/platform -n argocd", test="e2e/a.py::c", undone_by_harness=True)
    made.test(1, 9, "e2e/a.py::c")
    page = Page(write(made.write()))
    looks = {lane["group"]: page.data["words"][lane["items"][0][2]] for lane in page.data["lanes"]}
    assert looks == {"changes": "note", "tests": "passed"}


def test_the_command_makes_it_again_and_prints_where(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(directory)]) == 0
    assert capsys.readouterr().out.strip() == str(directory / "report.html")


def test_the_command_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(tmp_path)]) == 4
    assert "has neither run.json nor timeline.jsonl" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_whose_page_cannot_be_made_says_so_in_one_line(tmp_path: Path) -> None:
    run = cast("Run", SimpleNamespace(directory=tmp_path))
    assert reporting.written(run) == str(tmp_path / "report.html")
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    said = reporting.written(run)
    assert said.startswith(f"not made: the report {tmp_path}/report.html cannot be made: ")
    assert "\n" not in said


def test_the_templates_lie_in_the_package_that_the_wheel_has() -> None:
    lies = resources.files("platform_e2e.report.html") / "templates"
    assert {*SCRIPTS, "report.css", "report.html.j2"} == {one.name for one in lies.iterdir()}


def test_what_was_accepted_and_why_nothing_was_compared_is_said(tmp_path: Path) -> None:
    note, accepted = "not compared in numbers of tests: only -k chat ran", "2 tests of <monitoring>, 19 before"
    run = {"history": {"previous_green": None, "notes": [note], "accepted": [accepted]}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    page = write(tmp_path).read_text()
    assert note in page
    assert "2 tests of &lt;monitoring&gt;, 19 before" in page
