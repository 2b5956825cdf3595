"""What is not judged, and what it has made in a cluster, is Git's: no check finds it there without a file."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import all as all_checks
from platform_e2e.checks import applications, loadbalancer
from platform_e2e.checks.all import CheckContext, run_all
from platform_e2e.checks.drifted_objects import EXTRA, drifts
from platform_e2e.checks.monitoring.unmonitored import unselected
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.checks.unjudged import Makers
from platform_e2e.diagnosis.attribution import unjudged_behind
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops.argocd import APPLICATION
from platform_e2e.gitops.leftovers import DEFAULT_LABEL, TRACKING
from platform_e2e.gitops.unjudged import WAITS_FOR
from platform_e2e.incident import reproduce
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Unread
from platform_e2e.layer.renderer import Reason
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.unjudged import unjudged, unjudged_set

CERTS = unjudged("certs")
TESTS = "platform-e2e/run"
MONITORS = (("a", "certs"), ("b", "stranger"))


def app(name: str, by: str = "", generated_by: str = "", namespace: str = "argocd") -> Object:
    """Return a live Application, with the mark of the one that has made it, or its ApplicationSet."""
    marks = {TRACKING: f"{by}:argoproj.io/Application:{namespace}/{name}"} if by else {}
    obj = made(APPLICATION, name, namespace=namespace, metadata={"annotations": marks})
    if generated_by:
        obj["metadata"]["ownerReferences"] = [{"kind": "ApplicationSet", "name": generated_by}]
    return obj


LIVE = [
    app("certs"),
    app("below-certs", by="certs"),
    app("below-that", by="below-certs"),
    app("addon-one", generated_by="addons"),
    app("elsewhere", by="team_root", namespace="argocd"),
    app("root", namespace="team"),
    app("stranger"),
    app("of-a-stranger", by="stranger", generated_by="others"),
]
UNJUDGED = (CERTS, unjudged_set("addons"), unjudged("root", object="application/root -n team"))


def names(findings: list[Finding]) -> list[str]:
    return [finding.object for finding in findings]


def test_an_application_that_is_not_judged_is_in_git_and_so_is_what_it_makes() -> None:
    found = names(applications.unknown([], LIVE, UNJUDGED))
    assert found == ["application/stranger -n argocd", "application/of-a-stranger -n argocd"]
    assert names(applications.registered([], LIVE, UNJUDGED)) == found
    assert len(applications.unknown([], LIVE)) == len(LIVE)


def test_one_of_that_name_in_another_namespace_is_another() -> None:
    assert names(applications.unknown([], [app("certs", namespace="team")], UNJUDGED)) == ["application/certs -n team"]


@pytest.mark.parametrize("mark", ["annotation", "label"])
def test_what_it_has_made_is_known_by_argo_cds_mark(mark: str) -> None:
    makers = Makers.read(UNJUDGED, RecordedView(*LIVE))

    def marked(by: str) -> Object:
        if mark == "label":
            return made("v1/Service", "y", namespace="x", labels={DEFAULT_LABEL: by})
        return made("v1/Service", "y", namespace="x", metadata={"annotations": {TRACKING: f"{by}:/Service:x/y"}})

    assert [makers.made(marked(by)) for by in ("certs", "below-that", "team_root", "stranger", "")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert not Makers.read((), RecordedView(*LIVE)).made(marked("certs"))


def test_without_anything_unjudged_no_application_is_asked_for() -> None:
    class Deaf:
        def list(self, *_: Any, **__: Any) -> list[Object]:
            raise AssertionError

    assert Makers.read((), Deaf()).applications == set()  # type: ignore[arg-type]


def service(name: str, by: str) -> Object:
    marks = {TRACKING: f"{by}:/Service:ingress/{name}"}
    return made("v1/Service", name, namespace="ingress", metadata={"annotations": marks}) | {
        "spec": {"type": "LoadBalancer"}
    }


def test_an_address_that_something_unjudged_takes_is_planned() -> None:
    view = RecordedView(*LIVE, service("nginx", "certs"), service("by-hand", "stranger"))
    assert names(loadbalancer.unplanned(view, set(), TESTS, UNJUDGED)) == ["service/by-hand -n ingress"]
    assert len(loadbalancer.unplanned(view, set(), TESTS)) == 2


def test_a_monitor_of_something_unjudged_is_not_judged() -> None:
    kind = "monitoring.coreos.com/v1/ServiceMonitor"
    marks = {name: {TRACKING: f"{by}:monitoring.coreos.com/ServiceMonitor:x/{name}"} for name, by in MONITORS}
    monitors = [made(kind, name, namespace="x", metadata={"annotations": mark}) for name, mark in marks.items()]
    view = RecordedView(*LIVE, *monitors)
    assert names(unselected(view, set(), TESTS, UNJUDGED)) == ["servicemonitor/b -n x"]


def test_what_something_unjudged_has_made_is_no_extra_of_an_incident() -> None:
    layer = layers.demo()
    view: Any = RecordedView(*LIVE, service("nginx", "certs"), service("by-hand", "stranger"))
    live = {each["metadata"]["name"]: each for each in LIVE}

    def extras(*not_judged: Any) -> list[str]:
        found = drifts(view, replace(layer, not_judged=not_judged), [], live, SkippedParts())
        return [str(drift) for drift in found if drift.change == EXTRA]

    assert extras(*UNJUDGED) == ["service/by-hand -n ingress"]
    assert sorted(extras()) == ["service/by-hand -n ingress", "service/nginx -n ingress"]


@pytest.mark.parametrize(
    ("reads", "found"),
    [
        (None, 0),
        ((), 1),
        (("manifests/certs",), 1),
        (("manifests/old",), 0),
        (("manifests",), 0),
        (("manifests/ol",), 1),
    ],
)
def test_manifests_that_something_unjudged_may_read_are_not_said_to_be_read_by_none(
    reads: tuple[str, ...] | None, found: int
) -> None:
    part = Unread("manifests/old", ("manifests/old",))
    assert len(applications.unread(part, (replace(CERTS, reads=reads),))) == found
    assert applications.may_be_read(part, (replace(CERTS, reads=reads),)) is not bool(found)
    assert len(applications.unread(part)) == 1


def about(cause: str, through: str = "", about: str = "application/one -n argocd") -> Finding:
    return Finding(about, Promise.APPLICATIONS, "it converges", "it does not", Cause(cause, "s", "r", through=through))


def test_what_waits_for_something_unjudged_tells_of_no_fault() -> None:
    waits = about(WAITS_FOR, CERTS.object)
    assert unjudged_behind([waits], UNJUDGED) is CERTS
    assert unjudged_behind([about("application-render-error", CERTS.object)], UNJUDGED) is CERTS
    assert unjudged_behind([about("application-render-error", about=CERTS.object)], UNJUDGED) is CERTS
    # Told by another test, in the words of what the one below lacks.
    deeper = about("pod-image", "deployment/certs -n certs")
    assert unjudged_behind([deeper], UNJUDGED, [waits]) is CERTS
    assert unjudged_behind([about("application-missing")], UNJUDGED, [waits]) is CERTS
    # What Argo CD refuses is the fault itself.
    assert unjudged_behind([about("application-not-rendered", CERTS.object)], UNJUDGED) is None


def test_a_probe_whose_scrapes_are_not_compared_is_left_out_for_certain() -> None:
    probe = unjudged("front-door", reason=Reason.MONITOR, object="probe/front-door -n shop")
    for cause in ("probe-rejected", "monitor-unselected", "monitor-namespace-unselected"):
        assert unjudged_behind([about(cause, about=probe.object)], [probe]) is None
    assert unjudged_behind([about("scrape-error", about=probe.object)], [probe]) is probe


@pytest.mark.parametrize(
    "findings",
    [
        [],
        [about("application-not-pruning")],
        [about("application-changed")],
        [about("pod-image", "deployment/chat -n chat")],
        [about(WAITS_FOR, CERTS.object), about("pod-image", "deployment/x -n x", "application/two -n argocd")],
    ],
    ids=["none", "policy", "changed", "another-fault", "one-of-two"],
)
def test_any_other_fault_is_one(findings: list[Finding]) -> None:
    held = [about(WAITS_FOR, CERTS.object, "application/three -n argocd")]
    assert unjudged_behind(findings, UNJUDGED, held) is None
    assert unjudged_behind([about(WAITS_FOR, CERTS.object)], ()) is None


@pytest.mark.parametrize("live", ["absent", "degraded"])
def test_one_that_is_known_to_wait_is_told_so_at_once_and_not_by_what_the_other_lacks(
    monkeypatch: pytest.MonkeyPatch, live: str
) -> None:
    (one,) = (each for each in layers.demo().applications if each.name == "chat-dev")
    known = Cause(WAITS_FOR, "it waits for certs", "fetch it", through=CERTS.object)
    lacks = {"absent": about("application-missing"), "degraded": about("pod-image", "deployment/certs -n certs")}[live]
    looked: list[str] = []

    def look(*_: Any) -> list[Finding]:
        looked.append("once")
        return [lacks]

    monkeypatch.setattr(applications, "converged", look)
    (finding,) = applications.wait_converged(one, "a" * 40, None, timeout=5.0, known=known)  # type: ignore[arg-type]
    assert finding.cause == known
    assert looked == ["once"]


def test_all_checks_of_a_cluster_tell_what_is_not_judged_and_do_not_find_it_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = replace(layers.demo(), not_judged=UNJUDGED, environments=())
    monkeypatch.setattr(all_checks, "prometheus", lambda *_: None)
    context = CheckContext(RecordedView(*LIVE), layer, "a" * 40, [])  # type: ignore[arg-type]
    found = [each for each in run_all(context) if each.cause.id == "application-unknown"]
    assert names(found) == ["application/stranger -n argocd", "application/of-a-stranger -n argocd"]
    assert context.skipped.parts[CERTS.object] == f"not judged (chart): {CERTS.problem}"


def test_a_finding_of_an_incident_about_something_unjudged_is_said_not_to_be_judged_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    then = about("application-render-error", about=CERTS.object)
    incident: Any = SimpleNamespace(findings=(then,), apps=("certs",), chosen=False, probed=False)
    facts = SimpleNamespace(pool_map={})
    up: Any = SimpleNamespace(layer=replace(layers.demo(), not_judged=UNJUDGED), kube=None, sha="a" * 40, facts=facts)
    monkeypatch.setattr(reproduce, "run_all", lambda _: [])
    (row,) = reproduce.compared(incident, up, timeout=0.0)
    assert row.why == f"it is not judged here: {CERTS.problem}"
