"""Model of an incident: typed data that is written to the archive, and validated when an untrusted archive is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from platform_e2e.checks.drifted_objects import CHANGED, EXTRA, MISSING, ROLLING, Drift
from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Finding
from platform_e2e.untrusted import documents
from platform_e2e.untrusted.documents import NoDocument
from platform_e2e.untrusted.printable import shown
from platform_e2e.untrusted.typed import strict

SCHEMA = 1
"""Of the archive that is written, and the only one that is read."""

MOST_VALUES = 100_000
"""Of each file of JSON in an archive; five thousand findings have some sixty thousand."""

OWN_FILES = frozenset({"foundations", "drift", "findings", "alerts"})
"""Fields of an incident that have files of their own in the archive."""

CHANGES = (CHANGED, MISSING, EXTRA, ROLLING)
"""Values of a drift's field `change`."""

LONGEST_NAME = 200
"""Characters of an object's name that an error shows."""

CAPTURE_AGAIN = "capture again"

T = TypeVar("T")


@dataclass(frozen=True)
class CapturedRelease:
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
    """The state of a live platform at one moment.

    Attributes:
        captured: when, in UTC, ISO 8601.
        harness: version that captured it.
        cluster: name of the context or cluster.
        kubernetes: version of the API server.
        nodes: number of nodes; 0 where they could not be listed.
        apps: names of the Applications that it is about.
        chosen: whether `apps` were named by the user; otherwise they are all Applications.
        repository: repoURL that the layer is read from.
        revision: the commit that the layer was deployed at.
        has_layer: whether the archive has the layer's files.
        probed: whether the addresses were probed from outside of the cluster.
        sealing_key_lost: whether no SealedSecret can be decrypted because the key is gone.
        held: what kept Argo CD from healing, in words.
        missed: what could not be captured, and why.
        notes: other facts that a reader should know.
        foundations: the Helm releases.
        drift: the objects that differ from Git.
        findings: of the checks.
        alerts: labels of each firing alert.
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
    foundations: tuple[CapturedRelease, ...] = ()
    drift: tuple[Drift, ...] = ()
    findings: tuple[Finding, ...] = ()
    alerts: tuple[Mapping[str, str], ...] = ()

    def head(self) -> dict[str, Any]:
        """Return the content of incident.json: every field without a file of its own."""
        return {"schema": SCHEMA} | {name: value for name, value in self.__dict__.items() if name not in OWN_FILES}


def parse(files: Mapping[str, bytes], drift: Sequence[Any]) -> Incident:
    """Return the incident of an archive.

    Args:
        files: of the archive.
        drift: the documents of `drift/`.

    Raises:
        WrongUsage: it is not an incident, has another schema, or a part of it is malformed; the text names object and field.
    """
    head = _json(files, "incident.json")
    if not isinstance(head, dict):
        raise WrongUsage("incident.json of the incident must be a mapping", CAPTURE_AGAIN)
    if head.get("schema") != SCHEMA:
        raise WrongUsage(
            f"the incident must have schema {SCHEMA}, got {head.get('schema')!r}, written by platform-e2e {head.get('harness', '?')}",
            "use the version of platform-e2e that captured it",
        )
    try:
        incident = strict({name: value for name, value in head.items() if name not in OWN_FILES}, Incident)
    except NoDocument as error:
        raise WrongUsage(f"invalid incident.json of the incident: {error}", CAPTURE_AGAIN) from error
    return replace(
        incident,
        foundations=_entries("foundations.json", _listed(files, "foundations.json"), CapturedRelease),
        drift=tuple(map(_consistent, _entries("drift", drift, Drift))),
        findings=_entries("findings.json", _listed(files, "findings.json"), Finding),
        alerts=_entries("alerts.json", _listed(files, "alerts.json"), dict[str, str]),
    )


def _json(files: Mapping[str, bytes], name: str) -> Any:
    if name not in files:
        raise WrongUsage(f"the archive must have {name} to be an incident", "name a file of `platform-e2e capture`")
    try:
        return documents.from_json(files[name], MOST_VALUES)
    except NoDocument as error:
        raise WrongUsage(f"{name} of the incident cannot be read as JSON: {error}", CAPTURE_AGAIN) from error


def _listed(files: Mapping[str, bytes], name: str) -> list[Any]:
    entries = _json(files, name) if name in files else []
    if not isinstance(entries, list):
        raise WrongUsage(f"{name} of the incident must be a list", CAPTURE_AGAIN)
    return entries


def _entries(name: str, entries: Sequence[Any], kind: type[T]) -> tuple[T, ...]:
    """Return the entries of a part as objects."""
    found = []
    for number, entry in enumerate(entries, start=1):
        try:
            found.append(strict(entry, kind))
        except NoDocument as error:
            named = entry.get("object") or entry.get("name") if isinstance(entry, dict) else None
            label = f"`{shown(named[:LONGEST_NAME])}`" if isinstance(named, str) and named else f"entry {number}"
            raise _invalid(name, label, str(error)) from error
    return tuple(found)


def _invalid(name: str, label: str, why: str) -> WrongUsage:
    return WrongUsage(f"invalid entry in {name} of the incident: {label}: {why}", CAPTURE_AGAIN)


def _consistent(drift: Drift) -> Drift:
    """Return a drift after checking that its parts fit together.

    Raises:
        WrongUsage: they do not.
    """
    label = shown(str(drift))
    if drift.change not in CHANGES:
        raise _invalid("drift", label, f"`change` must be one of {', '.join(CHANGES)}, got `{shown(drift.change)}`")
    if drift.change == EXTRA and drift.live is None:
        raise _invalid("drift", label, "`live` must be the object where `change` is extra, got none")
    if drift.live is not None:
        try:
            live = strict(drift.live, _Live)
        except NoDocument as error:
            raise _invalid("drift", label, f"`live`: {error}") from error
        identity = (f"{live.apiVersion}/{live.kind}", live.metadata.namespace, live.metadata.name)
        if identity != drift.identity:
            raise _invalid("drift", label, "`live` must be the same object, got another one")
    return drift


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Live(msgspec.Struct):
    """The part of a live object that says which one it is."""

    apiVersion: str  # noqa: N815 - the field's name in Kubernetes
    kind: str
    metadata: _Metadata


def plain_drift(drift: Drift) -> dict[str, Any]:
    """Return the content of a drift's file: the fields that differ come before the object."""
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
