"""Who is measured: one module for each, with a class `Peer` that waits as its own documentation says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """One contender.

    Attributes:
        title: as the tables call it.
        module: in this package.
        distribution: whose version is told; empty for a program of the cluster's own cohort.
        call: what a user of it writes.
        processes: whether each wait is a process of its own.
    """

    title: str
    module: str
    distribution: str
    call: str
    processes: bool = False


OURS = "platform-e2e"
"""The contender that the bars are for."""

PEERS = {
    peer.title: peer
    for peer in (
        About(OURS, "ours", "", "eventually(kube.one(...), ready, timeout=...)"),
        About("official watch", "official", "kubernetes", "watch.Watch().stream(list_..., timeout_seconds=...)"),
        About("kr8s", "kr8s", "kr8s", "(await ConfigMap.get(...)).wait(\"jsonpath='{...}'=ready\", timeout=...)"),
        About("kubectl wait", "kubectl", "", "kubectl wait configmap/... --for=jsonpath='{...}'=ready", processes=True),
        About(
            "pytest-kubernetes",
            "pytest_kubernetes",
            "pytest-kubernetes",
            'k8s.wait("configmap/...", "jsonpath=\'{...}\'=ready", timeout=...)',
            processes=True,
        ),
    )
}
"""Every contender by its title, in the tables' order."""
