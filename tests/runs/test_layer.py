"""The layer that was run is kept without its secrets, and made again as it was; what cannot be had is named."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.layer.origin import Checkout
from platform_e2e.redact import layer_files, patches
from platform_e2e.runs import checkout, provenance, restore_layer, snapshot
from platform_e2e.runs.directory import Run
from platform_e2e.runs.find_run import FoundRun
from platform_e2e.runs.run_json import Content
from platform_e2e.runs.run_record import RunRecord
from platform_e2e.settings import resolve

SEALED = "AgCBv99whDVwwMrTjOmILbn7WeEg28KmiOLOv" + "kwf1TFPDtujNP6F6G" * 8

SECRET = (
    "apiVersion: v1\nkind: Secret # mine\nmetadata: {name: a}\ndata: {key: aHVudGVyMg==}\nstringData: {pin: hunter2}\n"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def git(place: Path, *words: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    words = ("git", *identity, "-C", str(place), *words)
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """Return a team's repository with a layer in it and uncommitted work of every kind."""
    place = tmp_path / "team"
    layer = place / "platform"
    (layer / "manifests").mkdir(parents=True)
    (layer / "manifests" / "service.yaml").write_text("kind: Service\nname: chat\n")
    (layer / "manifests" / "gone.yaml").write_text("kind: Pod\n")
    (layer / "manifests" / "committed.yaml").write_text(SECRET)
    (layer / "run.sh").write_text("#!/bin/sh\n")
    (layer / "run.sh").chmod(0o755)
    (layer / "current").symlink_to("manifests")
    (place / "notes.txt").write_text("of another team\n")
    (place / ".gitignore").write_text("*.log\n")
    git(place, "init", "--quiet")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "First")
    (layer / "manifests" / "service.yaml").write_text("kind: Service\nname: chat-broken\n")
    (layer / "manifests" / "gone.yaml").unlink()
    (layer / "manifests" / "new with space.yaml").write_text("kind: ConfigMap\n")
    (layer / "manifests" / "mine.yaml").write_text(SECRET.replace("name: a", "name: b"))
    (place / "notes.txt").write_text("changed elsewhere\n")
    GIVEN.append(place)
    yield place
    GIVEN.clear()


def a_run(tmp_path: Path, layer: Path) -> Run:
    run = Run.plan(resolve({"layer": str(layer)}, {"PLATFORM_E2E_ARTIFACTS": str(tmp_path / "artifacts")}))
    run = dataclasses.replace(run, directory=tmp_path / "artifacts" / "the-run")
    run.directory.mkdir(parents=True)
    return run


def recorded(run: Run, **changes: Any) -> RunRecord:
    """Return what a replay reads of a run, with some of its files changed or, with None, missing."""
    files = {path.name: path.read_bytes() for path in run.directory.iterdir() if path.is_file()}
    files |= {name.replace("_", "."): content for name, content in changes.items() if content is not None}
    for name in (name for name, content in changes.items() if content is None):
        del files[name.replace("_", ".")]
    return RunRecord(
        FoundRun("the-run", "artifacts/the-run", run.directory, files), {}, cast("Content", run.source), {}, (), 1
    )


GIVEN: list[Path] = []


def rebuilt(run: RunRecord) -> restore_layer.Restored:
    """Make a layer again, with what the test's repository has."""
    return restore_layer.restore(run, GIVEN[0] if GIVEN else None)


def contents(place: Path) -> dict[str, str]:
    return {path.relative_to(place).as_posix(): path.read_text() for path in place.rglob("*") if path.is_file()}


def test_a_layer_is_made_again_when_its_directory_is_gone(tmp_path: Path, repository: Path) -> None:
    layer = repository / "platform"
    run = a_run(tmp_path, layer)
    run.source = provenance.layer(run, None)
    before = contents(layer)
    assert run.source["commit"] == git(repository, "rev-parse", "HEAD").strip()
    assert run.source["prefix"] == "platform/"
    layer.rename(repository / "old")
    made = rebuilt(recorded(run))
    after = contents(made.directory)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"manifests/mine.yaml"}, "the Secret that was not committed; the other one comes from Git"
    assert made.lacking == [
        "layer: manifests/mine.yaml: the values of its Secret taken out of the copy, and it was not committed"
    ]
    assert made.origin == "the copy that the run kept"
    assert (made.directory / "run.sh").stat().st_mode & 0o111
    assert (made.directory / "current").readlink() == Path("manifests")
    assert "hunter2" not in json.dumps(after["manifests/mine.yaml"])


def test_nothing_of_the_users_repository_is_touched(tmp_path: Path, repository: Path) -> None:
    git(repository, "add", "platform/manifests/mine.yaml")
    files = {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()}
    run = a_run(tmp_path, repository / "platform")
    provenance.layer(run, None)
    assert {path: path.read_bytes() for path in (repository / ".git").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("copy", [True, False], ids=["from the copy", "from the commit"])
def test_a_layer_that_is_a_directory_of_its_repository_is_restored_with_all_that_it_reads(
    tmp_path: Path, repository: Path, *, copy: bool
) -> None:
    """The paths of its Applications begin at the root, and the repository's own URL is known by Git alone."""
    beside = repository / "apps" / "one"
    beside.mkdir(parents=True)
    (beside / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    git(repository, "add", "apps")
    git(repository, "commit", "-qm", "Add an application")
    urls = ("https://git.example/team/platform", "git@git.example:team/platform")
    run = a_run(tmp_path, repository / "platform")
    run.source = provenance.layer(run, None, repository, (*urls, "/srv/here"))
    made = rebuilt(recorded(run) if copy else recorded(run, layer_tar_gz=None)).directory
    assert made.name == "platform"
    assert (made.parent / "apps" / "one" / "a.yaml").is_file()
    assert Checkout.of(made) == Checkout(made.parent, (urls[0], urls[1]), found=True)


def test_a_restored_layer_cannot_begin_outside_of_its_copy(tmp_path: Path, repository: Path) -> None:
    run = a_run(tmp_path, repository / "platform")
    run.source = {**provenance.layer(run, None, repository), "within": "../.."}
    assert rebuilt(recorded(run)).directory.name == "layer"
    run.source = {**provenance.layer(run, None, repository), "within": "nowhere"}
    with pytest.raises(WrongUsage, match="must have the directory nowhere, got none"):
        rebuilt(recorded(run))


def test_without_the_copy_commit_and_patch_make_the_layer_new_files_included(tmp_path: Path, repository: Path) -> None:
    layer = repository / "platform"
    run = a_run(tmp_path, layer)
    run.source = provenance.layer(run, None)
    before = contents(layer)
    made = rebuilt(recorded(run, layer_tar_gz=None))
    after = contents(made.directory)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {"manifests/mine.yaml"}
    assert made.origin == f"commit {run.source['commit'][:12]} and the patch"
    assert "uncommitted.patch: platform/manifests/mine.yaml: it has a Secret" in made.lacking
    assert (made.directory / "current").is_symlink()


def test_a_patch_of_the_layer_has_nothing_else_of_its_repository(repository: Path) -> None:
    found = checkout.describe(repository / "platform")
    assert found is not None
    assert "hunter2" not in found.patch, "the Secret's kind has a comment beside it"
    assert "notes.txt" not in found.patch
    assert "+kind: ConfigMap" in found.patch
    rest = checkout.describe(repository, besides=repository / "platform")
    assert rest is not None
    assert "notes.txt" in rest.patch
    assert "platform" not in rest.patch


def test_new_files_that_are_large_or_no_source_are_named_and_not_kept(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "LARGEST_NEW_FILE", 100)
    (repository / "core").write_text("x" * 101)
    (repository / ".env").write_text("word=s3same")
    (repository / "new.py").write_text("x = 1\n")
    found = checkout.describe(repository, besides=repository / "platform", new=frozenset({".py"}))
    assert found is not None
    assert found.withheld == (".env: new, and no source", "core: new, and 0 MiB large, more than 0 MiB")
    assert "+x = 1" in found.patch
    assert "s3same" not in found.patch


def test_where_is_no_checkout_there_is_the_copy_alone(tmp_path: Path) -> None:
    layer = tmp_path / "plain"
    layer.mkdir()
    (layer / "a.yaml").write_text("kind: Pod\n")
    run = a_run(tmp_path, layer)
    run.source = provenance.layer(run, None)
    assert "commit" not in run.source
    assert rebuilt(recorded(run)).lacking == []
    with pytest.raises(
        WrongUsage, match=r"cannot be restored: the run has no layer\.tar\.gz, and it was in no Git repository"
    ):
        rebuilt(recorded(run, layer_tar_gz=None))


def test_a_commit_that_is_nowhere_here_is_named_with_what_to_do(tmp_path: Path, repository: Path) -> None:
    run = a_run(tmp_path, repository / "platform")
    run.source = {**provenance.layer(run, None), "commit": "0" * 40}
    lacking = rebuilt(recorded(run)).lacking
    assert "layer: manifests/committed.yaml: the values of its Secret taken out of the copy, and commit 000000000000 is not here" in lacking  # fmt: skip
    with pytest.raises(WrongUsage, match="its commit 000000000000 is in no checkout here") as refused:
        rebuilt(recorded(run, layer_tar_gz=None))
    assert "fetch its commit 000000000000 into this checkout, name one that has it by --repository, or" in str(
        refused.value
    )


def test_what_differs_from_the_checksums_is_named(tmp_path: Path, repository: Path) -> None:
    run = a_run(tmp_path, repository / "platform")
    run.source = provenance.layer(run, None)
    other = snapshot.pack({"run.sh": ("file", b"other", True), "extra.yaml": ("file", b"x", False)})
    assert rebuilt(recorded(run, layer_tar_gz=other)).lacking == [
        "layer: missing since that run: current, manifests/new with space.yaml, manifests/service.yaml",
        "layer: added since that run: extra.yaml",
        "layer: changed since that run: run.sh",
    ]
    assert any("left no checksums" in one for one in rebuilt(recorded(run, layer_sha256=None)).lacking)


def test_a_layer_in_which_somebody_worked_is_set_aside_and_made_anew(tmp_path: Path, repository: Path) -> None:
    run = a_run(tmp_path, repository / "platform")
    run.source = provenance.layer(run, None)
    first = rebuilt(recorded(run))
    (first.directory / "run.sh").write_text("worked on")
    again = rebuilt(recorded(run))
    assert again.directory == first.directory
    assert (again.directory / "run.sh").read_text() == "#!/bin/sh\n"
    aside = paths.cache() / "replays-changed" / f"{first.directory.parent.name}-1" / "layer"
    assert (aside / "run.sh").read_text() == "worked on"
    assert again.lacking == first.lacking
    said = f" (one that was made earlier has been changed since, it is {aside} now)"
    assert again.origin == first.origin + said
    assert rebuilt(recorded(run)).origin == first.origin


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "a.yaml").write_text("kind: Pod\n")
    (layer / "b.yaml").write_text(SECRET)
    said = snapshot.take(layer, tmp_path, lambda _: False)
    listed = tmp_path / "layer.sha256"
    subprocess.run(["sha256sum", "--check", "--quiet", listed], cwd=layer, check=True)
    assert "b.yaml" not in listed.read_text(), "the checksum of a weak password tells it"
    assert said["withheld"] == [{"path": "b.yaml", "what": "the values of its Secret", "committed": False}]
    assert (tmp_path / "layer.tar.gz").read_bytes() == snapshot.pack(
        {name: ("file", patches.file(name, (layer / name).read_bytes())[0], False) for name in ("a.yaml", "b.yaml")}
    )


def hostile(*members: tuple[str, bytes, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"x") if member.size else None)
    return out.getvalue()


FILE, LINK = tarfile.REGTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (hostile(("../x", FILE, "")), "../x leads out of it"),
        (hostile(("/x", FILE, "")), "/x leads out of it"),
        (hostile(("a/.git/config", FILE, "")), "a/.git/config would make it a repository of Git"),
        (hostile((".GIT", FILE, "")), "would make it a repository of Git"),
        (hostile(("a", LINK, "../..")), r"a is a link to \.\./\.\., out of it"),
        (hostile(("a", LINK, "/etc")), "a is a link to /etc, out of it"),
        (hostile(("a", LINK, "b"), ("a/x", FILE, "")), "it has a/x twice: a is not a directory"),
        (hostile(("a", FILE, ""), ("a", LINK, "b")), "it has a twice"),
        (hostile(("a", tarfile.LNKTYPE, "/etc/passwd")), "a is a link to /etc/passwd, out of it"),
        (hostile(("a", FILE, ""), ("b", tarfile.LNKTYPE, "a")), "b is neither a file nor a link"),
        (hostile(("a", tarfile.FIFOTYPE, "")), "a is neither a file, a directory nor a link"),
        (b"no archive", "is not read: it is neither"),
    ],
    # The bytes of an archive have the time in them, and all of xdist's processes must call a test the same.
    ids=range(12),
)
def test_a_hostile_copy_is_not_unpacked(tmp_path: Path, packed: bytes, words: str) -> None:
    target = tmp_path / "in" / "layer"
    target.mkdir(parents=True)
    with pytest.raises(WrongUsage, match=words):
        restore_layer.unpack(packed, target, "run.zip")
    assert not [path for path in tmp_path.rglob("*") if path.name in {"x", "config"}]


def test_a_copy_without_end_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_e2e.layer.tree.LARGEST_LAYER", 2)
    with pytest.raises(WrongUsage, match=r"must have at most [24] bytes"):
        restore_layer.unpack(hostile(*((name, FILE, "") for name in "abc")), tmp_path, "run.zip")


def test_the_demo_layer_is_kept_whole() -> None:
    """SealedSecrets, references to Secrets and switches read like secrets and are none: without them it is another layer."""
    layer = paths.ROOT / "platform"
    for path in layer.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert patches.file(str(path), content) == (content, ""), path


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("automountServiceAccountToken: false", True),
        ("existingSecret: grafana-admin # a comment", True),
        ("imagePullSecrets: regcred", True),
        ("secret:\n  secretName: chat-signing-key", True),
        ("clientSecret: 0123abcd-hunter2", False),
        ("password: 123456", False),
        ("token: true-blue-hunter2", False),
        (f"password: {SEALED}", False),
        (f"kind: SealedSecret\npassword: {SEALED}", True),
        ("kind: SealedSecret\npassword: hunter2", False),
        ("kind: HelmRelease\nvaluesFrom:\n- kind: Secret\n  name: values", True),
        ("url: https://user:hunter2@example.org", False),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----", False),
    ],
)
def test_what_only_reads_like_a_secret_stays(line: str, stays: bool) -> None:
    content, what = patches.file("a.yaml", line.encode())
    assert (content == line.encode()) is stays
    assert (what == "") is stays
    assert stays or b"hunter2" not in content


def test_a_secret_keeps_its_keys_so_that_it_can_still_be_applied() -> None:
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    content, what = patches.file("a.yaml", (SECRET + "---\nkind: ConfigMap\ndata: {a: b}\n").encode())
    first, second = yaml.load_all(content)
    assert base64.b64decode(first["data"]["key"]) == b"[redacted]"
    assert first["stringData"] == {"pin": "[redacted]"}
    assert first["metadata"] == {"name": "a"}
    assert second == {"kind": "ConfigMap", "data": {"a": "b"}}
    assert what == "the values of its Secret"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"kind":"List","items":[{"kind":"Secret","apiVersion":"v1","data":{"a":"aHVudGVyMg=="}}]}'),
        ("a.yaml", b"kind: Secret\ndata: {a: hunter2\n"),
        ("a.yaml", b"kind: Secret\ndata: hunter2\n"),
        ("key.p12", b"\x30\x82hunter2"),
        ("a.yaml", b"kind: 'Secret'\nstringData:\n  a: |\n    hunter2\n"),
        (
            "a.yaml",
            b"kind: ConfigMap\ndata:\n  s.yaml: |\n    kind: Secret\n    stringData:\n      username: hunter2\n      key-ref: hunter2\n",
        ),
        ("a.yaml.tpl", b"kind: Secret\nstringData:\n  username: hunter2\n  key-ref: hunter2\n"),
        ("a.yaml", "# für alle\nkind: Secret\nstringData:\n  username: hunter2\n".encode("latin-1")),
        ("a.yaml", b"kind: Secret\nday: 2024-13-45\nstringData:\n  username: hunter2\n"),
        ("a.yaml", b"kind: Secret\nstringData: [hunter2]\n"),
        ("a.yaml", b"kind: Secret\nstringData:\n  https://user:hunter2@host/: hunter2\n"),
        (
            "a.yaml",
            b"kind: Secret\nmetadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: {a: hunter2}}}\nstringData: {a: hunter2}\n",
        ),
    ],
)
def test_no_value_of_a_secret_is_kept(name: str, content: bytes) -> None:
    kept, what = patches.file(name, content)
    assert b"hunter2" not in kept
    assert b"aHVudGVyMg" not in kept
    assert what


@pytest.mark.parametrize("line", ["imagePullSecretPassword: hunter2x", "secretNamePassword: abcdefgh1"])
def test_a_field_that_only_contains_the_name_of_a_reference_is_none(line: str) -> None:
    content, what = patches.file("values.yaml", line.encode())
    assert line.split()[1].encode() not in content
    assert what == "values that look like secrets"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_file_in_another_encoding_keeps_no_secret(encoding: str) -> None:
    text = "# für alle\npassword: hunter2x\n"
    content, what = patches.file("values.yaml", text.encode(encoding))
    assert "hunter2x".encode(encoding.replace("utf-16", "utf-16-le").replace("-le-le", "-le")) not in content
    assert what
    if encoding == "latin-1":
        assert content.decode("latin-1").startswith("# für alle\npassword: ")


@pytest.mark.parametrize("head", ["diff --git a/k.p12 b/k.p12", 'diff --git "a/k\\303\\274.p12" "b/k\\303\\274.p12"'])
def test_a_patch_has_nothing_of_a_file_that_is_no_text(head: str) -> None:
    patch = f"{head}\nindex 1..2\nGIT binary patch\nliteral 6\nNcmZ?wbhEHbWMp7uVE_P<w*cV)\n"
    kept = patches.section(patch)
    assert kept.startswith(head + "\n# ")
    assert "literal" not in kept


def test_an_incident_has_nothing_of_a_file_that_is_no_text() -> None:
    kept, changed = layer_files.redacted(
        {"k.p12": b"text", "a.yaml": b"\0secret", "v.yaml": b"existingSecretPassword: hunter2x\n"}
    )
    assert kept["k.p12"] == kept["a.yaml"] == b""
    assert b"hunter2x" not in kept["v.yaml"]
    assert changed == ["k.p12", "a.yaml", "v.yaml"]


def test_nothing_is_put_back_through_links_that_lead_out_together(tmp_path: Path, repository: Path) -> None:
    deep = "a/b/c/d/e/f/g"
    name = f"{deep}/m/victim"
    (repository / "platform" / deep / "m").mkdir(parents=True)
    (repository / "platform" / name).write_text("from Git")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Second")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "victim").write_text("mine")
    run = a_run(tmp_path, repository / "platform")
    entry = {"path": name, "what": "values", "committed": True}
    run.source = {**provenance.layer(run, None), "withheld": [entry]}
    packed = hostile((f"{deep}/l", LINK, "../" * 7), (f"{deep}/m", LINK, "l/" + "../" * 5 + "outside"))
    with pytest.raises(WrongUsage, match="outside of the layer"):
        rebuilt(recorded(run, layer_tar_gz=packed))
    assert (outside / "victim").read_text() == "mine"


def test_a_repository_is_used_from_its_top_wherever_one_stands(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path, repository / "platform")
    run.source = provenance.layer(run, None)
    monkeypatch.chdir(repository / "platform")
    monkeypatch.setattr(paths, "ROOT", tmp_path / "elsewhere")
    GIVEN.clear()
    made = rebuilt(recorded(run, layer_tar_gz=None))
    assert contents(made.directory)
