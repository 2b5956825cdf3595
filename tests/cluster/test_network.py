from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.network import addressing
from platform_e2e.cluster.network.addressing import NoFreeNetwork, plan

POOL = AddressRange.parse("10.89.0.200-10.89.0.220")


def nets(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def test_a_free_private_pool_is_used_as_it_is_written() -> None:
    made = plan([POOL], 2, nets("192.0.2.0/24"))
    assert made.segment == IPv4Network("10.89.0.0/24")
    assert made.pool_map == {}
    assert made.host == IPv4Address("10.89.0.1")
    assert made.nodes == (IPv4Address("10.89.0.2"), IPv4Address("10.89.0.3"))


def test_host_and_nodes_keep_out_of_a_pool_that_starts_at_the_first_address() -> None:
    made = plan([AddressRange.parse("192.168.7.1-192.168.7.100")], 3, [])
    assert made.segment == IPv4Network("192.168.7.0/24")
    assert [str(each) for each in (made.host, *made.nodes)] == [f"192.168.7.{n}" for n in (101, 102, 103, 104)]


def test_a_pool_that_fills_its_network_gets_a_wider_one() -> None:
    made = plan([AddressRange.parse("10.89.4.0/24")], 1, [])
    assert made.segment == IPv4Network("10.89.4.0/23")
    assert made.host == IPv4Address("10.89.5.0")
    assert made.pool_map == {}


def test_pools_of_two_neighbouring_networks_share_one_segment() -> None:
    pools = [AddressRange.parse("10.89.0.200-10.89.0.220"), AddressRange.parse("10.89.1.10-10.89.1.20")]
    assert plan(pools, 1, []).segment == IPv4Network("10.89.0.0/23")


def test_a_taken_network_is_left_and_the_pool_keeps_its_place_in_another() -> None:
    made = plan([POOL], 1, nets("10.89.0.0/24"))
    assert made.segment == IPv4Network("10.89.1.0/24")
    assert made.pool_map == {"10.89.0.200-10.89.0.220": "10.89.1.200-10.89.1.220"}


def test_a_route_to_everything_private_leaves_the_benchmark_network() -> None:
    made = plan([POOL], 1, nets("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    assert made.segment == IPv4Network("198.18.0.0/24")


def test_a_public_pool_is_never_used_as_it_is() -> None:
    made = plan([AddressRange.parse("8.8.8.0/28")], 1, [])
    assert made.pool_map == {"8.8.8.0-8.8.8.15": "10.89.0.0-10.89.0.15"}
    assert made.host == IPv4Address("10.89.0.16")


def test_moved_ranges_have_the_same_size_do_not_overlap_and_hold_no_node() -> None:
    pools = [AddressRange.parse(text) for text in ("8.8.8.0/24", "9.9.9.10-9.9.9.20", "1.1.1.0/28")]
    made = plan(pools, 9, nets("10.89.0.0/22"))
    moved = {old: AddressRange.parse(made.pool_map[str(old)]) for old in pools}
    for old, new in moved.items():
        assert int(new.last) - int(new.first) == int(old.last) - int(old.first)
        assert new.first in made.segment
        assert new.last in made.segment
        assert not any(address in new for address in (made.host, *made.nodes))
    covered = [number for new in moved.values() for number in range(int(new.first), int(new.last) + 1)]
    assert len(covered) == len(set(covered))


def test_a_moved_cidr_is_a_cidr_again() -> None:
    pools = [AddressRange.parse("1.1.1.0/28"), AddressRange.parse("8.8.0.0/24"), AddressRange.parse("9.9.9.9-9.9.9.9")]
    new = AddressRange.parse(plan(pools, 1, []).pool_map["1.1.1.0-1.1.1.15"])
    assert int(new.first) % 16 == 0


def test_without_pools_any_free_network_does() -> None:
    made = plan([], 1, nets("10.89.0.0/20"))
    assert made.segment == IPv4Network("10.89.16.0/24")
    assert made.pool_map == {}


def test_pods_and_services_keep_away_from_the_segment() -> None:
    made = plan([AddressRange.parse("10.43.0.10-10.43.0.20")], 1, [])
    assert made.segment == IPv4Network("10.43.0.0/24")
    assert not made.segment.overlaps(made.pods)
    assert not made.segment.overlaps(made.services)


def test_each_node_has_its_own_network_of_pods() -> None:
    made = plan([], 3, [])
    assert [str(made.pods_of(number)) for number in range(3)] == ["10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24"]
    assert (str(made.api), str(made.dns)) == ("10.43.0.1", "10.43.0.10")


def test_nothing_free_names_what_was_tried_and_what_to_do() -> None:
    with pytest.raises(NoFreeNetwork) as caught:
        plan([POOL], 1, [*addressing.CANDIDATES])
    assert "10.89.0.0/16" in str(caught.value)
    assert "nox -s cluster -- list" in str(caught.value)


def test_a_pool_keeps_away_from_first_addresses_that_somebody_else_gives_away() -> None:
    low = AddressRange.parse("10.89.0.4-10.89.0.20")
    assert plan([low], 1, []).segment == IPv4Network("10.89.0.0/24")
    made = plan([low], 1, [], first=8)
    assert made.pool_map == {str(low): "10.89.0.128-10.89.0.144"}


def test_a_pool_in_the_upper_part_stays_where_it_is_beside_such_addresses() -> None:
    assert plan([POOL], 3, [], first=13).pool_map == {}


def test_a_moved_pool_keeps_away_from_such_addresses_too() -> None:
    made = plan([AddressRange.parse("10.89.0.4-10.89.0.20")], 1, nets("10.89.0.0/24"), first=8)
    assert made.pool_map == {"10.89.0.4-10.89.0.20": "10.89.1.128-10.89.1.144"}
