"""Whose fault a pull is that fails: that of the way to the registry, or of the name that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.kube.pulls import undelivered

pytestmark = pytest.mark.point("limits-by-progress")

IMAGE = "quay.io/argoproj/argocd:v3.4.4"
ASKED = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
HEAD = 'failed to do request: Head "https://quay.io/v2/argoproj/argocd/manifests/v3.4.4": '
STATUS = "unexpected status from HEAD request to https://quay.io/v2/argoproj/argocd/manifests/v3.4.4: "


def pod(message: str, reason: str = "ErrImagePull", image: str = IMAGE) -> dict[str, Any]:
    container = {"name": "main", "image": image, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"metadata": {"name": "a-1"}, "status": {"containerStatuses": [container]}}


@pytest.mark.parametrize(
    ("message", "slow"),
    [
        (f"{ASKED}{HEAD}dial tcp 34.1.2.3:443: i/o timeout", True),
        (f"{ASKED}{HEAD}net/http: TLS handshake timeout", True),
        (f"{ASKED}{HEAD}EOF", True),
        (f"{ASKED}{HEAD}read tcp 10.0.0.2:33200->34.1.2.3:443: read: connection reset by peer", True),
        (f"{ASKED}{STATUS}429 Too Many Requests", True),
        (f"{ASKED}{STATUS}503 Service Unavailable", True),
        (f"{ASKED}{STATUS}504 Gateway Time-out", True),
        (
            f'failed to pull and unpack image "{IMAGE}": failed to copy: httpReadSeeker: short read: unexpected EOF',
            True,
        ),
        (f'failed to pull and unpack image "{IMAGE}": failed to extract layer sha256:1: context canceled', True),
        ("pull QPS exceeded", True),
        (f'Back-off pulling image "{IMAGE}": ErrImagePull: toomanyrequests: Rate exceeded', True),
        (f'failed to pull and unpack image "{IMAGE}": write /var/lib/x: no space left on device', True),
        (f"{ASKED}{HEAD}dial tcp: lookup quay.io on 10.0.0.1:53: no such host", False),
        (f"{ASKED}{HEAD}dial tcp: lookup quay.io: Temporary failure in name resolution", False),
        (f"{ASKED}{HEAD}dial tcp 127.0.0.1:443: connect: connection refused", False),
        (f"{ASKED}{HEAD}dial tcp 34.1.2.3:443: connect: network is unreachable", False),
        (f"{ASKED}{HEAD}tls: failed to verify certificate: x509: certificate signed by unknown authority", False),
        (f"{ASKED}{HEAD}http: server gave HTTP response to HTTPS client", False),
        (f"{ASKED}{HEAD}proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused", False),
    ],
)
def test_the_way_to_a_registry_is_at_fault(message: str, slow: bool) -> None:
    found = undelivered([pod("", reason="ContainerCreating"), pod(message)])
    assert found is not None
    assert (found.image, found.slow) == (IMAGE, slow)
    assert found.why == message


@pytest.mark.parametrize(
    "message",
    [
        f"{ASKED}{IMAGE}: not found",
        f"{ASKED}pull access denied, repository does not exist or may require authorization: authorization failed",
        f"{ASKED}{STATUS}401 Unauthorized",
        f"{ASKED}{STATUS}403 Forbidden",
        "manifest unknown",
        f'Back-off pulling image "{IMAGE}"',
        'failed to pull and unpack image "quay.io/tools/i/o timeout": not found',
    ],
)
def test_the_name_that_was_asked_for_is_at_fault(message: str) -> None:
    assert undelivered([pod(message)]) is None


def test_another_reason_to_wait_is_none() -> None:
    assert undelivered([pod("dial tcp: i/o timeout", reason="CrashLoopBackOff"), {"metadata": {"name": "b"}}]) is None
