from __future__ import annotations

import pytest

from fixtures.platform import _compared

DEPLOYED = {"sha": "a", "seconds": {"chat-dev": 20.5, "chat-prod": 21.5}, "held": {}}


@pytest.mark.parametrize("action", ["upgraded", "repaired"])
def test_after_a_foundation_has_changed_only_what_still_converges_counts(action: str) -> None:
    releases = [{"action": "unchanged"}, {"action": action}]
    held = {"chat-prod": {"id": "pod-image"}}
    again = {"seconds": {"chat-dev": 0.5, "late": 0.7}, "held": held}
    assert _compared(releases, DEPLOYED, lambda: again) == {"seconds": {"chat-dev": 20.5, "late": 0.7}, "held": held}


@pytest.mark.parametrize("action", ["installed", "unchanged"])
def test_without_a_changed_foundation_nothing_is_compared_again(action: str) -> None:
    assert _compared([{"action": action}], DEPLOYED, lambda: pytest.fail("asked")) == DEPLOYED
