"""The configuration that an Alertmanager has loaded is the one that it is given: one that it refuses leaves the old one at work."""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterator

from platform_e2e.checks import helm_values
from platform_e2e.checks.alerts.alertmanager import KIND, answering
from platform_e2e.checks.alerts.routes import Routing
from platform_e2e.diagnosis.objects import at, condition
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations.alertmanager_settings import CHART
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Layer
from platform_e2e.layer.objects import described

GENERATED, DATA = "alertmanager-{name}-generated", "alertmanager.yaml.gz"
"""The Secret, and its key, that the operator makes of the configuration and mounts (prometheus-operator 0.88.0, pkg/alertmanager)."""


def check(layer: Layer, reader: Reader) -> list[Finding]:
    """Return what is wrong with the configuration of each Alertmanager.

    Args:
        layer: whose release brings them.
        reader: of the cluster.
    """
    return [
        Finding(
            _named(each),
            Promise.MONITORING,
            "it has loaded its configuration",
            "it goes on with an older one",
            Cause("alertmanager-config-not-loaded", sentence, f"correct it in {_where(layer)}"),
        )
        for each in reader.list(KIND)
        for sentence in _refused(each, reader)
    ]


def _refused(alertmanager: Object, reader: Reader) -> Iterator[str]:
    """Yield why a configuration is not at work: the operator refuses it, or Alertmanager has not loaded it."""
    name = _named(alertmanager)
    reconciled = condition(alertmanager, "Reconciled")
    if reconciled.get("status") == "False":
        said = " ".join(str(reconciled.get("message") or reconciled.get("reason") or "no reason given").split())
        yield f"the configuration of {name} is refused: {said}"
        return
    given = _given(alertmanager, reader)
    loaded = [routing for routing, _ in answering(reader)]
    if given is not None and loaded and given not in loaded:
        yield f"{name} has not loaded the configuration that it is given: its routes, receivers or inhibitions are others"


def _given(alertmanager: Object, reader: Reader) -> Routing | None:
    """Return what the operator gives an Alertmanager; None where that is not there, or may not be read."""
    namespace, name = key(alertmanager)
    secret = reader.get("v1/Secret", GENERATED.format(name=name), namespace)
    try:
        packed = base64.b64decode(str(at(secret, "data", DATA) or ""), validate=True)
        return Routing.parse(gzip.decompress(packed).decode()) if packed else None
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None


def _named(alertmanager: Object) -> str:
    namespace, name = key(alertmanager)
    return described("Alertmanager", name, namespace)


def _where(layer: Layer) -> str:
    release = next((each for each in layer.releases if each.chart == CHART), None)
    if release is None:
        return "its Secret"
    return helm_values.location_of(layer.directory, release, "alertmanager", "config")
