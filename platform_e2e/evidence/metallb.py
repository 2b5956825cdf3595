"""What MetalLB knows: pools with what is left in them, who announces what, whether its configuration holds, its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = (
    "metallb.io/v1beta1/IPAddressPool",
    "metallb.io/v1beta1/L2Advertisement",
    "metallb.io/v1beta1/BGPAdvertisement",
    "metallb.io/v1beta2/BGPPeer",
    "metallb.io/v1beta1/Community",
    "metallb.io/v1beta1/ServiceL2Status",
    "metallb.io/v1beta1/ServiceBGPStatus",
    "metallb.io/v1beta1/ConfigurationState",
)
"""Its kinds; those that a version does not have are absent. ConfigurationState came with 0.15."""

LABEL = "app.kubernetes.io/name"
"""Label that has `metallb` on its pods (the chart's templates)."""

PORTS = ("monitoring", "metrics")
"""Names of the port for metrics in its chart and in its manifests."""


def metrics_port(pod: Mapping[str, Any]) -> int | None:
    """Return the port at which a pod of MetalLB tells its metrics; None where it is not one of its pods or tells no metrics."""
    labels = (pod.get("metadata") or {}).get("labels") or {}
    if labels.get(LABEL) != "metallb" and labels.get("app") != "metallb":
        return None
    for container in (pod.get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") in PORTS:
                return int(port["containerPort"])
    return None


def own(metrics: str) -> str:
    """Return MetalLB's own metrics, without those that every Go program has."""
    return "".join(line + "\n" for line in metrics.splitlines() if "metallb_" in line)
