"""`platform-e2e reproduce`: reproduce a captured incident on a cluster of its own, and compare the findings."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from platform_e2e import layer as layers
from platform_e2e import paths
from platform_e2e.bringup import RunningPlatform, bring_up
from platform_e2e.checks.all import UNASKED, CheckContext, run_all
from platform_e2e.checks.drifted_objects import ROLLING, Drift, wanted
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.loadbalancer.check import NO_ADDRESS
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.cluster import manage as clusters
from platform_e2e.cluster.provider import ClusterFacts, Images
from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.gitops import sync_pause
from platform_e2e.gitops.deploy import refresh_all
from platform_e2e.incident import archive, heal_watch, helm
from platform_e2e.incident.apply_drift import Applied, apply, lose_address, lose_sealing_key
from platform_e2e.incident.capture import renderer
from platform_e2e.incident.model import Incident, parse
from platform_e2e.incident.output import PrintedTimeline, line_of, say, say_list, table
from platform_e2e.incident.rollouts import roll
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.layer import Layer
from platform_e2e.paths import command
from platform_e2e.runs import layer_at_commit
from platform_e2e.runs.compare import AGAIN, ComparedFinding, all_again, compare_findings
from platform_e2e.settings import OPTIONS, Settings
from platform_e2e.toolbox import images
from platform_e2e.untrusted import documents
from platform_e2e.untrusted.printable import shown

CLUSTER = "incident"
"""Name of the cluster unless the user chooses one."""

AGAIN_SECONDS = 120.0
"""Seconds until the findings are seen again after the drift is applied: Prometheus needs some scrapes, pods some attempts."""

MOST_NODES = 9
"""Nodes that a cluster here can have."""

MOST_DRIFT_VALUES = 60_000
"""Values of all drifted objects together; one object has a few hundred."""

LARGEST_DRIFT = 8 << 20
"""Bytes of the files of all drifted objects together."""

SHOWN = 10
"""How many objects a sentence names."""

HEAL = "heal"
"""The value of --then."""


def main(args: argparse.Namespace, settings: Settings) -> int:
    """Reproduce an incident.

    Args:
        args: as `platform_e2e.commands.reproduce` parses them.
        settings: of the cluster.

    Returns:
        0 when every finding of the incident is seen again, else 1. It does not return where it becomes a shell.

    Raises:
        WrongUsage: the archive cannot be used, or --trust was not given.
        HarnessError: the cluster or a foundation did not come up.
    """
    files = archive.read(args.archive)
    incident = parse(files, drift_documents(files))
    if not settings.trust:
        raise _untrusted(incident, files, args)
    given = Path(named) if (named := _chosen(args, "layer")) else None
    if not _chosen(args, "cluster"):
        settings = replace(settings, cluster=CLUSTER)
    shell = not args.no_shell and sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="platform-e2e-incident-") as scratch:
        layer = layer_of(incident, files, given, Path(scratch) / "layer")
        made: list[ClusterFacts] = []
        try:
            status, facts = _reproduce(incident, layer, settings, then=args.then, made=made.append)
        finally:
            # After an error or Ctrl-C, too: the cluster goes on running and has to be removed.
            for cluster in made:
                _ways_in(cluster)
    if shell:
        os.environ["PLATFORM_E2E_CLUSTER"] = facts.name
        say("a shell with KUBECONFIG, kubectl and PLATFORM_E2E_CLUSTER set; leave it by `exit`, the cluster stays")
        clusters.shell(facts, "")
    return status


def _chosen(args: argparse.Namespace, name: str) -> str:
    """Return the value that the user gave an option or its variable; an empty string where it has its default."""
    option = next(option for option in OPTIONS if option.name == name)
    return str(getattr(args, option.dest, None) or os.environ.get(option.variable) or "")


def drift_documents(files: Mapping[str, bytes]) -> list[object]:
    """Return the documents of `drift/`, in their order.

    Raises:
        WrongUsage: one is not YAML, or goes beyond a bound.
    """
    found: list[object] = []
    left, size = MOST_DRIFT_VALUES, LARGEST_DRIFT
    for name in sorted(files):
        if name.startswith("drift/"):
            size -= len(files[name])
            try:
                if size < 0:
                    raise documents.NoDocument(f"all of drift/ has more than {LARGEST_DRIFT >> 20} MiB")
                document, values = documents.from_yaml(files[name], left)
            except documents.NoDocument as error:
                raise WrongUsage(f"{name} of the incident cannot be read as YAML: {error}", "capture again") from error
            found.append(document)
            left -= values
    return found


def _untrusted(incident: Incident, files: Mapping[str, bytes], args: argparse.Namespace) -> WrongUsage:
    """Return the error for an incident without --trust, which lists what would run."""
    layer = [name for name in files if name.startswith("layer/")]
    what = f"a layer of {len(layer)} files" if layer and not _chosen(args, "layer") else "no layer of its own"
    drift = ", ".join(map(str, incident.drift[:SHOWN])) + ("..." if len(incident.drift) > SHOWN else "")
    releases = ", ".join(
        f"{release.name} ({release.chart} {release.version})" for release in incident.foundations[:SHOWN]
    )
    return WrongUsage(
        shown(
            f"{args.archive} was made elsewhere. It would run on a cluster of this machine, with pods that are then pods of this "
            f"machine: {what}; {len(incident.drift)} changed object(s){f' ({drift})' if drift else ''}; values of "
            f"{len(incident.foundations)} release(s){f' ({releases})' if releases else ''}"
        ),
        "look at what it has (tar -tzf FILE), and if you trust who captured it, reproduce it with --trust",
    )


def layer_of(incident: Incident, files: Mapping[str, bytes], given: Path | None, target: Path) -> Layer:
    """Return the layer at the incident's commit: from the archive, or from a checkout that has the commit.

    Args:
        incident: that was captured.
        files: of the archive.
        given: the value of --layer, or None.
        target: directory to write the layer to.

    Raises:
        WrongUsage: the archive has no layer and no checkout was named.
        NoCommit: the checkout does not have the commit.
    """
    if incident.has_layer and given is None:
        archive.unpack(files, target, "layer/")
    elif given is not None:
        layer_at_commit.export(given, incident.revision, target)
    else:
        raise WrongUsage(
            f"the archive has no layer; it was {incident.repository or 'an unknown repository'} at "
            f"{incident.revision[:12] or 'an unknown commit'}",
            "name a checkout that has that commit by --layer DIR",
        )
    return layers.load(target, renderer())


def _reproduce(
    incident: Incident, layer: Layer, settings: Settings, *, then: str, made: Callable[[ClusterFacts], None]
) -> tuple[int, ClusterFacts]:
    """Reproduce the incident, compare, and let Argo CD heal if asked to."""
    say(f"incident of {incident.cluster}, {incident.captured}: {len(incident.findings)} findings, {len(incident.drift)} objects "
        f"differ from Git; layer at {incident.revision[:12]}")  # fmt: skip
    say_list("findings of the incident", (line_of(finding) for finding in incident.findings))
    say_list("not captured", (f"{part}: {why}" for part, why in incident.missed.items()))
    releases = helm.pinned(layer.releases, incident.foundations)
    nodes = min(max(incident.nodes, settings.nodes, 1), MOST_NODES)
    timeline = PrintedTimeline()
    with bring_up(settings, layer, nodes=nodes, releases=releases, timeline=timeline, made=made) as up:
        skipped = SkippedParts()
        absent = {release.name: release.absent for release in up.installed}
        lines = list(helm.differences(incident.foundations, helm.releases(up.kube, skipped), absent))
        say_list("foundations differ", lines)
        say_list("the cluster differs", _other_differences(incident, up))
        held = sync_pause.pause(up.kube, sync_pause.projects_of(layer, [app.name for app in layer.applications]))
        say(sync_pause.SAID.format(", ".join(held)))
        applied = apply_incident(incident, up)
        say_list("applied", map(str, applied))
        rows = compared(incident, up, applied, timeout=AGAIN_SECONDS)
        sys.stdout.write(table(rows, "findings of the incident"))
        seen = sum(row.verdict == AGAIN for row in rows)
        say(f"{seen} of {len(incident.findings)} findings of the incident are seen again")
        if then == HEAL:
            _heal(incident, up, held)
        return (ExitCode.HOLDS if all_again(rows) else ExitCode.BROKEN_PLATFORM), up.facts


def _other_differences(incident: Incident, up: RunningPlatform) -> list[str]:
    here = up.kube.version()
    found = [] if here == incident.kubernetes else [f"Kubernetes {incident.kubernetes} then, {here} here"]
    if incident.nodes and incident.nodes != len(up.facts.nodes):
        found.append(f"{incident.nodes} nodes then, {len(up.facts.nodes)} here")
    found += [f"pool {used} in place of {stated}" for stated, used in up.facts.pool_map.items()]
    found += [f"held then by {reason}" for reason in incident.held]
    if up.facts.images == Images.BUILT.value:
        built, asked = images.names(paths.project() / "platform" / "apps"), images.names(up.layer.directory / "apps")
        found += [f"{asked[name]} does not exist here; this checkout builds {built.get(name, 'no such image')}"
                  for name in asked if asked[name] != built.get(name)]  # fmt: skip
    return found + ([f"some Applications have not converged: {up.late}"] if up.late else [])


def apply_incident(incident: Incident, up: RunningPlatform) -> list[Applied]:
    """Apply what the incident has: changed objects, lost addresses, the lost key.

    Args:
        incident: that was captured.
        up: the platform that has just come up.
    """
    # A stuck rollout began before later faults, such as the loss of a key that its pods need.
    applied = [roll(up.kube, drift) for drift in incident.drift if drift.change == ROLLING]
    applied += [apply(up.kube, _moved(drift, up)) for drift in incident.drift if drift.change != ROLLING]
    if incident.sealing_key_lost:
        applied.append(lose_sealing_key(up.kube))
    for finding in incident.findings:
        if finding.observed == NO_ADDRESS and finding.object.startswith("service/"):
            name, _, namespace = finding.object.removeprefix("service/").partition(" -n ")
            applied.append(lose_address(up.kube, name, namespace))
    return applied


def _moved(drift: Drift, up: RunningPlatform) -> Drift:
    """Return drift without the addresses of a pool that this cluster has moved to other addresses."""
    if not up.facts.pool_map:
        return drift
    kept = tuple(each for each in drift.differences if "/addresses" not in each.path)
    return replace(drift, differences=kept)


def compared(
    incident: Incident, up: RunningPlatform, applied: Sequence[Applied] = (), *, timeout: float
) -> list[ComparedFinding]:
    """Run the checks until every finding of the incident is seen again or the time is over, and return both side by side.

    Args:
        incident: that was captured.
        up: the platform to check.
        applied: what was done to the objects; its problems say why a finding is not seen again.
        timeout: seconds.
    """
    reasons = {each.object: f"it is not judged here: {each.problem}" for each in up.layer.not_judged}
    reasons |= {each.object: each.problem for each in applied if each.problem}
    outside = Outside.of(up.facts) if incident.probed else UNASKED
    rows: list[ComparedFinding] = []

    def look() -> Verdict:
        context = CheckContext(
            up.kube, up.layer, up.sha, incident.apps, not incident.chosen, outside, up.facts.pool_map, SkippedParts()
        )
        rows[:] = compare_findings(incident.findings, run_all(context), reasons)
        left = [str(row.then.object) for row in rows if row.then and row.verdict != AGAIN]
        return Pending(f"not seen again: {', '.join(left)}") if left else Met()

    try:
        poll(look, timeout=timeout, what="the findings of the incident are seen again")
    except Timeout:
        return rows
    return rows


def _heal(incident: Incident, up: RunningPlatform, held: Sequence[str]) -> None:
    """Let Argo CD heal, and print what it healed."""
    say("Argo CD may heal now")
    sync_pause.resume(up.kube, held)
    refresh_all(up.kube, up.layer)
    healed = heal_watch.watch(
        up.kube,
        [drift for drift in incident.drift if drift.change != ROLLING],
        wanted(up.layer, [app.name for app in up.layer.applications]),
        timeout=heal_watch.HEAL_SECONDS,
    )
    rows = compared(replace(incident, findings=()), up, timeout=0.0)
    causes = {row.now.object: f" [{row.now.cause.id}]" for row in rows if row.now is not None}
    say_list("healed", (f"{heal}{causes.get(heal.object, '') if heal.seconds is None else ''}" for heal in healed))
    say_list("still found", (line_of(row.now) for row in rows if row.now is not None))
    gone = {(finding.object, finding.cause.id) for finding in incident.findings} - {
        (row.now.object, row.now.cause.id) for row in rows if row.now
    }
    back = sum(heal.seconds is not None for heal in healed)
    say(
        f"{back} of {len(healed)} objects are as in Git again; {len(gone)} of {len(incident.findings)} findings are gone"
    )


def _ways_in(facts: ClusterFacts) -> None:
    say(f"cluster {facts.name} stays:")
    say(f"  get in:     {command('cluster')} shell {facts.name}")
    say(f"  ask it:     {command('explain')} --cluster {facts.name}")
    say(f"  kubectl:    export KUBECONFIG={facts.kubeconfig}")
    say(f"  remove it:  {command('cluster')} down {facts.name}")
