from __future__ import annotations

import re

import pytest

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.git.urls import canonical
from platform_e2e.gitops import yamledit
from platform_e2e.gitops.bare_repository import files_of
from platform_e2e.gitops.served_references import SourceError
from platform_e2e.gitops.transform import Transformed, message, transform
from tests.fakes.gitops_layers import ANCHOR, MAP, OWN, URL, application, applicationset, run, with_anchor

# Every place that is rewritten. The left side becomes the right side by replacing OWN alone.
PLACES = {
    "source": application(f"  source:\n    repoURL: {OWN} # here\n    path: a\n"),
    "single quotes": application(f"  source: {{repoURL: '{OWN}', path: a}}\n"),
    "double quotes": application(f'  source: {{"repoURL": "{OWN}", "path": a}}\n'),
    "sources": application(f"  sources:\n  - repoURL: {OWN}\n    path: a\n  - {{ path: b,   repoURL: {OWN} }}\n"),
    "values reference": application(
        f"  sources:\n  - {{repoURL: {OWN}, ref: values}}\n  - {{repoURL: {OWN}, path: b}}\n"
    ),
    "anchor and alias": application(
        f"  sources:\n  - {{repoURL: &own {OWN}, path: a}}\n  - {{repoURL: *own, path: b}}\n"
    ),
    "tag": application(f"  source: {{repoURL: !!str {OWN}, path: a}}\n"),
    "merge key": f"x-own: &own\n  repoURL: {OWN}\n" + application("  source:\n    <<: *own\n    path: a\n"),
    "list": "kind: List\napiVersion: v1\nitems:\n- apiVersion: argoproj.io/v1alpha1\n  kind: Application\n"
    f"  metadata: {{name: a}}\n  spec: {{source: {{repoURL: {OWN}, path: a}}}}\n",
    "second document": f"# nothing\n---\n{application(f'  source: {{repoURL: {OWN}, path: a}}')}\n---\nkind: ConfigMap\n",
    "json": '{\n\t"apiVersion": "argoproj.io/v1alpha1",\n\t"kind": "Application", "metadata": {"name": "j"},\n'
    f'\t"spec": {{"source": {{"repoURL": "{OWN}", "path": "a"}}}}\n}}\n',
    "windows line ends": application(f"  source:\r\n    repoURL: {OWN}\r\n    path: a\r\n").replace("\n", "\r\n"),
    "template": applicationset(f"  generators: []\n  template: {{spec: {{source: {{repoURL: {OWN}, path: a}}}}}}\n"),
    "template sources": applicationset(
        f"  template:\n    spec:\n      sources: [{{repoURL: {OWN}, path: '{{{{path}}}}'}}]\n"
    ),
    "git generator": applicationset(f"  generators:\n  - git:\n      repoURL: {OWN}\n      revision: HEAD\n"),
    "matrix": applicationset(
        f"  generators:\n  - matrix:\n      generators:\n      - git: {{repoURL: {OWN}}}\n      - list: {{}}\n"
    ),
    "merge": applicationset(f"  generators: [merge: {{mergeKeys: [a], generators: [git: {{repoURL: {OWN}}}]}}]\n"),
    "matrix in merge": applicationset(
        f"  generators:\n  - merge:\n      generators:\n      - matrix:\n          generators:\n          - git:\n"
        f"              repoURL: '{OWN}'\n"
    ),
    "template of a generator": applicationset(
        f"  generators:\n  - list:\n      template:\n        spec:\n          source: {{repoURL: {OWN}, path: x}}\n"
    ),
    "template of a nested generator": applicationset(
        "  generators:\n  - matrix:\n      generators:\n      - list:\n          template:\n            spec:\n"
        f"              sources: [{{repoURL: {OWN}, path: x}}]\n"
    ),
    "parameter": applicationset(
        f"  generators:\n  - list:\n      elements:\n      - {{env: dev, repo: {OWN}}}\n      - {{env: prod, repo: {OWN}}}\n"
        "  template: {spec: {source: {repoURL: '{{repo}}', path: a}}}\n"
    ),
    "parameter with goTemplate": applicationset(
        "  goTemplate: true\n  generators:\n  - matrix:\n      generators:\n      - list:\n          elements:\n"
        f"          - repo: {OWN}\n  template: {{spec: {{source: {{repoURL: '{{{{ .repo }}}}', path: a}}}}}}\n"
    ),
    "patch": f"- op: replace\n  path: /spec/source/repoURL\n  value: {OWN}\n",
    "patch of a source": f"- {{op: add, path: /spec/source, value: {{repoURL: {OWN}, path: a}}}}\n",
    "patch of sources": f"- op: add\n  path: /spec/sources/-\n  value: {{repoURL: {OWN}, path: a}}\n",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES.keys())
def test_a_source_is_rewritten_and_nothing_else_changes(text: str) -> None:
    assert OWN in text
    file = "argocd/a.json" if text.startswith("{") else "argocd/a.yaml"
    assert run(text, file=file) == text.replace(OWN, URL)


@pytest.mark.parametrize(
    "text",
    [
        application(f"  source: {{repoURL: {OWN}, path: a}}\n  info: [{{name: repoURL, value: {OWN}}}]\n"),
        application(f"  source: {{repoURL: {OWN}, path: a}} # {OWN}\n"),
        f"# see {OWN}\n" + application(f"  source: {{repoURL: {OWN}, path: a}}\n"),
    ],
)
def test_comments_and_other_fields_stay(text: str) -> None:
    assert run(text) == text.replace(f"repoURL: {OWN}", f"repoURL: {URL}")


def test_a_block_scalar_becomes_a_quoted_one() -> None:
    text = application(f"  source:\n    repoURL: >-\n      {OWN}\n    path: a\n")
    assert run(text) == application(f'  source:\n    repoURL: "{URL}"\n    path: a\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"[{OWN}]", f"[{URL}]"),
        (
            f"\n  - '{OWN}' # own\n  - https://charts.example.com",
            f"\n  - '{URL}' # own\n  - https://charts.example.com",
        ),
        ("['*']", "['*']"),
        ("['**']", "['**']"),
        ("['https://git.example.com/team/*']", f"['{URL}']"),
        ("['https://git.example.com/**']", f"['{URL}']"),
        ("['https://git.example.com/*']", "['https://git.example.com/*']"),
        ("['https://git.example.com/other/*']", "['https://git.example.com/other/*']"),
        (f'["!{OWN}"]', f'["!{URL}"]'),
        ("['https://git.example.com/Team/platform']", f"['{URL}']"),
    ],
)
def test_source_repos_of_a_project(before: str, after: str) -> None:
    project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: p}\nspec:\n  sourceRepos: "
    assert with_anchor(f"{project}{before}\n") == f"{project}{after}\n"


def test_source_repos_of_a_patched_project() -> None:
    text = f"- {{op: add, path: /spec/sourceRepos/-, value: {OWN}}}\n- {{op: add, path: /spec/sourceRepos, value: ['{OWN}']}}\n"
    assert with_anchor(text) == text.replace(OWN, URL)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://git.example.com/a/b.git", "https://git.example.com/a/b", True),
        ("https://git.example.com/a/b/", "https://GIT.example.com/A/B.git", True),
        ("git@git.example.com:a/b.git", "https://git.example.com/a/b", True),
        ("ssh://git@git.example.com/a/b", "https://user:secret@git.example.com/a/b.git", True),
        ("https://git.example.com/a/b", "https://git.example.com/a/c", False),
        ("https://git.example.com/a/b", "https://other.example.com/a/b", False),
        ("https://git.example.com:8443/a/b", "https://git.example.com/a/b", False),
        ("/srv/git/a", "/srv/git/a.git", True),
        ("ssh://git@git.example.com:2222/a/b.git", "https://git.example.com/a/b", True),
        ("https://git.example.com:443/a/b", "http://git.example.com:80/a/b", True),
        ("http://[", "http://[", True),
    ],
)
def test_canonical(one: str, other: str, *, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same


def test_other_forms_of_the_own_url_are_the_layer_too() -> None:
    text = application(
        f"  sources:\n  - {{repoURL: {OWN}, path: a}}\n  - {{repoURL: 'git@git.example.com:team/platform', path: b}}\n"
    )
    assert run(text).count(URL) == 2


def test_the_served_url_stays() -> None:
    text = application(f"  source: {{repoURL: {URL}, path: a}}\n")
    done = transform({"a.yaml": text.encode()}, url=URL)
    assert (done.files, done.changes) == ({}, ())


REFUSED = {
    "chart": (
        application("  source: {repoURL: https://charts.example.com, chart: redis, targetRevision: 1.0.0}\n"),
        r"Application app: spec\.source\.repoURL \(argocd/a\.yaml:5\): the Helm repository https://charts\.example\.com",
    ),
    "chart among sources": (
        application(
            f"  sources:\n  - {{repoURL: {OWN}, path: a}}\n  - {{repoURL: https://charts.example.com, chart: redis}}\n"
        ),
        r"Application app: spec\.sources\[1\]\.repoURL \(argocd/a\.yaml:7\): the Helm repository",
    ),
    "oci": (
        application("  source: {repoURL: oci://registry.example.com/app, path: .}\n"),
        r"Application app: spec\.source\.repoURL .*: the registry oci://registry\.example\.com/app is outside",
    ),
    "commit": (
        application(
            f"  source: {{repoURL: {OWN}, path: a, targetRevision: 4c1d7ea8c95a4a0d8c1b9d0f5ab2f2d1b7e0a911}}\n"
        ),
        "the revision 4c1d7ea8c95a4a0d8c1b9d0f5ab2f2d1b7e0a911 is a commit",
    ),
    "range": (
        application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: '>=1.0 <2'}}\n"),
        "the revision '>=1.0 <2' is not the name of a branch",
    ),
    "star": (
        application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: 'v1.*'}}\n"),
        "the revision 'v1.*' is not the name of a branch",
    ),
    "tag": (
        application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: refs/tags/v1}}\n"),
        "the revision 'refs/tags/v1' is not the name of a branch",
    ),
    "templated revision": (
        applicationset(
            f"  template: {{spec: {{source: {{repoURL: {OWN}, path: a, targetRevision: '{{{{branch}}}}'}}}}}}\n"
        ),
        "is not the name of a branch",
    ),
    "templated repoURL": (
        applicationset("  template: {spec: {source: {repoURL: 'https://git.example.com/{{team}}', path: a}}}\n"),
        r"ApplicationSet set: spec\.template\.spec\.source\.repoURL .*: https://git\.example\.com/\{\{team\}\} is not just one",
    ),
    "scm provider": (
        applicationset("  generators:\n  - scmProvider: {github: {organization: o}}\n"),
        r"ApplicationSet set: spec\.generators\[0\]\.scmProvider \(argocd/a\.yaml:6\): the generator scmProvider lists",
    ),
    "pull requests in a matrix": (
        applicationset("  generators:\n  - matrix: {generators: [pullRequest: {}]}\n"),
        r"spec\.generators\[0\]\.matrix\.generators\[0\]\.pullRequest",
    ),
    "template patch": (
        applicationset("  templatePatch: |\n    spec: {source: {repoURL: https://elsewhere}}\n"),
        r"ApplicationSet set: spec\.templatePatch .*: a templatePatch that sets a repoURL cannot be followed",
    ),
    "hydrator": (
        application(f"  sourceHydrator: {{drySource: {{repoURL: {OWN}, path: a}}}}\n"),
        r"Application app: spec\.sourceHydrator .*: a sourceHydrator pushes",
    ),
    "no text": (application("  source: {repoURL: {{ url }}, path: a}\n"), "it is not the text of a URL"),
}


@pytest.mark.parametrize(("text", "pattern"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_served_is_refused_by_name(text: str, pattern: str) -> None:
    with pytest.raises(SourceError, match=pattern) as caught:
        run(text)
    assert isinstance(caught.value, WrongUsage)
    assert "remedy: what is served are path sources of the layer's own repository" in str(caught.value)


def test_every_source_that_cannot_be_served_is_named_at_once() -> None:
    chart = application("  source: {repoURL: https://charts.example.com, chart: redis}\n", "redis")
    oci = application("  source: {repoURL: oci://registry.example.com/app, path: .}\n", "cache")
    with pytest.raises(SourceError) as caught:
        transform({"b.yaml": chart.encode(), "c.yaml": oci.encode()}, url=URL)
    assert "Application redis" in str(caught.value)
    assert "Application cache" in str(caught.value)


def test_a_second_repository_is_refused_unless_it_is_the_layer_too() -> None:
    other = "https://elsewhere.example.com/mirror.git"
    text = application(f"  sources:\n  - {{repoURL: {OWN}, path: a}}\n  - {{repoURL: {other}, path: b}}\n")
    with pytest.raises(SourceError) as caught:
        run(text)
    assert "read 2 repositories" in str(caught.value)
    assert f"{other}: Application app: spec.sources[1].repoURL (argocd/a.yaml:7)" in str(caught.value)
    assert f"{OWN}: Application app: spec.sources[0].repoURL (argocd/a.yaml:6)" in str(caught.value)
    assert run(text, also_own=[other]).count(URL) == 2


def test_template_patch_without_repository_stays() -> None:
    text = applicationset(
        f"  template: {{spec: {{source: {{repoURL: {OWN}, path: a}}}}}}\n  templatePatch: |\n    # {{{{ .x }}}}\n    spec: {{}}\n"
    )
    assert run(text) == text.replace(OWN, URL)


def test_what_argocd_does_not_read_is_left_alone() -> None:
    files = {
        "foundations.yaml": f"releases: [{{name: a, repository: {OWN}}}]\n",
        "doc.md": f"repoURL: {OWN}\n",
        "cm.yaml": f"kind: ConfigMap\ndata:\n  repoURL: {OWN}\n",
        "other.yaml": f"apiVersion: example.com/v1\nkind: Application\nspec: {{source: {{repoURL: {OWN}}}}}\n",
        "chart/templates/a.yaml": "kind: {{ .Values.kind }}\n{{- if true }}\n",
    }
    done = transform({name: text.encode() for name, text in files.items()}, url=URL, pool_map={})
    assert done == Transformed({}, (), "", ())


def test_a_file_that_mentions_a_repository_must_be_readable() -> None:
    with pytest.raises(yamledit.UnreadableYaml, match=r"^argocd/a\.yaml:3: not YAML: ") as caught:
        run(f"a: 1\nrepoURL: {OWN}\n{{{{- if true }}}}: [\n")
    assert isinstance(caught.value, WrongUsage)


def test_a_branch_whose_name_is_hexadecimal_is_no_commit() -> None:
    text = application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: feedface}}\n")
    assert transform({"a.yaml": text.encode()}, url=URL).branches == ("feedface",)


def test_branches_that_the_layer_asks_for() -> None:
    text = "---\n".join(
        [
            application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: refs/heads/release}}\n"),
            application(f"  source: {{repoURL: {OWN}, path: a, targetRevision: HEAD}}\n"),
            application(f"  source: {{repoURL: {OWN}, path: a}}\n"),
            applicationset(
                f"  generators:\n  - list: {{elements: [{{b: dev}}, {{b: prod}}]}}\n  - git: {{repoURL: {OWN}, revision: gen}}\n"
                f"  template: {{spec: {{source: {{repoURL: {OWN}, path: a, targetRevision: '{{{{b}}}}'}}}}}}\n"
            ),
        ]
    )
    done = transform({"a.yaml": text.encode()}, url=URL)
    assert done.branches == ("dev", "gen", "prod", "release")
    assert done.repository == OWN


def test_the_commits_message_lists_every_change_with_its_place() -> None:
    files = {"z.yaml": "kind: Service\nmetadata:\n  name: s\nspec: {loadBalancerIP: 10.89.0.205}\n", "a.yaml": ANCHOR}
    done = transform({name: text.encode() for name, text in files.items()}, url=URL, pool_map=MAP)
    assert message(done).splitlines() == [
        "Serve the layer inside the cluster",
        "",
        f"a.yaml:5: Application anchor, spec.source.repoURL: {OWN} -> {URL}",
        "z.yaml:4: Service s, spec.loadBalancerIP: 10.89.0.205 -> 10.91.7.15",
    ]
    assert "Nothing had to be changed." in message(transform({}, url=URL))


def test_this_repositorys_layer_changes_in_values_only() -> None:
    files = {
        name: file.content
        for name, file in files_of(paths.ROOT / "tests" / "data" / "platform").items()
        if file.mode != "120000"
    }
    done = transform(files, url=URL, pool_map=MAP)
    assert len(done.changes) >= 10
    left = re.compile(rb"repoURL: (?!git://)")
    for name, text in files.items():
        new = done.files.get(name, text)
        if name.endswith(".yaml"):
            assert not left.search(new), name
        assert len(new.splitlines()) == len(text.splitlines())
    assert {name for name, text in done.files.items() if text == files[name]} == set()
