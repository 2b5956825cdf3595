"""What a client outside of the cluster gets at an address: an HTTP answer, or at least a connection."""

from __future__ import annotations

import socket
import time
import warnings
from dataclasses import dataclass
from ipaddress import ip_address

import requests
from urllib3.exceptions import InsecureRequestWarning

from platform_e2e.layer.probe import Probe

TIMEOUT = 5.0
"""Seconds for connecting and again for each read; on the cluster's own segment both take milliseconds."""

SHOWN = 200
"""How many characters of an unexpected answer a finding quotes."""

DEEPEST = 5
"""How many errors requests and urllib3 wrap into one another at most."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        how: `HTTP` or `TCP`.
        where: URL, or address and port.
        problem: what was not as expected, empty where nothing was.
        connected: whether anybody was there at all.
        seconds: until the whole answer had come, connecting included.
    """

    how: str
    where: str
    problem: str
    connected: bool
    seconds: float


def fetch(address: str, probe: Probe) -> Answer:
    """Ask over HTTP, on a connection of its own, and compare the answer with what the layer says."""
    host = f"[{address}]" if ip_address(address).version == 6 else address
    url = f"{probe.scheme}://{host}:{probe.port}{probe.path}"
    start = time.monotonic()
    try:
        with requests.Session() as session:
            # No proxy of the environment, no reused connection: kube-proxy shall choose an endpoint for every probe.
            session.trust_env = False
            with warnings.catch_warnings():
                # An address out of a pool has no certificate to verify; the layer asks for https knowingly.
                warnings.simplefilter("ignore", InsecureRequestWarning)
                response = session.get(
                    url, headers={"Connection": "close"}, timeout=TIMEOUT, allow_redirects=False, verify=False
                )
            body = response.text
    except requests.Timeout:
        return Answer("HTTP", url, f"no answer within {TIMEOUT:g} s", False, time.monotonic() - start)
    except requests.RequestException as error:
        return Answer("HTTP", url, _reason(error), False, time.monotonic() - start)
    return judge(url, probe, response.status_code, body, time.monotonic() - start)


def judge(url: str, probe: Probe, status: int, body: str, seconds: float) -> Answer:
    """Compare an answer with what the layer says."""
    difference = probe.difference(status, body)
    problem = f"{difference}; the answer was {body[:SHOWN]!r}" if difference else ""
    return Answer("HTTP", url, problem, True, seconds)


def connect(address: str, port: int) -> Answer:
    """Open a TCP connection and close it again; what answers is not known."""
    where = f"{address}:{port}"
    start = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=TIMEOUT):
            return Answer("TCP", where, "", True, time.monotonic() - start)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return Answer("TCP", where, reason, False, time.monotonic() - start)


def _reason(error: requests.RequestException) -> str:
    """Return the innermost reason of a failed request in one line."""
    inner: BaseException = error
    for _ in range(DEEPEST):
        following = getattr(inner, "reason", None) or next(iter(inner.args), None)
        if not isinstance(following, BaseException):
            break
        inner = following
    return f"{type(inner).__name__}: {' '.join(str(inner).split())}"
