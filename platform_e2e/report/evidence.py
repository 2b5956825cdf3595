"""Keep what explains a failure: objects, events and logs of what failed, without secrets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from platform_e2e.errors import HarnessError
from platform_e2e.report import redact

LOG_LINES = 300
"""How many last lines of each container's log are kept: some minutes of a chatty controller."""

LIMIT_SECONDS = 60.0
"""For all evidence of one failure; on a cluster that answers it takes about a second."""

NAMESPACE_KINDS = (
    "v1/Pod",
    "v1/Service",
    "discovery.k8s.io/v1/EndpointSlice",
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "networking.k8s.io/v1/NetworkPolicy",
    "monitoring.coreos.com/v1/ServiceMonitor",
)
"""What of a namespace is kept; Secrets and ConfigMaps only when they are what failed."""

CLUSTER_KINDS = (
    "v1/Node",
    "argoproj.io/v1alpha1/Application",
    "argoproj.io/v1alpha1/ApplicationSet",
    "metallb.io/v1beta1/IPAddressPool",
    "metallb.io/v1beta1/L2Advertisement",
    "metallb.io/v1beta1/ServiceL2Status",
)
"""What is kept of all namespaces: few objects, and the cause is often in one of them."""

OTHER_KINDS = (
    "v1/ConfigMap",
    "v1/Namespace",
    "v1/Secret",
    "batch/v1/Job",
    "argoproj.io/v1alpha1/AppProject",
    "bitnami.com/v1alpha1/SealedSecret",
    "monitoring.coreos.com/v1/Alertmanager",
    "monitoring.coreos.com/v1/Prometheus",
    "monitoring.coreos.com/v1/PrometheusRule",
)
"""What else a finding may be about, most often one of a heal; its short name alone does not say which API has it."""

OBJECT = re.compile(r"(?P<kind>[\w./-]+)/(?P<name>[\w.-]+)(?: -n (?P<namespace>[\w.-]+))?")
"""How a finding names its object."""


class Cluster(Protocol):
    """What is needed of the Kubernetes client."""

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """Return one object."""
        ...

    def list(self, kind: str, namespace: str | None = None) -> Sequence[dict[str, Any]]:
        """Return the objects of a kind."""
        ...

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        """Return the end of a container's log."""
        ...


class Evidence:
    """Keep evidence of one run.

    Args:
        kube: client of the cluster.
        directory: of the evidence; made when there is something to keep.
        first: tells whether a piece of evidence was not kept yet, over all processes of the run.
        limit: seconds after which nothing more is read: an API server that is gone may cost a while for each question.
    """

    def __init__(
        self, kube: Cluster, directory: Path, first: Callable[[str], bool], *, limit: float = LIMIT_SECONDS
    ) -> None:
        """Remember where from and where to."""
        self.end = time.monotonic() + limit
        self.kube = kube
        self.directory = directory
        self.first = first

    def keep(self, objects: Iterable[str], namespaces: Iterable[str]) -> Path:
        """Keep objects as findings name them, and the named namespaces as they are now.

        What cannot be read is said in the file that would have it; evidence never fails a run.
        """
        wanted = dict.fromkeys(namespaces)
        for text in objects:
            match = OBJECT.search(text)
            if match:
                self._object(match["kind"], match["name"], match["namespace"])
                if match["namespace"]:
                    wanted[match["namespace"]] = None
        if self.first("evidence-cluster"):
            self._kinds(CLUSTER_KINDS, None, self.directory / "cluster")
        for namespace in wanted:
            if self.first(f"evidence-{namespace}"):
                self._namespace(namespace, self.directory / namespace)
        return self.directory

    def _object(self, kind: str, name: str, namespace: str | None) -> None:
        """Keep one object."""
        known = (*NAMESPACE_KINDS, *CLUSTER_KINDS, *OTHER_KINDS)
        full = next((k for k in known if k.rpartition("/")[2].lower() == kind.lower()), "")
        if not full:
            return  # such as environment/staging, which is no object of the cluster
        path = self.directory / (namespace or "cluster") / f"{kind.rsplit('/', maxsplit=1)[-1].lower()}-{name}.yaml"
        self._write(path, lambda: as_yaml(self.kube.get(full, name, namespace) or {}))

    def _namespace(self, namespace: str, directory: Path) -> None:
        """Keep a namespace's objects, events and logs."""
        self._kinds(NAMESPACE_KINDS, namespace, directory)
        self._write(directory / "events.txt", lambda: events_as_text(self.kube.list("v1/Event", namespace)))
        try:
            pods = self.kube.list("v1/Pod", namespace)
        except (HarnessError, OSError):
            return  # pods.yaml says why
        for pod in pods:
            for container, restarted in containers(pod):
                self._log(directory / "logs", pod["metadata"]["name"], namespace, container, previous=False)
                if restarted:
                    self._log(directory / "logs", pod["metadata"]["name"], namespace, container, previous=True)

    def _kinds(self, kinds: Sequence[str], namespace: str | None, directory: Path) -> None:
        """Keep all objects of some kinds, one file for each."""
        for kind in kinds:
            path = directory / f"{kind.split('/')[-1].lower()}s.yaml"
            self._write(path, lambda kind=kind: "---\n".join(as_yaml(o) for o in self.kube.list(kind, namespace)))  # type: ignore[misc]

    def _log(self, directory: Path, pod: str, namespace: str, container: str, *, previous: bool) -> None:
        """Keep the end of one container's log."""
        path = directory / f"{pod}.{container}{'.previous' if previous else ''}.log"
        self._write(path, lambda: self.kube.logs(pod, namespace, container, previous=previous, tail=LOG_LINES))

    def _write(self, path: Path, read: Callable[[], str]) -> None:
        """Write what can be read, redacted, or why it cannot; nothing where there is nothing."""
        try:
            content = read() if time.monotonic() < self.end else "not read: reading the evidence took too long\n"
        except (HarnessError, OSError) as error:
            content = f"could not be read: {error}\n"
        if content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(redact.text(content), encoding="utf-8")


def keep_logs(source: Path, directory: Path) -> None:
    """Keep the ends of the nodes' own logs, of kubelet, containerd and the control plane.

    Args:
        source: has one directory for each node, with NAME.log in it.
        directory: to keep them in.
    """
    for path in sorted(source.glob("*/*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        if lines:
            target = directory / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(redact.text("".join(lines[-LOG_LINES:])), encoding="utf-8")


def as_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object as YAML without its secrets and without managedFields, which nobody can read."""
    if not obj:
        return ""
    shown = redact.plain(dict(obj))
    if isinstance(shown.get("metadata"), dict):
        shown["metadata"].pop("managedFields", None)
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    stream = StringIO()
    writer.dump(shown, stream)
    return stream.getvalue()


def containers(pod: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the containers of a pod that ran, and for each whether it was restarted."""
    status = pod.get("status", {})
    states = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return [
        (s["name"], bool(s.get("restartCount")))
        for s in states
        if "waiting" not in s.get("state", {}) or s.get("restartCount")
    ]


def events_as_text(events: Iterable[Mapping[str, Any]]) -> str:
    """Return events one per line, oldest first: time, type, count, object, reason, message."""
    lines = []
    for event in events:
        involved = event.get("involvedObject") or event.get("regarding") or {}
        moment = (
            event.get("lastTimestamp")
            or event.get("eventTime")
            or event.get("metadata", {}).get("creationTimestamp", "")
        )
        message = " ".join(str(event.get("message", "")).split())
        lines.append(
            f"{moment} {event.get('type', ''):7} x{event.get('count') or 1} "
            f"{involved.get('kind', '')}/{involved.get('name', '')} {event.get('reason', '')}: {message}"
        )
    return "".join(line + "\n" for line in sorted(lines))
