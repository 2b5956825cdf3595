"""A cluster's nodes from the inside, the same way for every provider."""

from __future__ import annotations

from typing import Any

import testinfra

# Teaches testinfra the scheme of NodeFacts.testinfra.
import platform_e2e.cluster.embedded.testinfra  # noqa: F401
from platform_e2e.cluster.provider import NodeFacts


def host(node: NodeFacts) -> Any:
    """Return testinfra's host for a node: `host.interface("eth0").addresses`, `host.check_output("iptables-save")`.

    Args:
        node: from the cluster's facts.
    """
    return testinfra.get_host(node.testinfra)
