"""Ask Prometheus over its HTTP API, through the API server's proxy, so that nothing of it has to be reachable from here.

The API is that of Prometheus 3 (docs/querying/api.md): /api/v1/targets, /api/v1/query, /api/v1/status/config.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from platform_e2e.diagnosis.objects import at
from platform_e2e.errors import BrokenPlatform
from platform_e2e.kube.errors import Invalid
from platform_e2e.layer import yamlfile
from platform_e2e.layer.durations import seconds_of

Get = Callable[[str, Mapping[str, str]], bytes]
"""Takes a path and parameters, returns the body of the answer."""


HELD_SECONDS = 3600.0
"""How far back it is looked for how long an expression has had a result."""

HELD_STEP = 15
"""Seconds between two points of that look."""


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
        interval: seconds between two scrapes.
    """

    pool: str
    url: str
    labels: Mapping[str, str]
    health: str
    error: str
    last_scrape: datetime
    interval: float = 0.0

    @property
    def index(self) -> int:
        """Return the number of the monitor's endpoint that it is of."""
        return int(self.pool.rpartition("/")[2])

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """Return its labels as what a series of it is recognised by."""
        return frozenset(self.labels.items())


@dataclass(frozen=True)
class DroppedTarget:
    """One address that Prometheus has discovered and does not scrape.

    Attributes:
        pool: whose relabelling drops it.
        namespace: of what was discovered.
        service: whose endpoint it is; empty for what a PodMonitor discovers.
        pod: that has the address; empty where it is of none.
        port: name of the endpoint's port, or without a Service of the container's.
        phase: of the pod; empty where it is of none.
    """

    pool: str
    namespace: str
    service: str
    pod: str
    port: str
    phase: str


@dataclass(frozen=True)
class Loading:
    """How the last loading of the configuration ended.

    Attributes:
        good: whether it could be loaded; if not, the one before is still in use.
        at: when one was loaded last.
    """

    good: bool
    at: datetime


@dataclass(frozen=True)
class LoadedRule:
    """One rule as Prometheus evaluates it.

    Attributes:
        file: that the operator has made of its PrometheusRule: NAMESPACE-NAME-UID.yaml.
        group: name of its group.
        name: of the alert, or of the series that it records.
        query: its expression.
        health: `ok`, `err` or `unknown`.
        error: of the last evaluation, empty where it succeeded.
        evaluated: when that was; None where it has not been.
        interval: seconds between two evaluations.
        state: of an alert `inactive`, `pending` or `firing`; empty for a recorded series.
        labels: that the rule gives.
    """

    file: str
    group: str
    name: str
    query: str
    health: str
    error: str
    evaluated: datetime | None
    interval: float = 0.0
    state: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActiveAlert:
    """One alert that is pending or fires.

    Attributes:
        alert: its name.
        state: `pending` or `firing`.
        labels: of it, those of its series and those of its rule.
    """

    alert: str
    state: str
    labels: Mapping[str, str]


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
        try:
            body = self._get(path, parameters)
        except Invalid as error:
            # 400 for what does not parse, 422 for what cannot be evaluated.
            raise PrometheusError(f"Prometheus refuses {path}: {error.message}", "correct the expression") from error
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
                interval=seconds_of(entry.get("scrapeInterval") or ""),
            )
            for entry in data["activeTargets"]
        ]

    def dropped(self, pool: str = "") -> list[DroppedTarget]:
        """Return every address that it has discovered and does not scrape; none where it keeps none (keep_dropped_targets).

        Args:
            pool: the only scrape pool that is asked about: of all together there may be very many.
        """
        data = self._data("/api/v1/targets", state="dropped", **({"scrapePool": pool} if pool else {}))
        return [
            dropped_of(str(entry.get("scrapePool", "")), entry["discoveredLabels"]) for entry in data["droppedTargets"]
        ]

    def loadings(self) -> list[Loading]:
        """Return how each of its processes has loaded its configuration last (/api/v1/status/runtimeinfo)."""
        data = self._data("/api/v1/status/runtimeinfo")
        return [Loading(bool(data["reloadConfigSuccess"]), moment(data["lastConfigTime"]))]

    def label_counts(self, selector: str) -> dict[str, int]:
        """Return for each metric of a selector how many labels its series have at most now, without the name."""
        found: dict[str, int] = {}
        for labels in (entry["metric"] for entry in self._data("/api/v1/query", query=selector)["result"]):
            name = str(labels.get("__name__", ""))
            found[name] = max(found.get(name, 0), len(labels) - 1)
        return found

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

    def rules(self) -> list[LoadedRule]:
        """Return every rule that it evaluates."""
        return [
            LoadedRule(
                file=group["file"].rpartition("/")[2],
                group=group["name"],
                name=rule["name"],
                query=rule["query"],
                health=rule["health"],
                error=rule.get("lastError") or "",
                evaluated=_past(rule.get("lastEvaluation")),
                interval=float(group.get("interval") or 0.0),
                state=rule.get("state") or "",
                labels=rule.get("labels") or {},
            )
            for group in self._data("/api/v1/rules")["groups"]
            for rule in group["rules"]
        ]

    def alerts(self) -> list[ActiveAlert]:
        """Return every alert that is pending or fires."""
        found = self._data("/api/v1/alerts")["alerts"]
        return [ActiveAlert(each["labels"]["alertname"], each["state"], each["labels"]) for each in found]

    def alertmanagers(self) -> list[str]:
        """Return the URLs of the Alertmanagers that it sends alerts to."""
        return [str(each["url"]) for each in self._data("/api/v1/alertmanagers")["activeAlertmanagers"]]

    def external_labels(self) -> Mapping[str, str]:
        """Return the labels that it gives to every alert which it sends."""
        text = self._data("/api/v1/status/config")["yaml"]
        # The whole has a megabyte where much is scraped.
        head = re.search(r"^global:\n((?:[ \t].*\n?)*)", text, re.MULTILINE)
        documents = yamlfile.parse(head[0], "the configuration of Prometheus") if head else []
        given = at(documents[0].data, "global", "external_labels") if documents else None
        return {str(name): str(value) for name, value in (given or {}).items()}

    def names(self) -> list[str]:
        """Return the names of all metrics that it has."""
        return list(self._data("/api/v1/label/__name__/values"))

    def labels(self, selector: str) -> set[str]:
        """Return the names of the labels of the series that a selector chooses now, of the first hundred."""
        return {name for sample in self.query(f"topk(100, {selector})") for name in sample.labels}

    def values(self, label: str, selector: str) -> list[str]:
        """Return the values of a label.

        Args:
            label: its name.
            selector: of the series that count.
        """
        samples = self.query(f"count by ({label}) ({selector})")
        return sorted({sample.labels[label] for sample in samples if sample.labels.get(label)})

    def type_of(self, metric: str) -> str:
        """Return the type that targets tell of a metric, such as `counter`; empty where they tell none."""
        return self._told(metric, "type")

    def help_of(self, metric: str) -> str:
        """Return what targets say of a metric in words; empty where they say nothing."""
        return self._told(metric, "help")

    def _told(self, metric: str, what: str) -> str:
        base = re.sub(r"_(?:bucket|sum|count)$", "", metric)
        for name in filter(None, dict.fromkeys((metric, base))):
            found = self._data("/api/v1/metadata", metric=name).get(name)
            if found:
                return str(found[0].get(what) or "")
        return ""

    def retention(self) -> float:
        """Return for how many seconds it keeps samples; 0 where only their size limits them."""
        # It says `10d`, `10d or 5GiB`, or a size alone.
        said = re.match(
            r"(?:\d+[a-z]+)+(?= or |$)", str(self._data("/api/v1/status/runtimeinfo").get("storageRetention") or "")
        )
        return seconds_of(said[0]) if said else 0.0

    def held(self, expression: str, apart: Collection[str] = ()) -> float:
        """Return for how many seconds some series of a result has been there without a gap, at most `HELD_SECONDS`.

        Args:
            expression: PromQL whose result is a vector.
            apart: values of labels by which a series does not count.
        """
        now = self.now().timestamp()
        window = {"start": f"{now - HELD_SECONDS:.3f}", "end": f"{now:.3f}", "step": str(HELD_STEP)}
        found = self._data("/api/v1/query_range", query=expression, **window)["result"]
        counted = (each for each in found if not set(each["metric"].values()) & set(apart))
        return max((_unbroken([float(point[0]) for point in each["values"]], now) for each in counted), default=0.0)

    def now(self) -> datetime:
        """Return the time by Prometheus' own clock, the one that it stamps scrapes with."""
        return datetime.fromtimestamp(self.query("time()")[0].value, UTC)

    def scrape_jobs(self) -> set[str]:
        """Return the names of all jobs of the configuration that it has loaded."""
        text = self._data("/api/v1/status/config")["yaml"]
        prefix = "- job_name:"
        lines = (line.strip() for line in text.splitlines())
        return {line.removeprefix(prefix).strip().strip("'\"") for line in lines if line.startswith(prefix)}


def dropped_of(pool: str, labels: Mapping[str, str]) -> DroppedTarget:
    """Return what the labels say that a discovery in Kubernetes has found (Prometheus 3, discovery/kubernetes)."""

    def meta(*names: str) -> str:
        return next((labels[key] for name in names if (key := f"__meta_kubernetes_{name}") in labels), "")

    return DroppedTarget(
        pool,
        meta("namespace"),
        meta("service_name"),
        meta("pod_name"),
        meta("endpoint_port_name", "endpointslice_port_name", "pod_container_port_name"),
        meta("pod_phase"),
    )


def _unbroken(times: Sequence[float], now: float) -> float:
    """Return for how many seconds up to now the points of a series follow each other."""
    steps = 0
    for number, moment_of in enumerate(reversed(times)):
        if now - moment_of > HELD_STEP * number + HELD_STEP / 2:
            break
        steps = number
    return float(HELD_STEP * steps)


def _past(text: str | None) -> datetime | None:
    """Return a moment; None for Go's zero time, which says that there was none."""
    return None if not text or text.startswith("0001-") else moment(text)


def moment(text: str) -> datetime:
    """Return the time that an RFC 3339 text says; Go writes nanoseconds, Python takes microseconds."""
    head, dot, tail = text.partition(".")
    if not dot:
        return datetime.fromisoformat(text)
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return datetime.fromisoformat(f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}")
