"""What is given by hand: --charts-dir and --repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.settings import resolve
from platform_e2e.sources import given
from platform_e2e.sources.lockfile import LockedChart, LockedRepository, LockFile
from platform_e2e.sources.store import Store
from tests.fakes import source_servers

OTHER = "https://git.example.com/others/apps.git"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def stored(store: Store, tmp_path: Path, version: str) -> LockedChart:
    archive = tmp_path / "made.tgz"
    archive.write_bytes(source_servers.chart("web", version))
    return store.add_chart("https://charts.example.com", "web", version, archive)


def test_a_directory_of_charts_has_archives_and_unpacked_ones(store: Store, tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    (charts / "plain" / "templates").mkdir(parents=True)
    (charts / "plain/Chart.yaml").write_text("apiVersion: v2\nname: plain\nversion: 0.3.0\n")
    (charts / "web-1.2.0.tgz").write_bytes(source_servers.chart("web", "1.2.0"))
    (charts / "README.md").write_text("# ours\n")
    (charts / "notes").mkdir()
    found = given.of(store, None, charts_dir=charts).charts
    assert [(each.repository, each.name, each.version) for each in found] == [
        ("", "plain", "0.3.0"),
        ("", "web", "1.2.0"),
    ]
    assert given.stated(found[0].archive) == ("plain", "0.3.0")
    assert sorted(path.name for path in charts.rglob("*")) == sorted(
        ["plain", "templates", "Chart.yaml", "web-1.2.0.tgz", "README.md", "notes"]
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        source_servers.chart("web", "1.2.0", {"Chart.yaml": "name: other\nversion: 1.2.0\n"}),
        source_servers.chart("web", "1.2.0", {"Chart.yaml": "name: web\nversion: ../../x\n"}),
    ],
)
def test_what_is_not_a_chart_is_refused_by_name(store: Store, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "web-1.2.0.tgz").write_bytes(content)
    with pytest.raises(WrongUsage, match=r"web-1\.2\.0\.tgz"):
        given.of(store, None, charts_dir=tmp_path)


def test_only_what_the_lock_file_names_is_taken_from_the_store(store: Store, tmp_path: Path) -> None:
    first, _ = stored(store, tmp_path, "1.2.0"), stored(store, tmp_path, "1.3.0")
    assert [each.version for each in given.of(store, LockFile(charts=(first,))).charts] == ["1.2.0"]
    assert given.of(store, LockFile()).charts == given.of(store, None).charts == ()


def test_a_directory_that_stands_for_a_repository_comes_before_what_was_fetched(store: Store, tmp_path: Path) -> None:
    tree, mine = tmp_path / "tree", tmp_path / "mine"
    tree.mkdir()
    mine.mkdir()
    (tree / "x").write_text("x")
    locked = store.add_repository(OTHER, "v1", "1" * 40, tree)
    (found,) = given.of(
        store, LockFile(repositories=(locked,)), repositories=[(OTHER.removesuffix(".git"), mine)]
    ).repositories
    assert (found.directory, found.revisions) == (mine, ())


def test_another_state_of_a_repository_than_the_locked_one_is_refused(store: Store, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "x").write_text("x")
    locked = store.add_repository(OTHER, "v1", "1" * 40, tree)
    ((_, place),) = store.repositories()
    (place / "x").chmod(0o755)
    with pytest.raises(WrongUsage, match="must have the digest"):
        given.of(store, LockFile(repositories=(LockedRepository(**vars(locked)),)))


def test_the_option_takes_urls_with_directories_and_one_checkout(tmp_path: Path) -> None:
    for name in ("one", "two", "own"):
        (tmp_path / name).mkdir()
    text = f"https://a.example.com/x?y=z={tmp_path}/one,{tmp_path}/own,git@b.example.com:x={tmp_path}/two"
    found = resolve({"repository": text}, {})
    assert found.repositories == (
        ("https://a.example.com/x?y=z", tmp_path / "one"),
        ("git@b.example.com:x", tmp_path / "two"),
    )
    assert found.checkout == tmp_path / "own"
    assert resolve({}, {}).repositories == ()
    assert resolve({}, {}).checkout is None


@pytest.mark.parametrize("text", ["=HERE", "https://x=HERE/none", "HERE,HERE/sub", "none"])
def test_the_option_refuses_what_is_no_directory(tmp_path: Path, text: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(WrongUsage, match="--repository"):
        resolve({"repository": text.replace("HERE", str(tmp_path))}, {})
