"""What a container is asked to ask, and what becomes of its answers; the program itself runs here, as it does there."""

from __future__ import annotations

import inspect
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.checks import network_probe
from platform_e2e.checks.arp import Reply
from platform_e2e.checks.container_client import Container, Here
from platform_e2e.checks.loadbalancer.observe import Outside
from platform_e2e.cluster.embedded.provider import EmbeddedProvider
from platform_e2e.cluster.k3d.provider import K3dProvider
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.layer.probe import Probe
from tests.fakes.docker import FakeTools, tools

__all__ = ["tools"]

FACTS = ClusterFacts("c", "k3d", "/nowhere", "", "v1", (), host_address="10.89.0.6", probe="k3d-c-probe")
HERE = Container(partial(K3dProvider().ask_from, FACTS), "10.89.0.6")


@pytest.fixture
def server() -> Iterator[int]:
    """Serve one answer, for ever."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"app": "chat"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http.server_port
    http.shutdown()
    thread.join()
    http.server_close()


def there(**asked: Any) -> Any:
    """Run the program as a container does: with nothing but the standard library, without this checkout."""
    words = [sys.executable, "-I", "-c", inspect.getsource(network_probe), json.dumps(asked)]
    return json.loads(subprocess.run(words, capture_output=True, check=True, text=True, cwd="/").stdout)


def test_the_program_needs_nothing_but_python(server: int) -> None:
    often = {"times": 5, "patience": 5}
    (said,) = there(what="get", scheme="http", address="127.0.0.1", port=server, path="/", timeout=5, **often)[
        "answers"
    ]
    assert (said["status"], json.loads(said["body"]), said["times"]) == (200, {"app": "chat"}, 5)
    (said,) = there(what="connect", address="127.0.0.1", port=server, timeout=5, **often)["answers"]
    assert "problem" not in said


def test_the_program_says_why_there_is_no_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (said,) = there(what="connect", address="127.0.0.1", port=port, timeout=5)["answers"]
    assert "Connection refused" in said["problem"]
    (said,) = there(what="get", scheme="http", address="127.0.0.1", port=port, path="/", timeout=5)["answers"]
    assert said["problem"].startswith("ConnectionRefusedError")


def test_a_container_runs_the_program(tools: FakeTools) -> None:
    tools.says("docker exec k3d-c-probe python3 -c", {"mac": "02:42:0a:59:00:03", "seconds": 0.001})
    assert HERE.who_has("10.89.0.201", timeout=2) == Reply("02:42:0a:59:00:03", 0.001)
    assert '"source": "10.89.0.6", "wanted": "10.89.0.201", "timeout": 2' in "\n".join(tools.asked())


def test_nobody_answers(tools: FakeTools) -> None:
    tools.says("docker exec k3d-c-probe", {})
    assert HERE.who_has("10.89.0.201", timeout=2) is None


def test_an_answer_is_compared_with_what_the_layer_says(tools: FakeTools) -> None:
    tools.says(
        "docker exec k3d-c-probe",
        {"answers": [{"status": 200, "body": '{"app": "chat"}', "seconds": 0.01, "times": 24}]},
    )
    assert HERE.fetch("10.89.0.201", Probe(80, json={"app": "chat"})).problem == ""
    wrong = HERE.fetch("10.89.0.201", Probe(80, json={"app": "shop"}))
    assert (wrong.connected, wrong.where) == (True, "http://10.89.0.201:80/")
    assert "app is 'chat' instead of 'shop'" in wrong.problem


@pytest.mark.point("service-takes-others")
def test_one_good_answer_of_many_is_no_proof(tools: FakeTools) -> None:
    good = {"status": 200, "body": '{"app": "chat"}', "seconds": 0.01, "times": 13}
    bad = {"problem": "ConnectionRefusedError: refused", "seconds": 0.01, "times": 11}
    tools.says("docker exec k3d-c-probe", {"answers": [good, bad]})
    answer = HERE.fetch("10.89.0.201", Probe(80, json={"app": "chat"}), 24)
    assert (answer.problem, answer.connected, answer.asked, answer.good) == (bad["problem"], False, 24, 13)
    assert '"times": 24, "patience": 10.0' in "\n".join(tools.asked())


def test_no_answer_is_no_connection(tools: FakeTools) -> None:
    tools.says(
        "docker exec k3d-c-probe", {"answers": [{"problem": "no answer within 5 s", "seconds": 5.0, "times": 2}]}
    )
    for answer in (HERE.fetch("10.89.0.201", Probe(80)), HERE.connect("10.89.0.201", 80)):
        assert (answer.connected, answer.problem, answer.seconds) == (False, "no answer within 5 s", 5.0)


def test_who_asks_is_a_fact_of_the_cluster(tmp_path: Path, tools: FakeTools) -> None:
    facts = ClusterFacts("c", "k3d", str(tmp_path), "", "v1", (), host_address="10.89.0.1", host_interface="br-1")
    assert Outside.of(facts).asker == Here("br-1", "10.89.0.1")
    elsewhere = Outside.of(replace(facts, host_interface="", host_address="10.89.0.6", probe="k3d-c-probe"))
    assert isinstance(elsewhere.asker, Container)
    tools.says("docker exec k3d-c-probe", {})
    assert elsewhere.asker.who_has("10.89.0.201", timeout=2) is None
    assert (elsewhere.asker.address, elsewhere.on_segment) == ("10.89.0.6", True)
    assert not Outside.of(replace(facts, host_interface="", host_address="")).on_segment


def test_a_host_on_the_segment_needs_no_container() -> None:
    with pytest.raises(NotImplementedError, match=r"^cluster c has no container that asks in this host's place$"):
        EmbeddedProvider().ask_from(FACTS, ["true"], 1)


def test_a_container_sends_messages(tools: FakeTools) -> None:
    said = {"answers": [{"problem": "it answers `HTTP/1.1 404 Not Found`", "seconds": 0.1, "times": 20}]}
    tools.says("docker exec k3d-c-probe", said)
    result = HERE.talk("10.89.0.201", Probe(80), "/ws", 20)
    assert (result.how, result.where, result.asked, result.good) == ("WebSocket", "http://10.89.0.201:80/ws", 20, 0)
    assert result.problem == "it answers `HTTP/1.1 404 Not Found`"
