"""One test for each thing that the layer promises: the cases are read from the layer, before any cluster exists."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from platform_e2e.testing import Cluster, Finding, Kube, Layer, Platform, Rendered, require
from platform_e2e.testing.checks import (
    NOT_COMPARED,
    Application,
    LoadBalancer,
    ProbeResult,
    Promise,
    Release,
    Sandbox,
    alerts,
    applications,
    case_applications,
    dashboards,
    foundations,
    layer_of,
    loadbalancer,
    monitoring,
    mutations,
    rules,
    secrets,
    unsynced,
    waves,
)

HEALED_SECONDS = 15.0
"""For the change of another test to be healed; it takes about one second, and longer where everything runs at once."""


@dataclass(frozen=True)
class Prerequisites:
    """What a case stands on.

    Attributes:
        case: the object at hand, or the change.
        application: that renders the object at hand, or heals it.
        platform: which the Application belongs to.
        kube: the cluster.
        broken: whether a release is not ready that the test's promise cannot be kept without.
    """

    case: object
    application: Application
    platform: Platform
    kube: Kube
    broken: bool = False

    def __call__(self) -> list[Finding]:
        """Return what is wrong with the Application, once a change that another test has just made is healed."""
        return self.settled(HEALED_SECONDS)

    def at_most(self, seconds: float) -> float:
        """Return how long to wait for the object: not again where what it stands on was waited for in vain already."""
        known = self.broken or self.application.name not in self.platform.converged
        return 0.0 if known else seconds

    def settled(self, seconds: float) -> list[Finding]:
        """Return what is still wrong with the Application after waiting as long as is worth it."""
        findings = applications.wait_converged(
            self.application, self.platform.sha, self.kube, timeout=self.at_most(seconds)
        )
        behind = findings and waves.behind(self.application, self.platform.layer)
        return behind or self.unmade(findings) or findings

    def unmade(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return what holds the Applications that should have made what findings about the case lack."""
        platform = self.platform
        return unsynced.holding(findings, self.case, platform.layer, platform.lacking(), self.kube)


Cases = Iterable[tuple[str, object]]
"""Id and value of each case."""


def _load_balancers(layer: Layer) -> Cases:
    return ((_place(balancer.service), balancer) for balancer in layer.load_balancers() if not balancer.exempt)


def _monitors(layer: Layer) -> Cases:
    monitors = (monitor for monitor in layer.monitors() if not monitor.exempt(Promise.MONITORING))
    return ((f"{_place(monitor)}{'-pods' if monitor.kind == 'PodMonitor' else ''}", monitor) for monitor in monitors)


def _metrics_ports(layer: Layer) -> Cases:
    return ((f"{_place(port.service)}-{port.port}", port) for port in layer.metrics_services() if not port.exempt)


def _rules(layer: Layer) -> Cases:
    return ((rule.id, rule) for rule in rules.of_layer(layer))


def _alerts(layer: Layer) -> Cases:
    return ((alert.id, alert) for alert in alerts.of_layer(layer))


def _kept_cases(layer: Layer) -> Cases:
    return ((kept.id, kept) for kept in alerts.kept.of_layer(layer))


def _dashboards(layer: Layer) -> Cases:
    return ((dashboard.id, dashboard) for dashboard in dashboards.of_layer(layer))


def _wanted_secrets(layer: Layer) -> Cases:
    return ((wanted.id, wanted) for wanted in secrets.of_layer(layer))


def _applications(layer: Layer) -> Cases:
    return ((app.name, app) for app in layer.applications)


def _sealed_secrets(layer: Layer) -> Cases:
    sealed = layer.of_kind("bitnami.com/v1alpha1/SealedSecret")
    return ((_place(rendered), rendered) for rendered in sealed if not rendered.exempt(Promise.SELFHEAL))


def _applicationsets(layer: Layer) -> Cases:
    return ((appset.name, appset) for appset in layer.applicationsets)


def _environments(layer: Layer) -> Cases:
    return (
        (f"{environment.applicationset}-{environment.name}", environment)
        for environment in layer.environments
        if not environment.exempt
    )


def _releases(layer: Layer) -> Cases:
    return ((release.name, release) for release in layer.releases)


def _drifts(layer: Layer) -> Cases:
    """Return the changes to Applications that say they heal; those that do not are red in test_it_says_that_it_heals."""
    heals = (app for app in layer.applications if app.automation.enabled and app.automation.self_heal)
    healing = (app for app in heals if not app.exempt(Promise.SELFHEAL))
    return ((str(mutation), mutation) for application in healing for mutation in mutations.mutations_of(application))


def _edits(choose: Callable[[Layer], Iterable[mutations.Mutation]]) -> Callable[[Layer], Cases]:
    return lambda layer: ((mutation.target.name, mutation) for mutation in choose(layer))


CASES: dict[str, Callable[[Layer], Cases]] = {
    "load_balancer": _load_balancers,
    "monitor": _monitors,
    "metrics_port": _metrics_ports,
    "rule": _rules,
    "alert": _alerts,
    "kept_case": _kept_cases,
    "dashboard": _dashboards,
    "wanted_secret": _wanted_secrets,
    "application": _applications,
    "sealed_secret": _sealed_secrets,
    "applicationset": _applicationsets,
    "environment": _environments,
    "release": _releases,
    "change": _drifts,
    "edit_of_kept": _edits(mutations.application_edits),
    "edit_of_generated": _edits(mutations.generated_edits),
    "edit_of_root": _edits(mutations.root_edits),
}
"""For each argument that a test can have, what the layer has of it."""


OF_MONITORING = {"monitoring", "rules", "alerts", "dashboards"}
"""The promises that `-k monitoring` chooses."""


def _place(rendered: Rendered) -> str:
    return f"{rendered.namespace}/{rendered.name}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each case of its argument."""
    for argument, cases in CASES.items():
        if argument in metafunc.fixturenames:
            chosen = [
                pytest.param(value, id=name, marks=_marks(value)) for name, value in cases(layer_of(metafunc.config))
            ]
            metafunc.parametrize(argument, chosen)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let `-k monitoring` choose all that monitoring consists of, whatever file it is in."""
    if {str(marker.args[0]) for marker in item.iter_markers("promise")} & OF_MONITORING:
        item.extra_keyword_matches.add("monitoring")


def _marks(value: object) -> list[pytest.MarkDecorator]:
    """Return the promise of a release, and the locks that a case needs beside those of `_undisturbed`.

    While an Application is gone, no other test can judge what it keeps.
    """
    if isinstance(value, Release):
        return [pytest.mark.promise(str(foundations.promise_of_release(value)))]
    gone = (
        isinstance(value, mutations.Mutation)
        and value.kind is mutations.MutationKind.OBJECT_DELETED
        and value.target.kind == "Application"
    )
    return [pytest.mark.exclusive("applications")] if gone else []


@pytest.fixture(autouse=True)
def _undisturbed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep what a test changes from all tests that judge it, and from those that change it too: Argo CD would heal both at once.

    A test that looks at the whole layer says so by `@pytest.mark.judges_all`.
    """
    spec = getattr(request.node, "callspec", None)
    case = next(iter(spec.params.values()), None) if spec else None
    whole = request.node.get_closest_marker("judges_all") is not None
    if "platform" not in request.fixturenames or (case is None and not whole):
        yield
        return
    # It must stand before anything is locked: the first process sets it up, which takes its time.
    layer = request.getfixturevalue("platform").layer
    lease = request.getfixturevalue("cluster").lease
    mine = case_applications.changed_by(case)
    with contextlib.ExitStack() as stack:
        # Always in the same order, so that no two processes wait for each other.
        for name in sorted(mine | case_applications.judged_by(case, layer)):
            part = f"application {name}"
            stack.enter_context(lease.exclusive(part) if name in mine else lease.shared(part))
        yield


@pytest.fixture(scope="session")
def outside(cluster: Cluster) -> loadbalancer.Outside:
    """Return this host as a client on the cluster's segment."""
    return loadbalancer.Outside.of(cluster.facts)


@pytest.fixture(scope="session")
def metallb(platform: Platform) -> str:
    """Return the namespace of MetalLB."""
    found = [release.namespace for release in platform.layer.releases if release.chart == "metallb"]
    if len(found) != 1:
        pytest.skip(f"the layer has {len(found)} releases of MetalLB")
    return found[0]


@pytest.fixture(scope="session")
def stack(platform: Platform) -> None:
    """Skip where the layer has no Prometheus operator, and so no kind of a monitor."""
    if not any(release.chart == "kube-prometheus-stack" for release in platform.layer.releases):
        pytest.skip("the layer has no release of kube-prometheus-stack")


@pytest.fixture
def prerequisites(request: pytest.FixtureRequest, platform: Platform, kube: Kube) -> Prerequisites:
    """Return what the case at hand stands on: the Application itself, or the one that renders the object."""
    case = next(iter(request.node.callspec.params.values()))
    name = case.service.application if isinstance(case, LoadBalancer) else case.application
    promises = [str(marker.args[0]) for marker in request.node.iter_markers("promise")]
    broken = any(foundations.stands_on(promise, platform.not_ready()) for promise in promises)
    return Prerequisites(case, platform.layer.application(name), platform, kube, broken)


@pytest.fixture
def wanted(load_balancer: LoadBalancer, platform: Platform, cluster: Cluster) -> loadbalancer.WantedService:
    """Return what must be true of the Service at hand."""
    return loadbalancer.WantedService.of(load_balancer, platform.layer, cluster.facts)


@pytest.fixture
def wanted_monitor(monitor: Rendered, platform: Platform) -> monitoring.WantedMonitor:
    """Return what must be true of the ServiceMonitor or PodMonitor at hand."""
    return monitoring.WantedMonitor.of(monitor, platform.layer)


@pytest.fixture
def answering(
    platform: Platform, cluster: Cluster, outside: loadbalancer.Outside, kube: Kube
) -> Iterator[dict[str, Callable[[], ProbeResult]]]:
    """Return for each LoadBalancer Service of the layer that answers what asks it once, while no other test changes it."""
    balancers = [each for each in platform.layer.load_balancers() if not each.exempt]
    names = {name for each in balancers for name in case_applications.judged_by(each, platform.layer)}
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            stack.enter_context(cluster.lease.shared(f"application {name}"))
        asks = {}
        for each in balancers:
            wanted = loadbalancer.WantedService.of(each, platform.layer, cluster.facts)
            ask = loadbalancer.asking(wanted, kube, outside)
            if ask is not None and not ask().problem:
                asks[str(each.service)] = ask
        yield asks


@pytest.fixture
def sandbox(kube: Kube, platform: Platform, namespace: str) -> Iterator[Sandbox]:
    """Return a branch, a namespace and an AppProject of the test's own; everything made in it is removed afterwards."""
    # What compares none of the layer's Applications compares none of a sandbox, and each test would find that out for itself.
    require([finding for finding in platform.lacking().values() if finding.cause.id == NOT_COMPARED])
    with Sandbox.open(kube, platform.git, namespace) as sandbox:
        yield sandbox
