from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.fixtures.platform import _compared, _install
from platform_e2e.runs.directory import Run
from tests.fakes import layers

DEPLOYED = {"sha": "a", "seconds": {"chat-dev": 20.5, "chat-prod": 21.5}, "held": {}}


def test_foundations_are_not_waited_for_where_the_layer_has_changed_since_it_was_read(tmp_path: Path) -> None:
    found = layers.load(layers.write(tmp_path, {}))
    (tmp_path / "manifests" / "one" / "late.yaml").write_text("a: 1\n")

    def foundations() -> None:
        pytest.fail("installed")

    phases: Any = SimpleNamespace(layer=found, foundations=foundations)
    with pytest.raises(WrongUsage, match=r"since this run read it: manifests/one/late\.yaml"):
        _install(phases, cast("Run", None))


def release(action: str, revision: int = 1) -> dict[str, Any]:
    return {"name": "argocd", "action": action, "revision": revision}


@pytest.mark.parametrize("action", ["upgraded", "repaired"])
def test_after_a_foundation_has_changed_only_what_still_converges_counts(action: str, tmp_path: Path) -> None:
    releases = [release("unchanged"), release(action)]
    held = {"chat-prod": {"id": "pod-image"}}
    again = {"seconds": {"chat-dev": 0.5, "late": 0.7}, "held": held}
    found = _compared(releases, DEPLOYED, lambda: again, tmp_path / "compared")
    assert found == {"seconds": {"chat-dev": 20.5, "late": 0.7}, "held": held}


@pytest.mark.parametrize("action", ["installed", "unchanged"])
def test_without_a_changed_foundation_nothing_is_compared_again(action: str, tmp_path: Path) -> None:
    def asked() -> dict[str, float]:
        pytest.fail("asked")

    record = tmp_path / "compared"
    assert _compared([release(action)], DEPLOYED, asked, record) == DEPLOYED
    assert _compared([release("unchanged")], DEPLOYED, asked, record) == DEPLOYED


@pytest.mark.point("kept-cluster-as-new")
def test_a_comparison_that_another_run_was_ended_in_is_made_by_the_next_one(tmp_path: Path) -> None:
    record = tmp_path / "compared"
    _compared([release("installed")], DEPLOYED, dict, record)
    again = {"seconds": {"chat-dev": 0.5}, "held": {}}

    def ended() -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _compared([release("upgraded", 2)], DEPLOYED, ended, record)
    assert _compared([release("unchanged", 2)], DEPLOYED, lambda: again, record)["seconds"] == {"chat-dev": 20.5}
    assert _compared([release("unchanged", 2)], DEPLOYED, ended, record) == DEPLOYED
