from __future__ import annotations

import asyncio
import gc
import http.client
import json
import multiprocessing
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from benchmarks.waits import faults
from benchmarks.waits.faults import Asked, Busy, Closing, Ending, Expiring, Faults, Manner
from benchmarks.waits.proxy import Counts, Port, serve
from benchmarks.waits.stage import write_kubeconfig
from platform_e2e.cluster.kubernetes.pki import Authority
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Verdict, eventually
from platform_e2e.kube.objects import Object
from tests.fakes.scripted_api import ScriptedApi

WATCH = "/api/v1/namespaces/n/configmaps?watch=true&resourceVersion="


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.stop()


class Running:
    """A proxy in a thread of the test."""

    def __init__(self, directory: Path, pipe: Any, numbers: dict[str, int], authority: bytes) -> None:
        self.directory = directory
        self.pipe = pipe
        self.numbers = numbers
        self.authority = authority
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.load_verify_locations(cadata=authority.decode())

    def client(self, port: str) -> Kube:
        path = self.directory / f"{port}.kubeconfig"
        write_kubeconfig(path, self.numbers[port], self.authority)
        return Kube.from_kubeconfig(path, patience=5)

    def http(self, port: str) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.numbers[port], context=self.tls, timeout=10)

    def counts(self, port: str) -> Counts:
        self.pipe.send("counts")
        found: Counts = self.pipe.recv()[port]
        return found

    def ask(self, port: str, path: str) -> tuple[int, bytes, bool]:
        """Return the status, what came, and whether it ended as an answer ends."""
        connection = self.http(port)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), True
        except http.client.IncompleteRead as error:
            return answer.status, error.partial, False
        except ConnectionError:
            return 0, b"", False
        finally:
            connection.close()


@contextmanager
def running(api: ScriptedApi, directory: Path, *ports: Port, hostile: bool = True) -> Iterator[Running]:
    authority = Authority("test")
    pair = authority.server("127.0.0.1", [IPv4Address("127.0.0.1")])
    certificate = directory / "proxy.pem"
    certificate.write_bytes(pair.certificate + pair.key)
    config = directory / "api.kubeconfig"
    write_kubeconfig(config, api.port, pair.certificate)
    config.write_text(config.read_text().replace("https://", "http://"))
    mine, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=lambda: asyncio.run(serve(theirs, config, certificate, ports)))
    thread.start()
    try:
        proxy = Running(directory, mine, mine.recv(), authority.pair.certificate)
        mine.send(hostile)
        proxy.counts(ports[0].name)  # so that it has heard of it
        yield proxy
    finally:
        mine.send(None)
        thread.join(10)
        assert not thread.is_alive()


def ready(obj: Object | None) -> Verdict:
    state = ((obj or {}).get("data") or {}).get("state")
    return Met(state) if state == "ready" else Pending(str(state))


def test_it_hands_on_what_it_is_asked_and_counts_it(api: ScriptedApi, tmp_path: Path) -> None:
    with running(api, tmp_path, Port("clean"), Port("other")) as proxy, proxy.client("clean") as kube:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": "n"},
            "data": {"k": "é"},
        }
        kube.create(body)
        found = kube.get("v1/ConfigMap", "a", "n")
        assert found is not None
        assert found["data"] == {"k": "é"}
        assert kube.get("v1/ConfigMap", "b", "n") is None
        counts = proxy.counts("clean")
        assert counts.requests == len(api.requests) == 4, "discovery, POST, two GETs"
        assert proxy.counts("other") == Counts()
        _, answer, _ = proxy.ask("clean", "/version")
        sent = len("GET /version HTTP/1.1\r\nHost: 127.0.0.1:12345\r\nAccept-Encoding: identity\r\n\r\n")
        grown = (proxy.counts("clean") - counts).bytes - len(answer)
        assert sent < grown < sent + 250, "heads and bodies, nothing else"


def test_a_wait_through_it_is_a_wait(api: ScriptedApi, tmp_path: Path) -> None:
    api.put("configmaps", "n", "a", data={"state": "pending"})
    with running(api, tmp_path, Port("clean")) as proxy, proxy.client("clean") as kube, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(eventually, kube.one("v1/ConfigMap", "a", "n"), ready, timeout=5, what="a is ready")
        api.until_watched()
        api.put("configmaps", "n", "a", data={"state": "ready"})
        assert waiting.result(5) == "ready"


def test_streams_are_closed_after_their_time_in_both_manners(api: ScriptedApi, tmp_path: Path) -> None:
    with patch.object(faults, "CLOSED_SECONDS", 0.15), running(api, tmp_path, Port("closed", Closing, 1)) as proxy:
        began = time.monotonic()
        ends = [proxy.ask("closed", WATCH + "100") for _ in range(8)]
        assert 8 * 0.15 < time.monotonic() - began < 5
        assert {whole for _, _, whole in ends} == {True, False}
        assert {status for status, _, _ in ends} == {200}


def test_nothing_is_done_to_requests_before_the_faults_begin(api: ScriptedApi, tmp_path: Path) -> None:
    with running(api, tmp_path, Port("busy", Busy, 1), hostile=False) as proxy:
        assert {proxy.ask("busy", "/version")[0] for _ in range(10)} == {200}
        proxy.pipe.send(True)
        answers = [proxy.ask("busy", "/version")[0] for _ in range(30)]
        assert set(answers) == {200, 429}
        assert len(api.requests) == 10 + answers.count(200), "what is refused does not reach the API server"


def test_a_version_from_before_the_compaction_stays_expired(api: ScriptedApi, tmp_path: Path) -> None:
    api.put("configmaps", "n", "a")
    with (
        patch.object(Expiring, "period", 0.1),
        patch.object(faults, "COMPACTED_SECONDS", 0.1),
        running(api, tmp_path, Port("expired", Expiring, 1)) as proxy,
    ):
        api.put("configmaps", "n", "a")
        while not any(path == "/api/v1/namespaces" for _, path, _ in api.requests):
            time.sleep(0.01)
        answers = [proxy.ask("expired", WATCH + "100") for _ in range(12)]
        assert {status for status, _, _ in answers} == {200, 410}
        for status, body, _ in answers:
            told = json.loads(body)
            assert (told if status == 410 else told["object"])["code"] == 410
        status, body, whole = proxy.ask("expired", WATCH + str(api.revision))
    assert (status, whole) == (200, True)
    assert json.loads(body)["object"]["code"] == 410, "one from now is told when the next compaction comes"


def test_an_api_server_that_is_away_is_a_broken_connection(api: ScriptedApi, tmp_path: Path) -> None:
    with running(api, tmp_path, Port("clean")) as proxy:
        assert proxy.ask("clean", "/version")[0] == 200
        api.stop()
        assert proxy.ask("clean", "/version") == (0, b"", False)


def test_ours_survives_each_fault_of_the_proxy(api: ScriptedApi, tmp_path: Path) -> None:
    api.put("configmaps", "n", "a", data={"state": "pending"})
    ports = [Port(fault.__name__, fault, 7) for fault in (Closing, Expiring, Busy)]
    with patch.object(faults, "CLOSED_SECONDS", 0.1), running(api, tmp_path, *ports) as proxy:
        for port in ports:
            api.put("configmaps", "n", "a", data={"state": "pending"})
            with proxy.client(port.name) as kube, ThreadPoolExecutor(1) as pool:
                source = kube.one("v1/ConfigMap", "a", "n")
                waiting = pool.submit(eventually, source, ready, timeout=10, what="a is ready")
                time.sleep(0.3)
                api.put("configmaps", "n", "a", data={"state": "ready"})
                assert waiting.result(10) == "ready", port.name


def test_the_same_seed_makes_the_same_choices() -> None:
    def choices(fault: type[Faults]) -> list[Any]:
        made = fault(3)
        made.newest = 10
        return [(made.refuse(Asked(watch=True, version=5)), made.ending(0.25)) for _ in range(30)]

    for fault in (Faults, Closing, Expiring, Busy):
        assert choices(fault) == choices(fault)
    assert Faults(1).refuse(Asked(watch=True, version=5)) is None
    assert Expiring(1).ending(4.25) == Ending(0.75, Manner.EXPIRED)
    expiring = Expiring(1)
    expiring.newest = 10
    assert expiring.refuse(Asked(watch=True, version=10)) is None
    assert expiring.refuse(Asked(watch=True)) is None, "a watch without a version begins with the present"
    assert expiring.refuse(Asked(watch=False, version=5)) is None


def test_no_connection_outlives_it(api: ScriptedApi, tmp_path: Path) -> None:
    with running(api, tmp_path, Port("clean")) as proxy:
        idle = proxy.http("clean")
        idle.request("GET", "/version")
        idle.getresponse().read()
        silent = socket.create_connection(("127.0.0.1", proxy.numbers["clean"]))  # says no word of TLS
        proxy.counts("clean")
    with warnings.catch_warnings(record=True, action="always") as told:
        gc.collect()
    idle.close()
    silent.close()
    assert not [warning for warning in told if warning.category is ResourceWarning]
