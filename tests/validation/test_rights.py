"""The printed role has no right on Secrets and none to write, and a missing right names the rule that helps."""

from __future__ import annotations

import pytest
import yaml

from platform_e2e import cli
from platform_e2e.finding import Promise
from platform_e2e.validation import rights


def test_no_rule_is_about_secrets_or_writes() -> None:
    (role,) = rights.role()
    assert role["kind"] == "ClusterRole"
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert not any("secrets" in rule["resources"] for rule in role["rules"])
    proxies = [rule["resourceNames"] for rule in role["rules"] if "services/proxy" in rule["resources"]]
    assert proxies == [["prometheus-operated:9090"], ["alertmanager-operated:9093"]]


def test_a_promise_needs_only_its_own_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rbac", "--promise", Promise.LOADBALANCER]) == 0
    (role,) = yaml.safe_load_all(capsys.readouterr().out)
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert "ipaddresspools" in resources
    assert not resources & {"services/proxy", "servicemonitors", "sealedsecrets"}


def test_namespaces_get_a_role_each() -> None:
    made = rights.role(namespaces=["argocd", "chat-dev"])
    assert [(each["kind"], each["metadata"]["namespace"]) for each in made] == [
        ("Role", "argocd"),
        ("Role", "chat-dev"),
    ]


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (
            'pods is forbidden: User "u" cannot list resource "pods" in API group "" at the cluster scope',
            'a rule with apiGroups: [""], resources: [pods], verbs: [list]',
        ),
        (
            'x is forbidden: User "u" cannot get resource "services/proxy" in API group "" in the namespace "monitoring"',
            'a rule with apiGroups: [""], resources: [services/proxy], verbs: [get] in namespace monitoring',
        ),
        ("Unauthorized", ""),
    ],
)
def test_a_missing_right_names_the_rule_that_helps(message: str, rule: str) -> None:
    assert rights.helps(message) == rule
