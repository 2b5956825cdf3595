"""Label selectors, judged as the API server judges them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.labels import LabelSelector, Requirement


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        ("app=chat", {"app": "chat"}, True),
        ("app==chat", {"app": "chat", "x": "y"}, True),
        ("app=chat", {}, False),
        ("app!=chat", {}, True),
        ("app != chat", {"app": "chat"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("env in (dev, prod),app=chat", {"env": "prod", "app": "chat"}, True),
        ("env in (dev,prod)", {"env": "staging"}, False),
        ("env notin (dev)", {}, True),
        ("env notin (dev)", {"env": "dev"}, False),
        ("app.kubernetes.io/name=chat,!old", {"app.kubernetes.io/name": "chat"}, True),
        ("", {}, True),
        (None, {"a": "b"}, True),
        ({"a": "b"}, {"a": "b"}, True),
        ({"a": "b"}, {"a": "c"}, False),
    ],
)
def test_selectors(selector: str | dict[str, str] | None, labels: dict[str, str], *, expected: bool) -> None:
    assert LabelSelector.parse(selector).matches(labels) is expected


def test_an_unreadable_selector_is_named() -> None:
    with pytest.raises(WrongUsage, match=r"the label selector 'x=y,a b' cannot be parsed at 'a b'"):
        LabelSelector.parse("x=y,a b")


words = st.text("abc", min_size=1, max_size=2)
requirements = st.one_of(
    st.builds(Requirement, words, st.sampled_from(["In", "NotIn"]), st.frozensets(words, min_size=1, max_size=3)),
    st.builds(Requirement, words, st.sampled_from(["Exists", "DoesNotExist"])),
)


@given(parts=st.lists(requirements, max_size=3), labels=st.dictionaries(words, words, max_size=3))
@settings(max_examples=100, deadline=None, database=None)
def test_what_is_written_is_read_back(parts: list[Requirement], labels: dict[str, str]) -> None:
    selector = LabelSelector(tuple(parts))
    assert LabelSelector.parse(selector.query()) == selector
    assert LabelSelector.parse(selector.query()).matches(labels) == selector.matches(labels)
