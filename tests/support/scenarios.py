"""The scenarios of a GitOps platform, one line a row; tests on a real cluster carry `@pytest.mark.scenario(ID)`.

From both comes docs/scenarios.md: which test proves which row, and why a row has none.
"""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from platform_e2e import paths

DIRECTORIES = ("e2e", "alerts", "contract")
"""Directories of the repository with tests that run on a real cluster."""

OPEN = "not proven yet"
"""What a row without a test says where nothing keeps it from having one."""


@dataclass(frozen=True)
class Scenario:
    """One row.

    Attributes:
        sentence: what holds.
        reason: why no test can show it on every provider; empty where one can.
    """

    sentence: str
    reason: str = ""


SECTIONS: dict[str, dict[str, Scenario]] = {
    "1. Cluster": {
        "C1": Scenario("the API server is ready, and so is each node that was asked for"),
        "C2": Scenario("servicelb and traefik are off"),
        "C3": Scenario("the pool lies on the nodes' segment and contains no address in use"),
        "C4": Scenario("a cluster that is stopped and started has its addresses and pods again"),
        "C5": Scenario("an image can be loaded into every node"),
        "C6": Scenario("a run leaves no cluster, network or volume behind"),
    },
    "2. Helm foundations": {
        "H1": Scenario("every release is deployed, and its workloads are rolled out"),
        "H2": Scenario("CRDs are established before their objects are applied"),
        "H3": Scenario("MetalLB's webhook answers before pools are applied"),
        "H4": Scenario("the Prometheus operator's webhook refuses a rule that does not parse"),
        "H5": Scenario("large CRDs can be applied"),
        "H6": Scenario("hook Jobs end under Argo CD"),
        "H7": Scenario("rendering is deterministic"),
        "H8": Scenario("no two controllers fight over a field"),
        "H9": Scenario("Argo CD's metrics exist"),
        "H10": Scenario("each component of MetalLB works with a valid configuration"),
    },
    "3. Applications and ApplicationSets": {
        "A1": Scenario("an Application is Synced to the pushed commit, Healthy, and its operation has succeeded"),
        "A2": Scenario("an Application that is Synced and does not work is not taken for converged"),
        "A3": Scenario("no single object of an Application is missing"),
        "A4": Scenario("kinds without a health check in Argo CD are judged by their own status"),
        "A5": Scenario("an Application waits for the address of its LoadBalancer Service"),
        "A6": Scenario("a specification that Argo CD cannot use is named"),
        "A7": Scenario("no object is of a kind that Argo CD excludes"),
        "A8": Scenario("an ApplicationSet has generated exactly its Applications"),
        "A9": Scenario("an ApplicationSet owns its Applications: edited, deleted, added, removed"),
        "A10": Scenario("a progressive rollout holds the next environments"),
        "A11": Scenario("a cascading deletion removes the objects"),
        "A12": Scenario("Argo CD's metrics agree with its Applications"),
    },
    "4. Drift and prune": {
        "D1": Scenario("a changed field is healed by an automated operation that names the object"),
        "D2": Scenario("control: without self-heal the same change stays"),
        "D3": Scenario("a deleted object is made again"),
        "D4": Scenario("an addition is no drift"),
        "D5": Scenario("a change by another field manager is healed"),
        "D6": Scenario("ignored fields stay"),
        "D7": Scenario("repeated drift is healed in spite of the backoff"),
        "D8": Scenario("a failed last sync that keeps drift from being healed is named"),
        "D9": Scenario("a heal is partial: no history, no hooks"),
        "D10": Scenario("what Git drops is pruned, and its neighbours stay"),
        "D11": Scenario("the guards against pruning hold"),
        "D12": Scenario("objects of others are never pruned"),
        "D13": Scenario("an unsealed Secret that was tampered with is told"),
    },
    "5. Sync waves and hooks": {
        "W1": Scenario("objects are made in the order of their waves"),
        "W2": Scenario("a wave that is not healthy holds the next one"),
        "W3": Scenario("waves order updates"),
        "W4": Scenario("an app of apps has the health of its children"),
        "W5": Scenario("pruning goes through the waves in reverse"),
        "W6": Scenario("a hook that fails stops what follows"),
    },
    "6. LoadBalancer and MetalLB": {
        "L1": Scenario("an address comes from the pool that the rules allow"),
        "L2": Scenario("one node announces the address"),
        "L3": Scenario("the address answers from outside the cluster"),
        "L4": Scenario("ARP is answered by the node that announces"),
        "L5": Scenario("the pool's accounting equals the Services"),
        "L6": Scenario("control: a full pool leaves a Service pending, and the cause is named"),
        "L7": Scenario("a freed address is given to the Service that waits"),
        "L8": Scenario("addresses survive restarts of the controller"),
        "L9": Scenario("each rule by which a pool is chosen holds"),
        "L10": Scenario("a shared address needs equal keys and different ports"),
        "L11": Scenario("addresses follow the removal of their pool"),
        "L12": Scenario("a Service of another loadBalancerClass is named"),
        "L13": Scenario("externalTrafficPolicy Local keeps the client's address"),
    },
    "7. Monitoring": {
        "M1": Scenario("each monitor is selected, or named as unselected with the reason"),
        "M2": Scenario("each monitor has exactly the expected targets, up, with a fresh scrape"),
        "M3": Scenario("each target delivers samples that move with traffic, not only `up`"),
        "M4": Scenario("no target of the layer is dropped without a reason"),
        "M5": Scenario("the operator rejects no object"),
        "M6": Scenario("Prometheus may list what its monitors look for"),
        "M7": Scenario("each rule is loaded, healthy, and evaluated since the change"),
        "M8": Scenario("each series that a rule reads exists, and each alert fires and does not fire in its cases"),
        "M9": Scenario("a probe alert fires, is routed, received and resolved"),
        "M10": Scenario("a real fault fires each alert, and its repair clears it"),
        "M11": Scenario("nothing but the watchdog fires on an idle platform"),
        "M12": Scenario("a change of the configuration takes effect"),
        "M13": Scenario(
            "each dashboard is provisioned, and each panel's query is judged",
            "Grafana's own API: its image is not to be had on embedded, where each query is put to Prometheus instead",
        ),
        "M14": Scenario("MetalLB is scraped"),
    },
    "8. Secrets": {
        "S1": Scenario("a SealedSecret is unsealed"),
        "S2": Scenario("an update reaches the Secret"),
        "S3": Scenario("the scope is enforced"),
        "S4": Scenario("a foreign key unseals nothing, and is named"),
        "S5": Scenario("the restored key unseals everything"),
        "S6": Scenario("an existing Secret is not overwritten"),
        "S7": Scenario("a deleted Secret is made again"),
        "S8": Scenario("no credential lies in Git unsealed"),
        "S9": Scenario("Argo CD never shows values"),
    },
    "9. Environments": {
        "E1": Scenario("each environment is complete: Application, namespace, address, scrape pool"),
        "E2": Scenario("environments are isolated"),
        "E3": Scenario("a change of one environment changes only that one"),
        "E4": Scenario("a change of the template reaches each environment, a removal only its own"),
        "E5": Scenario("no object belongs to two Applications"),
    },
    "10. Upgrade and rollback": {
        "U1": Scenario("a new version rolls out"),
        "U2": Scenario("a revert in Git rolls back"),
        "U3": Scenario("a rollback by hand is refused while syncs are automated"),
        "U4": Scenario("a rollout undone by hand is reverted"),
        "U5": Scenario("a chart is upgraded without loss"),
        "U6": Scenario("an immutable change is named"),
        "U7": Scenario("a change of pools reaches the Services"),
    },
    "11. Chaos": {
        "X1": Scenario("Argo CD's parts may end in the middle of a sync"),
        "X2": Scenario("an outage of the Git server deletes nothing"),
        "X3": Scenario("the loss of a speaker moves its addresses"),
        "X4": Scenario("a node that is excluded from load balancers announces nothing"),
        "X5": Scenario("the loss of a node moves pods and addresses"),
        "X6": Scenario("a deleted namespace comes back with everything in it"),
        "X7": Scenario("Prometheus comes back with its rules and targets after its pod is deleted"),
        "X8": Scenario("an outage of the Sealed Secrets controller loses nothing"),
        "X9": Scenario("an outage of a webhook is retried"),
    },
}
"""Each section's rows: id and sentence."""


def known() -> dict[str, Scenario]:
    """Return all rows by their id."""
    return {row: scenario for rows in SECTIONS.values() for row, scenario in rows.items()}


@functools.cache
def marked() -> tuple[tuple[str, str], ...]:
    """Return each row that a test on a real cluster proves, with that test's id; files of tests stay as they are meanwhile."""
    return tuple(_marked())


def _marked() -> Iterator[tuple[str, str]]:
    for directory in DIRECTORIES:
        for path in sorted((paths.ROOT / directory).rglob("test_*.py")):
            name = path.relative_to(paths.ROOT).as_posix()
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    yield from ((row, f"{name}::{node.name}") for row in _rows(node.decorator_list))


def _rows(decorators: Iterable[ast.expr]) -> Iterator[str]:
    for node in decorators:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.scenario":
            yield from (ast.literal_eval(argument) for argument in node.args)


def page(tests: Iterable[tuple[str, str]]) -> str:
    """Return docs/scenarios.md.

    Args:
        tests: pairs of a row's id and a test's id.
    """
    of: dict[str, set[str]] = defaultdict(set)
    for row, test in tests:
        of[row].add(test)
    lines = [
        "# Scenarios",
        "",
        "What can go wrong on a GitOps platform, and the test that proves on a real cluster that it does not. Made from the",
        "markers in `e2e/` and `contract/` by `nox -s assurance`. A row that no test proves says so.",
        "",
    ]
    for section, rows in SECTIONS.items():
        lines += [f"## {section}", "", "| row | what holds | proven by |", "|---|---|---|"]
        for row, scenario in rows.items():
            proof = "<br>".join(f"`{test}`" for test in sorted(of[row])) or (OPEN if not scenario.reason else "")
            but = f"not shown everywhere: {scenario.reason}" if scenario.reason else ""
            lines.append(f"| {row} | {scenario.sentence} | {'<br>'.join(filter(None, (proof, but)))} |")
        lines.append("")
    return "\n".join(lines)
