"""Ask the Alertmanagers of a cluster over their API, through the API server's proxy.

The API is that of Alertmanager 0.28 (api/v2/openapi.yaml): /api/v2/status, /api/v2/alerts, /api/v2/silences.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platform_e2e.checks.alerts.routes import Matcher, Routing
from platform_e2e.checks.monitoring.prometheus import moment
from platform_e2e.checks.monitoring.prometheus_replicas import Asks
from platform_e2e.checks.rules.received import OPERATED, PORT
from platform_e2e.errors import BrokenPlatform
from platform_e2e.kube.errors import ApiError, Forbidden
from platform_e2e.kube.objects import key

KIND = "monitoring.coreos.com/v1/Alertmanager"


class AlertmanagerError(BrokenPlatform):
    """An Alertmanager does not answer a question."""


@dataclass(frozen=True)
class Silence:
    """A silence that is active.

    Attributes:
        id: of it.
        matchers: all of which an alert must meet to be silenced.
        ends: when it is over.
        author: who made it, as it says.
    """

    id: str
    matchers: tuple[Matcher, ...]
    ends: datetime
    author: str


@dataclass(frozen=True)
class Alertmanager:
    """The Alertmanagers behind one Service of the operator's; those of one namespace are told apart by nothing here.

    Attributes:
        client: of the cluster.
        namespace: of the Service.
        service: its name.
    """

    client: Asks
    namespace: str
    service: str

    def routing(self) -> Routing:
        """Return the routes of the configuration that it has loaded.

        Raises:
            AlertmanagerError: it does not answer.
            RoutesError: its configuration cannot be read here.
        """
        return Routing.parse(self._get("/api/v2/status")["config"]["original"])

    def silences(self) -> list[Silence]:
        """Return the silences that are active."""
        return [
            Silence(
                str(each["id"]),
                tuple(_matcher(matcher) for matcher in each["matchers"]),
                moment(each["endsAt"]),
                str(each.get("createdBy", "")),
            )
            for each in self._get("/api/v2/silences")
            if each["status"]["state"] == "active"
        ]

    def _get(self, path: str) -> Any:
        try:
            return json.loads(self.client.proxy(self.namespace, self.service, PORT, path))
        except Forbidden:
            raise
        except (ApiError, ValueError) as error:
            raise AlertmanagerError(
                f"service/{self.service} -n {self.namespace} must answer {path}, got {error}", "look at its pod's log"
            ) from error


def running(client: Asks) -> list[Alertmanager]:
    """Return the Alertmanagers that the operator runs.

    Args:
        client: of the cluster.
    """
    return [Alertmanager(client, *key(service)) for service in client.list("v1/Service", labels=OPERATED)]


def answering(client: Asks) -> list[tuple[Routing, list[Silence]]]:
    """Return the routes and the active silences of each Alertmanager that answers; that one does not is told where an alert is lost.

    Args:
        client: of the cluster.

    Raises:
        Forbidden: the API server lets nothing be asked.
        RoutesError: a configuration cannot be read here.
    """
    found = []
    for each in running(client):
        with contextlib.suppress(AlertmanagerError):
            found.append((each.routing(), each.silences()))
    return found


def _matcher(data: Mapping[str, Any]) -> Matcher:
    equal, pattern = data.get("isEqual", True), data.get("isRegex", False)
    operator = ("=~" if pattern else "=") if equal else ("!~" if pattern else "!=")
    return Matcher(str(data["name"]), operator, str(data["value"]))
