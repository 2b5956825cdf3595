"""A foundation that waits for what the layer brings names it, who brings it, and what holds that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_e2e.checks.foundation_needs import Need, bringing, need
from platform_e2e.checks.foundations import WAITS, broken, stands_on
from platform_e2e.finding import Promise
from platform_e2e.foundations import ReleaseFailed
from platform_e2e.layer import Release, Rendered
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("foundation-waits-for-layer")

SECRET = Need("Secret", "grafana-admin", "monitoring")


@pytest.mark.parametrize(
    ("said", "kind", "name"),
    [
        ('pod/x cannot start: container grafana: secret "grafana-admin" not found', "Secret", "grafana-admin"),
        ('MountVolume.SetUp failed for volume "v" : configmap "rules" not found', "ConfigMap", "rules"),
        ("couldn't find key admin-user in Secret monitoring/grafana-admin", "Secret", "grafana-admin"),
        ("couldn't find key a in ConfigMap monitoring/rules.", "ConfigMap", "rules"),
        (
            '0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1',
            "PersistentVolumeClaim",
            "data",
        ),
        ('error looking up service account ns/bot: serviceaccount "bot" not found', "ServiceAccount", "bot"),
        ("no PriorityClass with name high was found", "PriorityClass", "high"),
    ],
)
def test_what_a_pod_cannot_start_without_is_read_from_what_is_said(said: str, kind: str, name: str) -> None:
    assert need(said, "monitoring") == Need(kind, name, "monitoring")


def test_nothing_is_read_from_what_says_nothing_of_it() -> None:
    assert need("0 of 1 replicas are available; image not found", "monitoring") is None


def rendered(kind: str, name: str, namespace: str = "monitoring", api: str = "v1", **fields: Any) -> Rendered:
    metadata = {"name": name, "namespace": namespace}
    item = {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}
    return Rendered(item, "secrets-config", f"manifests/{name}.yaml", 3)


SEALED = rendered("SealedSecret", "grafana-admin", api="bitnami.com/v1alpha1")


@pytest.mark.parametrize(
    "one",
    [
        SEALED,
        rendered("Secret", "grafana-admin"),
        rendered("ExternalSecret", "grafana-admin"),
        rendered("ExternalSecret", "x", spec={"target": {"name": "grafana-admin"}}),
        rendered("Certificate", "x", spec={"secretName": "grafana-admin"}),
    ],
)
def test_an_object_brings_a_secret_itself_or_has_it_made(one: Rendered) -> None:
    others = [
        rendered("SealedSecret", "grafana-admin", "chat-dev"),
        rendered("ExternalSecret", "grafana-admin", spec={"target": {"name": "other"}}),
        rendered("ConfigMap", "grafana-admin"),
    ]
    assert bringing(SECRET, [*others, one]) is one
    assert bringing(SECRET, others) is None


LABELS = {"app": "grafana"}
GRAFANA = made("apps/v1/Deployment", "grafana", "monitoring", spec={"selector": {"matchLabels": LABELS}})
POD = made(
    "v1/Pod",
    "grafana-1",
    "monitoring",
    LABELS,
    status={
        "containerStatuses": [
            {
                "name": "grafana",
                "state": {
                    "waiting": {"reason": "CreateContainerConfigError", "message": 'secret "grafana-admin" not found'}
                },
            }
        ]
    },
)
FAILURE = ReleaseFailed(
    "stack",
    "Deployment grafana -n monitoring",
    "0 of 1 replicas are available, and nothing moves any more",
    item=GRAFANA,
)


@pytest.fixture
def release(tmp_path: Path) -> Release:
    values = tmp_path / "values.yaml"
    values.write_text("grafana:\n  admin:\n    existingSecret: grafana-admin\n")
    return Release("stack", "kube-prometheus-stack", "https://x", "1", "1", "monitoring", values)


def unsealed(message: str) -> dict[str, Any]:
    status = {"conditions": [{"type": "Synced", "status": "False", "message": message}]}
    return made("bitnami.com/v1alpha1/SealedSecret", "grafana-admin", "monitoring", status=status)


def test_a_release_is_blocked_by_what_holds_the_object_that_it_waits_for(release: Release, tmp_path: Path) -> None:
    view = RecordedView(GRAFANA, POD, unsealed("no key could decrypt secret (admin-user)"))
    found = broken(FAILURE, release, tmp_path, view, [SEALED])
    assert (found.promise, found.cause.id) == (Promise.APPLICATIONS, "secret-not-unsealed")
    assert found.cause.sentence.endswith(
        "; Deployment grafana -n monitoring of release/stack -n monitoring waits for secret/grafana-admin -n monitoring, which "
        "sealedsecret/grafana-admin of application/secrets-config brings (manifests/grafana-admin.yaml:3)"
    )
    assert found.details[WAITS] == "secret/grafana-admin -n monitoring"
    assert stands_on("monitoring", [(release, found)]) is found


def test_an_application_that_does_not_bring_it_is_the_cause_where_its_object_is_not_there(
    release: Release, tmp_path: Path
) -> None:
    error = {
        "type": "InvalidSpecError",
        "message": "destination monitoring do not match any of the allowed destinations",
    }
    app = made("argoproj.io/v1alpha1/Application", "secrets-config", "argocd", spec={}, status={"conditions": [error]})
    found = broken(FAILURE, release, tmp_path, RecordedView(GRAFANA, POD, app), [SEALED])
    assert (found.promise, found.cause.id) == (Promise.APPLICATIONS, "application-not-permitted")


def test_without_a_known_cause_the_release_says_itself_what_it_waits_for(release: Release, tmp_path: Path) -> None:
    found = broken(FAILURE, release, tmp_path, RecordedView(GRAFANA, POD), [SEALED])
    assert (found.promise, found.cause.id) == (Promise.MONITORING, "foundation-lacks-object")
    assert "waits for secret/grafana-admin -n monitoring, which sealedsecret/grafana-admin" in found.cause.sentence
    assert found.cause.sentence.endswith("and which the cluster does not have")
    assert found.cause.remedy == "see why application/secrets-config does not bring it"


def test_what_nothing_of_the_layer_brings_is_said_so(release: Release, tmp_path: Path) -> None:
    other = rendered("ConfigMap", "x")
    found = broken(FAILURE, release, tmp_path, RecordedView(GRAFANA, POD), [other])
    assert (found.promise, found.cause.id) == (Promise.MONITORING, "foundation-lacks-object")
    assert found.cause.sentence.endswith(
        'secret "grafana-admin" not found; no Application of the layer brings secret/grafana-admin -n monitoring'
    )
    assert "values.yaml:3, grafana.admin.existingSecret" in found.cause.remedy
    assert WAITS not in found.details
