"""Several refusals of one layer at once, and a layer of which nothing can be judged."""

from __future__ import annotations

import pytest

from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.layer.errors import LayerError, LayerErrors, refuse

MENDED = LayerError(
    "apps/a.yaml", 3, "Application a has no source", "add spec.source", object="application/a -n argocd"
)
WHOLE = LayerError("apps/b.yaml", None, "is not valid YAML", "correct it")
HOPELESS = LayerError("apps/c.yaml", 9, "has a value that JSON does not know")


def test_all_refusals_are_told_at_once_counted_and_the_most_useful_first() -> None:
    error = LayerErrors([HOPELESS, WHOLE, MENDED])
    assert str(error).splitlines() == [
        "the layer cannot be used: 3 refusals",
        "   1. apps/a.yaml:3: Application a has no source",
        "        remedy: add spec.source",
        "   2. apps/b.yaml: is not valid YAML",
        "        remedy: correct it",
        "   3. apps/c.yaml:9: has a value that JSON does not know",
    ]
    assert isinstance(error, WrongUsage)
    assert error.exit_code == ExitCode.WRONG_USAGE
    first = error.refusals[0]
    assert (first.object, first.file, first.line, first.remedy) == (
        "application/a -n argocd", "apps/a.yaml", 3, "add spec.source",
    )  # fmt: skip


def test_alike_ones_keep_their_order_and_one_that_says_the_same_is_told_once() -> None:
    several = [LayerError(f"apps/{name}.yaml", 1, "x", "y") for name in "cab"]
    assert [one.file for one in LayerErrors([*several, *several]).refusals] == [
        "apps/c.yaml",
        "apps/a.yaml",
        "apps/b.yaml",
    ]


def test_a_single_refusal_is_raised_as_itself() -> None:
    with pytest.raises(LayerError) as one:
        refuse([MENDED, MENDED])
    assert one.value is MENDED
    with pytest.raises(LayerErrors, match="2 refusals"):
        refuse([MENDED, WHOLE])


def test_a_hostile_name_steers_no_terminal() -> None:
    error = LayerErrors([LayerError("a\x1b[2J.yaml", 1, "no\x1b]0;x\x07"), MENDED])
    assert "\x1b" not in str(error)
