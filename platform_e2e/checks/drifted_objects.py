"""Drift: the live objects that differ from Git, read with get and list alone, and redacted before they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platform_e2e import redact
from platform_e2e.checks.git_differences import HIDDEN, Difference, missing_from, value_at
from platform_e2e.checks.ignore_differences import statuses
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.checks.unjudged import Makers
from platform_e2e.diagnosis.objects import annotations_of, at
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Application, Layer, Rendered
from platform_e2e.layer.objects import described

CHANGED, MISSING, EXTRA = "changed", "missing", "extra"
"""How a live object may differ from Git: in fields, by its absence, or by being there although no file says so."""

ROLLING = "rolling"
"""How a Deployment may differ from Git only in what runs: an older template has not ended."""

GATHERED = (
    "v1/Service",
    "metallb.io/v1beta1/IPAddressPool",
    "metallb.io/v1beta1/L2Advertisement",
    "monitoring.coreos.com/v1/ServiceMonitor",
)
"""Kinds of which an object that no file of Git has takes something from the layer's: an address, or the place of a monitor."""

OWNED = ("meta.helm.sh/release-name",)
"""Annotations that say who else has made an object."""

Identity = tuple[str, str, str, str]
"""Group, kind, namespace and name."""


@dataclass(frozen=True)
class Drift:
    """A live object that is not what Git says.

    Attributes:
        kind: as the client takes it, `apps/v1/Deployment`.
        name: of the object.
        namespace: of the object, or empty.
        application: that renders it; empty for an object that no file of Git has.
        change: `changed`, `missing`, `extra` or `rolling`.
        status: what the Application says about it: Synced, OutOfSync, or nothing.
        differences: for a changed object each field, for a rolling one what its older template has, redacted.
        live: the object as the cluster has it, redacted; None where it is missing.
    """

    kind: str
    name: str
    namespace: str
    application: str
    change: str
    status: str = ""
    differences: tuple[Difference, ...] = ()
    live: Object | None = None

    def __str__(self) -> str:
        """Name the object as findings do."""
        return described(self.kind.rsplit("/", 1)[-1], self.name, self.namespace or None)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what makes it this object."""
        return self.kind, self.namespace, self.name


def wanted(layer: Layer, apps: Iterable[str]) -> list[Rendered]:
    """Return every object that Git keeps, of some Applications, the Applications themselves included; no hooks.

    Args:
        layer: at the revision.
        apps: names of the Applications.
    """
    names = set(apps)
    found = [rendered for rendered in layer.rendered if rendered.application in names and rendered.kept]
    known = {drift.identity for drift in found}
    # No Application renders the root, and generated ones are the ApplicationSet's.
    own = [_as_rendered(app) for app in layer.applications if app.name in names]
    return found + [drift for drift in own if drift.identity not in known]


def _as_rendered(app: Application) -> Rendered:
    manifest = {**app.manifest, "metadata": {**app.manifest["metadata"], "namespace": app.namespace}}
    return Rendered(manifest, app.name, app.file, app.line)


def drifts(
    reader: Reader, layer: Layer, apps: Sequence[str], live_apps: Mapping[str, Object], skipped: SkippedParts
) -> list[Drift]:
    """Return the objects that are not as in Git.

    Args:
        reader: of the cluster.
        layer: at the revision that is deployed.
        apps: names of the Applications that it is about.
        live_apps: those as the cluster has them.
        skipped: is told what may not be read.
    """
    said = {name: dict(statuses(app)) for name, app in live_apps.items()}
    found: list[Drift] = []
    for rendered in wanted(layer, apps):
        with skipped.skipping(f"{rendered.kind} objects"):
            live = reader.get(rendered.api, rendered.name, rendered.namespace)
            drift = compared(rendered, live, status_of(rendered, said.get(rendered.application, {})))
            found += [drift] if drift else []
    return found + list(_extras(reader, layer, apps, live_apps, skipped))


def status_of(rendered: Rendered, said: Mapping[Identity, str]) -> str:
    """Return what an Application says about an object, which namespace it may have left out."""
    group, kind, namespace, name = rendered.identity
    return said.get((group, kind, namespace or "", name), "")


def compared(rendered: Rendered, live: Object | None, status: str = "") -> Drift | None:
    """Return how an object differs from Git, without a secret in it; None where it does not.

    Args:
        rendered: as Git has it.
        live: as the cluster has it, or None.
        status: what its Application says.
    """
    drift = Drift(rendered.api, rendered.name, rendered.namespace or "", rendered.application, CHANGED, status)
    if live is None:
        return replace(drift, change=MISSING)
    different = missing_from(rendered.object, live)
    if not different:
        return None
    safe, git = kept(live), redact.plain(rendered.object)
    return replace(drift, live=safe, differences=tuple(_safe(each, git, safe) for each in different))


def _safe(difference: Difference, git: Object, live: Object) -> Difference:
    """Return a difference with the values that stand in the redacted objects: names of fields above it may hide it."""
    if HIDDEN in {str(difference.expected), str(difference.observed)}:
        return difference
    expected = None if difference.expected is None else value_at(git, difference.path)
    observed = None if difference.observed is None else value_at(live, difference.path)
    return Difference(difference.path, expected, observed)


def kept(live: Object) -> Object:
    """Return a live object as it may reach a disk; who wrote which field is in no need of a reader here."""
    result: dict[str, Any] = redact.plain(live)
    (result.get("metadata") or {}).pop("managedFields", None)
    return result


def _extras(
    reader: Reader, layer: Layer, apps: Sequence[str], live_apps: Mapping[str, Object], skipped: SkippedParts
) -> Iterator[Drift]:
    """Yield objects that no file of Git has: what Applications would prune, and what takes something from the layer."""
    known = {rendered.identity for rendered in layer.rendered}
    makers = Makers(layer.aside, live_apps.values())
    for name in apps:
        for entry in at(live_apps.get(name), "status", "resources") or ():
            if entry.get("requiresPruning"):
                group = f"{entry['group']}/" if entry.get("group") else ""
                kind = f"{group}{entry.get('version')}/{entry.get('kind')}"
                with skipped.skipping(f"{entry.get('kind')} objects"):
                    live = reader.get(kind, str(entry.get("name")), entry.get("namespace"))
                    if live is not None:
                        known.add(_identity(live))
                        yield _extra(live, name, str(entry.get("status") or ""))
    for kind in GATHERED:
        with skipped.skipping(f"{kind.rsplit('/', 1)[1]} objects outside of Git"):
            for live in reader.list(kind):
                if _identity(live) not in known and _is_unowned(live) and not makers.made(live):
                    yield _extra(live, "", "")


def _extra(live: Object, application: str, status: str) -> Drift:
    namespace, name = key(live)
    return Drift(kind_of(live), name, namespace, application, EXTRA, status, live=kept(live))


def _is_unowned(live: Object) -> bool:
    """Tell whether no release and no controller has made an object, and a Service is one that takes an address."""
    if at(live, "metadata", "ownerReferences") or any(name in annotations_of(live) for name in OWNED):
        return False
    return live.get("kind") != "Service" or at(live, "spec", "type") == "LoadBalancer"


def _identity(live: Object) -> tuple[str, str, str | None, str]:
    namespace, name = key(live)
    return str(live.get("apiVersion")).rpartition("/")[0], str(live.get("kind")), namespace or None, name
