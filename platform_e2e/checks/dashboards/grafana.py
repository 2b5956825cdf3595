"""What Grafana itself has: each dashboard under its uid, and the datasources that its panels name.

The API is that of Grafana 12 (docs, developers/http_api): /api/search, /api/dashboards/uid/UID, /api/datasources.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e.checks.dashboards.check import GRAFANA, datasource_of
from platform_e2e.checks.dashboards.wanted import WantedDashboard, of_layer
from platform_e2e.diagnosis.objects import condition, listed
from platform_e2e.errors import BrokenPlatform
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer
from platform_e2e.shell import CommandError, run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

LABELS = {"app.kubernetes.io/name": "grafana"}
"""Of Grafana's pods (grafana chart, templates/_helpers.tpl)."""

CONTAINER = "grafana"

MOST = 5000
"""Dashboards that one search returns at most (limit)."""

ASK_SECONDS = 30.0
"""For one question, through the API server into the pod."""

QUESTION = 'curl -sf -u "$GF_SECURITY_ADMIN_USER:$GF_SECURITY_ADMIN_PASSWORD" "http://localhost:3000$0"'
"""Asks within the container, whose environment has the password: it is read by nothing here, and in no list of arguments."""

Ask = Callable[[str], Any]
"""Takes a path of the API and returns the JSON of its answer."""


class GrafanaError(BrokenPlatform):
    """Grafana does not answer a question."""


@dataclass(frozen=True)
class Shown:
    """What Grafana has.

    Attributes:
        titles: of its dashboards by uid.
        datasources: their uids and names.
        default: whether one of them is taken where a panel names none.
    """

    titles: Mapping[str, str] = field(default_factory=dict)
    datasources: frozenset[str] = frozenset()
    default: bool = False


def pod(view: ReadApi, namespace: str) -> str:
    """Return the name of a ready pod of Grafana; empty where none runs, as on nodes that are made here.

    Args:
        view: of the cluster.
        namespace: of its release.
    """
    ready = [each for each in view.list("v1/Pod", namespace, labels=LABELS) if _runs(each)]
    return key(ready[0])[1] if ready else ""


def _runs(found: Object) -> bool:
    # A stand-in is ready, too, and has another image than its pod asks for.
    statuses = found.get("status", {}).get("containerStatuses") or ()
    images = [str(each.get("image", "")) for each in statuses if each.get("name") == CONTAINER]
    return condition(found, "Ready").get("status") == "True" and any("grafana" in image for image in images)


def inside(kubeconfig: Path, namespace: str, name: str) -> Ask:
    """Return what asks a Grafana within its pod, by the login that the pod has.

    Args:
        kubeconfig: of the cluster.
        namespace: of the pod.
        name: of the pod.
    """
    kubectl = programs.ensure(Timeline(None), ("kubectl",)).path("kubectl")

    def ask(path: str) -> Any:
        into = ["exec", "-n", namespace, name, "-c", CONTAINER, "--", "sh", "-c", QUESTION, path]
        try:
            done = run([kubectl, "--kubeconfig", kubeconfig, *into], timeout=ASK_SECONDS)
            return json.loads(done.stdout)
        except (CommandError, ValueError) as error:
            raise GrafanaError(f"Grafana does not answer {path}: {error}", f"look at the log of {name}") from error

    return ask


def observe(ask: Ask) -> Shown:
    """Return what Grafana has.

    Args:
        ask: asks its API.
    """
    titles = {str(each["uid"]): str(each["title"]) for each in ask(f"/api/search?type=dash-db&limit={MOST}")}
    sources: Sequence[Mapping[str, Any]] = ask("/api/datasources")
    known = frozenset(str(each.get(name) or "") for each in sources for name in ("uid", "name"))
    return Shown(titles, known, any(each.get("isDefault") for each in sources))


def check(layer: Layer, shown: Shown) -> list[Finding]:
    """Return a finding for each dashboard of a layer that Grafana does not have, or whose datasource it does not have.

    Args:
        layer: the layer.
        shown: what Grafana has.
    """
    return [
        Finding(str(wanted.rendered), Promise.DASHBOARDS, expected, observed, layer.located(cause, wanted.rendered))
        for wanted in of_layer(layer)
        if not wanted.error
        for expected, observed, cause in _problems(wanted, shown)
    ]


def _problems(wanted: WantedDashboard, shown: Shown) -> Iterator[tuple[str, str, Cause]]:
    field = ("data", wanted.key)
    there = wanted.uid in shown.titles if wanted.uid else wanted.title in shown.titles.values()
    if not there:
        sentence = f"{wanted} is in the cluster, and Grafana does not have it"
        remedy = (
            "look at the log of the pod's sidecar grafana-sc-dashboard, and at that of Grafana (provisioning.dashboard)"
        )
        yield "Grafana has it", "it does not", Cause("dashboard-not-shown", sentence, remedy, field=field)
        return
    variables = {str(each.get("name")) for each in wanted.variables if each.get("type") == "datasource"}
    for panel in wanted.panels:
        for uid in filter(None, map(datasource_of, panel.datasources)):
            name = uid.strip("${}").partition(":")[0] if uid.startswith("$") else ""
            if name in variables or uid in shown.datasources | GRAFANA or (uid == "default" and shown.default):
                continue
            has = listed(sorted(shown.datasources - {""}))
            sentence = f"the panel {panel.title} of {wanted} asks the datasource {uid}, and Grafana has {has}"
            remedy = "name the uid of a datasource that it has"
            cause = Cause("dashboard-datasource-unknown", sentence, remedy, field=field)
            yield "a datasource that there is", uid, cause
            return
