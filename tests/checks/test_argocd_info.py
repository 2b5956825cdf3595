"""The series of Applications against the Applications, and the parts of the foundations that nothing scrapes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks.monitoring import argocd_info, release_metrics
from platform_e2e.checks.monitoring.prometheus import Prometheus, Sample, ScrapeTarget
from platform_e2e.kube.objects import Object
from tests.checks.test_inventory import NOW, Scraping
from tests.fakes.monitoring import prometheus
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.rendered import rendered


def application(name: str = "chat", sync: str = "Synced", health: str = "Healthy", **metadata: Any) -> Object:
    status = {"sync": {"status": sync}, "health": {"status": health}}
    return made("argoproj.io/v1alpha1/Application", name, "argocd", status=status, **metadata)


def info(name: str = "chat", sync: str = "Synced", health: str = "Healthy") -> Sample:
    labels = {"exported_namespace": "argocd", "namespace": "argocd", "name": name}
    return Sample({**labels, "sync_status": sync, "health_status": health}, 1.0)


def findings(samples: list[Sample], *apps: Object) -> list[tuple[str, str, str]]:
    seen = argocd_info.observe(RecordedView(prometheus(), *apps), Scraping(samples=samples))
    return [(each.object, each.cause.id, each.cause.sentence) for each in argocd_info.check(seen)]


def test_equal_states_are_no_finding_and_are_counted() -> None:
    view = RecordedView(prometheus(), application(), application("shop", "OutOfSync", "Degraded"))
    seen = argocd_info.observe(view, Scraping(samples=[info(), info(), info("shop", "OutOfSync", "Degraded")]))
    assert argocd_info.check(seen) == []
    assert argocd_info.figures(seen) == {"Applications in metrics": 2}
    assert findings([]) == []


def test_a_status_that_is_not_there_yet_is_told_as_unknown() -> None:
    assert findings([info(sync="Unknown", health="Unknown")], application(sync="", health="")) == []


def test_one_application_without_a_series_is_told() -> None:
    ((name, cause, said),) = findings([info()], application(), application("shop"))
    assert (name, cause) == ("application/shop -n argocd", "argocd-info-missing")
    assert "of 1 others there is one" in said


def test_no_series_at_all_is_one_finding() -> None:
    ((name, cause, said),) = findings([], application(), application("shop"))
    assert (name, cause) == ("argocd_app_info", "argocd-info-missing")
    assert "there are 2 Applications: every alert on it is dead and healthy" in said


@pytest.mark.parametrize(
    "samples", [[info(health="Progressing")], [info(), info(health="Progressing")], [info(sync="OutOfSync")]]
)
def test_another_state_or_a_second_one_is_told(samples: list[Sample]) -> None:
    ((name, cause, said),) = findings(samples, application())
    assert (name, cause) == ("application/chat -n argocd", "argocd-info-differs")
    assert "is Synced and Healthy, and argocd_app_info says" in said


def test_a_series_of_what_is_gone_is_told_and_that_of_a_test_is_not() -> None:
    ((name, cause, _),) = findings([info(), info("gone")], application())
    assert (name, cause) == ("application/gone -n argocd", "argocd-info-differs")
    ours = application("e2e-1", metadata={"labels": {"platform-e2e/run": "x"}})
    assert findings([info(), info("e2e-1", "OutOfSync")], application(), ours) == []


RELEASE = SimpleNamespace(name="metallb", namespace="metallb-system", chart="metallb", brought=False)
PARTS = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
READS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: x, namespace: monitoring}
data: {a: "metallb_allocator_addresses_total"}
"""


def pod(name: str = "speaker-1", status: str = "True", labels: dict[str, str] | None = None) -> Object:
    conditions = [{"type": "Ready", "status": status}]
    return made("v1/Pod", name, "metallb-system", labels or PARTS, status={"conditions": conditions})


def layer(text: str = READS, *releases: Any) -> Any:
    objects = rendered(text)
    return SimpleNamespace(releases=list(releases) or [RELEASE], rendered=objects, monitors=tuple)


def up(name: str = "speaker-1") -> ScrapeTarget:
    return ScrapeTarget("p/0", "http://x", {"namespace": "metallb-system", "pod": name}, "up", "", NOW)


def unscraped(asked: Prometheus, *objects: Object, of: Any = None) -> list[str]:
    view = RecordedView(prometheus(), *objects)
    return [each.cause.sentence for each in release_metrics.unscraped(of or layer(), view, asked)]


def test_each_pod_of_a_part_must_be_a_target() -> None:
    there = [Sample({}, 1.0)]
    assert unscraped(Scraping([up()], samples=there), pod()) == []
    (said,) = unscraped(Scraping([up()], samples=there), pod(), pod("speaker-2"))
    assert "the speaker of" in said
    assert "no target is pod/speaker-2 -n metallb-system" in said


def test_a_part_that_is_not_there_or_not_ready_is_another_ones_affair() -> None:
    assert unscraped(Scraping(), pod(status="False")) == []
    assert unscraped(Scraping()) == []


def test_what_a_service_promises_is_told_by_its_own_test() -> None:
    ports = [{"name": "metrics", "port": 7472}]
    service = made("v1/Service", "metrics", "metallb-system", spec={"selector": PARTS, "ports": ports})
    assert unscraped(Scraping(), pod(), service) == []
    spec = {"selector": {"matchLabels": PARTS}, "podMetricsEndpoints": [{"port": "monitoring"}]}
    monitor = made("monitoring.coreos.com/v1/PodMonitor", "speakers", "metallb-system", spec=spec)
    assert unscraped(Scraping(), pod(), monitor) == []
    assert len(unscraped(Scraping(), pod(), made("v1/Service", "x", "metallb-system", spec={"selector": PARTS}))) == 1


def test_a_target_that_delivers_nothing_of_its_own_is_told() -> None:
    (said,) = unscraped(Scraping([up()]), pod())
    assert "none of its targets delivers metallb_k8s_client_config_loaded_bool" in said


@pytest.mark.parametrize(
    "of",
    [
        layer("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: up}\n"),
        layer(READS, SimpleNamespace(name="metallb", namespace="metallb-system", chart="metallb", brought=True)),
        layer(READS, SimpleNamespace(name="x", namespace="x", chart="sealed-secrets", brought=False)),
    ],
)
def test_only_what_the_layer_reads_of_its_own_releases_is_promised(of: Any) -> None:
    assert unscraped(Scraping(), pod(), of=of) == []
