from __future__ import annotations

import pytest

from platform_e2e.checks.loadbalancer.node import addresses_on, check, rules_for
from tests.fakes.loadbalancers import service

ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 10.89.0.2/24 brd 10.89.0.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::5054:ff:fe12:3456/64 scope link \\       valid_lft forever preferred_lft forever
"""
"""Printed by `ip -oneline address show` of iproute2 6.1."""

RULES = """\
*nat
:KUBE-SERVICES - [0:0]
-A KUBE-SERVICES -d 10.89.0.201/32 -p tcp -m comment --comment "chat-dev/chat:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-A
-A KUBE-SERVICES -d 10.89.0.20/32 -p tcp -m comment --comment "x" -m tcp --dport 80 -j KUBE-EXT-B
-A OTHER -d 10.89.0.202/32 -j ACCEPT
COMMIT
"""
"""As kube-proxy 1.34 writes them in iptables mode (pkg/proxy/iptables/proxier.go)."""


class Host:
    """A node that prints what was recorded."""

    def check_output(self, command: str) -> str:
        return {"ip -oneline address show": ADDRESSES, "iptables-save -t nat": RULES}[command]


def test_every_address_of_every_interface() -> None:
    assert addresses_on(Host()) == {"127.0.0.1", "10.89.0.2", "fe80::5054:ff:fe12:3456"}


def test_the_rules_of_one_address_and_of_kube_proxy_only() -> None:
    assert len(rules_for(Host(), "10.89.0.201")) == 1
    assert rules_for(Host(), "10.89.0.2") == []
    assert rules_for(Host(), "10.89.0.202") == []


def test_an_address_that_is_only_a_rule() -> None:
    assert check(service(), ["10.89.0.201"], "n1", Host()) == []


@pytest.mark.parametrize(
    ("address", "cause"), [("10.89.0.2", "loadbalancer-on-interface"), ("10.89.0.203", "loadbalancer-no-rules")]
)
def test_what_is_wrong_on_the_node_is_named(address: str, cause: str) -> None:
    (finding,) = check(service(), ["10.89.0.201", address], "n1", Host())
    assert finding.cause.id == cause
    assert "service/chat -n chat-dev" in finding.cause.sentence
    assert "node n1" in finding.expected
