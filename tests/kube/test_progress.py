"""What counts as progress: facts that were never seen before. Nothing else keeps a wait from its end."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.kube.expect import Failed, Met, Pending
from platform_e2e.kube.progress import EVENT, POD, STILL_SECONDS, TRIES, Progress, undelivered, unless_still

APPLICATION = "argoproj.io/v1alpha1/Application"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(clock)


def pod(
    name: str = "a-1", *, version: int = 0, restarts: int = 0, image: str = "app:1", **state: Any
) -> dict[str, Any]:
    container = {"name": "main", "image": image, "restartCount": restarts, "ready": False, "state": state}
    metadata = {"name": name, "namespace": "ns", "generateName": "a-", "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"phase": "Pending", "containerStatuses": [container]}}


def event(reason: str, message: str = "", *, about: str = "a-1", version: int = 1, count: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{about}.{version}", "namespace": "ns", "resourceVersion": str(version)},
        "involvedObject": {"kind": "Pod", "namespace": "ns", "name": about},
        "reason": reason,
        "message": message,
        "count": count,
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"reason": reason, "message": message}


@pytest.mark.point("wait-ends-when-still")
def test_a_state_that_was_never_seen_is_progress(progress: Progress, clock: Clock) -> None:
    progress.look(POD, [pod(waiting=waiting("ContainerCreating"))])
    clock.now = 30
    assert progress.still() == 30
    progress.look(POD, [pod(running={})])
    assert progress.still() == 0


@pytest.mark.point("wait-ends-when-still")
def test_what_happens_again_and_again_is_none(progress: Progress, clock: Clock) -> None:
    for round_ in range(40):
        clock.now = 10.0 * round_
        progress.look(POD, [pod(restarts=round_, running={"startedAt": f"10:{round_}"})])
        progress.look(POD, [pod(restarts=round_, terminated={"exitCode": 2, "finishedAt": f"10:{round_}"})])
        message = f"back-off {10 * round_}s restarting failed container=main"
        progress.look(POD, [pod(restarts=round_, waiting=waiting("CrashLoopBackOff", message))])
        progress.look(EVENT, [event("BackOff", message, version=round_ + 1, count=round_)])
    assert progress.still() == 390


@pytest.mark.point("wait-ends-when-still")
def test_the_next_pod_of_the_same_owner_is_none(progress: Progress, clock: Clock) -> None:
    progress.look(POD, [pod("a-x7f9a", running={})])
    progress.look(EVENT, [event("Started", 'Started container "main"', about="a-x7f9a")])
    clock.now = 50
    progress.look(POD, [pod("a-q8m2k", running={})])
    progress.look(EVENT, [event("Started", 'Started container "main"', about="a-q8m2k", version=2)])
    assert progress.still() == 50


@pytest.mark.point("wait-ends-when-still")
def test_a_job_of_a_cronjob_is_none_either(progress: Progress, clock: Clock) -> None:
    def made(number: int) -> dict[str, Any]:
        metadata = {"name": f"clean-{number}-abcde", "namespace": "ns", "generateName": f"clean-{number}-"}
        return {"metadata": metadata, "status": {"phase": "Succeeded"}}

    progress.look(POD, [made(28391110)])
    clock.now = 60
    progress.look(POD, [made(28391110), made(28391111)])
    assert progress.still() == 60


@pytest.mark.point("wait-ends-when-still")
def test_an_image_on_its_way_keeps_time_however_long_it_takes(progress: Progress, clock: Clock) -> None:
    creating = pod(waiting=waiting("ContainerCreating"))
    progress.look(POD, [creating])
    progress.look(EVENT, [event("Pulling", 'Pulling image "app:1"', version=1)])
    clock.now = 900
    assert progress.pulling() == ["app:1"]
    assert progress.still() == 0
    progress.look(EVENT, [event("Failed", 'Failed to pull image "app:1": not found', version=2)])
    assert progress.pulling() == []
    clock.now = 1000
    assert progress.still() == 100


@pytest.mark.point("limits-by-progress")
def test_the_next_tries_of_an_image_keep_time_too_and_only_so_many(progress: Progress, clock: Clock) -> None:
    progress.look(POD, [pod(waiting=waiting("ErrImagePull", "i/o timeout"))])
    seen = []
    for number in range(2 * TRIES):
        progress.look(EVENT, [event("Pulling", 'Pulling image "app:1"', version=2 * number + 1, count=number)])
        clock.now += 100
        seen.append(progress.still() == 0)
        progress.look(EVENT, [event("Failed", 'Failed to pull image "app:1": timeout', version=2 * number + 2)])
    assert seen == [True] * TRIES + [False] * TRIES


@pytest.mark.point("wait-ends-when-still")
def test_what_was_pulled_long_ago_keeps_nothing(progress: Progress, clock: Clock) -> None:
    progress.look(POD, [pod(running={})])
    progress.look(EVENT, [event("Pulling", 'Pulling image "app:1"')])
    clock.now = 40
    assert progress.pulling() == []
    assert progress.still() == 40


@pytest.mark.point("wait-ends-when-still")
def test_an_application_moves_with_its_attempts_and_not_with_its_refreshes(progress: Progress, clock: Clock) -> None:
    def app(retries: int, reconciled: str, heals: int = 0) -> dict[str, Any]:
        state = {
            "phase": "Running",
            "retryCount": retries,
            "operation": {"sync": {"autoHealAttemptsCount": heals}},
            "startedAt": reconciled,
        }
        return {
            "metadata": {"name": "chat", "namespace": "argocd"},
            "status": {"reconciledAt": reconciled, "operationState": state, "sync": {"revision": "a" * 40}},
        }

    progress.look(APPLICATION, [app(1, "10:00")])
    clock.now = 20
    progress.look(APPLICATION, [app(1, "10:20", heals=5)])
    assert progress.still() == 20
    progress.look(APPLICATION, [app(2, "10:20")])
    assert progress.still() == 0


@pytest.mark.point("wait-ends-when-still")
def test_an_expectation_fails_only_where_it_is_pending_and_nothing_moves() -> None:
    still = 0.0
    judge = unless_still(lambda state: state, lambda: still)
    assert isinstance(judge(Pending("it is not there")), Pending)
    still = STILL_SECONDS
    verdict = judge(Pending("it is not there"))
    assert isinstance(verdict, Failed)
    assert verdict.why == "it is not there, and nothing moves any more"
    assert isinstance(judge(Met()), Met)


IMAGE = "quay.io/argoproj/argocd:v3.4.4"
ASKED = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
HEAD = 'failed to do request: Head "https://quay.io/v2/argoproj/argocd/manifests/v3.4.4": '
STATUS = "unexpected status from HEAD request to https://quay.io/v2/argoproj/argocd/manifests/v3.4.4: "


def unpulled(message: str, reason: str = "ErrImagePull", image: str = IMAGE) -> dict[str, Any]:
    container = {"name": "main", "image": image, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"metadata": {"name": "a-1"}, "status": {"containerStatuses": [container]}}


@pytest.mark.point("limits-by-progress")
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
    found = undelivered([unpulled("", reason="ContainerCreating"), unpulled(message)])
    assert found is not None
    assert (found.image, found.slow) == (IMAGE, slow)
    assert found.why == message


@pytest.mark.point("limits-by-progress")
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
    assert undelivered([unpulled(message)]) is None


@pytest.mark.point("limits-by-progress")
def test_another_reason_to_wait_is_none() -> None:
    assert (
        undelivered([unpulled("dial tcp: i/o timeout", reason="CrashLoopBackOff"), {"metadata": {"name": "b"}}]) is None
    )
