"""Alertmanager in tests: every integration becomes a webhook of the harness, and nothing else of its configuration changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from platform_e2e.foundations import alert_receiver
from platform_e2e.foundations.alertmanager_settings import SHORT, instead, stored


def config(**more: object) -> dict[str, object]:
    """Return values of a layer with a configuration of Alertmanager."""
    return {"alertmanager": {"config": more}}


@pytest.mark.parametrize(
    "kind", ["slack_configs", "pagerduty_configs", "email_configs", "webhook_configs", "some_new_configs"]
)
def test_integration_of_every_kind_becomes_a_webhook_of_ours(kind: str) -> None:
    told = instead(config(receivers=[{"name": "on call", kind: [{"url": "https://pager.example.com"}, {"url": "b"}]}]))
    assert told["alertmanager"]["config"]["receivers"] == [
        {
            "name": "on call",
            "webhook_configs": [
                {"url": "http://alert-receiver.platform-e2e-alerts.svc:8080/on-call", "send_resolved": True}
            ],
        }
    ]


def test_receiver_without_an_integration_stays_without() -> None:
    told = instead(config(receivers=[{"name": "null"}, {"name": "empty", "slack_configs": []}]))
    assert told["alertmanager"]["config"]["receivers"] == [{"name": "null"}, {"name": "empty"}]


def test_only_waits_of_routes_are_shortened() -> None:
    below = {"receiver": "b", "matchers": ["a = b"], "group_wait": "5m", "continue": True}
    routes = [{"receiver": "a", "repeat_interval": "4h", "routes": [below]}]
    told = instead(config(route={"receiver": "a", "group_interval": "1h", "routes": routes}))
    assert told["alertmanager"]["config"]["route"] == {
        **SHORT,
        "routes": [{"receiver": "a", "repeat_interval": "4h", "routes": [{**below, "group_wait": "1s"}]}],
    }


def test_defaults_of_the_chart_stay_where_a_layer_says_nothing() -> None:
    assert instead({}) == {"alertmanager": {"config": {"route": dict(SHORT)}}}


def test_nothing_is_said_to_an_alertmanager_that_is_off(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("alertmanager: {enabled: false}\n")
    assert stored(file) is None


def test_values_are_stored_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "values.yaml"
    file.write_text("alertmanager: {config: {receivers: [{name: a, slack_configs: [{channel: b}]}]}}\n")
    path = stored(file)
    assert path is not None
    assert path == stored(file)
    assert YAML(typ="safe").load(path) == instead(YAML(typ="safe").load(file))


def test_receiver_keeps_within_a_restricted_namespace() -> None:
    _, _, deployment = alert_receiver.manifests("quay.io/argoproj/argocd:v3")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "quay.io/argoproj/argocd:v3"
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert str(alert_receiver.MOST_BYTES) in container["command"][-1]
