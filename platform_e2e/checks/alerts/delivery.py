"""One alert on its way: loaded, firing, received by the harness's receiver with labels and rendered text, and cleared.

Each step is waited for by itself, so that what is told is the first one that does not happen.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from platform_e2e.checks.alerts import notifications
from platform_e2e.checks.alerts.notifications import RESOLVED, Notification
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.objects import key
from platform_e2e.kube.reader import Reader

SEND_SECONDS = 60.0
"""For an alert that fires to be received: Prometheus sends it after its evaluation, Alertmanager 1 s later (`alertmanager_settings`);
where the first attempt fails it tries again within seconds."""

CLEAR_SECONDS = 60.0
"""For a notification that it is over, once its expression returns nothing: an evaluation, and Alertmanager's group_interval of 5 s."""

_LOG_LINES = 200
"""Lines of Alertmanager's log in which a failed attempt is looked for."""


@dataclass(frozen=True)
class Expected:
    """What must be received.

    Attributes:
        alert: its name.
        receivers: one of which must get it.
        labels: that it must have; others may be there.
        annotations: that it must have, with the text that is rendered; empty for any text without a template in it.
        since: by the clock of the receiver; what came before is another alert.
    """

    alert: str
    receivers: Sequence[str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    since: datetime

    def about(self, each: Notification) -> bool:
        """Tell whether a notification is about this alert."""
        return (
            each.alert == self.alert
            and each.at >= self.since
            and all(each.labels.get(name) == value for name, value in self.labels.items())
        )

    def wrong(self, each: Notification) -> str:
        """Return what is not as it must be in a notification about this alert; empty where all is."""
        if each.receiver not in self.receivers:
            return f"the receiver {each.receiver} got it in place of {' or '.join(self.receivers)}"
        for name, text in self.annotations.items():
            found = each.annotations.get(name)
            if found is None:
                return f"it has no annotation {name}"
            if text and found != text:
                return f"its annotation {name} is `{found}` in place of `{text}`"
            if "{{" in found or "<error" in found or "<no value>" in found:
                return f"its annotation {name} is not rendered: `{found}`"
        return ""


def wait_received(expected: Expected, reader: Reader, status: str, *, timeout: float) -> Notification | None:
    """Return the first notification about an alert with a status; None where none comes in time.

    Args:
        expected: which alert.
        reader: of the cluster.
        status: `firing` or `resolved`.
        timeout: seconds.
    """

    def look() -> Verdict:
        for each in notifications.received(reader):
            if each.status == status and expected.about(each):
                return Met(each)
        return Pending(f"no notification that {expected.alert} is {status}")

    try:
        found: Notification | None = poll(look, timeout=timeout, what=f"{expected.alert} is received as {status}")
    except Timeout:
        return None
    return found


def undelivered(expected: Expected, reader: Reader, status: str, seconds: float) -> Cause:
    """Return the cause of an alert that Alertmanager has, or should have, and of which nothing is received.

    Args:
        expected: which alert.
        reader: of the cluster.
        status: `firing` or `resolved`.
        seconds: how long was waited.
    """
    said = last_failure(reader)
    over = status == RESOLVED
    return Cause(
        "alert-not-cleared" if over else "alert-not-delivered",
        f"{expected.alert} {'is over' if over else 'fires'}, and {' and '.join(expected.receivers)} was not told of it within {seconds:g} s"
        + (f"; Alertmanager says: {said}" if said else ""),
        "look at the log of Alertmanager, at its http_config, and at NetworkPolicies between it and the receiver",
    )


def misdelivered(expected: Expected, got: Notification) -> Cause | None:
    """Return the cause of a notification that is not as it must be; None where it is."""
    wrong = expected.wrong(got)
    if not wrong:
        return None
    return Cause(
        "alert-received-otherwise",
        f"{expected.alert} is received, and {wrong}",
        "look at the routes of Alertmanager and at the alert's annotations",
    )


def last_failure(reader: Reader) -> str:
    """Return the error of the last attempt to notify that failed, as Alertmanager logs it; empty where none did."""
    found = ""
    for pod in reader.list("v1/Pod", labels={"app.kubernetes.io/name": "alertmanager"}):
        namespace, name = key(pod)
        try:
            log = reader.logs(name, namespace, "alertmanager", tail=_LOG_LINES)
        except ApiError:
            continue
        lines = [line for line in log.splitlines() if "Notify" in line and " err=" in line]
        if lines:
            found = f"pod/{name} -n {namespace}: {lines[-1].rpartition(' err=')[2].strip(chr(34))[:300]}"
    return found


class Stopwatch:
    """Seconds since it was made, and when each step came."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.steps: dict[str, float] = {}

    def __call__(self, step: str) -> float:
        """Note a step, and return its seconds."""
        return self.steps.setdefault(step, round(time.monotonic() - self._began, 1))
