"""Model of an incident: plain data that is written to the archive and checked when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeVar

from platform_e2e.checks.differences import Difference
from platform_e2e.checks.drift import CHANGED, EXTRA, MISSING, ROLLING, Drift
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.objects import key, kind_of
from platform_e2e.outside import documents

SCHEMA = 1
"""Of the archive; one that is read must have the same."""

MOST_VALUES = 100_000
"""Of each file of JSON in an archive; five thousand findings have some sixty thousand."""

T = TypeVar("T")


@dataclass(frozen=True)
class Installed:
    """A Helm release of the live cluster.

    Attributes:
        name: of the release.
        namespace: of the release.
        chart: name of the chart.
        version: of the chart.
        app_version: of the product.
        values: that it was installed with, redacted.
    """

    name: str
    namespace: str
    chart: str
    version: str
    app_version: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Incident:
    """The picture of a live platform at one moment.

    Attributes:
        captured: when, in UTC, ISO 8601.
        harness: version that captured it.
        cluster: the context or cluster that it is of.
        kubernetes: version of the API server.
        nodes: how many; 0 where they could not be listed.
        apps: the Applications that it is about.
        chosen: whether these were named, or are all that there are.
        repository: repoURL that the layer is read from.
        revision: the commit that the layer was deployed at.
        has_layer: whether the archive has the layer's files.
        probed: whether the addresses were asked from outside.
        sealing_key_lost: whether no SealedSecret can be decrypted because the key is gone.
        held: what kept Argo CD from healing, in words.
        missed: what could not be captured, and why.
        notes: what a reader should know besides.
        foundations: the Helm releases.
        drift: the objects that are not as in Git.
        findings: what the checks said.
        alerts: that were firing.
    """

    captured: str
    harness: str
    cluster: str
    kubernetes: str = ""
    nodes: int = 0
    apps: tuple[str, ...] = ()
    chosen: bool = False
    repository: str = ""
    revision: str = ""
    has_layer: bool = False
    probed: bool = False
    sealing_key_lost: bool = False
    held: tuple[str, ...] = ()
    missed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    foundations: tuple[Installed, ...] = ()
    drift: tuple[Drift, ...] = ()
    findings: tuple[Finding, ...] = ()
    alerts: tuple[Mapping[str, str], ...] = ()

    def head(self) -> dict[str, Any]:
        """Return what incident.json has: everything but what has files of its own."""
        own = {"foundations", "drift", "findings", "alerts"}
        return {"schema": SCHEMA} | {name: value for name, value in self.__dict__.items() if name not in own}


def parse(files: Mapping[str, bytes], drift: Sequence[Any]) -> Incident:
    """Return the incident that an archive's files make.

    Args:
        files: of the archive.
        drift: the documents of `drift/`.

    Raises:
        WrongUsage: it is not an incident, has another schema, or a part of it is malformed.
    """
    head = _mapping(_json(files, "incident.json"), "incident.json")
    if head.get("schema") != SCHEMA:
        raise WrongUsage(
            f"the incident has schema {head.get('schema')!r}, written by platform-e2e {head.get('harness', '?')}; this one reads "
            f"{SCHEMA}",
            "use the version of platform-e2e that captured it",
        )
    plain: dict[str, Any] = {name: _demand(head, name, kind) for name, kind in _HEAD.items()}
    plain |= {name: tuple(_texts(head.get(name, []), name)) for name in ("apps", "held", "notes")}
    missed = {str(k): str(v) for k, v in _mapping(head.get("missed", {}), "missed").items()}
    return Incident(
        **plain,
        missed=missed,
        foundations=tuple(_each(files, "foundations.json", _installed)),
        drift=tuple(_checked("drift", partial(_drift, one)) for one in drift),
        findings=tuple(_each(files, "findings.json", _finding)),
        alerts=tuple(_each(files, "alerts.json", lambda one: {str(k): str(v) for k, v in one.items()})),
    )


_HEAD: Mapping[str, type] = {
    "captured": str,
    "harness": str,
    "cluster": str,
    "kubernetes": str,
    "nodes": int,
    "chosen": bool,
    "repository": str,
    "revision": str,
    "has_layer": bool,
    "probed": bool,
    "sealing_key_lost": bool,
}


def _json(files: Mapping[str, bytes], name: str) -> Any:
    if name not in files:
        raise WrongUsage(f"the archive must have {name} to be an incident", "name a file of `platform-e2e capture`")
    try:
        return documents.from_json(files[name], MOST_VALUES)
    except documents.NoDocument as error:
        raise WrongUsage(f"{name} of the incident cannot be read as JSON: {error}", "capture again") from error


def _each(files: Mapping[str, bytes], name: str, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
    several = _json(files, name) if name in files else []
    if not isinstance(several, list):
        raise WrongUsage(f"{name} of the incident must be a list", "capture again")
    return [_checked(name, partial(make, _mapping(one, name))) for one in several]


def _checked(name: str, make: Callable[[], T]) -> T:
    """Make something of hostile data; what does not fit is an error about the file."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WrongUsage(f"{name} of the incident has an entry that is none: {error!r}", "capture again") from error


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WrongUsage(f"{where} of the incident must be a mapping", "capture again")
    return value


def _demand(head: Mapping[str, Any], name: str, kind: type) -> Any:
    value = head.get(name)
    if type(value) is not kind:
        raise WrongUsage(f"incident.json: {name} is no {kind.__name__}", "capture again")
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise WrongUsage(f"incident.json: {name} must be a list of texts", "capture again")
    return value


def _installed(one: Mapping[str, Any]) -> Installed:
    texts = {name: str(one[name]) for name in ("name", "namespace", "chart", "version", "app_version")}
    return Installed(**texts, values=_mapping(one.get("values") or {}, "foundations.json"))


def _finding(one: Mapping[str, Any]) -> Finding:
    identity, sentence, remedy = (str(one["cause"][name]) for name in ("id", "sentence", "remedy"))
    cause = Cause(identity, sentence, remedy)
    texts = (str(one["object"]), str(one["promise"]), str(one["expected"]), str(one["observed"]))
    return Finding(*texts, cause, dict(one.get("details") or {}))


def _drift(one: Any) -> Drift:
    data = _mapping(one, "drift")
    if data["change"] not in {CHANGED, MISSING, EXTRA, ROLLING}:
        raise ValueError(f"change is {data['change']!r}")
    texts = {name: str(data.get(name) or "") for name in ("kind", "name", "namespace", "application", "status")}
    live = data.get("live")
    found = Drift(
        **texts,
        change=data["change"],
        differences=tuple(
            Difference(str(each["path"]), each["expected"], each["observed"]) for each in data.get("differences") or ()
        ),
        live=dict(live) if live else None,
    )
    if found.live is not None and (kind_of(found.live), *key(found.live)) != found.identity:
        raise ValueError(f"{found} has another object in it")
    if found.change == EXTRA and found.live is None:
        raise ValueError(f"{found} is extra and not there")
    return found


def plain_drift(drift: Drift) -> dict[str, Any]:
    """Return a drift as its file has it, the fields that differ before the object."""
    return {
        "kind": drift.kind,
        "name": drift.name,
        "namespace": drift.namespace,
        "application": drift.application,
        "change": drift.change,
        "status": drift.status,
        "differences": [asdict(each) for each in drift.differences],
        "live": drift.live,
    }
