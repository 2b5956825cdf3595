"""Helm is called with what a release needs, and nothing of the user's own configuration reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.foundations import chart_source
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.helm import Helm
from platform_e2e.shell import CommandError


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helm:
    """Return a Helm that prints its arguments and environment into files, and a Service and a CRD as its rendering."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HELM_NAMESPACE", "somewhere-else")
    program = tmp_path / "helm"
    program.write_text(
        f"""#!/bin/sh
echo "$@" > {tmp_path}/argv; env > {tmp_path}/env
cat <<'END'
---
kind: Service
metadata: {{name: a}}
---
kind: CustomResourceDefinition
metadata: {{name: b, labels: {{x: y}}, annotations: {{k: v}}}}
END
"""
    )
    program.chmod(0o755)
    return Helm(program, tmp_path / "kubeconfig")


def test_upgrade_installs_too_and_waits_for_nothing(helm: Helm, tmp_path: Path) -> None:
    helm.upgrade("demo", Path("/chart"), "ns", values=[Path("/a"), Path("/b")], labels={"y": "2", "x": "1"})
    argv = (tmp_path / "argv").read_text().split()
    assert argv[:5] == ["upgrade", "demo", "/chart", "--install", "--namespace"]
    assert " ".join(argv).count("--values") == 2
    assert argv.index("/a") < argv.index("/b")
    assert argv[argv.index("--labels") + 1] == "x=1,y=2"
    assert "--wait" not in argv
    assert "--skip-crds" in argv
    assert argv[-2:] == ["--kubeconfig", str(tmp_path / "kubeconfig")]
    assert "--repo" not in argv


def test_nothing_of_the_user_s_helm_is_used(helm: Helm, tmp_path: Path) -> None:
    helm.template("demo", Path("/chart"), "ns")
    environment = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert environment["HELM_NAMESPACE"] == ""
    for kind in ("CACHE", "CONFIG", "DATA"):
        assert environment[f"HELM_{kind}_HOME"].startswith(str(tmp_path / "cache"))


def test_template_returns_objects(helm: Helm, tmp_path: Path) -> None:
    found = helm.template("demo", Path("/chart"), "ns", kubernetes="v1.34.4")
    assert [item["kind"] for item in found] == ["Service", "CustomResourceDefinition"]
    assert "--kube-version v1.34.4" in (tmp_path / "argv").read_text()


def test_an_error_of_helm_is_quoted(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\necho 'Error: chart not found' >&2; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(CommandError, match="Error: chart not found"):
        Helm(program).show_crds(Path("chart"))


def test_crds_among_templates_are_marked_as_the_release_s_own(helm: Helm) -> None:
    chart = Chart(Path("/chart"), "1", "1", "from a directory")
    (found,) = chart_source.templated_definitions(chart, helm, "demo", "ns", values=[], kubernetes="v1.34.4")
    assert found["metadata"]["labels"] == {"x": "y", "app.kubernetes.io/managed-by": "Helm"}
    assert found["metadata"]["annotations"] == {
        "k": "v",
        "meta.helm.sh/release-name": "demo",
        "meta.helm.sh/release-namespace": "ns",
    }


def test_an_assembled_chart_has_none_among_its_templates(helm: Helm, tmp_path: Path) -> None:
    chart = Chart(Path("/chart"), "1", "1", "assembled", assembled=True)
    assert chart_source.templated_definitions(chart, helm, "demo", "ns", values=[], kubernetes="v1.34.4") == []
    assert not (tmp_path / "argv").exists()


def test_a_chart_s_identity_changes_with_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "values.yaml").write_text("a: 1\n")
    chart = Chart(directory, "1", "1", "from a directory")
    before = chart_source.identity(chart)
    (directory / "values.yaml").write_text("a: 2\n")
    assert chart_source.identity(chart) != before
    cached = Chart(tmp_path / "cache" / "charts" / "demo-abc" / "chart", "1", "1", "made")
    assert chart_source.identity(cached) == "demo-abc"
