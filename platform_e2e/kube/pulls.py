"""Whose fault it is that an image is not there: that of the way to its registry, or of the name that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from platform_e2e.kube.objects import Object

UNPULLED = frozenset({"ErrImagePull", "ImagePullBackOff"})
"""The kubelet's words for an image that could not be pulled and is tried again (Kubernetes 1.34, pkg/kubelet/images/types.go)."""

SLOW = re.compile(
    r"i/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|context canceled|connection reset"
    r"|broken pipe|unexpected EOF|: EOF|short read|toomanyrequests|429 Too Many|pull rate limit|QPS exceeded|(?<!\d)5\d\d [A-Z]"
    r"|no space left on device",
    re.IGNORECASE,
)
"""How containerd and the kubelet say that a registry that is there does not deliver, or that the node has no room
(net, net/http and syscall of Go; containerd 2, core/remotes/docker; the OCI distribution's error codes)."""

UNREACHABLE = re.compile(
    r"no such host|server misbehaving|failure in name resolution|connection refused|no route to host|network is unreachable"
    r"|proxyconnect|x509:|tls: |HTTP response to HTTPS client",
    re.IGNORECASE,
)
"""How they say that there is no way to it; a registry's name that is written wrong looks the same."""


@dataclass(frozen=True)
class Undelivered:
    """An image that the way to its registry keeps from being there.

    Attributes:
        image: its name.
        why: what the kubelet was told, in its words.
        slow: whether the registry is there and does not deliver: no name that is written wrong looks like that.
    """

    image: str
    why: str
    slow: bool


def undelivered(pods: Iterable[Object]) -> Undelivered | None:
    """Return the first image of some pods that its registry does not deliver, or None.

    What a registry answers about the image itself, such as `not found` or `denied`, is the fault of the name that was asked for.
    """
    for pod in pods:
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            waiting = (container.get("state") or {}).get("waiting") or {}
            why = " ".join(str(waiting.get("message") or "").split())
            # Names and addresses stand in quotes: an image may be called `timeout`.
            said = re.sub(r'"[^"]*"', "", why)
            slow = SLOW.search(said) is not None
            if waiting.get("reason") in UNPULLED and (slow or UNREACHABLE.search(said)):
                return Undelivered(str(container.get("image") or ""), why, slow)
    return None
