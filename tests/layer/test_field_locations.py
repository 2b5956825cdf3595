"""The file and line that a remedy names: those of the field that must change, from the top of the repository."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.finding import Cause
from platform_e2e.layer import Layer, LayerError, Rendered, patch_targets
from tests.fakes import layers

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: chat
  annotations:
    metallb.io/address-pool: platform
spec:
  ports:
    - name: metrics
      port: 9090
      targetPort: metrics
    - name: http
      port: 80
      targetPort: http
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat
spec:
  replicas: 1
  template:
    spec:
      containers:
        - name: sidecar
          image: registry.example.com:5000/sidecar:1
        - name: chat
          image: registry.example.com/chat:1
"""

TARGET_PORT = ("spec", "ports", 1, "targetPort")

Render = Callable[[dict[str, Any]], None]


def read(root: Path, files: dict[str, str], change: Render = lambda _: None) -> dict[str, Rendered]:
    """Return by kind what a layer renders whose base is a Service and a Deployment."""
    import ruamel.yaml

    yaml = ruamel.yaml.YAML(typ="safe", pure=True)
    objects = {text["kind"]: text for text in map(yaml.load, (SERVICE, DEPLOYMENT))}
    for each in objects.values():
        change(each)
    base = {
        "manifests/one/configmap.yaml": None,
        "manifests/base/kustomization.yaml": "resources: [service.yaml, deployment.yaml]\n",
        "manifests/base/service.yaml": SERVICE,
        "manifests/base/deployment.yaml": DEPLOYMENT,
        "manifests/one/kustomization.yaml": "resources: [../base]\n",
    }
    layers.write(root, {**base, **files})
    found = layers.load(root, lambda _directory: copy.deepcopy(list(objects.values())))
    return {one.kind: one for one in found.rendered}


def test_the_line_of_a_field_in_its_own_file(tmp_path: Path) -> None:
    service = read(tmp_path, {})["Service"]
    assert service.place(*TARGET_PORT) == "manifests/base/service.yaml:14"
    assert service.place("spec", "ports", "metrics", "port") == "manifests/base/service.yaml:10"
    assert service.place("metadata", "annotations", "metallb.io/address-pool") == "manifests/base/service.yaml:6"
    assert service.place() == "manifests/base/service.yaml:1"


def test_a_field_that_is_nowhere_has_the_line_around_it(tmp_path: Path) -> None:
    service = read(tmp_path, {})["Service"]
    assert service.place("spec", "selector") == "manifests/base/service.yaml:7"
    assert service.place("spec", "ports", 0, "nodePort") == "manifests/base/service.yaml:9"
    assert service.place("spec", "containers", "chat", "image") == "manifests/base/service.yaml:1", "that of a pod"


def test_a_field_of_a_pod_is_looked_for_in_what_makes_it(tmp_path: Path) -> None:
    deployment = read(tmp_path, {})["Deployment"]
    assert deployment.place("spec", "containers", "chat", "image") == "manifests/base/deployment.yaml:13"
    assert deployment.place("spec", "containers", "chat", "command") == "manifests/base/deployment.yaml:12"
    assert deployment.place("spec", "containers", "injected", "image") == "manifests/base/deployment.yaml:9"


def test_an_item_of_a_list_is_found_where_the_rendering_has_put_another_before_it(tmp_path: Path) -> None:
    def before(obj: dict[str, Any]) -> None:
        if obj["kind"] == "Service":
            obj["spec"]["ports"].insert(0, {"name": "grpc", "port": 50051})

    service = read(tmp_path, {}, before)["Service"]
    assert service.place("spec", "ports", 2, "targetPort") == "manifests/base/service.yaml:14"
    assert service.place("spec", "ports", 0, "targetPort") == "manifests/base/service.yaml:8", "of no file that is read"


PATCH = """\
apiVersion: v1
kind: Service
metadata:
  name: chat
spec:
  ports:
    - port: 80
      name: http
      targetPort: web
"""
FILES: dict[str, tuple[dict[str, str], str]] = {
    "a file that is merged": (
        {"kustomization.yaml": "resources: [../base]\npatches: [{path: ports.yaml}]\n", "ports.yaml": PATCH},
        "ports.yaml:9",
    ),
    "a file that the older field names": (
        {"kustomization.yaml": "resources: [../base]\npatchesStrategicMerge: [ports.yaml]\n", "ports.yaml": PATCH},
        "ports.yaml:9",
    ),
    "a text in the kustomization": (
        {
            "kustomization.yaml": "resources: [../base]\npatches:\n  - patch: |-\n"
            + "".join(f"      {line}\n" for line in PATCH.splitlines())
        },
        "kustomization.yaml:12",
    ),
    "operations in a file": (
        {
            "kustomization.yaml": "resources: [../base]\npatches:\n  - path: ops.yaml\n    target: {kind: Service, name: ch.*}\n",
            "ops.yaml": "- op: replace\n  path: /spec/ports/1/targetPort\n  value: web\n",
        },
        "ops.yaml:3",
    ),
    "operations in JSON": (
        {
            "kustomization.yaml": "resources: [../base]\npatchesJson6902:\n  - path: ops.json\n    target: {kind: Service, name: chat}\n",
            "ops.json": '[{"op": "replace", "path": "/spec/ports/1/targetPort", "value": "web"}]',
        },
        "ops.json:1",
    ),
    "operations in the kustomization": (
        {
            "kustomization.yaml": "resources: [../base]\npatches:\n  - target: {kind: Service}\n    patch: |\n"
            "      - op: replace\n        path: /spec/ports\n        value:\n          - name: metrics\n            port: 9090\n"
            "          - name: http\n            targetPort: web\n"
        },
        "kustomization.yaml:11",
    ),
    "an operation that removes it": (
        {
            "kustomization.yaml": "resources: [../base]\npatches:\n  - target: {kind: Service}\n    patch: |\n"
            "      - op: remove\n        path: /spec/ports/1/targetPort\n"
        },
        "kustomization.yaml:6",
    ),
    "a text in one line": (
        {
            "kustomization.yaml": "resources: [../base]\npatches:\n"
            '  - patch: "[{op: replace, path: /spec/ports/1/targetPort, value: web}]"\n    target: {kind: Service}\n'
        },
        "kustomization.yaml:3",
    ),
}


@pytest.mark.parametrize("how", FILES)
def test_a_field_that_a_patch_states_is_named_there(tmp_path: Path, how: str) -> None:
    files, expected = FILES[how]

    def changed(obj: dict[str, Any]) -> None:
        if obj["kind"] == "Service" and "removes" not in how:
            obj["spec"]["ports"][1]["targetPort"] = "web"

    found = read(tmp_path, {f"manifests/one/{name}": text for name, text in files.items()}, changed)
    assert found["Service"].place(*TARGET_PORT) == f"manifests/one/{expected}"
    assert found["Deployment"].place("spec", "replicas") == "manifests/base/deployment.yaml:6", (
        "it patches another object"
    )


@pytest.mark.parametrize(
    "target", ["{kind: Service, name: other}", "{kind: Deployment}", "{kind: Deployment, name: '(a+)+$'}"]
)
def test_operations_on_other_objects_state_nothing(tmp_path: Path, target: str) -> None:
    files = {
        "manifests/one/kustomization.yaml": f"resources: [../base]\npatches:\n  - path: ops.yaml\n    target: {target}\n",
        "manifests/one/ops.yaml": "- {op: replace, path: /spec/ports/1/targetPort, value: web}\n",
    }
    assert read(tmp_path, files)["Service"].place(*TARGET_PORT) == "manifests/base/service.yaml:14"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (None, "chat", True), ("", "chat", True), ("chat", "chat", True), ("chat", "chat-1", False), ("^chat$", "chat", True),
        ("cha", "chat", False), ("hat", "chat", False), ("ch.*", "chat", True), (".*at", "chat", True), (".*", "", True),
        ("c.*t", "chat", True), ("c.*a.*t", "chat", True), ("c.*t.*a", "chat", False), ("cha.*at", "chat", False),
        ("a.*a", "a", False), (".*a.*", "chat", True), (".*b.*", "chat", False), ("c.*ha.*hat", "chat", False),
        ("web|chat", "chat", True), ("web|cha", "chat", False), ("^web$|^ch.*$", "chat", True), (r"chat\.v1", "chat.v1", True),
        (r"chat\.v1", "chat-v1", False), ("chat.v1", "chat-v1", True), ("chat.v1", "chat.v1", True), ("chat.v1", "chat.v2", False),
        (r".*\.example\.com", "a.example.com", True), (r".*\.example\.com", "a-example-com", False), ("c.a.", "chat", True),
        ("ch.*a.", "chat", None), ("ch.*\\.", "chat", False), ("c..t", "chat", True), ("c..", "chat", False), (r"c\.*", "c", None),
        ("(chat|web)", "chat", None), ("chat-[a-z]+", "chat-a", None), ("x(a|chat|b)y", "chat", None), (r"cha\w", "chat", None),
        ("chat?", "chat", None), ("cha{1}t", "chat", None), ("a+b", "a+b", None), ("web|c*", "chat", None), (".+", "chat", None),
    ],
)  # fmt: skip
def test_a_pattern_of_a_target_matches_as_a_whole(pattern: str | None, text: str, expected: bool | None) -> None:
    assert patch_targets.fits(pattern, {text}) is expected


@pytest.mark.parametrize("name", ["ops.yaml", "./ops.yaml"])
def test_a_patch_of_several_targets_counts_for_each(tmp_path: Path, name: str) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches:\n"
        "  - {path: ops.yaml, target: {kind: ConfigMap}}\n"
        f"  - {{path: {name}, target: {{kind: Service}}}}\n  - {{path: {name}, target: {{kind: Deployment}}}}\n",
        "manifests/one/ops.yaml": "- {op: add, path: /metadata/labels, value: {a: b}}\n",
    }
    found = read(tmp_path, files)
    for kind in ("Service", "Deployment"):
        assert found[kind].place("metadata", "labels", "a") == "manifests/one/ops.yaml:1"


def test_what_a_kustomization_reads_and_is_no_patch_states_nothing(tmp_path: Path) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\ncrds: [other.yaml]\n",
        "manifests/one/other.yaml": SERVICE,
    }
    assert read(tmp_path, files)["Service"].place(*TARGET_PORT) == "manifests/base/service.yaml:14"


PATCHED = "patches: [{path: ops.yaml, target: {kind: Deployment}}]\n"
OPS = "- {op: replace, path: /spec/replicas, value: 2}\n"
SIDES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "another base": (
        {
            "a/kustomization.yaml": f"resources: [configmap.yaml]\n{PATCHED}",
            "a/configmap.yaml": layers.CONFIGMAP,
            "a/ops.yaml": OPS,
            "b/kustomization.yaml": "resources: [../base]\n",
        },
        {"chat": "base/deployment.yaml:6"},
    ),
    "an overlay of the same base": (
        {
            "a/kustomization.yaml": f"resources: [../base]\nnameSuffix: -a\n{PATCHED}",
            "a/ops.yaml": OPS,
            "b/kustomization.yaml": "resources: [../base]\nnamePrefix: b-\n",
        },
        {"chat-a": "a/ops.yaml:1", "b-chat": "base/deployment.yaml:6"},
    ),
    "an overlay of the same base in another namespace": (
        {
            "a/kustomization.yaml": f"resources: [../base]\nnamespace: one\n{PATCHED}",
            "a/ops.yaml": OPS,
            "b/kustomization.yaml": "resources: [../base]\nnamespace: two\nreplicas: [{name: chat, count: 3}]\n",
        },
        {"one/chat": "a/ops.yaml:1", "two/chat": "b/kustomization.yaml:3"},
    ),
    "a component, which changes what comes before it": (
        {
            "a/kustomization.yaml": f"kind: Component\n{PATCHED}",
            "a/ops.yaml": OPS,
            "b/kustomization.yaml": "resources: [../base]\ncomponents: [../a]\n",
            "one/kustomization.yaml": "resources: [../b]\n",
        },
        {"chat": "a/ops.yaml:1"},
    ),
    "a component of another base": (
        {
            "c/kustomization.yaml": f"kind: Component\n{PATCHED}",
            "c/ops.yaml": OPS,
            "a/kustomization.yaml": "resources: [configmap.yaml]\ncomponents: [../c]\n",
            "a/configmap.yaml": layers.CONFIGMAP,
            "b/kustomization.yaml": "resources: [../base]\n",
        },
        {"chat": "base/deployment.yaml:6"},
    ),
}


@pytest.mark.parametrize("what", SIDES)
def test_only_what_an_object_is_rendered_through_states_its_fields(tmp_path: Path, what: str) -> None:
    files, expected = SIDES[what]
    both = {
        "one/kustomization.yaml": "resources: [../a, ../b]\n",
        "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    }
    objects = []
    for named in expected:
        namespace, _, name = named.rpartition("/")
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        objects.append({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}})
    every = {**both, "one/configmap.yaml": None, "base/deployment.yaml": DEPLOYMENT, **files}
    layers.write(tmp_path, {f"manifests/{name}": text for name, text in every.items()})
    found = layers.load(tmp_path, lambda _: objects).rendered
    assert [one.place("spec", "replicas") for one in found] == [f"manifests/{place}" for place in expected.values()]


MEANT = {
    "group: apps": True,
    "group: ap.*": True,
    "group: batch": False,
    "version: v1": True,
    "version: v1beta1": False,
    "namespace: prod": True,
    "namespace: base": True,
    "namespace: pr.*|dev": True,
    "namespace: dev": False,
    "namespace: default": False,
    "labelSelector: app=chat": True,
    "labelSelector: app = chat": True,
    "labelSelector: app==chat": True,
    "labelSelector: app=web": False,
    "labelSelector: app!=web": True,
    "labelSelector: app!=chat": False,
    "labelSelector: app": True,
    "labelSelector: tier": False,
    "labelSelector: '!app'": False,
    "labelSelector: '!tier'": True,
    "labelSelector: 'app in (web, chat)'": True,
    "labelSelector: 'app in (web)'": False,
    "labelSelector: 'app notin (web)'": True,
    "labelSelector: 'app notin (web,chat)'": False,
    "labelSelector: 'app in (web,chat),example.com/of=base'": True,
    "labelSelector: 'app=chat,tier'": False,
    "labelSelector: 'app in ('": False,
    "labelSelector: 'app>1'": False,
    "labelSelector: [app]": False,
    "annotationSelector: a=b": True,
    "annotationSelector: a=c": False,
    "annotationSelector: app=chat": False,
}


@pytest.mark.parametrize("target", MEANT)
def test_a_target_means_objects_by_all_that_it_says(tmp_path: Path, target: str) -> None:
    labels = "  namespace: base\n  labels: {app: chat, example.com/of: base}\n  annotations: {a: b}\nspec:\n  replicas"
    files = {
        "manifests/one/kustomization.yaml": f"resources: [../base]\nnamespace: prod\npatches:\n"
        f"  - path: ops.yaml\n    target:\n      {target}\n",
        "manifests/one/ops.yaml": OPS,
        "manifests/base/deployment.yaml": DEPLOYMENT.replace("spec:\n  replicas", labels, 1),
    }

    def moved(obj: dict[str, Any]) -> None:
        obj["metadata"]["namespace"] = "prod"

    expected = "manifests/one/ops.yaml:1" if MEANT[target] else "manifests/base/deployment.yaml:9"
    assert read(tmp_path, files, moved)["Deployment"].place("spec", "replicas") == expected


def test_a_target_that_says_nothing_means_every_object(tmp_path: Path) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches: [{path: ops.yaml, target: {}}]\n",
        "manifests/one/ops.yaml": OPS,
    }
    assert read(tmp_path, files)["Deployment"].place("spec", "replicas") == "manifests/one/ops.yaml:1"


@pytest.mark.parametrize(
    ("line", "other"),
    [("apiVersion: v1", "apiVersion: serving.knative.dev/v1"), ("  name: chat", "  name: chat\n  namespace: other")],
)
def test_a_patch_that_names_an_object_of_another_api_or_namespace_states_nothing(
    tmp_path: Path, line: str, other: str
) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches: [{path: ports.yaml}]\n",
        "manifests/one/ports.yaml": PATCH.replace(line, other),
    }
    assert read(tmp_path, files)["Service"].place(*TARGET_PORT) == "manifests/base/service.yaml:14"


INLINE = {
    "as usual": ("  - patch: |\n      - op: replace\n        path: /spec/replicas\n        value: 2\n", 6),
    "without its end, with a comment": (
        "  - patch: |-  # why\n      - op: replace\n        path: /spec/replicas\n        value: 2\n",
        6,
    ),
    "with an anchor": ("  - patch: &p |\n      - op: replace\n        path: /spec/replicas\n        value: 2\n", 6),
    "with its indentation": (
        "  - patch: |2\n        - op: replace\n          path: /spec/replicas\n          value: 2\n",
        6,
    ),
    "with the sign in the next line": (
        "  - patch:\n      |\n      - op: replace\n        path: /spec/replicas\n        value: 2\n",
        3,
    ),
    "with anchor and sign in two lines": (
        "  - patch: &p\n      |\n      - op: replace\n        path: /spec/replicas\n        value: 2\n",
        3,
    ),
    "folded": ("  - patch: >\n      [{op: replace, path: /spec/replicas,\n      value: 2}]\n", 3),
    "quoted": ("  - patch: '[{op: replace,\n      path: /spec/replicas, value: 2}]'\n", 3),
    "quoted with a sign at its end": ("  - patch: '[{op: replace, path: /spec/replicas, value: 2}] # |\n      '\n", 3),
    "an alias": (
        (
            "  - patch: &p |\n      # of another\n      - op: replace\n        path: /spec/replicas\n        value: 2\n"
            "    target: {kind: Service}\n  - patch: *p  # |\n"
        ),
        9,
    ),
}


@pytest.mark.parametrize("how", INLINE)
def test_an_inline_patch_has_lines_of_its_file_however_it_is_written(tmp_path: Path, how: str) -> None:
    text, line = INLINE[how]
    content = f"resources: [../base]\npatches:\n{text}    target: {{kind: Deployment}}\n"
    found = read(tmp_path, {"manifests/one/kustomization.yaml": content})
    assert found["Deployment"].place("spec", "replicas") == f"manifests/one/kustomization.yaml:{line}"


OPERATIONS = {
    "{op: test, path: /spec/replicas, value: 1}": "base/deployment.yaml:6",
    "{op: test, path: /spec, value: {replicas: 1}}": "base/deployment.yaml:6",
    "{path: /spec/replicas, value: 1}": "base/deployment.yaml:6",
    "{op: odd, path: /spec/replicas, value: 1}": "base/deployment.yaml:6",
    "{op: [add], path: /spec/replicas, value: 1}": "base/deployment.yaml:6",
    "{op: add, path: /spec/replicas, value: 2}": "one/ops.yaml:2",
    "{op: replace, path: /spec, value: {replicas: 2}}": "one/ops.yaml:2",
    "{op: replace, path: /spec, value: {paused: true}}": "base/deployment.yaml:6",
    "{op: remove, path: /spec/replicas}": "one/ops.yaml:2",
    "{op: copy, from: /metadata/generation, path: /spec/replicas}": "one/ops.yaml:2",
    "{op: move, from: /metadata/generation, path: /spec/replicas}": "one/ops.yaml:2",
    "{op: copy, from: /spec/replicas, path: /metadata/generation}": "base/deployment.yaml:6",
    "{op: move, from: /spec/replicas, path: /metadata/generation}": "one/ops.yaml:2",
    "{op: copy, from: /spec/replicas, path: /spec/replicasOfOld, value: 1}": "base/deployment.yaml:6",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_that_changes_nothing_states_nothing(tmp_path: Path, operation: str) -> None:
    files = {
        "manifests/one/kustomization.yaml": f"resources: [../base]\n{PATCHED}",
        "manifests/one/ops.yaml": f"# operations\n- {operation}\n",
    }
    found = read(tmp_path, files)["Deployment"]
    assert found.place("spec", "replicas") == f"manifests/{OPERATIONS[operation]}"


@pytest.mark.parametrize(
    "name", ["(chat|web)", "'ch[a-z]+'", "'(a+)+$'", "'" + "a|" * 600 + "a'", "'" + "a|" * 60 + "a'"]
)
def test_a_patch_whose_target_cannot_be_read_may_state_the_field(tmp_path: Path, name: str) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches:\n"
        f"  - path: ops.yaml\n    target: {{kind: Deployment, name: {name}}}\n",
        "manifests/one/ops.yaml": OPS,
    }
    found = read(tmp_path, files)
    both = "manifests/one/ops.yaml, which patches manifests/base/deployment.yaml"
    assert found["Deployment"].place("spec", "replicas") == f"{both}:6"
    assert found["Deployment"].place("metadata", "labels") == "manifests/base/deployment.yaml:3", (
        "it says nothing of it"
    )
    assert found["Service"].place(*TARGET_PORT) == "manifests/base/service.yaml:14"


def test_a_field_that_the_patch_leaves_alone_is_that_of_the_base(tmp_path: Path) -> None:
    patch = PATCH.replace("      targetPort: web\n", "")
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches: [{path: ports.yaml}]\n",
        "manifests/one/ports.yaml": patch,
    }
    service = read(tmp_path, files)["Service"]
    assert service.place(*TARGET_PORT) == "manifests/base/service.yaml:14"
    both = "manifests/one/ports.yaml, which patches manifests/base/service.yaml"
    assert service.place("spec", "selector") == f"{both}:7", "it may be added to either"
    assert service.place() == f"{both}:1"


def test_a_label_that_is_missing_is_not_sought_in_a_patch_of_annotations(tmp_path: Path) -> None:
    patch = "apiVersion: v1\nkind: Service\nmetadata:\n  name: chat\n  annotations: {a: b}\n"
    files = {
        "manifests/one/kustomization.yaml": "resources: [../base]\npatches: [{path: more.yaml}]\n",
        "manifests/one/more.yaml": patch,
    }
    service = read(tmp_path, files)["Service"]
    assert "more.yaml" not in service.place("metadata", "labels", "release")
    assert "more.yaml, which patches" in service.place("metadata", "annotations", "team")


KUSTOMIZED: dict[str, tuple[str, str, tuple[str, ...], int]] = {
    "an image": (
        "images:\n  - name: registry.example.com:5000/sidecar\n    newTag: '7'\n  - name: registry.example.com/chat\n    newTag: '2'\n",
        "Deployment",
        ("spec", "containers", "chat", "image"),
        6,
    ),
    "an image with a port in its registry": (
        "images:\n  - name: registry.example.com:5000/sidecar\n    newName: elsewhere\n",
        "Deployment",
        ("spec", "containers", "sidecar", "image"),
        4,
    ),
    "replicas": ("replicas:\n  - name: chat\n    count: 0\n", "Deployment", ("spec", "replicas"), 4),
    "an annotation": ("commonAnnotations:\n  a: b\n", "Service", ("metadata", "annotations", "a"), 3),
    "a label": ("labels:\n  - pairs: {release: other}\n", "Service", ("metadata", "labels", "release"), 3),
}


@pytest.mark.parametrize("what", KUSTOMIZED)
def test_a_field_that_the_kustomization_sets_is_named_there(tmp_path: Path, what: str) -> None:
    text, kind, field, line = KUSTOMIZED[what]
    found = read(tmp_path, {"manifests/one/kustomization.yaml": f"resources: [../base]\n{text}"})
    assert found[kind].place(*field) == f"manifests/one/kustomization.yaml:{line}"


def test_objects_of_a_list_have_lines_of_their_own(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"  {'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(SERVICE.splitlines())
    )
    layers.write(tmp_path, {"manifests/one/configmap.yaml": text})
    (service,) = layers.load(tmp_path).rendered
    assert service.place(*TARGET_PORT) == "manifests/one/configmap.yaml:17"


def test_a_generated_application_is_written_in_the_template() -> None:
    one = layers.demo().application("chat-prod")
    lines = (paths.ROOT / one.file).read_text().splitlines()
    file, _, line = one.place("spec", "syncPolicy", "retry", "limit").partition(":")
    assert (file, lines[int(line) - 1].strip()) == ("tests/data/platform/argocd/applicationsets/chat.yaml", "limit: 5")


def test_an_application_that_another_one_renders_knows_its_lines(tmp_path: Path) -> None:
    child = layers.APPLICATION.replace("name: one", "name: two").replace("manifests/one", "manifests/two")
    files = {
        "manifests/one/configmap.yaml": child,
        "manifests/two/configmap.yaml": layers.CONFIGMAP,
    }
    found = layers.load(layers.write(tmp_path, files)).application("two")
    assert found.place("spec", "syncPolicy", "automated", "prune") == "manifests/one/configmap.yaml:17"


def located(found: Layer) -> str:
    return found.rendered[0].place("data", "key")


@pytest.mark.parametrize("mark", [".git", "pyproject.toml"])
def test_files_are_named_from_the_top_of_the_repository(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).mkdir()
    root = layers.write(tmp_path / "deploy" / "platform", {})
    assert located(layers.load(root)) == "deploy/platform/manifests/one/configmap.yaml:6"
    (root / "manifests" / "one" / "configmap.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(LayerError, match=r"^deploy/platform/manifests/one/configmap\.yaml:"):
        layers.load(root)


def test_a_layer_of_another_repository_than_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine")
    root = layers.write(tmp_path / "theirs" / "platform", {})
    assert located(layers.load(root)) == "platform/manifests/one/configmap.yaml:6"


def test_a_repository_counts_more_than_a_project_within_it(tmp_path: Path) -> None:
    (tmp_path / ".git").touch()
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "pyproject.toml").touch()
    root = layers.write(tmp_path / "services" / "platform", {})
    assert located(layers.load(root)) == "services/platform/manifests/one/configmap.yaml:6"


def test_a_layer_in_no_repository_has_paths_of_its_own(tmp_path: Path) -> None:
    assert located(layers.load(layers.write(tmp_path, {}))) == "manifests/one/configmap.yaml:6"


def test_a_cause_is_located_in_the_object_that_it_is_about() -> None:
    demo = layers.demo()
    service = next(one for one in demo.rendered if str(one) == "service/chat -n chat-dev")
    pool = Cause("a", "b", "c", about="ipaddresspool/platform -n metallb-system", field=("spec", "addresses"))
    assert demo.located(pool, service).remedy.startswith("c (tests/data/platform/manifests/metallb/address-pool.yaml:")
    image = Cause("a", "b", "c", about="image chat", field=("spec", "type"))
    assert "base/service.yaml:" in demo.located(image, service).remedy
    elsewhere = Cause("a", "b", "c", about="ipaddresspool/gone -n metallb-system")
    assert demo.located(elsewhere, service) is elsewhere
