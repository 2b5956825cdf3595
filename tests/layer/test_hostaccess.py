"""Pods that own the machine of their node: found in whatever makes pods, listed, and run only with --trust."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import hostaccess
from tests.fakes import layers
from tests.support.box import Box

pytestmark = pytest.mark.point("privileged-asks-for-trust")

PLAIN: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "hostNetwork": False,
    "hostUsers": False,
    "containers": [
        {
            "name": "main",
            "image": "x",
            "ports": [{"containerPort": 80, "hostPort": 80}],
            "securityContext": {
                "privileged": False,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CAP_CHOWN"]},
                "procMount": "Default",
            },
            "volumeMounts": [{"name": "data", "mountPath": "/host", "subPath": "hostPath"}],
        }
    ],
    "volumes": [
        {"name": "data", "emptyDir": {}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "hostPath"}},
    ],
}


def container(name: str = "main", **context: Any) -> dict[str, Any]:
    return {"name": name, "image": "x", "securityContext": context}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "privileged": ({"containers": [container(privileged=True)]}, "containers[main].securityContext.privileged"),
    "privileged in words": (
        {"containers": [container(privileged="true")]},
        "containers[main].securityContext.privileged",
    ),
    "init": (
        {"initContainers": [container("init", privileged=True)]},
        "initContainers[init].securityContext.privileged",
    ),
    "ephemeral": (
        {"ephemeralContainers": [container("debug", privileged=True)]},
        "ephemeralContainers[debug].securityContext.privileged",
    ),
    "capability": (
        {"containers": [container(capabilities={"add": ["SYS_ADMIN"]})]},
        "containers[main].securityContext.capabilities.add SYS_ADMIN",
    ),
    "capability in another spelling": (
        {"containers": [container(capabilities={"add": ["cap_bpf"]})]},
        "containers[main].securityContext.capabilities.add cap_bpf",
    ),
    "all capabilities": (
        {"containers": [container(capabilities={"drop": ["NET_RAW"], "add": ["ALL"]})]},
        "containers[main].securityContext.capabilities.add ALL",
    ),
    "hostPath": (
        {"volumes": [{"name": "root", "hostPath": {"path": "/", "type": "Directory"}}]},
        "volumes[root].hostPath /",
    ),
    "hostPID": ({"hostPID": True}, "hostPID"),
    "hostIPC": ({"hostIPC": True}, "hostIPC"),
    "hostNetwork": ({"hostNetwork": True}, "hostNetwork"),
    "no seccomp for the pod": (
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        "securityContext.seccompProfile Unconfined",
    ),
    "no AppArmor for a container": (
        {"containers": [container(appArmorProfile={"type": "Unconfined"})]},
        "containers[main].securityContext.appArmorProfile Unconfined",
    ),
    "the node's /proc": (
        {"containers": [container(procMount="Unmasked")]},
        "containers[main].securityContext.procMount Unmasked",
    ),
}

PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Pod": ("v1", ("spec",)),
    "ReplicationController": ("v1", ("spec", "template", "spec")),
    "PodTemplate": ("v1", ("template", "spec")),
    "Deployment": ("apps/v1", ("spec", "template", "spec")),
    "StatefulSet": ("apps/v1", ("spec", "template", "spec")),
    "DaemonSet": ("apps/v1", ("spec", "template", "spec")),
    "ReplicaSet": ("apps/v1", ("spec", "template", "spec")),
    "Job": ("batch/v1", ("spec", "template", "spec")),
    "CronJob": ("batch/v1", ("spec", "jobTemplate", "spec", "template", "spec")),
    "Rollout": ("argoproj.io/v1alpha1", ("spec", "template", "spec")),
    "Prometheus": ("monitoring.coreos.com/v1", ("spec",)),
    "Workflow": ("argoproj.io/v1alpha1", ("spec", "podSpecPatch")),
}


def made(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return an object of a kind whose pods have a specification."""
    api, path = PLACES[kind]
    obj: dict[str, Any] = {"apiVersion": api, "kind": kind, "metadata": {"name": "x"}}
    at = obj
    for key in path[:-1]:
        at = at.setdefault(key, {})
    at[path[-1]] = spec
    return obj


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("what", HOSTILE)
def test_each_way_is_found_in_each_kind_that_makes_pods(kind: str, what: str) -> None:
    spec, reason = HOSTILE[what]
    path = ".".join(PLACES[kind][1])
    assert list(hostaccess.reasons(made(kind, {**PLAIN, **spec}))) == [f"{path}.{reason}"]


@pytest.mark.parametrize("kind", PLACES)
def test_an_ordinary_pod_asks_for_nothing(kind: str) -> None:
    assert list(hostaccess.reasons(made(kind, PLAIN))) == []


@pytest.mark.parametrize("where", ["hostPath", "local"])
def test_a_volume_that_is_a_directory_of_the_node_is_found_before_a_pod_claims_it(where: str) -> None:
    volume = {"kind": "PersistentVolume", "metadata": {"name": "x"}, "spec": {where: {"path": "/"}}}
    assert list(hostaccess.reasons(volume)) == [f"spec.{where}{' /' if where == 'hostPath' else ''}"]


def test_the_older_annotation_of_apparmor_still_holds() -> None:
    obj = made("Deployment", PLAIN)
    key = "container.apparmor.security.beta.kubernetes.io/main"
    obj["spec"]["template"]["metadata"] = {"annotations": {key: "unconfined"}}
    assert list(hostaccess.reasons(obj)) == [f"spec.template.metadata.annotations {key}: unconfined"]


SAID = {"hostNetwork": True, "hostPath": {"type": "object"}, "securityContext": {"privileged": True}}


@pytest.mark.parametrize(("group", "kind"), hostaccess.NO_PODS)
def test_what_only_speaks_of_such_fields_makes_no_pod(group: str, kind: str) -> None:
    obj = {"apiVersion": f"{group}/v1".removeprefix("/"), "kind": kind, "metadata": {"name": "x"}}
    assert list(hostaccess.reasons({**obj, "spec": SAID, "data": SAID})) == []


def test_a_kind_of_another_group_may_make_pods() -> None:
    obj = {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": "x"}, "spec": SAID}
    assert next(hostaccess.reasons(obj)) == "spec.hostNetwork"


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {hostPID: %s, containers: [{name: c, image: x}]}
"""

ITEMS = """\
apiVersion: v1
kind: %s
metadata: {name: q}
items:
  - {apiVersion: v1, kind: PersistentVolume, metadata: {name: p}, spec: {local: {path: /}}}
"""

KUSTOMIZATION = "resources: [configmap.yaml]\n"


def with_source(field: str) -> str:
    """Return the Application of the small layer with one more field in its source."""
    return layers.APPLICATION.replace("    path: manifests/one\n", f"    path: manifests/one\n    {field}\n")


HIDDEN: dict[str, dict[str, str | bytes | None]] = {
    # As YAML 1.1 has it, which is what Argo CD reads.
    **{f"says {word}": {"manifests/one/p.yaml": POD % word} for word in ("yes", "On", "y", "TRUE")},
    "has an anchor": {"manifests/one/p.yaml": POD % "&a true"},
    "is in a list that calls itself a ConfigMap": {"manifests/one/p.yaml": ITEMS % "ConfigMap"},
    "is in a list of its kind": {"manifests/one/p.yaml": ITEMS % "PersistentVolumeList"},
    "is below a directory that is read too": {
        "argocd/applications/one.yaml": with_source("directory: {recurse: yes}"),
        "manifests/one/below/p.yaml": POD % "true",
    },
    "is excluded by what Argo CD takes for single letters": {
        "argocd/applications/one.yaml": with_source("directory: {exclude: '[a-zA-Z].yaml'}"),
        "manifests/one/p.yaml": POD % "true",
    },
    "is not excluded by a pattern of regular expressions": {
        "argocd/applications/one.yaml": with_source("directory: {exclude: '[\\w].yaml'}"),
        "manifests/one/p.yaml": POD % "true",
    },
}


@pytest.mark.parametrize("how", HIDDEN)
def test_what_argo_cd_reads_in_another_way_is_found(tmp_path: Path, how: str) -> None:
    read = layers.load(layers.write(tmp_path, HIDDEN[how]))
    assert [one.rendered.name for one in hostaccess.find(read)] == ["p"]


def test_what_a_kustomization_renders_as_a_list_is_found(tmp_path: Path) -> None:
    written = layers.write(tmp_path, {"manifests/one/kustomization.yaml": KUSTOMIZATION})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostPID": True}}
    rendered = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "q"},
        "items": [*layers.one_configmap(tmp_path), pod],
    }
    read = layers.load(written, lambda _: [rendered])
    assert [one.rendered.name for one in hostaccess.find(read)] == ["p"]


@pytest.mark.parametrize(
    ("source", "beside", "provider", "asks"),
    [
        ("path: manifests/three", "x.yaml", "embedded", False),
        ("path: manifests/three", "x.yaml", "k3d", False),
        ("path: manifests/three", "Chart.yaml", "embedded", True),
        ("path: manifests/three", ".argocd-source.yaml", "embedded", True),
        ("chart: three", "x.yaml", "embedded", False),
        ("chart: three", "x.yaml", "k3d", True),
    ],
)
def test_what_another_makes_on_the_cluster_and_is_not_rendered_here_asks_for_trust(
    tmp_path: Path, source: str, beside: str, provider: str, *, asks: bool
) -> None:
    """Argo CD may be able to render it there: a chart, which asks what the cluster serves, or what it can fetch from a network.

    Plain files that its own code refuses here it refuses everywhere.
    """
    child = layers.APPLICATION.replace("name: one", "name: three").replace("path: manifests/one", source)
    files = {
        "argocd/two.yaml": layers.APPLICATION.replace("name: one", "name: two").replace("manifests/one", "apps"),
        "apps/three.yaml": child,
        "manifests/three/cm.yaml": "a: [\n",
        f"manifests/three/{beside}": "",
    }
    read = layers.load(layers.write(tmp_path, files))
    assert [each.object for each in read.not_judged] == ["application/three -n argocd"]
    told = pytest.raises(WrongUsage, match="application/three -n argocd") if asks else contextlib.nullcontext()
    with told:
        hostaccess.demand_trust(read, provider)


def test_what_is_applied_by_hand_and_is_not_judged_is_not_applied(tmp_path: Path) -> None:
    broken = layers.APPLICATION.replace("name: one", "name: two").replace("manifests/one", "manifests/two")
    read = layers.load(layers.write(tmp_path, {"argocd/two.yaml": broken, "manifests/two/cm.yaml": "a: [\n"}))
    assert read.not_judged
    hostaccess.demand_trust(read, "k3d")


@pytest.mark.parametrize(
    "odd",
    [
        {"spec": None},
        {"spec": {"securityContext": "x", "volumes": {"hostPath": 1}, "hostPath": None}},
        {"spec": {"containers": [None, "x", {"name": 1, "securityContext": {"capabilities": {"add": "ALL"}}}]}},
        {"metadata": {"annotations": None}},
    ],
)
def test_odd_shapes_are_left_to_the_api_server(odd: dict[str, Any]) -> None:
    assert list(hostaccess.reasons({"kind": "Pod", **odd})) == []


def test_objects_nested_deeply_are_read_without_end_to_the_stack() -> None:
    deep: dict[str, Any] = {"hostPID": True}
    for _ in range(5000):
        deep = {"x": deep}
    assert len(list(hostaccess.reasons({"kind": "Odd", "spec": deep}))) == 1


def test_the_stock_layer_asks_for_nothing() -> None:
    assert hostaccess.find(layers.demo()) == ()


def test_a_layer_is_refused_with_object_file_and_reason_of_each(tmp_path: Path) -> None:
    written = layers.write(
        tmp_path,
        {
            "manifests/one/both.yaml": """\
                apiVersion: v1
                kind: Pod
                metadata: {name: a}
                spec:
                  hostPID: true
                  containers: [{name: c, image: x, securityContext: {privileged: true}}]
                ---
                apiVersion: example.com/v1
                kind: Machine
                metadata: {name: b}
                spec: {template: {spec: {volumes: [{name: docker, hostPath: {path: /var/run/docker.sock}}]}}}
                """
        },
    )
    read = layers.load(written)
    with pytest.raises(WrongUsage) as caught:
        hostaccess.demand_trust(read, "embedded")
    assert caught.value.exit_code == 4
    assert "has 2 object(s) whose pods own this host" in caught.value.problem
    first, second = caught.value.problem.splitlines()[1:]
    assert first == (
        "    pod/a -n one (manifests/one/both.yaml:1): spec.hostPID, spec.containers[c].securityContext.privileged"
    )
    assert second.startswith(
        "    machine/b -n one (manifests/one/both.yaml:8): spec.template.spec.volumes[docker].hostPath"
    )
    assert "--trust" in caught.value.remedy
    with pytest.raises(WrongUsage, match="own the machine of the Docker daemon"):
        hostaccess.demand_trust(read, "k3d")


def test_a_run_ends_with_4_before_anything_is_made_unless_the_layer_is_trusted(box: Box) -> None:
    box.tests("def test_it(cluster, promises): pass")
    (box.directory / "layer" / "hostpid.yaml").touch()
    status, out = box.run()
    assert status == 4, out
    assert "pod/p (hostpid.yaml:7): spec.hostPID" in out
    assert box.notes == [], "no cluster was asked for"
    status, out = box.run("e2e", "--trust", "-n", "2")
    assert status == 0, out


def test_a_layer_that_is_only_listed_asks_for_no_trust(box: Box) -> None:
    box.tests("def test_it(cluster, promises): pass")
    (box.directory / "layer" / "hostpid.yaml").touch()
    assert box.run("e2e", "--collect-only")[0] == 0
