"""This harness: one shared list-then-watch stream, an expectation for each wait."""

from __future__ import annotations

from benchmarks.waits.contender import FIELD, READY, Setup, Threaded
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Verdict, eventually
from platform_e2e.kube.objects import Object


class Peer(Threaded):
    """Wait by `eventually`."""

    def __init__(self, setup: Setup) -> None:
        """Make one client for all waits."""
        super().__init__(setup)
        self._kube = Kube.from_kubeconfig(setup.kubeconfig)

    def wait(self, name: str, timeout: float) -> None:
        """Wait for one ConfigMap."""
        source = self._kube.one("v1/ConfigMap", name, self.setup.namespace)
        eventually(source, _ready, timeout=timeout, what=f"{name} is ready")

    def close(self) -> None:
        """End the streams."""
        self._kube.close()


def _ready(config_map: Object | None) -> Verdict:
    state = (config_map or {}).get("data", {}).get(FIELD)
    return Met() if state == READY else Pending(f"its state is {state}")
