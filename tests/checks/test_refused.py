"""What Argo CD's own code refuses of a layer is broken; what only is not here is unknown."""

from __future__ import annotations

import pytest

from platform_e2e.checks import applications
from platform_e2e.layer import NotJudged
from platform_e2e.layer.renderer import Reason


def unknown(reason: Reason, remedy: str = "correct it") -> NotJudged:
    return NotJudged("application/one -n argocd", reason, "a.yaml is not there", remedy, "argocd/one.yaml", 7)


@pytest.mark.parametrize("reason", Reason)
def test_only_what_argo_cd_refuses_itself_is_broken(reason: Reason) -> None:
    found = applications.refused(unknown(reason))
    assert bool(found) is (reason in {Reason.SHAPE, Reason.LINK, Reason.RENDER})


def test_it_is_named_with_its_place_and_remedy() -> None:
    (finding,) = applications.refused(unknown(Reason.RENDER))
    assert (finding.object, finding.promise) == ("application/one -n argocd", "applications")
    assert finding.cause.id == "application-not-rendered"
    assert finding.cause.sentence == "a.yaml is not there (argocd/one.yaml:7)"
    assert finding.cause.remedy == "correct it"
    (finding,) = applications.refused(unknown(Reason.RENDER, ""))
    assert finding.cause.remedy == "correct argocd/one.yaml:7"
