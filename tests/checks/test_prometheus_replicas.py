"""Prometheus that runs more than once: replicas, shards, and another one beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from platform_e2e.checks.monitoring.prometheus_replicas import NAME_LABEL, OPERATED, Operated
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("monitors-all-selected")

STACK = made("monitoring.coreos.com/v1/Prometheus", "stack", "monitoring")
OTHER = made("monitoring.coreos.com/v1/Prometheus", "team", "chat")
POOL = "serviceMonitor/chat-dev/chat/0"


def pod(name: str, of: str = "stack", namespace: str = "monitoring", ready: str = "True") -> Object:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return made("v1/Pod", name, namespace, {NAME_LABEL: of}, status=status)


def target(instance: str, health: str = "up", at: str = "12:00:01") -> dict[str, Any]:
    return {
        "scrapePool": POOL, "scrapeUrl": f"http://{instance}/metrics", "labels": {"instance": instance},
        "health": health, "lastError": "" if health == "up" else "refused", "lastScrape": f"2026-01-01T{at}Z",
    }  # fmt: skip


class Client:
    """Answer for each pod what its Prometheus says, and for the Service what the first one says."""

    def __init__(self, *pods: Object, **targets: Sequence[dict[str, Any]]) -> None:
        self.view = RecordedView(*pods)
        self.targets = {name.replace("_", "-"): said for name, said in targets.items()}
        self.asked: list[str] = []

    def list(
        self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Sequence[Object]:
        return self.view.list(kind, namespace, labels)

    def proxy(
        self, namespace: str, service: str, port: str | int, path: str, params: Mapping[str, str] | None = None, *, of: str = "services"
    ) -> bytes:  # fmt: skip
        assert (port, service == OPERATED) == (9090, of == "services")
        self.asked.append(f"{of}/{namespace}/{service}")
        said = self.targets[next(iter(self.targets)) if of == "services" else service]
        if path.endswith("targets"):
            return answer({"activeTargets": list(said)})
        if path.endswith("config"):
            return answer({"yaml": "".join(f"- job_name: {pool}\n" for pool in {one["scrapePool"] for one in said})})
        samples = [{"metric": one["labels"], "value": [0, str(len(said))]} for one in said]
        return answer({"resultType": "vector", "result": samples})


class AnyService(Client):
    """Answer whatever Service is asked."""

    def proxy(
        self, namespace: str, service: str, port: str | int, path: str, params: Mapping[str, str] | None = None, *, of: str = "services"
    ) -> bytes:  # fmt: skip
        self.asked.append(f"{namespace}/{service}")
        return answer({"activeTargets": []})


def answer(data: object) -> bytes:
    return json.dumps({"status": "success", "data": data}).encode()


def test_the_only_one_is_asked_through_its_service() -> None:
    client = Client(pod("prometheus-stack-0"), prometheus_stack_0=[target("a")])
    found = Operated(client, "monitoring")
    assert found.of([STACK]) is found
    assert [one.url for one in found.targets()] == ["http://a/metrics"]
    assert client.asked == ["services/monitoring/prometheus-operated"]


def test_a_target_must_be_up_at_every_replica() -> None:
    client = Client(
        pod("prometheus-stack-0"),
        pod("prometheus-stack-1"),
        prometheus_stack_0=[target("a", at="12:00:05"), target("b"), target("c")],
        prometheus_stack_1=[target("a"), target("b", "down")],
    )
    both = Operated(client, "monitoring").of([STACK])
    assert [(one.labels["instance"], one.health, one.error) for one in both.targets()] == [
        ("a", "up", ""),
        ("b", "down", "refused"),
    ]
    assert both.targets()[0].last_scrape.second == 1, "the older one of the two"
    assert [(one.labels["instance"], one.value) for one in both.query("up")] == [("a", 2.0), ("b", 2.0)]
    assert set(client.asked) == {"pods/monitoring/prometheus-stack-0", "pods/monitoring/prometheus-stack-1"}


def test_a_job_that_one_replica_has_not_loaded_is_not_loaded() -> None:
    client = Client(
        pod("prometheus-stack-0"), pod("prometheus-stack-1"), prometheus_stack_0=[target("a")], prometheus_stack_1=[]
    )
    assert Operated(client, "monitoring").of([STACK]).scrape_jobs() == set()


def test_shards_share_the_targets() -> None:
    client = Client(
        pod("prometheus-stack-0"),
        pod("prometheus-stack-shard-1-0"),
        prometheus_stack_0=[target("a")],
        prometheus_stack_shard_1_0=[target("b")],
    )
    found = Operated(client, "monitoring").of([STACK])
    assert [one.labels["instance"] for one in found.targets()] == ["a", "b"]
    assert found.scrape_jobs() == {POOL}


def test_a_monitor_that_another_one_takes_is_asked_of_that_one() -> None:
    pods = [pod("prometheus-stack-0"), pod("prometheus-team-0", "team", "chat")]
    client = Client(*pods, prometheus_stack_0=[], prometheus_team_0=[target("a")])
    assert [one.url for one in Operated(client, "monitoring").of([OTHER]).targets()] == ["http://a/metrics"]
    assert client.asked == ["pods/chat/prometheus-team-0"]


def test_a_replica_that_is_not_ready_is_not_asked() -> None:
    client = Client(
        pod("prometheus-stack-0"), pod("prometheus-stack-1", ready="False"), prometheus_stack_0=[target("a")]
    )
    assert len(Operated(client, "monitoring").of([STACK]).targets()) == 1
    assert client.asked == ["pods/monitoring/prometheus-stack-0"]


def test_beside_a_teams_own_in_one_namespace_that_of_the_release_is_asked() -> None:
    helm = {"annotations": {"meta.helm.sh/release-name": "stack"}}
    stack = made("monitoring.coreos.com/v1/Prometheus", "stack", "monitoring", metadata=helm)
    team = made("monitoring.coreos.com/v1/Prometheus", "team", "monitoring")
    service = made("v1/Service", "stack-prometheus", "monitoring", spec={"selector": {NAME_LABEL: "stack"}})

    def asked(*objects: Object) -> str:
        client = AnyService(*objects, x=[target("a")])
        Operated(client, "monitoring").targets()
        return client.asked[0]

    assert asked(stack, team, service) == "monitoring/stack-prometheus"
    assert asked(stack, service) == "monitoring/prometheus-operated"
    assert asked(stack, team) == "monitoring/prometheus-operated", "no Service leads to it alone"
    assert asked(team, made("monitoring.coreos.com/v1/Prometheus", "other", "monitoring"), service) == (
        "monitoring/prometheus-operated"
    )
