"""Requests of a team's own promise to a Service."""

from __future__ import annotations

from typing import Any, cast

import pytest

from platform_e2e.testing.http import Answer, Http

SERVICE = {"metadata": {"name": "chat", "namespace": "dev"}, "spec": {"ports": [{"port": 80}]}}


class Api:
    """Answers through the API server: with one text after the other, and with the last of them from then on."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked = 0

    def proxy(self, *_: Any) -> bytes:
        self.asked += 1
        return (self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]).encode()


def http(api: Api) -> Http:
    def fail(expected: str, observed: str) -> Any:
        raise AssertionError(f"{expected}: {observed}")

    return Http(cast("Any", api), lambda: SERVICE, fail)


def hello(answer: Answer) -> bool:
    return answer.text == "hello"


def test_one_request_is_sent_where_nothing_is_waited_for() -> None:
    api = Api("old", "hello")
    assert http(api).get().text == "old"
    assert api.asked == 1


def test_it_asks_until_the_answer_is_the_wanted_one() -> None:
    api = Api("old", "old", "hello", "never asked for")
    assert http(api).get("/", until=hello, within=5).text == "hello"
    assert api.asked == 3


def test_a_wanted_answer_at_once_is_asked_for_once() -> None:
    api = Api("hello", "old")
    assert http(api).get("/", until=hello).text == "hello"
    assert api.asked == 1


def test_the_last_answer_is_returned_where_the_wanted_one_does_not_come() -> None:
    api = Api("old", "older")
    assert http(api).get("/", until=hello, within=0.2).text == "older"
    assert api.asked > 2


def test_a_service_that_is_not_there_fails_the_test_at_once() -> None:
    def there() -> Any:
        raise AssertionError("no Service")

    with pytest.raises(AssertionError, match="no Service"):
        Http(cast("Any", None), there, cast("Any", None)).get("/", until=hello)
