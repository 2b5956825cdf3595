"""pytest-kubernetes: the manager of an external cluster, and its `wait`."""

from __future__ import annotations

from pytest_kubernetes.providers import AClusterManager, select_provider_manager

from benchmarks.waits.contender import JSONPATH, Setup, Threaded


class Peer(Threaded):
    """Wait by the manager that its fixture `k8s` is for a cluster that exists."""

    def __init__(self, setup: Setup) -> None:
        """Make one manager for all waits."""
        super().__init__(setup)
        self._k8s: AClusterManager = select_provider_manager("external")(kubeconfig=setup.kubeconfig)

    def wait(self, name: str, timeout: float) -> None:
        """Wait for one ConfigMap."""
        self._k8s.wait(f"configmap/{name}", JSONPATH, timeout=int(timeout), namespace=self.setup.namespace)

    def close(self) -> None:
        """Leave its kubectl to kubectl's own timeout: the manager keeps no hold on it."""
