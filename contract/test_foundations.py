"""The wait for a foundation on a real cluster: its hooks, its images, and objects that others must bring."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from contract import pods
from contract.conftest import Standing
from platform_e2e.foundations import Installed, ReleaseFailed, install
from platform_e2e.foundations.failure import ImageNotDelivered
from platform_e2e.layer import Release
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

CHARTS = Path(__file__).parent / "charts"

LATE_SECONDS = 15.0
"""Seconds after which the Secret appears: by then the kubelet has failed to start the container, and retries."""

Settle = Callable[..., tuple[Sequence[Installed], Sequence[ReleaseFailed]]]


@pytest.fixture
def name() -> str:
    """Return a unique name for a release and its namespace."""
    return f"hooked-{secrets.token_hex(3)}"


@pytest.fixture
def settle(standing: Standing, tmp_path: Path, timeline: Timeline, name: str) -> Settle:
    """Return a function that installs the chart `hooked` with some values."""

    def work(**values: Any) -> tuple[Sequence[Installed], Sequence[ReleaseFailed]]:
        file = tmp_path / "values.yaml"
        file.write_text(json.dumps({"image": pods.dns_image(standing), **values}))
        release = Release(name, "hooked", "https://charts.example.org", "1.0.0", "1.0.0", name, file)
        return install(
            standing.kube,
            [release],
            helm=programs.ensure(timeline).path("helm"),
            kubeconfig=Path(standing.facts.kubeconfig),
            timeline=timeline,
            charts_dir=CHARTS,
        )

    return work


def test_a_hook_that_ends_well_is_followed_by_the_release(settle: Settle) -> None:
    """Helm waits only for the hook."""
    done, failures = settle()
    assert [release.action for release in done] == ["installed"], "".join(map(str, failures))


def test_a_hook_that_fails_is_named_with_the_end_of_its_log(settle: Settle) -> None:
    """Its output is the reason why Helm does not apply the rest."""
    _, (failure,) = settle(args=["-conf", "/nowhere/Corefile"])
    assert failure.holder.startswith("Job hooked-")
    assert "pre-install" in str(failure)
    assert "/nowhere/Corefile" in str(failure)


def test_a_hook_whose_image_no_registry_delivers_is_no_fault_of_the_platform(settle: Settle) -> None:
    """The route to a registry belongs to the machine."""
    with pytest.raises(ImageNotDelivered, match=r"the image registry\.invalid/none:1, which Job hooked-\S+-init"):
        settle(image="registry.invalid/none:1")


def test_a_release_waits_for_a_secret_that_comes_late(settle: Settle, standing: Standing, name: str) -> None:
    """As for objects of a layer that is applied at the same time."""
    late = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "late", "namespace": name},
        "stringData": {"a": "b"},
    }
    timer = threading.Timer(LATE_SECONDS, lambda: standing.kube.apply(late))
    timer.start()
    done, failures = settle(needs="late")
    timer.join()
    assert [release.action for release in done] == ["installed"], "".join(map(str, failures))


def test_a_release_whose_secret_does_not_come_is_ended_when_nothing_moves(settle: Settle) -> None:
    """The failure names the Secret."""
    _, (failure,) = settle(needs="absent")
    assert failure.holder.startswith("Deployment hooked-")
    assert 'secret "absent" not found' in str(failure)
    assert "nothing moves any more" in failure.why
