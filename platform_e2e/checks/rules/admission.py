"""The operator's webhook: a rule that does not parse is refused when it is created, and not left out later without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from platform_e2e.checks import helm_values
from platform_e2e.checks.applications import TESTS
from platform_e2e.diagnosis.objects import annotations_of, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, Release

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

CHART = "kube-prometheus-stack"

WEBHOOKS = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"

VALIDATED = "prometheus-operator-validated"
"""Annotation that the operator's webhook gives to a rule that it has found valid (prometheus-operator 0.88.0, pkg/admission)."""

POLICY = ("prometheusOperator", "admissionWebhooks", "failurePolicy")
"""Where the chart's values say what becomes of a rule while the operator does not answer."""

_DENIED = "admission webhook"
"""With what the API server begins the sentence of a webhook that refuses (apiserver, plugin/webhook/errors)."""


def validating(view: ReadApi) -> list[tuple[str, Object]]:
    """Return each webhook of the cluster that is asked about PrometheusRules, with the name of its configuration."""
    return [
        (name_of(each), webhook)
        for each in view.list(WEBHOOKS)
        for webhook in each.get("webhooks") or ()
        if any("prometheusrules" in (rule.get("resources") or ()) for rule in webhook.get("rules") or ())
    ]


def policies(layer: Layer, view: ReadApi) -> list[Finding]:
    """Return the releases whose values say that rules are not looked at, or not while the operator is down.

    The chart's own default is Ignore; what the team has not written is shown as a figure.

    Args:
        layer: with the values.
        view: of the cluster.
    """
    findings = []
    for release in _releases(layer):
        said = _value(release, *POLICY)
        off = _value(release, *POLICY[:2], "enabled") is False
        webhooks = validating(view)
        if off and not webhooks:
            told, field = "no webhook looks at rules", (*POLICY[:2], "enabled")
        elif said == "Ignore" and any(webhook.get("failurePolicy") == "Ignore" for _, webhook in webhooks):
            told, field = (
                "the webhook's failurePolicy is Ignore: a rule that comes while the operator is down is not looked at",
                POLICY,
            )
        else:
            continue
        cause = Cause(
            "rule-webhook-open",
            f"{told}, and one that does not parse is then left out later without a word",
            f"correct {'.'.join(field)} of {release}",
        ).located(helm_values.location_of(layer.directory, release, *field))
        findings.append(
            Finding(str(release), Promise.RULES, "a rule that does not parse is refused", "it may get in", cause)
        )
    return findings


def figures(view: ReadApi) -> dict[str, list[str]]:
    """Return what the verdict's table shows: the failure policies of the webhooks that look at rules."""
    return {"failurePolicy": sorted({str(webhook.get("failurePolicy")) for _, webhook in validating(view)})}


def refuses(layer: Layer, kube: Kube, namespace: str) -> list[Finding]:
    """Return what is wrong with how the API server takes two rules, one of which does not parse; neither is stored.

    Args:
        layer: with the release.
        kube: the cluster.
        namespace: of the rules.
    """
    return [finding for release in _releases(layer) for finding in _asked(release, kube, namespace)]


def _asked(release: Release, kube: Kube, namespace: str) -> Iterator[Finding]:
    try:
        kube.create(rule("control-bad", namespace, "vector(1))"), dry_run=True)
    except ApiError as error:
        if _DENIED not in str(error):
            raise
    else:
        cause = Cause(
            "rule-webhook-open",
            "the API server takes a PrometheusRule whose expression does not parse: the operator then leaves it out without a word",
            "switch prometheusOperator.admissionWebhooks on, and look at its certificate and at the webhook's namespaceSelector",
        )
        yield Finding(str(release), Promise.RULES, "a rule that does not parse is refused", "it is taken", cause)
        return
    good = kube.create(rule("control-good", namespace, "vector(1)"), dry_run=True)
    if annotations_of(good).get(VALIDATED) != "true":
        cause = Cause(
            "rule-webhook-open",
            f"a PrometheusRule that is valid does not get the annotation {VALIDATED}: the operator's webhook was not asked",
            "look at the MutatingWebhookConfiguration of the release, and at its certificate",
        )
        yield Finding(str(release), Promise.RULES, f"the annotation {VALIDATED}", "it is not there", cause)


def rule(name: str, namespace: str, expression: str) -> Object:
    """Return a PrometheusRule with one alert."""
    metadata = {"name": name, "namespace": namespace, "labels": {TESTS: name}}
    groups = [{"name": name, "rules": [{"alert": "Control", "expr": expression}]}]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata,
        "spec": {"groups": groups},
    }


def _releases(layer: Layer) -> list[Release]:
    return [release for release in layer.releases if release.chart == CHART and not release.brought]


def _value(release: Release, *keys: str) -> object:
    return next(helm_values.of_release(release, *keys), None)
