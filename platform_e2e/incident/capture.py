"""`platform-e2e capture`: capture the state of a live platform, with get and list alone, in one redacted file."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from platform_e2e import layer as layers
from platform_e2e import paths, redact
from platform_e2e.checks.all import UNASKED, CheckContext, prometheus, run_all
from platform_e2e.checks.drifted_objects import drifts, wanted
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.checks.monitoring.prometheus import Sample
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.cluster.connection import connect
from platform_e2e.diagnosis.objects import at
from platform_e2e.errors import BrokenHarness, ExitCode, HarnessError, WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.incident import archive, helm, revision
from platform_e2e.incident.archive import files_of
from platform_e2e.incident.model import Incident
from platform_e2e.incident.output import captured, say
from platform_e2e.incident.rollouts import halfway
from platform_e2e.kube.answers import TAKEN, understood
from platform_e2e.kube.describe import dated_event_lines
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.layer import Layer, Renderer
from platform_e2e.layer.tree import files as tree_files
from platform_e2e.redact import layer_files
from platform_e2e.runs import layer_at_commit
from platform_e2e.toolbox import layer_renderer

PATIENCE = 10.0
"""Seconds for which one request is tried."""

NO_KEY = "no key could decrypt"
"""The message of Sealed Secrets about a SealedSecret for a key that it does not have (sealed-secrets 0.32.0, pkg/crypto)."""

FREEZE = "syncWindows"
"""The field of an AppProject that denies syncs at some times."""


def main(args: argparse.Namespace, cluster: str) -> int:
    """Capture an incident.

    Args:
        args: as `platform_e2e.commands.capture` parses them.
        cluster: name of a cluster of this harness, or empty.

    Returns:
        0 when the file was written, also where the platform is broken.

    Raises:
        WrongUsage: the layer is not a directory, or the file is there already.
        HarnessError: the cluster does not answer, no part of it could be read, or the file could not be written.
    """
    if args.output is not None and args.output.exists():
        raise archive.taken(args.output)  # before anything is read, which takes minutes
    if args.layer is not None and not args.layer.is_dir():
        raise WrongUsage(f"--layer must be a directory, got {args.layer}", "name the layer's directory in a checkout")
    connection = connect(
        kubeconfig=args.kubeconfig,
        cluster=cluster,
        context=args.context,
        patience=PATIENCE,
        limits=TAKEN,
        ends=time.monotonic() + args.timeout,
    )
    with (
        understood("what the API server answered"),
        connection.kube as reader,
        tempfile.TemporaryDirectory(prefix="platform-e2e-capture-") as scratch,
    ):
        places = [*args.namespace, argocd.NAMESPACE, connection.namespace or ""]
        taking = Capture(reader, connection.name, args.app, [place for place in places if place])
        say(f"{connection.name}: reads, and changes nothing")
        directory = args.layer or connection.repository or paths.project() / "platform"
        taking.take(directory, Path(scratch), renderer, Outside() if args.probe else UNASKED)
        incident = taking.incident()
        output = args.output or _own_place() / f"incident-{incident.captured.replace(':', '-')}.tar.gz"
        archive.write(output, taking.files(incident))
    captured(incident, output)
    return ExitCode.HOLDS


def _own_place() -> Path:
    """Return the directory for incidents, which Git ignores: an archive of production must not be committed."""
    paths.hide_from_git(paths.artifacts())
    place = paths.artifacts() / "incidents"
    place.mkdir(exist_ok=True)
    return place


def renderer() -> Renderer:
    """Return the renderer of layers; its programs are built the first time."""
    return layer_renderer.renderer()


class Capture:
    """Read a cluster part by part.

    Args:
        reader: of the cluster; its transport sends only GET.
        cluster: name of the cluster for the user.
        apps: names of the Applications to capture; all when empty.
        places: namespaces to read where the user cannot list all.
    """

    def __init__(
        self, reader: Reader, cluster: str, apps: Sequence[str] = (), places: Sequence[str] = (argocd.NAMESPACE,)
    ) -> None:
        self.skipped = SkippedParts()
        self._reader = reader
        self._reader.instead = tuple(dict.fromkeys(places))
        self._cluster = cluster
        self._apps = tuple(apps)
        self._parts: dict[str, Any] = {}
        self._layer_files: dict[str, bytes] = {}
        self._live: dict[str, Object] = {}
        self._notes: list[str] = []

    def take(self, directory: Path, scratch: Path, render: Any, outside: Outside) -> None:
        """Read everything.

        Args:
            directory: of the layer in a checkout.
            scratch: an empty directory.
            render: returns the renderer of layers; called only where there is a layer.
            outside: the client that probes the addresses.

        Raises:
            WrongUsage: a named Application does not exist.
            ApiError: the API server does not answer.
            BrokenHarness: no part could be read.
        """
        self._parts["kubernetes"] = self._reader.version()
        self._applications()
        come = self._parts["origin"] = revision.origin_of(list(self._live.values()))
        self._parts["probed"] = outside.asks
        layer = self._layer(directory, come, scratch, render)
        with self.skipped.skipping("nodes"):
            self._parts["nodes"] = len(self._reader.list("v1/Node"))
        self._parts["foundations"] = helm.releases(self._reader, self.skipped)
        self._parts["held"] = self._held()
        self._parts["lost"] = self._key_is_lost()
        self._parts["alerts"] = self._alerts()
        self._events()
        self._demand_something()
        if layer is not None:
            drift = drifts(self._reader, layer, list(self._live), self._live, self.skipped)
            self._parts["drift"] = drift + halfway(self._reader, wanted(layer, self._live), self.skipped)
            whole = not self._apps
            context = CheckContext(
                self._reader, layer, come.revision, list(self._live), whole, outside, skipped=self.skipped
            )
            self._parts["findings"] = run_all(context)
        if self._reader.narrowed:
            where = ", ".join(self._reader.instead)
            kinds = ", ".join(sorted(self._reader.narrowed))
            words = f"this user may list {kinds} only in single namespaces; looked into {where} (-n NAME adds one)"
            self.skipped.add("other namespaces", words)

    def _demand_something(self) -> None:
        """Raise an error where every part was refused."""
        parts = self._parts
        seen = self._live or parts.get("nodes") or parts["foundations"] or parts["alerts"] or parts["events"]
        if not seen and self.skipped.refused:
            lines = [f"\n  {part}: {self.skipped.parts[part]}" for part in dict.fromkeys(self.skipped.refused)]
            raise BrokenHarness(
                f"{self._cluster}: no part could be read, so no file is written{''.join(lines)}",
                "give the kubeconfig's user the verbs `get` and `list` on these, in the whole cluster or in namespaces that -n "
                "names, or use another kubeconfig",
            )

    def _applications(self) -> None:
        with self.skipped.skipping("Applications"):
            for app in self._reader.list(argocd.APPLICATION):
                if not self._apps or key(app)[1] in self._apps:
                    self._live[key(app)[1]] = app
            spaces = [str(at(app, "spec", "destination", "namespace") or "") for app in self._live.values()]
            self._reader.instead = tuple(dict.fromkeys([*self._reader.instead, *filter(None, spaces)]))
            unknown = sorted(set(self._apps) - self._live.keys())
            if unknown:
                raise WrongUsage(
                    f"{self._cluster} has no Application {', '.join(unknown)}",
                    "`kubectl get applications -A` lists those that there are",
                )
        if not self._live:
            self.skipped.add("Applications", "the cluster has none")

    def _layer(self, directory: Path, come: revision.Origin, scratch: Path, render: Any) -> Layer | None:
        """Return the layer at the commit, and keep its files; None where the layer cannot be restored or read."""
        if come.others:
            self._notes.append(f"not at the layer's commit: {'; '.join(come.others)}")
        if not come.revision:
            self.skipped.add("layer, drift and findings", "no Application says with which commit it was compared")
            return None
        target = scratch / "layer"
        try:
            layer_at_commit.export(directory, come.revision, target)
            self._layer_files, hidden = layer_files.redacted(_read(target))
            if hidden:
                self._notes.append(f"the layer has secrets, which are left out: {', '.join(hidden)}")
            return layers.load(target, render())
        except HarnessError as error:
            self.skipped.add("layer, drift and findings", str(error))
            return None

    def _held(self) -> tuple[str, ...]:
        """Return what prevents Argo CD from healing: Applications without self-heal, and sync windows of their projects."""
        words = [
            f"application/{name}: spec.syncPolicy.automated does not say selfHeal"
            for name, app in self._live.items()
            if not at(app, "spec", "syncPolicy", "automated", "selfHeal")
        ]
        with self.skipped.skipping("AppProjects"):
            used = {at(app, "spec", "project") for app in self._live.values()}
            for project in self._reader.list(argocd.APPPROJECT):
                if key(project)[1] in used:
                    words += [
                        f"appproject/{key(project)[1]}: sync window {window.get('kind')} {window.get('schedule')!r} for "
                        f"{window.get('duration')}"
                        for window in at(project, "spec", FREEZE) or ()
                    ]
        return tuple(words)

    def _key_is_lost(self) -> bool:
        """Tell whether there are SealedSecrets and the key for every one of them is missing."""
        kind = "bitnami.com/v1alpha1/SealedSecret"
        sealed: Sequence[Object] = self.skipped.read("SealedSecrets", lambda: self._reader.list(kind), [])
        conditions = [str(at(secret, "status", "conditions") or "") for secret in sealed]
        return bool(conditions) and all(NO_KEY in text for text in conditions)

    def _alerts(self) -> list[dict[str, str]]:
        asked = prometheus(self._reader, self.skipped)
        if asked is None:
            return []
        firing: Sequence[Sample] = self.skipped.read("alerts", lambda: asked.query('ALERTS{alertstate="firing"}'), [])
        return [dict(sample.labels) for sample in firing]

    def _events(self) -> None:
        """Keep the events of the namespaces of the Applications and of their destinations."""
        spaces = {str(at(app, "spec", "destination", "namespace") or "") for app in self._live.values()}
        spaces |= {key(app)[0] for app in self._live.values()}
        spaces |= {release.namespace for release in self._parts["foundations"]} if not self._apps else set()
        lines: list[str] = []
        for namespace in sorted(spaces - {""}):
            with self.skipped.skipping(f"events of namespace {namespace}"):
                found = self._reader.list("v1/Event", namespace)
                if found:
                    lines += [f"# namespace {namespace}: {len(found)} events", *dated_event_lines(found)]
        self._parts["events"] = lines

    def incident(self) -> Incident:
        """Return the incident of all parts that were read."""
        come: revision.Origin = self._parts["origin"]
        return Incident(
            captured=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            harness=harness_version(),
            cluster=self._cluster,
            kubernetes=self._parts["kubernetes"],
            nodes=self._parts.get("nodes", 0),
            apps=tuple(sorted(self._live)),
            chosen=bool(self._apps),
            repository=redact.text(come.repository),
            revision=come.revision,
            has_layer=bool(self._layer_files),
            probed=self._parts["probed"],
            sealing_key_lost=self._parts["lost"],
            held=self._parts["held"],
            missed=self.skipped.parts,
            notes=tuple(self._notes),
            foundations=tuple(self._parts["foundations"]),
            drift=tuple(self._parts.get("drift", ())),
            findings=tuple(self._parts.get("findings", ())),
            alerts=tuple(self._parts["alerts"]),
        )

    def files(self, incident: Incident) -> dict[str, bytes]:
        """Return the files of the archive; all but the layer's are redacted here, also where they were redacted before.

        Args:
            incident: what `incident` returned.
        """
        found = {f"layer/{name}": content for name, content in self._layer_files.items()}
        return found | files_of(incident, list(self._live.values()), self._parts["events"])


def harness_version() -> str:
    """Return the version of this harness, also where it runs from a checkout."""
    try:
        return version("platform-e2e")
    except PackageNotFoundError:
        return "0 (checkout)"


def _read(directory: Path) -> dict[str, bytes]:
    """Return the content of a layer's files by name; links are followed, since the archive has no links."""
    root = directory.resolve()
    return {str(path.relative_to(root)): path.read_bytes() for path in tree_files(root) if path.is_file()}
