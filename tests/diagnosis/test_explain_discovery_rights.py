"""What a Prometheus may list, as roles and bindings say, and which AlertmanagerConfigs an Alertmanager takes."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.discovery_rights import Account, listed_by, missing_rights
from platform_e2e.diagnosis.explain.monitors import selected_by
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.objects import Object
from tests.fakes.monitoring import RELEASE, endpoint_slice, monitor, prometheus, service
from tests.fakes.recorded_view import RecordedView, made

RBAC = "rbac.authorization.k8s.io/v1"
ALL = {"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": ["get", "list", "watch"]}
ACCOUNT = {"kind": "ServiceAccount", "name": "default", "namespace": "monitoring"}


def role(*rules: dict[str, Any], namespace: str = "") -> Object:
    return made(f"{RBAC}/{'Role' if namespace else 'ClusterRole'}", "scrape", namespace, rules=list(rules))


def binding(namespace: str = "", subject: dict[str, str] | None = None, kind: str = "ClusterRole") -> Object:
    ref = {"kind": kind, "name": "scrape"}
    short = "RoleBinding" if namespace else "ClusterRoleBinding"
    return made(f"{RBAC}/{short}", "scrape", namespace, roleRef=ref, subjects=[subject or ACCOUNT])


OTHER = binding(subject={"kind": "ServiceAccount", "name": "other", "namespace": "monitoring"})
"""So that the cluster is one with roles at all."""


def lacking(*objects: Object, namespace: str | None = "chat-dev") -> list[str]:
    wanted = listed_by(prometheus(), monitor())
    return missing_rights(Account.of(prometheus()), wanted, namespace, RecordedView(*objects))


def cause(*objects: Object, **spec: Any) -> Cause | None:
    target = monitor(**spec)
    return explain(target, RecordedView(prometheus(), target, service(), endpoint_slice(), *objects))


@pytest.mark.parametrize(
    "subject",
    [
        ACCOUNT,
        {"kind": "User", "name": "system:serviceaccount:monitoring:default"},
        {"kind": "Group", "name": "system:serviceaccounts"},
        {"kind": "Group", "name": "system:serviceaccounts:monitoring"},
        {"kind": "Group", "name": "system:authenticated"},
    ],
)
def test_a_right_for_all_namespaces_is_one_for_each(subject: dict[str, str]) -> None:
    assert lacking(role(ALL), binding(subject=subject)) == []
    assert lacking(role(ALL), binding(subject=subject), namespace=None) == []


@pytest.mark.parametrize(
    "subject",
    [
        {**ACCOUNT, "namespace": "other"},
        {**ACCOUNT, "name": "other"},
        {"kind": "User", "name": "default"},
        {"kind": "Group", "name": "system:serviceaccounts:other"},
    ],
)
def test_a_right_of_another_one_is_none(subject: dict[str, str]) -> None:
    assert len(lacking(role(ALL), binding(subject=subject))) == 3


def test_a_right_in_one_namespace_is_none_in_another_nor_in_all() -> None:
    here = (role(ALL), binding("chat-dev"))
    assert lacking(*here) == []
    assert len(lacking(*here, namespace="chat-prod")) == 3
    assert len(lacking(*here, namespace=None)) == 3
    assert lacking(role(ALL, namespace="chat-dev"), binding("chat-dev", kind="Role")) == []
    assert len(lacking(role(ALL, namespace="chat-prod"), binding("chat-dev", kind="Role"))) == 3


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({**ALL, "resources": ["*"]}, []),
        ({**ALL, "apiGroups": ["*"], "verbs": ["*"]}, []),
        ({**ALL, "apiGroups": ["apps"]}, ["list, watch services", "list, watch endpoints", "list, watch pods"]),
        ({**ALL, "verbs": ["get", "list"]}, ["watch services", "watch endpoints", "watch pods"]),
        ({**ALL, "resources": ["services", "pods"]}, ["list, watch endpoints"]),
        ({**ALL, "resourceNames": ["chat"]}, ["list, watch services", "list, watch endpoints", "list, watch pods"]),
    ],
)
def test_a_rule_gives_what_it_names(rule: dict[str, Any], left: list[str]) -> None:
    assert lacking(role(rule), binding()) == left


def test_rules_of_several_roles_add_up_and_a_missing_role_gives_nothing() -> None:
    parts = [role({**ALL, "verbs": ["list"]}), binding(), binding("chat-dev", kind="Role")]
    assert len(lacking(*parts)) == 3
    assert lacking(*parts, role({**ALL, "verbs": ["watch"]}, namespace="chat-dev")) == []
    assert len(lacking(binding())) == 3


def test_the_resource_is_that_of_the_discovery() -> None:
    pods = {**monitor(), "kind": "PodMonitor"}
    assert listed_by(prometheus(), pods) == (("", "pods"),)
    slices = ("discovery.k8s.io", "endpointslices")
    assert slices in listed_by(prometheus(serviceDiscoveryRole="EndpointSlice"), monitor())
    assert slices in listed_by(prometheus(), monitor(serviceDiscoveryRole="EndpointSlice"))
    assert ("", "endpoints") in listed_by(prometheus(), monitor())


def test_what_may_not_be_listed_is_the_cause_with_namespace_and_rights() -> None:
    found = cause(role({**ALL, "resources": ["services", "pods"]}), binding(), OTHER)
    assert found is not None
    assert found.id == "prometheus-forbidden"
    assert "finds nothing of servicemonitor/chat -n chat-dev in namespace chat-dev" in found.sentence
    assert found.sentence.endswith("serviceaccount/default -n monitoring may not list, watch endpoints there")
    assert found.about == "serviceaccount/default -n monitoring"
    everywhere = cause(role(ALL), binding("chat-dev"), OTHER, namespaceSelector={"any": True})
    assert everywhere is not None
    assert "in all namespaces" in everywhere.sentence
    assert "by a ClusterRoleBinding" in everywhere.remedy


def test_what_may_be_listed_or_cannot_be_told_is_no_cause() -> None:
    assert cause(role(ALL), binding()) is None
    assert cause() is None, "a cluster without any binding asks something else than roles"


def test_who_may_not_read_roles_cannot_tell() -> None:
    class NoRoles(RecordedView):
        def list(self, kind: str, *args: Any, **kwargs: Any) -> Any:
            if kind.startswith(RBAC):
                raise Forbidden("GET roles", 403, "Forbidden", "may not")
            return super().list(kind, *args, **kwargs)

    assert explain(monitor(), NoRoles(prometheus(), monitor(), service(), endpoint_slice())) is None


def alertmanager(**spec: Any) -> Object:
    return made("monitoring.coreos.com/v1/Alertmanager", "main", "monitoring", spec=spec)


def config(labels: dict[str, str] | None = None, namespace: str = "shop") -> Object:
    return made("monitoring.coreos.com/v1alpha1/AlertmanagerConfig", "night", namespace, labels, spec={})


ANY: dict[str, Any] = {"alertmanagerConfigSelector": {}, "alertmanagerConfigNamespaceSelector": {}}


@pytest.mark.parametrize(
    ("spec", "labels", "namespace", "said"),
    [
        (ANY, {}, "shop", ""),
        ({"alertmanagerConfigSelector": {}}, {}, "monitoring", ""),
        ({"alertmanagerConfigSelector": {}}, {}, "shop", "alertmanager-config-namespace-unselected"),
        ({"alertmanagerConfigNamespaceSelector": {}}, {}, "shop", "alertmanager-config-unselected"),
        ({**ANY, "alertmanagerConfigSelector": {"matchLabels": RELEASE}}, {}, "shop", "alertmanager-config-unselected"),
        ({**ANY, "alertmanagerConfigSelector": {"matchLabels": RELEASE}}, RELEASE, "shop", ""),
        ({"alertmanagerConfiguration": {"name": "night"}}, {}, "monitoring", ""),
        ({"alertmanagerConfiguration": {"name": "night"}}, {}, "shop", "alertmanager-config-unselected"),
        (None, {}, "shop", "alertmanager-config-unselected"),
    ],
)
def test_an_alertmanager_takes_configurations_as_the_operator_reads_it(
    spec: dict[str, Any] | None, labels: dict[str, str], namespace: str, said: str
) -> None:
    managers = [] if spec is None else [alertmanager(**spec)]
    target = config(labels, namespace)
    view = RecordedView(*managers, target, made("v1/Namespace", namespace), prometheus(ruleSelector={}))
    assert bool(selected_by(target, view)) == (not said)
    found = explain(target, view)
    assert (found.id if found else "") == said
    assert found is None or "Alertmanager" in found.sentence


def test_the_status_says_what_the_operator_does_not_accept() -> None:
    def told(**condition: Any) -> Cause | None:
        target = monitor()
        target["metadata"]["generation"] = 2
        accepted = {"type": "Accepted", "status": "False", "message": "no\n such thing", "observedGeneration": 2}
        target["status"] = {"bindings": [{"conditions": [{**accepted, **condition}]}]}
        return explain(target, RecordedView(prometheus(), target, service(), endpoint_slice()))

    found = told()
    assert found is not None
    assert (found.id, found.sentence) == (
        "monitor-rejected",
        "the Prometheus operator leaves out servicemonitor/chat -n chat-dev: no such thing",
    )
    assert told(status="True") is None
    assert told(observedGeneration=1) is None
