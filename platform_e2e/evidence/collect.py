"""Keep what explains a failure: objects, events and logs of what failed, and the state of what they depend on, without secrets.

What is kept, and in which order: what the findings name; the state of Argo CD, MetalLB, Prometheus and Alertmanager, the
versions, the layer as served, the nodes; the namespaces of the findings; the foundations' namespaces. The first of it is what
is needed most, should there be no room or no time for all.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from platform_e2e import redact
from platform_e2e.evidence import field_owners, metallb
from platform_e2e.evidence.asking import Asking
from platform_e2e.evidence.cluster_state import LOG_LINES, TROUBLE, Beside, Job, StateCollector
from platform_e2e.evidence.store import Store, write_index
from platform_e2e.gitops import argocd
from platform_e2e.kube.read_api import ProxyApi

THREADS = 4
"""How many questions are asked at once: a cluster of one node has two cores or four."""

LINE_CHARACTERS = 10_000
"""Width of YAML: a value that is broken over lines cannot be searched for."""

NAMESPACE_KINDS = (
    "v1/Pod",
    "v1/Service",
    "discovery.k8s.io/v1/EndpointSlice",
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "apps/v1/ReplicaSet",
    "batch/v1/Job",
    "networking.k8s.io/v1/NetworkPolicy",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "bitnami.com/v1alpha1/SealedSecret",
)
"""What of a namespace is kept; Secrets and ConfigMaps only when they are what failed."""

CLUSTER_KINDS = (
    "v1/Node",
    "v1/Namespace",
    "argoproj.io/v1alpha1/Application",
    "argoproj.io/v1alpha1/ApplicationSet",
    "argoproj.io/v1alpha1/AppProject",
    *metallb.KINDS,
)
"""What is kept of all namespaces: few objects, and the cause is often in one of them."""

OTHER_KINDS = (
    "v1/ConfigMap",
    "v1/Secret",
    "monitoring.coreos.com/v1/Alertmanager",
    "monitoring.coreos.com/v1/Prometheus",
)
"""What else a finding may be about, most often one of a heal; its short name alone does not say which API has it."""

OBJECT = re.compile(r"(?P<kind>[A-Za-z][\w./-]*)/(?P<name>[\w.-]+)(?: -n (?P<namespace>[\w.-]+))?")
"""How a finding names its object."""


class Evidence:
    """Keep evidence of one run.

    Args:
        cluster: client of the cluster, without much patience.
        store: where it goes.
        first: tells whether a piece of evidence was not kept yet, over all processes of the run.
        beside: what else can be looked at.
    """

    def __init__(
        self, cluster: ProxyApi, store: Store, first: Callable[[str], bool], beside: Beside | None = None
    ) -> None:
        self.asking = Asking(cluster)
        self.store = store
        self.first = first
        self.beside = beside or Beside()

    def learn(self) -> None:
        """Learn what the cluster's Secrets hold now, so that it is taken out of all that follows."""
        try:
            words = [
                obj["metadata"]["name"] for kind in ("v1/Namespace", "v1/Service") for obj in self.asking.list(kind)
            ]
            redact.learn(self.asking.list("v1/Secret"), words)
        except TROUBLE as error:
            self.store.left_out(
                "what the Secrets hold", f"they cannot be read, so only names and shapes were looked for: {error}"
            )

    def keep(self, own: str, texts: Iterable[str], namespaces: Iterable[str]) -> None:
        """Keep what findings name, the shared state where it is not kept yet, and the index.

        What cannot be read is said in the index; evidence never fails a run.

        Args:
            own: directory of the test, relative to the evidence's.
            texts: of findings; every object that they name is kept, with its namespace.
            namespaces: of the foundations.
        """
        named = _named(texts)
        self._run((f"{kind}/{name}", partial(self._object, own, kind, name, ns)) for kind, name, ns in named)
        theirs = dict.fromkeys(ns for _, _, ns in named if ns)
        for kind, name, ns in named:
            if kind.lower().endswith("application"):
                theirs.update(dict.fromkeys(self._namespaces_of(name, ns)))
        shared = list(namespaces)
        jobs = self._state(shared)
        for namespace in theirs:
            if namespace not in shared:
                jobs += self._namespace(namespace, f"{own}/{namespace}")
        for namespace in shared:
            if self.first(f"evidence-{namespace}"):
                jobs += self._namespace(namespace, namespace)
        self._run(jobs)
        write_index(self.store)

    def _run(self, jobs: Iterable[Job]) -> None:
        """Do several things at once, as far as time allows; what is not done is named."""
        waiting, done = deque(jobs), set[str]()
        names = [what for what, _ in waiting]

        def work() -> None:
            while time.monotonic() < self.store.end:
                try:
                    what, job = waiting.popleft()
                except IndexError:
                    return
                try:
                    job()
                except TROUBLE as error:
                    self.store.left_out(what, f"could not be read: {error}")
                done.add(what)

        threads = [
            threading.Thread(target=work, name="evidence", daemon=True) for _ in range(min(THREADS, len(waiting)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            # A program in a node may hang; it is not waited for longer, and what it still says is not written.
            thread.join(max(0.0, self.store.end - time.monotonic()))
        for what in names:
            if what not in done:
                self.store.left_out(what, "reading the evidence took too long")

    def _object(self, own: str, kind: str, name: str, namespace: str | None) -> None:
        """Keep one object, who owns its fields, and its events."""
        full = _known(kind)
        if not full:
            return  # such as environment/staging, which is not an object of the cluster
        obj = self.asking.get(full, name, namespace)
        short = kind.rsplit("/", maxsplit=1)[-1].lower()
        path = f"{own}/{namespace or 'cluster'}/{short}-{name}"
        if not obj:
            self.store.left_out(f"{short}/{name}", "it does not exist")
            return
        self.store.text(f"{path}.yaml", as_yaml(obj), "what a finding names")
        self.store.text(f"{path}.fields.txt", field_owners.owners([obj]), "who owns which of its fields")
        if namespace:
            about = [
                e
                for e in self.asking.list("v1/Event", namespace)
                if (e.get("involvedObject") or {}).get("name") == name
            ]
            self.store.text(f"{path}.events.txt", events_as_text(about), "its events")

    def _namespaces_of(self, name: str, namespace: str | None) -> list[str]:
        """Return the namespaces that an Application puts objects into."""
        try:
            app = self.asking.get(argocd.APPLICATION, name, namespace or argocd.NAMESPACE)
        except TROUBLE:
            return []  # _object has said why
        return sorted({resource.namespace for resource in argocd.resources(app) if resource.namespace})

    def _state(self, namespaces: Sequence[str]) -> list[Job]:
        """Return what keeps the state of the whole, for the first that asks."""
        jobs = StateCollector(self.asking, self.store, self.beside).jobs(namespaces)
        jobs += [(kind, partial(self._kind, kind, None, "cluster")) for kind in CLUSTER_KINDS]
        return jobs if self.first("evidence-cluster") else []

    def _namespace(self, namespace: str, directory: str) -> list[Job]:
        """Return what keeps a namespace's objects, events and logs."""
        return [
            *((f"{kind} -n {namespace}", partial(self._kind, kind, namespace, directory)) for kind in NAMESPACE_KINDS),
            (f"events -n {namespace}", partial(self._events, namespace, directory)),
            (f"logs -n {namespace}", partial(self._logs, namespace, directory)),
        ]

    def _kind(self, kind: str, namespace: str | None, directory: str) -> None:
        """Keep all objects of a kind in one file, and who owns their fields in another."""
        objects = self.asking.list(kind, namespace)
        short = kind.rsplit("/", maxsplit=1)[-1].lower()
        short = f"{short[:-1]}ies" if short.endswith("y") else f"{short}es" if short.endswith("s") else f"{short}s"
        self.store.text(
            f"{directory}/{short}.yaml", "---\n".join(as_yaml(obj) for obj in objects), "objects with status"
        )
        self.store.text(
            f"{directory}/{short}.fields.txt", field_owners.owners(objects), "who owns which field, since when"
        )

    def _events(self, namespace: str, directory: str) -> None:
        """Keep a namespace's events, of too many the newest."""
        found = events_as_text(self.asking.list("v1/Event", namespace))
        self.store.text(f"{directory}/events.txt", found, "events", keep="end")

    def _logs(self, namespace: str, directory: str) -> None:
        """Keep the ends of the logs of a namespace's containers, of the run before the last restart too."""
        for pod in self.asking.list("v1/Pod", namespace):
            for container, restarted in containers(pod):
                for previous in (False, True) if restarted else (False,):
                    name = f"{pod['metadata']['name']}.{container}{'.previous' if previous else ''}.log"
                    try:
                        self._log(
                            f"{directory}/logs/{name}", pod["metadata"]["name"], namespace, container, previous=previous
                        )
                    except TROUBLE as error:
                        self.store.left_out(f"{directory}/logs/{name}", f"could not be read: {error}")

    def _log(self, path: str, pod: str, namespace: str, container: str, *, previous: bool) -> None:
        """Keep the end of one container's log; one line more is asked for, to know whether there are more."""
        log = self.asking.logs(pod, namespace, container, previous=previous, tail=LOG_LINES + 1)
        lines = log.splitlines(keepends=True)
        more = f"of this log the last {LOG_LINES} lines; there are more before" if len(lines) > LOG_LINES else ""
        what = "log of the run before the last restart" if previous else "log"
        self.store.text(path, "".join(lines[-LOG_LINES:]), what, keep="end", more=more)


def _named(texts: Iterable[str]) -> list[tuple[str, str, str | None]]:
    """Return kind, name and namespace of every object that texts name and whose kind is known."""
    found = (match.group("kind", "name", "namespace") for text in texts for match in OBJECT.finditer(text))
    return list(dict.fromkeys((kind, name.rstrip("."), namespace) for kind, name, namespace in found if _known(kind)))


def _known(kind: str) -> str:
    """Return a kind with its API, by its short name; an empty text where objects of that kind are not kept."""
    known = (*NAMESPACE_KINDS, *CLUSTER_KINDS, *OTHER_KINDS)
    return next((k for k in known if k.rpartition("/")[2].lower() == kind.rpartition("/")[2].lower()), "")


def as_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object as YAML without its secrets and without managedFields, which `bundle.fields` has for people."""
    if not obj:
        return ""
    meta = obj.get("metadata")
    bare = (
        {**obj, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}
        if isinstance(meta, dict)
        else dict(obj)
    )
    shown = redact.plain(bare)
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.width = LINE_CHARACTERS
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
        message = " ".join(redact.text(str(event.get("message", ""))).split())
        lines.append(
            f"{moment} {event.get('type', ''):7} x{event.get('count') or 1} "
            f"{involved.get('kind', '')}/{involved.get('name', '')} {event.get('reason', '')}: {message}"
        )
    return "".join(line + "\n" for line in sorted(lines))
