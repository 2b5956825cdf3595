"""Causes of wrong scrapes: an error of a scrape, targets too many or too few, a missing series."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.diagnosis.explain.loadbalancer import without_pool
from platform_e2e.diagnosis.explain.metallb_pools import POOL_KIND
from platform_e2e.diagnosis.explain.monitors import entries, is_of_pods, matched_pods, matched_services, rules_of
from platform_e2e.diagnosis.explain.owners import behind
from platform_e2e.diagnosis.explain.targets import declared_ports, is_like, ports_of, resolved
from platform_e2e.diagnosis.objects import at, counted, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi

DROPPING = frozenset({"drop", "keep", "dropequal", "keepequal", "hashmod"})
"""Actions of a relabeling after which a target may not be scraped (Prometheus 3, model/relabel)."""

OF_POOLS = "metallb_allocator_addresses_"
"""How the series begin that MetalLB's controller delivers for each IPAddressPool (internal/allocator/stats.go)."""

REMEDIES = (
    (
        r"server gave HTTP response to HTTPS client",
        "write scheme: http into the endpoint, for the target answers in plain text",
        "scheme",
    ),
    (
        r"x509: |certificate signed by|certificate is valid for",
        "give the endpoint's tlsConfig the ca and the serverName of the target's certificate",
        "tlsConfig",
    ),
    (
        r"remote error: tls: (?:certificate required|bad certificate|unknown certificate)",
        "give the endpoint's tlsConfig a cert and a keySecret that the target trusts, for it asks clients for a certificate",
        "tlsConfig",
    ),
    (
        r"HTTP status 40[13]",
        "let the endpoint log in (authorization, basicAuth, oauth2), and see that what it logs in as may read metrics",
        "authorization",
    ),
    (r"HTTP status 404", "correct path of the endpoint; see what the application serves at it", "path"),
    (
        r"HTTP status 400",
        "write scheme: https into the endpoint where the target serves TLS; else correct its path and params",
        "scheme",
    ),
    (
        r"connection refused",
        "correct the port of the endpoint, or see that the application listens on it at the pod's address",
        "port",
    ),
    (
        r"context deadline exceeded|i/o timeout|no route to host",
        "look for a NetworkPolicy that keeps Prometheus out; else raise scrapeTimeout of the endpoint",
        "scrapeTimeout",
    ),
)
"""What to do about an error of a scrape, and the endpoint's field, by what Prometheus quotes (Go's net/http, crypto/tls and net; Prometheus 3, scrape)."""


LIMITS = (
    (r"sample limit exceeded", "sampleLimit", "samples"),
    (r"label_limit exceeded", "labelLimit", "labels of a series"),
    (r"label_name_length_limit exceeded", "labelNameLengthLimit", "letters of a label's name"),
    (r"label_value_length_limit exceeded", "labelValueLengthLimit", "letters of a label's value"),
    (r"body size limit exceeded", "bodySizeLimit", "bytes"),
)
"""What Prometheus quotes of a scrape that is more than the monitor allows, the field of its spec, and what is too many (scrape/scrape.go)."""


@dataclass(frozen=True)
class ScrapedPorts:
    """The ports behind an endpoint of a monitor.

    Attributes:
        declared: by the pods, in words.
        about: the Service whose port it takes; empty for a PodMonitor.
        field: of the Service's port: where it says which port of the pods it leads to.
        leads_wrong: whether the pods declare no such port.
    """

    declared: Sequence[str]
    about: str = ""
    field: tuple[str | int, ...] = ()
    leads_wrong: bool = False


def scraped_ports(monitor: Object, index: int, view: ReadApi) -> ScrapedPorts:
    """Return the ports behind an endpoint of a monitor, and whether the Service's port leads to one of them.

    Args:
        monitor: the ServiceMonitor or PodMonitor.
        index: of the endpoint.
        view: of the cluster.
    """
    entry = entries(monitor)[index]
    if is_of_pods(monitor):
        found = matched_pods(monitor, view)
        return ScrapedPorts(declared_ports([*found.workloads, *found.apart]))
    first = ScrapedPorts(())
    for service in matched_services(monitor, view):
        makers = behind(service, view)
        pods = [*makers.workloads, *makers.apart]
        declared, numbers = declared_ports(pods), {port.get("containerPort") for port in ports_of(pods)}
        for number, port in enumerate(at(service, "spec", "ports") or ()):
            leads = {resolved(port, spec) for spec in makers.specs}
            if declared and entry.get("port") and is_like(entry["port"], port.get("name")):
                field = ("spec", "ports", number, "targetPort")
                first = ScrapedPorts(declared, name_of(service), field, not leads & numbers)
                if first.leads_wrong:
                    return first
        first = first if first.declared else ScrapedPorts(declared)
    return first


def scrape_error(
    monitor: Object,
    errors: Mapping[str, str],
    makers: Sequence[str] = (),
    index: int = 0,
    ports: ScrapedPorts | None = None,
) -> Cause:
    """Return the cause of targets that are found and cannot be scraped.

    Args:
        monitor: whose targets they are.
        errors: Prometheus' lastError for each target's address.
        makers: by name what makes the pods that they are, where the targets that are up are pods of something else.
        index: of the monitor's endpoint that the first of them is of.
        ports: that the pods behind this endpoint declare; None where that is not known.
    """
    first, error = next(iter(errors.items()))
    others = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    endpoint = ("spec", rules_of(monitor).entries, index)
    found = (
        f"Prometheus finds {first}{others} through {name_of(monitor)} and cannot scrape it: {error or 'no error given'}"
    )
    limit = next(((field, what) for pattern, field, what in LIMITS if re.search(pattern, error)), None)
    if limit is not None:
        field, what = limit
        return Cause(
            "scrape-over-limit",
            f"{found}; Prometheus leaves out the whole scrape of a target with more {what} than spec.{field} of the monitor says",
            f"raise spec.{field} of the {monitor['kind']}, or drop what is too much in the application",
            field=("spec", field),
        )
    if makers:
        chosen = "the PodMonitor" if is_of_pods(monitor) else "the Service"
        return Cause(
            "scrape-error",
            f"{found}; it is of {listed(makers)}, and those of other workloads are scraped",
            f"let spec.selector of {chosen} leave out the pods of {listed(makers)}, or let them deliver metrics there",
            field=("spec", "selector"),
        )
    fitting = ((remedy, field) for pattern, remedy, field in REMEDIES if re.search(pattern, error))
    remedy, field = next(fitting, (f"correct path, scheme or port of the {monitor['kind']}'s endpoint", "path"))
    if field != "port" or ports is None or not ports.declared:
        return Cause("scrape-error", found, remedy, field=(*endpoint, field))
    says = f"its pods declare {listed(ports.declared)}"
    if ports.leads_wrong:
        what = f"correct targetPort of {ports.about}, or see that the application listens on it at the pod's address; {says}"
        return Cause("scrape-error", found, what, about=ports.about, field=ports.field)
    return Cause("scrape-error", found, f"{remedy}; {says}", field=(*endpoint, field))


def not_loaded(monitor: Object, pool: str, takers: Sequence[Object]) -> Cause:
    """Return the cause of a scrape pool that is not in the configuration that Prometheus runs with.

    Args:
        monitor: that it is of.
        pool: its name.
        takers: the Prometheus objects that select the monitor; what the operator says in their conditions is quoted.
    """
    said = [
        f"; {name_of(taker)} is not {condition.get('type')}: {' '.join(str(condition['message']).split())}"
        for taker in takers
        for condition in at(taker, "status", "conditions") or ()
        if condition.get("status") == "False" and condition.get("message")
    ]
    return Cause(
        "monitor-not-loaded",
        f"Prometheus has not loaded {pool}, although it selects the {monitor['kind']}{''.join(said)}",
        "look at the log of the Prometheus operator for why it rejects it, and at the config reloader's",
    )


def miscounted(monitor: Object, pool: str, pods: Sequence[str], wanted: int, who: str) -> Cause:
    """Return the cause of a number of targets that is not that of the pods.

    Args:
        monitor: whose targets they are.
        pool: the scrape pool, whose last part is the number of the endpoint.
        pods: those that the targets are, by their names or addresses.
        wanted: how many there must be; 0 where that is not known, and one at least is right.
        who: in words, who says so.
    """
    index = int(pool.rpartition("/")[2])
    entry = entries(monitor)[index]
    drops = [
        f"{rule['action']} by {listed(rule.get('sourceLabels') or [], 'no label')}"
        for rule in entry.get("relabelings") or ()
        if rule.get("action") in DROPPING
    ]
    scraped = f"Prometheus scrapes {counted(len(pods), 'target')} through {name_of(monitor)}"
    has = f"{scraped} and should scrape {wanted or 'at least one'} ({who})"
    field = f"spec.{rules_of(monitor).entries}[{index}].relabelings"
    if drops and len(pods) < max(wanted, 1):
        return Cause(
            "monitor-targets-dropped",
            f"{has}; its {field} drop targets: {listed(drops)}",
            f"correct {field}",
            field=("spec", rules_of(monitor).entries, index, "relabelings"),
        )
    chosen = "the PodMonitor" if is_of_pods(monitor) else "the Service"
    return Cause(
        "monitor-target-count",
        f"{has}: {listed(sorted(pods))}",
        f"look for pods that {chosen} selects besides those of the workload"
        if len(pods) > wanted
        else "look for pods of the workload that do not run, or do not carry the labels of its template",
    )


def relabelled(monitor: Object, index: int, dropped: Sequence[str]) -> Cause:
    """Return the cause of targets that a monitor selects and that relabelling drops.

    Args:
        monitor: that selects them.
        index: of its endpoint.
        dropped: some of them, by the names of their pods or Services.
    """
    field = f"spec.{rules_of(monitor).entries}[{index}].relabelings"
    rules = [
        f"{rule['action']} by {listed(rule.get('sourceLabels') or [], 'no label')}"
        for rule in entries(monitor)[index].get("relabelings") or ()
        if rule.get("action") in DROPPING
    ]
    by = f"its {field} drop them: {listed(rules)}" if rules else "it has no relabelings that drop: Prometheus' own do"
    return Cause(
        "monitor-targets-dropped",
        f"{name_of(monitor)} selects {listed(dropped)}, and Prometheus discovers and does not scrape it; {by}",
        f"correct {field}" if rules else "look at scrapeClasses and shards of the Prometheus",
        field=("spec", rules_of(monitor).entries, index, "relabelings"),
    )


def undelivered(series: str, view: ReadApi) -> Cause | None:
    """Return why no target can deliver a series, or None where that is the application's own affair.

    Args:
        series: its name.
        view: of the cluster.
    """
    if series.startswith(OF_POOLS) and not view.list(POOL_KIND):
        return without_pool(f"MetalLB has no series {series}")
    return None
