from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from platform_e2e.diagnosis.explain.metallb_pools import allowed_pools, pool, requested_addresses, requested_pool
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import made


def ip_pool(name: str, *addresses: str, **spec: Any) -> Object:
    return made("metallb.io/v1beta1/IPAddressPool", name, "metallb-system", spec={"addresses": list(addresses), **spec})


def service(annotations: dict[str, str] | None = None, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return made("v1/Service", "chat", "chat-dev", labels, metadata={"annotations": annotations or {}}, spec=spec)


def names(asking: Object, *pools: Object, namespace_labels: dict[str, str] | None = None) -> list[str]:
    return [p.name for p in allowed_pools(asking, namespace_labels or {}, [pool(one) for one in pools])]


@pytest.mark.parametrize(
    ("written", "inside", "outside", "size"),
    [
        ("10.0.0.5-10.0.0.9", "10.0.0.9", "10.0.0.10", 5),
        ("10.0.0.0/30", "10.0.0.0", "10.0.0.4", 4),
        ("10.0.0.7/32", "10.0.0.7", "10.0.0.8", 1),
        ("fc00::10-fc00::12", "fc00::11", "fc00::13", 3),
    ],
)
def test_a_pool_has_the_addresses_that_it_writes(written: str, inside: str, outside: str, size: int) -> None:
    parsed = pool(ip_pool("one", written))
    assert ip_address(inside) in parsed
    assert ip_address(outside) not in parsed
    assert parsed.size == size


def test_versions_of_ip_are_told_apart() -> None:
    assert ip_address("::a00:5") not in pool(ip_pool("one", "10.0.0.0/8"))


def test_addresses_that_confuse_firmware_are_left_out_where_asked() -> None:
    parsed = pool(ip_pool("one", "10.0.0.250-10.0.2.5", avoidBuggyIPs=True))
    assert ip_address("10.0.0.255") not in parsed
    assert ip_address("10.0.1.0") not in parsed
    assert ip_address("10.0.1.1") in parsed
    # .255 of the first, .0 and .255 of the second, .0 of the third.
    assert parsed.size == 6 + 256 + 6 - 4


def test_the_pool_that_is_asked_for_is_the_only_one() -> None:
    pools = ip_pool("gold", "10.0.0.0/24", autoAssign=False), ip_pool("free", "10.0.1.0/24")
    assert names(service({"metallb.io/address-pool": "gold"}), *pools) == ["gold"]
    assert names(service(), *pools) == ["free"]


def test_the_deprecated_prefix_is_still_read() -> None:
    assert requested_pool(service({"metallb.universe.tf/address-pool": "gold"})) == "gold"
    both = service({"metallb.universe.tf/loadBalancerIPs": "10.0.0.1", "metallb.io/loadBalancerIPs": "10.0.0.2"})
    assert requested_addresses(both) == ["10.0.0.2"]


def test_an_address_that_is_asked_for_chooses_the_pool() -> None:
    pools = ip_pool("one", "10.0.0.0/24"), ip_pool("two", "10.0.1.0/24", autoAssign=False)
    assert names(service({"metallb.io/loadBalancerIPs": " 10.0.1.7 "}), *pools) == ["two"]
    assert names(service(loadBalancerIP="10.0.0.7"), *pools) == ["one"]


def test_address_and_pool_must_agree() -> None:
    asking = service({"metallb.io/loadBalancerIPs": "10.0.1.7", "metallb.io/address-pool": "one"})
    assert names(asking, ip_pool("one", "10.0.0.0/24"), ip_pool("two", "10.0.1.0/24")) == []


def test_pinned_pools_come_first_by_priority_and_none_comes_last() -> None:
    allocation = {"namespaces": ["chat-dev"]}
    pools = (
        ip_pool("free", "10.0.0.0/24"),
        ip_pool("any", "10.0.1.0/24", serviceAllocation=allocation),
        ip_pool("second", "10.0.2.0/24", serviceAllocation={**allocation, "priority": 20}),
        ip_pool("first", "10.0.3.0/24", serviceAllocation={**allocation, "priority": 10}),
    )
    assert names(service(), *pools) == ["first", "second", "any", "free"]


@pytest.mark.parametrize(
    ("allocation", "allowed"),
    [
        ({"namespaces": ["chat-prod"]}, False),
        ({"namespaces": ["chat-dev"]}, True),
        ({"namespaceSelectors": [{"matchLabels": {"team": "chat"}}]}, True),
        ({"namespaceSelectors": [{"matchLabels": {"team": "ops"}}]}, False),
        ({"serviceSelectors": [{"matchLabels": {"app": "chat"}}]}, True),
        ({"serviceSelectors": [{"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}]}, False),
        ({"namespaces": ["chat-dev"], "serviceSelectors": [{"matchLabels": {"app": "other"}}]}, False),
    ],
)
def test_service_allocation_limits_who_may_have_an_address(allocation: dict[str, Any], allowed: bool) -> None:
    asking = service(labels={"app": "chat"})
    found = names(
        asking, ip_pool("one", "10.0.0.0/24", serviceAllocation=allocation), namespace_labels={"team": "chat"}
    )
    assert found == (["one"] if allowed else [])
