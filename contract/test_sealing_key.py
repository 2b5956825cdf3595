"""A cluster is lost, and every Secret comes back on a new one from what Git has sealed and the backup of the keys alone."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from contract.conftest import named
from platform_e2e import cli
from platform_e2e.bringup_phases import from_registry
from platform_e2e.checks.secrets import backup, expected, sealing
from platform_e2e.checks.secrets.sealing import Sealing
from platform_e2e.cluster import acquisition
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Provider
from platform_e2e.foundations import install
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import consistently, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Release, sealing_keys
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

UNSEALED_SECONDS = 30.0
"""For a controller that has just started to unseal everything."""

STAYS_SECONDS = 2.0
"""Seconds in which nothing may come of a SealedSecret: the controller's five attempts take 0.2 s."""

VALUES = {"grafana": "correct-horse", "chat": "battery-staple", "mail": "made-after-the-rotation"}


@dataclass(frozen=True)
class Standing:
    """A cluster with a controller of Sealed Secrets, or without one yet.

    Attributes:
        facts: of the cluster.
        kube: a client of it.
        settle: installs the release with some values.
    """

    facts: ClusterFacts
    kube: Kube
    settle: Callable[..., None]

    def key(self, *words: str) -> int:
        """Run `platform-e2e sealing-key`, and return its status."""
        return cli.main(["sealing-key", *words, "--cluster", self.facts.name])

    def apply(self, sealed: Sequence[Object]) -> None:
        """Apply what Git has."""
        for each in sealed:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each["metadata"]["namespace"]}}
            self.kube.apply(namespace)
            self.kube.apply(each)

    def unsealed(self, sealed: Sequence[Object]) -> None:
        """Wait until every one of these has its Secret, with the value that was sealed."""
        for each in sealed:
            name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
            eventually(
                sealing.secret(self.kube, name, namespace),
                expected.has_values(password=VALUES[name]),
                timeout=UNSEALED_SECONDS,
                what=f"secret/{name} -n {namespace} is as it was",
            )


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Return the release of Sealed Secrets."""
    repository = "https://bitnami.github.io/sealed-secrets"
    return Release(
        "sealed-secrets", "sealed-secrets", repository, "2.18.5", "0.36.6", "kube-system", tmp_path / "values.yaml"
    )


@pytest.fixture
def made(
    provider: Provider, small: ClusterSpec, timeline: Timeline, release: Release
) -> Callable[[], contextlib.AbstractContextManager[Standing]]:
    """Return what makes a cluster without a controller, and removes it at the end with all that it has."""

    @contextlib.contextmanager
    def make() -> Iterator[Standing]:
        spec = replace(small, name=named("s"))
        with acquisition.acquire(spec, provider, keep=lambda: False, timeline=timeline) as held:
            kube = Kube.from_kubeconfig(Path(held.facts.kubeconfig))

            def settle(**values: str) -> None:
                release.values.write_text(json.dumps({"fullnameOverride": "sealed-secrets", **values}))
                _, failures = install(
                    kube,
                    [release],
                    helm=programs.ensure(timeline, programs.TOOLS_OF_HOST).path("helm"),
                    kubeconfig=Path(held.facts.kubeconfig),
                    module_directory=None if from_registry(held.facts) else programs.module_directory,
                    timeline=timeline,
                )
                assert not failures, "".join(map(str, failures))

            yield Standing(held.facts, kube, settle)
        assert provider.leftovers(spec.name) == []

    return make


@pytest.mark.scenario("S5")
def test_every_secret_survives_the_loss_of_its_cluster(
    made: Callable[[], contextlib.AbstractContextManager[Standing]],
    release: Release,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Keys before and after the controller; a rotation; and what a backup from before it lacks is told before it is needed."""
    early, whole = tmp_path / "early.yaml", tmp_path / "whole.yaml"
    with made() as first:
        # The controller makes a key of its own.
        first.settle()
        sealer = Sealing.of(first.kube, release)
        git = [sealer.sealed(name, name, password=VALUES[name]) for name in ("grafana", "chat")]
        first.apply(git)
        first.unsealed(git)
        assert first.key("backup", "--output", str(early)) == 0

        # A rotation: a new key is made, the old one stays, and everything still opens.
        cutoff = datetime.now(UTC) + timedelta(seconds=1)
        first.settle(keycutofftime=format_datetime(cutoff), keyrenewperiod="0")
        sealer = Sealing.of(first.kube, release)
        git.append(sealer.sealed("mail", "mail", password=VALUES["mail"]))
        first.apply(git)
        first.unsealed(git)
        for each in git:
            first.kube.delete("v1/Secret", each["metadata"]["name"], each["metadata"]["namespace"])
        first.unsealed(git)

        capsys.readouterr()
        assert first.key("verify", str(early), "--layer", str(_layer(tmp_path, git))) == 1
        said = capsys.readouterr().out
        assert "[sealing-key-not-backed-up]" in said
        assert "lacks the newest key of cluster" in said
        assert first.key("backup", "--output", str(whole)) == 0
        assert len(sealing_keys.read(whole)) == 2
        assert first.key("verify", str(whole), "--layer", str(_layer(tmp_path, git))) == 0

    # The keys before the controller: what a new cluster is brought up with.
    began = time.monotonic()
    with made() as second:
        assert second.key("restore", str(whole)) == 0
        second.settle(keyrenewperiod="0")
        second.apply(git)
        second.unsealed(git)
        record_property("lost_and_back_seconds", round(time.monotonic() - began, 1))

    # The keys after the controller, which has made one of its own meanwhile and given up.
    with made() as third:
        third.settle(keyrenewperiod="0")
        third.apply(git)
        for each in git:
            name = each["metadata"]["name"]
            closed = expected.refused("no key could decrypt secret")
            eventually(
                sealing.sealed_secret(third.kube, name, name), closed, timeout=UNSEALED_SECONDS, what="it is closed"
            )
        absent = sealing.secret(third.kube, "chat", "chat")
        consistently(absent, expected.absent, for_=STAYS_SECONDS, what="without the key nothing comes")
        # The early backup opens what was sealed before the rotation, and names the rest.
        capsys.readouterr()
        assert third.key("restore", str(early)) == 1
        third.unsealed(git[:2])
        assert "sealedsecret/mail -n mail makes no Secret" in capsys.readouterr().out
        assert third.key("restore", str(whole)) == 0
        third.unsealed(git)
        every = third.kube.many(sealing.API)
        names = [f"sealedsecret/{name} -n {name}" for name in VALUES]
        eventually(every, backup.all_unsealed(names), timeout=UNSEALED_SECONDS, what="all of them say so")


def _layer(tmp_path: Path, git: Sequence[Object]) -> Path:
    """Write a layer of one Application that has these SealedSecrets, and return its directory."""
    directory = tmp_path / "layer"
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "secrets", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {
                "repoURL": "https://git.example.com/team/platform.git",
                "path": "secrets",
                "targetRevision": "main",
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
        },
    }
    files = {"argocd/secrets.json": application} | {f"secrets/{each['metadata']['name']}.json": each for each in git}
    for name, obj in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(json.dumps(obj))
    return directory
