"""Every release that the layer stands on is ready: its workloads run, its kinds are served, its webhooks answer."""

from __future__ import annotations

import pytest

from fixtures.platform import Platform
from fixtures.probes import Promises
from platform_e2e.layer import Release


@pytest.mark.smoke
def test_release_is_ready(release: Release, platform: Platform, promises: Promises) -> None:
    """One that its own values hold breaks the promise that stands on it, and nothing else of the layer is kept from being judged."""
    promises.report([platform.broken[release.name]] if release.name in platform.broken else [])
