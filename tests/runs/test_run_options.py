"""An earlier run becomes the options of a new one; what can no longer be had is named, and both are compared at the end."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli, paths
from platform_e2e.cluster import providers
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.commands import doctor
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.runs import checkout, compare, find_run, provenance, run_options, run_record, signatures
from platform_e2e.runs.directory import Run
from platform_e2e.runs.run_options import compare_states, compare_unjudged, prepare
from platform_e2e.runs.run_record import Then
from platform_e2e.runs.verdict import Outcome, Result
from platform_e2e.settings import OPTIONS, resolve
from platform_e2e.toolbox import gomod

OPTIONS_THEN: dict[str, Any] = {
    "provider": "embedded",
    "nodes": 2,
    "servers": 1,
    "images": "built",
    "registry_mirror": None,
    "layer": "/home/ci/platform",
    "keep": "never",
    "cluster": "e2e-1234",
    "deadline": 900.0,
    "charts_dir": None,
    "strict_versions": True,
    "root": "clusters/prod,bootstrap",
    "sealing_key": "/home/ci/key.yaml",
    "cache": "/home/ci/cache",
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """Be at a commit without uncommitted work, and return it."""
    commit = "a" * 40
    monkeypatch.setattr(checkout, "describe", lambda *_a, **_o: checkout.Checkout(commit, "", (), "", ()))
    return commit


def red(place: Path, commit: str = "a" * 40, files: dict[str, str] | None = None, **changes: Any) -> Path:
    """Return the directory of a red run."""
    place.mkdir(parents=True, exist_ok=True)
    tests = [
        {
            "test": "e2e/a.py::a",
            "outcome": "failed",
            "findings": [{"cause": {"id": "pool-full"}}, {"cause": {"id": "x"}}],
        },
        {"test": "e2e/a.py::b", "outcome": "error", "reason": "phase foundations failed"},
        {"test": "e2e/a.py::c", "outcome": "blocked", "reason": "blocked by foundations"},
        {"test": "e2e/a.py::d", "outcome": "passed"},
    ]
    said = {
        "exit_code": 1,
        "options": {**OPTIONS_THEN, **changes.pop("options", {})},
        "harness": {"commit": commit, "digest": "", "besides": "platform", **changes.pop("harness", {})},
        "layer": {"commit": "b" * 40, "uncommitted": [" M x"]},
        "verdict": {"tests": changes.pop("tests", tests)},
        **changes,
    }
    (place / "run.json").write_text(json.dumps(said))
    for name, text in (files or {}).items():
        (place / name).write_text(text)
    return place


def prepared(place: Path, environment: dict[str, str] | None = None, **chosen: Any) -> run_options.Prepared:
    found = prepare({"replay": str(place), "trust": True, **chosen}, environment or {})
    assert found is not None
    return found


def test_without_replay_there_is_none() -> None:
    assert prepare({"replay": None, "nodes": "2"}, {}) is None


@pytest.mark.usefixtures("here")
def test_what_failed_is_run_with_what_the_run_had(tmp_path: Path) -> None:
    found = prepared(red(tmp_path / "r"))
    settings = resolve(found.chosen, run_options.environment({"PLATFORM_E2E_NODES": "9"}))
    assert (settings.provider, settings.nodes, settings.images) == ("embedded", 2, "built")
    assert (settings.deadline, settings.strict_versions) == (900, True)
    assert settings.roots == ("clusters/prod", "bootstrap")
    assert settings.replay == str(tmp_path / "r")
    assert settings.cluster != "e2e-1234", "a cluster of that name may be somebody's"
    assert settings.cache == paths.cache()
    assert [one.test for one in found.tests] == ["e2e/a.py::a", "e2e/a.py::b"], (
        "what hung on others comes back with them"
    )
    assert found.tests[0].causes == ("pool-full", "x")
    assert found.lacking == []
    assert "no difference to the earlier run is known" in "\n".join(found.lines())


@pytest.mark.usefixtures("here")
def test_what_is_blocked_is_run_where_nothing_else_failed(tmp_path: Path) -> None:
    blocked = [{"test": "e2e/a.py::c", "outcome": "blocked"}, {"test": "e2e/a.py::d", "outcome": "passed"}]
    assert [one.test for one in prepared(red(tmp_path / "r", tests=blocked)).tests] == ["e2e/a.py::c"]


@pytest.mark.usefixtures("here")
def test_what_comes_of_the_comparison_with_earlier_runs_is_no_test_to_run_again(tmp_path: Path) -> None:
    of_history: dict[str, Any] = {"test": "history::monitoring", "outcome": "failed", "findings": []}
    passed = {"test": "e2e/a.py::d", "outcome": "passed"}
    assert prepared(red(tmp_path / "r", tests=[of_history, passed])).tests == ()
    failed = {"test": "e2e/a.py::a", "outcome": "failed"}
    assert [one.test for one in prepared(red(tmp_path / "r", tests=[of_history, failed])).tests] == ["e2e/a.py::a"]
    results = [Result("history::monitoring", Outcome.FAILED), Result("e2e/a.py::a", Outcome.FAILED)]
    assert provenance.failed(results) == [{"test": "e2e/a.py::a", "causes": []}]


@pytest.mark.usefixtures("here")
def test_the_command_line_outranks_the_run_and_the_run_the_environment(tmp_path: Path) -> None:
    charts = str(tmp_path)
    environment = {"PLATFORM_E2E_NODES": "4", "PLATFORM_E2E_CHARTS_DIR": charts, "PLATFORM_E2E_SERVERS": "1"}
    found = prepared(red(tmp_path / "r"), environment, deadline="5m", strict_versions=True)
    assert found.lacking == [
        "option: PLATFORM_E2E_NODES=4 is set and not used; the run had 2",
        "option: --deadline 5m as given; the run had 900s",
        f"option: --charts-dir {tmp_path} as given; the run had none",
    ]
    settings = resolve(found.chosen, run_options.environment(environment))
    assert (settings.nodes, settings.charts_dir, settings.deadline) == (2, tmp_path, 300)
    by_variable = prepare({"replay": None}, {"PLATFORM_E2E_REPLAY": str(tmp_path / "r"), "PLATFORM_E2E_TRUST": "yes"})
    assert by_variable is not None


@pytest.mark.usefixtures("here")
def test_a_provider_that_cannot_be_had_is_named_and_this_machine_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(provider: str, *_more: str) -> None:
        if provider == "k3d":
            raise BrokenHarness("k3d needs Docker: no daemon answers", "start it")

    monkeypatch.setattr(providers, "decide", decide)
    place = red(tmp_path / "r", options={"provider": "k3d", "images": "registry"})
    found = prepared(place)
    assert (found.chosen["provider"], found.chosen["images"]) == ("auto", "auto")
    said = "provider: k3d with images registry: k3d needs Docker: no daemon answers. This machine chooses in its place"
    assert said in found.lacking
    assert f"  cannot be had, or differs: {said}" in found.lines()
    assert prepared(place, provider="embedded").lacking[0] == "option: --provider embedded as given; the run had k3d"


@pytest.mark.point("replay-trusts-no-path")
@pytest.mark.usefixtures("here")
def test_no_place_is_taken_from_a_run_and_each_is_asked_for(tmp_path: Path) -> None:
    mine, charts = tmp_path / "key.yaml", tmp_path / "charts"
    mine.write_text("mine")
    charts.mkdir()
    digest = provenance.sealing_key(Run.plan(resolve({"sealing_key": str(mine)}, {})))
    options = {"charts_dir": str(charts), "registry_mirror": "https://mirror.example", "sealing_key": str(mine)}
    place = red(tmp_path / "r", options=options, sealing_key_sha256=digest)
    found = prepared(place)
    key = next(option.usual for option in OPTIONS if option.name == "sealing_key")
    settings = resolve(found.chosen, run_options.environment({}))
    assert (settings.sealing_key, settings.charts_dir, settings.registry_mirror) == (Path(key), None, None)
    assert not any(text in " ".join(map(str, found.chosen.values())) for text in options.values())
    ask = "A place is never taken from a run: give"
    assert found.lacking == [
        f"option: --registry-mirror: the run had https://mirror.example. {ask} --registry-mirror again",
        f"option: --charts-dir: the run had {charts}. {ask} --charts-dir again",
        f"sealing key: the run had another than {key}, and keys are not kept, so SealedSecrets may not open: --sealing-key",
    ]
    same = prepared(place, charts_dir=str(charts), sealing_key=str(mine))
    assert same.lacking == found.lacking[:1]
    settings = resolve(same.chosen, {})
    assert (settings.sealing_key, settings.charts_dir) == (mine, charts)


@pytest.mark.point("replay-trusts-no-path")
def test_the_line_that_reproduces_a_run_has_the_places_that_it_had(tmp_path: Path) -> None:
    charts = tmp_path / "my charts"
    charts.mkdir()
    settings = resolve({"charts_dir": str(charts), "registry_mirror": "https://a:hunter2hunter2@m.example"}, {})
    assert run_options.again(settings, str(paths.ROOT)) == (
        f" --registry-mirror 'https://[redacted]@m.example' --charts-dir '{charts}'"
    )
    assert run_options.again(resolve({}, {}), "/home/team/it's") == " --repository '/home/team/it'\"'\"'s'"
    assert run_options.again(resolve({}, {}), "") == ""


@pytest.mark.point("replay-asks-for-trust")
@pytest.mark.usefixtures("here")
def test_a_run_that_was_made_elsewhere_is_replayed_only_with_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    place = red(tmp_path / "r", files={"layer.tar.gz": "packed", "uncommitted.patch": "diff"})
    with pytest.raises(WrongUsage) as refused:
        prepare({"replay": str(place)}, {})
    assert refused.value.exit_code == 4
    for words in ("was not made with this cache", "layer of r at bbbbbbbbbbbb", "--nodes 2", "2 test(s) that failed"):
        assert words in refused.value.problem
    assert "with --trust" in refused.value.remedy
    assert not (tmp_path / "cache").exists(), "nothing was made"
    signatures.seal(place, find_run.NEEDED)
    assert prepare({"replay": str(place)}, {}) is not None
    assert (tmp_path / "cache" / signatures.KEY).stat().st_mode & 0o077 == 0
    for name in ("run.json", "layer.tar.gz", "uncommitted.patch", "run.seal"):
        before = (place / name).read_bytes()
        (place / name).write_bytes(before[:-2] + b"x" + before[-1:])
        with pytest.raises(WrongUsage):
            prepare({"replay": str(place)}, {})
        (place / name).write_bytes(before)
    (place / "harness.patch").write_text("added")
    with pytest.raises(WrongUsage, match="or was changed since"):
        prepare({"replay": str(place)}, {})
    (place / "harness.patch").unlink()
    (tmp_path / "cache" / signatures.KEY).unlink()
    with pytest.raises(WrongUsage, match="was not made with this cache"):
        prepare({"replay": str(place)}, {"PLATFORM_E2E_TRUST": "no"})
    assert prepare({"replay": str(place)}, {"PLATFORM_E2E_TRUST": "yes"}) is not None


@pytest.mark.point("harness-patch-warned")
def test_another_harness_is_named_with_the_commands_that_get_it(tmp_path: Path, here: str) -> None:
    other = "c" * 40
    withheld = {"patch_withheld": ["core: new, and no source"]}
    place = red(tmp_path / "r it's", other, {"harness.patch": "diff"}, harness=withheld)
    (said, patch, missing) = prepared(place).lacking
    assert said == (
        f"harness: it was at {other[:12]}, this one is at {here[:12]}. To have that one: git fetch, "
        f"then git worktree add ../platform-e2e-{other[:12]} {other[:12]}"
    )
    assert missing == "harness: core: new, and no source"
    quoted = shlex.quote(f"{place}/harness.patch")
    assert patch == (
        f"harness: it had uncommitted changes, 4 bytes in {quoted}. They are code that would run with your rights, and a "
        f"stranger may have written them: read them before you apply them in ../platform-e2e-{other[:12]}"
    )
    assert "git apply" not in "".join(prepared(place).lines())
    (changed,) = prepared(red(tmp_path / "s", harness={"digest": "0" * 64})).lacking
    assert changed.startswith("harness: its uncommitted changes are others now. To have its commit: ")
    (unknown,) = prepared(red(tmp_path / "t", "no commit; rm -rf /")).lacking
    assert unknown == "harness: the run does not say at which commit it was"


@pytest.mark.usefixtures("here")
def test_versions_that_this_checkout_has_in_place_of_others_are_named(tmp_path: Path) -> None:
    here = gomod.read().module("k8s.io/kubernetes").version
    state = {
        "kubernetes": "v1.20.0",
        "releases": [
            {"release": "metallb", "running": "v0.1.0", "chart": "metallb 0.1.0"},
            {"release": "argocd", "running": "v3.2.11", "chart": "argo-cd 3.2.11+assembled"},
            {"release": "mine", "running": "1.0", "chart": "mine 1.0"},
        ],
    }
    lacking = prepared(red(tmp_path / "r", state=state)).lacking
    assert lacking == [f"Kubernetes: {here} in place of v1.20.0", "release metallb: v0.15.3 in place of v0.1.0"]


def test_what_was_not_as_it_was_is_named_when_the_cluster_was_there() -> None:
    then = {
        "provider": "embedded",
        "nodes": 2,
        "pool": {"10.89.0.200-9": "10.90.0.200-9"},
        "images": {"a": "sha256:1", "b": "sha256:2", "only-then": "sha256:3", "never-had": ""},
        "releases": {"metallb": "v1"},
    }
    now = {**then, "pool": {"10.89.0.200-9": "10.91.0.200-9"}, "releases": {"metallb": "v2"}}
    now["images"] = {"a": "sha256:1", "b": "sha256:4", "never-had": "sha256:5"}
    assert compare_states(then, now) == [
        "pool: 10.89.0.200-9: 10.91.0.200-9 in place of 10.89.0.200-9: 10.90.0.200-9",
        "release metallb: v2 in place of v1",
        "image b: sha256:4 in place of sha256:2",
    ]
    assert compare_states(then, then) == []


def test_what_is_not_judged_any_more_differs_and_so_does_what_is_again() -> None:
    then, now = {"application/a -n argocd": "chart"}, {f"application/{n} -n argocd": "plugin" for n in "bcdefgh"}
    assert compare_unjudged(then, now) == [
        f"not judged here, judged then: {', '.join(f'application/{n} -n argocd (plugin)' for n in 'bcdef')} and 2 more",
        "judged here, not judged then: application/a -n argocd (chart)",
    ]
    assert compare_unjudged(then, then) == []


def test_what_is_called_like_a_secret_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redaction hides the values of such names: then nothing would be compared."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    run = Run.plan(resolve({"cluster": "mine"}, {"PLATFORM_E2E_ARTIFACTS": str(tmp_path / "artifacts")}))
    run.begin()
    place = paths.clusters() / "mine"
    place.mkdir(parents=True)
    ClusterFacts("mine", "embedded", "", "", "v1.34.4", ()).write(place / "cluster.json")
    name, digest = "docker.io/bitnami/sealed-secrets-controller:0.31.0", "sha256:" + "ab" * 32

    pods = [{"status": {"containerStatuses": [{"image": name, "imageID": digest}]}}]

    # A process whose tests need no client ends first.
    provenance.note_state(run, None)
    provenance.note_state(run, lambda: pods)
    run.timeline.event("fact", "release sealed-secrets", running="0.32.0", chart="sealed-secrets 2.17.9")
    written = json.loads(run.write_json("run.json", {"state": provenance.state(run)}).read_text())
    state = run_record.state(written["state"])
    assert state["images"] == {name: digest}
    assert (state["releases"], state["charts"]) == ({"sealed-secrets": "0.32.0"}, {"sealed-secrets": "sealed-secrets"})
    assert (state["kubernetes"], state["nodes"]) == ("v1.34.4", 0)


def test_images_are_those_that_pods_really_have() -> None:
    pods = [
        {
            "status": {
                "containerStatuses": [{"image": "chat:1", "imageID": "ghcr.io/chat@sha256:1"}, {"image": "gone:1"}]
            }
        },
        {"status": {"initContainerStatuses": [{"image": "copy:1", "imageID": "sha256:2"}]}},
        {"status": {"containerStatuses": [{"image": "chat:1", "imageID": ""}]}},
        {},
    ]
    assert provenance.digests(pods) == {"chat:1": "sha256:1", "copy:1": "sha256:2", "gone:1": ""}


def test_a_terminal_is_not_given_what_it_would_obey(tmp_path: Path, here: str) -> None:
    place = red(tmp_path / "r", here, options={"charts_dir": "/\x1b]0;owned\x07"})
    assert "\x1b" not in "".join(prepared(place).lines())


@pytest.mark.parametrize("text", ["[]", "{}", '{"options": {}}', '{"verdict": [], "options": {}}', "no json"])
def test_a_run_json_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(WrongUsage, match=r"is not one of platform-e2e|cannot be read as JSON"):
        prepared(tmp_path)


WRONG: list[dict[str, Any]] = [
    {"tests": "x"},
    {"tests": [1, {"findings": [1, {}]}]},
    {"layer": {"commit": {}, "withheld": [1], "patch_withheld": 1, "prefix": 1}},
    {"layer": 1},
    {"state": [1]},
    {"state": {"releases": [1, {}], "images": {"a": 1}, "pool": "x"}},
    {"harness": {"patch_withheld": 1, "besides": "../.."}},
    {"exit_code": "x"},
    {"layer": {"\ud800": 1}},
    {"\udfff": {"\ud800": ["\ud800"]}},
    {"tests": [{"test": "e2e/a.py::a", "outcome": "\ud800"}]},
    {"state": {"releases": [{"release": "\ud800", "\ud800": {}}]}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
@pytest.mark.usefixtures("here")
def test_whatever_stands_in_a_run_json_is_no_crash(tmp_path: Path, wrong: dict[str, Any]) -> None:
    found = prepared(red(tmp_path / "r", **wrong))
    assert found.lines()
    assert resolve(found.chosen, {}).nodes == 2
    compare_states(found.recorded.state, {"images": {}})


def test_a_value_of_the_run_that_is_none_is_refused(tmp_path: Path, here: str) -> None:
    with pytest.raises(WrongUsage, match="must be a whole number from 1 to 9"):
        resolve(prepared(red(tmp_path / "r", here, options={"nodes": [1]})).chosen, {})


def then(test: str, outcome: str = "failed", *causes: str, reason: str = "") -> Then:
    return Then(test, outcome, causes, reason)


def test_the_same_cause_is_told_from_another_one() -> None:
    before = [
        then("a", "failed", "pool-full", "x"),
        then("b", "failed", "pool-full"),
        then("c", "error", reason="deployment/chat-7f9c is not available after 12.5 s"),
        then("d", "error", reason="no address"),
        then("e", "failed", "pool-full"),
        then("f", "failed", "pool-full"),
        then("g", "failed", "pool-full"),
        then("h", "failed", "pool-full"),
    ]
    after = {
        "a": then("a", "failed", "x", "pool-full"),
        "b": then("b", "failed", "pool-unknown"),
        "c": then("c", "error", reason="deployment/chat-85bd is not available after 13.0 s"),
        "d": then("d", "error", reason="no answer"),
        "e": then("e", "passed"),
        "f": then("f", "blocked", reason="blocked by foundations"),
        "h": then("h", "skipped"),
    }
    compared = compare.compare(before, after, ("g",))
    assert [one.verdict for one in compared] == [
        "same", "different", "same", "different", "passes now", "different", "no longer exists", "different",
    ]  # fmt: skip
    assert (
        compare.summary(compared) == "of 8 test(s) that failed: 2 same, 4 different, 1 passes now, 1 no longer exists"
    )
    table = compare.table(compared, width=120, colour=False)
    assert "pool-unknown" in table
    assert "blocked by foundations" in table
    assert [one.verdict for one in compare.compare([then("z")], {})] == ["not run"]


def test_the_doctor_looks_at_what_the_run_had(
    tmp_path: Path, here: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def main(settings: Any, **_options: Any) -> int:
        seen.append(settings)
        return 0

    monkeypatch.setattr(doctor, "main", main)
    place = red(tmp_path / "r", here)
    assert cli.main(["doctor", "--before-run", "--replay", str(place), "-n", "4"]) == 4
    assert "was not made with this cache" in capsys.readouterr().err
    assert cli.main(["doctor", "--before-run", "--replay", str(place), "--trust", "-n", "4"]) == 0
    assert (seen[0].nodes, seen[0].provider) == (2, "embedded")
    assert cli.main(["doctor", "--replay", str(tmp_path / "nothing")]) == 4
    assert "does not exist" in capsys.readouterr().err
    assert cli.main(["breaks", "--replay", str(place), "--trust"]) == 4
    assert "--replay: breaks are made in a sound layer" in capsys.readouterr().err
