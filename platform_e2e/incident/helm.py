"""The foundations of a live cluster, read from Helm's own release Secrets, and how they differ from those that run here."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from platform_e2e import redact
from platform_e2e.checks.partial import SkippedParts
from platform_e2e.incident.model import Installed
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Release

SHOWN = 6
"""How many fields of values that differ are named of each release; all of them are in foundations.json."""


MOST_BYTES = 32 << 20
"""Of a release, unpacked: etcd takes 1.5 MiB of a Secret, and manifests pack to a tenth. A file of zeros packs to a thousandth."""


def releases(reader: Reader, skipped: SkippedParts) -> list[Installed]:
    """Return the deployed Helm releases, without their secrets.

    Args:
        reader: of the cluster.
        skipped: is told where release Secrets may not be read.
    """
    newest: dict[tuple[str, str], Object] = {}
    with skipped.skipping("foundations"):
        for secret in reader.list("v1/Secret", labels={"owner": "helm"}):
            labels = secret["metadata"].get("labels") or {}
            if labels.get("status") in {"deployed", "failed"} or str(labels.get("status")).startswith("pending"):
                place = (str(secret["metadata"].get("namespace")), str(labels.get("name")))
                if place not in newest or _number(secret) > _number(newest[place]):
                    newest[place] = secret
    found = []
    for (namespace, name), secret in sorted(newest.items()):
        try:
            found.append(unpacked(secret))
        except (KeyError, TypeError, ValueError, OSError, EOFError, RecursionError, zlib.error) as error:
            # A text of ours quotes nothing of the Secret; that of a library may.
            why = error if type(error) is _NotHelms else type(error).__name__
            skipped.add(f"release {name} -n {namespace}", f"its Secret is none of Helm's: {why}")
    return found


class _NotHelms(ValueError):
    """A release Secret has what Helm writes into none."""


def _number(secret: Object) -> int:
    text = str((secret["metadata"].get("labels") or {}).get("version") or "0")
    return int(text) if text.isdecimal() else 0


def unpacked(secret: Object) -> Installed:
    """Return what a release Secret says of the release (Helm 3, pkg/storage/driver/util.go)."""
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
        plain = stream.read(MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise _NotHelms(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
    release = _mapping(json.loads(plain), "the release")
    chart = _mapping(_mapping(release["chart"], "its chart")["metadata"], "its chart's metadata")
    values = redact.plain(_mapping(release.get("config") or {}, "its config"))
    texts = (str(release["name"]), str(release["namespace"]), str(chart["name"]))
    return Installed(*texts, str(chart.get("version", "")), str(chart.get("appVersion", "")), values)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _NotHelms(f"{what} must be a mapping")
    return value


def nearest(release: Installed, several: Sequence[Installed]) -> Installed | None:
    """Return the release of that name and namespace, or else the only one of that chart.

    Args:
        release: a release of one cluster.
        several: those of another one.
    """
    named = [each for each in several if (each.name, each.namespace) == (release.name, release.namespace)]
    charts = [each for each in several if each.chart == release.chart]
    return named[0] if named else charts[0] if len(charts) == 1 else None


def pinned(wanted: Sequence[Release], captured: Sequence[Installed]) -> list[Release]:
    """Return the layer's releases with the versions that ran at the incident, which may be others than Git pins.

    Args:
        wanted: of the layer.
        captured: of the incident.
    """
    found = []
    for release in wanted:
        own = Installed(release.name, release.namespace, release.chart, release.version, release.app_version)
        then = nearest(own, captured)
        same = then is not None and then.chart == release.chart and then.version and then.app_version
        found.append(replace(release, version=then.version, app_version=then.app_version) if then and same else release)
    return found


def differences(
    then: Sequence[Installed], here: Sequence[Installed], absent: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield in one line each how the foundations of the incident differ from those that run here.

    Args:
        then: of the incident.
        here: of the cluster that it is reproduced on.
        absent: by release, parts of the upstream chart that the one here has not.
    """
    for release in then:
        now = nearest(release, here)
        if now is None:
            yield f"release {release.name} ({release.chart} {release.version}) was there then and is not here"
            continue
        if _plain(release.app_version) != _plain(now.app_version):
            yield f"release {release.name}: {release.app_version} then, {now.app_version} here"
        elif release.version != now.version:
            yield f"release {release.name}: chart {release.version} then, {now.version} here"
        if absent.get(now.name):
            yield f"release {release.name}: without {', '.join(absent[now.name])} here"
        fields = sorted(set(_different(release.values, now.values)))
        if fields:
            more = f" and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
            yield f"release {release.name}: values differ at {', '.join(fields[:SHOWN])}{more}"
    for one in here:
        if nearest(one, then) is None:
            yield f"release {one.name} ({one.chart} {one.version}) is here and was not captured"


def _plain(version: str) -> str:
    return version.removeprefix("v")


def _different(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield where two trees of values differ."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in {*then, *now}:
            yield from _different(then.get(name), now.get(name), f"{path}.{name}" if path else str(name))
    elif then != now:
        yield path
