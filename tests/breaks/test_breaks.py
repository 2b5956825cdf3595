from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks import runner
from platform_e2e.breaks.declaration import LEGITIMATE, UNKNOWN, Break, FileChange, apply, load, load_all
from platform_e2e.breaks.judge import RunOutcome, judge, judge_sound
from platform_e2e.breaks.runner import broken_copy, options_of, select, table
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import yamlfile
from platform_e2e.layer.not_judged import Accepted
from platform_e2e.runs.coverage import Coverage
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import Outcome, Result, Verdict, verdict_on
from platform_e2e.settings import Settings, resolve
from platform_e2e.toolbox.waiting import wait_until
from tests.fakes import layers
from tests.fakes.unjudged import unjudged

SOUND = """\
why: nobody announces the address
promise: loadbalancer
cause: no-advertisement
sentence: "no L2Advertisement .* pool `default`"
change:
- file: metallb/l2.yaml
  delete: true
"""
FAULT = Break(
    "no-l2",
    Promise.LOADBALANCER,
    "no-advertisement",
    "no L2Advertisement .* pool `default`",
    (FileChange("a", delete=True),),
)


def finding(promise: str = "loadbalancer", cause: str = "no-advertisement", sentence: str = "") -> dict[str, Any]:
    text = sentence or "no L2Advertisement selects the pool `default`"
    return {"object": "Service/chat", "promise": promise, "cause": {"id": cause, "sentence": text}}


def run(*tests: tuple[str, str, list[dict[str, Any]]], status: int = 1) -> RunOutcome:
    listed = [
        {"test": f"t{n}", "outcome": outcome, "promise": promise, "findings": found, "reason": "why it is red"}
        for n, (outcome, promise, found) in enumerate(tests)
    ]
    found, odd = SavedRun.from_json({"verdict": {"tests": listed}})
    assert odd == []
    return RunOutcome(status, 1.0, found.verdict, "the last line")


GREEN: tuple[str, str, list[dict[str, Any]]] = ("passed", "monitoring", [])
RED = ("failed", "loadbalancer", [finding()])


def test_the_declared_verdict_is_right() -> None:
    judgement = judge(FAULT, run(GREEN, RED, RED, ("skipped", "selfheal", [])))
    assert judgement.right, judgement.reason


LEFT_OUT = replace(FAULT, cause=UNKNOWN, sentence=r"^application/certs -n argocd \(chart\): the chart certs ")


@pytest.mark.parametrize(
    ("status", "found", "reason"),
    [
        (5, [unjudged("certs")], ""),
        (
            5,
            [unjudged("certs"), unjudged("vault", "plugin")],
            "miscalled: what is not judged is said to be `application/vault",
        ),
        (
            5,
            [unjudged("certs", "render")],
            "miscalled: what is not judged is said to be `application/certs -n argocd (render)",
        ),
        (5, [], "missed: nothing is not judged"),
        (0, [unjudged("certs")], "missed: the run is green"),
        (1, [unjudged("certs")], "not unknown: status 1"),
    ],
)
def test_what_must_be_unknown_must_be_named_and_nothing_may_be_red(status: int, found: list[Any], reason: str) -> None:
    outcome = RunOutcome(status, 1.0, Verdict(coverage=Coverage(3, tuple(found))), "the last line")
    judged = judge(LEFT_OUT, outcome)
    assert judged.right is not bool(reason)
    assert judged.reason.startswith(reason)


def test_what_is_accepted_as_unknown_is_not_the_fault() -> None:
    accepted = Coverage(3, (unjudged("certs"), unjudged("vault")), (Accepted("application/vault -n argocd", "chart"),))
    assert judge(LEFT_OUT, RunOutcome(5, 1.0, Verdict(coverage=accepted))).right


def test_a_legitimate_change_must_stay_green() -> None:
    case = replace(FAULT, cause=LEGITIMATE)
    assert judge(case, run(GREEN, status=0)).right
    assert "the layer is not green: status 1" in judge(case, run(GREEN, RED)).reason
    assert judge(case, run(status=0)).reason == "the run on the layer judged nothing"


def test_a_layer_that_its_reader_refuses_for_the_fault_is_judged_right() -> None:
    fault = replace(FAULT, cause="application-shared-resource", changes=(FileChange("argocd/two.yaml", create="x"),))
    said = "ERROR: argocd/one.yaml:2: application/a -n argocd is there a second time\n  remedy: the first is in argocd/two.yaml:1"
    assert judge(fault, replace(run(status=4), said=said)).right
    assert not judge(fault, replace(run(status=4), said=said.replace("two.yaml", "else.yaml"))).right
    assert not judge(fault, replace(run(status=4), said="argocd/two.yaml cannot be read")).right
    assert not judge(FAULT, replace(run(status=4), said=said)).right


def blocked_by(reason: str) -> RunOutcome:
    broken = run(RED, ("blocked", "monitoring", []))
    red, blocked = broken.found.tests
    tests = (red, replace(blocked, reason=f"blocked by {reason}"))
    return replace(broken, found=replace(broken.found, tests=tests))


def test_a_test_that_the_declared_cause_blocks_is_no_other_fault() -> None:
    assert judge(FAULT, blocked_by("promise loadbalancer: nobody announces it [no-advertisement]")).right


@pytest.mark.parametrize(
    "reason",
    [
        "promise applications: nobody announces it [no-advertisement]",
        "promise loadbalancer: all are taken [pool-full]",
        "applications",
    ],
)
def test_a_test_that_something_else_blocks_is_another_fault(reason: str) -> None:
    assert "something else is red" in judge(FAULT, blocked_by(reason)).reason


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (run(GREEN, status=0), "missed: the run is green"),
        (run(GREEN), "missed: no test is red"),
        (run(RED, ("failed", "monitoring", [finding("monitoring")])), "something else is red: t1: why it is red"),
        (run(RED, ("blocked", "monitoring", [])), "something else is red"),
        (run(RED, ("error", "", [])), "something else is red"),
        (run(RED, ("failed", "loadbalancer", [])), "red without a finding: t1"),
        (run(("failed", "loadbalancer", [finding(cause="pool-full")])), "miscalled: the cause of Service/chat"),
        (run(("failed", "loadbalancer", [finding(), finding(promise="monitoring")])), "is said to break `monitoring`"),
        (
            run(("failed", "loadbalancer", [finding(sentence="something vague")])),
            "miscalled: the sentence is `something",
        ),
        (run(("error", "loadbalancer", []), status=3), "not judged: status 3; t0: why it is red"),
        (
            RunOutcome(4, 1.0, Verdict(), "ERROR: no such layer"),
            "not judged: status 4; ERROR: no such layer",
        ),
    ],
)
def test_every_other_verdict_is_wrong_and_says_how(outcome: RunOutcome, said: str) -> None:
    judgement = judge(FAULT, outcome)
    assert not judgement.right
    assert said in judgement.reason


def test_the_sound_layer_must_be_green_and_must_have_been_judged() -> None:
    assert judge_sound("before", run(GREEN, status=0)).right
    assert "judged nothing" in judge_sound("before", run(("skipped", "x", []), status=0)).reason
    assert "not green: status 1" in judge_sound("before", run(RED)).reason


def test_a_break_is_read(tmp_path: Path) -> None:
    (tmp_path / "no-l2.yaml").write_text(SOUND)
    fault = load(tmp_path / "no-l2.yaml")
    assert fault.name == "no-l2"
    assert fault.promise == "loadbalancer"
    assert fault.changes == (FileChange("metallb/l2.yaml", delete=True),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("loadbalancer", "lodbalancer", "promise must be `loadbalancer`, got `lodbalancer`"),
        ("cause:", "cuase:", "must have promise, cause, sentence and change"),
        ("why:", "because:", "and nothing else"),
        ("no L2Advertisement .*", "no L2Advertisement (", "sentence must be a regular expression"),
        ("- file: metallb/l2.yaml\n  delete: true\n", "", "change is empty"),
        (
            "delete: true",
            "delete: false",
            "a change is `file, find, replace`, `file, create: TEXT` or `file, delete: t",
        ),
        ("delete: true", "create: ''", "a change is `file, find, replace`, `file, create: TEXT`"),
        ("promise: loadbalancer", "promise: [", "cannot be read"),
        ("promise: loadbalancer", "promise: selfheal\npromise: loadbalancer", "cannot be read"),
    ],
)
def test_a_file_that_is_no_break_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SOUND
    path = tmp_path / "no-l2.yaml"
    path.write_text(SOUND.replace(old, new))
    with pytest.raises(WrongUsage) as error:
        load(path)
    assert str(error.value).startswith("no-l2.yaml")
    assert said in str(error.value)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    directory = tmp_path / "layer"
    (directory / "argocd").mkdir(parents=True)
    (directory / "argocd" / "app.yaml").write_text("prune: true\nselfHeal: true\n")
    return directory


def test_a_change_is_made_in_a_copy(layer: Path, tmp_path: Path) -> None:
    fault = Break(
        "x", Promise.SELFHEAL, "c", "s", (FileChange("argocd/app.yaml", "selfHeal: true", "selfHeal: false"),)
    )
    copy = broken_copy(fault, layer, tmp_path / "copy")
    assert (copy / "argocd" / "app.yaml").read_text() == "prune: true\nselfHeal: false\n"
    assert (layer / "argocd" / "app.yaml").read_text() == "prune: true\nselfHeal: true\n"


def test_a_directory_can_be_deleted(layer: Path) -> None:
    apply(Break("x", Promise.SELFHEAL, "c", "s", (FileChange("argocd", delete=True),)), layer)
    assert not (layer / "argocd").exists()


def test_a_file_can_be_created_also_in_a_new_directory(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "extra.yaml").write_text(
        SOUND.replace("metallb/l2.yaml\n  delete: true", "new/hook.yaml\n  create: |\n    a: 1")
    )
    apply(load(tmp_path / "extra.yaml"), layer)
    assert (layer / "new" / "hook.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (FileChange("argocd/app.yaml", create="a: 1\n"), "the layer has argocd/app.yaml already"),
        (FileChange("argocd/gone.yaml", delete=True), "the layer has no argocd/gone.yaml"),
        (FileChange("argocd/app.yaml", "selfHeal: yes", ""), "`selfHeal: yes` 0 times instead of once"),
        (FileChange("argocd/app.yaml", "true", "false"), "`true` 2 times instead of once"),
        (FileChange("argocd/app.yaml", "", "x"), "instead of once"),
    ],
)
def test_a_break_that_the_layer_has_outgrown_is_refused(layer: Path, change: FileChange, said: str) -> None:
    with pytest.raises(WrongUsage) as error:
        apply(Break("old", Promise.SELFHEAL, "c", "s", (change,)), layer)
    assert said in str(error.value)
    assert "breaks/old.yaml up to date" in str(error.value)


def test_breaks_are_chosen_by_name_and_by_text() -> None:
    faults = [Break(name, Promise.SELFHEAL, "c", "s", ()) for name in ("pool-full", "pool-absent", "label")]
    assert [fault.name for fault in select(faults, ["label"], "")] == ["label"]
    assert [fault.name for fault in select(faults, [], "pool")] == ["pool-full", "pool-absent"]
    with pytest.raises(WrongUsage, match=r"got `nope`\n.*: --list prints all 3"):
        select(faults, ["label", "nope"], "")
    with pytest.raises(WrongUsage, match=r"got `pool-ful`\n.*did you mean pool-full\?"):
        select(faults, ["pool-ful"], "")
    with pytest.raises(WrongUsage, match="in the name of a break, got `zzz`"):
        select(faults, [], "zzz")


def test_a_directory_without_breaks_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="has no break"):
        load_all(tmp_path)


def test_the_table_names_every_break() -> None:
    assert table([judge(FAULT, run(RED)), judge(FAULT, run(GREEN, status=0))]).count(FAULT.name) == 2


BREAKS = sorted((paths.ROOT / "breaks").glob("*.yaml"))


@pytest.mark.parametrize("path", BREAKS, ids=[path.stem for path in BREAKS])
def test_each_break_of_this_repository_fits_its_layer(path: Path, tmp_path: Path) -> None:
    fault, copy = load(path), tmp_path / "copy"
    broken_copy(fault, layers.DEMO, copy)
    for change in fault.changes:
        if change.file.endswith(".yaml") and not change.delete:
            assert yamlfile.read(copy, copy / change.file), (
                "what it leaves is YAML: no break is about a file that is none"
            )


def test_a_run_has_every_option_that_was_chosen(tmp_path: Path) -> None:
    key = tmp_path / "key.yaml"
    key.touch()
    chosen = resolve(
        {
            "sealing_key": str(key),
            "strict_versions": True,
            "nodes": "2",
            "deadline": "90s",
            "cluster": "breaks",
            "root": "a,b",
        },
        {},
    )
    words = options_of(chosen, tmp_path)
    again = dict(itertools.pairwise(words))
    assert {again["--sealing-key"], again["--layer"]} == {str(key), str(tmp_path)}
    assert (again["--nodes"], again["--deadline"], again["--keep"], again["--cluster"]) == (
        "2",
        "90s",
        "always",
        "breaks",
    )
    assert again["--root"] == "a,b"
    assert "--strict-versions" in words
    assert "--charts-dir" not in words


@pytest.mark.parametrize("number", [1, 2])
def test_every_break_is_run_once_and_each_cluster_is_sound_before_and_after(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    ran: list[tuple[str, str]] = []

    def told(settings: Settings, _layer: Path, name: str) -> RunOutcome:
        ran.append((settings.cluster, name))
        return run(GREEN, status=0)

    monkeypatch.setattr(runner, "_run", told)
    removed: list[str] = []
    monkeypatch.setattr(runner, "_remove_cluster", removed.append)
    names = ["selfheal-removed", "image-tag", "service-type"]
    # Green is wrong for a break: all of them are missed.
    assert runner.main(resolve({"layer": str(layers.DEMO)}, {}), names, jobs=number) == 1
    assert sorted(name for _, name in ran if name in names) == sorted(names)
    clusters = {cluster for cluster, _ in ran}
    assert set(removed) == clusters
    assert len(clusters) == number
    for cluster in clusters:
        mine = [name for each, name in ran if each == cluster]
        assert (mine[0], mine[-1]) == (f"before-{cluster}", f"after-{cluster}")
    assert capsys.readouterr().out.count("missed: the run is green") >= len(names)


def test_what_no_job_came_to_is_no_success(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runner, "_run", lambda *_: run(RED))
    monkeypatch.setattr(runner, "_remove_cluster", lambda _: None)
    assert runner.main(resolve({"layer": str(layers.DEMO)}, {}), ["image-tag", "service-type"], jobs=2) == 1
    assert capsys.readouterr().out.count("not run") == 2


INTERRUPTED = """
import signal, sys
from pathlib import Path
from platform_e2e import cli, shell
from platform_e2e.breaks import runner
from platform_e2e.breaks.judge import RunOutcome
from platform_e2e.runs.verdict import Outcome, Result, Verdict, verdict_on

# A shell starts what it puts into the background with SIGINT ignored; whoever runs this test may have been started so.
signal.signal(signal.SIGINT, signal.default_int_handler)
PLACE = Path(sys.argv[1])
RUN = '''
import signal, sys, time
from pathlib import Path

def end(*_):
    with open(sys.argv[1] + ".cleaned", "a") as file:
        file.write("once ")
    time.sleep(0.3)
    sys.exit(2)

signal.signal(signal.SIGTERM, end)
Path(sys.argv[1]).touch()
time.sleep(60)
'''

def run(settings, layer, name):
    done = shell.run([sys.executable, "-c", RUN, PLACE / settings.cluster], timeout=90, ok=range(-64, 256), among=runner.RUNS)
    return RunOutcome(done.returncode, done.seconds, Verdict())

def remove(cluster):
    ended = (PLACE / (cluster + ".cleaned")).exists()
    (PLACE / (cluster + ".removed")).write_text("after its run" if ended else "under its run")

runner._run, runner._remove_cluster = run, remove
sys.exit(cli.main(["breaks", "--layer", sys.argv[3], "--jobs", sys.argv[2], "image-tag", "service-type"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_ends_the_runs_of_all_jobs_before_their_clusters_are_removed(
    tmp_path: Path, number: signal.Signals, jobs: int
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(jobs), str(layers.DEMO)]
    with subprocess.Popen(command, cwd=paths.ROOT) as process:

        def begun() -> bool | str:
            assert process.poll() is None
            return len([one for one in tmp_path.iterdir() if not one.suffix]) == jobs or "not all runs have begun"

        wait_until(begun, timeout=30, what="each job has begun a run")
        process.send_signal(number)
        assert process.wait(30) == 2
    removed = {one.read_text() for one in tmp_path.glob("*.removed")}
    assert removed == {"after its run"}
    assert [one.read_text() for one in tmp_path.glob("*.cleaned")] == ["once "] * jobs
    assert len(list(tmp_path.glob("*.removed"))) == jobs


def test_what_is_unknown_beside_a_fault_is_no_other_fault() -> None:
    found = Finding(
        "x", Promise.LOADBALANCER, "a", "b", Cause("no-advertisement", FAULT.sentence.replace(".*", "of"), "")
    )
    red = Result("a", Outcome.FAILED, Promise.LOADBALANCER, findings=(found,), exit_code=1)
    beside = Result("b", Outcome.UNKNOWN, Promise.MONITORING, reason="not judged", unknown=unjudged("certs"))
    told = judge(FAULT, RunOutcome(1, 1.0, verdict_on([red, beside])))
    assert told.right, told.reason
