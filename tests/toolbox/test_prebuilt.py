"""The wheel platform-e2e-programs: what it carries is neither compiled nor fetched, and nothing else is taken from it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.cluster import packing
from platform_e2e.cluster.k3d import binary
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import gomod, hostpackages, modules, prebuilt, programs, rootfs
from tests.fakes import go

SILENT = Timeline(None)
CARRIED_BY = "1.26.8"
OF_THIS_MACHINE = "1.26.9"


def make_small(kind: str, directory: Path, *_: object) -> None:
    """Stand for mmdebstrap: one file of each sort that a root file system has."""
    root = directory / "root"
    root.mkdir()
    (root / "su").write_text(kind)
    (root / "su").chmod(0o4755)
    (root / "sh").symlink_to("/bin/dash")
    (directory / "packages.txt").write_text("dash\t0.5\n")
    (directory / rootfs.COPYRIGHT).write_text("free\n")
    if not rootfs.KINDS[kind].directory:
        shutil.rmtree(root)
        (directory / "layer.tar").write_text(f"layer of {kind}")


def make_modules(cache: Path) -> None:
    for name, patterns in modules.PIECES.items():
        for pattern in patterns:
            path = cache / "go" / "mod" / gomod.read().module(name).directory / pattern.replace("*", "x")
            path = path if path.suffix else path / "Chart.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} {pattern}")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a wheel that another machine has made."""
    place = tmp_path_factory.mktemp("packed")
    go.install(place / "bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 0)
        patch.setattr(rootfs, "_make", make_small)
        patch.setattr(packing, "licences", lambda *_: "free\n")
        patch.setattr(prebuilt, "places", lambda: ())
        patch.setenv("PATH", f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("PLATFORM_E2E_CACHE", str(place / "cache"))
        patch.setenv("FAKE_GO_VERSION", CARRIED_BY)
        make_modules(place / "cache")
        packing.pack(place / prebuilt.PACKAGE, "0.1.0", SILENT)
    return place / prebuilt.PACKAGE


@pytest.fixture
def wheel(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That wheel, installed here: with a cache that has nothing in it, and a Go of another version."""
    go.install(tmp_path / "bin")
    shutil.copytree(gomod.MODULE, tmp_path / "module")
    package = tmp_path / "site" / prebuilt.PACKAGE
    shutil.copytree(packed, package)
    monkeypatch.setattr(gomod, "MODULE", tmp_path / "module")
    monkeypatch.setattr(prebuilt, "places", lambda: (tmp_path / "site",))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("FAKE_GO_VERSION", OF_THIS_MACHINE)
    monkeypatch.setenv("FAKE_GO_LOG", str(tmp_path / "calls"))

    def refuses(kind: str, *_: object) -> None:
        raise AssertionError(f"the root file system {kind} may not be made")

    monkeypatch.setattr(rootfs, "_make", refuses)
    return package


def calls(wheel: Path) -> list[str]:
    path = wheel.parent.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def built(wheel: Path) -> list[str]:
    return [call for call in calls(wheel) if call.startswith("build ")]


def said(tmp_path: Path) -> tuple[Timeline, Path]:
    return Timeline(tmp_path / "timeline.jsonl"), tmp_path / "timeline.jsonl"


def test_where_the_wheel_is_installed_go_is_not_even_asked_for(wheel: Path, tmp_path: Path) -> None:
    timeline, file = said(tmp_path)
    made = programs.ensure(timeline)
    assert calls(wheel) == []
    assert made.path("kubelet").read_text() == made.path("kubernetes").read_text()
    assert made.path("helm").read_bytes() == (wheel / "programs" / "helm").read_bytes()
    assert all(os.access(made.path(name), os.X_OK) for name in made.keys)
    assert f"{len(made.keys)} programs come from platform-e2e-programs 0.1.0" in file.read_text()
    assert made.directory.is_relative_to(tmp_path / "ours")


def test_a_run_whose_images_come_from_a_registry_takes_its_tools_from_it(wheel: Path) -> None:
    made = programs.ensure(SILENT, programs.TOOLS_OF_HOST)
    assert calls(wheel) == []
    assert set(made.keys) == {"argocd", "helm", "kubernetes", "kustomize"}
    assert made.path("kubectl").is_file()


def test_what_is_made_of_another_source_is_built_and_said(wheel: Path, tmp_path: Path) -> None:
    source = gomod.MODULE / "cmd" / "pause" / "main.go"
    source.write_text(source.read_text() + "// changed\n")
    timeline, file = said(tmp_path)
    made = programs.ensure(timeline)
    (call,) = built(wheel)
    assert call.endswith(" ./cmd/pause")
    assert "platform-e2e-programs 0.1.0 was made of other sources or versions, so these are built here: pause" in (
        file.read_text()
    )
    assert made.keys["pause"] != prebuilt_keys(wheel)["pause"]
    assert made.keys["helm"] == prebuilt_keys(wheel)["helm"]


def prebuilt_keys(wheel: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads((wheel / prebuilt.MANIFEST).read_text())["programs"]
    return keys


def test_of_other_pins_nothing_is_taken(wheel: Path) -> None:
    path = gomod.MODULE / "go.sum"
    path.write_text(path.read_text() + "\n")
    made = programs.ensure(SILENT)
    assert not set(made.keys.values()) & set(prebuilt_keys(wheel).values())
    assert sum(call.count(" ./cmd/") for call in built(wheel)) == 9


def test_the_doctor_takes_its_programs_for_built_only_where_they_are_the_same(wheel: Path) -> None:
    assert programs.has([programs.KUBERNETES])
    path = gomod.MODULE / "go.sum"
    path.write_text(path.read_text() + "\n")
    assert not programs.has([programs.KUBERNETES])


def test_root_file_systems_come_from_it_with_links_and_modes(wheel: Path) -> None:
    node = rootfs.get("node", SILENT)
    assert (node.path / "su").stat().st_mode & 0o7777 == 0o4755
    assert (node.path / "sh").readlink() == Path("/bin/dash")
    assert node.packages == {"dash": "0.5"}
    assert rootfs.get("git", SILENT).path.read_text() == "layer of git"


def test_one_of_another_recipe_is_made_here(wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rootfs, "REVISION", rootfs.REVISION + 1)
    monkeypatch.setattr(rootfs, "_make", make_small)
    timeline, file = said(tmp_path)
    rootfs.get("git", timeline)
    assert "git: platform-e2e-programs 0.1.0 has it from another recipe, so it is made here" in file.read_text()


def test_a_damaged_archive_names_itself(wheel: Path) -> None:
    path = wheel / "rootfs" / "git.tar.xz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(
        BrokenHarness, match=r"git\.tar\.xz cannot be unpacked: .*\n.*install platform-e2e-programs again"
    ):
        rootfs.get("git", SILENT)


def test_packages_that_only_making_a_root_file_system_needs_may_be_missing(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {name: lambda: False for name in ("mmdebstrap", "debian-archive-keyring", "util-linux")}
    monkeypatch.setattr(hostpackages, "PACKAGES", absent)
    assert hostpackages.missing() == ["util-linux"]
    monkeypatch.setattr(rootfs, "REVISION", rootfs.REVISION + 1)
    assert hostpackages.missing() == list(absent)


def test_what_is_read_of_go_modules_is_in_it(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = programs.module_directory("go.universe.tf/metallb") / "charts/metallb/Chart.yaml"
    assert chart.is_relative_to(wheel)
    assert chart.read_text() == "go.universe.tf/metallb charts/metallb"
    crd = programs.module_directory("github.com/argoproj/argo-cd/v3") / "manifests/crds/x-crd.yaml"
    assert crd.is_file()
    assert calls(wheel) == []
    # A version that reads more of a module than the wheel has.
    monkeypatch.setitem(modules.PIECES, "go.universe.tf/metallb", ("charts/metallb", "config"))
    with pytest.raises(CommandError, match="mod download"):
        programs.module_directory("go.universe.tf/metallb")
    assert calls(wheel)[-1] == "mod download go.universe.tf/metallb"


def test_k3d_comes_from_it_where_path_has_none(wheel: Path) -> None:
    found = binary.own(SILENT)
    assert calls(wheel) == []
    assert found.path.read_bytes() == (wheel / "programs" / "k3d").read_bytes()


def test_a_new_one_is_not_made_of_an_old_one(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenHarness, match="pip uninstall platform-e2e-programs"):
        packing.pack(tmp_path / "new", "0.2.0", SILENT)
    with pytest.raises(WrongUsage, match="must not exist"):
        packing.pack(wheel, "0.2.0", SILENT)


def test_what_others_can_write_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_text("x")
    source.chmod(0o755)
    prebuilt.take(source, tmp_path / "linked")
    assert (tmp_path / "linked").samefile(source)
    source.chmod(0o775)
    prebuilt.take(source, tmp_path / "copied")
    assert not (tmp_path / "copied").samefile(source)
    assert (tmp_path / "copied").stat().st_mode & 0o7777 == 0o755


def test_of_another_user_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "program"
    source.write_text("x")
    source.chmod(0o755)
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    prebuilt.take(source, tmp_path / "copied")
    assert not (tmp_path / "copied").samefile(source)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "1"}'], ids=["no-json", "a-list", "half"])
def test_a_manifest_that_cannot_be_read_is_an_error_with_a_remedy(wheel: Path, text: str) -> None:
    (wheel / prebuilt.MANIFEST).write_text(text)
    with pytest.raises(BrokenHarness, match=r"manifest\.json must be the manifest .*\n.*of the same version"):
        prebuilt.find()


def test_linked_modules_are_named_with_what_replaces_them() -> None:
    text = """\
helm: go1.26.8
\tpath\thelm.sh/helm/v3/cmd/helm
\tmod\tplatform-e2e/programs\t(devel)
\tdep\tgithub.com/BurntSushi/toml\tv1.5.0\th1:x=
\tdep\tk8s.io/api\tv0.0.0
\t=>\tk8s.io/api\tv0.34.4\th1:y=
\tbuild\t-compiler=gc
"""
    assert packing.linked_modules(text) == {"github.com/!burnt!sushi/toml@v1.5.0", "k8s.io/api@v0.34.4"}


def test_each_licence_stands_once_with_all_that_have_it(tmp_path: Path) -> None:
    for name, text in {"a": "one", "b": "one", "c": "two"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE.md").write_text(text)
    (tmp_path / "a" / "NOTICE").write_text("of a")
    made = packing.texts({name: tmp_path / name for name in ("a", "b", "c")})
    assert made == "==== a, b\n\none\n\n==== a\n\nof a\n\n==== c\n\ntwo\n"
    (tmp_path / "d").mkdir()
    with pytest.raises(BrokenHarness, match=r"d must have a file with the licence, got none"):
        packing.texts({"d": tmp_path / "d"})


def test_a_root_file_system_without_its_licences_is_not_passed_on(tmp_path: Path) -> None:
    entry = tmp_path / "rootfs-git" / "key"
    entry.mkdir(parents=True)
    made = rootfs.Rootfs("git", entry / "layer.tar", "", {})
    with pytest.raises(BrokenHarness, match=r"must have copyright\.txt, got one without\n.*remove .*rootfs-git"):
        packing._pack_root(made, tmp_path / "git.tar.xz")


def test_progress_is_printed_once_for_each_step(capsys: Any) -> None:
    printed = packing.Printed()
    for text in ("etcd: 1 of 9 packages", "etcd: 2 of 9 packages", "helm: 1 of 9 packages"):
        printed.progress("programs", text)
    assert capsys.readouterr().out == "programs: etcd: 1 of 9 packages\nprograms: helm: 1 of 9 packages\n"
