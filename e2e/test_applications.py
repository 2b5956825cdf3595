"""Git says which Applications there are and what they say; each has converged, and the Applications themselves are kept, too."""

from __future__ import annotations

import pytest

from platform_e2e.testing import Cluster, Finding, Kube, Layer, Platform, Promises, consistently, own, require
from platform_e2e.testing.checks import (
    Application,
    ApplicationSet,
    Environment,
    Mutation,
    Promise,
    Run,
    applications,
    applicationsets,
    argocd,
    behind,
    case_applications,
    hookruns,
    plainsecrets,
    rendered_objects,
    revisions,
    selfheal,
    stand_ins,
    unsynced,
    until_no_findings,
    waves,
)

CONVERGED_SECONDS = 30.0
"""For an Application that had converged and was disturbed by another test; most have nothing to wait for."""

STAYS_SECONDS = 5.0
"""Seconds that a change must stay where nothing heals it."""


def _made(layer: Layer, owner: ApplicationSet) -> list[Application]:
    return [app for app in layer.applications if app.generated_by == owner.name]


@pytest.mark.promise("applications")
def test_application_is_automated_and_prunes(application: Application, promises: Promises) -> None:
    """Both hold by default, as do retries; an Application whose line was removed is red, not out of the test."""
    promises.report(
        [finding for finding in applications.policy(application) if finding.promise == Promise.APPLICATIONS]
    )


@pytest.mark.scenario("A1", "A3", "A7", "E5")
@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_application_has_converged(
    application: Application, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """It is what its file says, Synced to the commit that is served, and Healthy (scenario A1 in full)."""
    known = platform.held.get(application.name)
    findings = applications.wait_converged(application, platform.sha, kube, timeout=CONVERGED_SECONDS, known=known)
    kept = case_applications.child_applications(application.name, platform.layer)
    if findings:
        require(waves.behind(application, platform.layer))
    require(unsynced.holding(findings, application, platform.layer, platform.lacking(), kube))
    require([cause for finding in findings if (cause := behind(finding, platform.lacking(), kept))])
    promises.report(own(findings), figures={"converged_seconds": platform.converged.get(application.name)})


@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_application_needs_nothing_of_a_later_wave(application: Application, layer: Layer, promises: Promises) -> None:
    """A cluster that has the layer already hides what its first installation would wait for without an end."""
    promises.report(waves.check(application, layer))


@pytest.mark.scenario("A8")
@pytest.mark.promise("applications")
def test_applications_are_those_of_git(platform: Platform, kube: Kube, promises: Promises) -> None:
    """No Application without a file; that each file has its Application is proven above, one by one."""
    expected, apart = platform.layer.applications, platform.layer.aside

    def look() -> list[Finding]:
        return applications.unknown(expected, kube.list(argocd.APPLICATION), apart)

    findings = until_no_findings(look, timeout=CONVERGED_SECONDS, what="the Applications are those of Git")
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(findings)


@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_manifests_have_an_application(layer: Layer, promises: Promises) -> None:
    """With the file of an Application or ApplicationSet all of its cases go, and its manifests are what still tells of it."""
    apart = layer.not_judged
    findings = [finding for part in layer.unread for finding in applications.unread(part, apart)]
    unjudged = sum(applications.may_be_read(part, apart) for part in layer.unread if not part.exempt)
    promises.report(findings, figures={"not judged": unjudged} if unjudged else {})


@pytest.mark.scenario("A6")
@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_argo_cd_renders_every_application(layer: Layer, promises: Promises) -> None:
    """What its own code refuses before any cluster is there it would refuse on each; what only is not here is unknown."""
    promises.report([finding for each in layer.not_judged for finding in applications.refused(each)])


@pytest.mark.promise("applications")
def test_argo_cd_applies_what_was_rendered_here(
    application: Application, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """Every other case is about objects that were rendered before there was a cluster; what Argo CD applies is the truth."""
    compared, findings = rendered_objects.check(
        application, platform.sha, kube, engine=platform.layer.engine, timeout=CONVERGED_SECONDS
    )
    promises.report(findings, figures={"objects": compared})


@pytest.mark.judges_all
@pytest.mark.promise("applications")
def test_no_other_container_runs_a_stand_in(platform: Platform, kube: Kube, promises: Promises) -> None:
    """Those of the layer's files are named; what an operator has made of an image that is not here proves no more than they do."""
    running, unknown = stand_ins.others(platform.layer, kube)
    promises.report(figures={"stand-ins": running} if running else {}, unknown=unknown)


@pytest.mark.promise("applications")
def test_hooks_succeed(platform: Platform, cluster: Cluster, kube: Kube, promises: Promises) -> None:
    """Where this commit was not synced with its hooks, the first sync that a heal begins would meet them."""
    hooks = {app.name: [each for each in app.objects if each.hooks] for app in platform.layer.applications}
    found, held = [], []
    for app in (each for each in platform.layer.applications if hooks[each.name]):
        with cluster.lease.exclusive(f"application {app.name}"):
            others = applications.wait_converged(app, platform.sha, kube, timeout=CONVERGED_SECONDS)
            # A heal of another test may have met the hook, after the test above was content.
            failed = [each for each in others if each.cause.id == hookruns.FAILED]
            found += failed or ([] if others else hookruns.check(app, platform.sha, kube))
            held += [] if failed else others
    require([] if found else held)
    count = sum(map(len, hooks.values()))
    promises.report(found, figures={"hooks": count} if count else {})


@pytest.mark.scenario("A8")
@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_applicationset_keeps_its_applications(
    applicationset: ApplicationSet, layer: Layer, kube: Kube, promises: Promises
) -> None:
    """What its template says reaches the Applications that exist, and what Git drops goes."""
    promises.report(applicationsets.check(applicationset, _made(layer, applicationset), kube))


@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_revisions_exist(layer: Layer, platform_e2e_run: Run, promises: Promises) -> None:
    """Each is a branch, a tag or a commit of the repository; a test serves every one of them, so nothing else would tell."""
    findings, unjudged = revisions.check(
        layer, revisions.references(platform_e2e_run.settings.checkout or layer.directory, layer)
    )
    promises.report(findings, figures={"not judged": unjudged} if unjudged else {})


@pytest.mark.scenario("S8")
@pytest.mark.smoke
@pytest.mark.promise("applications")
def test_no_credential_stands_in_git(layer: Layer, promises: Promises) -> None:
    """A layer that seals its Secrets seals all of them, or says why not."""
    promises.report(plainsecrets.check(layer))


@pytest.mark.scenario("E1")
@pytest.mark.smoke
@pytest.mark.promise("environments")
def test_environment_is_deployed(environment: Environment, promises: Promises) -> None:
    """Every directory beside those that the ApplicationSet deploys is an environment, and has its Application."""
    promises.report(applications.environment(environment), figures={"environment": environment.name})


@pytest.mark.scenario("D1")
@pytest.mark.promise("selfheal")
@pytest.mark.usefixtures("platform")
def test_edit_of_an_application_is_reverted_by_the_root(edit_of_kept: Mutation, kube: Kube, promises: Promises) -> None:
    """The Applications of files are objects of the root, which heals them like any other."""
    healed = selfheal.heal(edit_of_kept, kube)
    promises.report(own(healed.findings), figures=healed.figures)


@pytest.mark.promise("selfheal")
@pytest.mark.usefixtures("platform")
def test_edit_of_a_generated_application_is_reverted(
    edit_of_generated: Mutation, layer: Layer, kube: Kube, promises: Promises
) -> None:
    """The ApplicationSet controller keeps what it has generated."""
    maker = layer.application(edit_of_generated.target.name).generated_by
    for appset in layer.applicationsets:
        if appset.name == maker:
            require(applicationsets.check(appset, _made(layer, appset), kube))
    healed = selfheal.heal(edit_of_generated, kube)
    promises.report(own(healed.findings), figures=healed.figures)


@pytest.mark.promise("selfheal")
@pytest.mark.usefixtures("platform")
def test_control_nobody_heals_the_root(edit_of_root: Mutation, kube: Kube) -> None:
    """The layer says so: who applied the root applies it again. The change stays, so the tests above prove the root's work."""
    disturbance = selfheal.inject(edit_of_root, kube)
    target = edit_of_root.target
    try:
        source = kube.one(target.api, target.name, target.namespace)
        consistently(source, selfheal.drifted(disturbance), for_=STAYS_SECONDS, what=f"the change of {target} stays")
    finally:
        selfheal.undo(disturbance, kube)
