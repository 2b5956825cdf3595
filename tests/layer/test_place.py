"""Where a layer begins: its repository's root and URLs, and what of it is applied by hand."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.place import Place, Root, place
from platform_e2e.layer.units import Kind

URL = "https://git.example.com/team/layer.git"


def app(name: str, path: str, url: str = URL, more: str = "", destination: str = "") -> str:
    aim = destination or "{server: https://kubernetes.default.svc, namespace: argocd}"
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\n"
        f"spec:\n  project: default\n  source: {{repoURL: '{url}', path: '{path}'{more}}}\n  destination: {aim}\n"
    )


def appset(name: str, generators: str, path: str, more: str = "") -> str:
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: {name}, namespace: argocd}}\n"
        f"spec:\n  goTemplate: true\n  generators: {generators}\n  template:\n    metadata: {{name: x}}\n"
        f"    spec:\n      source: {{repoURL: '{URL}', path: '{path}'{more}}}\n"
    )


PROJECT = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: team, namespace: argocd}\nspec: {}\n"
CONFIGMAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def checkout(root: Path, *remotes: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for number, url in enumerate(remotes):
        name = "origin" if not number else f"other{number}"
        subprocess.run(["git", "-C", str(root), "remote", "add", name, url], check=True)
    return root


def roots(found: Place) -> list[str]:
    return [f"{root.kind} {root.path}" for root in found.roots]


def said(found: Place) -> str:
    return "\n".join(found.reasons)


ALONE = {"apps/web.yaml": app("web", "deploy/web"), "deploy/web/one.yaml": CONFIGMAP}


def test_applications_in_another_directory_than_argocd_are_found(tmp_path: Path) -> None:
    found = place(write(tmp_path, ALONE))
    assert roots(found) == ["directory apps"]
    assert "directory apps is a root: it alone is rendered by no other Application" in found.reasons
    source = found.roots[0].application(found.urls[0])["spec"]["source"]
    assert source == {"repoURL": URL, "targetRevision": "HEAD", "path": "apps", "directory": {"recurse": True}}


def test_argocd_is_read_as_a_directory(tmp_path: Path) -> None:
    files = {
        "argocd/a.yaml": app("a", "apps/read"),
        "apps/read/one.yaml": CONFIGMAP,
        "apps/forgotten/two.yaml": CONFIGMAP,
    }
    found = place(write(tmp_path, files))
    assert roots(found) == ["directory argocd"]
    assert "it is the directory argocd/ of the layer" in said(found)


def test_a_kustomization_in_argocd_says_what_is_applied(tmp_path: Path) -> None:
    files = {
        "argocd/a.yaml": app("a", "manifests/a"),
        "argocd/old.yaml": app("old", "manifests/gone"),
        "argocd/kustomization.yaml": "resources: [a.yaml]\nnamePrefix: prod-\n",
        "manifests/a/one.yaml": CONFIGMAP,
    }
    (root,) = place(write(tmp_path, files)).roots
    assert (root.kind, root.path) == (Kind.KUSTOMIZATION, "argocd")
    assert root.parts == (Root(Kind.FILE, "argocd/a.yaml"),)
    assert root.application(URL)["spec"]["source"] == {"repoURL": URL, "targetRevision": "HEAD", "path": "argocd"}


OVERLAY = {
    "argocd/base/a.yaml": app("a", "manifests/a"),
    "argocd/base/kustomization.yaml": "resources: [a.yaml]\n",
    "argocd/overlays/prod/a.patch.yaml": app("a", "").replace("project: default", "project: prod"),
    "argocd/overlays/prod/kustomization.yaml": "resources: [../../base]\npatches: [{path: a.patch.yaml}]\n",
    "manifests/a/one.yaml": CONFIGMAP,
}


def test_the_only_overlay_of_a_base_is_what_is_applied(tmp_path: Path) -> None:
    found = place(write(tmp_path, OVERLAY))
    assert roots(found) == ["kustomization argocd/overlays/prod"]
    # What it patches is an Application of the base; the patch is none.
    assert found.roots[0].parts == (Root(Kind.FILE, "argocd/base/a.yaml"),)


def test_of_several_overlays_none_is_chosen(tmp_path: Path) -> None:
    files = {**OVERLAY, "argocd/overlays/dev/kustomization.yaml": "resources: [../../base]\nnamePrefix: dev-\n"}
    write(tmp_path, files)
    with pytest.raises(WrongUsage) as error:
        place(tmp_path)
    assert "several sets that exclude each other: argocd/overlays/dev, argocd/overlays/prod" in error.value.problem
    assert "--root argocd/overlays/dev or --root argocd/overlays/prod" in error.value.remedy
    chosen = place(tmp_path, ["argocd/overlays/prod"])
    assert roots(chosen) == ["kustomization argocd/overlays/prod"]
    assert "--root names it" in said(chosen)


@pytest.mark.parametrize(
    "files",
    [
        {f"clusters/{name}/root.yaml": app("root", f"apps/{name}") for name in ("home", "lab", "cloud")},
        {f"{name}/{one}.yaml": app(one, f"x/{one}") for name in ("dev", "prod") for one in ("a", "b")},
        {f"environments/{name}/a.yaml": app(f"a-{name}", f"x/{name}") for name in ("east", "west")},
    ],
    ids=["an app of apps for each", "Applications of the same names", "of other names, in one namespace"],
)
def test_of_several_clusters_none_is_chosen(tmp_path: Path, files: Mapping[str, str]) -> None:
    with pytest.raises(WrongUsage) as error:
        place(write(tmp_path, files))
    for directory in {str(Path(name).parent) for name in files}:
        assert f"--root {directory}" in error.value.remedy


def test_environments_in_namespaces_of_one_cluster_are_one_layer(tmp_path: Path) -> None:
    aim = "{{server: https://kubernetes.default.svc, namespace: {}}}"
    files = {
        f"apps/{name}/a.yaml": app(f"a-{name}", f"x/{name}", destination=aim.format(name)) for name in ("dev", "prod")
    }
    assert roots(place(write(tmp_path, files))) == ["directory apps"]


def test_the_app_of_apps_is_the_root(tmp_path: Path) -> None:
    files = {
        "bootstrap/root.yaml": app("root", "apps"),
        "apps/kustomization.yaml": "resources: [a.yaml]\n",
        "apps/a.yaml": app("a", "deploy"),
        "apps/off.yaml": app("off", "deploy"),
        "deploy/one.yaml": CONFIGMAP,
    }
    found = place(write(tmp_path, files))
    assert roots(found) == ["file bootstrap/root.yaml"]
    assert "apps/off.yaml is not a root: it is not among the resources of the kustomization in apps" in said(found)
    source = found.roots[0].application(URL)["spec"]["source"]
    assert (source["path"], source["directory"]) == ("bootstrap", {"include": "root.yaml"})


def test_what_overrides_a_source_is_no_root(tmp_path: Path) -> None:
    files = {"apps/a.yaml": app("a", "deploy"), "flux/.argocd-source.yaml": app("b", "x"), "deploy/one.yaml": CONFIGMAP}
    assert roots(place(write(tmp_path, files))) == ["directory apps"]


def test_the_app_of_apps_may_lie_beside_the_kustomization_that_it_applies(tmp_path: Path) -> None:
    files = {
        "apps/apps.yaml": app("apps", "apps"),
        "apps/kustomization.yaml": "resources: [a.yaml]\n",
        "apps/a.yaml": app("a", "deploy"),
        "deploy/one.yaml": CONFIGMAP,
    }
    assert roots(place(write(tmp_path, files))) == ["file apps/apps.yaml"]


def test_an_app_of_apps_that_renders_itself_is_the_root(tmp_path: Path) -> None:
    files = {
        "gitops/root.yaml": app("root", "gitops"),
        "gitops/a.yaml": app("a", "deploy"),
        "deploy/one.yaml": CONFIGMAP,
    }
    assert roots(place(write(tmp_path, files))) == ["file gitops/root.yaml"]


def test_of_two_that_render_each_other_one_is_the_root(tmp_path: Path) -> None:
    files = {"x/a.yaml": app("a", "y"), "y/b.yaml": app("b", "x"), "y/c.yaml": app("c", "deploy")}
    assert roots(place(write(tmp_path, files))) == ["file x/a.yaml"]


def test_a_directory_that_is_not_read_is_a_root_of_its_own(tmp_path: Path) -> None:
    files = {
        "root.yaml": app("root", "apps"),
        "apps/a.yaml": app("a", "deploy"),
        "apps/below/b.yaml": app("b", "deploy"),
    }
    assert roots(place(write(tmp_path, files))) == ["directory apps/below", "file root.yaml"]


def test_an_applicationset_renders_only_what_its_elements_name(tmp_path: Path) -> None:
    generators = "[{matrix: {generators: [{list: {elements: [{folder: one}]}}, {clusters: {}}]}}]"
    files = {"set.yaml": appset("sets", generators, "sets/{{folder}}"), "deploy/one.yaml": CONFIGMAP}
    files |= {f"sets/{name}/a.yaml": app(name, "deploy") for name in ("one", "two")}
    assert roots(place(write(tmp_path, files))) == ["file set.yaml", "directory sets/two"]


def test_overlays_of_a_base_whose_applications_are_in_no_file_exclude_each_other(tmp_path: Path) -> None:
    chart = "helmCharts: [{name: argocd-apps, repo: https://x, version: 1.0.0}]\n"
    overlays = {f"start/{name}/kustomization.yaml": "resources: [../base]\n" for name in ("alpha", "beta")}
    with pytest.raises(WrongUsage, match="exclude each other: start/alpha, start/beta"):
        place(write(tmp_path, {"start/base/kustomization.yaml": chart, **overlays}))


def test_names_of_files_are_no_patterns_to_argo_cd() -> None:
    source = Root(Kind.FILE, "a/b[1]{x,y}.yaml").application(URL)["spec"]["source"]
    assert source["directory"] == {"include": r"b\[1\]\{x\,y\}.yaml"}


@pytest.mark.parametrize(
    ("generators", "path", "more"),
    [
        ("[{git: {directories: [{path: 'sets/*'}]}}]", "{{ .path.path }}", ""),
        ("[{git: {files: [{path: 'sets/**/a.yaml'}]}}]", "{{.path.path}}", ""),
        ("[{list: {elements: [{folder: sets/one}, {folder: sets/two}]}}]", "{{ .folder }}", ""),
        (
            "[{matrix: {generators: [{list: {elements: [{folder: one}, {folder: two}]}}, {clusters: {}}]}}]",
            "sets/{{folder}}",
            "",
        ),
        ("[{clusters: {}}]", "sets/{{ .name }}", ""),
        ("[{list: {elements: []}}]", "sets", ", directory: {recurse: true}"),
    ],
)
def test_what_an_applicationset_renders_is_no_root(tmp_path: Path, generators: str, path: str, more: str) -> None:
    files = {
        "start/set.yaml": appset("sets", generators, path, more),
        "start/project.yaml": PROJECT,
        "sets/one/a.yaml": app("one", "deploy"),
        "sets/two/a.yaml": app("two", "deploy"),
        "deploy/one.yaml": CONFIGMAP,
    }
    assert {root.path for root in place(write(tmp_path, files)).roots} == {
        "start/set.yaml",
        "start/project.yaml",
    } or roots(place(tmp_path)) == ["directory start"]


def test_what_an_application_leaves_out_is_no_root(tmp_path: Path) -> None:
    files = {
        "root.yaml": app("root", "apps", more=", directory: {recurse: true, exclude: 'attic.yaml'}"),
        "apps/a.yaml": app("a", "deploy"),
        "apps/attic.yaml": app("b", "deploy"),
        "deploy/one.yaml": CONFIGMAP,
    }
    found = place(write(tmp_path, files))
    assert roots(found) == ["file root.yaml"]
    assert "apps/attic.yaml is not a root: it is left out by the patterns of the Application root" in said(found)


def test_examples_are_named_and_not_taken(tmp_path: Path) -> None:
    files = {**ALONE, **{f"apps-disabled/{name}.yaml": app(name, "deploy/web") for name in ("x", "y")}}
    found = place(write(tmp_path, files))
    assert roots(found) == ["directory apps"]
    assert "each of 2 in apps-disabled is not a root: it is switched off or an example, by its name" in said(found)


@pytest.mark.parametrize(
    "chart",
    [
        {"templates/apps.yaml": "{{- range .Values.apps }}\n---\n" + app("{{ .name }}", "{{ .path }}") + "{{ end }}"},
        {
            "Chart.yaml": "name: apps\nversion: 0.0.0\ndependencies: [{name: argocd-apps, version: 2.0.0, repository: https://x}]\n"
        },
    ],
    ids=["by its templates", "by the chart that it needs"],
)
def test_a_chart_of_applications_is_a_root(tmp_path: Path, chart: Mapping[str, str]) -> None:
    files = {"Chart.yaml": "name: apps\nversion: 0.0.0\n", "values.yaml": "{}\n", "values-prod.yaml": "{}\n", **chart}
    found = place(write(tmp_path, {f"system/apps/{name}": content for name, content in files.items()}))
    assert roots(found) == ["chart system/apps"]
    assert "`roots: [{path: system/apps, valueFiles: [values-prod.yaml]}]`" in said(found)
    source = Root(Kind.CHART, "system/apps", ("values-prod.yaml",)).application(URL)["spec"]["source"]
    assert source["helm"] == {"valueFiles": ["values-prod.yaml"]}
    assert "directory" not in source


def test_argocd_without_applications_is_not_the_root(tmp_path: Path) -> None:
    files = {**ALONE, "argocd/kustomization.yaml": "resources: [cm.yaml]\n", "argocd/cm.yaml": CONFIGMAP}
    found = place(write(tmp_path, files))
    assert roots(found) == ["directory apps"]
    assert "argocd is not a root: it has no Application and no ApplicationSet" in said(found)


def test_nothing_to_begin_with_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage) as error:
        place(write(tmp_path, {"x.yaml": CONFIGMAP}))
    assert "must have an Application or ApplicationSet of Argo CD, got none" in error.value.problem
    for word in ("argocd/, which is a convention of this harness", "--root PATH", "platform-e2e.yaml", "--layer DIR"):
        assert word in error.value.remedy


def test_files_that_cannot_be_read_stay_roots(tmp_path: Path) -> None:
    files = {**ALONE, "apps/broken.yaml": app("x", "y") + "  : {[\n"}
    assert roots(place(write(tmp_path, files))) == ["directory apps"]


def test_odd_shapes_are_no_errors(tmp_path: Path) -> None:
    shapes = (
        "[]",
        "x",
        "{}",
        "{source: [], destination: in-cluster}",
        "{sources: {a: 1}}",
        "{source: {path: [], repoURL: 1}}",
    )
    files = {
        f"apps/{number}.yaml": app(f"a{number}", "x").partition("spec:")[0] + f"spec: {shape}\n"
        for number, shape in enumerate(shapes)
    }
    files["apps/set.yaml"] = appset(
        "s", "[{git: {directories: [x]}}, 7, {list: {elements: [a]}}, {matrix: []}]", "{{path}}"
    )
    files["k/kustomization.yaml"] = "resources: {a: b}\npatches: [1, {path: []}]\nhelmCharts: [x]\n"
    files["k/Chart.yaml"] = "- x\n"
    assert roots(place(write(tmp_path, files))) == ["directory apps"]


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside", {"a.yaml": app("stolen", "x"), "k/kustomization.yaml": "resources: [../a.yaml]\n"})
    layer = write(
        tmp_path / "layer", {**ALONE, "k/kustomization.yaml": "resources: [../../outside/k, ../linked/a.yaml]\n"}
    )
    (layer / "linked").symlink_to(tmp_path / "outside")
    (layer / "apps" / "link.yaml").symlink_to(tmp_path / "outside" / "a.yaml")
    found = place(layer)
    assert roots(found) == ["directory apps"]
    with pytest.raises(WrongUsage, match="a root must be a directory or file of"):
        place(layer, ["linked"])


# The repository and its URLs.


def test_the_root_of_the_repository_comes_from_git(tmp_path: Path) -> None:
    top = checkout(tmp_path / "layer", URL)
    write(top, {"platform/argocd/a.yaml": app("a", "platform/manifests/a"), "platform/manifests/a/one.yaml": CONFIGMAP})
    found = place(top / "platform")
    assert (found.directory, found.repository) == (top / "platform", top)
    assert roots(found) == ["directory platform/argocd"]
    assert found.roots[0].application(URL)["spec"]["source"]["path"] == "platform/argocd"


def test_a_directory_that_stands_for_a_repository_is_its_root(tmp_path: Path) -> None:
    top = checkout(tmp_path / "harness", "https://git.example.com/team/harness")
    write(top, {"platform/argocd/a.yaml": app("a", "manifests/a"), "platform/manifests/a/one.yaml": CONFIGMAP})
    found = place(top / "platform")
    assert found.repository == top / "platform"
    assert found.owns(URL)
    assert not found.owns("https://git.example.com/team/harness")
    assert "1 paths of Applications are directories there, and 0 below the checkout's top" in said(found)


def test_without_git_a_path_from_above_is_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"platform/argocd/a.yaml": app("a", "platform/manifests/a"), "platform/manifests/a/one.yaml": CONFIGMAP},
    )
    found = place(tmp_path / "platform")
    assert "platform/manifests/a of Application a is below the directory above it" in said(found)


@pytest.mark.parametrize(
    ("remote", "written"),
    [
        ("https://git.example.com/team/layer", "https://git.example.com/team/layer.git"),
        ("git@git.example.com:team/layer.git", "https://GIT.example.com/Team/layer"),
        ("ssh://git@git.example.com:2222/team/layer.git", "https://git.example.com/team/layer.git"),
        ("https://ci:secret@git.example.com/team/layer.git", "git@git.example.com:team/layer.git"),
    ],
)
def test_spellings_of_a_remote_are_one_repository(tmp_path: Path, remote: str, written: str) -> None:
    top = checkout(tmp_path / "layer", remote)
    found = place(write(top, {"argocd/a.yaml": app("a", "manifests/a", written), "manifests/a/one.yaml": CONFIGMAP}))
    assert found.owns(written)
    assert found.urls[0] == written
    assert "secret" not in said(found) + str(found.urls)


def test_a_foreign_repository_is_not_taken_for_the_layer(tmp_path: Path) -> None:
    other = "https://github.com/example/other"
    top = checkout(tmp_path / "layer", URL)
    found = place(write(top, {"argocd/g.yaml": app("g", "manifests/a", other), "manifests/a/one.yaml": CONFIGMAP}))
    assert not found.owns(other)
    assert (
        f"no Application reads {URL}, and 1 read {other}: if that is this repository, write `urls: [{other}]`"
        in said(found)
    )
    write(top, {"platform-e2e.yaml": f"urls: [{other}.git]\n"})
    assert place(top).owns(other)


def test_without_a_remote_the_url_is_said_to_be_guessed(tmp_path: Path) -> None:
    foreign = "https://git.example.com/other/charts"
    files = {
        "argocd/a.yaml": app("a", "manifests/a"),
        "argocd/b.yaml": app("b", "x", foreign),
        "argocd/c.yaml": app("c", "y", foreign),
    }
    found = place(write(tmp_path, {**files, "manifests/a/one.yaml": CONFIGMAP}))
    # The most frequent one has nothing of what is here.
    assert found.urls[0] == URL
    assert not found.owns(foreign)
    assert f"{URL} is taken for this repository: no remote in Git says another, and 1 of 1 paths" in said(found)
    top = checkout(tmp_path / "cloned", str(tmp_path))
    assert place(write(top, {**files, "manifests/a/one.yaml": CONFIGMAP})).urls[0] == URL, (
        "a path of this machine is no URL"
    )


# Named roots.


def test_roots_of_the_file_are_taken_and_those_of_the_option_come_first(tmp_path: Path) -> None:
    write(
        tmp_path, {**OVERLAY, "platform-e2e.yaml": "roots:\n- argocd/base\n- {path: chart, valueFiles: [prod.yaml]}\n"}
    )
    write(tmp_path, {"chart/Chart.yaml": "name: x\nversion: 0.0.0\n"})
    found = place(tmp_path)
    assert roots(found) == ["kustomization argocd/base", "chart chart"]
    assert found.roots[1].values == ("prod.yaml",)
    assert "kustomization argocd/base is a root: platform-e2e.yaml:2 names it" in said(found)
    named = place(tmp_path, ["argocd/overlays/prod/kustomization.yaml", "argocd/base/a.yaml", "manifests"])
    assert roots(named) == ["kustomization argocd/overlays/prod", "file argocd/base/a.yaml", "directory manifests"]


def test_a_root_may_be_named_from_the_layers_directory(tmp_path: Path) -> None:
    top = checkout(tmp_path / "layer", URL)
    write(top, {"platform/sets/a.yaml": app("a", "platform/x"), "platform/x/one.yaml": CONFIGMAP})
    assert (
        roots(place(top / "platform", ["sets"]))
        == roots(place(top / "platform", ["platform/sets"]))
        == ["directory platform/sets"]
    )


@pytest.mark.parametrize("path", ["nowhere", "../layer", "/etc", ""])
def test_a_root_that_is_not_there_is_refused(tmp_path: Path, path: str) -> None:
    layer = write(tmp_path / "layer", ALONE)
    with pytest.raises(WrongUsage) as error:
        place(layer, [path])
    assert f"a root must be a directory or file of {layer}, got `{path}`" in error.value.problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root: [a]\n", "platform-e2e.yaml:1: platform-e2e.yaml cannot have the key `root`"),
        (
            "urls: []\nroots:\n- {pth: a}\n",
            "platform-e2e.yaml:3: `roots[0]` of platform-e2e.yaml cannot have the key `pth`",
        ),
        ("roots: argocd\n", "platform-e2e.yaml:1: platform-e2e.yaml: `roots` must be a list, got a text"),
        ("\nurls:\n- 7\n", "platform-e2e.yaml:3: platform-e2e.yaml: `urls[0]` must be a text, got an integer"),
        ("accept:\n- {object: a}\n", "must have the field `reason`"),
        (
            "accept:\n- {object: a, reason: ' '}\n",
            "platform-e2e.yaml:2: platform-e2e.yaml: `accept[0].reason` must be one of shape, repository, chart",
        ),
        ("- x\n", "platform-e2e.yaml:1: platform-e2e.yaml must be a mapping, got a list"),
        (
            "limits: {samples: 5}\n",
            "platform-e2e.yaml:1: `limits` of platform-e2e.yaml cannot have the key `samples`",
        ),
        (
            "limits:\n  criticalFor: soon\n",
            "platform-e2e.yaml:2: platform-e2e.yaml: `limits.criticalFor` must be a duration, got `soon`",
        ),
        ("limits: {samplesPerScrape: many}\n", "`limits.samplesPerScrape` must be an integer or null, got a text"),
        ("urls: []\n---\nurls: []\n", "must have one document, got 2"),
        ("urls: [\n", "is not valid YAML"),
    ],
)
def test_the_file_is_refused_with_line_and_known_keys(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(LayerError) as error:
        place(write(tmp_path, {**ALONE, "platform-e2e.yaml": text}))
    assert expected in error.value.problem
    if "cannot have" in expected or "mapping" in expected:
        assert "docs/platform-e2e-yaml.md" in error.value.remedy


def test_the_file_is_that_of_the_directory_or_of_the_repository(tmp_path: Path) -> None:
    top = checkout(tmp_path / "layer", URL)
    write(top, {"platform/sets/a.yaml": app("a", "platform/x"), "platform/x/one.yaml": CONFIGMAP})
    write(top, {"platform-e2e.yaml": "accept:\n- {object: application/a -n argocd, reason: chart}\n"})
    (accepted,) = place(top / "platform").said.content.accept
    assert (accepted.object, accepted.reason) == ("application/a -n argocd", "chart")
    write(top, {"platform/platform-e2e.yaml": "destinations: [prod]\n"})
    assert place(top / "platform").said.content.destinations == ("prod",)


def test_limits_are_those_of_the_file(tmp_path: Path) -> None:
    text = "limits: {criticalFor: 1h30m, scrapeDuration: 500ms, samplesPerScrape: 100}\n"
    limits = place(write(tmp_path, {**ALONE, "platform-e2e.yaml": text})).said.content.limits
    assert (limits.critical_seconds, limits.scrape_seconds) == (5400.0, 0.5)
    assert (limits.samplesPerScrape, limits.labelsPerSeries) == (100, None)


def test_the_page_about_the_file_has_every_key() -> None:
    from platform_e2e.layer.team_file import MEANINGS, TeamFile, as_markdown

    page = (paths.ROOT / "docs" / "platform-e2e-yaml.md").read_text()
    assert page.endswith(as_markdown()), (
        "write what team_file.as_markdown() returns at the end of docs/platform-e2e-yaml.md"
    )
    assert list(MEANINGS) == list(TeamFile.__dataclass_fields__)


def test_the_stock_layer_begins_where_it_did() -> None:
    found = place(paths.ROOT / "tests" / "data" / "platform")
    assert roots(found) == ["directory argocd"]
    assert found.repository == paths.ROOT / "tests" / "data" / "platform"


def test_of_a_named_directory_with_kustomizations_these_are_applied(tmp_path: Path) -> None:
    """As files they would be no objects."""
    files = {
        "live/apps/kustomization.yaml": "resources: [app.yaml]\n",
        "live/apps/app.yaml": app("one", "one"),
        "live/other/kustomization.yaml": "resources: [configmap.yaml]\n",
        "live/other/configmap.yaml": CONFIGMAP,
        "live/two.yaml": app("two", "two"),
        "elsewhere/three.yaml": app("three", "three"),
    }
    found = place(write(tmp_path, files), ["live"])
    assert roots(found) == ["kustomization live/apps", "file live/two.yaml"]
    assert "file live/two.yaml is a root: of what is in live/ no Application that was found renders it" in found.reasons


def test_a_named_directory_of_files_is_applied_whole(tmp_path: Path) -> None:
    files = {"live/a/one.yaml": app("one", "one"), "live/b.yaml": CONFIGMAP}
    assert roots(place(write(tmp_path, files), ["live"])) == ["directory live"]
