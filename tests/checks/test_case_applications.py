"""What a test changes is locked for all that judge it; an Application that waits for another one is blocked by it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from e2e import conftest
from platform_e2e.checks.case_applications import changed_by, child_applications, judged_by
from platform_e2e.checks.mutations import application_edits, generated_edits, mutations_of, root_edits
from platform_e2e.diagnosis.attribution import behind
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import Layer
from tests.fakes import layers


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


@pytest.mark.point("tests-do-not-meet")
def test_whatever_judges_an_application_shares_it_with_nobody_who_changes_it(demo: Layer) -> None:
    everything = [
        *demo.applications,
        *demo.load_balancers(),
        *demo.monitors(),
        *demo.metrics_services(),
        *(one for app in demo.applications for one in mutations_of(app)),
    ]
    for case in everything:
        names = judged_by(case, demo)
        assert names, case
        assert changed_by(case) <= names
    assert judged_by(None, demo) == {one.name for one in demo.applications}


@pytest.mark.point("tests-do-not-meet")
def test_an_edit_of_an_application_locks_it_and_who_heals_it(demo: Layer) -> None:
    kept = next(one for one in application_edits(demo) if one.target.name == "metallb-config")
    assert changed_by(kept) == {"platform", "metallb-config"}
    made = next(one for one in generated_edits(demo) if one.target.name == "chat-dev")
    assert changed_by(made) == {"chat-dev"}
    assert [changed_by(one) for one in root_edits(demo)] == [{"platform"}]
    assert changed_by(demo.application("chat-dev")) == frozenset()


@pytest.mark.point("tests-do-not-meet")
def test_an_address_is_judged_by_its_pool_and_a_monitor_by_the_services_that_it_scrapes(demo: Layer) -> None:
    service = next(one for one in demo.load_balancers() if one.service.namespace == "chat-dev")
    assert judged_by(service, demo) == {"chat-dev", "metallb-config"}
    monitor = next(one for one in demo.monitors() if one.namespace == "chat-prod")
    assert judged_by(monitor, demo) == {"chat-prod"}
    speaker = next(one for one in demo.monitors() if "metallb" in one.name)
    assert judged_by(speaker, demo) == {"monitoring-config", "metallb-config"}
    port = next(one for one in demo.metrics_services() if one.service.namespace == "chat-dev")
    assert judged_by(port, demo) == {"chat-dev"}
    others = tuple(one for one in demo.rendered if (one.kind, one.namespace) != ("ServiceMonitor", "chat-dev"))
    assert judged_by(port, replace(demo, rendered=others)) >= {"chat-dev", "chat-prod", "monitoring-config"}


@pytest.mark.point("tests-do-not-meet")
def test_a_heal_needs_the_address_of_what_was_converged_before(demo: Layer) -> None:
    change = mutations_of(demo.application("chat-dev"))[0]
    assert judged_by(change, demo) == {"chat-dev", "metallb-config"}
    assert judged_by(mutations_of(demo.application("monitoring-config"))[0], demo) == {"monitoring-config"}


class Lease:
    """Notes which locks are held, in their order."""

    def __init__(self) -> None:
        self.held: list[str] = []

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        self.held.append(f"shared {name}")
        yield

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        self.held.append(f"alone {name}")
        yield


def locks(
    demo: Layer, case: object = None, *, whole: bool = False, fixtures: tuple[str, ...] = ("platform",)
) -> list[str]:
    """Return what a test of e2e/ locks, by its case."""
    lease = Lease()
    values = {"platform": SimpleNamespace(layer=demo), "cluster": SimpleNamespace(lease=lease)}
    node = SimpleNamespace(get_closest_marker=lambda name: whole or None)
    if case is not None:
        node.callspec = SimpleNamespace(params={"case": case})
    request = SimpleNamespace(node=node, fixturenames=fixtures, getfixturevalue=values.__getitem__)
    for _ in inspect.unwrap(conftest._undisturbed)(request):
        pass
    return lease.held


@pytest.mark.point("tests-do-not-meet")
def test_a_test_that_changes_holds_alone_what_the_others_share_in_one_order(demo: Layer) -> None:
    edit = next(one for one in application_edits(demo) if one.target.name == "metallb-config")
    assert locks(demo, edit) == ["alone application metallb-config", "alone application platform"]
    change = mutations_of(demo.application("chat-dev"))[0]
    assert locks(demo, change) == ["alone application chat-dev", "shared application metallb-config"]
    assert locks(demo, demo.application("metallb-config")) == ["shared application metallb-config"]
    assert locks(demo, whole=True) == [f"shared application {one}" for one in sorted(a.name for a in demo.applications)]
    assert locks(demo) == [], "a control that works in a namespace of its own"
    assert locks(demo, edit, fixtures=()) == [], "what is judged without a cluster"


def finding(cause: Cause, name: str = "application/platform -n argocd") -> Finding:
    return Finding(name, Promise.APPLICATIONS, "synced", "Progressing", cause)


@pytest.mark.point("one-fault-one-failure")
def test_a_root_that_waits_for_an_application_is_blocked_by_what_holds_that(demo: Layer) -> None:
    kept = child_applications("platform", demo)
    assert kept == {"metallb-config", "monitoring-config", "secrets-config", "chat-dev", "chat-staging", "chat-prod"}
    image = Cause("pod-image", "no image", "push it", through="deployment/chat -n chat-dev")
    below = finding(image, "application/chat-dev -n argocd")
    held = {"chat-dev": below}
    waits = Cause("application-wave-held", "waits for argoproj.io/Application/chat-dev", "look")
    other = Cause("application-wave-held", "waits for argoproj.io/Application/chat-dev-two", "look")
    unknown = Cause("unexplained", "its health is Progressing", "look")
    assert behind(finding(image), held, kept) is below
    assert behind(finding(replace(image, sentence="it has ended 4 times")), held, kept) is below
    assert behind(finding(replace(image, sentence="later", through=below.object)), held, kept) is below
    assert behind(finding(waits), held) is below
    assert behind(finding(unknown), held, kept) is below
    assert behind(finding(unknown), held) is None
    assert behind(finding(other), held, kept) is None
    elsewhere = replace(image, sentence="another", through="deployment/chat -n chat-prod")
    assert behind(finding(elsewhere), held, kept) is None
    assert behind(below, held) is None, "it keeps nothing, so it is its own failure"
