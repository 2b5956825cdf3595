"""What the harness assures about itself, one line a point; tests carry `@pytest.mark.point(ID)` and make docs/assurance.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

SECURITY = "safe with strangers"
VERDICTS = "right verdicts"
DOCKER = "Docker, a registry, upstream charts"

POINTS: Mapping[str, tuple[str, str]] = {
    # Safe with strangers: `nox -s security` runs these.
    "git-runs-nothing": (
        SECURITY,
        "Git runs no program that a layer, a checkout, an archive or their configuration names",
    ),
    "git-other-owner": (SECURITY, "a checkout of another user is read without its configuration"),
    "replay-trusts-no-path": (SECURITY, "a replay takes no path of the host, registry or mirror from run.json"),
    "replay-asks-for-trust": (SECURITY, "a run or incident that was made elsewhere is replayed only with --trust"),
    "harness-patch-warned": (SECURITY, "the patch of another harness is offered with a warning, never advised"),
    "links-not-followed": (SECURITY, "a link in a replayed directory or archive is not followed"),
    "archives-bounded": (SECURITY, "a crafted archive ends in a sentence, within 300 MB and 10 s"),
    "host-files-stay": (SECURITY, "links, FIFOs and devices among logs and temporary files are refused"),
    "secrets-withheld": (SECURITY, "secrets are taken out of layer, patch, bundle and incident as out of text"),
    "no-over-redaction": (SECURITY, "checksums, integrity hashes and counters stay readable"),
    "clusters-apart": (SECURITY, "clusters of two caches on one host never meet"),
    "kills-only-its-own": (SECURITY, "only a process that is provably a cluster's own is ended"),
    "impersonation-sent": (SECURITY, "`as` and `as-groups` of a kubeconfig are sent or refused"),
    "kubeconfig-bounded": (SECURITY, "a huge, nested, odd or endless kubeconfig ends as a sentence with status 4"),
    "plugins-of-users-only": (
        SECURITY,
        "a program that a kubeconfig names runs only where the user's environment names it",
    ),
    "credentials-stay": (SECURITY, "the answer of a credential plugin and a renewed login reach no log, error or file"),
    "tls-unverified-said": (SECURITY, "insecure-skip-tls-verify is said once"),
    "client-cannot-write": (SECURITY, "capture, explain and wait have a client that cannot write"),
    "server-bounded": (
        SECURITY,
        "a slow, endless, huge, malformed or nested answer ends as a sentence, in time and memory",
    ),
    "empty-capture-said": (SECURITY, "a capture in which nothing could be read is no success"),
    "privileged-asks-for-trust": (SECURITY, "a layer with a privileged pod runs on this host only with --trust"),
    "layer-rendered-apart": (
        SECURITY,
        "a layer is rendered from copies within bounds of time, memory and size, and only what is known passes to kustomize",
    ),
    "sources-fetched-safely": (
        SECURITY,
        "a layer's URLs run no program and read no file of this host, and no password reaches store, lock file or output",
    ),
    "terminal-escapes-shown": (SECURITY, "control characters of strangers never reach the terminal"),
    # Right verdicts.
    "rendered-as-argo-cd-applies": (
        VERDICTS,
        "what was rendered before there was a cluster is what Argo CD applies, or the harness says that it is at fault",
    ),
    "hooks-are-no-state": (VERDICTS, "a hook is no object that is healed or compared"),
    "autoscaler-owns-replicas": (VERDICTS, "replicas that an autoscaler owns are no drift, and count as they are"),
    "string-data": (VERDICTS, "a Secret with stringData is as in Git once the API server has its data"),
    "shared-address": (VERDICTS, "Services share an address under every prefix and rule that MetalLB knows"),
    "monitor-target-port": (VERDICTS, "a monitor by target port has the targets that the operator makes"),
    "pod-monitors": (VERDICTS, "a PodMonitor is judged as a ServiceMonitor is"),
    "monitors-all-selected": (VERDICTS, "a Prometheus that takes every monitor selects a monitor without its label"),
    "fields-ignored": (VERDICTS, "ignoreDifferences on a field that Git states is told"),
    "applicationset-ignores": (VERDICTS, "a create-only ApplicationSet, and a template that it ignores, are told"),
    "sync-windows": (VERDICTS, "a sync window that holds an Application is told"),
    "automation-disabled": (VERDICTS, "automated.enabled: false is no automated sync"),
    "ingress-served": (VERDICTS, "an Ingress without a controller is told"),
    "retries-off": (VERDICTS, "retries that are switched off are told"),
    "revision-exists": (VERDICTS, "a revision that is in no branch or tag of the team's repository is told"),
    "sealing-key-backup": (
        SECURITY,
        "a backup of sealing keys is its owner's alone, is never overwritten, and no key is printed",
    ),
    "plain-secret": (VERDICTS, "a plain Secret in Git beside sealed ones is told"),
    "service-takes-others": (VERDICTS, "a Service that takes in pods of another workload is told"),
    "remedies-fit": (VERDICTS, "a remedy does not advise what is there already, nor blame another thing"),
    "events-of-now": (VERDICTS, "an event of earlier content, or an operation of an earlier commit, is no cause"),
    "hook-failure-told": (VERDICTS, "a hook that fails is a failure with its own cause, exit code and end of its log"),
    "unknown-hides-nothing": (VERDICTS, "what no explanation covers has a finding, and everything else is judged"),
    "right-comparison": (VERDICTS, "what Argo CD remembers of a comparison that failed is not taken for one"),
    "wait-ends-when-still": (VERDICTS, "a wait ends when nothing moves"),
    "tests-do-not-meet": (VERDICTS, "what a test changes is another test's finding never"),
    "one-fault-one-failure": (VERDICTS, "one fault is one failure, and is waited for once"),
    "own-events-quoted": (VERDICTS, "the product's own event or condition is quoted where no explanation applies"),
    "kept-cluster-one-layer": (VERDICTS, "two layers never judge each other on one kept cluster"),
    "kept-cluster-as-new": (
        VERDICTS,
        "re-verification makes a kept cluster equal to a new one, or says that it cannot",
    ),
    "later-wave-needed": (VERDICTS, "a workload that needs what a later wave brings is told"),
    "foundation-by-values": (
        VERDICTS,
        "a foundation that its own values hold is a finding with the value's file and line",
    ),
    # The path of most users.
    "user-without-root": (
        DOCKER,
        "an ordinary user's run asks for addresses from the container that exists, or says before a build what is missing",
    ),
    "limits-by-progress": (
        DOCKER,
        "pulls and hooks have the time that they need while something moves; a slow registry is status 3",
    ),
    "foundation-waits-for-layer": (
        DOCKER,
        "foundations and layer come up side by side, and a foundation names what of the layer it waits for",
    ),
    "builds-what-it-uses": (
        DOCKER,
        "with a registry only argocd, helm, kubectl and kustomize are built and asked disk for",
    ),
    "mac": (DOCKER, "what can run on macOS compiles for it, the rest is said at once"),
    "rootless-docker": (DOCKER, "rootless Docker has the kubelet's feature gate and its delegation is judged"),
    "remote-daemon": (DOCKER, "the API of a cluster on a remote daemon is reached where it is published"),
    "credentials-proxies-cas": (DOCKER, "credentials, proxies and CAs of the user reach the nodes"),
    "mirrors": (DOCKER, "a registry mirror works under one name for host and nodes"),
    "registries-asked": (DOCKER, "registries and Helm repositories that are asked are those that are used"),
    "podman": (DOCKER, "Podman is refused by its name"),
    "charts-dir-versions": (DOCKER, "--charts-dir claims the version that runs"),
    "indexes-once": (DOCKER, "a repository's index is fetched once, with retries"),
    "both-ways-run": (
        DOCKER,
        "the README's first screen says what happens with Docker and without, and the workflow for GitHub runs both",
    ),
    "docker-failures-named": (DOCKER, "a failure of Docker, a registry or k3d has its remedy"),
}
"""Each point's id, its part and its sentence."""


def table(tests: Iterable[tuple[str, str]]) -> str:
    """Return docs/assurance.md.

    Args:
        tests: pairs of a point's id and a test's id; a test without its parameters counts once.
    """
    of: dict[str, set[str]] = defaultdict(set)
    for point, test in tests:
        of[point].add(test.split("[")[0])
    lines = ["# What the harness assures about itself", ""]
    lines += [
        "Made from the markers in `tests/` by `nox -s assurance`; a point without a test makes `nox -s tests` red.",
        "",
    ]
    for part in (SECURITY, VERDICTS, DOCKER):
        lines += [f"## {part[0].upper()}{part[1:]}", "", "| point | tests |", "|---|---|"]
        for point, (its, sentence) in POINTS.items():
            if its == part:
                lines.append(f"| {sentence} | {'<br>'.join(f'`{test}`' for test in sorted(of[point]))} |")
        lines.append("")
    return "\n".join(lines)
