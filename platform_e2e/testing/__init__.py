"""The public API for tests that prove a promise of a team's own.

    @pytest.mark.promise("certificates")
    @pytest.mark.each("cert-manager.io/v1/Certificate")
    def test_certificate_is_ready(each, platform):
        platform.expect(each).condition("Ready", timeout=60)

`promise` registers the name, which the verdict's table, the report, JUnit XML and the annotation
`platform-e2e/exempt-certificates` then know. `each` runs the test once for each object of a kind that the layer renders. An
expectation that is not met becomes a `Finding` with cause, remedy, file and line; docs/promises.md has a complete example.
"""

from __future__ import annotations

from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.diagnosis.attribution import depend_on as require
from platform_e2e.diagnosis.attribution import findings_of_promise as own
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import consistently, eventually, never
from platform_e2e.kube.verdict import Failed, Met, Pending
from platform_e2e.layer import Layer
from platform_e2e.layer.objects import Rendered
from platform_e2e.runs.verdict import PromiseBroken
from platform_e2e.testing.cluster import Cluster, Node
from platform_e2e.testing.http import Answer, Http
from platform_e2e.testing.platform import Expected, Platform
from platform_e2e.testing.promises import Promises

__all__ = [
    "Answer",
    "BlockedByPromise",
    "Cause",
    "Cluster",
    "Expected",
    "Failed",
    "Finding",
    "Http",
    "Kube",
    "Layer",
    "Met",
    "Node",
    "Pending",
    "Platform",
    "PromiseBroken",
    "Promises",
    "Rendered",
    "consistently",
    "eventually",
    "explains",
    "never",
    "own",
    "require",
]
