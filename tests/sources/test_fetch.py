"""`platform-e2e fetch`: charts by a password of Helm's, repositories by one of Git's, until nothing more is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.layer import Layer
from platform_e2e.sources import given, lockfile
from platform_e2e.sources.fetch import Fetched, Fetcher
from platform_e2e.sources.store import Store
from tests.fakes import layers, rendering, source_servers
from tests.fakes.source_servers import CONFIGMAP, PASSWORD, Sources


@dataclass
class Setup:
    """A layer beside servers, and a user who may read them."""

    layer: Path
    servers: Sources
    store: Store
    helm: Path
    said: list[str] = field(default_factory=list)

    def application(self, name: str, source: dict[str, str]) -> None:
        """Write an Application that is applied by hand."""
        text = layers.APPLICATION.replace("name: one", f"name: {name}")
        start, _, rest = text.partition("  source:\n")
        _, _, end = rest.partition("  destination:")
        path = self.layer / f"argocd/applications/{name}.yaml"
        path.write_text(f"{start}  source: {json.dumps(source)}\n  destination:{end}")

    def fetch(self, *, update: bool = False) -> Fetched:
        """Fetch for it."""
        fetcher = Fetcher(self.layer, self.store, rendering.renderer(), self.helm, self.said.append, update=update)
        return fetcher.run()

    def load(self) -> Layer:
        """Read it with what was fetched."""
        return layers.load(self.layer, material=given.of(self.store, lockfile.read(self.layer)))


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    home = tmp_path / "home"
    (home / ".config" / "helm").mkdir(parents=True)
    for name in ("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", "HELM_REPOSITORY_CONFIG", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    layer = layers.write(tmp_path / "layer", {})
    with source_servers.serving(tmp_path / "git") as servers:
        host = servers.url.removeprefix("http://")
        (home / ".config/helm/repositories.yaml").write_text(
            f"repositories:\n- {{name: mine, url: {servers.url}/charts/, username: fetcher, password: {PASSWORD}}}\n"
        )
        (home / ".gitconfig").write_text("[credential]\n\thelper = store\n")
        (home / ".git-credentials").write_text(f"http://fetcher:{PASSWORD}@{host}\n")
        yield Setup(layer, servers, Store(tmp_path / "store"), source_servers.helm(tmp_path, paths.ROOT))


@pytest.mark.point("sources-fetched-safely")
def test_a_private_chart_and_a_private_repository_are_fetched_without_a_trace_of_the_password(setup: Setup) -> None:
    setup.servers.charts(("web", "1.2.0"), ("web", "1.10.0"), ("web", "2.0.0"))
    url, commit = setup.servers.repository("private", {"app/one.yaml": CONFIGMAP.format("private")})
    setup.application("web", {"repoURL": f"{setup.servers.url}/charts", "chart": "web", "targetRevision": "1.x"})
    setup.application("other", {"repoURL": url, "path": "app", "targetRevision": "main"})
    before = contents(setup.layer)
    done = setup.fetch()
    assert done.failed == []
    locked = lockfile.read(setup.layer)
    assert locked is not None
    assert [(each.name, each.version) for each in locked.charts] == [("web", "1.10.0")]
    assert [(each.url, each.revision, each.commit) for each in locked.repositories] == [(url, "main", commit)]
    assert [str(each) for each in setup.load().application("other").objects] == ["configmap/private -n one"]
    files = [path for path in setup.store.directory.rglob("*") if path.is_file()]
    assert files
    for path in (*files, setup.layer / lockfile.NAME):
        assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD not in "\n".join(setup.said)
    (setup.layer / lockfile.NAME).unlink()
    assert contents(setup.layer) == before


def test_what_a_fetched_repository_asks_for_is_fetched_too(setup: Setup) -> None:
    setup.servers.charts(("web", "1.2.0"))
    chart = {"repoURL": f"{setup.servers.url}/charts", "chart": "web", "targetRevision": "1.2.0"}
    inner = layers.APPLICATION.replace("name: one", "name: inner").partition("  source:\n")[0]
    inner += (
        f"  source: {json.dumps(chart)}\n  destination: {{server: 'https://kubernetes.default.svc', namespace: x}}\n"
    )
    url, _ = setup.servers.repository("apps", {"apps/inner.yaml": inner}, tags=["v1.0.0", "v1.4.0", "v2.0.0"])
    setup.application("outer", {"repoURL": url, "path": "apps", "targetRevision": "v1.*"})
    done = setup.fetch()
    assert [str(each) for each in done.new] == [f"{url} at v1.*", f"web 1.2.0 of {setup.servers.url}/charts"]


def test_the_second_time_nothing_is_fetched(setup: Setup) -> None:
    url, _ = setup.servers.repository("other", {"app/one.yaml": CONFIGMAP.format("other")})
    setup.application("other", {"repoURL": url, "path": "app", "targetRevision": "main"})
    setup.fetch()
    setup.servers.asked.clear()
    done = setup.fetch()
    assert (done.new, done.there, setup.servers.asked) == ([], 1, [])


def test_a_branch_stays_at_its_commit_until_it_is_updated(setup: Setup, tmp_path: Path) -> None:
    url, commit = setup.servers.repository("other", {"app/one.yaml": CONFIGMAP.format("other")})
    setup.application("other", {"repoURL": url, "path": "app", "targetRevision": "main"})
    setup.fetch()
    work = tmp_path / "git/other.work"
    (work / "app/one.yaml").write_text(CONFIGMAP.format("newer"))
    source_servers.git(work, "commit", "-qam", "y")
    source_servers.git(work, "push", "-q", str(tmp_path / "git/other.git"), "main")
    other = replace(setup, store=Store(tmp_path / "another"))
    other.fetch()
    assert revisions(setup.layer) == [commit]
    assert [str(each) for each in other.load().application("other").objects] == ["configmap/other -n one"]
    setup.fetch(update=True)
    assert revisions(setup.layer) != [commit]
    assert [str(each) for each in setup.load().application("other").objects] == ["configmap/newer -n one"]


def test_what_fails_is_named_with_object_file_and_remedy_and_the_rest_is_fetched(setup: Setup) -> None:
    setup.servers.charts(("web", "1.2.0"))
    setup.application("none", {"repoURL": f"{setup.servers.url}/charts", "chart": "none", "targetRevision": "1.0.0"})
    setup.application("gone", {"repoURL": f"{setup.servers.url}/git/gone.git", "path": "x"})
    setup.application("web", {"repoURL": f"{setup.servers.url}/charts", "chart": "web", "targetRevision": "1.2.0"})
    done = setup.fetch()
    assert [str(each) for each in done.new] == [f"web 1.2.0 of {setup.servers.url}/charts"]
    assert {each.objects for each in done.failed} == {
        ("application/none -n argocd (argocd/applications/none.yaml:8)",),
        ("application/gone -n argocd (argocd/applications/gone.yaml:8)",),
    }
    assert all(each.problem and "--" in each.remedy for each in done.failed)


@pytest.mark.point("sources-fetched-safely")
@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch PWNED'", "file://HERE", "HERE", "--upload-pack=touch PWNED", "ssh://-oProxyCommand=x/y"]
)
def test_a_hostile_url_reads_and_runs_nothing_of_this_host(setup: Setup, tmp_path: Path, url: str) -> None:
    secret = tmp_path / "git"
    setup.servers.repository("other", {"app/one.yaml": CONFIGMAP.format("other")})
    named = url.replace("HERE", str(secret / "other.git")).replace("PWNED", str(tmp_path / "pwned"))
    setup.application("evil", {"repoURL": named, "path": "app", "targetRevision": "main"})
    done = setup.fetch()
    assert "is not fetched" in done.failed[0].problem
    assert not (tmp_path / "pwned").exists()
    assert setup.store.repositories() == []


@pytest.mark.point("sources-fetched-safely")
def test_a_digest_that_is_not_the_locked_one_is_refused_with_a_remedy(setup: Setup) -> None:
    setup.servers.charts(("web", "1.2.0"))
    setup.application("web", {"repoURL": f"{setup.servers.url}/charts", "chart": "web", "targetRevision": "1.2.0"})
    setup.fetch()
    ((_, archive),) = setup.store.charts()
    archive.write_bytes(source_servers.chart("web", "1.2.0", {"values.yaml": "message: other\n"}))
    with pytest.raises(WrongUsage, match=r"chart web 1\.2\.0 of .* must have the digest sha256:") as caught:
        setup.load()
    assert "--update" in caught.value.remedy


def test_what_a_killed_command_has_left_is_not_taken_for_an_entry(setup: Setup) -> None:
    left = setup.store.directory / "charts" / ".new-x"
    left.mkdir(parents=True)
    (left / "chart.tgz").write_bytes(b"half")
    (setup.store.directory / "charts" / "0abc").mkdir()
    assert setup.store.charts() == []
    setup.fetch()
    assert not left.exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 2}', '{"version": 1, "files": [{"url": "x", "digest": "md5:1"}]}']
)
def test_a_lock_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / lockfile.NAME).write_text(text)
    with pytest.raises(WrongUsage, match=lockfile.NAME):
        lockfile.read(tmp_path)


def contents(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def revisions(directory: Path) -> list[str]:
    found = lockfile.read(directory)
    return [each.commit for each in found.repositories] if found else []
