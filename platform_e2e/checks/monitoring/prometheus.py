"""Ask Prometheus over its HTTP API, through the API server's proxy, so that nothing of it has to be reachable from here.

The API is that of Prometheus 3 (docs/querying/api.md): /api/v1/targets, /api/v1/query, /api/v1/status/config.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from platform_e2e.errors import BrokenPlatform

Get = Callable[[str, Mapping[str, str]], bytes]
"""Takes a path and parameters, returns the body of the answer."""


class PrometheusError(BrokenPlatform):
    """Prometheus does not answer a question, or refuses it."""


@dataclass(frozen=True)
class ScrapeTarget:
    """One target as Prometheus scrapes it.

    Attributes:
        pool: `serviceMonitor/NAMESPACE/NAME/INDEX` for a ServiceMonitor's endpoint.
        url: what is scraped.
        labels: of every series that comes from it.
        health: `up`, `down` or `unknown`.
        error: of the last scrape, empty where it succeeded.
        last_scrape: when it began, by Prometheus' clock.
    """

    pool: str
    url: str
    labels: Mapping[str, str]
    health: str
    error: str
    last_scrape: datetime

    @property
    def index(self) -> int:
        """Return the number of the monitor's endpoint that it is of."""
        return int(self.pool.rpartition("/")[2])

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """Return its labels as what a series of it is recognised by."""
        return frozenset(self.labels.items())


@dataclass(frozen=True)
class Sample:
    """One sample of an instant query: labels without the name, and the value."""

    labels: Mapping[str, str]
    value: float

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """Return its labels in a form that can be compared with a target's."""
        return frozenset(self.labels.items())


class Prometheus:
    """One Prometheus.

    Args:
        get: asks for a path of its API.
    """

    def __init__(self, get: Get) -> None:
        self._get = get

    def of(self, takers: Sequence[Any]) -> Prometheus:  # noqa: ARG002  others choose by them
        """Return what is asked about monitors that certain Prometheus objects take: this one, where it is the only one."""
        return self

    def _data(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer.

        Raises:
            PrometheusError: the answer is an error or no JSON.
        """
        body = self._get(path, parameters)
        try:
            answer = json.loads(body)
        except json.JSONDecodeError as error:
            raise PrometheusError(
                f"Prometheus answers {path} with no JSON: {body[:100]!r}", "look at its pod's log"
            ) from error
        if answer.get("status") != "success":
            raise PrometheusError(f"Prometheus answers {path}: {answer.get('error', answer)}", "look at its pod's log")
        return answer["data"]

    def targets(self) -> list[ScrapeTarget]:
        """Return every target that it scrapes."""
        data = self._data("/api/v1/targets", state="active")
        return [
            ScrapeTarget(
                pool=entry["scrapePool"],
                url=entry["scrapeUrl"],
                labels=entry.get("labels") or {},
                health=entry["health"],
                error=entry.get("lastError") or "",
                last_scrape=moment(entry["lastScrape"]),
            )
            for entry in data["activeTargets"]
        ]

    def query(self, expression: str) -> list[Sample]:
        """Return what an expression is now.

        Args:
            expression: PromQL whose result is a vector or a scalar.
        """
        data = self._data("/api/v1/query", query=expression)
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [
            Sample({k: v for k, v in entry["metric"].items() if k != "__name__"}, float(entry["value"][1]))
            for entry in data["result"]
        ]

    def now(self) -> datetime:
        """Return the time by Prometheus' own clock, the one that it stamps scrapes with."""
        return datetime.fromtimestamp(self.query("time()")[0].value, UTC)

    def scrape_jobs(self) -> set[str]:
        """Return the names of all jobs of the configuration that it has loaded."""
        text = self._data("/api/v1/status/config")["yaml"]
        prefix = "- job_name:"
        lines = (line.strip() for line in text.splitlines())
        return {line.removeprefix(prefix).strip().strip("'\"") for line in lines if line.startswith(prefix)}


def moment(text: str) -> datetime:
    """Return the time that an RFC 3339 text says; Go writes nanoseconds, Python takes microseconds."""
    head, dot, tail = text.partition(".")
    if not dot:
        return datetime.fromisoformat(text)
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return datetime.fromisoformat(f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}")
