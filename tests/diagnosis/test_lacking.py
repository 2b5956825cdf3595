"""What the layer is not to blame for, since something that is not judged would bring it or a stand-in cannot do it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platform_e2e.diagnosis import lacking
from platform_e2e.finding import Cause, Finding
from platform_e2e.layer.not_judged import NotJudged


def unjudged(name: str, destination: str | None = "elsewhere", reason: str = "chart") -> NotJudged:
    return NotJudged(
        f"application/{name} -n argocd",
        reason,
        "its chart is not here",
        "fetch it",
        "a.yaml",
        1,
        None,
        False,
        destination,
    )


def finding(cause: str, sentence: str, obj: str = "application/shop -n argocd", through: str = "") -> Finding:
    return Finding(obj, "applications", "", "", Cause(cause, sentence, "", through=through))


LACKING = {
    "crd": finding(
        "application-missing-crd",
        'application/shop -n argocd has objects of a kind that the cluster does not serve: no matches for kind "Certificate" in version '
        '"cert-manager.io/v1"',
    ),
    "crd in a retried sync": finding(
        "application-retrying",
        "the sync failed: The Kubernetes API could not find cert-manager.io/Certificate for requested resource shop/a",
    ),
    "namespace": finding("application-sync-failed", 'the sync failed: namespaces "cert-manager" not found'),
    "secret": finding(
        "pod-configuration",
        'pod/web-1 -n shop cannot start: container web: secret "cert-manager-tls" not found',
        through="deployment/web -n shop",
    ),
    "webhook": finding(
        "application-webhook", 'the webhook a does not answer: service "cert-manager-webhook" not found'
    ),
    "service": finding(
        "pod-crash",
        "container web of pod/web-1 -n shop has ended: dial tcp: lookup cert-manager.tls on 10.96.0.10:53: no such host",
    ),
    "monitor": finding(
        "service-without-monitor",
        "service/cert-manager -n tls has the metrics port metrics, and no ServiceMonitor takes it",
    ),
}


@pytest.mark.parametrize("name", LACKING)
def test_what_one_that_is_not_judged_would_bring_is_unknown_and_names_it(name: str) -> None:
    found = lacking.behind([LACKING[name]], [unjudged("other"), unjudged("cert-manager")], ())
    assert found is not None
    assert found.object == "application/cert-manager -n argocd"
    assert found.problem.startswith("it may bring ")
    assert lacking.behind([LACKING[name]], (), ()) is None


def test_a_secret_of_another_namespace_is_a_fault() -> None:
    lost = finding(
        "pod-configuration", 'pod/web-1 -n shop cannot start: secret "db" not found', through="deployment/web -n shop"
    )
    assert lacking.behind([lost], [unjudged("grafana", "monitoring")], ()) is None
    assert lacking.behind([lost], [unjudged("grafana", "shop")], ()) is not None
    assert lacking.behind([lost], [unjudged("grafana", None)], ()) is not None


def test_what_is_for_another_cluster_brings_nothing() -> None:
    assert lacking.behind([LACKING["crd"]], [unjudged("cert-manager", reason="destination")], ()) is None


def test_one_fault_among_several_findings_stays_one() -> None:
    broken = finding("pod-crash", "container web of pod/web-1 -n shop has ended 3 times (Error, exit status 1)")
    known = [unjudged("cert-manager", None)]
    assert lacking.behind([LACKING["crd"], broken], known, ()) is None
    assert lacking.behind([broken], known, ()) is None


@pytest.mark.parametrize("cause", sorted(lacking.ONLY_THE_REAL))
def test_what_a_stand_in_answers_is_no_fault(cause: str) -> None:
    unknown = NotJudged("servicemonitor/web -n shop", "stand-in", "", "", "a.yaml", 1)
    found = finding(cause, "", "servicemonitor/web -n shop")
    assert lacking.behind([found], (), [unknown]) == unknown
    assert lacking.behind([found], (), [replace(unknown, object="servicemonitor/other -n shop")]) is None


def test_the_wiring_of_a_stand_in_is_judged() -> None:
    unknown = NotJudged("servicemonitor/web -n shop", "stand-in", "", "", "a.yaml", 1)
    assert lacking.behind([finding("monitor-port-name", "", "servicemonitor/web -n shop")], (), [unknown]) is None
