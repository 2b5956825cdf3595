"""Every state is recorded in order, the first one before the block begins."""

from __future__ import annotations

from platform_e2e.kube.expect import Expectation, Met, Pending, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.kube.recording import recorded
from tests.fakes.scripted_api import ScriptedApi


def is_value(wanted: str) -> Expectation[Object | None]:
    return lambda obj: Met() if obj and obj["data"]["v"] == wanted else Pending("not yet")


def test_all_states_are_recorded_with_their_times() -> None:
    api = ScriptedApi()
    try:
        api.put("configmaps", "ns", "a", data={"v": "1"})
        with api.client() as kube:
            source = kube.one("v1/ConfigMap", "a", "ns")
            with recorded(source) as recording:
                assert [state["data"]["v"] for _, state in recording.states if state] == ["1"]
                for value in ("2", "3"):
                    api.put("configmaps", "ns", "a", data={"v": value})
                    eventually(source, is_value(value), timeout=5, what="it has changed")
        times = [when for when, _ in recording.states]
        assert [state["data"]["v"] for _, state in recording.states if state] == ["1", "2", "3"]
        assert times == sorted(times)
    finally:
        api.stop()
