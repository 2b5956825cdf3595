from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from platform_e2e.checks import external_client
from platform_e2e.layer import Probe


class Handler(BaseHTTPRequestHandler):
    """Answer as the chat service does, and remember how it was asked."""

    connections: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.connections.append(self.headers.get("Connection"))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/")
            self.end_headers()
            return
        body = b'{"app": "chat", "environment": "dev"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    # A proxy of the environment would be asked for the address in our place.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_right_application_answers(port: int) -> None:
    answer = external_client.fetch("127.0.0.1", Probe(port, json={"environment": "dev"}))
    assert (answer.problem, answer.connected, answer.how) == ("", True, "HTTP")
    assert answer.where == f"http://127.0.0.1:{port}/"
    assert 0 < answer.seconds < 5
    assert Handler.connections[-1] == "close"


def test_another_application_answers(port: int) -> None:
    answer = external_client.fetch("127.0.0.1", Probe(port, json={"environment": "prod"}))
    assert answer.connected
    assert "environment is 'dev' instead of 'prod'" in answer.problem
    assert answer.wanted == 'status 200, with "environment": "prod"'
    assert answer.said.startswith("'{")
    assert "dev" not in answer.wanted


def test_a_redirect_is_an_answer_and_not_followed(port: int) -> None:
    assert "status 302 instead of 200" in external_client.fetch("127.0.0.1", Probe(port, path="/moved")).problem
    assert external_client.fetch("127.0.0.1", Probe(port, path="/moved", status=302)).problem == ""


def test_nobody_answers(closed: int) -> None:
    answer = external_client.fetch("127.0.0.1", Probe(closed))
    assert not answer.connected
    assert "refused" in answer.problem
    assert "\n" not in answer.problem


def test_somebody_accepts_and_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_client, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = external_client.fetch("127.0.0.1", Probe(silent.getsockname()[1]))
    assert answer.problem == "no answer within 0.1 s"
    assert not answer.connected


def test_a_connection_is_enough_without_a_probe(port: int, closed: int) -> None:
    answer = external_client.connect("127.0.0.1", port)
    assert (answer.how, answer.where, answer.problem, answer.connected) == ("TCP", f"127.0.0.1:{port}", "", True)
    refused = external_client.connect("127.0.0.1", closed)
    assert (refused.problem, refused.connected) == ("Connection refused", False)


@pytest.mark.point("service-takes-others")
def test_every_other_request_that_is_refused_is_seen() -> None:
    sent = iter(range(24))
    good = external_client.ProbeResult("HTTP", "here", "", True, 0.01)

    def ask() -> external_client.ProbeResult:
        return replace(good, problem="refused", connected=False) if next(sent) % 2 else good

    answer = external_client.several(ask, 24)
    assert (answer.problem, answer.connected, answer.asked, answer.good) == ("refused", False, 24, 12)
    assert external_client.several(lambda: good, 3) == replace(good, asked=3, good=3)


def test_what_is_dropped_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr("platform_e2e.checks.external_client.time.monotonic", lambda: float(next(clock)))
    assert (
        external_client.several(lambda: external_client.ProbeResult("TCP", "x", "no answer", False, 5.0), 240).asked
        == 2
    )
