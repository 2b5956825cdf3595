"""The dashboards of a layer: JSON in ConfigMaps, as Grafana's sidecar takes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.checks import helm_values
from platform_e2e.diagnosis.objects import at
from platform_e2e.finding import Promise
from platform_e2e.layer import Layer, Rendered
from platform_e2e.layer.argo_objects import mapping, mappings

SUFFIX = ".json"
"""How the key of a dashboard ends: Grafana reads no other file of its directory (pkg/services/provisioning/dashboards/file_reader.go)."""


@dataclass(frozen=True)
class Sidecar:
    """Where Grafana's sidecar looks for dashboards, as the values of its release say.

    The defaults are those of kube-prometheus-stack (values.yaml, grafana.sidecar.dashboards).

    Attributes:
        label: that a ConfigMap must have.
        value: of the label; any where it is empty.
        namespaces: that it looks into; None for all.
    """

    label: str = "grafana_dashboard"
    value: str = "1"
    namespaces: frozenset[str] | None = None

    @classmethod
    def of(cls, layer: Layer) -> Sidecar:
        """Return what the values of a layer's kube-prometheus-stack say; the defaults where it has none."""
        for said in map(
            mapping, helm_values.of_chart(layer, "kube-prometheus-stack", "grafana", "sidecar", "dashboards")
        ):
            search = said.get("searchNamespace", "ALL")
            names = [search] if isinstance(search, str) else [str(each) for each in search or ()]
            namespaces = None if "ALL" in names else frozenset(name for each in names for name in each.split(","))
            return cls(str(said.get("label", cls.label)), str(said.get("labelValue", cls.value)), namespaces)
        return cls()


@dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
        title: of the panel.
        datasource: as it is written: a name, or a mapping with its uid.
        queries: the PromQL of what is not hidden.
    """

    title: str
    datasource: Any
    queries: tuple[str, ...]


@dataclass(frozen=True)
class WantedDashboard:
    """One dashboard as Git has it.

    Attributes:
        rendered: the ConfigMap that has it.
        key: of its data.
        model: the dashboard; empty where it cannot be read.
        error: why it cannot be read.
        panels: all, those of rows and of libraries among them.
    """

    rendered: Rendered
    key: str
    model: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    panels: tuple[Panel, ...] = ()

    @property
    def application(self) -> str:
        """Return the Application that renders it."""
        return self.rendered.application

    @property
    def title(self) -> str:
        """Return what it is called."""
        return str(self.model.get("title") or self.key)

    @property
    def uid(self) -> str:
        """Return what it is known by; empty where Grafana makes one up."""
        return str(self.model.get("uid") or "")

    @property
    def id(self) -> str:
        """Return what names it among all dashboards of a layer."""
        return f"{self.rendered.namespace}/{self.rendered.name}-{self.key.removesuffix(SUFFIX)}"

    @property
    def variables(self) -> list[Mapping[str, Any]]:
        """Return what its queries may name."""
        return mappings(at(self.model, "templating", "list"))

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"the dashboard {self.title} ({self.key} of {self.rendered})"


def of_layer(layer: Layer) -> Iterator[WantedDashboard]:
    """Yield every dashboard of a layer that is not exempt: what the sidecar would take, and what looks like one and is not taken."""
    label = Sidecar.of(layer).label
    for rendered in layer.of_kind("v1/ConfigMap"):
        data = rendered.object.get("data")
        if rendered.exempt(Promise.DASHBOARDS) or not isinstance(data, Mapping):
            continue
        for key, text in data.items():
            board = read(rendered, str(key), str(text))
            if label in rendered.labels or (board.model and not board.error):
                yield board


def read(rendered: Rendered, key: str, text: str) -> WantedDashboard:
    """Return the dashboard that a key of a ConfigMap has.

    Args:
        rendered: the ConfigMap.
        key: of its data.
        text: JSON.
    """
    if not text.lstrip().startswith("{"):
        return WantedDashboard(rendered, key, error="it is not a JSON object")
    try:
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        return WantedDashboard(rendered, key, error=f"it is not JSON: {error}")
    if "panels" not in model and "rows" not in model:
        return WantedDashboard(rendered, key, error="it has no panels")
    panels = [_panel(each) for each in flat(model)]
    return WantedDashboard(rendered, key, model, panels=tuple(panels))


def flat(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels of a dashboard: of a collapsed row and of Grafana 4's rows, too."""
    for panel in mappings(model.get("panels")):
        yield panel
        yield from mappings(panel.get("panels"))
    for row in mappings(model.get("rows")):
        yield from mappings(row.get("panels"))


def _panel(panel: Mapping[str, Any]) -> Panel:
    targets = [each for each in mappings(panel.get("targets")) if not each.get("hide")]
    queries = [str(each["expr"]) for each in targets if each.get("expr")]
    datasource = next((each["datasource"] for each in targets if each.get("datasource")), panel.get("datasource"))
    return Panel(str(panel.get("title") or f"number {panel.get('id', '?')}"), datasource, tuple(queries))
