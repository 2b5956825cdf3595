"""Judge a rule or a panel by the checks of `-k monitoring` and by promtool, without loading it anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from benchmarks.mutants.chosen import Subject
from platform_e2e import shell
from platform_e2e.checks.dashboards import check as dashboards
from platform_e2e.checks.dashboards.panels import Asked
from platform_e2e.checks.dashboards.variables import BUILT_IN
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.prometheus_replicas import OPERATED, PORT, Asks
from platform_e2e.checks.monitoring.series import usual_interval
from platform_e2e.checks.rules import check as rules
from platform_e2e.checks.rules.observe import unloaded
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer
from platform_e2e.promql import without_variables

PROMTOOL_SECONDS = 30.0
"""For one file of one rule; it takes 0.1 s."""

LACKS = ("metric-missing", "label-missing", "value-missing", "selector-unmatched", "variable-empty")
"""How the causes end that say what a cluster does not deliver: a rule for something that does not run there has one."""


@dataclass(frozen=True)
class Verdict:
    """What the checks say of a subject.

    Attributes:
        cause: id of the first finding's; empty where there is none.
        sentence: of it.
        unknown: what is not known of it; empty where all is.
        lacks: whether a part of what it reads is not there.
    """

    cause: str = ""
    sentence: str = ""
    unknown: str = ""
    lacks: bool = False

    @property
    def sound(self) -> bool:
        """Tell whether nothing is wrong or open, and all is there that it reads."""
        return not self.cause and not self.unknown and not self.lacks

    @property
    def lacking(self) -> bool:
        """Tell whether it says what the cluster does not deliver."""
        return self.cause.endswith(LACKS) or (self.cause == "alert-firing" and self.lacks)


class Checks:
    """The checks of rules and dashboards.

    Attributes:
        prometheus: that they ask.

    Args:
        client: of the cluster, which also answers for objects.
        namespace: of Prometheus.
        layer: whose values say how Prometheus and Grafana are set.
        alerts: names of all alerts that there are.
    """

    def __init__(self, client: ReadApi, asks: Asks, namespace: str, layer: Layer, alerts: Sequence[str]) -> None:
        self._view = client
        self._layer = layer
        self._alerts = alerts

        @cache
        def answer(path: str, parameters: frozenset[tuple[str, str]]) -> bytes:
            return asks.proxy(namespace, OPERATED, PORT, path, dict(parameters))

        def get(path: str, parameters: Mapping[str, str]) -> bytes:
            # What is asked of each mutant again is asked once: all of them are judged by one moment.
            return answer(path, frozenset(parameters.items()))

        self.prometheus = Prometheus(get)

    def judge(self, subject: Subject) -> Verdict:
        """Return what the checks say of a rule or a panel.

        Args:
            subject: as it is, or with a change.
        """
        if subject.rule is not None:
            usual = usual_interval(self._layer)
            seen = unloaded(subject.rule, self._view, self.prometheus, self._alerts, usual=usual)
            broken = rules.broken(subject.rule, seen)
            open_ = None if broken else rules.unknown(subject.rule, seen)
            lacks = bool(seen.read.missing)
        else:
            board = subject.dashboard
            assert board is not None
            asked = Asked(self._view, self.prometheus, usual=usual_interval(self._layer))
            shown = dashboards.observe(board, asked)
            found = [*dashboards.datasources(board, self._layer), *dashboards.problems(board, shown)]
            broken = found[0] if found else None
            open_ = None if broken else dashboards.unknown(board, shown)
            lacks = any(panel.lacks for panel in shown.panels)
        if broken is not None:
            return Verdict(broken[2].id, broken[2].sentence, lacks=lacks)
        return Verdict(unknown=open_.problem if open_ else "", lacks=lacks)


def promtool(program: Path, subject: Subject, scratch: Path) -> str:
    """Return why `promtool check rules` refuses a rule, or a panel's queries as recording rules; empty where it does not.

    Args:
        program: promtool.
        subject: as it is, or with a change.
        scratch: a directory for a file.
    """
    if subject.rule is not None:
        entries = [dict(subject.rule.entry)]
    else:
        assert subject.dashboard is not None
        known = {**BUILT_IN, **{str(each.get("name")): "x" for each in subject.dashboard.variables}}
        queries = [without_variables(query.expression, known) for query in subject.dashboard.panels[0].queries]
        entries = [{"record": f"panel:query{number}", "expr": query} for number, query in enumerate(queries)]
    file = scratch / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "mutant", "rules": entries}]}), encoding="utf-8")
    done = shell.run([program, "check", "rules", file], timeout=PROMTOOL_SECONDS, ok=range(256))
    return (done.stderr + done.stdout).strip().splitlines()[-1].strip() if done.returncode else ""
