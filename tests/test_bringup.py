"""A platform for an incident comes up as one for a test does: foundations and layer side by side."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e import bringup, bringup_phases
from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Cause
from platform_e2e.foundations import ReleaseFailed
from platform_e2e.foundations.failure import ImageNotDelivered
from platform_e2e.foundations.verify import READY_SECONDS
from platform_e2e.gitops.rollout import Held
from platform_e2e.layer import Layer, Release
from platform_e2e.layer.not_here import Brought
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.settings import Settings
from platform_e2e.timeline import Timeline
from tests.checks.test_foundation_needs import FAILURE, GRAFANA, POD, SEALED, release, unsealed
from tests.fakes.recorded_view import RecordedView

__all__ = ["release"]

FACTS = SimpleNamespace(kubeconfig="/k", directory="/d", images="registry", pool_map={}, provider="k3d")


class Stage:
    """The parts that `bring_up` puts together, without a cluster.

    Attributes:
        needed: set when the layer is applied; the foundations wait for it, as Grafana does for its Secret.
        failures: of the foundations.
        held: of the layer's Applications.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, release: Release, view: RecordedView) -> None:
        self.needed = threading.Event()
        self.failures: list[ReleaseFailed] = []
        self.held: dict[str, Held] = {}
        self.foundations_ready: list[bool] = []
        self.layer = SimpleNamespace(
            invented=(),
            left_out=(),
            stand_ins=StandIns(),
            brought_pools=Brought(),
            releases=(release,),
            rendered=(SEALED,),
            directory=release.values.parent,
            pool_ranges=tuple,
            application=lambda name: f"application/{name} -n argocd",
        )
        held = contextlib.nullcontext(SimpleNamespace(facts=FACTS))
        choice = SimpleNamespace(provider="k3d", images="registry")
        for name, value in {
            "bringup.ClusterDirectory": lambda _: SimpleNamespace(path=Path("/nowhere")),
            "bringup.providers.decide": lambda *_, **__: choice,
            "bringup.providers.choose": lambda _: None,
            "bringup.ClusterSpec": lambda *_, **__: None,
            "bringup.acquisition.acquire": lambda *_, **__: held,
            "bringup.programs.ensure": lambda *_: SimpleNamespace(path=Path),
            "bringup.supplies.of": lambda _: SimpleNamespace(registries=(), ca=""),
            "bringup.Kube.from_kubeconfig": lambda _: contextlib.nullcontext(view),
            "bringup_phases.install_foundations": self.install,
            "bringup_phases.git_server": lambda *_: "git",
            "bringup_phases.receive_alerts": lambda *_: None,
            "bringup_phases.load_own_images": lambda *_: None,
            "bringup_phases.deploy": self.deploy,
        }.items():
            monkeypatch.setattr(f"platform_e2e.{name}", value)

    def install(self, *_: Any, **__: Any) -> tuple[list[Any], list[ReleaseFailed]]:
        if not self.needed.wait(5):
            raise BrokenHarness("the layer was not applied while the foundations were waited for")
        return [], self.failures

    def deploy(self, *_: Any, give_up: Any, **__: Any) -> Any:
        self.foundations_ready.append(give_up.foundations_ready())
        self.needed.set()
        return SimpleNamespace(commit=SimpleNamespace(sha="abc", before=None, pushed=True), held=self.held)

    @contextlib.contextmanager
    def bring_up(self) -> Iterator[bringup.RunningPlatform]:
        settings = cast("Settings", SimpleNamespace(cluster="c", provider="k3d", images="registry", registry_mirror=""))
        layer = cast("Layer", self.layer)
        with bringup.bring_up(
            settings, layer, nodes=1, releases=layer.releases, timeline=Timeline(None), made=lambda _: None
        ) as up:
            yield up


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, release: Release) -> Stage:
    return Stage(monkeypatch, release, RecordedView(GRAFANA, POD, unsealed("no key could decrypt secret")))


@pytest.mark.point("foundation-waits-for-layer")
def test_the_layer_is_applied_while_a_foundation_waits_for_what_it_brings(stage: Stage) -> None:
    with stage.bring_up() as up:
        assert (up.sha, up.late) == ("abc", "")
    assert stage.foundations_ready == [False], "nothing of the layer is given up before the foundations are there"


@pytest.mark.point("foundation-waits-for-layer")
def test_a_foundation_that_waits_for_an_incident_s_layer_is_told_and_ends_nothing(stage: Stage) -> None:
    stage.failures = [FAILURE]
    with stage.bring_up() as up:
        assert up.late.startswith(
            "release/stack -n monitoring: sealedsecret/grafana-admin -n monitoring makes no Secret"
        )
        assert "waits for secret/grafana-admin -n monitoring" in up.late


@pytest.mark.point("foundation-waits-for-layer")
def test_a_foundation_that_waits_for_nothing_of_the_layer_ends_it(stage: Stage) -> None:
    stage.failures = [ReleaseFailed("stack", "Deployment other -n monitoring", "0 of 1 replicas"), FAILURE]
    with pytest.raises(ReleaseFailed, match="Deployment other -n monitoring holds it"), stage.bring_up():
        pass


def image(said: str) -> Held:
    cause = Cause("pod-image", f"the image chat:1 cannot be had (ErrImagePull: {said})", "r", about="image chat:1")
    return Held("Degraded", cause)


@pytest.mark.point("limits-by-progress")
def test_a_registry_that_does_not_deliver_an_application_s_image_is_not_its_fault(stage: Stage) -> None:
    stage.held = {"chat-dev": image("429 Too Many Requests")}
    words = "the image chat:1, which application/chat-dev -n argocd needs"
    with pytest.raises(ImageNotDelivered, match=words), stage.bring_up():
        pass


@pytest.mark.point("limits-by-progress")
@pytest.mark.parametrize("said", ["chat:1: not found", "dial tcp: lookup ghrc.io: no such host"])
def test_a_name_that_is_written_wrong_is_the_application_s_fault(stage: Stage, said: str) -> None:
    stage.held = {"chat-dev": image(said)}
    with stage.bring_up() as up:
        assert up.sha == "abc"


@pytest.mark.point("limits-by-progress")
def test_the_layer_is_waited_for_longer_than_the_foundations_beside_it() -> None:
    assert bringup_phases.CONVERGE_SECONDS > READY_SECONDS
