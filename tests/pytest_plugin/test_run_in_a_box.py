"""Whole runs of pytest over fakes: exit statuses, blocked tests, what is left behind, and what is not."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import time
from xml.etree import ElementTree as ET

import pytest

from tests.support.box import Box, unjudge

GREEN = """
@pytest.mark.promise("loadbalancer")
@pytest.mark.parametrize("name", ["a", "b"])
def test_address(cluster, promises, name):
    promises.report([], figures={"address": f"10.89.0.20{ord(name) - 97}", "probe_seconds": 0.25})
"""


def test_a_sound_platform_ends_with_0_a_table_and_all_files(box: Box) -> None:
    box.tests(GREEN)
    status, out = box.run(BOX_REPORT="yes")
    assert status == 0, out
    assert "loadbalancer" in out
    assert "holds" in out
    assert "address 10.89.0.200, 10.89.0.201" in out
    assert "cluster                        done" in out, "phases are shown while it runs"
    assert "exempt from loadbalancer: service/kiosk -n shop (no address in the lab)" in out
    assert "JUnit XML: artifacts/" in out
    assert "report:    artifacts/" in out
    page = (box.artifacts / "latest" / "report.html").read_text()
    assert "Every promise holds" in page
    assert all(name in page for name in ("summary.md", "junit.xml", "layer.tar.gz"))
    assert box.result["exit_code"] == 0
    assert [row["verdict"] for row in box.result["verdict"]["promises"]] == ["holds"]
    assert ET.parse(box.artifacts / "latest" / "junit.xml").getroot().find(".//testcase") is not None
    assert box.notes == ["acquire " + box.result["options"]["cluster"] + " 1", "removed"]


def test_workers_give_the_same_verdict_and_leave_nothing_in_the_systems_temporary_directory(box: Box) -> None:
    box.tests(GREEN.replace("name)", "name, tmp_path)", 1) + "    (tmp_path / 'x').write_text('x')\n")
    system = box.directory / "system"
    system.mkdir()
    status, out = box.run("e2e", "-n", "2", TMPDIR=str(system))
    assert status == 0, out
    assert box.result["verdict"]["counts"]["passed"] == 2
    assert box.result["verdict"]["promises"][0]["figures"].startswith("address 10.89.0.20")
    assert out.count("cluster                        starts") == 1, "the phase of the first worker is everybody's"
    runs = [path for path in box.artifacts.iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(runs) == 1, "one run directory, not one for each worker"
    assert len((box.artifacts / "history.jsonl").read_text().splitlines()) == 1, "and one line"
    assert len({note for note in box.notes if note.startswith("acquire")}) == 1, "all workers ask for the same cluster"
    assert not list(system.rglob("*"))
    assert not list(box.artifacts.glob("*/scratch"))


@pytest.mark.parametrize("option", ["--collect-only", "--help", "--markers", "--fixtures"])
def test_asking_creates_nothing(box: Box, option: str) -> None:
    box.tests(GREEN)
    before = {path.name for path in box.directory.iterdir()}
    status, out = box.run("e2e", option)
    assert status == 0, out
    assert {path.name for path in box.directory.iterdir()} == before


def test_tests_of_the_harness_leave_no_run_behind(box: Box) -> None:
    (box.directory / "tests").mkdir()
    (box.directory / "tests" / "test_small.py").write_text("def test_nothing(): pass\n")
    status, out = box.run("tests")
    assert status == 0, out
    assert not box.artifacts.exists()
    assert "verdict" not in out


def test_a_finding_is_the_first_thing_a_person_reads_and_ends_with_1(box: Box) -> None:
    box.tests("""
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises):
    promises.report([FINDING])
""")
    status, out = box.run()
    assert status == 1, out
    shown = out[out.index("= FAILURES =") :]
    assert "Traceback" not in shown
    assert "fixtures/" not in shown
    for line in (
        "Service/chat -n chat-dev breaks the promise 'loadbalancer'",
        "expected: an address of 10.89.0.200-10.89.0.220",
        "observed: no address",
        "cause:    the pool `default` has no free address [loadbalancer-pool-full]",
        "remedy:   Widen the pool.",
    ):
        assert line in shown
    assert "BROKEN" in out
    properties = {
        p.get("name"): p.get("value") for p in ET.parse(box.artifacts / "latest" / "junit.xml").iter("property")
    }
    assert properties["causes"] == "loadbalancer-pool-full"
    assert properties["promise"] == "loadbalancer"


def test_what_is_logged_while_the_cluster_goes_is_no_part_of_the_last_failure(box: Box) -> None:
    box.tests("""
import logging
@pytest.fixture(scope="session")
def client():
    yield
    logging.getLogger("client").debug("the connection is refused")
def test_address(cluster, client, promises):
    promises.report([FINDING])
""")
    status, out = box.run()
    assert status == 1, out
    assert "the connection is refused" not in out


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("assert 1 == 2, 'the address is wrong'", 1),
        ("raise BrokenPlatform('deployment/chat is not available', 'Look at its pods.')", 1),
        ("raise BrokenHarness('helm cannot be started', 'Install it.')", 3),
        ("raise KeyError('a bug of the harness')", 3),
    ],
)
def test_the_exit_status_says_whose_fault_it_is(box: Box, code: str, expected: int) -> None:
    box.tests(f"def test_it(cluster):\n    {code}\n")
    status, out = box.run()
    assert status == expected, out
    assert box.result["exit_code"] == expected


def test_a_platform_proven_broken_outranks_a_broken_harness(box: Box) -> None:
    box.tests("""
def test_one(cluster):
    raise BrokenHarness("helm cannot be started")
def test_two(cluster, promises):
    promises.report([FINDING])
""")
    assert box.run()[0] == 1


def test_a_file_of_tests_that_cannot_be_read_is_the_harness(box: Box) -> None:
    box.tests("import nothing_of_that_name\n")
    assert box.run()[0] == 3


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--nodes", "many"), "--nodes must be a whole number from 1 to 9, got `many`"),
        (("--layer", "/nowhere"), "--layer must be a directory that exists, got `/nowhere`"),
    ],
)
def test_a_wrong_option_ends_with_4_before_anything_exists(box: Box, args: tuple[str, ...], said: str) -> None:
    box.tests(GREEN)
    status, out = box.run("e2e", *args)
    assert status == 4, out
    assert said in out
    assert not box.artifacts.exists()
    assert not box.notes


def test_a_selection_without_tests_is_wrong_usage(box: Box) -> None:
    box.tests(GREEN)
    status, out = box.run("e2e", "-k", "nothing_of_that_name")
    assert status == 4, out
    assert "no test was selected" in out
    assert not box.notes


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_broken_layer_ends_with_4_before_any_cluster(box: Box, workers: str) -> None:
    box.tests(GREEN)
    (box.directory / "layer" / "broken.yaml").write_text("")
    status, out = box.run("e2e", "-n", workers)
    assert status == 4, out
    assert "broken.yaml:3: the key `speaker` stands here twice." in out
    assert "Traceback" not in out
    assert not box.notes
    assert not box.artifacts.exists()


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--setup-plan"])
def test_tests_of_a_broken_layer_are_not_listed_and_it_is_refused_once(box: Box, option: str) -> None:
    box.tests(OF_THE_LAYER)
    for name in ("more", "and_more"):
        (box.directory / "e2e" / f"test_{name}.py").write_text((box.directory / "e2e" / "test_it.py").read_text())
    (box.directory / "layer" / "broken.yaml").write_text("")
    status, out = box.run("e2e", option)
    assert status == 4, out
    assert out.count("broken.yaml:3: the key `speaker` stands here twice.") == 1
    assert "Remove one." in out
    assert "Traceback" not in out
    assert len(out.splitlines()) < 6


def test_a_layer_that_is_refused_while_a_file_is_read_ends_the_call_at_once(box: Box) -> None:
    box.tests(OF_THE_LAYER)
    (box.directory / "other").mkdir()
    for name in ("one", "two"):
        text = (box.directory / "e2e" / "test_it.py").read_text()
        (box.directory / "other" / f"test_{name}.py").write_text(text)
    (box.directory / "layer" / "broken.yaml").write_text("")
    for words in (("other",), ("other", "--collect-only")):
        status, out = box.run(*words)
        assert status == 4, out
        assert out.count("broken.yaml:3") == 1
        assert "Traceback" not in out
    assert not box.artifacts.exists()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_sound_platform_of_which_something_is_not_judged_ends_with_5_and_says_what(box: Box, workers: str) -> None:
    box.tests(GREEN)
    unjudge(box, vault="plugin", gone="chart")
    status, out = box.run("e2e", "-n", workers)
    assert status == 5, out
    judged = "3 of 5 Applications judged; 2 not: 1 chart, 1 plugin"
    assert f"layer: {judged}" in out, "before anything is started"
    end = " ".join(out[out.index("= verdict =") :].split())
    assert judged in end
    for words in ("not judged in full", "application/certs", "apps/certs.yaml:3", "fetch it", "1 of 2 not accepted"):
        assert words in end
    assert "warning: platform-e2e.yaml accepts application/gone -n argocd for reason chart" in end
    assert box.result["exit_code"] == 5
    assert [each["object"] for each in box.result["verdict"]["coverage"]["not_judged"]] == [
        "application/certs -n argocd", "application/vault -n argocd",
    ]  # fmt: skip
    latest = box.artifacts / "latest"
    assert judged in (latest / "summary.md").read_text()
    skipped = [
        case.get("name") for case in ET.parse(latest / "junit.xml").iter("testcase") if case.find("skipped") is not None
    ]
    assert skipped == ["application/certs -n argocd (chart)", "application/vault -n argocd (plugin)"]
    (line,) = (box.artifacts / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["applications"] == 3
    assert "reproduce:" not in out, "there is nothing to run again"


def test_what_the_team_accepts_ends_with_0_unless_all_is_required(box: Box) -> None:
    box.tests(GREEN)
    unjudge(box, vault="plugin", certs="chart")
    status, out = box.run()
    assert status == 0, out
    assert "(accepted)" in " ".join(out.split())
    status, out = box.run("e2e", "--require-all")
    assert status == 5, out
    assert "--require-all accepts nothing that is not judged: 2 left" in out
    status, out = box.run("e2e", PLATFORM_E2E_REQUIRE_ALL="yes")
    assert status == 5, out


def test_a_broken_platform_of_which_something_is_not_judged_is_broken(box: Box) -> None:
    box.tests(GREEN + "\n\ndef test_red(promises):\n    promises.report([FINDING])\n")
    unjudge(box)
    status, out = box.run()
    assert status == 1, out
    status, out = box.run("e2e", "-k", "address", BOX_CLUSTER="broken-harness")
    assert status == 3, out
    status, out = box.run("e2e", "-k", "nothing_of_this_name")
    assert status == 4, out


def test_what_is_not_judged_is_listed_with_the_tests(box: Box) -> None:
    box.tests(GREEN)
    unjudge(box)
    status, out = box.run("e2e", "--collect-only")
    assert status == 0, out
    assert "layer: 3 of 5 Applications judged; 2 not: 1 chart, 1 plugin" in out
    assert "not judged: application/certs -n argocd (apps/certs.yaml:3): what certs needs is not here" in out


OF_THE_LAYER = """
from platform_e2e.testing.checks import layer_of

def pytest_generate_tests(metafunc):
    metafunc.parametrize("name", [one.name for one in layer_of(metafunc.config).rendered])

@pytest.mark.promise("monitoring")
def test_object(cluster, name):
    pass
"""


MANY = """
@pytest.mark.promise("monitoring")
@pytest.mark.parametrize("number", range(6))
def test_target(cluster, number):
    pass
"""


def test_one_cause_is_shown_once_and_blocks_the_rest(box: Box) -> None:
    box.tests(MANY)
    status, out = box.run("e2e", "-n", "2", BOX_CLUSTER="broken-harness")
    assert status == 3, out
    shown = out[out.index("= ERRORS =") :]
    assert shown.count("phase cluster failed: the bridge cannot be made") == 1 + shown.count("ERROR e2e")
    assert "remedy: Load the module bridge." in shown
    not_judged = "the platform was not judged: this is a fault of the harness or the machine, not of the platform"
    end = shown[shown.index("all of it: ") :]
    assert f"{not_judged}; `nox -s bundle` packs what is needed to report it" in end
    assert any(not_judged in test["text"] for test in box.result["verdict"]["tests"])
    assert "Traceback" not in shown
    assert "5 blocked" in out
    assert "1 error" in out
    assert box.result["verdict"]["counts"] == {
        "passed": 0, "failed": 0, "error": 1, "blocked": 5, "unknown": 0, "skipped": 0,
    }  # fmt: skip
    assert box.result["verdict"]["broken_phase"] == "cluster"
    skipped = [e.get("message") for e in ET.parse(box.artifacts / "latest" / "junit.xml").iter("skipped")]
    assert skipped == ["blocked by cluster"] * 5


def test_what_the_provider_cannot_do_is_skipped_with_that_reason(box: Box) -> None:
    box.tests("""
@pytest.mark.promise("selfheal")
@pytest.mark.needs("snapshot")
def test_snapshot(cluster): ...
@pytest.mark.needs("nodes")
def test_nodes(cluster): ...
""")
    status, out = box.run()
    assert status == 0, out
    assert "the provider fake cannot do: snapshot" in out
    assert box.result["verdict"]["counts"]["skipped"] == 1
    assert "not judged: the provider fake cannot do: snapshot" in box.result["verdict"]["promises"][0]["verdict"]


def test_locks_are_taken_in_one_order_alone_by_who_asks_for_it(box: Box) -> None:
    box.tests("""
@pytest.mark.exclusive("metallb")
def test_pool(cluster): ...
@pytest.mark.exclusive("argocd", "metallb")
def test_both(cluster): ...
def test_reads(cluster): ...
def test_needs_none(): ...
""")
    status, out = box.run("e2e", "-k", "not both")
    assert status == 0, out
    assert [n for n in box.notes if n.startswith(("shared", "exclusive"))] == [
        "shared argocd", "exclusive metallb", "shared argocd", "shared metallb",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keep", "red", "kept"),
    [("never", True, False), ("on-failure", True, True), ("on-failure", False, False), ("always", False, True)],
)
def test_keep_says_how_to_get_in_and_how_to_remove(box: Box, keep: str, red: bool, kept: bool) -> None:
    box.tests(f"def test_it(cluster):\n    assert {not red}\n")
    status, out = box.run("e2e", "--keep", keep)
    assert status == int(red), out
    assert ("kept" in box.notes) is kept
    name = box.result["options"]["cluster"]
    assert (name == "e2e") is (keep == "always")
    for line in (
        f"export KUBECONFIG={box.directory}/cache/clusters/{name}/kubeconfig",
        f"nox -s cluster -- shell {name}",
        f"nox -s cluster -- down {name}",
    ):
        assert (line in out) is kept


def test_a_failure_in_one_worker_keeps_the_cluster_of_all(box: Box) -> None:
    box.tests("""
@pytest.mark.parametrize("number", range(4))
def test_it(cluster, number):
    threading.Event().wait(0.3 * number)
    assert number != 0
""")
    status, out = box.run("e2e", "-n", "2", "--keep", "on-failure")
    assert status == 1, out
    assert set(box.notes[-2:]) <= {"kept"} | {note for note in box.notes if note.startswith("acquire")}
    assert "removed" not in box.notes


@pytest.mark.parametrize(("workers", "seconds"), [("0", 2), ("1", 5)])
def test_the_deadline_names_the_test_that_hangs_and_tears_down(box: Box, workers: str, seconds: int) -> None:
    box.tests("""
def test_hangs(cluster):
    threading.Event().wait(60)
def test_later(cluster): ...
""")
    start = time.monotonic()
    # A worker needs a second or two to begin on a busy machine.
    status, out = box.run("e2e", "--deadline", f"{seconds}s", "-n", workers)
    assert time.monotonic() - start < 30
    assert status == 3, out
    assert f"the run's deadline of {seconds} s is reached" in out
    assert "it was running: e2e/test_it.py::test_hangs, " in out
    assert "removed" in box.notes or not box.notes, "on a slow machine the time is up before there is a cluster"
    assert len(box.result["verdict"]["tests"]) == 1, "nothing is started after the deadline"


def test_the_deadline_ends_a_phase_that_hangs(box: Box) -> None:
    box.tests(MANY)
    status, out = box.run("e2e", "--deadline", "1s", BOX_CLUSTER="hangs")
    assert status == 3, out
    assert "::test_target[0], setup" in out
    assert "timeline.jsonl" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_2_after_the_teardown(box: Box, number: signal.Signals) -> None:
    box.tests("""
def test_done(cluster): ...
def test_waits(cluster):
    open("waiting", "w").close()
    threading.Event().wait(60)
""")
    os.mkfifo(box.directory / "waiting")
    waiting = os.open(box.directory / "waiting", os.O_RDONLY | os.O_NONBLOCK)
    process = box.start("e2e")
    assert select.select([waiting], [], [], 20)[0], "the test has opened and closed it"
    os.close(waiting)
    process.send_signal(number)
    status, out = process.finish(timeout=20)
    assert status == 2, out
    assert box.notes[-1] == "removed"
    assert box.result["exit_code"] == 2
    assert box.result["verdict"]["counts"]["passed"] == 1, "what was interrupted did not pass"
    assert "not finished: holds so far" in out


def test_what_fails_because_of_the_interruption_is_no_verdict(box: Box) -> None:
    box.tests("""
def test_waits(cluster, platform_e2e_run):
    def phase():
        with contextlib.suppress(BrokenPlatform), platform_e2e_run.phase("foundations"):
            threading.Event().wait(0.4)
            raise BrokenPlatform("the API server is gone")
    threading.Thread(target=phase, daemon=True).start()
    os.kill(os.getpid(), 15)
    threading.Event().wait(60)
@pytest.fixture(scope="session", autouse=True)
def teardown():
    yield
    threading.Event().wait(1)
""")
    status, out = box.run()
    assert status == 2, out
    assert "the API server is gone" not in out
    assert box.result["verdict"]["broken_phase"] == ""


def test_the_timeline_has_every_test_and_run_json_what_it_is_about(box: Box) -> None:
    box.tests("""
class Service:
    def __str__(self): return "service/chat -n chat-dev"
class Case:
    service = Service()
@pytest.mark.parametrize("case", [pytest.param(Case(), id="chat")])
def test_address(cluster, promises, case):
    '''It answers.

    More of it.'''
    assert False, "it does not"
def test_all(cluster): ...
""")
    box.run("e2e", "-n", "1")
    lines = (box.artifacts / "latest" / "timeline.jsonl").read_text().splitlines()
    events = [event for event in map(json.loads, lines) if event["kind"] in {"test-start", "test-end"}]
    ids = ["e2e/test_it.py::test_address[chat]", "e2e/test_it.py::test_all"]
    for kind in ("test-start", "test-end"):
        assert sorted(event["name"] for event in events if event["kind"] == kind) == ids
    ended = next(event for event in events if event["kind"] == "test-end")
    assert ended["seconds"] >= ended["setup"] + ended["call"]
    assert events[0]["worker"].startswith("gw")
    one, other = sorted(box.result["verdict"]["tests"], key=lambda test: str(test["test"]))
    assert (one["object"], one["proves"]) == ("service/chat -n chat-dev", "It answers.")
    assert "it does not" in one["text"]
    assert (other["object"], other["proves"], other["text"]) == ("", "", "")


def test_secrets_in_output_and_errors_reach_no_file(box: Box) -> None:
    box.tests("""
def test_it(cluster):
    print("Authorization: Bearer abcdefghijklmnop.secret")
    print("what the test printed")
    raise BrokenPlatform("could not log in with password=hunter2-and-more")
def test_assert(cluster):
    assert "token: s3cr3t-value-here" == ""
def test_blocked(cluster):
    error = BrokenPlatform("cannot be judged")
    error.by = "promise applications: the pod says password=hunter2-in-a-log [pod-crash]"
    raise error
def test_phase(platform_e2e_run):
    with platform_e2e_run.phase("foundations"):
        raise BrokenPlatform("the end of its log: password=hunter2-in-a-phase")
""")
    _, out = box.run()
    captured = (box.artifacts / "latest").resolve() / "evidence" / "test_it" / "captured.txt"
    assert "what the test printed" in captured.read_text()
    assert "what the test printed" not in out, "it would hide the finding"
    assert str(captured) in out
    # The harness' own uncommitted work is this file's text, where somebody works on it.
    files = [p for p in box.artifacts.rglob("*") if p.is_file() and not p.is_symlink() and p.name != "harness.patch"]
    everything = "".join(p.read_bytes().decode(errors="replace") for p in files)
    assert "hunter2" not in everything
    assert "abcdefghijklmnop" not in everything
    assert "s3cr3t-value" not in everything
    assert "[redacted]" in everything


def test_a_worker_that_has_read_another_layer_than_its_controller_judges_nothing(box: Box) -> None:
    box.tests(
        "from pathlib import Path\n"
        "if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n"
        "    Path(os.environ['PLATFORM_E2E_LAYER'], 'late.yaml').write_text('a: 1')\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(cluster, number):\n"
        "    pass\n"
    )
    status, out = box.run("e2e", "-n", "2")
    assert status == 4, out
    assert re.search(r"the layer has changed since this run read it: \S*late\.yaml", out), out
    assert "remedy: run again" in out


@pytest.mark.point("kept-cluster-one-layer")
def test_all_workers_hold_the_cluster_for_the_layer_that_their_run_began_with(box: Box) -> None:
    (box.directory / "layer" / "a.yaml").write_text("a: 1")
    box.tests(
        "from pathlib import Path\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(cluster, promises, number):\n"
        "    Path(os.environ['PLATFORM_E2E_LAYER'], 'a.yaml').write_text(f'a: {number}')\n"
        "    ((fingerprint, name),) = cluster.lease.layers\n"
        "    assert name.endswith('/layer')\n"
        "    with Path(os.environ['HARNESS_IN_A_BOX']).open('a') as notes:\n"
        "        notes.write(f'tests {fingerprint}\\n')\n"
    )
    status, out = box.run("e2e", "-n", "2")
    assert status == 0, out
    tested = [note for note in box.notes if note.startswith("tests ")]
    assert len(tested) == 4
    assert len(set(tested)) == 1
    assert tested[0].split()[1], "it has a digest"
