"""Plain data of JSON and YAML can be written and converted again, whatever a stranger has put into it."""

from __future__ import annotations

import json

import pytest

from platform_e2e.untrusted import documents

LONE = {
    "escape": rb'{"\uD800": ["\udfff", {"a\udc00\ud800b": "\ud83d\ude00"}]}',
    "bytes": b'{"\xed\xa0\x80": ["\xed\xbf\xbf", {"a\xed\xb0\x80\xed\xa0\x80b": "\\ud83d\\uDE00"}]}',
    "utf-16": '{"\ud800": ["\udfff", {"a\udc00\ud800b": "\U0001f600"}]}'.encode("utf-16", "surrogatepass"),
    "utf-32": '{"\ud800": ["\udfff", {"a\udc00\ud800b": "\U0001f600"}]}'.encode("utf-32", "surrogatepass"),
}


@pytest.mark.parametrize("how", LONE)
def test_half_of_a_surrogate_pair_is_replaced_in_keys_and_values(how: str) -> None:
    found = documents.from_json(LONE[how])
    assert found == {"\ufffd": ["\ufffd", {"a\ufffd\ufffdb": "\U0001f600"}]}
    json.dumps(found, ensure_ascii=False).encode()


def test_half_of_a_surrogate_pair_is_replaced_in_yaml() -> None:
    found, _ = documents.from_yaml(rb'{"\uD800": ["\uDFFF", "a"]}', 10)
    assert found == {"\ufffd": ["\ufffd", "a"]}


def test_a_line_of_a_file_is_held_to_the_same() -> None:
    assert documents.loads(r'{"\ud800": "\ud83d\ude00"}') == {"\ufffd": "\U0001f600"}
