from __future__ import annotations

import pytest

from platform_e2e.diagnosis.object_refs import ObjectRef, named, parse
from platform_e2e.errors import WrongUsage


@pytest.mark.parametrize(
    ("text", "ref", "namespace"),
    [
        ("service/chat -n chat-dev", ObjectRef("service", "chat"), "chat-dev"),
        ("apps/v1/Deployment/chat -n chat-dev", ObjectRef("apps/v1/Deployment", "chat"), "chat-dev"),
        ("node/n1", ObjectRef("node", "n1"), None),
    ],
)
def test_a_text_names_an_object_as_findings_do(text: str, ref: ObjectRef, namespace: str | None) -> None:
    assert named(text) == (ref, namespace)


@pytest.mark.parametrize("text", ["", "chat", "service/", "/chat", "a service/chat", "service chat -n x"])
def test_a_text_that_names_no_object(text: str) -> None:
    with pytest.raises(WrongUsage, match=r"^object must be written `kind/NAME -n NAMESPACE`, got `"):
        named(text)


@pytest.mark.parametrize("word", ["service/", "/chat", "apps/v1/Deployment/chat"])
def test_a_word_of_a_command_line_is_kind_and_name(word: str) -> None:
    with pytest.raises(WrongUsage, match=rf"^object must be KIND/NAME, got `{word}`"):
        parse([word], "")
    assert parse(["deploy/a", "svc/b"], "") == [ObjectRef("deploy", "a"), ObjectRef("svc", "b")]
