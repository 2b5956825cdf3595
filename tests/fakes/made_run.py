"""A red run's directory as a run leaves it: three causes of three promises, blocked tests, waits, heals, a crash, and history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGAN = 1_795_400_000.0
"""Wall clock of its first event: 2026-11-23T02:13:20Z."""

HOSTILE = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>\"'&\u2028"
"""What somebody could call a thing who wants to get into the page that tells of it."""

UNSELECTED = {
    "object": "servicemonitor/sealed-secrets -n monitoring",
    "promise": "monitoring",
    "expected": "a Prometheus selects it",
    "observed": "none does",
    "cause": {
        "id": "monitor-unselected",
        "sentence": "no Prometheus selects servicemonitor/sealed-secrets -n monitoring: "
        "prometheus/kube-prometheus-stack-prometheus -n monitoring wants release=kube-prometheus-stack",
        "remedy": "give the ServiceMonitor the labels that serviceMonitorSelector asks for "
        "(manifests/monitoring/servicemonitors/sealed-secrets.yaml:2)",
    },
    "details": {},
}
OUTSIDE = {
    "object": "service/chat -n chat-prod",
    "promise": "loadbalancer",
    "expected": "an address of the pool platform, 10.89.0.201 to 10.89.0.220, announced by one node and answering HTTP",
    "observed": "it has no address",
    "cause": {
        "id": "loadbalancer-address-outside-pools",
        "sentence": "service/chat -n chat-prod asks for 10.89.0.240, which lies in no pool; platform has 10.89.0.201-10.89.0.220",
        "remedy": "correct the annotation metallb.io/loadBalancerIPs, or widen the pool "
        "(manifests/chat/overlays/prod/service.yaml:7)",
    },
    "details": {"pool": "platform", "answer_seconds": None, "address": []},
}


def unhealing(env: str) -> dict[str, Any]:
    """Return the finding that an Application of the ApplicationSet does not heal."""
    return {
        "object": f"application/chat-{env} -n argocd",
        "promise": "selfheal",
        "expected": "spec.syncPolicy.automated.selfHeal: true",
        "observed": "spec.syncPolicy.automated has prune: true only",
        "cause": {
            "id": "application-not-selfhealing",
            "sentence": f"application/chat-{env} -n argocd keeps drift: "
            "Git does not say spec.template.spec.syncPolicy.automated.selfHeal: true",
            "remedy": "add selfHeal: true to the template of the ApplicationSet (argocd/applicationsets/chat.yaml:38)",
        },
        "details": {},
    }


@dataclass
class Made:
    """A run's directory that grows.

    Attributes:
        directory: of the run.
        run: what run.json will have.
        lines: of the timeline, each with its second.
    """

    directory: Path
    run: dict[str, Any] = field(default_factory=dict)
    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def event(self, at: float, kind: str, name: str, *, pid: int = 100, **facts: Any) -> None:
        """Add an event that happened so many seconds after the run began."""
        self.lines.append(
            (at, {"at": BEGAN + at, "mono": 5000.0 + at, "pid": pid, "kind": kind, "name": name, **facts})
        )

    def phase(self, start: float, end: float, name: str, title: str = "", *, error: str | None = None) -> None:
        """Add a phase, and what run.json says of it."""
        self.event(start, "phase-start", name, title=title or name)
        self.event(end, "phase-end", name, seconds=end - start, error=error)
        self.run.setdefault("phases", []).append({"name": name, "seconds": end - start, "error": error or ""})

    def fact(self, at: float, name: str, text: str, version: str = "") -> None:
        """Add a fact, and what run.json says of it."""
        more: dict[str, Any] = {"version": version} if version else {}
        self.event(at, "fact", name, text=text, **more)
        self.run.setdefault("facts", []).append({"kind": "fact", "name": name, "text": text, **more})

    def test(
        self, start: float, seconds: float, name: str, outcome: str = "passed", *, worker: int = 0, **more: Any
    ) -> None:
        """Add a test, and what run.json says of it."""
        pid, evidence = 200 + worker, more.pop("evidence", "")
        self.event(start, "test-start", name, pid=pid, worker=f"gw{worker}")
        self.event(
            start + seconds, "test-end", name, pid=pid, seconds=seconds, setup=0.2, call=seconds - 0.2, teardown=0.0
        )
        result = {
            "test": name, "outcome": outcome, "promise": "", "seconds": seconds, "figures": {}, "findings": [], "reason": "",
            "exit_code": 1 if outcome == "failed" else 0, "object": "", "proves": "", "text": "", "evidence": evidence,
        }  # fmt: skip
        self.run.setdefault("verdict", {}).setdefault("tests", []).append({**result, **more})
        for finding in more.get("findings", ()):
            facts: dict[str, Any] = {"object": finding["object"], "promise": finding["promise"]}
            self.event(start + seconds, "finding", finding["cause"]["id"], pid=pid, test=name, **facts)

    def file(self, path: str, content: str) -> None:
        """Keep a file."""
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")

    def write(self) -> Path:
        """Write run.json and the timeline, and return the directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.file("run.json", json.dumps(self.run, indent=1))
        lines = sorted(self.lines, key=lambda line: line[0])
        self.file("timeline.jsonl", "".join(json.dumps(event) + "\n" for _, event in lines))
        return self.directory


def row(promise: str, verdict: str, tests: str, figures: str = "") -> dict[str, Any]:
    """Return one line of the verdict's table."""
    return {"promise": promise, "verdict": verdict, "tests": tests, "figures": figures, "holds": verdict == "holds"}


def phases(made: Made) -> None:
    """Let a cluster start, foundations come and Applications converge."""
    made.fact(0.0, "provider", "embedded, because no Docker answers")
    made.phase(0.1, 9.6, "cluster", "1 node(s) by embedded")
    made.event(2.0, "phase-progress", "cluster", text="segment 10.89.0.0/24, 1 node(s)")
    made.fact(9.6, "cluster", "embedded cluster `e2e-6f1d20aa`, Kubernetes v1.34.4, 1 node(s)")
    made.phase(9.7, 38.1, "foundations")
    made.phase(9.8, 10.0, "charts", "charts of the foundations")
    made.phase(10.0, 19.8, "release-sealed-secrets", "release sealed-secrets 0.32.0")
    made.phase(10.0, 31.4, "release-argocd", "release argocd v3.2.11")
    made.phase(10.0, 32.2, "release-metallb", "release metallb v0.15.3")
    made.phase(10.0, 38.0, "release-kube-prometheus-stack", "release kube-prometheus-stack v0.88.0")
    for at, name, text in (
        (38.0, "metallb", "metallb v0.15.3"),
        (38.0, "argocd", "argocd v3.2.11 in place of v3.4.4"),
        (38.0, "kube-prometheus-stack", "kube-prometheus-stack v0.88.0 in place of v0.93.1 without grafana"),
        (38.0, "sealed-secrets", "sealed-secrets 0.32.0 in place of 0.36.6"),
    ):
        made.fact(at, f"release {name}", f"{text}: installed", text)
    made.phase(11.0, 61.5, "applications")
    made.event(
        20.0, "phase-progress", "applications", text="0 of 7 Applications have converged; chat-dev: it does not exist"
    )
    made.event(
        46.0, "phase-progress", "applications", text="5 of 7 Applications have converged; chat-prod: Progressing"
    )


APPLICATIONS = (
    "chat-dev", "chat-prod", "chat-staging", "metallb-config", "monitoring-config", "platform", "secrets-config",
)  # fmt: skip


def applications(made: Made) -> None:
    """Let Applications come to their states; one stays Progressing."""
    for place, name in enumerate(APPLICATIONS):
        state: dict[str, Any] = {
            "operation": "",
            "heals": False,
            "revision": "19bde1c40a52",
            "of_tests": False,
            "why": "",
        }
        made.event(22.0 + place, "application", name, sync="OutOfSync", health="Missing", **state)
        made.event(
            28.0 + place,
            "application",
            name,
            sync="Synced",
            health="Progressing",
            **{**state, "operation": "Succeeded"},
        )
        if name != "chat-prod":
            made.event(36.0 + 2 * place, "application", name, sync="Synced", health="Healthy", **state)
    drifted: dict[str, Any] = {
        "operation": "",
        "heals": False,
        "revision": "19bde1c40a52",
        "of_tests": False,
        "why": "",
    }
    for start, name in ((90.0, "metallb-config"), (101.0, "monitoring-config"), (112.0, "secrets-config")):
        made.event(start, "application", name, sync="OutOfSync", health="Healthy", **drifted)
        made.event(start + 0.9, "application", name, sync="Synced", health="Healthy", **{**drifted, "heals": True})
    own = {**drifted, "of_tests": True}
    made.event(130.0, "application", "e2e-1c2d3e4f", sync="Synced", health="Healthy", **own)
    made.event(134.0, "application", "e2e-1c2d3e4f", sync="OutOfSync", health="Healthy", **own)
    made.event(141.0, "application", "e2e-1c2d3e4f", sync="", health="", **{**own, "why": "it is gone"})


def red(directory: Path, *, secret: str = "") -> Path:
    """Make the red run.

    Args:
        directory: of the run; made.
        secret: put where an older harness might have left one.
    """
    made = Made(directory)
    phases(made)
    applications(made)
    for at, pod in ((14.0, "argocd-repo-server-6c9d7b5f4-x2vkq"), (29.0, "speaker-r8m2p")):
        made.event(
            at,
            "warning",
            f"pod/{pod} -n argocd",
            reason="Unhealthy",
            count=4,
            why="Readiness probe failed: connection refused",
        )
    made.event(26.0, "warning", "service/chat -n chat-prod", reason="AllocationFailed", count=8,
               why='Failed to allocate IP for "chat-prod/chat": ["10.89.0.240"] is not allowed in config')  # fmt: skip
    made.event(104.5, "restart", "pod/chat-7d9f8c6b5-h4zlt -n chat-dev", container="chat", count=1, why="OOMKilled 137")
    _loadbalancer(made, secret)
    _monitoring(made)
    _selfheal(made)
    _others(made)
    _close(made)
    return made.write()


def _loadbalancer(made: Made, secret: str) -> None:
    base = "e2e/test_loadbalancer.py::test_service_answers_at_an_address_of_its_pool"
    proves = (
        "It has an address that the rules allow, alone, announced by one node, and answers there as the layer says."
    )
    for place, env in enumerate(("chat-dev", "chat-staging")):
        made.test(62.0 + place, 0.8, f"{base}[service/chat -n {env}]", promise="loadbalancer", proves=proves,
                  object=f"service/chat -n {env}", figures={"address": f"10.89.0.20{place + 1}", "arp_seconds": 0.002,
                  "answer_seconds": 0.031 + place / 100, "pool": "platform"})  # fmt: skip
    name = f"{base}[service/chat -n chat-prod]"
    evidence = "evidence/test_service_answers_at_an_address_of_its_pool-service-chat-n-chat-prod"
    made.event(94.4, "wait", "service/chat -n chat-prod answers at its address", pid=200, test=name, seconds=30.0,
               outcome="not within 30 s", steps=[
                   "+0.00 s  nothing was read",
                   "+0.02 s  it has no address (seen 2 times)",
                   '+4.10 s  it has no address; event AllocationFailed: ["10.89.0.240"] is not allowed in config',
               ])  # fmt: skip
    made.test(64.2, 30.6, name, "failed", promise="loadbalancer", proves=proves, object="service/chat -n chat-prod",
              findings=[OUTSIDE], evidence=evidence)  # fmt: skip
    made.test(95.0, 0.1, "e2e/test_loadbalancer.py::test_service_that_says_it_has_an_address_is_of_type_loadbalancer",
              promise="loadbalancer", proves="A Service whose type was changed has no case above any more.")  # fmt: skip
    made.test(95.3, 0.1, "e2e/test_loadbalancer.py::test_node_knows_the_address_only_as_a_rule[service/chat -n chat-prod]", "blocked",
              promise="loadbalancer", object="service/chat -n chat-prod", reason=f"blocked by promise loadbalancer: {OUTSIDE['cause']['sentence']} [loadbalancer-address-outside-pools]")  # type: ignore[index]  # fmt: skip
    made.test(95.6, 9.2, "e2e/test_loadbalancer.py::test_control_service_without_room_stays_pending", promise="loadbalancer",
              proves="A pool of one address has none for a second Service.")  # fmt: skip
    made.event(96.0, "disturbance-start", "ipaddresspool/e2e-77aa -n metallb-system", pid=200, change="pool-of-one",
               test="e2e/test_loadbalancer.py::test_control_service_without_room_stays_pending")  # fmt: skip
    made.event(104.6, "disturbance-end", "ipaddresspool/e2e-77aa -n metallb-system", pid=200,
               test="e2e/test_loadbalancer.py::test_control_service_without_room_stays_pending")  # fmt: skip
    made.file(f"{evidence}/chat-prod/service-chat.yaml", "kind: Service\nspec:\n  type: LoadBalancer\nstatus: {}\n")
    made.file("evidence/chat-prod/events.txt", "2026-11-23T02:13:46Z Warning x8 Service/chat AllocationFailed: no\n")
    made.file("evidence/chat-prod/logs/chat-5c8d7f6b4-q9xnr.chat.log", f"listening on :8080\n{secret}\n")
    lines = "".join(
        f'{{"level":"error","ts":"2026-11-23T02:13:{n % 60:02}Z","msg":"IP allocation failed","service":"chat-prod/chat","n":{n}}}\n'
        for n in range(300)
    )
    made.file("evidence/metallb-system/logs/controller-6f7bd4c5f9-b2wpl.controller.log", lines)


def _monitoring(made: Made) -> None:
    proves = "It is selected, every target that replicas or nodes say is up, scraped just now, and delivers what is declared."
    base = "e2e/test_monitoring.py::test_service_monitor_is_scraped"
    for place, name in enumerate(
        (
            "argocd-server",
            "argocd-repo-server",
            "argocd-controller",
            "metallb-controller",
            "metallb-speaker",
            "prometheus",
        )
    ):
        made.test(62.5 + 2 * place, 1.4, f"{base}[servicemonitor/{name} -n monitoring]", worker=1, promise="monitoring", proves=proves,
                  object=f"servicemonitor/{name} -n monitoring", figures={"targets": 1, "samples": 431 + place})  # fmt: skip
    test = f"{base}[servicemonitor/sealed-secrets -n monitoring]"
    made.event(136.0, "wait", "servicemonitor/sealed-secrets -n monitoring is scraped", pid=201, test=test, seconds=60.0,
               outcome="not within 60 s", steps=["+0.00 s  nothing was read", "+0.04 s  no Prometheus selects it  (seen 61 times)"])  # fmt: skip
    made.test(75.8, 60.3, test, "failed", worker=1, promise="monitoring", proves=proves, findings=[UNSELECTED],
              object=UNSELECTED["object"], evidence="evidence/test_service_monitor_is_scraped-sealed-secrets")  # fmt: skip
    made.file(
        "evidence/test_service_monitor_is_scraped-sealed-secrets/monitoring/servicemonitor-sealed-secrets.yaml",
        "kind: ServiceMonitor\n",
    )
    made.file(
        "evidence/monitoring/logs/kube-prometheus-stack-operator-7c5.operator.log",
        'level=info msg="sync prometheus"\n' * 8,
    )
    made.test(
        137.0,
        0.4,
        "e2e/test_monitoring.py::test_no_other_service_monitor_goes_unselected",
        worker=1,
        promise="monitoring",
    )


def _selfheal(made: Made) -> None:
    base, change = (
        "e2e/test_selfheal.py::test_application_says_that_it_heals",
        "e2e/test_selfheal.py::test_change_is_healed",
    )
    for place, env in enumerate(("dev", "prod", "staging")):
        made.test(106.0 + place / 2, 0.3, f"{base}[application/chat-{env} -n argocd]", "failed", promise="selfheal",
                  proves="Every Application heals by default; one whose line was removed is red here.",
                  object=f"application/chat-{env} -n argocd", findings=[unhealing(env)])  # fmt: skip
        for kind in ("field-edited", "object-deleted"):
            made.test(107.6 + place / 2, 0.2, f"{change}[{kind} service/chat -n chat-{env}]", "blocked", promise="selfheal",
                      object=f"service/chat -n chat-{env}", reason="blocked by promise selfheal: "
                      f"{unhealing(env)['cause']['sentence']} [application-not-selfhealing]")  # fmt: skip
    names = ("configmap/rules -n monitoring", "ipaddresspool/platform -n metallb-system", "l2advertisement/platform -n metallb-system",
             "servicemonitor/argocd-server -n monitoring", "sealedsecret/grafana-admin -n monitoring", "prometheusrule/chat -n monitoring")  # fmt: skip
    for place, name in enumerate(names):
        start, seconds = 109.0 + 3.2 * place, (0.31, 0.42, 0.38, 1.13, 0.55, 0.47)[place]
        test = f"{change}[field-edited {name}]"
        made.event(
            start + 0.3,
            "disturbance-start",
            name,
            pid=200,
            test=test,
            change="field-edited",
            field="/spec/labels/team",
            application="monitoring-config",
        )
        made.event(start + 0.3 + seconds, "disturbance-healed", name, pid=200, test=test, seconds=seconds)
        made.event(start + 2.2, "disturbance-end", name, pid=200, test=test, undone_by_harness=False)
        made.event(start + 0.3 + seconds, "wait", f"{name} is as in Git again after field-edited", pid=200, test=test, seconds=seconds,
                   outcome="met", steps=["+0.00 s  /spec/labels/team is 'x', Git says 'platform'", f"+{seconds:.2f} s  as expected"])  # fmt: skip
        made.test(start, 2.4, test, promise="selfheal", object=name, figures={"heal_seconds": seconds},
                  proves="The object is exactly as in Git again, by an operation that Argo CD began by itself and that names it.")  # fmt: skip
    made.test(129.0, 12.5, "e2e/test_selfheal.py::test_control_without_self_heal_drift_stays", promise="selfheal")


def _others(made: Made) -> None:
    for place, name in enumerate(APPLICATIONS):
        made.test(62.0 + place, 0.4, f"e2e/test_applications.py::test_application_is_automated_and_prunes[application/{name} -n argocd]",
                  worker=2, promise="applications", object=f"application/{name} -n argocd", proves="Both hold by default.")  # fmt: skip
        if name != "chat-prod":
            made.test(69.0 + place, 0.5, f"e2e/test_applications.py::test_application_has_converged[application/{name} -n argocd]", worker=2,
                      promise="applications", object=f"application/{name} -n argocd", figures={"converged_seconds": 14.0 + 2 * place},
                      proves="It is what its file says, Synced to the commit that is served, and Healthy.")  # fmt: skip
    made.test(70.0, 0.5, "e2e/test_applications.py::test_application_has_converged[application/chat-prod -n argocd]", "blocked", worker=2,
              promise="applications", object="application/chat-prod -n argocd",
              reason=f"blocked by promise loadbalancer: {OUTSIDE['cause']['sentence']} [loadbalancer-address-outside-pools]")  # type: ignore[index]  # fmt: skip
    for env in ("dev", "prod", "staging"):
        made.test(80.0, 0.1, f"e2e/test_applications.py::test_environment_is_deployed[environment/{env}]", worker=2, promise="environments",
                  object=f"environment/{env}", figures={"environment": env}, proves="Every overlay has its Application.")  # fmt: skip


def _close(made: Made) -> None:
    counts: dict[str, int] = {}
    for test in made.run["verdict"]["tests"]:
        counts[test["outcome"]] = counts.get(test["outcome"], 0) + 1
    made.run |= {
        "exit_code": 1,
        "options": {"layer": "/home/ci/platform-e2e/platform", "cluster": "e2e-6f1d20aa", "provider": "embedded"},
        "layer": {"commit": "19bde1c40a52f00d19bde1c40a52f00d19bde1c4", "uncommitted": [" M manifests/chat/overlays/prod/service.yaml", " M argocd/applicationsets/chat.yaml"]},
        "exemptions": {"loadbalancer": ["service/kiosk -n shop (no address in the lab)"]},
        "versions": {"platform-e2e": "0.1.0", "root": "/home/ci/platform-e2e"},
        "machine": {"system": "Linux-6.1.0-amd64", "python": "3.11.2", "cores": 2, "user": "root"},
        "started": BEGAN, "seconds": 149.6,
        "history": history(),
    }  # fmt: skip
    blocked = "blocked by promise loadbalancer [loadbalancer-address-outside-pools]"
    made.run["verdict"] |= {
        "exit_code": 1, "broken_phase": "", "complete": True, "counts": counts,
        "promises": [
            row("loadbalancer", "BROKEN", "4 passed, 1 failed, 1 blocked", "address 10.89.0.201, 10.89.0.202; pool platform; arp 2 ms; answer 31 to 41 ms, median 36 ms"),
            row("monitoring", "BROKEN", "7 passed, 1 failed", "targets 6; samples 2601"),
            row("selfheal", "BROKEN", "7 passed, 3 failed, 6 blocked", "heal 0.31 to 1.13 s, median 0.45 s"),
            row("applications", blocked, "13 passed, 1 blocked", "converged 14.00 to 26.00 s, median 20.00 s"),
            row("environments", "holds", "3 passed", "environment dev, prod, staging"),
        ],
    }  # fmt: skip
    made.file("junit.xml", "<testsuites/>")
    made.file("uncommitted.patch", "diff --git a/x b/x\n")
    index: Sequence[Mapping[str, Any]] = [
        {"path": "chat-prod/events.txt", "bytes": 80, "what": "events of the namespace", "truncated": False},
        {"path": "metallb-system/logs/controller-6f7bd4c5f9-b2wpl.controller.log", "bytes": 30000, "what": "log of MetalLB's controller", "truncated": True},
    ]  # fmt: skip
    left_out = ["logs of pod/node-exporter-2: the bundle had reached its 20 MB"]
    made.file("evidence/index.json", json.dumps({"files": index, "left_out": left_out}))


def history() -> dict[str, Any]:
    """Return what run.json says of the runs before."""
    return {
        "previous_green": {"id": "2026-11-22T02-13-07Z-e2e-51c09a7e", "started": BEGAN - 86_413, "directory": "../x"},
        "changes": [
            {"kind": "layer", "name": "commit", "before": "4fc39cf24fe1", "now": "19bde1c40a52", "text": "the layer moved from 4fc39cf24fe1 to 19bde1c40a52, and has 2 uncommitted files"},
            {"kind": "foundation", "name": "argocd", "before": "v3.2.9", "now": "v3.2.11", "text": "argocd runs v3.2.11, it was v3.2.9"},
            {"kind": "figure", "name": "targets", "before": 12, "now": 11, "text": "monitoring judged 11 targets, they were 12"},
        ],
        "flakes": [
            {"test": "e2e/test_monitoring.py::test_service_monitor_is_scraped[servicemonitor/metallb-speaker -n monitoring]",
             "verdicts": ["passed", "failed", "passed"], "runs": ["a", "b", "c"], "text": "it failed once in three runs of the same layer and harness"}
        ],
        "trends": {
            "heal_seconds": [[BEGAN - 86_400 * day, 0.41 + (day * 7 % 5) / 20] for day in range(14)],
            "run_seconds": [[BEGAN - 86_400 * day, 118 + (day * 11 % 7) * 4] for day in range(14)],
        },
    }  # fmt: skip


def of_alerts(directory: Path) -> Path:
    """Make the directory of a run that made two alerts fire; one went the whole way, the other was not over."""
    made = Made(directory)
    real, rule = (
        "alerts/test_alerts.py::test_alert_fires_is_received_and_is_over",
        "e2e/test_rules.py::test_rule_reads_what_there_is",
    )
    for number, name in enumerate(("AddressPoolExhausted", "MetalLBConfigStale")):
        case = f"[monitoring/metallb-metallb-{name}]"
        steps = {"pending_seconds": 3.0, "firing_seconds": 62.8, "received_seconds": 64.1}
        over = {} if number else {"cleared_seconds": 4.2}
        made.test(1.0, 0.5, f"{rule}{case}", promise="rules")
        made.test(
            2.0, 70.0, f"{real}{case}", "failed" if number else "passed", promise="alerts",
            figures={**steps, **over, "receiver": "on-call"},
        )  # fmt: skip
    return made.write()


def hostile(directory: Path) -> Path:
    """Make the red run with markup in every text, every name and one file's name."""
    red(directory)
    run = _poisoned(json.loads((directory / "run.json").read_text()))
    (directory / "run.json").write_text(json.dumps(run))
    events = [json.loads(line) for line in (directory / "timeline.jsonl").read_text().splitlines()]
    (directory / "timeline.jsonl").write_text("".join(json.dumps(_poisoned(event)) + "\n" for event in events))
    (directory / "evidence" / "chat-prod" / "x<img src=x onerror=hit()>.log").write_text(HOSTILE)
    return directory


def _poisoned(value: Any, name: str = "") -> Any:
    """Return plain data with markup in its texts; what the harness alone writes stays."""
    if isinstance(value, dict):
        return {key: _poisoned(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item) for item in value]
    return value + HOSTILE if isinstance(value, str) and name not in {"kind", "outcome"} else value
