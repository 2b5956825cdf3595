"""Every ServiceMonitor and PodMonitor is selected, finds exactly the targets that there must be, and gets samples from each.

A monitor has at most one finding: that of the first link of the chain which is broken.
"""

from __future__ import annotations

from typing import Any

from platform_e2e.checks.monitoring.observe import ObservedMonitor, WantedMonitor, observe
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.scrape_costs import over
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.diagnosis.causes import OBJECT_MISSING, unexplained
from platform_e2e.diagnosis.explain.monitors import of_pool, rules_of
from platform_e2e.diagnosis.explain.scrapes import miscounted, not_loaded, scrape_error
from platform_e2e.diagnosis.objects import counted, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import NotJudged
from platform_e2e.layer.objects import described
from platform_e2e.layer.own_annotations import SERIES
from platform_e2e.layer.renderer import Reason


def check(wanted: WantedMonitor, seen: ObservedMonitor) -> list[Finding]:
    """Return the finding of the first link that is broken, or an empty list.

    Args:
        wanted: what must be true.
        seen: what is.
    """
    if seen.agent:
        return []
    for link in (_exists, _selected, _scrapes, _counted, _kept, _once, _up, _fresh, _sampled, _costs, _series):
        problem = link(wanted, seen)
        if problem is not None:
            expected, observed, cause = problem
            found = wanted.located(cause)
            return [Finding(name_of(wanted.monitor), Promise.MONITORING, expected, observed, found, figures(seen))]
    return []


def watch(
    wanted: WantedMonitor, view: ReadApi, prometheus: Prometheus, *, timeout: float
) -> tuple[ObservedMonitor, list[Finding]]:
    """Look at a monitor until nothing is wrong or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the ServiceMonitor or PodMonitor.
        view: of the cluster.
        prometheus: that scrapes; only scrapes after this call's begin count.
        timeout: seconds.
    """
    since = prometheus.now()
    return seen_until_no_findings(
        lambda: observe(wanted, view, prometheus, since),
        lambda seen: check(wanted, seen),
        timeout=timeout,
        what=f"{name_of(wanted.monitor)} is scraped",
    )


def unknown(wanted: WantedMonitor, seen: ObservedMonitor) -> NotJudged | None:
    """Return what of a monitor without a finding is not proven: what a PrometheusAgent scrapes, which answers no query.

    Args:
        wanted: the ServiceMonitor or PodMonitor.
        seen: what was seen of it.
    """
    where = wanted.rendered
    if not seen.agent or where is None:
        return None
    problem = f"{seen.agent} scrapes {name_of(wanted.monitor)}, and an agent cannot be asked what it has got"
    remedy = "look at where it sends its samples, and accept it in platform-e2e.yaml"
    return NotJudged(str(where), Reason.MONITOR, problem, remedy, where.file, where.line, ())


def figures(seen: ObservedMonitor) -> dict[str, Any]:
    """Return what the verdict's table shows of a monitor."""
    if seen.monitor is None:
        return {}
    return {
        "targets": len(seen.targets),
        "samples": int(sum(seen.samples.get(target.identity, 0) for target in seen.targets)),
    }


Problem = tuple[str, str, Cause] | None
"""Expected, observed and cause, or None where the link holds."""


def _exists(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    if seen.monitor is not None:
        return None
    kind = wanted.monitor["kind"]
    cause = Cause(
        OBJECT_MISSING,
        f"the {kind} is in Git and not in the cluster",
        "look at the Application that renders it",
    )
    return f"the {kind} exists", "it does not", cause


def _selected(_wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    if seen.takers:
        return None
    return "a Prometheus selects it", "none does", seen.cause or unexplained("no Prometheus selects it")


def _scrapes(_wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    """Judge what is wrong whatever the targets are: they may have been scraped a moment ago by chance."""
    if seen.cause is None or seen.cause.id not in {"monitor-without-endpoints", "monitor-scrape-interval"}:
        return None
    return "targets that are scraped every minute or so", "there are none", seen.cause


def _counted(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    """Compare the targets with what replicas or nodes say; none at all is never right."""
    if not seen.expected:
        return "at least one target", "no endpoint that could have one", seen.cause or unexplained("it has no endpoint")
    for pool, (number, who) in seen.expected.items():
        found = [target for target in seen.targets if target.pool == pool]
        if found and len(found) == number:
            continue
        wanted_number = counted(number, "target") if number else "at least one target"
        expected, observed = f"{wanted_number} in {pool} ({who})", counted(len(found), "target")
        if seen.cause is not None:
            return expected, observed, seen.cause
        if pool not in seen.jobs:
            return expected, observed, not_loaded(wanted.monitor, pool, seen.takers)
        pods = [target.labels.get("pod") or target.url for target in found]
        return expected, observed, miscounted(wanted.monitor, pool, pods, number, who)
    return None


def _kept(_wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    """Judge what relabelling drops though the count is right, since something else takes its place."""
    return None if seen.dropped is None else ("every target that it selects", "relabelling drops some", seen.dropped)


def _once(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    """Judge that no other monitor scrapes the same: each sum over all jobs would count it twice."""
    for url, pool in seen.twice.items():
        kind, namespace, name = of_pool(pool) or ("", "", "")
        other = described(kind, name, namespace) if kind else f"the job {pool}"
        cause = Cause(
            "monitor-scraped-twice",
            f"{name_of(wanted.monitor)} and {other} scrape {url} both: what is summed over jobs counts it twice",
            "keep one of them, or let their selectors choose different Services",
            field=("spec", "selector"),
        )
        return "one scrape of each target", "two", cause
    return None


def _up(_wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    down = {target.url: target.error for target in seen.targets if target.health == "down" or target.error}
    if not down or seen.monitor is None:
        return None
    observed = f"{len(down)} of {len(seen.targets)} are not"
    index = next(target.index for target in seen.targets if target.url in down)
    cause = seen.cause or seen.kept_out or scrape_error(seen.monitor, down, seen.apart, index, seen.ports)
    return "every target is up", observed, cause


def _fresh(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    new = [t for t in seen.targets if t.health == "unknown"]
    old = new or [t for t in seen.targets if seen.since is not None and t.last_scrape <= seen.since]
    if not old:
        return None
    last = "not scraped {} yet" if new else f"scraped {{}} last at {old[0].last_scrape:%H:%M:%S}, before the test began"
    cause = Cause(
        "monitor-stale-scrape",
        f"Prometheus has {last.format(old[0].url)}",
        f"look whether Prometheus is overloaded, and at the interval of the {wanted.monitor['kind']}'s endpoint",
        field=("spec", rules_of(wanted.monitor).entries, old[0].index, "interval"),
    )
    return f"every target is scraped after {seen.since:%H:%M:%S}", f"{len(old)} are not", cause


def _sampled(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    empty = [target for target in seen.targets if not seen.samples.get(target.identity)]
    if not empty:
        return None
    cause = Cause(
        "monitor-samples-dropped",
        f"the scrape of {empty[0].url} leaves no sample after relabelling",
        "look at metricRelabelings of the endpoint, and at what the path really delivers",
        field=("spec", rules_of(wanted.monitor).entries, empty[0].index, "metricRelabelings"),
    )
    return "samples are left after relabelling", f"none are left of {counted(len(empty), 'target')}", cause


def _costs(wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    """Judge what scrapes cost against the limits that the team states."""
    for cost in seen.costs:
        told = over(cost, wanted.limits)
        if told is None:
            continue
        cause_id, value, limit, name = told
        cause = Cause(
            cause_id,
            f"{cost.target.url} of {name_of(wanted.monitor)} {value}, and the team's limit {name} is {limit}",
            f"let the application deliver less, drop it by metricRelabelings, or raise {name} in platform-e2e.yaml",
            field=("spec", rules_of(wanted.monitor).entries, cost.target.index),
        )
        return f"{name} of at most {limit}", f"{cost.target.url} {value}", cause
    return None


def _series(_wanted: WantedMonitor, seen: ObservedMonitor) -> Problem:
    missing = [series for series, delivered in seen.delivered.items() if not delivered]
    if not missing:
        return None
    cause = seen.lacking or Cause(
        "monitor-series-missing",
        f"no target delivers the series {listed(missing)}",
        "correct the annotation platform-e2e/series, or look why the application does not export it",
        field=("metadata", "annotations", SERIES),
    )
    return f"the series {listed(missing)}", "none of it", cause
