"""Waves and hooks that Argo CD reads otherwise, and the order in which objects came, changed and went."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platform_e2e.checks import wave_order
from platform_e2e.checks.waves import APPLICATION_HEALTH
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer
from platform_e2e.layer.objects import HOOK, WAVE
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.rendered import rendered

WAITS = made("v1/ConfigMap", "argocd-cm", "argocd", data={APPLICATION_HEALTH: "return hs"})


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def annotated(name: str, value: str, more: str = "") -> str:
    metadata = f"{{name: settings, namespace: shop, annotations: {{{name}: '{value}'{more}}}}}"
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n"


def test_the_demo_layer_says_what_argo_cd_reads(demo: Layer) -> None:
    assert [finding for application in demo.applications for finding in wave_order.check(application)] == []


@pytest.mark.parametrize("said", ["first", "1.5", "", "1 ", "0x1"])
def test_a_wave_that_is_no_number_is_told(demo: Layer, said: str) -> None:
    application = replace(demo.application("metallb-config"), objects=tuple(rendered(annotated(WAVE, said))))
    (finding,) = wave_order.check(application)
    assert (finding.promise, finding.cause.id) == ("waves", "wave-invalid")
    assert f"its annotation {WAVE} says `{said}`, which is not a whole number" in finding.cause.sentence
    assert "manifests/shop.yaml" in finding.cause.remedy


@pytest.mark.parametrize("said", ["0", "-5", "+3", "12"])
def test_a_wave_that_is_a_number_is_one(demo: Layer, said: str) -> None:
    application = replace(demo.application("metallb-config"), objects=tuple(rendered(annotated(WAVE, said))))
    assert wave_order.check(application) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Presync",
            "is never applied: its annotation argocd.argoproj.io/hook says `Presync`, and there is no hook Presync",
        ),
        ("PreSync, Post", "is not run as Post: "),
    ],
)
def test_a_hook_that_nothing_runs_is_told(demo: Layer, said: str, words: str) -> None:
    application = replace(demo.application("metallb-config"), objects=tuple(rendered(annotated(HOOK, said))))
    (finding,) = wave_order.check(application)
    assert finding.cause.id == "hook-unknown"
    assert words in finding.cause.sentence


@pytest.mark.parametrize("said", ["PreSync", "Sync,PostSync", "SyncFail", "Skip"])
def test_a_hook_of_a_known_phase_is_one(demo: Layer, said: str) -> None:
    application = replace(demo.application("metallb-config"), objects=tuple(rendered(annotated(HOOK, said))))
    assert wave_order.check(application) == []


def test_what_says_why_may_be_so(demo: Layer) -> None:
    text = annotated(WAVE, "first", ", platform-e2e/exempt-waves: 'a template fills it in'")
    assert wave_order.check(replace(demo.application("metallb-config"), objects=tuple(rendered(text)))) == []


def test_an_app_of_apps_that_waits_for_none_of_its_applications_is_told(demo: Layer) -> None:
    root = demo.application("platform")
    assert wave_order.unwaited(root, RecordedView(WAITS)) == []
    older = made(
        "v1/ConfigMap",
        "argocd-cm",
        "argocd",
        data={"resource.customizations": "argoproj.io/Application:\n  health.lua: x"},
    )
    assert wave_order.unwaited(root, RecordedView(older)) == []
    (finding,) = wave_order.unwaited(root, RecordedView(made("v1/ConfigMap", "argocd-cm", "argocd", data={})))
    assert finding.cause.id == "application-health-unknown"
    assert "in wave 0 and more until wave 1, and waits for none of its Applications" in finding.cause.sentence
    assert wave_order.unwaited(demo.application("metallb-config"), RecordedView()) == []


def config_map(name: str, version: int = 1) -> Object:
    return made("v1/ConfigMap", name, "ns", metadata={"resourceVersion": str(version)})


WAVES = {"ConfigMap/a": 0, "ConfigMap/b": 1}
A, B = config_map("a"), config_map("b")


@pytest.mark.parametrize(
    ("seen", "observed"),
    [
        ([(0.0, []), (1.0, [A]), (3.0, [A, B])], ""),
        ([(0.0, []), (1.0, [B]), (3.0, [A, B])], "it was made 2.00 s before it"),
        ([(0.0, []), (1.0, [A, B])], "it was made 0.00 s before it"),
        ([(0.0, []), (1.0, [A])], "it was never made"),
    ],
)
def test_objects_are_made_wave_after_wave(seen: wave_order.Seen, observed: str) -> None:
    assert [finding.observed for finding in wave_order.made_in_order(seen, WAVES)] == ([observed] if observed else [])


def test_objects_are_changed_wave_after_wave() -> None:
    later = (config_map("a", 2), config_map("b", 2))
    good = [(0.0, [A, B]), (1.0, [later[0], B]), (3.0, [*later])]
    assert wave_order.changed_in_order(good, WAVES) == []
    bad = [(0.0, [A, B]), (1.0, [A, later[1]]), (3.0, [*later])]
    assert [finding.cause.id for finding in wave_order.changed_in_order(bad, WAVES)] == ["wave-out-of-order"]
    assert [finding.observed for finding in wave_order.changed_in_order(good[:1], WAVES)] == ["it was never changed"]


def test_objects_are_pruned_in_reverse() -> None:
    assert wave_order.pruned_in_order([(0.0, [A, B]), (1.0, [A]), (2.0, [])], WAVES) == []
    (finding,) = wave_order.pruned_in_order([(0.0, [A, B]), (1.0, [B]), (2.0, [])], WAVES)
    assert finding.object == "ConfigMap/a"


def test_what_replaces_an_object_is_there_before_it_goes() -> None:
    seen = [(0.0, [A]), (1.0, [A, B]), (2.0, [B])]
    assert wave_order.replaced_in_order(seen, made="ConfigMap/b", gone="ConfigMap/a") == []
    hasty = [(0.0, [A]), (1.0, []), (2.0, [B])]
    assert (
        wave_order.replaced_in_order(hasty, made="ConfigMap/b", gone="ConfigMap/a")[0].observed == "it went before it"
    )
    assert wave_order.replaced_in_order(seen[:2], made="ConfigMap/b", gone="ConfigMap/a")[0].object == "ConfigMap/a"


def deployment(ready: int) -> Object:
    status = {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    return made("apps/v1/Deployment", "gate", "ns", metadata={"generation": 1}, spec={"replicas": 1}, status=status)


def test_what_is_behind_a_gate_comes_once_it_is_open() -> None:
    shut, wide = deployment(0), deployment(1)
    assert (
        wave_order.healthy_first([(0.0, [shut]), (1.0, [wide]), (3.0, [wide, A])], "Deployment/gate", "ConfigMap/a")
        == []
    )
    (finding,) = wave_order.healthy_first(
        [(0.0, [shut]), (1.0, [shut, A]), (2.0, [wide, A])], "Deployment/gate", "ConfigMap/a"
    )
    assert finding.observed == "Deployment/gate was not available when it was made"
    assert (
        wave_order.healthy_first([(1.0, [wide])], "Deployment/gate", "ConfigMap/a")[0].observed == "it was never made"
    )


def test_a_sync_tells_how_its_hook_has_ended() -> None:
    result = {
        "kind": "Job",
        "name": "hook",
        "hookPhase": "Failed",
        "message": "Job has reached the specified backoff limit",
    }
    app = {"status": {"operationState": {"syncResult": {"resources": [result]}}}}
    assert wave_order.hook_told(app, "Job/hook", "Failed") == []
    assert wave_order.hook_told(app, "Job/hook", "Succeeded")[0].cause.id == "wave-out-of-order"
    assert wave_order.hook_told({}, "Job/hook", "Failed")[0].observed == "it tells ``: "


def test_the_states_of_several_sources_are_one() -> None:
    assert wave_order.flattened([(1.0, ([A], [B]))]) == [(1.0, [A, B])]
