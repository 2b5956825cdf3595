"""Read the foundations of a live cluster from Helm's release Secrets, and compare them with those that run here."""

from __future__ import annotations

import base64
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from platform_e2e import redact
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.incident.model import CapturedRelease
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Release
from platform_e2e.untrusted.documents import NoDocument
from platform_e2e.untrusted.typed import strict_json

SHOWN = 6
"""How many differing values of each release are named; foundations.json has all of them."""

MOST_BYTES = 32 << 20
"""Bytes of an unpacked release: etcd takes 1.5 MiB of a Secret, and manifests pack to a tenth. Zeros pack to a thousandth."""


class _ChartMetadata(msgspec.Struct):
    name: str
    version: str = ""
    appVersion: str = ""  # noqa: N815 - the field's name in Helm


class _Chart(msgspec.Struct):
    metadata: _ChartMetadata


class _Release(msgspec.Struct):
    """The part of a release that is captured (Helm 3, pkg/release/release.go)."""

    name: str
    namespace: str
    chart: _Chart
    config: dict[str, Any] | None = None


def releases(reader: Reader, skipped: SkippedParts) -> list[CapturedRelease]:
    """Return the deployed Helm releases, without their secrets.

    Args:
        reader: of the cluster.
        skipped: records which release Secrets cannot be read.
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
            # A text of ours quotes no value of the Secret; that of a library may.
            why = error if type(error) is NoDocument else type(error).__name__
            skipped.add(f"release {name} -n {namespace}", f"its Secret is not a release of Helm: {why}")
    return found


def _number(secret: Object) -> int:
    text = str((secret["metadata"].get("labels") or {}).get("version") or "0")
    return int(text) if text.isdecimal() else 0


def unpacked(secret: Object) -> CapturedRelease:
    """Return the release of a release Secret (Helm 3, pkg/storage/driver/util.go).

    Args:
        secret: as the API server has it.

    Raises:
        NoDocument: it is not a release of Helm; the text quotes no value.
    """
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
        plain = stream.read(MOST_BYTES + 1)
    if len(plain) > MOST_BYTES:
        raise NoDocument(f"must have at most {MOST_BYTES >> 20} MiB unpacked, got more")
    release = strict_json(plain, _Release)
    chart = release.chart.metadata
    values = redact.plain(release.config or {})
    return CapturedRelease(release.name, release.namespace, chart.name, chart.version, chart.appVersion, values)


def nearest(release: CapturedRelease, several: Sequence[CapturedRelease]) -> CapturedRelease | None:
    """Return the release with the same name and namespace, or else the only one of the same chart.

    Args:
        release: of one cluster.
        several: the releases of another cluster.
    """
    named = [each for each in several if (each.name, each.namespace) == (release.name, release.namespace)]
    charts = [each for each in several if each.chart == release.chart]
    return named[0] if named else charts[0] if len(charts) == 1 else None


def pinned(wanted: Sequence[Release], captured: Sequence[CapturedRelease]) -> list[Release]:
    """Return the layer's releases with the versions that ran at the incident, which may differ from those in Git.

    Args:
        wanted: of the layer.
        captured: of the incident.
    """
    found = []
    for release in wanted:
        own = CapturedRelease(release.name, release.namespace, release.chart, release.version, release.app_version)
        then = nearest(own, captured)
        same = then is not None and then.chart == release.chart and then.version and then.app_version
        found.append(replace(release, version=then.version, app_version=then.app_version) if then and same else release)
    return found


def differences(
    then: Sequence[CapturedRelease], here: Sequence[CapturedRelease], absent: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield one line for each difference between the foundations of the incident and those that run here.

    Args:
        then: of the incident.
        here: of the cluster that it is reproduced on.
        absent: by release, parts of the upstream chart that the chart here does not have.
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
    for now in here:
        if nearest(now, then) is None:
            yield f"release {now.name} ({now.chart} {now.version}) is here and was not captured"


def _plain(version: str) -> str:
    return version.removeprefix("v")


def _different(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield where two trees of values differ."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in {*then, *now}:
            yield from _different(then.get(name), now.get(name), f"{path}.{name}" if path else str(name))
    elif then != now:
        yield path
