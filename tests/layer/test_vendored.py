"""What charts and kustomizations would fetch is put into a copy, and nothing into the user's tree."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from platform_e2e.layer import copies, vendored
from platform_e2e.layer.renderer import Chart, Material, Repository
from platform_e2e.layer.vendored import ChartWanted, Local, Vendor
from tests.fakes import source_servers
from tests.fakes.source_servers import CONFIGMAP

OWN = "https://git.example.com/team/platform.git"
CHARTS = "https://charts.example.com/stable"

UMBRELLA = f"""\
apiVersion: v2
name: umbrella
version: 0.1.0
dependencies:
  - {{name: web, version: ^1.2.0, repository: {CHARTS}}}
"""


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def chart(tmp_path: Path, name: str = "web", version: str = "1.2.0", repository: str = CHARTS) -> Chart:
    archive = tmp_path / f"{name}-{version}.tgz"
    archive.write_bytes(source_servers.chart(name, version))
    return Chart(repository, name, version, archive)


def added(
    root: Path, *charts: Chart, others: tuple[Repository, ...] = (), files: Mapping[str, Path] | None = None
) -> Mapping[str, bytes]:
    before = state(root)
    found = Vendor(Material((Repository(root, (OWN,)), *others), charts, files or {})).added(root)
    assert state(root) == before
    return found


def state(root: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
        for path in root.rglob("*")
    }


def test_a_dependency_that_is_not_committed_comes_into_charts_and_its_chart_stays(tmp_path: Path) -> None:
    root = write(tmp_path / "layer", {"a/Chart.yaml": UMBRELLA})
    found = added(root, chart(tmp_path), chart(tmp_path, version="1.9.0"), chart(tmp_path, version="2.0.0"))
    assert list(found) == ["a/charts/web-1.9.0.tgz"]


def test_what_is_locked_is_taken_in_that_version(tmp_path: Path) -> None:
    lock = f"dependencies:\n- {{name: web, version: 1.2.0, repository: {CHARTS}}}\ndigest: sha256:0\ngenerated: now\n"
    root = write(tmp_path / "layer", {"Chart.yaml": UMBRELLA, "Chart.lock": lock})
    assert list(added(root, chart(tmp_path), chart(tmp_path, version="1.9.0"))) == ["charts/web-1.2.0.tgz"]
    assert vendored.dependencies(root) == [ChartWanted(CHARTS, "web", "1.2.0")]


@pytest.mark.parametrize("there", ["charts/web/Chart.yaml", "charts/web-1.0.0.tgz", "charts/web-v1.0.0.tgz"])
def test_one_that_is_committed_is_left_as_it_is(tmp_path: Path, there: str) -> None:
    root = write(tmp_path / "layer", {"Chart.yaml": UMBRELLA, there: "x"})
    assert added(root, chart(tmp_path)) == {}


def test_one_of_another_name_is_none_of_it(tmp_path: Path) -> None:
    root = write(tmp_path / "layer", {"Chart.yaml": UMBRELLA, "charts/web-extra-1.0.0.tgz": "x"})
    assert list(added(root, chart(tmp_path))) == ["charts/web-1.2.0.tgz"]


def test_a_chart_beside_it_comes_along_with_what_that_needs(tmp_path: Path) -> None:
    """Helm would else build all dependencies again, and fetch."""
    text = UMBRELLA + "  - {name: beside, version: 0.1.0, repository: 'file://../beside'}\n"
    root = write(
        tmp_path / "layer",
        {
            "a/Chart.yaml": text,
            "beside/Chart.yaml": UMBRELLA.replace("umbrella", "beside"),
            "beside/values.yaml": "x: 1\n",
        },
    )
    assert sorted(added(root, chart(tmp_path))) == [
        "a/charts/beside/Chart.yaml",
        "a/charts/beside/charts/web-1.2.0.tgz",
        "a/charts/beside/values.yaml",
        "a/charts/web-1.2.0.tgz",
        "beside/charts/web-1.2.0.tgz",
    ]
    assert Local("beside", "../beside") in vendored.dependencies(root / "a")


@pytest.mark.parametrize(
    "place", ["file:///etc", "file://../../../..", "file://.", "file://" + "x" * 5000, "file://a\0b"]
)
def test_a_chart_beside_it_is_one_of_its_repository(tmp_path: Path, place: str) -> None:
    data = yaml.safe_load(UMBRELLA)
    data["dependencies"].append({"name": "beside", "version": "0.1.0", "repository": place})
    root = write(tmp_path / "layer", {"a/Chart.yaml": yaml.safe_dump(data)})
    assert list(added(root, chart(tmp_path))) == ["a/charts/web-1.2.0.tgz"]


@pytest.mark.parametrize("name", ["../../evil", "a/b", "", "-x", 7])
def test_a_dependency_of_an_odd_name_is_passed_over(tmp_path: Path, name: object) -> None:
    data = yaml.safe_load(UMBRELLA)
    data["dependencies"][0]["name"] = name
    root = write(tmp_path / "layer", {"Chart.yaml": yaml.safe_dump(data)})
    assert added(root, chart(tmp_path)) == {}
    assert vendored.dependencies(root) == []


@pytest.mark.parametrize("text", ["[]", "dependencies: 7", "dependencies: [7, {}]", "a: [", "dependencies: {name: x}"])
def test_an_odd_chart_needs_nothing(tmp_path: Path, text: str) -> None:
    root = write(tmp_path / "layer", {"Chart.yaml": text, "requirements.yaml": text, "Chart.lock": text})
    assert added(root, chart(tmp_path)) == {}


def test_a_chart_of_a_kustomization_is_unpacked_where_kustomize_looks_for_it(tmp_path: Path) -> None:
    text = f"helmCharts:\n- {{name: web, version: 1.x, repo: {CHARTS}}}\nhelmGlobals: {{chartHome: ./packed}}\n"
    root = write(tmp_path / "layer", {"k/kustomization.yaml": text})
    assert "k/packed/web-1.x/web/Chart.yaml" in added(root, chart(tmp_path))
    outside = text.replace("./packed", "../../..")
    assert added(write(tmp_path / "other", {"k/kustomization.yaml": outside}), chart(tmp_path)) == {}


BASES = {
    "base/kustomization.yaml": "resources: [cm.yaml, ../common]\n",
    "base/cm.yaml": CONFIGMAP.format("base"),
    "common/kustomization.yaml": "resources: [c.yaml]\n",
    "common/c.yaml": CONFIGMAP.format("common"),
    "else/huge.yaml": "x",
}


def test_a_remote_base_is_a_directory_of_the_copy_with_all_that_it_refers_to(tmp_path: Path) -> None:
    entry = "https://github.com/org/repo//base?ref=v1"
    text = f"# ours\nresources:\n- {entry}  # theirs\n- own.yaml\n- {entry}x\n"
    root = write(tmp_path / "layer", {"deep/k/kustomization.yaml": text})
    other = Repository(write(tmp_path / "other", BASES), ("https://github.com/org/repo.git",), ("v1",))
    found = added(root, others=(other,))
    top = ".platform-e2e/github.com-org-repo@v1"
    assert found["deep/k/kustomization.yaml"].decode() == text.replace(f"{entry} ", f"../../{top}/base ")
    names = ["base/cm.yaml", "base/kustomization.yaml", "common/c.yaml", "common/kustomization.yaml"]
    assert sorted(set(found) - {"deep/k/kustomization.yaml"}) == [f"{top}/{name}" for name in names]


def test_a_base_of_a_base_comes_along(tmp_path: Path) -> None:
    root = write(tmp_path / "layer", {"kustomization.yaml": "resources: ['https://github.com/org/one//k?ref=v1']\n"})
    one = write(tmp_path / "one", {"k/kustomization.yaml": "resources:\n- https://github.com/org/two//base?ref=v2\n"})
    two = write(tmp_path / "two", BASES)
    others = (
        Repository(one, ("https://github.com/org/one",), ("v1",)),
        Repository(two, ("https://github.com/org/two",), ("v2",)),
    )
    found = added(root, others=others)
    top = ".platform-e2e/github.com-org-one@v1"
    inner = found[f"{top}/k/kustomization.yaml"].decode()
    assert inner == "resources:\n- ../.platform-e2e/github.com-org-two@v2/base\n"
    assert f"{top}/.platform-e2e/github.com-org-two@v2/base/cm.yaml" in found


def test_a_remote_file_is_one_beside_the_kustomization(tmp_path: Path) -> None:
    url = "https://raw.example.com/x/install.yaml"
    root = write(tmp_path / "layer", {"k/kustomization.yaml": f"resources:\n- {url}\n"})
    file = tmp_path / "content"
    file.write_text(CONFIGMAP.format("raw"))
    found = added(root, files={url: file})
    name = ".platform-e2e-raw.example.com-x-install.yaml.yaml"
    assert found == {"k/kustomization.yaml": f"resources:\n- {name}\n".encode(), f"k/{name}": file.read_bytes()}


def test_two_repositories_with_bases_of_each_other_end(tmp_path: Path) -> None:
    root = write(tmp_path / "layer", {"kustomization.yaml": "resources: ['https://github.com/org/one//k?ref=v1']\n"})
    one = write(tmp_path / "one", {"k/kustomization.yaml": "resources: ['https://github.com/org/two//k?ref=v1']\n"})
    two = write(tmp_path / "two", {"k/kustomization.yaml": "resources: ['https://github.com/org/one//k?ref=v1']\n"})
    others = tuple(Repository(path, (f"https://github.com/org/{path.name}",), ("v1",)) for path in (one, two))
    assert added(root, others=others)


def test_a_revision_is_one_of_just_that_or_of_a_directory_that_stands_for_all() -> None:
    every = Repository(Path("/every"), (OWN,))
    pinned = Repository(Path("/pinned"), (OWN,), ("v1", "HEAD"))
    material = Material((every, pinned))
    assert vendored.repository(material, OWN.removesuffix(".git").upper(), "v1") is pinned
    assert vendored.repository(material, OWN, "") is pinned
    assert vendored.repository(material, OWN, "v2") is every
    assert vendored.repository(Material((pinned,)), OWN, "v2") is None


@pytest.mark.point("sources-fetched-safely")
def test_nothing_is_written_through_a_link_of_the_copy(tmp_path: Path) -> None:
    outside, copy = tmp_path / "outside", tmp_path / "copy"
    outside.mkdir()
    copy.mkdir()
    (copy / "charts").symlink_to(outside)
    (copy / "file").symlink_to(outside / "victim")
    (outside / "victim").write_text("safe")
    copies.change(copy, {"charts/x.tgz": b"x", "file": b"y", "new/deep/z": b"z"}, None)
    assert [path.name for path in outside.iterdir()] == ["victim"]
    assert (outside / "victim").read_text() == "safe"
    assert (copy / "file").read_bytes() == b"y"
    assert (copy / "new/deep/z").read_bytes() == b"z"


@pytest.mark.point("sources-fetched-safely")
def test_an_archive_with_a_link_or_a_way_out_of_it_is_refused_or_passed_over(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo("../../evil")
        archive.addfile(member, io.BytesIO())
    evil = tmp_path / "web.tgz"
    evil.write_bytes(out.getvalue())
    root = write(
        tmp_path / "layer", {"kustomization.yaml": f"helmCharts:\n- {{name: web, version: 1.2.0, repo: {CHARTS}}}\n"}
    )
    assert added(root, Chart(CHARTS, "web", "1.2.0", evil)) == {}
    assert [path.name for path in root.iterdir()] == ["kustomization.yaml"]
