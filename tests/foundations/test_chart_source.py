"""A chart is fetched once, with retries while its repository is out of reach, and has the versions that it states itself."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.foundations import chart_source
from platform_e2e.foundations.helm import Helm
from platform_e2e.timeline import Timeline

URL = "https://charts.example.org"


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *answers: str) -> Helm:
    """Return a Helm whose pulls end with these errors, one after the other, and then with a chart."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    for number, answer in enumerate(answers):
        (tmp_path / f"answer-{number}").write_text(answer)
    helm = tmp_path / "helm"
    helm.write_text(
        f"""#!/bin/sh
case $1 in
show) echo 'version: 2.0.0'; echo 'appVersion: v9' ;;
pull)
  echo "$@" >> {tmp_path}/pulls
  answer={tmp_path}/answer-$(($(wc -l < {tmp_path}/pulls) - 1))
  if [ -e $answer ]; then cat $answer >&2; exit 1; fi
  while [ $# -gt 1 ]; do shift; done
  : > $1/demo-2.0.0.tgz ;;
esac
"""
    )
    helm.chmod(0o755)
    return Helm(helm)


def pulls(tmp_path: Path) -> list[str]:
    return (tmp_path / "pulls").read_text().splitlines()


@pytest.mark.point("indexes-once")
def test_a_chart_is_fetched_once_for_all_that_is_done_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helm = program(tmp_path, monkeypatch)
    chart = chart_source.upstream("demo", "2.0.0", URL, helm, Timeline(None))
    assert (chart.version, chart.app_version, chart.origin) == ("2.0.0", "v9", f"from {URL}")
    assert chart.path.name == "demo-2.0.0.tgz"
    again = chart_source.upstream("demo", "2.0.0", URL, helm, Timeline(None))
    assert again == chart
    (call,) = pulls(tmp_path)
    assert call.startswith(f"pull demo --repo {URL} --version 2.0.0 --destination ")
    assert chart_source.identity(chart).startswith("demo-2.0.0-")


@pytest.mark.point("indexes-once")
def test_a_registry_of_charts_is_asked_by_its_own_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart_source.upstream("demo", "2.0.0", "oci://ghcr.io/charts/", program(tmp_path, monkeypatch), Timeline(None))
    assert pulls(tmp_path)[0].startswith("pull oci://ghcr.io/charts/demo --version 2.0.0 ")


@pytest.mark.point("indexes-once")
def test_a_fetch_that_broke_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helm = program(tmp_path, monkeypatch, "Error: read tcp: connection reset by peer")
    timeline = Timeline(tmp_path / "timeline")
    assert chart_source.upstream("demo", "2.0.0", URL, helm, timeline).version == "2.0.0"
    assert len(pulls(tmp_path)) == 2
    assert "connection reset by peer; tries again" in (tmp_path / "timeline").read_text()


@pytest.mark.point("indexes-once")
def test_a_repository_out_of_reach_is_no_broken_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helm = program(tmp_path, monkeypatch, "Error: i/o timeout", "Error: i/o timeout", "Error: i/o timeout")
    monkeypatch.setattr(chart_source, "FETCH_SECONDS", 0.3)
    with pytest.raises(
        BrokenHarness, match=rf"chart demo 2.0.0 must be fetched from {URL} within 0.3 s, got: .*timeout"
    ):
        chart_source.upstream("demo", "2.0.0", URL, helm, Timeline(None))


@pytest.mark.point("indexes-once")
def test_a_version_that_a_repository_does_not_have_is_the_layer_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = program(tmp_path, monkeypatch, f'Error: chart "demo" version "2.0.0" not found in {URL} repository')
    with pytest.raises(WrongUsage, match=r"must have chart demo 2.0.0, which foundations.yaml pins: Error: chart"):
        chart_source.upstream("demo", "2.0.0", URL, helm, Timeline(None))
    assert len(pulls(tmp_path)) == 1


@pytest.mark.point("charts-dir-versions")
def test_a_directory_of_another_version_is_not_taken_for_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = program(tmp_path, monkeypatch)
    (tmp_path / "charts" / "demo").mkdir(parents=True)
    chart = chart_source.given("demo", "3.1.4", tmp_path / "charts", helm)
    assert (chart.version, chart.app_version) == ("2.0.0", "v9")


def test_an_archive_is_read_as_a_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helm = program(tmp_path, monkeypatch)
    archive = tmp_path / "demo-2.0.0.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        head = tarfile.TarInfo("demo/Chart.yaml")
        packed.addfile(head, io.BytesIO(b""))
    assert chart_source.given("demo", "2.0.0", tmp_path, helm).path == archive
