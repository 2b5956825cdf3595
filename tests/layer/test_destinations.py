"""Which destinations are the cluster under test."""

from __future__ import annotations

import pytest

from platform_e2e.layer.destinations import Destination, judge

HERE = Destination(server="https://kubernetes.default.svc")
NAMED = Destination(name="in-cluster")
PROD = Destination(server="https://prod.example.com:6443")
LAB = Destination(name="lab")


@pytest.mark.parametrize(
    ("destinations", "named", "here"),
    [
        ([HERE, NAMED], (), [HERE, NAMED]),
        (
            [Destination(server="https://KUBERNETES.default.svc/")],
            (),
            [Destination(server="https://KUBERNETES.default.svc/")],
        ),
        ([HERE, PROD], (), [HERE]),
        ([LAB, LAB], (), [LAB]),
        ([LAB, PROD], (), []),
        ([HERE, LAB], ("lab",), [LAB]),
        ([PROD], ("https://prod.example.com:6443/",), [PROD]),
        ([LAB], ("prod",), []),
        ([HERE, NAMED, LAB], ("in-cluster",), [HERE, NAMED]),
        ([Destination(), LAB], (), [Destination(), LAB]),
        ([Destination()], (), [Destination()]),
    ],
)
def test_destinations(destinations: list[Destination], named: tuple[str, ...], here: list[Destination]) -> None:
    found = judge(destinations, named)
    assert set(found) == set(destinations)
    assert [each for each, aim in found.items() if aim.here] == here


def test_the_reason_is_said() -> None:
    found = judge([HERE, PROD])
    assert found[HERE].why == "https://kubernetes.default.svc is the cluster that Argo CD runs on"
    assert "write `destinations: [https://prod.example.com:6443]` into platform-e2e.yaml" in found[PROD].why
    assert judge([LAB])[LAB].why == "lab is taken for this cluster: all Applications name it"
    assert judge([LAB], ["prod"])[LAB].why == "lab is another cluster: platform-e2e.yaml names prod as this one"
