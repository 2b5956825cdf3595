"""Change rules and panels as people get them wrong, and count what the checks find: `nox -s benchmark -- promql`.

Takes 200 mutants of the layer's rules and dashboards, and of those of the chart and files that are given: a metric, label, value,
window, threshold, join, template or datasource that is another one. Only what is sound on the cluster is changed, and a change that
changes nothing counts as any other. Each mutant is judged by the checks of `-k monitoring` as if the cluster had it, against a warm
cluster that runs the layer, and by `promtool check rules`. Prints each survivor and writes artifacts/benchmarks/promql.json.
What is found in a rule or panel that was not changed is printed, to be read: it is a false alarm, or a fault that is there.
Ends with 1 where fewer than nine of ten are killed, or the layer itself has a finding.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.mutants import chosen, sources
from benchmarks.mutants.cases import KeptCases
from benchmarks.mutants.chosen import Mutant, Subject
from benchmarks.mutants.judge import Checks, Verdict, promtool
from benchmarks.mutants.operators import OPERATORS
from benchmarks.mutants.sources import Source
from platform_e2e import layer as layers
from platform_e2e import paths
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.cluster import manage
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import ExitCode, HarnessError
from platform_e2e.foundations.helm import Helm
from platform_e2e.kube import kubeconfig
from platform_e2e.kube.client import Kube
from platform_e2e.layer import Layer
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import layer_renderer, programs
from platform_e2e.toolbox import promtool as promtools

LEAST_KILLED = 0.9
"""What is promised of the mutants."""

STACK = "kube-prometheus-stack"

Judged = list[tuple[Subject, Verdict]]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: which.
        verdict: of the checks.
        refused: what promtool says against it; empty where it takes it.
        failed: why a kept case of the sound alert does not hold for it; empty where each does, or there is none.
    """

    mutant: Mutant
    verdict: Verdict
    refused: str
    failed: str = ""

    @property
    def killed(self) -> bool:
        """Tell whether a check or a kept case finds it."""
        return bool(self.verdict.cause or self.failed)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        mutant, verdict = self.mutant, self.verdict
        return {
            "operator": mutant.operator,
            "variant": mutant.variant,
            "of": str(mutant.sound),
            "field": mutant.field,
            "before": mutant.before,
            "after": mutant.after,
            "cause": verdict.cause,
            "sentence": verdict.sentence,
            "not known": verdict.unknown,
            "promtool": self.refused,
            "kept case": self.failed,
        }


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(
        prog="nox -s benchmark -- promql", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--cluster", default="", metavar="NAME", help="that runs the layer (nox -s e2e -- --keep always)"
    )
    parser.add_argument("--layer", type=Path, default=paths.project() / "platform", metavar="DIR", help="of the layer")
    parser.add_argument(
        "--chart", type=Path, metavar="DIR", help="also the rules and dashboards of this chart's defaults"
    )
    parser.add_argument("--rules", type=Path, action="append", default=[], metavar="PATH", help="also those of files")
    parser.add_argument("--dashboards", type=Path, action="append", default=[], metavar="PATH", help="likewise")
    parser.add_argument("--cases", action="store_true", help="also run kept cases of the sound alerts, derived here")
    parser.add_argument("--mutants", type=int, default=chosen.MUTANTS, metavar="N", help="how many; 200")
    parser.add_argument("--seed", default=chosen.SEED, metavar="TEXT", help="of their choice; 16")
    parser.add_argument("--promtool", type=Path, metavar="PROGRAM", help="the one that is pinned by default")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Judge all that is sound, then its mutants, and print what survives."""
    options = parse(argv)
    try:
        return measure(options, Console(width=160, highlight=False))
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def measure(options: argparse.Namespace, console: Console) -> int:
    """Judge, print and write; return the exit status."""
    layer = layers.load(options.layer, layer_renderer.renderer())
    every = list(_sources(options, layer))
    checks = _checks(options, layer, every)
    seen = [(subject, checks.judge(subject)) for source in every for subject in chosen.subjects(source)]
    for name in dict.fromkeys(source.name for source in every):
        _tell(console, name, [(subject, verdict) for subject, verdict in seen if subject.source == name])
    found_unchanged = [(subject, verdict) for subject, verdict in seen if verdict.cause and not verdict.lacking]
    for subject, verdict in found_unchanged:
        console.print(f"  FOUND UNCHANGED {subject}: {verdict.cause}: {verdict.sentence}", markup=False)
    names = chosen.known(every)
    eligible = [subject for subject, verdict in seen if verdict.sound]
    found = [mutant for subject in eligible for mutant in chosen.mutants(subject, names, options.seed)]
    taken = chosen.choose(found, options.seed, options.mutants)
    program = options.promtool or programs.ensure(Timeline(None), (promtools.NAME,)).path(promtools.NAME)
    with tempfile.TemporaryDirectory(prefix="platform-e2e-promql-") as scratch:
        refused = [promtool(program, each.changed, Path(scratch)) for each in taken]
    failed = _failed(taken, every, checks.prometheus) if options.cases else {}
    outcomes = [
        Outcome(mutant, checks.judge(mutant.changed), why, failed.get(mutant.id, ""))
        for mutant, why in zip(taken, refused, strict=True)
    ]
    _report(console, outcomes)
    _write(options, outcomes, seen)
    killed = sum(each.killed for each in outcomes)
    own = any(subject.source == every[0].name for subject, _ in found_unchanged)
    return ExitCode.BROKEN_PLATFORM if own or killed < LEAST_KILLED * len(outcomes) else ExitCode.HOLDS


def _failed(taken: Sequence[Mutant], every: Sequence[Source], prometheus: Prometheus) -> dict[str, str]:
    """Return for mutants of alerts why a kept case does not hold, by their ids."""
    kept = KeptCases(every, prometheus)
    alerts = {each.sound.id: each.sound for each in taken if each.sound.rule is not None and each.sound.rule.alert}
    cases = kept.of(list(alerts.values()))
    print(f"kept cases of {len(cases)} of {len(alerts)} alerts with mutants")
    return {each.id: kept.refuse(each, cases[each.sound.id]) for each in taken if each.sound.id in cases}


def _sources(options: argparse.Namespace, layer: Layer) -> Iterator[Source]:
    yield sources.of_layer(layer)
    if options.chart:
        # Under the name that the layer's release has: the chart's rules name its Services.
        stack = next(release for release in layer.releases if release.chart == STACK)
        built = programs.ensure(Timeline(None), ("helm",))
        rendered = Helm(built.path("helm")).template(stack.name, options.chart, stack.namespace)
        yield sources.of_objects(options.chart.name, [dict(each) for each in rendered], str(options.chart))
    for path in dict.fromkeys([*options.rules, *options.dashboards]):
        found = sources.of_files(path.name, path)
        yield Source(
            found.name,
            found.rules if path in options.rules else (),
            found.dashboards if path in options.dashboards else (),
        )


def _checks(options: argparse.Namespace, layer: Layer, every: Sequence[Source]) -> Checks:
    facts = manage.facts_of(manage.chosen(options.cluster))
    kube = Kube(kubeconfig.load(Path(facts.kubeconfig)))
    namespace = next(release.namespace for release in layer.releases if release.chart == STACK)
    alerts = [rule.alert for source in every for rule in source.rules if rule.alert]
    return Checks(kube, kube, namespace, layer, alerts)


def _tell(console: Console, name: str, judged: Judged) -> None:
    """Print how many rules and panels of a source are sound here, and why the others are not."""
    for kind in ("rules", "panels"):
        mine = [verdict for subject, verdict in judged if (subject.rule is not None) == (kind == "rules")]
        sound = sum(verdict.sound for verdict in mine)
        causes = Counter(
            verdict.cause or ("not known" if verdict.unknown else "empty: not all that it reads is there")
            for verdict in mine
            if not verdict.sound
        )
        why = ", ".join(f"{count} {cause}" for cause, count in causes.most_common())
        console.print(f"{name}: {sound} of {len(mine)} {kind} are sound here{f'; {why}' if why else ''}")


def _report(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print how many of each operator are killed, by what, and each that survives."""
    table = Table(pad_edge=False, show_edge=False)
    for name in (
        "operator",
        "mutants",
        "by the checks",
        "and kept cases",
        "not known",
        "promtool check rules",
        "by cause",
    ):
        table.add_column(name)
    for operator in (*OPERATORS, "all"):
        mine = [each for each in outcomes if operator in {each.mutant.operator, "all"}]
        causes = Counter(each.verdict.cause for each in mine if each.verdict.cause)
        table.add_row(
            operator,
            str(len(mine)),
            str(sum(causes.values())),
            str(sum(each.killed for each in mine)),
            str(sum(bool(each.verdict.unknown) for each in mine)),
            str(sum(bool(each.refused) for each in mine)),
            ", ".join(f"{count} {cause}" for cause, count in causes.most_common()) if operator != "all" else "",
        )
    console.print(table)
    for each in outcomes:
        if not each.killed:
            mutant = each.mutant
            console.print(f"SURVIVES {mutant.operator}, {mutant.variant}: {mutant.sound}, {mutant.field}", markup=False)
            console.print(f"  {' '.join(mutant.before.split())}", markup=False)
            console.print(f"  {' '.join(mutant.after.split())}", markup=False)
            if each.verdict.unknown:
                console.print(f"  not known: {each.verdict.unknown}", markup=False)


def _write(options: argparse.Namespace, outcomes: Sequence[Outcome], seen: Judged) -> None:
    target = paths.artifacts() / "benchmarks" / "promql.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": "promql",
        "seed": options.seed,
        "sound": [
            {"of": str(subject), "cause": verdict.cause, "sentence": verdict.sentence, "not known": verdict.unknown}
            for subject, verdict in seen
        ],
        "mutants": [each.as_json() for each in outcomes],
    }
    target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"all of it: {target}")


if __name__ == "__main__":
    sys.exit(main())
