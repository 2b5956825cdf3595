"""Manifests that no Application reads: what is left of an Application whose file was deleted."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.breaks import declaration
from platform_e2e.checks import applications
from platform_e2e.finding import Promise
from platform_e2e.layer import Layer, Unread
from tests.fakes import layers

KUSTOMIZATION = "resources: [configmap.yaml]\n"
REASON = "metadata:\n  annotations: {platform-e2e/exempt-applications: not open yet}\n"


def demo_without(tmp_path: Path, *files: str) -> Layer:
    copy = tmp_path / "platform"
    shutil.copytree(layers.DEMO, copy)
    for file in files:
        (copy / file).unlink()
    return layers.load(copy, layers.one_configmap)


def unread(tmp_path: Path, files: dict[str, str | bytes | None]) -> list[tuple[str, tuple[str, ...]]]:
    found = layers.load(layers.write(tmp_path, files), layers.one_configmap)
    return [(one.path, one.directories) for one in found.unread]


def test_every_directory_of_the_demo_layer_is_read() -> None:
    assert layers.demo().unread == ()


@pytest.mark.parametrize(
    ("application", "directory"),
    [("metallb-config", "metallb"), ("monitoring-config", "monitoring"), ("secrets-config", "secrets")],
)
def test_an_application_whose_file_is_deleted_is_missed_once(tmp_path: Path, application: str, directory: str) -> None:
    (one,) = demo_without(tmp_path, f"argocd/applications/{application}.yaml").unread
    assert one == Unread(f"manifests/{directory}", (f"manifests/{directory}",))
    (finding,) = applications.unread(one)
    assert finding.object == f"directory/manifests/{directory}"
    assert (finding.promise, finding.cause.id) == ("applications", "manifests-without-application")
    assert f"reads manifests/{directory}, where" in finding.cause.sentence
    assert "platform-e2e/exempt-applications" in finding.cause.remedy
    assert "argocd/" in finding.cause.remedy


def test_the_break_is_found_as_it_declares(tmp_path: Path) -> None:
    fault = declaration.load(paths.ROOT / "breaks" / "application-removed.yaml")
    copy = tmp_path / "platform"
    shutil.copytree(layers.DEMO, copy)
    declaration.apply(fault, copy)
    (one,) = layers.load(copy, layers.one_configmap).unread
    (finding,) = applications.unread(one)
    assert (finding.promise, finding.cause.id) == (fault.promise, fault.cause)
    assert re.search(fault.sentence, finding.cause.sentence)


def test_an_applicationset_whose_file_is_deleted_is_one_fault_whatever_it_generated(tmp_path: Path) -> None:
    found = demo_without(tmp_path, "argocd/applicationsets/chat.yaml")
    assert found.environments == ()
    (one,) = found.unread
    assert one.path == "manifests/chat/overlays"
    assert one.directories == tuple(f"manifests/chat/overlays/{name}" for name in ("dev", "prod", "staging"))


def test_two_applications_whose_files_are_deleted_are_two_faults(tmp_path: Path) -> None:
    names = ("argocd/applications/metallb-config.yaml", "argocd/applications/secrets-config.yaml")
    found = demo_without(tmp_path, *names)
    assert [one.path for one in found.unread] == ["manifests/metallb", "manifests/secrets"]


def test_an_overlay_that_its_applicationset_does_not_generate_is_a_missing_environment_and_no_more(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "platform"
    shutil.copytree(layers.DEMO, copy)
    file = copy / "argocd" / "applicationsets" / "chat.yaml"
    file.write_text(file.read_text().replace("          - environment: staging\n", ""))
    found = layers.load(copy, layers.one_configmap)
    assert [one.name for one in found.environments if one.application is None] == ["staging"]
    assert found.unread == ()


@pytest.mark.parametrize(
    "file", ["manifests/one/sub/x.yaml", "manifests/two/x.yml", "other/x.json", "deep/er/and/deeper/x.yaml"]
)
def test_plain_manifests_that_nothing_reads(tmp_path: Path, file: str) -> None:
    minified = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}'
    directory = file.rpartition("/")[0]
    assert unread(tmp_path, {file: minified if file.endswith("json") else layers.CONFIGMAP}) == [
        (directory, (directory,))
    ]


@pytest.mark.parametrize(
    "file",
    [
        "argocd/more/x.yaml",
        ".github/x.yaml",
        "docs/x.md",
        "manifests/one/z.yaml",
    ],
)
def test_what_no_application_need_read(tmp_path: Path, file: str) -> None:
    assert unread(tmp_path, {file: layers.CONFIGMAP.replace("name: one", f"name: {Path(file).stem}")}) == []


def test_manifests_beside_the_foundations_are_those_of_helm(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "foundations/foundations.yaml": "releases: []\n",
        "foundations/values/x.yaml": layers.CONFIGMAP,
    }
    assert unread(tmp_path, files) == []


def test_no_name_of_a_directory_hides_manifests(tmp_path: Path) -> None:
    """Most layers keep them in apps/, where this project's own has the sources of images."""
    assert unread(tmp_path, {"apps/one/deployment.yaml": layers.CONFIGMAP}) == [("apps/one", ("apps/one",))]


@pytest.mark.parametrize(
    "text", ["key: value\n", "apiVersion: v2\nname: chart\n", "# +argocd:skip-file-rendering\n" + layers.CONFIGMAP]
)
def test_files_that_are_no_manifests(tmp_path: Path, text: str) -> None:
    assert unread(tmp_path, {"manifests/two/x.yaml": text}) == []


def test_a_recursive_application_reads_what_is_below_unless_it_leaves_it_out(tmp_path: Path) -> None:
    text = layers.APPLICATION.replace(
        "  destination:", "    directory: {recurse: true, exclude: 'old/*'}\n  destination:"
    )
    files: dict[str, str | bytes | None] = {
        "argocd/applications/one.yaml": text,
        "manifests/one/new/x.yaml": layers.CONFIGMAP.replace("name: one", "name: new"),
        "manifests/one/old/x.yaml": layers.CONFIGMAP,
    }
    assert unread(tmp_path, files) == [("manifests/one/old", ("manifests/one/old",))]


def test_parts_of_a_kustomization_that_nothing_reads_are_not_missed_beside_it(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "manifests/two/kustomization.yaml": "resources: [../base, rules/x.yaml]\n",
        "manifests/two/rules/x.yaml": layers.CONFIGMAP,
        "manifests/base/kustomization.yaml": KUSTOMIZATION,
        "manifests/base/configmap.yaml": layers.CONFIGMAP,
    }
    assert unread(tmp_path, files) == [("manifests/two", ("manifests/two",))]


def test_a_file_that_nobody_reads_need_not_be_sound(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "manifests/two/x.yaml": layers.CONFIGMAP + "data: {{ .Values.x }}\n",
        "manifests/three/kustomization.yaml": "resources: [https://example.com/x.yaml]\n",
        "manifests/four/x.yaml": layers.CONFIGMAP.encode() + b"  other: \xff\n",
    }
    assert [path for path, _ in unread(tmp_path, files)] == ["manifests/four", "manifests/three", "manifests/two"]


@pytest.mark.parametrize("kustomized", [True, False])
def test_a_directory_may_be_exempt_with_a_reason_which_is_counted(tmp_path: Path, *, kustomized: bool) -> None:
    exempt = layers.CONFIGMAP.replace("metadata:\n", REASON)
    files: dict[str, str | bytes | None] = {"manifests/two/configmap.yaml": exempt}
    if kustomized:
        files = {"manifests/two/configmap.yaml": layers.CONFIGMAP}
        files["manifests/two/kustomization.yaml"] = REASON + KUSTOMIZATION
    found = layers.load(layers.write(tmp_path, files), layers.one_configmap)
    (one,) = found.unread
    assert applications.unread(one) == []
    assert [(each.object, each.promise, each.reason) for each in found.exemptions] == [
        ("directory/manifests/two", Promise.APPLICATIONS, "not open yet")
    ]


def test_one_object_that_is_exempt_does_not_exempt_the_others(tmp_path: Path) -> None:
    exempt = layers.CONFIGMAP.replace("metadata:\n", REASON)
    (one,) = layers.load(layers.write(tmp_path, {"manifests/two/x.yaml": exempt + "---\n" + layers.CONFIGMAP})).unread
    assert len(applications.unread(one)) == 1
