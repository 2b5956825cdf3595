"""Whatever a foreign repository, layer or archive plants for Git to run: on no way into the harness anything of it runs."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform_e2e import cli, paths
from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.git import gitcommand
from platform_e2e.git.repository import located, opened
from platform_e2e.gitops.bare_repository import BareRepository, PlannedCommit, files_of
from platform_e2e.incident import capture
from platform_e2e.runs import checkout, digest, layer_at_commit, provenance, run_options
from platform_e2e.runs.directory import Run
from platform_e2e.settings import resolve
from tests.fakes import incidents, layers
from tests.fakes.planted_git import KINDS, WAYS, Planted, bare_layout, ini, of_another
from tests.fakes.scripted_api import ScriptedApi
from tests.support.box import Box


@pytest.fixture
def planted(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Planted:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return Planted(tmp_path / "planted", tmp_path_factory.getbasetemp() / "sound-repository")


def describe(directory: Path, artifacts: Path) -> Run:
    """Do what a run with --layer does before any cluster."""
    run = Run.plan(resolve({"layer": str(directory)}, {"PLATFORM_E2E_ARTIFACTS": str(artifacts)}))
    run = dataclasses.replace(run, directory=artifacts / "run")
    run.directory.mkdir(parents=True)
    run.source = provenance.layer(run, None)
    return run


@pytest.mark.parametrize("kind", KINDS)
def test_the_plants_would_run(planted: Planted, kind: str) -> None:
    """The control: Git as it is run by hand does run something in each of them."""
    KINDS[kind](planted, planted.place / "team")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(planted.place / "trusting"), "GIT_TERMINAL_PROMPT": "0"}
    (planted.place / "trusting").write_text("[safe]\n\tdirectory = *\n")
    for words in (
        ("status", "--porcelain"),
        ("diff", "HEAD"),
        ("cat-file", "-e", "0" * 40),
        ("show", "HEAD:platform/a.yaml"),
    ):
        command = ["git", "-C", str(planted.place / "team" / "platform"), *words]
        subprocess.run(command, env=environment, capture_output=True, check=False, timeout=20)
    assert planted.said()


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_runs_nothing(planted: Planted, tmp_path: Path, kind: str) -> None:
    commit = KINDS[kind](planted, planted.place / "team")
    layer = planted.place / "team" / "platform"
    run = describe(layer, tmp_path / "artifacts")
    assert digest.head(layer) == run.source["commit"] == commit
    checkout.remote(layer)
    located(layer)
    assert not planted.said()
    assert "problem" not in run.source


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_is_exported_runs_nothing(planted: Planted, tmp_path: Path, kind: str) -> None:
    commit = KINDS[kind](planted, planted.place / "team")
    try:
        layer_at_commit.export(planted.place / "team" / "platform", commit, tmp_path / "out")
    except HarnessError:
        assert kind == "promisor", "it lacks a file, and none is fetched"
    else:
        assert (tmp_path / "out" / "a.yaml").read_text() == "kind: Pod\n"
    assert not planted.said()


@pytest.mark.point("git-other-owner")
def test_a_checkout_of_another_user_is_read_without_its_configuration(planted: Planted, tmp_path: Path) -> None:
    commit = of_another(planted, planted.place / "team")
    found = checkout.describe(planted.place / "team" / "platform")
    assert found is not None
    assert found.commit == commit
    assert found.uncommitted == (" M platform/a.yaml", "?? platform/new.yaml")
    assert "+kind: Job" in found.patch
    assert found.prefix == "platform/"
    assert not planted.said()


def test_the_copy_of_an_index_keeps_its_time(planted: Planted) -> None:
    """By it Git knows that a file may have changed in the second in which it was added; it reads such a file again."""
    team = planted.place / "team"
    planted.repository(team)
    os.utime(team / ".git" / "index", ns=(10**18, 10**18))
    with opened(team) as repository:
        assert repository is not None
        assert (repository.own / "index").stat().st_mtime_ns == 10**18


@pytest.mark.point("git-other-owner")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_a_checkout_of_another_user_does_not_lead_to_what_is_not_its_owners(planted: Planted) -> None:
    mine, theirs = planted.place / "mine", planted.place / "theirs"
    planted.repository(mine)
    (theirs / "platform").mkdir(parents=True)
    (theirs / ".git").write_text(f"gitdir: {mine}/.git\n")
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345)
    assert checkout.describe(theirs / "platform") is None
    (theirs / ".git").unlink()
    (theirs / ".git").symlink_to(mine / ".git")
    assert checkout.describe(theirs / "platform") is None
    shutil.copytree(mine / ".git", theirs / "git")
    (theirs / ".git").unlink()
    (theirs / "git").rename(theirs / ".git")
    (theirs / ".git" / "commondir").write_text(f"{mine}/.git\n")
    assert checkout.describe(theirs / "platform") is None


def _linked(git: Path, other: Path) -> None:
    shutil.rmtree(git)
    git.symlink_to(other)


def _named(git: Path, other: Path) -> None:
    shutil.rmtree(git)
    git.write_text(f"gitdir: {other}\n")


def _shared(git: Path, other: Path) -> None:
    (git / "commondir").write_text(f"{other}\n")


def _rooms(git: Path, other: Path) -> None:
    for name in ("objects", "refs"):
        _linked(git / name, other / name)


def _inner_rooms(git: Path, other: Path) -> None:
    _linked(git / "refs" / "heads", other / "refs" / "heads")
    _inner_objects(git, other)


def _objects(git: Path, other: Path) -> None:
    _linked(git / "objects", other / "objects")


def _inner_objects(git: Path, other: Path) -> None:
    shutil.rmtree(git / "objects")
    (git / "objects").mkdir()
    for one in (other / "objects").iterdir():
        (git / "objects" / one.name).symlink_to(one)


def _alternates(git: Path, other: Path) -> None:
    (git / "objects" / "info").mkdir(exist_ok=True)
    (git / "objects" / "info" / "alternates").write_text(f"{other}/objects\n")


KNOWN = (_objects, _inner_objects, _alternates)
LEADING = (_linked, _named, _shared, _rooms, _inner_rooms, *KNOWN)
OWNERS = ("this user", "another user") if os.geteuid() == 0 else ("this user",)
"""Only root may give a file to another user."""


@pytest.mark.point("git-other-owner")
@pytest.mark.parametrize(
    ("owner", "how"),
    # An alternate is how `git clone --reference` works; only who knows a commit finds it there.
    [(owner, how) for owner in OWNERS for how in LEADING if (owner, how) != (OWNERS[0], _alternates)],
)
def test_what_only_leads_to_another_repository_shows_nothing_of_it(
    planted: Planted, owner: str, how: Callable[[Path, Path], None]
) -> None:
    """Its files would be in the patch, as what the checkout has lost: of an archive that root unpacked, too."""
    mine, theirs = planted.place / "mine", planted.place / "theirs"
    planted.repository(mine)
    (mine / "platform" / "list.txt").write_text("of nobody's business\n")
    planted.git(mine, "add", "--all")
    planted.git(mine, "commit", "--quiet", "--message", "Second")
    planted.repository(theirs)
    (theirs / ".git" / "index").unlink()
    if how in KNOWN:
        (theirs / ".git" / "HEAD").write_text(planted.git(mine, "rev-parse", "HEAD"))
    how(theirs / ".git", mine / ".git")
    if owner == "another user":
        for path in (theirs, *theirs.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
    found = checkout.describe(theirs / "platform")
    assert found is None or "of nobody's business" not in found.patch


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("kind", KINDS)
def test_capture_runs_nothing(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: ScriptedApi, kind: str
) -> None:
    commit = KINDS[kind](planted, planted.place / "team")
    incidents.platform(incidents.serve(api), commit)
    monkeypatch.setattr(capture, "renderer", lambda: layers.no_objects)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: prod\ncontexts: [{name: prod, context: {cluster: c}}]\n"
        f'clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{api.port}"}}}}]\n'
    )
    output = str(tmp_path / "incident.tar.gz")
    layer = str(planted.place / "team" / "platform")
    cli.main(["capture", "--kubeconfig", str(kubeconfig), "--output", output, "--layer", layer])
    assert not planted.said()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    one = ScriptedApi()
    yield one
    one.stop()


def run_json(commit: str, repository: str) -> bytes:
    withheld = [{"path": "secret.yaml", "what": "values", "committed": True}]
    layer = {"commit": commit, "prefix": "platform/", "repository": repository, "withheld": withheld}
    tests = [{"test": "e2e/a.py::a", "outcome": "failed"}]
    return json.dumps({"exit_code": 1, "options": {}, "layer": layer, "verdict": {"tests": tests}}).encode()


def replayed(what: Path) -> run_options.Prepared:
    prepared = run_options.prepare({"replay": str(what), "trust": True}, {})
    assert prepared is not None
    return run_options.with_layer(prepared)


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("inside", ["git", ".git", "evidence/git"])
@pytest.mark.parametrize("named", ["absolute", "relative", "elsewhere"])
def test_a_directory_that_is_replayed_runs_nothing(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, named: str
) -> None:
    """As when an artifact was unpacked by hand: a repository in it, and run.json names it."""
    artifact = tmp_path / "e2e-4711"
    commit = planted.repository(tmp_path / "made")
    (artifact / inside).parent.mkdir(parents=True)
    shutil.move(tmp_path / "made" / ".git", artifact / inside)
    planted.arm(artifact / inside)
    place = {"absolute": str((artifact / inside).parent), "relative": "e2e-4711", "elsewhere": str(tmp_path / "made")}[
        named
    ]
    (artifact / "run.json").write_bytes(run_json(commit, place))
    monkeypatch.chdir(artifact if named == "relative" else tmp_path)
    with pytest.raises(WrongUsage, match="in no checkout here"):
        replayed(artifact)
    assert not planted.said()


@pytest.mark.point("git-runs-nothing")
def test_an_archive_that_is_replayed_twice_runs_nothing(planted: Planted, tmp_path: Path) -> None:
    """The first time its layer is unpacked to a place that can be computed, the second time run.json names that place."""
    commit = bare_layout(planted, planted.place / "team")
    layer = planted.place / "team" / "platform"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(layer.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(layer).as_posix())
    for again in range(2):
        unpacked = next(iter((tmp_path / "cache" / "replays").glob("*")), Path("/nowhere")) / "layer"
        outer = tmp_path / f"{again}.tar.gz"
        with tarfile.open(outer, "w:gz") as archive:
            for name, content in (("run.json", run_json(commit, str(unpacked))), ("layer.tar.gz", packed.getvalue())):
                member = tarfile.TarInfo(f"e2e/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        made = replayed(outer)
        describe(Path(str(made.chosen["layer"])), tmp_path / f"artifacts-{again}")
        assert not planted.said()


@pytest.mark.point("git-runs-nothing")
def test_what_is_put_back_from_a_foreign_checkout_runs_nothing(planted: Planted, tmp_path: Path) -> None:
    """--repository may name one of somebody else."""
    commit = of_another(planted, planted.place / "team")
    artifact = tmp_path / "e2e-4711"
    artifact.mkdir()
    (artifact / "run.json").write_bytes(run_json(commit, ""))
    (artifact / "uncommitted.patch").write_text(
        "diff --git a/platform/b.yaml b/platform/b.yaml\nnew file mode 100644\n--- /dev/null\n+++ b/platform/b.yaml\n@@ -0,0 +1 @@\n+b\n"
    )
    chosen = {"replay": str(artifact), "trust": True, "repository": str(planted.place / "team")}
    prepared = run_options.prepare(chosen, {})
    assert prepared is not None
    layer = Path(str(run_options.with_layer(prepared).chosen["layer"]))
    assert (layer / "secret.yaml").read_text().endswith("hunter2hunter2}\n")
    assert (layer / "b.yaml").read_text() == "b\n"
    assert not planted.said()


@pytest.mark.point("git-runs-nothing")
def test_a_layer_that_is_served_runs_nothing(planted: Planted, tmp_path: Path) -> None:
    """What is pushed has the layer's own .gitattributes; so has what `revert` checks out."""
    commit = of_another(planted, planted.place / "team")
    assert commit
    repository = BareRepository.create(tmp_path / "cluster" / "git")
    files = files_of(planted.place / "team" / "platform")
    first, second = repository.write(
        None, [PlannedCommit("one", files, whole=True), PlannedCommit("two", {"new.yaml": None})]
    )
    repository.move("main", second, None)
    assert repository.revert("main", second)
    assert first
    assert not planted.said()


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("variable", ["global", "system", "parameters", "count", "environment"])
def test_no_setting_of_this_machine_runs_anything(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    program = str(planted.program)
    settings = tmp_path / "settings"
    settings.write_text(ini({way: f"{program} {way}" for way in WAYS}))
    chosen = {
        "global": {"GIT_CONFIG_GLOBAL": str(settings)},
        "system": {"GIT_CONFIG_SYSTEM": str(settings)},
        "parameters": {"GIT_CONFIG_PARAMETERS": f"'core.fsmonitor={program}' 'diff.external={program}'"},
        "count": {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": program},
        "environment": dict.fromkeys(
            ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "GIT_SSH_COMMAND", "PAGER"), program
        ),
    }[variable]
    planted.repository(planted.place / "team")
    layer = planted.place / "team" / "platform"
    (layer / "a.yaml").write_text("kind: Job\n")
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    run = describe(layer, tmp_path / "artifacts")
    assert run.source["uncommitted"] == [" M platform/a.yaml"]
    assert not planted.said()


@pytest.mark.point("git-runs-nothing")
def test_git_is_run_in_one_place_alone() -> None:
    """Nothing of the product starts Git by itself: what that place leaves out would be open there."""
    own = {paths.ROOT / "platform_e2e" / "git" / "gitcommand.py"}
    for package in ("platform_e2e", "fixtures", "e2e"):
        for path in (paths.ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert path in own or '["git"' not in text, path
            assert path in own or "safe.directory" not in text, path
    assert gitcommand.run("version").stdout.startswith("git version")


@pytest.mark.point("git-runs-nothing")
def test_a_whole_run_on_a_foreign_layer_runs_nothing(planted: Planted, box: Box) -> None:
    of_another(planted, planted.place / "team")
    box.tests("def test_nothing(cluster):\n    raise BrokenPlatform('x', 'y')\n")
    status, out = box.run("e2e", "--layer", str(planted.place / "team" / "platform"))
    assert status == 1, out
    assert box.result["layer"]["uncommitted"] == [" M platform/a.yaml", "?? platform/new.yaml"]
    assert not planted.said()


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _packed(git: Path) -> None:
    (git / "refs" / "heads" / "main").unlink()
    _pipe(git / "packed-refs")


def _text(path: Path, text: str) -> None:
    path.write_text(text)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "head-is-a-pipe": lambda git: _pipe(git / "HEAD"),
    "config-is-a-pipe": lambda git: _pipe(git / "config"),
    "index-is-a-pipe": lambda git: _pipe(git / "index"),
    "packed-refs-is-a-pipe": _packed,
    "alternates-is-a-pipe": lambda git: _pipe(git / "objects" / "info" / "alternates"),
    "head-leads-out": lambda git: _text(git / "HEAD", "ref: refs/../../../../etc/passwd\n"),
    "head-is-itself": lambda git: _text(git / "HEAD", "ref: HEAD\n"),
    "head-is-a-circle": lambda git: _text(git / "refs" / "heads" / "main", "ref: refs/heads/main\n"),
    "head-is-an-option": lambda git: _text(git / "HEAD", "--upload-pack=evil\n"),
    "commondir-is-a-pipe": lambda git: _pipe(git / "commondir"),
    "config-is-none": lambda git: _text(git / "config", "[core\n\0"),
    "tables": lambda git: _text(git / "HEAD", "ref: refs/heads/.invalid\n"),
}


@pytest.mark.point("git-runs-nothing")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_broken_repository_keeps_nobody_waiting(planted: Planted, tmp_path: Path, name: str) -> None:
    planted.repository(planted.place / "team")
    HOSTILE[name](planted.place / "team" / ".git")
    run = describe(planted.place / "team" / "platform", tmp_path / "artifacts")
    assert run.source["copy"] == "layer.tar.gz"
