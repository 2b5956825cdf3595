"""Every release that the layer stands on is ready: its workloads run, its kinds are served, its webhooks answer."""

from __future__ import annotations

import pytest

from platform_e2e.testing import Platform, Promises, require
from platform_e2e.testing.checks import Release, foundations


@pytest.mark.scenario("H1")
@pytest.mark.smoke
def test_release_is_ready(release: Release, platform: Platform, promises: Promises) -> None:
    """One that its own values hold breaks the promise that stands on it, and nothing else of the layer is kept from being judged."""
    findings = [platform.broken[release.name]] if release.name in platform.broken else []
    # One that waits for what the layer brings is told by the test of the Application that does not bring it.
    require([finding for finding in findings if finding.promise != foundations.promise_of_release(release)])
    promises.report(findings)
