"""Causes of an Alertmanager that goes on with an older configuration."""

from __future__ import annotations

from platform_e2e.diagnosis.objects import condition, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi


@explains("monitoring.coreos.com/v1/Alertmanager")
def configuration_rejected(alertmanager: Object, _view: ReadApi) -> Cause | None:
    """The operator refuses its configuration (prometheus-operator 0.88.0, pkg/alertmanager/operator.go)."""
    reconciled = condition(alertmanager, "Reconciled")
    said = " ".join(str(reconciled.get("message") or "").split())
    if reconciled.get("status") != "False" or "configuration" not in said:
        return None
    return Cause(
        "alertmanager-config-not-loaded",
        f"the configuration of {name_of(alertmanager)} is refused: {said}",
        "correct it: routes name receivers that exist, matchers can be read",
    )
