"""What a client outside of the cluster gets at an address: an HTTP answer, or at least a connection."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import requests
from urllib3.exceptions import InsecureRequestWarning

from platform_e2e.checks import network_probe
from platform_e2e.layer.probe import Probe

TIMEOUT = 5.0
"""Seconds for connecting and again for each read; on the cluster's own segment both take milliseconds."""

SHOWN = 200
"""How many characters of an unexpected answer a finding quotes."""

DEEPEST = 5
"""How many errors requests and urllib3 wrap into one another at most."""


@dataclass(frozen=True)
class ProbeResult:
    """What came back.

    Attributes:
        how: `HTTP` or `TCP`.
        where: URL, or address and port.
        problem: what was not as expected, empty where nothing was.
        connected: whether the connection was accepted.
        seconds: until the whole answer had come, connecting included.
        asked: how many requests it is the outcome of: one of those that went wrong, where any did.
        good: how many of them were answered as they should.
        wanted: what an answer over HTTP should have been, in words.
        said: the beginning of what was answered over HTTP instead, quoted.
        matched: what it has of what it should: field of the JSON object, empty for a text alone, and text.
    """

    how: str
    where: str
    problem: str
    connected: bool
    seconds: float
    asked: int = 1
    good: int = 0
    wanted: str = ""
    said: str = ""
    matched: tuple[tuple[str, str], ...] = ()


PATIENCE = 2 * TIMEOUT
"""Seconds after which no further request is sent: what is refused is refused at once, and what is dropped is dropped again."""


def worst(answers: Sequence[tuple[ProbeResult, int]]) -> ProbeResult:
    """Return the outcome of several requests: the first that went wrong, or the first of all, with how many there were.

    Args:
        answers: each with how often it came, in the order of coming.
    """
    bad = [answer for answer, _ in answers if answer.problem]
    first = bad[0] if bad else answers[0][0]
    good = sum(number for answer, number in answers if not answer.problem)
    return replace(first, asked=sum(number for _, number in answers), good=good)


def several(ask: Callable[[], ProbeResult], times: int) -> ProbeResult:
    """Ask several times, for behind one address are several endpoints, and return the outcome.

    Args:
        ask: sends one request, on a connection of its own.
        times: how often.
    """
    start, answers = time.monotonic(), [ask()]
    while len(answers) < times and time.monotonic() - start < PATIENCE:
        answers.append(ask())
    return worst([(answer, 1) for answer in answers])


def get(url: str, timeout: float = TIMEOUT) -> requests.Response:
    """Send one GET from this host: what every question to a Service from outside goes through.

    Args:
        url: by an address out of a pool.
        timeout: seconds for connecting, and again for each read.

    Raises:
        RequestException: nothing answers.
    """
    with requests.Session() as session:
        # No proxy of the environment, no reused connection: kube-proxy chooses an endpoint for each connection.
        session.trust_env = False
        with warnings.catch_warnings():
            # An address out of a pool has no certificate to verify; the layer asks for https knowingly.
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return session.get(
                url, headers={"Connection": "close"}, timeout=timeout, allow_redirects=False, verify=False
            )


def url_of(address: str, probe: Probe) -> str:
    """Return where a probe asks."""
    host = f"[{address}]" if ip_address(address).version == 6 else address
    return f"{probe.scheme}://{host}:{probe.port}{probe.path}"


def fetch(address: str, probe: Probe) -> ProbeResult:
    """Ask over HTTP, on a connection of its own, and compare the answer with what the layer says."""
    url, start = url_of(address, probe), time.monotonic()
    try:
        response = get(url, TIMEOUT)
    except requests.Timeout:
        return ProbeResult("HTTP", url, f"no answer within {TIMEOUT:g} s", False, time.monotonic() - start)
    except requests.RequestException as error:
        return ProbeResult("HTTP", url, _reason(error), False, time.monotonic() - start)
    return judge(url, probe, response.status_code, response.text, time.monotonic() - start)


def judge(url: str, probe: Probe, status: int, body: str, seconds: float) -> ProbeResult:
    """Compare an answer with what the layer says."""
    difference = probe.difference(status, body)
    result = ProbeResult("HTTP", url, difference, True, seconds)
    if not difference:
        return result
    return replace(result, wanted=probe.wanted(status, body), said=repr(body[:SHOWN]), matched=probe.matched(body))


def connect(address: str, port: int) -> ProbeResult:
    """Open a TCP connection and close it again; what answers is not known."""
    return connected(address, port, network_probe.connect(address, port, TIMEOUT))


def talk(address: str, probe: Probe, path: str) -> ProbeResult:
    """Send one message over a WebSocket of the Service that a probe asks, and wait for an answer."""
    return talked(address, probe, path, network_probe.websocket(probe.scheme, address, probe.port, path, TIMEOUT))


def talked(address: str, probe: Probe, path: str, said: Mapping[str, Any]) -> ProbeResult:
    """Return what became of a message, from what `network_probe.websocket` says of it here or in a container."""
    problem = str(said.get("problem", ""))
    return ProbeResult("WebSocket", url_of(address, replace(probe, path=path)), problem, not problem, said["seconds"])


def connected(address: str, port: int, said: Mapping[str, Any]) -> ProbeResult:
    """Return what became of a connection, from what `network_probe.connect` says of it here or in a container."""
    problem = str(said.get("problem", ""))
    return ProbeResult("TCP", f"{address}:{port}", problem, not problem, said["seconds"])


def _reason(error: requests.RequestException) -> str:
    """Return the innermost reason of a failed request in one line."""
    inner: BaseException = error
    for _ in range(DEEPEST):
        following = getattr(inner, "reason", None) or next(iter(inner.args), None)
        if not isinstance(following, BaseException):
            break
        inner = following
    return f"{type(inner).__name__}: {' '.join(str(inner).split())}"
