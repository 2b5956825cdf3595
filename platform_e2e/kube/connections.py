"""Pooled connections to one API server. Every answer is metered: it is limited in time and in bytes."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from functools import partial
from http.client import HTTPResponse
from typing import Any
from urllib.parse import unquote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from platform_e2e.kube.answers import megabytes
from platform_e2e.kube.errors import TooLarge, Unavailable
from platform_e2e.kube.kubeconfig import Endpoint

FRAMING = 256 << 10
"""Bytes of an answer without its body: status, headers, chunk sizes; Go's server sends at most 1 MiB of headers."""


class AnswerLimits:
    """The limits of one answer.

    Args:
        request: for the error.
        ends: monotonic time at which it must be complete; infinite for a stream.
        most: bytes since the last `reset`.
        silence: seconds in which at least one byte must arrive.
    """

    def __init__(self, request: str, *, ends: float, most: int, silence: float) -> None:
        self.ends = ends
        self._request = request
        self._began = time.monotonic()
        self._most = most
        self._silence = silence
        self._bytes = 0

    def left(self) -> float:
        """Return how many seconds to wait for the next byte.

        Raises:
            Unavailable: the time is up.
        """
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.late()
        return min(left, self._silence)

    def late(self) -> Unavailable:
        """Return the error for an answer that took too long."""
        took = time.monotonic() - self._began
        return Unavailable(
            self._request,
            0,
            "TooSlow",
            f"the answer must be complete in time, got at most a part of it in {took:.1f} s",
            remedy="check the API server and the network; a command's --timeout allows more time",
        )

    def took(self, size: int) -> None:
        """Count received bytes.

        Raises:
            TooLarge: they exceed the limit.
        """
        self._bytes += size
        if self._bytes > self._most:
            raise TooLarge(self._request, f"it must have at most {megabytes(self._most)}, got more")

    def reset(self) -> None:
        """Start to count from zero: each part of a stream is limited by itself."""
        self._bytes = 0


_CURRENT = threading.local()
"""The meter for the next request of each thread: http.client creates the answer itself, so it cannot be passed on."""


def use(meter: AnswerLimits) -> None:
    """Use a meter for the next answer of this thread."""
    _CURRENT.meter = meter


class _Metered(io.RawIOBase):
    """A socket's raw stream, metered."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, meter: AnswerLimits) -> None:
        self._raw = raw
        self._sock = sock
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._meter.left())
        try:
            size: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            self._meter.left()  # raises the better error if the time is up
            raise
        self._meter.took(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """An answer that is metered from the first byte on, including headers and chunk sizes."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Metered(self.fp.detach(), sock, _CURRENT.meter))


def _allow_to_send(conn: HTTPConnection) -> None:
    """Reset the socket's timeout for a request: the last answer on the connection may have left it nearly expired."""
    if conn.sock is not None:
        conn.sock.settimeout(conn.timeout)


class _Connection(HTTPConnection):
    response_class = _Response

    def putrequest(self, *args: Any, **options: Any) -> None:
        _allow_to_send(self)
        super().putrequest(*args, **options)


class _SecureConnection(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        """Connect; make a stream through an HTTPS proxy interruptible."""
        super().connect()
        sock: Any = self.sock
        if not hasattr(sock, "shutdown"):
            # urllib3's TLS within TLS has no shutdown, which the answer calls on the connection.
            sock.shutdown = partial(socket.socket.shutdown, sock.socket)

    def putrequest(self, *args: Any, **options: Any) -> None:
        _allow_to_send(self)
        super().putrequest(*args, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection

    def _validate_conn(self, conn: Any) -> None:
        """Connect without urllib3's warning about an unverified certificate: the command warns once, urllib3 each time."""
        if conn.is_closed:
            conn.connect()


POOLS = {"http": _Pool, "https": _SecurePool}
"""Value for `urllib3.PoolManager.pool_classes_by_scheme`."""


_KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
"""A lost peer is noticed in about 11 s, even on a stream that is normally silent for a minute."""

_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # Not every system has all of them.
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _KEEPALIVE.items()
        if hasattr(socket, name)
    ),
]


def connections(endpoint: Endpoint, tls: ssl.SSLContext | None) -> urllib3.PoolManager:
    """Return a pool of connections to an API server; none is open yet."""
    options: dict[str, Any] = {"maxsize": 32, "retries": False, "socket_options": _SOCKET_OPTIONS}
    if tls is not None:
        options["ssl_context"] = tls
        if tls.verify_mode == ssl.CERT_NONE:
            options["cert_reqs"] = "CERT_NONE"
        if endpoint.server_name:
            options["server_hostname"] = options["assert_hostname"] = endpoint.server_name
    # The environment's proxies are ignored on purpose: clusters under test are on this machine or its network.
    if endpoint.proxy:
        user = parse_url(endpoint.proxy).auth
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=unquote(user)) if user else None
        pool: urllib3.PoolManager = urllib3.ProxyManager(endpoint.proxy, **options)
    else:
        pool = urllib3.PoolManager(**options)
    pool.pool_classes_by_scheme = POOLS
    return pool
