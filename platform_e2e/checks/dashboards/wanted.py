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
class Query:
    """One query of a panel.

    Attributes:
        expression: PromQL, with variables.
        legend: what names its series, with labels.
        datasource: as it is written, of its own or of the panel.
    """

    expression: str
    legend: str = ""
    datasource: Any = None


@dataclass(frozen=True)
class Panel:
    """What one panel shows, or what an annotation marks.

    Attributes:
        title: of the panel.
        datasource: as it is written: a name, or a mapping with its uid.
        queries: what is not hidden.
        repeat: variables of which it, or its row, is repeated for each value.
        library: whether it is one of Grafana's library, which has its queries.
        unit: of all that it shows; empty where there is none, or several.
    """

    title: str
    datasource: Any
    queries: tuple[Query, ...]
    repeat: tuple[str, ...] = ()
    library: bool = False
    unit: str = ""

    @property
    def datasources(self) -> tuple[Any, ...]:
        """Return its own datasource and those of its queries."""
        return (self.datasource, *(query.datasource for query in self.queries))


@dataclass(frozen=True)
class WantedDashboard:
    """One dashboard as Git has it.

    Attributes:
        rendered: the ConfigMap that has it.
        key: of its data.
        model: the dashboard; empty where it cannot be read.
        error: why it cannot be read.
        panels: all, those of rows, of libraries and annotations among them.
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
    panels = [_panel(each, repeated) for each, repeated in _in_rows(model)]
    return WantedDashboard(rendered, key, model, panels=(*panels, *_annotations(model)))


def flat(model: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the panels of a dashboard: of a collapsed row and of Grafana 4's rows, too."""
    return (panel for panel, _ in _in_rows(model))


def _in_rows(model: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each panel, and the variable that its row is repeated for; empty where it is not."""
    row = ""
    for panel in mappings(model.get("panels")):
        if panel.get("type") == "row":
            # What follows an open row belongs to it, until the next one.
            row = str(panel.get("repeat") or "")
        yield panel, row
        yield from ((each, row) for each in mappings(panel.get("panels")))
    for old in mappings(model.get("rows")):
        yield from ((each, str(old.get("repeat") or "")) for each in mappings(old.get("panels")))


def _panel(panel: Mapping[str, Any], repeated: str) -> Panel:
    own = panel.get("datasource")
    queries = [
        Query(str(each["expr"]), str(each.get("legendFormat") or ""), each.get("datasource") or own)
        for each in mappings(panel.get("targets"))
        if each.get("expr") and not each.get("hide")
    ]
    title = str(panel.get("title") or f"number {panel.get('id', '?')}")
    repeats = tuple(dict.fromkeys(filter(None, (str(panel.get("repeat") or ""), repeated))))
    library = bool(panel.get("libraryPanel")) and not panel.get("targets")
    several = mappings(at(panel, "fieldConfig", "overrides")) or mappings(panel.get("transformations"))
    unit = "" if several else str(at(panel, "fieldConfig", "defaults", "unit") or "")
    return Panel(title, own, tuple(queries), repeats, library, unit)


def _annotations(model: Mapping[str, Any]) -> Iterator[Panel]:
    """Yield what marks moments in every panel, and asks a query for them; one that is switched off is left out."""
    for each in mappings(at(model, "annotations", "list")):
        target = each.get("target")
        expression = each.get("expr") or (target.get("expr") if isinstance(target, Mapping) else None)
        if expression and each.get("enable", True):
            own = each.get("datasource")
            yield Panel(f"annotation {each.get('name', '?')}", own, (Query(str(expression), "", own),))
