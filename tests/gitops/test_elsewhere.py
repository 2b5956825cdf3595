"""Charts and other repositories inside the cluster: what stands for each reference, and what is served."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from platform_e2e.gitops import server, values_files
from platform_e2e.gitops.bare_repository import BareRepository, File, PlannedCommit
from platform_e2e.gitops.convergence import of_each_source
from platform_e2e.gitops.elsewhere import HEAD, Elsewhere, branch_of
from platform_e2e.gitops.git import GitServer
from platform_e2e.gitops.served_references import SourceError
from platform_e2e.gitops.serving import Serving
from platform_e2e.gitops.transform import Transformed, transform
from platform_e2e.gitops.unserved import unserved
from platform_e2e.layer import Layer
from platform_e2e.layer.renderer import Chart, Material, RenderedSource, Rendering, Repository
from tests.fakes import layers, source_servers
from tests.fakes.git_server import Setup, git
from tests.fakes.rendering import Fake
from tests.fakes.source_servers import CONFIGMAP

OWN = layers.URL
OTHER = "https://git.example.com/others/apps.git"
CHARTS = "https://charts.example.com/stable"
COMMIT = "3" * 40
PLACE = f"{server.BASE}git.example.com/others/apps"
CHART_PLACE = f"{server.CHARTS_URL}charts.example.com/stable"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    directory = tmp_path / "other"
    (directory / "apps").mkdir(parents=True)
    (directory / "apps/one.yaml").write_text(CONFIGMAP.format("one"))
    return directory


@pytest.fixture
def elsewhere(other: Path, tmp_path: Path) -> Elsewhere:
    name = "git.example.com/others/apps"
    repositories = {
        (name, revision): Repository(other, (OTHER,), (revision,)) for revision in ("HEAD", "v1.0.0", "v1.*", COMMIT)
    }
    archive = tmp_path / "web.tgz"
    archive.write_bytes(source_servers.chart("web", "1.2.0"))
    charts = {
        "charts.example.com/stable": [Chart(CHARTS, "web", "1.2.0", archive)],
        "registry.example.com/org": [Chart("registry.example.com/org", "web", "1.2.0", archive)],
    }
    return Elsewhere(repositories, charts)


def application(source: str, name: str = "app") -> str:
    return f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n{source}"


def run(text: str, elsewhere: Elsewhere, *, values: bool = False) -> Transformed:
    named = frozenset({"a.yaml"}) if values else frozenset()
    return transform({"a.yaml": text.encode()}, url=server.URL, also_own=[OWN], elsewhere=elsewhere, values=named)


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        (f"  source: {{repoURL: '{OTHER}', path: apps}}", {OTHER: PLACE}),
        (f"  source: {{repoURL: '{OTHER}', path: apps, targetRevision: v1.0.0}}", {OTHER: PLACE}),
        (
            f"  source: {{repoURL: '{OTHER}', path: apps, targetRevision: '{COMMIT}'}}",
            {OTHER: PLACE, COMMIT: f"at-{COMMIT}"},
        ),
        (f"  source: {{repoURL: '{OTHER}', path: apps, targetRevision: v1.*}}", {OTHER: PLACE, "v1.*": "at-v1"}),
        (f"  source: {{repoURL: '{CHARTS}', chart: web, targetRevision: 1.x}}", {CHARTS: CHART_PLACE}),
        (
            "  source: {repoURL: oci://registry.example.com/org/web, path: ., targetRevision: 1.2.0}",
            {
                "oci://registry.example.com/org/web": f"{server.CHARTS_URL}registry.example.com/org",
                "path": "chart",
                ".": "web",
            },
        ),
        (
            "  source: {repoURL: registry.example.com/org, chart: web, targetRevision: 1.2.0}",
            {"registry.example.com/org": f"{server.CHARTS_URL}registry.example.com/org"},
        ),
    ],
)
def test_each_reference_is_changed_to_what_is_served(
    source: str, changed: Mapping[str, str], elsewhere: Elsewhere
) -> None:
    done = run(application(source), elsewhere)
    assert {change.before: change.after for change in done.changes} == changed
    spec = yaml.safe_load(done.files["a.yaml"])["spec"]["source"]
    assert spec["repoURL"] in changed.values()
    assert done.branches == ()


def test_a_reference_that_is_not_there_is_refused_by_name(elsewhere: Elsewhere) -> None:
    with pytest.raises(SourceError, match=r"Application app: spec\.source\.repoURL .*the Helm repository"):
        run(application("  source: {repoURL: https://elsewhere.example.com, chart: web}"), elsewhere)


def test_a_project_allows_what_stands_for_each_repository_that_it_allows(elsewhere: Elsewhere) -> None:
    text = (
        "kind: AppProject\napiVersion: argoproj.io/v1alpha1\nmetadata: {name: p}\nspec:\n  sourceRepos:\n"
        "    # all of ours\n    - https://git.example.com/**\n    - '!https://charts.example.com/*'\n    - '*'\n"
    )
    done = run(text, elsewhere)
    assert yaml.safe_load(done.files["a.yaml"])["spec"]["sourceRepos"] == [server.URL, PLACE, f"!{CHART_PLACE}", "*"]
    assert b"# all of ours" in done.files["a.yaml"]
    flow = text.partition("  sourceRepos:")[0] + "  sourceRepos: ['https://git.example.com/**', '*']\n"
    assert yaml.safe_load(run(flow, elsewhere).files["a.yaml"])["spec"]["sourceRepos"] == [server.URL, PLACE, "*"]


def test_values_that_are_a_served_url_are_changed_and_no_others(elsewhere: Elsewhere) -> None:
    text = (
        f"repo: {OWN}  # ours\nother: '{OTHER}'\nlink: {OWN.removesuffix('.git')}/blob/main/x\ncharts: {CHARTS}\n"
        f"inner: |\n  url: {OWN}\n  doc: {OWN}/wiki\nunknown: https://github.com/x/y\n"
    )
    done = run(text, elsewhere, values=True)
    assert yaml.safe_load(done.files["a.yaml"]) == {
        "repo": server.URL,
        "other": PLACE,
        "link": f"{OWN.removesuffix('.git')}/blob/main/x",
        "charts": CHART_PLACE,
        "inner": f"url: {server.URL}\ndoc: {OWN}/wiki\n",
        "unknown": "https://github.com/x/y",
    }
    assert f"repo: {server.URL}  # ours" in done.files["a.yaml"].decode()
    assert run(text, elsewhere).files == {}


def test_a_line_of_a_template_is_changed_where_it_is_just_the_url(elsewhere: Elsewhere) -> None:
    text = f"{{{{- range .Values.x }}}}\nspec:\n  repoURL: {OWN}  # ours\n  repoURL: {{{{ .url }}}}\n  repoURL: {OWN}/x\n{{{{- end }}}}\n"
    done = run(text, elsewhere, values=True)
    assert done.files["a.yaml"].decode() == text.replace(f"{OWN}  #", f"{server.URL}  #")
    assert [(change.line, change.before, change.after) for change in done.changes] == [(3, OWN, server.URL)]


def test_of_a_chart_of_applications_the_values_and_templates_are_changed(tmp_path: Path) -> None:
    read = made_by_a_chart(tmp_path, "{{ .Values.repo }}")
    assert values_files.of(read) == {
        "argocd/applications/one.yaml",
        "manifests/one/values.yaml",
        "manifests/one/values-prod.yaml",
        "manifests/one/templates/app.yaml",
    }


@pytest.mark.parametrize("reads", [server.URL, PLACE, "https://github.com/team/real.git"])
def test_an_application_that_would_read_something_else_is_named_before_the_cluster(tmp_path: Path, reads: str) -> None:
    read = made_by_a_chart(tmp_path, "{{ .Values.repo }}")

    def served(material: Material) -> Fake:
        assert material.repositories[0].changed["manifests/one/values.yaml"] == f"repo: {server.URL}\n".encode()
        return Fake(lambda objects: [Rendering(sources=(RenderedSource("Helm", (made(reads),)),)) for _ in objects])

    class Begun:
        def __init__(self, material: Material) -> None:
            self.fake = served(material)

        def __enter__(self) -> Fake:
            return self.fake

        def __exit__(self, *_: object) -> None:
            pass

    found = unserved(read, Begun)
    if reads.startswith("https"):
        assert [(each.object, each.by, each.url) for each in found] == [
            ("application/made -n argocd", "application/one -n argocd", reads)
        ]
    else:
        assert found == ()


def made(url: str) -> dict[str, object]:
    source = {"repoURL": url, "path": "manifests/two", "targetRevision": "main"}
    spec = {"project": "default", "source": source, "destination": {"server": "https://kubernetes.default.svc"}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "made"}, "spec": spec}


def made_by_a_chart(tmp_path: Path, url: str) -> Layer:
    """Return a layer whose one Application is a chart that renders another."""
    values = "    helm: {valueFiles: [values-prod.yaml], parameters: [{name: a, value: b}]}\n"
    root = layers.write(
        tmp_path / "layer",
        {
            "argocd/applications/one.yaml": layers.APPLICATION.replace(
                "    path: manifests/one\n", f"    path: manifests/one\n{values}"
            ),
            "manifests/one/configmap.yaml": CONFIGMAP.format("one"),
        },
    )
    read = layers.load(root)
    layers.write(
        root,
        {
            "argocd/applications/one.yaml": (root / "argocd/applications/one.yaml").read_text(),
            "manifests/one/configmap.yaml": None,
            "manifests/one/Chart.yaml": "apiVersion: v2\nname: one\nversion: 1.0.0\n",
            "manifests/one/values.yaml": f"repo: {OWN}\n",
            "manifests/one/values-prod.yaml": f"other: {OTHER}\n",
            "manifests/one/templates/app.yaml": f"repoURL: {url}\n",
            "manifests/two/values.yaml": f"link: {OWN}\n",
        },
    )
    (rendered,) = read.rendered
    files = tuple(sorted(path for path in root.rglob("*") if path.is_file()))
    return replace(read, files=files, rendered=(replace(rendered, object=made(OWN)),))


def test_each_revision_is_a_branch() -> None:
    pinned = Repository(Path("/x"), (OTHER,), ("main",))
    anything = Repository(Path("/x"), (OTHER,))
    names = [branch_of(each, pinned) for each in ("HEAD", "", "main", "refs/heads/x", "refs/tags/v1", ">=1.0", COMMIT)]
    assert names == [HEAD, HEAD, "main", "x", "v1", "at-1-0", f"at-{COMMIT}"]
    assert branch_of("v2", anything) == HEAD


def test_publish_serves_the_other_repositories_and_the_charts(tmp_path: Path, elsewhere: Elsewhere) -> None:
    setup = Setup(tmp_path)
    layer = layers.write(tmp_path / "layer", {})
    setup.git.publish(layer, Serving(elsewhere=elsewhere, added={"charts/x.tgz": b"\0binary"}))
    directory = setup.git.repository.directory / "elsewhere"
    (place,) = [each for each in directory.iterdir() if "others" in each.name]
    assert (place / "platform-e2e-place").read_text().split() == [
        f"{server.ELSEWHERE}/git.example.com/others/apps",
        HEAD,
    ]
    branches = BareRepository(place).branches()
    there = tmp_path / "others" / server.ELSEWHERE.strip("/") / "git.example.com/others/apps"
    assert git(there, "show", "HEAD:apps/one.yaml") == git(there, "show", "v1.0.0:apps/one.yaml")
    assert git(tmp_path / "others" / server.CHARTS.strip("/"), "show", "main:charts.example.com/stable/index.yaml")
    assert set(branches) == {HEAD, "v1.0.0", "at-v1", f"at-{COMMIT}"}
    assert git(place, "show", "v1.0.0:apps/one.yaml").startswith("apiVersion")
    body = git(setup.pod, "log", "-1", "--format=%B", "main")
    assert "charts/x.tgz: what would be fetched while it is rendered" in body
    (charts,) = [each for each in directory.iterdir() if "charts" in each.name]
    index = yaml.safe_load(git(charts, "show", "main:charts.example.com/stable/index.yaml"))
    assert index["entries"]["web"][0]["urls"] == ["web-1.2.0.tgz"]


def test_a_new_pod_gets_the_other_repositories_again(tmp_path: Path, elsewhere: Elsewhere) -> None:
    setup = Setup(tmp_path)
    layer = layers.write(tmp_path / "layer", {})
    setup.git.publish(layer, Serving(elsewhere=elsewhere))
    pushes = setup.pushes()
    setup.git.publish(layer, Serving(elsewhere=elsewhere))
    assert setup.pushes() == pushes
    shutil.rmtree(tmp_path / "others")
    setup.new_pod()
    setup.kube.uid = "uid-2"
    setup.git.publish(layer, Serving(elsewhere=elsewhere))
    assert git(tmp_path / "others" / server.CHARTS.strip("/"), "show", "main:charts.example.com/stable/index.yaml")


def test_what_another_repository_says_is_not_taken_for_the_layers_url(other: Path, tmp_path: Path) -> None:
    """An Application in it may read a repository that nothing serves."""
    unknown = "https://github.com/x/y.git"
    (other / "apps/app.yaml").write_text(application(f"  source: {{repoURL: '{unknown}', path: x}}\n"))
    setup = Setup(tmp_path)
    served = Elsewhere({("git.example.com/others/apps", "HEAD"): Repository(other, (OTHER,), ("HEAD",))})
    setup.git.publish(layers.write(tmp_path / "layer", {}), Serving(elsewhere=served))
    there = tmp_path / "others" / server.ELSEWHERE.strip("/") / "git.example.com/others/apps"
    assert unknown in git(there, "show", "HEAD:apps/app.yaml")


def test_a_source_of_another_repository_is_at_its_own_revision() -> None:
    def app(*sources: dict[str, str]) -> dict[str, object]:
        found = [f"{number}" * 40 for number in range(len(sources))]
        return {"spec": {"sources": list(sources)}, "status": {"sync": {"revisions": found}}}

    own, chart, foreign = {"repoURL": server.URL}, {"repoURL": CHART_PLACE, "chart": "web"}, {"repoURL": PLACE}
    assert of_each_source(app(own, own), "a" * 40) == "a" * 40
    assert of_each_source(app(own, chart, foreign), "a" * 40) == ("a" * 40, "1" * 40, "2" * 40)


@pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl, as Argo CD's own image has it")
def test_the_server_of_charts_gives_just_the_files_of_its_repository(tmp_path: Path) -> None:
    repository = BareRepository.create(tmp_path / "charts.git")
    files = {"charts.example.com/stable/web-1.2.0.tgz": File(b"\0\r\n\xff" * 50_000), "index.yaml": File(b"x: 1\n")}
    (sha,) = repository.write(None, [PlannedCommit("x", files, whole=True)])
    repository.move("main", sha, None)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    program = subprocess.Popen(["perl", "-e", server.SERVE_CHARTS, str(repository.directory), str(port)])
    try:
        assert fetched(port, "/charts.example.com/stable/web-1.2.0.tgz") == b"\0\r\n\xff" * 50_000
        assert fetched(port, "/index.yaml") == b"x: 1\n"
        for path in ("/none", "/", "/../HEAD", "/-x", "/index.yaml;id"):
            assert fetched(port, path) is None
    finally:
        program.terminate()
        program.wait()


def fetched(port: int, path: str) -> bytes | None:
    """Return what a server answers, once it listens."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ends = time.monotonic() + 10
    while True:
        try:
            content: bytes = opener.open(f"http://127.0.0.1:{port}{path}", timeout=10).read()
        except urllib.error.HTTPError:
            return None
        except urllib.error.URLError:
            assert time.monotonic() < ends
        else:
            return content


def test_the_pod_serves_charts_only_where_there_are_some() -> None:
    without, with_charts = (server.manifests("argocd:1", charts=charts)[-1] for charts in (False, True))
    names = [
        [each["name"] for each in found["spec"]["template"]["spec"]["containers"]] for found in (without, with_charts)
    ]
    assert names == [["git"], ["git", "charts"]]
    assert GitServer.url == server.URL
