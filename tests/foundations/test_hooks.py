"""Helm waits for hooks as long as something moves; one that cannot end, or that fails, is named with its pod and its log."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.foundations import ReleaseFailed, install
from platform_e2e.foundations.failure import ImageNotDelivered
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.hooks import ALONE_SECONDS, PATIENCE, Hooks
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.running import MOUNT_SECONDS, UNPULLED_SECONDS
from platform_e2e.kube.progress import STILL_SECONDS
from platform_e2e.layer.releases import Release
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from tests.fakes.helm import MODULE, FakeHelm, helm, memory, release
from tests.fakes.memory_kube import MemoryKube, release_secret

__all__ = ["helm", "memory", "release"]

pytestmark = pytest.mark.point("limits-by-progress")

LABELS = {"job-name": "init"}


def secret(status: str = "pending-install") -> Object:
    made = release_secret("demo", "ns", "", status=status)
    hooks = [
        {"name": "sa", "kind": "ServiceAccount"},
        {"name": "init", "kind": "Job"},
        {"name": "later", "kind": "Job"},
    ]
    packed = gzip.compress(json.dumps({"name": "demo", "manifest": "", "hooks": hooks}).encode())
    return {**made, "data": {"release": base64.b64encode(base64.b64encode(packed)).decode()}}


def job(**conditions: str) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "init", "namespace": "ns"},
        "spec": {"selector": {"matchLabels": LABELS}},
        "status": {"conditions": [{"type": kind, "status": value} for kind, value in conditions.items()]},
    }


def pod(**state: Any) -> Object:
    container = {"name": "init", "image": "quay.io/argoproj/argocd:v3.4.4", "restartCount": 0, "state": state}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "init-x", "namespace": "ns", "labels": LABELS},
        "status": {"containerStatuses": [container]},
    }


class Watched:
    """Hooks of a release on a cluster in memory, with a clock, a stillness and pulls that a test sets."""

    def __init__(self, *objects: Object) -> None:
        self.now = 0.0
        self.quiet = 0.0
        self.pulls: list[str] = []
        self.told: list[str] = []
        self.memory = MemoryKube(secret(), *objects)
        self.hooks = Hooks(
            self.memory.kube,
            "demo",
            "ns",
            self.told.append,
            still=lambda: self.quiet,
            pulling=lambda: self.pulls,
            clock=lambda: self.now,
        )

    def after(self, seconds: float, quiet: float = 0.0) -> None:
        self.now, self.quiet = seconds, quiet
        self.hooks()


def test_an_image_of_a_hook_has_the_time_that_it_takes_and_is_named() -> None:
    watched = Watched(job(), pod(waiting={"reason": "ContainerCreating"}))
    watched.pulls = ["quay.io/argoproj/argocd:v3.4.4"]
    for seconds in (PATIENCE, 400, 1100):
        watched.after(seconds)
    assert watched.told == [
        "Helm waits for the hook Job init -n ns, whose image is pulled: quay.io/argoproj/argocd:v3.4.4"
    ]


def test_a_hook_that_has_stopped_to_move_is_named_with_its_pod() -> None:
    watched = Watched(job(), pod(running={}))
    watched.after(100, quiet=STILL_SECONDS - 1)
    with pytest.raises(ReleaseFailed) as error:
        watched.after(101, quiet=STILL_SECONDS)
    assert error.value.holder == "Job init -n ns"
    assert str(error.value).startswith(
        "release demo is not ready: Job init -n ns holds it: Helm waits for this hook: it has not ended, and nothing moves any more\n"
        "    Pod/init-x container init runs and is not ready"
    )
    assert error.value.item == job()


def test_a_volume_of_a_hook_has_the_kubelet_s_longest_pause() -> None:
    watched = Watched(job(), pod(waiting={"reason": "ContainerCreating"}))
    watched.after(100, quiet=MOUNT_SECONDS - 1)
    with pytest.raises(ReleaseFailed):
        watched.after(101, quiet=MOUNT_SECONDS)


def test_a_hook_without_a_pod_is_ended_soon() -> None:
    watched = Watched(job())
    with pytest.raises(ReleaseFailed, match="Job init -n ns holds it"):
        watched.after(30, quiet=25)


def test_an_image_of_a_hook_that_is_not_there_is_ended_while_others_move() -> None:
    watched = Watched(job(), pod(waiting={"reason": "ErrImagePull", "message": "argocd:v3.4.4: not found"}))
    watched.after(PATIENCE)
    with pytest.raises(ReleaseFailed, match=r"ErrImagePull for 60 s: argocd:v3\.4\.4: not found"):
        watched.after(PATIENCE + UNPULLED_SECONDS)


def test_what_has_ended_is_waited_for_no_more_and_without_a_hook_helm_has_its_own_time() -> None:
    watched = Watched(job(Complete="True"))
    watched.after(ALONE_SECONDS - 1, quiet=170)
    with pytest.raises(ReleaseFailed, match="has not applied it within 180 s, and waits for no hook"):
        watched.after(ALONE_SECONDS)


def settle(memory: MemoryKube, release: Release, **how: Any) -> tuple[Sequence[Any], Sequence[ReleaseFailed]]:
    return install(memory.kube, [release], helm=Path("helm"), kubeconfig=Path("k"), timeline=Timeline(None), **how)


def test_a_hook_that_fails_holds_the_release_with_its_log(
    memory: MemoryKube, helm: FakeHelm, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = 'Release "demo" does not exist. Installing it now.\nError: failed pre-install: 1 error occurred:\n\t* job failed'

    def upgrade(*_: Any, **__: Any) -> None:
        memory.put(secret("failed"))
        memory.put(job(Failed="True"))
        memory.put(pod(terminated={"exitCode": 3, "reason": "Error"}))
        memory.written["init-x", "init"] = "no database\n"
        raise CommandError(["helm"], "ended with status 1", output + "\nhook init")

    monkeypatch.setattr(helm, "upgrade", upgrade)
    done, (failure,) = settle(memory, release, module_directory=lambda _: Path())
    assert (list(done), failure.holder) == ([], "Job init -n ns")
    assert failure.item is not None
    text = str(failure)
    assert "Installing it now" not in text
    for words in ("failed pre-install", "Pod/init-x container init ended with status 3 (Error)", "  no database"):
        assert words in text


def test_helm_is_ended_by_what_watches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    program = tmp_path / "helm"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv; exec sleep 60\n')
    program.chmod(0o755)

    def watch() -> None:
        raise ReleaseFailed("demo", "Job init -n ns", "it has not ended")

    with pytest.raises(ReleaseFailed, match="Job init"):
        Helm(program).upgrade("demo", Path("/chart"), "ns", watch=watch)
    argv = (tmp_path / "argv").read_text()
    assert "--timeout 1200s" in argv, "Helm's own limit is 5 minutes, in which a hook's image may not be pulled"


REFUSED = 'failed to do request: Head "https://quay.io/v2/x": dial tcp 1.2.3.4:443: i/o timeout'


@pytest.fixture
def undelivered(memory: MemoryKube, helm: FakeHelm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryKube:
    """Return a cluster on which a release is held by an image that its registry does not deliver."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    memory.put(pod(waiting={"reason": "ErrImagePull", "message": REFUSED}))

    def held(*_: Any, **__: Any) -> int:
        raise ReleaseFailed("demo", "Job init -n ns", "ErrImagePull for 60 s", item=job())

    monkeypatch.setattr(f"{MODULE}.verify", held)
    return memory


def test_a_registry_that_does_not_deliver_is_not_the_platform_s_fault(
    undelivered: MemoryKube, release: Release
) -> None:
    with pytest.raises(ImageNotDelivered) as error:
        settle(undelivered, release)
    assert error.value.exit_code == 3
    assert str(error.value).startswith(
        "the image quay.io/argoproj/argocd:v3.4.4, which Job init -n ns of release demo needs, cannot be pulled: failed to do "
    )
    assert "--registry-mirror" in error.value.remedy


def test_where_images_are_made_here_there_is_no_registry_at_fault(undelivered: MemoryKube, release: Release) -> None:
    _, failures = settle(undelivered, release, module_directory=lambda _: Path())
    assert [one.release for one in failures] == ["demo"]


def test_an_image_that_is_on_its_way_at_the_end_is_not_the_platform_s_fault_either(
    undelivered: MemoryKube, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    undelivered.put(pod(waiting={"reason": "ContainerCreating"}))
    monkeypatch.setattr(f"{MODULE}.Movement.pulling", lambda _: ["quay.io/argoproj/argocd:v3.4.4"])
    with pytest.raises(ImageNotDelivered, match="it is still on its way"):
        settle(undelivered, release)
