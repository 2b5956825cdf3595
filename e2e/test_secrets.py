"""Every SealedSecret is unsealed, and what is sealed is so for its own name, namespace and key alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Cluster, Kube, Platform, Promises, consistently, eventually, own, require
from platform_e2e.testing.checks import (
    Kubeseal,
    Release,
    Run,
    Sandbox,
    Sealing,
    all_of,
    controller,
    each_of,
    expected,
    explain,
    has_colour,
    is_sync,
    sandbox_objects,
    secrets,
)

pytestmark = pytest.mark.promise("secrets")

UNSEALED_SECONDS = 15.0
"""For a SealedSecret to be unsealed (sealed-secrets, integration/controller_test.go); it takes well below a second."""

STAYS_SECONDS = 2.0
"""Seconds in which nothing may come of a SealedSecret: the controller acts when it is told of a change, and gives up after five
attempts of which the last begins 0.2 s after the first (client-go 0.34, util/workqueue/default_rate_limiters.go)."""

SYNCED_SECONDS = 45.0
"""For Argo CD to take a new commit of a test's own Application; it takes about two seconds."""

NAME, VALUE, NEW = "password", "correct-horse-battery", "staple-correct-horse"


@pytest.fixture
def sealing(platform: Platform, kube: Kube) -> Sealing:
    """Return what seals values for the layer's controller; it must run, and look at the layer's own SealedSecrets."""
    found = Sealing.of(kube, _release(platform))
    require(secrets.unattended(platform.layer, kube))
    return found


@pytest.fixture
def kubeseal(platform: Platform, kube: Kube, cluster: Cluster, platform_e2e_run: Run) -> Kubeseal:
    """Return the program for the layer's controller."""
    return Kubeseal.of(kube, cluster.facts, _release(platform), platform_e2e_run.timeline)


def _release(platform: Platform) -> Release:
    found = [release for release in platform.layer.releases if release.chart == controller.CHART]
    if len(found) != 1:
        pytest.skip(f"the layer has {len(found)} releases of Sealed Secrets")
    require([platform.broken[found[0].name]] if found[0].name in platform.broken else [])
    return found[0]


@pytest.fixture
def beside(kube: Kube, namespace: str) -> Iterator[str]:
    """Return a second namespace of the test."""
    with controller.namespace_beside(kube, namespace) as name:
        yield name


@pytest.mark.scenario("S1")
@pytest.mark.smoke
def test_sealed_secret_is_unsealed(
    wanted_secret: secrets.WantedSecret, prerequisites: Prerequisites, platform_e2e_run: Run, promises: Promises
) -> None:
    """Its Secret belongs to it, and has the keys and values that Git has sealed."""
    wanted = wanted_secret.known_by(platform_e2e_run.settings.sealing_key)
    findings = secrets.watch(wanted, prerequisites.kube, timeout=prerequisites.at_most(UNSEALED_SECONDS))
    require(prerequisites.unmade(findings))
    promises.report(own(findings, prerequisites), figures={"unsealed": 0 if findings else 1})


@pytest.mark.scenario("S8")
@pytest.mark.judges_all
def test_every_sealed_secret_of_git_can_be_opened(
    kubeseal: Kubeseal, platform: Platform, kube: Kube, platform_e2e_run: Run, promises: Promises
) -> None:
    """`kubeseal --validate` takes each: those that are applied, and those that are written beside them for later."""
    keys = secrets.keys(platform_e2e_run.settings.sealing_key)
    looked_at, findings, held = secrets.files.check(platform.layer, kubeseal.validates, keys, kube)
    require([] if findings else held)
    promises.report(findings, figures={"validated": looked_at})


@pytest.mark.scenario("S8")
def test_control_kubeseal_refuses_what_was_renamed(kubeseal: Kubeseal, sealing: Sealing, namespace: str) -> None:
    """The same program takes a SealedSecret, and not its copy under another name."""
    obj = sealing.sealed("mine", namespace, password=VALUE)
    assert kubeseal.validates(obj)
    assert not kubeseal.validates(controller.copied(obj, "other", namespace))


@pytest.mark.scenario("S1")
def test_control_a_secret_that_was_changed_by_hand_is_told(
    sealing: Sealing, kube: Kube, namespace: str, platform_e2e_run: Run
) -> None:
    """The SealedSecret stays Synced: only the comparison tells, of a lost key and of one that lost its owner."""
    obj = kube.create(sealing.sealed("tampered", namespace, password=VALUE))
    right, secret = expected.owned_by(obj, password=VALUE), controller.secret(kube, "tampered", namespace)
    eventually(secret, right, timeout=UNSEALED_SECONDS, what="it is unsealed")
    wanted = secrets.WantedSecret.made(obj).known_by(platform_e2e_run.settings.sealing_key)
    assert secrets.check(wanted, kube) == []
    for change, cause in (
        ({"metadata": {"ownerReferences": None}}, "unsealed-secret-differs"),
        ({"data": {NAME: None}}, "secret-tampered"),
    ):
        kube.patch("v1/Secret", "tampered", change, namespace, manager="platform-e2e-drift")
        (found,) = secrets.check(wanted, kube)
        assert found.cause.id == cause


@pytest.mark.scenario("S2")
def test_an_update_reaches_the_secret(sealing: Sealing, sandbox: Sandbox) -> None:
    """A value that is sealed again and committed replaces the one before, and the SealedSecret says for which generation."""
    kube, namespace = sandbox.kube, sandbox.namespace
    sandbox.commit(sealing.sealed("updated", namespace, password=VALUE), why="Seal a value")
    sandbox.deploy()
    secret, sealed = controller.secret(kube, "updated", namespace), controller.sealed_secret(kube, "updated", namespace)
    eventually(secret, expected.has_values(password=VALUE), timeout=UNSEALED_SECONDS, what="the first value is there")
    sandbox.commit(sealing.sealed("updated", namespace, password=NEW, user="chat"), why="Seal another value")
    updated = expected.has_values(password=NEW, user="chat")
    eventually(secret, updated, timeout=SYNCED_SECONDS, what="the Secret has what was committed")
    eventually(sealed, expected.unsealed(2), timeout=UNSEALED_SECONDS, what="the SealedSecret says so")


@pytest.mark.scenario("S3", "E2")
def test_scope_is_enforced(sealing: Sealing, kube: Kube, namespace: str, beside: str) -> None:
    """The same ciphertext opens under its own name and in its own namespace, and nowhere else."""
    obj = sealing.sealed("mine", namespace, password=VALUE)
    kube.create(obj)
    mine = controller.secret(kube, "mine", namespace)
    eventually(mine, expected.has_values(password=VALUE), timeout=UNSEALED_SECONDS, what="it opens in its place")
    for name, place in (("other", namespace), ("mine", beside)):
        kube.create(controller.copied(obj, name, place))
        _stays_closed(kube, name, place)


@pytest.mark.scenario("S3")
@pytest.mark.parametrize("scope", ["namespace-wide", "cluster-wide"])
def test_a_wider_scope_opens_wider(scope: str, sealing: Sealing, kube: Kube, namespace: str, beside: str) -> None:
    """Namespace-wide opens under any name of the namespace, cluster-wide anywhere: the control of the test above."""
    obj = sealing.sealed("mine", namespace, scope, password=VALUE)
    kube.create(controller.copied(obj, "other", namespace))
    there = expected.has_values(password=VALUE)
    eventually(
        controller.secret(kube, "other", namespace),
        there,
        timeout=UNSEALED_SECONDS,
        what=f"{scope}: another name opens",
    )
    kube.create(controller.copied(obj, "mine", beside))
    if scope == "cluster-wide":
        eventually(
            controller.secret(kube, "mine", beside), there, timeout=UNSEALED_SECONDS, what="another namespace opens"
        )
    else:
        _stays_closed(kube, "mine", beside)


def _stays_closed(kube: Kube, name: str, namespace: str) -> None:
    """Demand that no key opens a SealedSecret, that it says so, that its cause is named, and that no Secret comes of it."""
    closed = expected.refused("no key could decrypt secret")
    live = eventually(
        controller.sealed_secret(kube, name, namespace), closed, timeout=UNSEALED_SECONDS, what="no key opens it"
    )
    cause = explain(live, kube)
    assert cause is not None
    assert cause.id == "secret-not-unsealed"
    events = kube.many("v1/Event", namespace)
    eventually(events, expected.told(name, "ErrUnsealFailed"), timeout=UNSEALED_SECONDS, what="an event tells")
    what = f"secret/{name} -n {namespace} does not come"
    consistently(controller.secret(kube, name, namespace), expected.absent, for_=STAYS_SECONDS, what=what)


@pytest.mark.scenario("S4")
@pytest.mark.usefixtures("sealing")
def test_a_foreign_key_opens_nothing(sandbox: Sandbox) -> None:
    """What is sealed for another cluster makes no Secret, and its Application is Degraded: the rest of it is applied."""
    kube, namespace = sandbox.kube, sandbox.namespace
    foreign = Sealing.foreign().sealed("foreign", namespace, password=VALUE)
    sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), foreign, why="Seal with a foreign key")
    sandbox.deploy()
    settings = kube.one("v1/ConfigMap", "settings", namespace)
    eventually(settings, has_colour("blue"), timeout=SYNCED_SECONDS, what="what is beside it is applied")
    _stays_closed(kube, "foreign", namespace)
    app = sandbox.source
    found = eventually(app, expected.is_health("Degraded"), timeout=SYNCED_SECONDS, what="Argo CD tells")
    cause = explain(found, kube)
    assert cause is not None
    assert f"sealedsecret/foreign -n {namespace} makes no Secret" in cause.sentence


@pytest.mark.scenario("S6")
def test_an_existing_secret_is_not_overwritten(sealing: Sealing, kube: Kube, namespace: str) -> None:
    """It keeps its data, and the SealedSecret says why; one that is annotated as managed is taken over."""
    kube.create(controller.plain("theirs", namespace, password=VALUE))
    kube.create(sealing.sealed("theirs", namespace, password=NEW))
    told = expected.refused("already exists and is not managed by SealedSecret")
    live = eventually(
        controller.sealed_secret(kube, "theirs", namespace),
        told,
        timeout=UNSEALED_SECONDS,
        what="the controller refuses",
    )
    cause = explain(live, kube)
    assert cause is not None
    assert cause.id == "secret-not-managed"
    unchanged = expected.has_values(password=VALUE)
    consistently(controller.secret(kube, "theirs", namespace), unchanged, for_=STAYS_SECONDS, what="it keeps its value")
    kube.create(controller.plain("given", namespace, managed=True, password=VALUE))
    obj = kube.create(sealing.sealed("given", namespace, password=NEW))
    taken = expected.owned_by(obj, password=NEW)
    eventually(
        controller.secret(kube, "given", namespace),
        taken,
        timeout=UNSEALED_SECONDS,
        what="the managed one is taken over",
    )


@pytest.mark.scenario("S7")
def test_a_deleted_secret_is_made_again_and_goes_with_its_sealed_secret(
    sealing: Sealing, kube: Kube, namespace: str
) -> None:
    """Deleted, the Secret comes back with the same data; deleted, the SealedSecret takes it along."""
    obj = kube.create(sealing.sealed("kept", namespace, password=VALUE))
    there = expected.owned_by(obj, password=VALUE)
    secret = controller.secret(kube, "kept", namespace)
    first = eventually(secret, there, timeout=UNSEALED_SECONDS, what="it is unsealed")
    kube.delete("v1/Secret", "kept", namespace)
    again = all_of(there, expected.another_than(first))
    eventually(secret, again, timeout=UNSEALED_SECONDS, what="it is made again")
    kube.delete(controller.API, "kept", namespace)
    eventually(secret, expected.is_gone, timeout=UNSEALED_SECONDS, what="it goes with its SealedSecret")
    consistently(secret, expected.absent, for_=STAYS_SECONDS, what="it stays gone")


@pytest.mark.scenario("S9")
def test_argo_cd_shows_no_value(sealing: Sealing, sandbox: Sandbox, promises: Promises) -> None:
    """Neither the Application in the cluster nor what Argo CD's API tells of it has a value, plain or in Base64."""
    kube, namespace = sandbox.kube, sandbox.namespace
    sealed = sealing.sealed("sealed", namespace, password=VALUE)
    plain = controller.plain("plain", namespace, password=NEW)
    sandbox.commit(sealed, plain, why="Add a sealed and a plain Secret")
    sandbox.deploy(automated={"selfHeal": False})
    there = expected.has_values(password=VALUE)
    eventually(controller.secret(kube, "sealed", namespace), there, timeout=UNSEALED_SECONDS, what="it is unsealed")
    # So that there is a difference to show.
    kube.patch("v1/Secret", "plain", {"stringData": {NAME: VALUE}}, namespace, manager="platform-e2e-drift")
    eventually(sandbox.source, is_sync("OutOfSync"), timeout=SYNCED_SECONDS, what="Argo CD sees the difference")
    told = [*secrets.argocd_view.recorded(kube, namespace), *secrets.argocd_view.shown(kube, namespace)]
    assert '"kind": "Secret"' in told[0][1], "the Secret must be one of its objects"
    assert secrets.argocd_view.values_in(told, VALUE, NEW) == []
    promises.report(figures={"views without values": len(told)})


@pytest.mark.scenario("X8")
@pytest.mark.exclusive("sealed-secrets")
def test_an_outage_of_the_controller_loses_nothing(sealing: Sealing, platform: Platform, sandbox: Sandbox) -> None:
    """Secrets that exist stay, a new SealedSecret keeps its Application waiting, and comes when the controller is back."""
    kube, namespace = sandbox.kube, sandbox.namespace
    kube.create(sealing.sealed("before", namespace, password=VALUE))
    before, during = controller.secret(kube, "before", namespace), controller.secret(kube, "during", namespace)
    there = expected.has_values(password=VALUE)
    eventually(before, there, timeout=UNSEALED_SECONDS, what="there is a Secret before the outage")
    app = sandbox.source
    with controller.stopped(kube, _release(platform)):
        sandbox.commit(sealing.sealed("during", namespace, password=NEW), why="Seal while the controller is down")
        sandbox.deploy()
        eventually(app, expected.is_health("Progressing"), timeout=SYNCED_SECONDS, what="its Application waits")
        state = each_of(there, expected.absent)
        consistently(all_of(before, during), state, for_=STAYS_SECONDS, what="one stays, the other does not come")
    eventually(during, expected.has_values(password=NEW), timeout=UNSEALED_SECONDS, what="the new one comes")
    eventually(app, expected.is_health("Healthy"), timeout=SYNCED_SECONDS, what="its Application is healthy")
    consistently(before, there, for_=STAYS_SECONDS, what="the old one is unchanged")
