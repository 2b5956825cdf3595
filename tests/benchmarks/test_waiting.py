from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import waiting
from benchmarks.waits import contender, hostile, report
from benchmarks.waits.contender import Done, Order, Setup, Threaded
from benchmarks.waits.faults import FAULTS
from benchmarks.waits.peers import OURS, PEERS
from benchmarks.waits.plan import MARGIN, READY_AFTER, REPLACED, RESTARTED, Tally, Trial, Worth, judge, plan
from benchmarks.waits.stage import write_kubeconfig
from benchmarks.waits.summary import Bar, Delays, Load, delay_bars, hostile_bar, load_bars, ratio
from benchmarks.waits.worker import Worker

SECOND = 1_000_000_000


def trial(**fields: object) -> Trial:
    made: dict[str, object] = {
        "fault": "server busy (429)",
        "name": "a",
        "timeout": 8.0,
        "ready_after": 2.0,
        "stale": False,
        "noise_after": 1.0,
    }
    return Trial(**{**made, **fields})  # type: ignore[arg-type]


# The plan


def test_the_plan_is_the_same_for_everybody_and_covers_all_faults_alike() -> None:
    trials = plan(4, 1000)
    assert trials == plan(4, 1000)
    assert trials != plan(5, 1000)
    assert {fault: sum(each.fault == fault for each in trials) for fault in FAULTS} == {
        **dict.fromkeys(FAULTS, 225),
        RESTARTED: 100,
    }
    assert len({each.name for each in trials}) == 1000
    for fault in FAULTS:
        these = [each for each in trials if each.fault == fault]
        assert any(each.ready_after is None for each in these)
        assert any(each.stale for each in these)


def test_what_is_planned_can_be_judged() -> None:
    for each in plan(4, 1000):
        assert each.noise_after <= READY_AFTER[0]
        assert each.ready_after is None or each.ready_after < each.timeout - MARGIN
        assert each.replaced == (each.fault == REPLACED)
        assert not each.made_ready or (each.replaced and each.ready_after is not None)


# The verdicts


@pytest.mark.parametrize(
    ("ended", "error", "sent", "answered", "worth"),
    [
        (3, "", 2, 3, Worth.RIGHT),
        (2.5, "", 2, 3, Worth.RIGHT),
        (1, "", 2, 3, Worth.FALSE_PASS),
        (1, "", None, None, Worth.FALSE_PASS),
        (8, "timed out", None, None, Worth.RIGHT),
        (1, "broken pipe", None, None, Worth.RIGHT),
        (1, "broken pipe", 2, 3, Worth.FALSE_FAIL),
        (8, "timed out", 2, 5.9, Worth.FALSE_FAIL),
        (8, "timed out", 2, 6.1, Worth.UNJUDGED),
        (None, "", 2, 3, Worth.FALSE_FAIL),
        (None, "", None, None, Worth.RIGHT),
    ],
)
def test_a_verdict_is_false_where_it_says_what_was_not_so(
    ended: float | None, error: str, sent: float | None, answered: float | None, worth: Worth
) -> None:
    at = 100 * SECOND
    done = None if ended is None else Done(1, at, at + int(ended * SECOND), error)
    moments = [None if moment is None else at + int(moment * SECOND) for moment in (sent, answered)]
    found, told = judge(trial(), done, *moments)
    assert found == worth
    if worth is Worth.FALSE_FAIL:
        assert told == (error or "it never returned")


def test_verdicts_are_counted_with_the_errors_of_false_fails_only() -> None:
    tally = Tally()
    for worth, error in [
        (Worth.RIGHT, ""),
        (Worth.FALSE_PASS, ""),
        (Worth.FALSE_FAIL, "x"),
        (Worth.FALSE_FAIL, "x"),
        (Worth.UNJUDGED, ""),
    ]:
        tally.add(worth, error)
    tally.merge(tally)
    assert (tally.waits, tally.false_passes, tally.false_fails, tally.unjudged) == (10, 2, 4, 2)
    assert tally.false == 6
    assert dict(tally.errors) == {"x": 4}


def test_waits_begin_one_after_the_other() -> None:
    began = time.monotonic()
    pace = hostile.Pace(0.02)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(pace.wait)
    assert time.monotonic() - began >= 0.08


# The contenders


class Scripted(Threaded):
    def wait(self, name: str, timeout: float) -> None:
        if name == "bad":
            raise ValueError(f"E1124 14:23:19.1234 1 reflector.go: no\n\n{name} on 0x7f12 after {timeout:g} s\nmore")

    def close(self) -> None:
        pass


def test_an_end_is_told_with_its_times_and_few_words(tmp_path: Path) -> None:
    told: list[Done] = []
    scripted = Scripted(Setup(tmp_path, "n", tmp_path, tmp_path))
    scripted._attempt(Order(1, "good", 5), told.append)
    scripted._attempt(Order(2, "bad", 5), told.append)
    assert [(done.number, done.error) for done in told] == [(1, ""), (2, "ValueError: NAME on N after N s")]
    assert all(done.began <= done.ended for done in told)


def test_words_have_a_limit_and_an_error_without_words_is_its_name() -> None:
    assert contender.words(TimeoutError(), "a-1") == "TimeoutError"
    assert contender.words(ValueError("x" * 200), "a-1").endswith("…")
    assert len(contender.words(ValueError("x" * 200), "a-1")) == contender.WORDS


def test_there_is_a_module_for_each_contender() -> None:
    directory = Path(contender.__file__).parent / "peers"
    assert {peer.module for peer in PEERS.values()} == {path.stem for path in directory.glob("[a-z]*.py")}
    assert next(iter(PEERS)) == OURS


# The figures


def test_delays_are_summarised_by_percentiles() -> None:
    delays = Delays.of([float(number) for number in range(101)])
    assert (delays.minimum, delays.median, delays.p90, delays.p99, delays.maximum) == (0, 50, 90, 99, 100)
    assert (delays.trials, delays.mean) == (101, 50)


def test_each_bar_holds_up_to_its_limit_and_not_beyond() -> None:
    def delays(median: float, p99: float) -> list[bool]:
        return [bar.holds for bar in delay_bars(Delays(200, 0, median, 0, 0, p99, 0))]

    def load(requests: int, cpu: float, satisfied: int = 500) -> list[bool]:
        return [bar.holds for bar in load_bars(Load(500, satisfied, requests, 0, cpu, 0))]

    assert delays(2, 10) == [True, True]
    assert delays(2.01, 10.01) == [False, False]
    assert load(5, 1) == [True, True]
    assert load(6, 1.01) == [False, False]
    assert load(5, 1, satisfied=499) == [False, True]
    assert hostile_bar(1000, 0, 0).holds
    assert not hostile_bar(1000, 1, 0).holds
    assert not hostile_bar(1000, 0, 1).holds, "what could not be judged is not known to be right"


def test_a_ratio_to_nothing_says_nothing() -> None:
    assert ratio(3, 2) == "1.5 x"
    assert ratio(3, 0) == ratio(3, -1) == "-"


def test_the_tables_and_the_file_have_all_figures(tmp_path: Path) -> None:
    delays = {OURS: Delays(2, 0.1, 1, 1, 1, 2, 3), "kr8s": Delays(2, 0.1, 2.5, 1, 1, 2, 3)}
    loads = {"kr8s": [Load(1, 1, 28, 2048, 0.1, 3), Load(500, 499, 1500, 1 << 20, 5, 9)]}
    right, wrong = Tally(), Tally()
    right.add(Worth.RIGHT, "")
    wrong.add(Worth.FALSE_FAIL, "Oops: it broke")
    tallies = {title: dict.fromkeys(FAULTS, tally) for title, tally in ((OURS, right), ("kr8s", wrong))}
    console = Console(width=waiting.LOG_WIDTH, record=True)
    for table in (
        report.delay_table(delays),
        report.load_table(loads),
        report.hostile_table(tallies),
        report.error_table(tallies),
        report.bar_table([Bar("delay", "at most 2 ms", "3 ms", holds=False)]),
    ):
        console.print(table)
    text = console.export_text()
    for words in ("2.5 x", "1024", "499", "0 + 1", "0 + 5", "Oops: it broke", "NO", *FAULTS):
        assert words in text, words
    file = tmp_path / "benchmarks" / "waiting.json"
    report.write(file, {"delay": delays, "load": loads, "hostile": tallies})
    found = json.loads(file.read_text())
    assert found["delay"]["kr8s"]["median"] == 2.5
    assert found["load"]["kr8s"][1]["requests"] == 1500
    assert found["hostile"]["kr8s"]["server busy (429)"]["errors"] == {"Oops: it broke": 1}
    assert found["hostile"]["kr8s"]["server busy (429)"]["false"] == 1


def test_the_machine_is_told() -> None:
    facts = report.machine()
    assert facts["processors"] >= 1
    assert facts["memory"].endswith("kB")


# The command line


def test_parts_and_peers_are_chosen_by_name_and_keep_their_order() -> None:
    options = waiting.parse(["--only", "hostile, delay", "--peers", f"kr8s,{OURS}", "--trials", "7"])
    assert options.only == ["delay", "hostile"]
    assert options.peers == [OURS, "kr8s"]
    assert options.trials == 7
    assert waiting.parse([]).only == list(waiting.PARTS)
    assert waiting.parse([]).peers == list(PEERS)


@pytest.mark.parametrize(
    "words", [["--only", "delays"], ["--peers", "kuttl"], ["--trials", "1"], ["--waits", "0"], ["--hostile", "x"]]
)
def test_a_wrong_call_ends_as_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        waiting.parse(words)
    assert ended.value.code == 4
    assert words[0] in capsys.readouterr().err


def test_what_a_contender_writes_for_itself_goes_with_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, scratch, shared = tmp_path / "kubeconfig", tmp_path / "scratch", tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("TMPDIR", str(shared))
    write_kubeconfig(config, 1, b"an authority")
    with Worker("official watch", Setup(config, "n", tmp_path, scratch)):
        pass
    written = [file.read_bytes() for file in scratch.iterdir() if file.is_file()]
    assert written == [b"an authority"], "the official client writes no such files any more: nothing is tested here"
    assert not list(shared.iterdir())
