"""Judge one live cluster: the layer or what Argo CD tracks is compared with it, by the checks of the nightly run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from platform_e2e import layer as layers
from platform_e2e.checks import unmanaged_changes
from platform_e2e.checks.all import UNASKED, CheckContext, run_all
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.checks.unmanaged_changes import UnmanagedChange
from platform_e2e.cluster.connection import Connection
from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.incident import revision
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Layer
from platform_e2e.runs import layer_at_commit
from platform_e2e.toolbox import layer_renderer
from platform_e2e.validation import live_layer, reachability
from platform_e2e.validation.gate import Gate
from platform_e2e.validation.listing import SECRET
from platform_e2e.validation.verdict import Verdict, by_promise, unknown_without

NOT_ASKED = "the addresses were not asked: give --probe-from host where this machine reaches them"

NOT_REACHED = "this machine reaches none of the addresses: validate from a machine on their network"

ONLY_GIT: dict[str, str] = {
    Promise.ENVIRONMENTS: "only Git knows which environments there must be: give --layer DIR",
    Promise.SELFHEAL: "only Git knows what Argo CD was told to ignore: give --layer DIR",
}
"""What is not judged without a checkout, by promise."""


def judge(
    connection: Connection, directory: Path | None, gate: Gate, probe_from: str, before: Sequence[Finding] = ()
) -> Verdict:
    """Return the verdict on a cluster.

    Args:
        connection: to it.
        directory: of the layer in a checkout, or None.
        gate: what excuses findings.
        probe_from: `host` to ask the addresses from this machine, `none` not to, `auto` where it reaches one of them.
        before: findings of an earlier look.

    Raises:
        BrokenHarness: no Application can be read.
    """
    reader, skipped = connection.kube, SkippedParts()
    apps: list[Object] = skipped.read("Applications", lambda: reader.list(argocd.APPLICATION), [])
    if not apps:
        why = skipped.parts.get("Applications", "it has none")
        raise BrokenHarness(
            f"{connection.name}: no Application can be read: {why}",
            "give the user `get` and `list` on applications.argoproj.io (`platform-e2e rbac`), or name their namespace by -n",
        )
    notes: list[str] = []
    if directory is not None and connection.repository is not None:
        # It has the commit of what was served, which the checkout has not.
        directory = connection.repository
    with _layer(directory, apps, reader, skipped, notes) as (layer, sha):
        addresses = reachability.addresses(reader, skipped)
        probing = probe_from == "host" or (probe_from == "auto" and reachability.reached(addresses))
        unjudged = dict(ONLY_GIT) if directory is None else {}
        if addresses and not probing:
            unjudged[Promise.LOADBALANCER] = NOT_ASKED if probe_from == "none" else NOT_REACHED
        context = CheckContext(
            reader,
            layer,
            sha,
            [key(app)[1] for app in apps],
            outside=Outside() if probing else UNASKED,
            pool_map=connection.pool_map,
            skipped=skipped,
        )
        findings = [*run_all(context), *before]
        for each in layer.not_judged:
            if any(rule.covers(each) for rule in layer.accepted):
                # As far as the team accepts it, it makes nothing unknown.
                skipped.parts.pop(each.object, None)
        changed: list[UnmanagedChange] = skipped.read("managed fields", lambda: list(_unmanaged(layer, reader)), [])
        if layer.unmanaged_changes_break:
            findings += unmanaged_changes.findings(changed, layer)
        else:
            notes += [f"unmanaged change: {change}" for change in changed]
        if reader.narrowed:
            kinds, where = ", ".join(sorted(reader.narrowed)), ", ".join(reader.instead)
            skipped.add("other namespaces", f"this user may list {kinds} only in {where} (-n NAME adds one)")
        blind = live_layer.blind(skipped) if directory is None else {}
        unseen = {promise for promises in blind.values() for promise in promises}
        counted, excused = gate.sorted(
            [finding for finding in findings if finding.promise not in unseen], connection.name
        )
        unknown = unknown_without(skipped, unjudged, blind)
        accepted = {promise: gate.accepted(promise) for promise in unknown}
        return Verdict(connection.name, by_promise(counted, excused, unknown, accepted), tuple(notes))


def _unmanaged(layer: Layer, reader: Reader) -> Iterator[UnmanagedChange]:
    """Yield the changes by hand that Git does not state; without a checkout it is not known what Git states."""
    if not layer.rendered or layer.engine is None:
        return
    kept = [rendered for rendered in layer.rendered if rendered.kept and rendered.api != SECRET]
    yield from unmanaged_changes.of_layer(kept, reader, reader.whole)


@contextmanager
def _layer(
    directory: Path | None, apps: list[Object], reader: Reader, skipped: SkippedParts, notes: list[str]
) -> Iterator[tuple[Layer, str]]:
    """Yield the layer at the commit that is deployed, and that commit; what Argo CD tracks, and none, where there is no checkout."""
    if directory is None:
        yield live_layer.tracked(reader, apps, skipped), ""
        return
    come = revision.origin_of(apps)
    if not come.revision:
        raise BrokenHarness("no Application says with which commit it was compared", "leave --layer out, or see why")
    notes += [f"not at the layer's commit: {other}" for other in come.others]
    with tempfile.TemporaryDirectory(prefix="platform-e2e-validate-") as scratch:
        target = Path(scratch, "layer")
        layer_at_commit.export(directory, come.revision, target)
        yield layers.load(target, layer_renderer.renderer()), come.revision
