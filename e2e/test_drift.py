"""Drift of special kinds: by another field manager, of an ignored field, again and again, and where nothing heals it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from platform_e2e.testing import Kube, Platform, Promises, Rendered, consistently, eventually, require
from platform_e2e.testing.checks import (
    Sandbox,
    all_of,
    argocd,
    fits,
    has_colour,
    heal_attempts,
    name_of,
    recorded,
    sandbox_objects,
    unsealed_secrets,
)

pytestmark = pytest.mark.promise("selfheal")

HEALED_SECONDS = 20.0
"""For a heal; it takes about one second, and its number with the pauses of the backoff."""

STAYS_SECONDS = 3.0
"""Seconds that must pass without a heal; one takes about one second."""

CONFIG_MAP = "v1/ConfigMap"

DRIFTS = 3
"""How often one commit's state is changed: the third heal waits for two pauses of the backoff."""


@pytest.mark.scenario("D5")
@pytest.mark.parametrize("options", [(), ("ServerSideApply=true",)], ids=["client-side", "server-side"])
def test_change_by_another_field_manager_is_healed(
    options: tuple[str, ...], sandbox: Sandbox, kube: Kube, promises: Promises
) -> None:
    """Also where another manager has taken the field over by server-side apply, with force."""
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), why="Add settings")
    sandbox.deploy(options=options)
    sandbox.converge(sha)
    taken = sandbox_objects.config_map("settings", colour="red")
    taken["metadata"]["namespace"] = sandbox.namespace
    kube.apply(taken, manager="another-manager")
    began = time.monotonic()
    source = kube.one(CONFIG_MAP, "settings", sandbox.namespace)
    eventually(source, has_colour("blue"), timeout=HEALED_SECONDS, what="what another manager has applied is healed")
    seconds = time.monotonic() - began
    sandbox.converge(sha)
    promises.report(figures={"heal_seconds": seconds})


@pytest.mark.scenario("D6")
def test_ignored_field_stays_as_long_as_syncs_respect_that(sandbox: Sandbox, kube: Kube) -> None:
    """A change of an ignored field is no drift; the next sync keeps it only with `RespectIgnoreDifferences=true`."""
    rule = {"kind": "ConfigMap", "name": "settings", "jsonPointers": ["/data/colour"]}
    settings = sandbox_objects.config_map("settings", colour="blue")
    sha = sandbox.commit(settings, sandbox_objects.config_map("other", size="s"), why="Add settings")
    sandbox.deploy(options=["RespectIgnoreDifferences=true"], ignoreDifferences=[rule])
    sandbox.converge(sha)
    kube.patch(CONFIG_MAP, "settings", {"data": {"colour": "red"}}, sandbox.namespace, manager="autoscaler")
    source = kube.one(CONFIG_MAP, "settings", sandbox.namespace)
    stays = fits(
        lambda state: argocd.sync_status(state[0] or {}) == "Synced" and state[1]["data"]["colour"] == "red",
        lambda state: f"it is {argocd.sync_status(state[0] or {})}, and the colour is {state[1]['data']['colour']}",
    )
    both = all_of(sandbox.source, source)
    consistently(both, stays, for_=STAYS_SECONDS, what="the ignored field stays, and the Application is Synced")
    sandbox.converge(sandbox.commit(sandbox_objects.config_map("other", size="m"), why="Have everything synced"))
    consistently(both, stays, for_=1.0, what="a sync that respects the rule keeps it")

    kube.patch(argocd.APPLICATION, sandbox.namespace, {"spec": {"syncPolicy": {"syncOptions": None}}}, argocd.NAMESPACE)
    sandbox.converge(sandbox.commit(sandbox_objects.config_map("other", size="l"), why="Have everything synced again"))
    eventually(source, has_colour("blue"), timeout=HEALED_SECONDS, what="a sync that does not respect it resets it")


@pytest.mark.scenario("D7")
def test_repeated_drift_is_healed_each_time(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """Each heal of one commit counts one more, and waits as long as Argo CD's backoff says."""
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), why="Add settings")
    sandbox.deploy()
    sandbox.converge(sha)
    before = argocd.operation(sandbox.live)
    source = kube.one(CONFIG_MAP, "settings", sandbox.namespace)
    with recorded(sandbox.source) as recording:
        for number in range(1, DRIFTS + 1):
            counted = argocd.operation(sandbox.live).self_heal_attempts
            kube.patch(CONFIG_MAP, "settings", {"data": {"colour": "red"}}, sandbox.namespace, manager="somebody")
            eventually(source, has_colour("blue"), timeout=HEALED_SECONDS, what=f"drift {number} is healed")
            eventually(sandbox.source, _healed_after(counted), timeout=HEALED_SECONDS, what=f"heal {number} has ended")
            sandbox.converge(sha)
    heals = heal_attempts.heals([app for _, app in recording.states])
    backoff = heal_attempts.Backoff.of(kube)
    findings = heal_attempts.counted(name_of(sandbox.live), before, heals, backoff, DRIFTS)
    promises.report(findings, figures={"heals": len(heals)})


def _healed_after(number: int) -> Any:
    def done(app: Any) -> bool:
        operation = argocd.operation(app or {})
        return operation.self_heal_attempts > number and operation.phase == "Succeeded"

    return fits(done, lambda app: argocd.operation(app or {}))


@pytest.mark.scenario("D9")
def test_heal_is_partial(sandbox: Sandbox, kube: Kube) -> None:
    """A heal adds nothing to the history and runs no hook; a sync of a commit does both."""
    hooks = [sandbox_objects.hook(phase, f"hook-{phase.lower()}") for phase in ("PreSync", "PostSync")]
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), *hooks, why="Add settings and hooks")
    sandbox.deploy()
    sandbox.converge(sha)
    before, ran = argocd.history(sandbox.live), _uids(kube, sandbox.namespace)
    kube.patch(CONFIG_MAP, "settings", {"data": {"colour": "red"}}, sandbox.namespace, manager="somebody")
    source = kube.one(CONFIG_MAP, "settings", sandbox.namespace)
    eventually(source, has_colour("blue"), timeout=HEALED_SECONDS, what="the drift is healed")
    sandbox.converge(sha)
    # Those that are neither Synced nor OutOfSync are named, too, which hooks are; a partial sync skips them.
    assert "ConfigMap/settings" in argocd.operation(sandbox.live).resources
    assert argocd.history(sandbox.live) == before
    assert _uids(kube, sandbox.namespace) == ran

    sandbox.converge(sandbox.commit(sandbox_objects.config_map("settings", colour="blue", size="l"), why="Add a size"))
    assert len(argocd.history(sandbox.live)) == len(before) + 1
    again = _uids(kube, sandbox.namespace)
    assert again.keys() == ran.keys()
    assert not set(again.values()) & set(ran.values())


def _uids(kube: Kube, namespace: str) -> dict[str, str]:
    metadata = [obj["metadata"] for obj in kube.list(CONFIG_MAP, namespace)]
    return {each["name"]: each["uid"] for each in metadata if each["name"].startswith("hook-")}


@pytest.mark.scenario("D13")
@pytest.mark.usefixtures("platform")
def test_unsealed_secret_is_what_was_sealed(sealed_secret: Rendered, kube: Kube, promises: Promises) -> None:
    """Nobody heals an unsealed Secret, so who else wrote its data is told."""
    sealed = kube.get(sealed_secret.api, sealed_secret.name, sealed_secret.namespace) or {}
    secret = kube.get("v1/Secret", sealed_secret.name, sealed_secret.namespace)
    promises.report(unsealed_secrets.check(sealed, secret))


@pytest.mark.scenario("D13", "S7")
def test_control_unsealed_secret_that_was_tampered_with_is_told(
    sandbox: Sandbox, platform: Platform, kube: Kube
) -> None:
    """A changed value stays, and is told with who wrote it and when; a deleted Secret comes back as it was sealed."""
    if not any(release.chart == "sealed-secrets" for release in platform.layer.releases):
        pytest.skip("the layer has no release of sealed-secrets")
    sealed = unsealed_secrets.seal({"password": "as sealed"}, "login", sandbox.namespace, kube)
    sha = sandbox.commit(sealed, why="Add a sealed secret")
    sandbox.deploy()
    sandbox.converge(sha)
    live = kube.get(unsealed_secrets.SEALED, "login", sandbox.namespace) or {}
    source = kube.one("v1/Secret", "login", sandbox.namespace)
    original = kube.get("v1/Secret", "login", sandbox.namespace) or {}
    require(unsealed_secrets.check(live, original))
    kube.patch("v1/Secret", "login", {"stringData": {"password": "tampered"}}, sandbox.namespace, manager="intruder")
    both = all_of(sandbox.source, source)
    unseen = fits(
        lambda state: state[1]["data"] != original["data"] and argocd.sync_status(state[0] or {}) == "Synced",
        lambda state: f"it is {argocd.sync_status(state[0] or {})}",
    )
    consistently(both, unseen, for_=STAYS_SECONDS, what="neither Argo CD nor the controller puts it back")
    (finding,) = unsealed_secrets.check(live, kube.get("v1/Secret", "login", sandbox.namespace))
    assert finding.cause.id == "secret-tampered"
    assert "password by intruder at 2" in finding.cause.sentence
    kube.delete("v1/Secret", "login", sandbox.namespace)
    back = fits(lambda secret: (secret or {}).get("data") == original["data"], lambda _: "it is not there as sealed")
    eventually(source, back, timeout=HEALED_SECONDS, what="the deleted Secret is unsealed again")
    assert unsealed_secrets.check(live, kube.get("v1/Secret", "login", sandbox.namespace)) == []
