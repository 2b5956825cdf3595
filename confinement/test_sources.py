"""What is fetched for a stranger's layer, by the real Helm and Git, and what Argo CD's code makes of it, each time from copies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from confinement.conftest import Stranger, application
from platform_e2e import layer
from platform_e2e.layer.argocd_render import renderer
from platform_e2e.layer.renderer import Repository
from platform_e2e.sources import given, lockfile
from platform_e2e.sources.fetch import Fetched, Fetcher
from platform_e2e.sources.store import Store
from tests.fakes import source_servers
from tests.fakes.source_servers import CONFIGMAP, PASSWORD, Sources


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    home = tmp_path / "home"
    (home / ".config/helm").mkdir(parents=True)
    for name in ("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", "HELM_REPOSITORY_CONFIG", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with source_servers.serving(tmp_path / "git") as found:
        (home / ".config/helm/repositories.yaml").write_text(
            f"repositories:\n- {{name: mine, url: {found.url}/charts, username: fetcher, password: {PASSWORD}}}\n"
        )
        (home / ".gitconfig").write_text("[credential]\n\thelper = store\n")
        host = found.url.removeprefix("http://")
        (home / ".git-credentials").write_text(f"http://fetcher:{PASSWORD}@{host}\n")
        yield found


def fetch(stranger: Stranger, store: Store) -> Fetched:
    begin = renderer(*(stranger.programs[name] for name in ("argocd", "helm", "kustomize")), kubernetes="1.34")
    return Fetcher(stranger.root, store, begin, stranger.programs["helm"], lambda _: None).run()


def read(stranger: Stranger, store: Store) -> dict[str, list[str]]:
    begin = renderer(*(stranger.programs[name] for name in ("argocd", "helm", "kustomize")), kubernetes="1.34")
    material = given.of(store, lockfile.read(stranger.root))
    found = layer.load(stranger.root, begin, material=material)
    assert [str(each) for each in found.not_judged] == []
    return {
        each.name: [f"{item.name}:{item.object.get('data', {}).get('version', '')}" for item in each.objects]
        for each in found.applications
    }


def put(stranger: Stranger, **sources: Mapping[str, Any]) -> None:
    """Write an Application for each source."""
    for name, source in sources.items():
        written = application(**dict(source))
        written["metadata"]["name"] = name
        stranger.write({f"argocd/{name}.json": json.dumps(written)})


def state(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != lockfile.NAME)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_all_kinds_of_sources_are_fetched_and_rendered_and_the_users_tree_stays(
    stranger: Stranger, servers: Sources, tmp_path: Path
) -> None:
    charts = servers.charts(("web", "1.2.0"), ("web", "1.10.0"), ("web", "2.0.0-rc.1"), ("dep", "0.1.0"))
    base = {"base/kustomization.yaml": "resources: [cm.yaml]\n", "base/cm.yaml": CONFIGMAP.format("based")}
    files = {**base, "apps/cm.yaml": CONFIGMAP.format("other"), "values/web.yaml": "message: theirs\n"}
    other, _ = servers.repository("private", files, tags=["v1.0.0"])
    servers.files["/raw.yaml"] = CONFIGMAP.format("raw").encode()
    put(
        stranger,
        web={"repoURL": charts, "chart": "web", "targetRevision": "1.x"},
        other={"repoURL": other, "path": "apps", "targetRevision": "v1.0.0"},
        kust={"path": "k"},
        umbrella={"path": "umbrella"},
    )
    stranger.write(
        {
            "k/kustomization.yaml": f"resources:\n- {servers.url}/raw.yaml\n- {other}//base?ref=v1.0.0\n",
            "umbrella/Chart.yaml": "apiVersion: v2\nname: umbrella\nversion: 0.1.0\n"
            f"dependencies:\n- {{name: dep, version: ~0.1, repository: '{charts}'}}\n",
        }
    )
    before, store = state(stranger.root), Store(tmp_path / "store")
    assert fetch(stranger, store).failed == []
    assert read(stranger, store) == {
        "web": ["web-web:1.10.0"],
        "other": ["other:"],
        "kust": ["based:", "raw:"],
        "umbrella": ["umbrella-dep:0.1.0"],
    }
    assert state(stranger.root) == before
    stored = [path.read_bytes() for path in store.directory.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content for content in (*stored, (stranger.root / lockfile.NAME).read_bytes()))


def test_two_revisions_of_one_repository_are_two(stranger: Stranger, tmp_path: Path) -> None:
    url = "https://git.example.com/others/apps"
    others = []
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cm.yaml").write_text(CONFIGMAP.format(name))
        (tmp_path / name / "values.yaml").write_text(f"message: {name}\n")
        others.append(Repository(tmp_path / name, (f"{url}.git",), (name,)))
    stranger.write(
        {
            "c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 0.1.0\n",
            "c/templates/cm.yaml": CONFIGMAP.format("{{ .Values.message }}"),
        }
    )
    both = [application(".", repoURL=url, targetRevision=name) for name in ("v1", "v2", "v3")]
    lent = []
    for name in ("v1", "v2"):
        each = application("c")
        own = {**each["spec"].pop("source"), "helm": {"valueFiles": ["$o/values.yaml"]}}
        each["spec"]["sources"] = [own, {"repoURL": url, "targetRevision": name, "ref": "o"}]
        lent.append(each)
    first, second, third, *with_values = stranger.render(*both, *lent, others=others)
    assert [each.sources[0].objects[0]["metadata"]["name"] for each in (first, second, *with_values)] == [
        "v1",
        "v2",
        "v1",
        "v2",
    ]
    assert third.problem is not None
    assert third.problem.text == f"{url} at v3"


def test_a_fetched_repository_with_a_link_that_leads_out_is_not_read(
    stranger: Stranger, servers: Sources, tmp_path: Path
) -> None:
    (tmp_path / "git/evil.work/app").mkdir(parents=True)
    (tmp_path / "git/evil.work/app/link.yaml").symlink_to("/etc/passwd")
    other, _ = servers.repository("evil", {"app/cm.yaml": CONFIGMAP.format("x")})
    put(stranger, evil={"repoURL": other, "path": "app", "targetRevision": "main"}, own={"path": "own"})
    stranger.write({"own/cm.yaml": CONFIGMAP.format("own")})
    store = Store(tmp_path / "store")
    done = fetch(stranger, store)
    assert [(each.object, each.reason) for each in done.not_judged] == [("application/evil -n argocd", "link")]


def test_hooks_and_filters_of_a_repository_are_not_run(stranger: Stranger, servers: Sources, tmp_path: Path) -> None:
    (tmp_path / "home/.gitconfig").write_text(
        f'[filter "x"]\n\tsmudge = touch {tmp_path}/pwned\n\trequired = true\n[core]\n\thooksPath = {tmp_path}/hooks\n'
    )
    hook = tmp_path / "hooks/post-checkout"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    hook.chmod(0o755)
    other, _ = servers.repository("other", {".gitattributes": "* filter=x\n", "app/cm.yaml": CONFIGMAP.format("x")})
    put(stranger, other={"repoURL": other, "path": "app", "targetRevision": "main"})
    assert fetch(stranger, Store(tmp_path / "store")).failed == []
    assert not (tmp_path / "pwned").exists()
