"""Traffic for the layer's own applications: what counts requests has nothing to show before the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from platform_e2e.checks.container_client import Asker
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.monitoring.moving_series import make
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, LoadBalancer


@dataclass(frozen=True)
class Traffic:
    """What was sent, and what became of it.

    Attributes:
        requests: how many were sent.
        answered: how many were answered as the layer says.
    """

    requests: int = 0
    answered: int = 0

    def __str__(self) -> str:
        """Say it in a sentence about what is still not there."""
        return f"after {self.answered} answers of the layer's applications" if self.answered else ""


def for_all(layer: Layer, view: ReadApi, asker: Asker) -> Traffic:
    """Send requests, and messages, to each LoadBalancer of a layer that says what it answers.

    Args:
        layer: that has the Services.
        view: of the cluster.
        asker: a client on the cluster's segment.
    """
    results: list[ProbeResult] = []
    for balancer in layer.load_balancers():
        results += _of(balancer, view, asker)
        if results and not results[-1].connected:
            # Another promise tells of it; here it would only be waited for again.
            break
    return Traffic(sum(each.asked for each in results), sum(each.good for each in results))


def _of(balancer: LoadBalancer, view: ReadApi, asker: Asker) -> Iterable[ProbeResult]:
    service = view.get("v1/Service", balancer.service.name, balancer.service.namespace)
    return make(balancer, service, asker) if service is not None else []
