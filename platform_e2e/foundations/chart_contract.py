"""The contract of the upstream charts: the names, labels, ports and Secrets to which a layer may refer.

A ServiceMonitor that finds its Service on the embedded cluster must find it in production. So every chart that the harness
assembles or takes from a Go module is compared with this table, and the table with recorded renderings of the upstream charts
in tests/data/upstream-charts/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.foundations.manifests import Object

NAME, COMPONENT, INSTANCE = "app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/instance"


@dataclass(frozen=True)
class Port:
    """A port of a Service or of a ServiceMonitor's endpoint (then without a number)."""

    name: str
    number: int = 0
    target: str | int = ""


@dataclass(frozen=True)
class ObjectContract:
    """The properties of an object of a release that a layer or a check may rely on.

    Attributes:
        kind: the kind of the object.
        name: the name of the object, with the release named as in `RELEASES`.
        labels: labels that it must have; it may have more.
        ports: the exact ports of a Service; for a ServiceMonitor the ports of its endpoints.
        selector: the exact selector of a Service, a workload or a ServiceMonitor.
        keys: keys that the data of a Secret or a ConfigMap must have.
        namespace: its namespace, if it is not the release's.
    """

    kind: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    selector: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    namespace: str = ""


@dataclass(frozen=True)
class Rendering:
    """The options of a chart's rendering for the comparison: release name, namespace, and enabled parts."""

    release: str
    namespace: str
    values: Mapping[str, Any]


RELEASES: Mapping[str, Rendering] = {
    "argo-cd": Rendering(
        "argocd",
        "argocd",
        {
            **{key: {"metrics": {"enabled": True}} for key in ("controller", "applicationSet", "repoServer", "server")},
            "dex": {"enabled": False},
            "notifications": {"enabled": False},
        },
    ),
    "kube-prometheus-stack": Rendering(
        "kube-prometheus-stack",
        "monitoring",
        {
            **{
                key: {"enabled": False}
                for key in (
                    "kubeControllerManager",
                    "kubeEtcd",
                    "kubeProxy",
                    "kubeScheduler",
                    "nodeExporter",
                    "grafana",
                )
            },
            "defaultRules": {"create": False},
        },
    ),
    "metallb": Rendering(
        "metallb", "metallb-system", {"speaker": {"frr": {"enabled": False}}, "frrk8s": {"enabled": False}}
    ),
    "sealed-secrets": Rendering("sealed-secrets", "kube-system", {}),
}
"""The rendering of each chart."""


def _argocd(component: str) -> dict[str, str]:
    return {NAME: f"argocd-{component}", INSTANCE: "argocd"}


def _argocd_metrics(component: str, number: int, name: str) -> ObjectContract:
    return ObjectContract(
        "Service",
        f"argocd-{component}-metrics",
        {NAME: name, COMPONENT: component, INSTANCE: "argocd"},
        (Port("http-metrics", number, "metrics"),),
        _argocd(component),
    )


def _argocd_service(component: str, *ports: Port) -> ObjectContract:
    labels = {**_argocd(component), COMPONENT: component}
    return ObjectContract("Service", f"argocd-{component}", labels, ports, _argocd(component))


def _stack(part: str) -> dict[str, str]:
    return {"app": f"kube-prometheus-stack-{part}", "release": "kube-prometheus-stack"}


def _stack_service(
    part: str, *ports: Port, selector: Mapping[str, str], monitored: bool = False, **more: str
) -> ObjectContract:
    labels = {**_stack(part), **({"self-monitor": "true"} if monitored else {})}
    return ObjectContract("Service", f"kube-prometheus-stack-{part}", labels, ports, selector, **more)  # type: ignore[arg-type]


def _stack_monitor(part: str, *ports: str, selector: Mapping[str, str] | None = None) -> ObjectContract:
    chosen = _stack(part) if selector is None else selector
    return ObjectContract(
        "ServiceMonitor", f"kube-prometheus-stack-{part}", _stack(part), tuple(map(Port, ports)), chosen
    )


_KSM = {NAME: "kube-state-metrics", INSTANCE: "kube-prometheus-stack"}
_RELOADER = Port("reloader-web", 8080, "reloader-web")
_SEALED = {NAME: "sealed-secrets", INSTANCE: "sealed-secrets"}


def _metallb(component: str) -> dict[str, str]:
    return {NAME: "metallb", INSTANCE: "metallb", COMPONENT: component}


FACTS: Mapping[str, tuple[ObjectContract, ...]] = {
    "argo-cd": (
        _argocd_metrics("application-controller", 8082, "argocd-metrics"),
        _argocd_metrics("applicationset-controller", 8080, "argocd-metrics"),
        _argocd_metrics("repo-server", 8084, "argocd-repo-server-metrics"),
        _argocd_metrics("server", 8083, "argocd-server-metrics"),
        _argocd_service("applicationset-controller", Port("http-webhook", 7000, "webhook")),
        _argocd_service("repo-server", Port("tcp-repo-server", 8081, "repo-server")),
        _argocd_service("server", Port("http", 80, 8080), Port("https", 443, 8080)),
        _argocd_service("redis", Port("redis", 6379, "redis")),
        ObjectContract("StatefulSet", "argocd-application-controller", selector=_argocd("application-controller")),
        ObjectContract("Deployment", "argocd-applicationset-controller", selector=_argocd("applicationset-controller")),
        ObjectContract("Deployment", "argocd-repo-server", selector=_argocd("repo-server")),
        ObjectContract("Deployment", "argocd-server", selector=_argocd("server")),
        ObjectContract("Deployment", "argocd-redis", selector={NAME: "argocd-redis"}),
        ObjectContract("ServiceAccount", "argocd-application-controller"),
        ObjectContract("ServiceAccount", "argocd-server"),
        ObjectContract("Secret", "argocd-secret"),
        ObjectContract(
            "ConfigMap",
            "argocd-cm",
            keys=("timeout.reconciliation", "application.instanceLabelKey", "resource.exclusions"),
        ),
        ObjectContract("ConfigMap", "argocd-cmd-params-cm", keys=("redis.server", "repo.server")),
        ObjectContract("ConfigMap", "argocd-rbac-cm"),
        ObjectContract("ConfigMap", "argocd-ssh-known-hosts-cm", keys=("ssh_known_hosts",)),
        ObjectContract("ConfigMap", "argocd-tls-certs-cm"),
    ),
    "kube-prometheus-stack": (
        _stack_service(
            "prometheus",
            Port("http-web", 9090, 9090),
            _RELOADER,
            selector={NAME: "prometheus", "operator.prometheus.io/name": "kube-prometheus-stack-prometheus"},
            monitored=True,
        ),
        _stack_service(
            "alertmanager",
            Port("http-web", 9093, 9093),
            _RELOADER,
            selector={NAME: "alertmanager", "alertmanager": "kube-prometheus-stack-alertmanager"},
            monitored=True,
        ),
        _stack_service("operator", Port("https", 443, "https"), selector=_stack("operator")),
        _stack_service(
            "coredns", Port("http-metrics", 9153, 9153), selector={"k8s-app": "kube-dns"}, namespace="kube-system"
        ),
        ObjectContract(
            "Service", "kube-prometheus-stack-kube-state-metrics", _KSM, (Port("http", 8080, "http"),), _KSM
        ),
        ObjectContract("Prometheus", "kube-prometheus-stack-prometheus", _stack("prometheus")),
        ObjectContract("Alertmanager", "kube-prometheus-stack-alertmanager", _stack("alertmanager")),
        ObjectContract("Deployment", "kube-prometheus-stack-operator", selector=_stack("operator")),
        ObjectContract("Deployment", "kube-prometheus-stack-kube-state-metrics", selector=_KSM),
        *(
            ObjectContract("ServiceAccount", f"kube-prometheus-stack-{part}")
            for part in ("prometheus", "alertmanager", "operator")
        ),
        ObjectContract("Secret", "alertmanager-kube-prometheus-stack-alertmanager", keys=("alertmanager.yaml",)),
        ObjectContract("ValidatingWebhookConfiguration", "kube-prometheus-stack-admission"),
        ObjectContract("MutatingWebhookConfiguration", "kube-prometheus-stack-admission"),
        _stack_monitor(
            "prometheus", "http-web", "reloader-web", selector={**_stack("prometheus"), "self-monitor": "true"}
        ),
        _stack_monitor(
            "alertmanager", "http-web", "reloader-web", selector={**_stack("alertmanager"), "self-monitor": "true"}
        ),
        _stack_monitor("operator", "https"),
        _stack_monitor("coredns", "http-metrics"),
        _stack_monitor("apiserver", "https", selector={"component": "apiserver", "provider": "kubernetes"}),
        _stack_monitor("kubelet", *["https-metrics"] * 3, selector={NAME: "kubelet", "k8s-app": "kubelet"}),
        ObjectContract(
            "ServiceMonitor",
            "kube-prometheus-stack-kube-state-metrics",
            {"release": "kube-prometheus-stack"},
            (Port("http"),),
            _KSM,
        ),
    ),
    "metallb": (
        ObjectContract("Deployment", "metallb-controller", selector=_metallb("controller")),
        ObjectContract("DaemonSet", "metallb-speaker", selector=_metallb("speaker")),
        ObjectContract(
            "Service", "metallb-webhook-service", ports=(Port("", 443, 9443),), selector=_metallb("controller")
        ),
        ObjectContract("ServiceAccount", "metallb-controller"),
        ObjectContract("ServiceAccount", "metallb-speaker"),
        ObjectContract("ConfigMap", "metallb-excludel2", keys=("excludel2.yaml",)),
        ObjectContract("ValidatingWebhookConfiguration", "metallb-webhook-configuration"),
        ObjectContract("Secret", "metallb-webhook-cert"),
    ),
    "sealed-secrets": (
        ObjectContract("Deployment", "sealed-secrets", selector=_SEALED),
        ObjectContract("Service", "sealed-secrets", _SEALED, (Port("http", 8080, "http"),), _SEALED),
        ObjectContract(
            "Service",
            "sealed-secrets-metrics",
            {**_SEALED, COMPONENT: "metrics"},
            (Port("metrics", 8081, "metrics"),),
            _SEALED,
        ),
        ObjectContract("ServiceAccount", "sealed-secrets"),
    ),
}
"""The facts of each chart, from argo-cd 9.3.7 and 10.1.1, kube-prometheus-stack 81.2.2 and 88.5.3, metallb 0.15.3, sealed-secrets 2.18.5."""


def of(chart: str) -> tuple[ObjectContract, ...]:
    """Return the facts of a chart; empty for one outside of the table."""
    return FACTS.get(chart, ())


def scraped(chart: str, release: str) -> list[tuple[Mapping[str, str], frozenset[str]]]:
    """Return the scrapes of the upstream chart: for each ServiceMonitor its Services' labels and its ports' names.

    They show which ports serve metrics under another name: Prometheus' own is called `http-web`.

    Args:
        chart: name of the chart.
        release: the name of the release.
    """
    known = RELEASES[chart].release if chart in RELEASES else ""
    return [
        (
            {key: release if value == known else value for key, value in fact.selector.items()},
            frozenset(port.name for port in fact.ports),
        )
        for fact in of(chart)
        if fact.kind == "ServiceMonitor"
    ]


def differences(chart: str, rendered: Sequence[Object]) -> list[str]:
    """Return one sentence for each fact that a rendering of the chart contradicts.

    Args:
        chart: name of the chart.
        rendered: the objects of `helm template` with the options of `RELEASES`.
    """
    found = {(item["kind"], item["metadata"]["name"]): item for item in rendered}
    namespace = RELEASES[chart].namespace
    return [sentence for fact in of(chart) for sentence in _compare(fact, found.get((fact.kind, fact.name)), namespace)]


def _compare(fact: ObjectContract, item: Object | None, namespace: str) -> Iterator[str]:
    """Yield the differences of an object from its fact."""
    what = f"{fact.kind}/{fact.name}"
    if item is None:
        yield f"{what} is missing"
        return
    labels = item["metadata"].get("labels") or {}
    wrong = {key: labels.get(key) for key, value in fact.labels.items() if labels.get(key) != value}
    if wrong:
        yield f"{what} has the labels {wrong}, not {dict(fact.labels)}"
    where = item["metadata"].get("namespace")
    if where is not None and where != (fact.namespace or namespace):
        yield f"{what} is in namespace {where}, not {fact.namespace or namespace}"
    if fact.selector and _selector(item) != fact.selector:
        yield f"{what} selects {_selector(item)}, not {dict(fact.selector)}"
    if fact.ports and _ports(item) != fact.ports:
        yield f"{what} has the ports {_ports(item)}, not {fact.ports}"
    data = {**(item.get("data") or {}), **(item.get("stringData") or {})}
    missing = [key for key in fact.keys if key not in data]
    if missing:
        yield f"{what} lacks the keys {missing}"


def _selector(item: Object) -> dict[str, str]:
    """Return the selector of a Service, a workload or a ServiceMonitor."""
    selector: dict[str, Any] = item["spec"]["selector"]
    chosen: dict[str, str] = selector.get("matchLabels", selector)
    return chosen


def _ports(item: Object) -> tuple[Port, ...]:
    """Return the ports of a Service, or those that a ServiceMonitor's endpoints name."""
    if item["kind"] == "ServiceMonitor":
        return tuple(Port(endpoint.get("port", "")) for endpoint in item["spec"]["endpoints"])
    ports: list[dict[str, Any]] = item["spec"]["ports"]
    return tuple(Port(port.get("name", ""), port["port"], port.get("targetPort", port["port"])) for port in ports)
