"""The alerts of a layer: those of its rules that are alerts."""

from __future__ import annotations

from collections.abc import Iterator

from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.checks.rules.wanted import of_layer as rules_of_layer
from platform_e2e.finding import Promise
from platform_e2e.layer import Layer


def of_layer(layer: Layer) -> Iterator[WantedRule]:
    """Yield every alert of a layer whose PrometheusRule is exempt neither from this promise nor from `rules`."""
    return (rule for rule in rules_of_layer(layer) if rule.alert and not rule.rendered.exempt(Promise.ALERTS))
