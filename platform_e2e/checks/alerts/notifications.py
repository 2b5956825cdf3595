"""What Alertmanager has sent: the notifications that the harness's receiver has kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_e2e.checks.monitoring.prometheus import moment
from platform_e2e.foundations import alert_receiver
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer.argo_objects import mapping, mappings

LINES = 5000
"""How many of the last lines of the receiver's log are read; a run of half an hour makes a tenth of them."""

FIRING, RESOLVED = "firing", "resolved"


@dataclass(frozen=True)
class Notification:
    """One alert in what was sent.

    Attributes:
        at: when it was received, by the receiver's clock.
        receiver: name of Alertmanager's receiver.
        status: `firing` or `resolved`.
        labels: of the alert.
        annotations: of the alert, their templates rendered.
    """

    at: datetime
    receiver: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def alert(self) -> str:
        """Return the name of the alert."""
        return self.labels.get("alertname", "")


def received(reader: Reader) -> list[Notification]:
    """Return what was received, the earliest first.

    Args:
        reader: of the cluster.
    """
    found: list[Notification] = []
    for pod in reader.list("v1/Pod", alert_receiver.NAMESPACE, labels=alert_receiver.LABELS):
        namespace, name = key(pod)
        try:
            log = reader.logs(name, namespace, alert_receiver.NAME, tail=LINES)
        except ApiError:
            # It has not started: it has received nothing.
            continue
        found += parsed(log)
    return sorted(found, key=lambda each: each.at)


def parsed(log: str) -> Iterator[Notification]:
    """Yield the notifications of a log; lines that are none, and those without a body, are passed over."""
    for line in log.splitlines():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        body = mapping(data).get("body") if isinstance(data, dict) else None
        for each in mappings(mapping(body).get("alerts")):
            yield Notification(
                moment(str(data["at"])),
                str(mapping(body).get("receiver", "")),
                str(each.get("status", "")),
                _texts(each.get("labels")),
                _texts(each.get("annotations")),
            )


def _texts(value: Any) -> Mapping[str, str]:
    return {str(name): str(text) for name, text in mapping(value).items()}
