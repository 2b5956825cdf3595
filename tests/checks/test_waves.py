"""What a workload needs and only a later wave brings: told from what Git says, whatever a cluster has already."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from platform_e2e.checks import waves
from platform_e2e.finding import Finding
from platform_e2e.layer import Layer
from tests.fakes import layers

pytestmark = pytest.mark.point("later-wave-needed")


def made(kind: str, name: str, annotations: dict[str, str] | None = None, body: str = "", api: str = "v1") -> str:
    """Return a manifest."""
    lines = "".join(f"    {key}: '{value}'\n" for key, value in (annotations or {}).items())
    head = f"apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {name}\n"
    return head + (f"  annotations:\n{lines}" if lines else "") + dedent(body).rstrip() + "\n---\n"


def wave(number: int) -> dict[str, str]:
    return {"argocd.argoproj.io/sync-wave": str(number)}


def workload(needs: str, annotations: dict[str, str] | None = None, kind: str = "Deployment", more: str = "") -> str:
    """Return a workload whose pod has some lines of its specification."""
    pod = indent(dedent(needs).rstrip() + "\n", "      ")
    api = {"Job": "batch/v1", "CronJob": "batch/v1", "Rollout": "argoproj.io/v1alpha1"}.get(kind, "apps/v1")
    return made(kind, "chat", annotations, f"spec:\n{more}  template:\n    spec:\n{pod}", api)


MOUNT = "volumes: [{name: s, configMap: {name: settings}}]\ncontainers: [{name: c, image: x}]\n"
SETTINGS = made("ConfigMap", "settings", wave(1))


def read(tmp_path: Path, *manifests: str, **files: str) -> Layer:
    written = {"manifests/one/all.yaml": "".join(manifests), **files}
    return layers.load(layers.write(tmp_path, written))


def found(tmp_path: Path, *manifests: str) -> list[Finding]:
    layer = read(tmp_path, *manifests)
    return waves.check(layer.application("one"), layer)


@pytest.mark.parametrize(
    ("needs", "kind", "name", "api"),
    [
        (MOUNT, "ConfigMap", "x", "v1"),
        ("volumes: [{name: s, secret: {secretName: x}}]", "Secret", "x", "v1"),
        ("volumes: [{name: s, projected: {sources: [{secret: {name: x}}]}}]", "Secret", "x", "v1"),
        ("volumes: [{name: s, projected: {sources: [{configMap: {name: x}}]}}]", "ConfigMap", "x", "v1"),
        ("volumes: [{name: s, persistentVolumeClaim: {claimName: x}}]", "PersistentVolumeClaim", "x", "v1"),
        ("containers: [{name: c, envFrom: [{configMapRef: {name: x}}]}]", "ConfigMap", "x", "v1"),
        ("initContainers: [{name: c, envFrom: [{secretRef: {name: x}}]}]", "Secret", "x", "v1"),
        ("containers: [{name: c, env: [{name: A, valueFrom: {secretKeyRef: {name: x, key: a}}}]}]", "Secret", "x", "v1"),
        ("containers: [{name: c, env: [{name: A, valueFrom: {configMapKeyRef: {name: x, key: a}}}]}]", "ConfigMap", "x", "v1"),
        ("serviceAccountName: x", "ServiceAccount", "x", "v1"),
        ("priorityClassName: x", "PriorityClass", "x", "scheduling.k8s.io/v1"),
        ("volumes: [{name: s, secret: {secretName: x}}]", "SealedSecret", "x", "bitnami.com/v1alpha1"),
    ],
)  # fmt: skip
def test_each_way_to_need_an_object_of_a_later_wave_is_told(
    tmp_path: Path, needs: str, kind: str, name: str, api: str
) -> None:
    needed = made(kind, name, wave(1), api=api)
    (finding,) = found(tmp_path, workload(needs.replace("settings", "x")), needed)
    assert finding.object == "deployment/chat -n one"
    assert finding.cause.id == "application-needs-later-wave"
    namespace = "" if kind == "PriorityClass" else " -n one"
    assert f"deployment/chat -n one of wave 0 needs {kind.lower()}/x{namespace} of wave 1" in finding.cause.sentence
    assert "manifests/one/all.yaml:" in finding.cause.remedy


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout"])
def test_every_kind_that_a_wave_waits_for_is_judged(tmp_path: Path, kind: str) -> None:
    assert [one.object for one in found(tmp_path, workload(MOUNT, kind=kind), SETTINGS)] == [
        f"{kind.lower()}/chat -n one"
    ]


@pytest.mark.parametrize(
    "manifests",
    [
        (workload(MOUNT), made("ConfigMap", "settings")),
        (workload(MOUNT, wave(1)), SETTINGS),
        (workload(MOUNT, wave(2)), SETTINGS),
        (workload(MOUNT), made("ConfigMap", "settings", wave(-1))),
        (workload(MOUNT),),
        (workload(MOUNT.replace("name: settings", "name: settings, optional: true")), SETTINGS),
        (workload("containers: [{name: c, envFrom: [{configMapRef: {name: settings, optional: true}}]}]"), SETTINGS),
        (workload("imagePullSecrets: [{name: settings}]"), made("Secret", "settings", wave(1))),
        (workload("volumes: [{name: s, configMap: {name: kube-root-ca.crt}}]"), made("ConfigMap", "kube-root-ca.crt", wave(1))),
        (workload("serviceAccountName: default"), made("ServiceAccount", "default", wave(1))),
        (workload(MOUNT), made("ConfigMap", "settings", {"argocd.argoproj.io/hook": "PreSync", **wave(5)})),
        (workload(MOUNT), made("ConfigMap", "settings", {"argocd.argoproj.io/hook": "Skip", **wave(1)})),
        (workload(MOUNT, {"argocd.argoproj.io/hook": "SyncFail"}), SETTINGS),
        (workload(MOUNT, {"argocd.argoproj.io/hook": "PostSync"}), SETTINGS),
        (workload(MOUNT, more="  replicas: 0\n"), SETTINGS),
        (workload(MOUNT, kind="Job", more="  suspend: true\n"), SETTINGS),
        (workload(MOUNT), made("Secret", "settings", wave(1))),
        (made("CronJob", "chat", None, "spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: x}}}}}", "batch/v1"),
         made("ServiceAccount", "x", wave(1))),
    ],
)  # fmt: skip
def test_what_comes_in_time_or_is_not_needed_is_left(tmp_path: Path, manifests: tuple[str, ...]) -> None:
    assert found(tmp_path, *manifests) == []


@pytest.mark.parametrize(
    ("annotations", "when"),
    [
        ({"argocd.argoproj.io/hook": "PreSync"}, "the phase PreSync"),
        ({"helm.sh/hook": "pre-install,pre-upgrade"}, "the phase PreSync"),
    ],
)
def test_a_hook_before_the_sync_needs_what_the_sync_brings(
    tmp_path: Path, annotations: dict[str, str], when: str
) -> None:
    (finding,) = found(tmp_path, workload(MOUNT, annotations, kind="Job"), made("ConfigMap", "settings", wave(-5)))
    assert finding.cause.id == "application-hook-running"
    assert f"job/chat -n one of {when} needs configmap/settings -n one of wave -5" in finding.cause.sentence


def test_a_hook_that_no_sync_runs_waits_for_nothing(tmp_path: Path) -> None:
    """Helm's hooks of a deletion or a rollback come with neither."""
    for hook in ("pre-delete", "pre-rollback", "test"):
        job = workload(MOUNT, {"helm.sh/hook": hook}, kind="Job")
        assert found(tmp_path, job, made("ConfigMap", "settings", wave(5))) == [], hook


# --- between Applications

ROOT = layers.APPLICATION.replace("name: one\n", "name: root\n", 1).replace("manifests/one", "apps")
VALUES = "configs:\n  cm:\n    resource.customizations.health.argoproj.io_Application: |\n      return {}\n"
FOUNDATIONS = """\
releases:
  - name: argocd
    chart: argo-cd
    repository: https://argoproj.github.io/argo-helm
    version: 9.3.7
    appVersion: v3.2.5
    namespace: argocd
    values: values.yaml
"""


def child(name: str, number: int) -> str:
    text = layers.APPLICATION.replace("name: one\n", f"name: {name}\n", 1).replace("manifests/one", f"manifests/{name}")
    annotations = f'  annotations:\n    argocd.argoproj.io/sync-wave: "{number}"\n'
    return text.replace("  namespace: argocd\n", f"  namespace: argocd\n{annotations}", 1)


def two(tmp_path: Path, *, values: str, first: int = 0, second: int = 1, root: str = "", late: str = SETTINGS) -> Layer:
    """Return a layer whose root makes `one`, with the workload, and `two`, with what it needs, in waves of its own."""
    names = {
        "argocd/applications/one.yaml": None,
        "argocd/root.yaml": ROOT,
        "apps/one.yaml": child("one", first),
        "apps/two.yaml": child("two", second),
        "apps/more.yaml": root or None,
        "manifests/one/configmap.yaml": None,
        "manifests/one/all.yaml": workload(MOUNT) if not root else made("ConfigMap", "other"),
        "manifests/two/all.yaml": late,
        "foundations/foundations.yaml": FOUNDATIONS,
        "foundations/values.yaml": values,
    }
    return layers.load(layers.write(tmp_path, names))


def test_a_later_wave_of_applications_is_later_where_argocd_waits_for_applications(tmp_path: Path) -> None:
    layer = two(tmp_path, values=VALUES)
    (finding,) = waves.check(layer.application("one"), layer)
    assert (
        "deployment/chat -n one of wave 0, through application/one -n argocd needs configmap/settings -n one of wave 1"
        in (finding.cause.sentence)
    )
    assert "(apps/two.yaml:7) a wave that is not after that of application/one -n argocd (apps/one.yaml:7)" in (
        finding.cause.remedy
    )
    assert waves.behind(layer.application("root"), layer) == [finding], "so the root does not get healthy either"
    assert waves.behind(layer.application("two"), layer) == []


@pytest.mark.parametrize("change", ["no health of Applications", "the same wave", "an earlier wave"])
def test_otherwise_the_other_application_comes_in_time(tmp_path: Path, change: str) -> None:
    values = "configs: {cm: {admin.enabled: 'true'}}\n" if change == "no health of Applications" else VALUES
    number = {"the same wave": 0, "an earlier wave": -1}.get(change, 1)
    layer = two(tmp_path, values=values, second=number)
    assert waves.check(layer.application("one"), layer) == []


def test_a_workload_of_the_root_waits_for_a_later_application_in_any_case(tmp_path: Path) -> None:
    layer = two(tmp_path, values="configs: {}\n", root=workload(MOUNT), late=SETTINGS)
    (finding,) = waves.check(layer.application("root"), layer)
    assert "deployment/chat -n one of wave 0 needs configmap/settings -n one of wave 1" in finding.cause.sentence


def test_the_demo_layer_needs_nothing_of_a_later_wave() -> None:
    layer = layers.demo()
    assert [finding for one in layer.applications for finding in waves.check(one, layer)] == []
    assert any(release.chart == "argo-cd" for release in layer.releases)
    assert waves._waits_for_applications(layer), "it does wait for Applications"
