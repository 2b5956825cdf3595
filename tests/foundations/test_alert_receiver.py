"""The receiver of alerts for images that have Perl: it writes the same lines as that of cmd/argocd."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from platform_e2e.foundations.alert_receiver import MOST_BYTES, RECORD
from platform_e2e.kube.expect import Met, Pending, Verdict, poll

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="needs perl, as Argo CD's own image has it")


@pytest.fixture
def receiver() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield URL and process of a receiver."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(["perl", "-e", RECORD, str(port), str(MOST_BYTES)], stdout=subprocess.PIPE) as program:

        def listens() -> Verdict:
            with closing(socket.socket()) as client:
                return Met() if client.connect_ex(("127.0.0.1", port)) == 0 else Pending("it does not listen")

        try:
            poll(listens, timeout=10, what="the receiver listens")
            yield f"http://127.0.0.1:{port}/on-call", program
        finally:
            program.kill()


def post(url: str, body: bytes) -> None:
    """Send a body, and demand that it is taken."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body), timeout=10) as answer:
        assert answer.status == 200


def line(program: subprocess.Popen[bytes]) -> Any:
    """Return the next line that it has written."""
    assert program.stdout is not None
    return json.loads(program.stdout.readline())


def test_notification_is_one_line(receiver: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, program = receiver
    body = {"receiver": "on-call", "alerts": [{"annotations": {"summary": "ä \n \\n $x @y"}}]}
    sent = json.dumps(body, indent=1).encode()
    post(url, sent)
    got = line(program)
    assert (got["path"], got["size"], got["body"]) == ("/on-call", len(sent), body)
    assert got["at"].endswith("Z")


def test_notification_that_is_too_large_or_no_json_has_no_body(receiver: tuple[str, subprocess.Popen[bytes]]) -> None:
    url, program = receiver
    for body in (b"hello", b"{" + b" " * MOST_BYTES + b"}"):
        post(url, body)
        got = line(program)
        assert "body" not in got
        assert got["size"] == len(body)
