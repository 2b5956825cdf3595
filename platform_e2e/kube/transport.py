"""HTTP to one API server: pooled connections, typed errors, bounded tries, and streams that can be ended from outside."""

from __future__ import annotations

import json
import logging
import math
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, SSLError
from urllib3.util import parse_url

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.answers import OURS, SINGLE, Limits, NoJson, cost, parsed, too_much, unpacked
from platform_e2e.kube.backoff import Backoff, pause
from platform_e2e.kube.connections import FRAMING, Meter, connections, use
from platform_e2e.kube.errors import LONGEST, BadAnswer, Unavailable, api_error
from platform_e2e.kube.kubeconfig import Endpoint, bearer
from platform_e2e.kube.kubeconfig.credential import Held
from platform_e2e.paths import command

# What it warns of, with a traceback, an error tells as well where it matters.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the API server: it is on this machine or in this network."""

SILENCE = 90.0
"""Seconds after which a silent stream is given up: the API server sends a bookmark each minute (cacher.go, bookmarkFrequency)."""

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that may be sent again although the first one may have been carried out."""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: of HTTP.
        path: from the root, without the query.
        params: of the query; None values are left out, true and false are written as JSON has them.
        body: JSON value to send, or bytes, or None.
        content_type: of the body.
        what: how a person names what is asked for; the path by default.
        secret: whether a Secret is sent, whose values an error must not quote.
        again: whether it may be sent again after it may have been carried out; by default as the method has it.
        accept: media types of the answer.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    body: Any = None
    content_type: str = "application/json"
    what: str = ""
    secret: bool = False
    again: bool | None = None
    accept: str = "application/json"

    def __str__(self) -> str:
        """Name it in an error."""
        return f"{self.method} {self.what or self.path}"

    @property
    def repeatable(self) -> bool:
        """Tell whether it may be sent again although the first one may have been carried out."""
        return self.method in IDEMPOTENT if self.again is None else self.again

    @property
    def target(self) -> str:
        """Return the path with its query."""
        params = (self.params or {}).items()
        written = {k: json.dumps(v) if isinstance(v, bool) else v for k, v in params if v is not None}
        return f"{self.path}?{urlencode(written)}" if written else self.path

    @property
    def data(self) -> bytes | None:
        """Return the body as it is sent."""
        return self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Stream:
    """The lines of an answer that does not end by itself."""

    def __init__(self, response: urllib3.BaseHTTPResponse, request: Request, meter: Meter, longest: int) -> None:
        """Take the answer over; a line may have so many bytes."""
        self._response = response
        self._request = request
        self._meter = meter
        self._longest = longest

    def lines(self) -> Iterator[bytes]:
        """Yield each line as it arrives, and end when the server ends the stream.

        Raises:
            Unavailable: the connection broke, or nothing came for `SILENCE` seconds.
            BadAnswer: a line has too many bytes.
        """
        rest = bytearray()
        try:
            for chunk in self._response.stream(1 << 16, decode_content=False):
                self._meter.reset()
                if b"\n" in chunk:
                    first, *whole = chunk.split(b"\n")
                    yield bytes(rest + first)
                    rest = bytearray(whole.pop())
                    yield from whole
                else:
                    rest += chunk
                if len(rest) > self._longest:
                    raise BadAnswer(
                        str(self._request), f"a line of it must have at most {self._longest} bytes, got more"
                    )
        except (HTTPError, OSError, ValueError) as error:  # ValueError: closed from outside while it was read
            raise Unavailable(str(self._request), 0, "Broken", _words(error)) from error
        finally:
            self.close()

    def interrupt(self) -> None:
        """End `lines` in whichever thread it is read."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            # It has ended by itself.
            return

    def close(self) -> None:
        """Let go of the connection, which is of no use to others."""
        self._response.close()


class Transport:
    """Send requests to one API server, from any thread.

    Args:
        endpoint: where, and as whom.
        patience: seconds that a request is tried for while the API server does not answer or asks to come later.
        writes: whether anything but GET may be sent.
        limits: of what is answered.
        ends: monotonic time from which on nothing is asked any more.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        patience: float,
        *,
        writes: bool,
        limits: Limits = OURS,
        ends: float = math.inf,
    ) -> None:
        """Open nothing yet."""
        self._writes = writes
        self._endpoint = endpoint
        self._ends = ends
        self._spent = 0
        self.limits = limits
        self.patience = patience
        self._fixed = Held(endpoint.headers, endpoint.tls)
        self._pool = connections(endpoint, endpoint.tls)
        self._pooled = endpoint.tls

    def json(self, request: Request, *, patience: float | None = None, or_text: bool = False) -> Any:
        """Send a request and return the JSON value of the answer.

        Args:
            request: what to send.
            patience: seconds to try for, the transport's by default.
            or_text: return the text of an answer that is no JSON.

        Raises:
            ApiError: the API server refused, could not be reached in time, or answered with what cannot be read.
        """
        body = self.request(request, patience=patience)
        try:
            return self.parse(body, request, free=SINGLE)
        except NoJson:
            if or_text:
                return body.decode(errors="replace")
            raise

    def parse(self, body: bytes | bytearray, request: Request, *, free: int = 0) -> Any:
        """Return the JSON value of an answer, and count what all answers take in memory, for a client that keeps them.

        Args:
            body: of the answer.
            request: for the error.
            free: bytes of it that are not counted.

        Raises:
            BadAnswer: it cannot be read, or takes too much, alone or with the others.
        """
        size = cost(body)
        self._spent += max(size - free, 0)
        if size > self.limits.memory:
            raise too_much(str(request), self.limits.memory)
        if self._spent > self.limits.whole:
            raise too_much(f"{request}, with what was read before", self.limits.whole)
        return parsed(body, str(request))

    def give_back(self, size: int) -> None:
        """Note that so much of what was read is not kept."""
        self._spent -= size

    def request(self, request: Request, *, patience: float | None = None) -> bytes | bytearray:
        """Send a request and return the body of the answer.

        Args:
            request: what to send.
            patience: seconds to try for, the transport's by default.

        Raises:
            ApiError: the API server refused, or could not be reached in time.
        """
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        backoff = Backoff()
        while True:
            try:
                return self._once(request)
            except Unavailable as error:
                # 429 and a refused connection were not carried out, whatever the method.
                certain = request.repeatable or error.status == 429 or error.reason == "Refused"
                wait = backoff.pause(error.retry_after)
                if not certain or time.monotonic() + wait >= min(deadline, self._ends):
                    raise
                pause(wait)

    def open(self, request: Request) -> Stream:
        """Send one request whose answer is a stream of lines; not tried again.

        Raises:
            ApiError: the API server refused, or could not be reached.
        """
        meter = self._meter(request, self.limits.line)
        response = self._send(request, meter)
        if response.status != 200:
            raise self._refusal(request, response)
        meter.ends = math.inf  # from here on it is bounded by its lines, and ended from outside
        return Stream(response, request, meter, self.limits.line)

    def close(self) -> None:
        """Close the pooled connections."""
        self._pool.clear()

    def _meter(self, request: Request, most: int) -> Meter:
        """Return what an answer may take from now on."""
        ends = min(time.monotonic() + self.limits.seconds, self._ends)
        return Meter(str(request), ends=ends, most=most + FRAMING, silence=SILENCE)

    def _once(self, request: Request) -> bytes | bytearray:
        """Send once."""
        response = self._send(request, self._meter(request, self.limits.answer))
        if not 200 <= response.status < 300:
            raise self._refusal(request, response)
        return self._read(request, response)

    def _send(self, request: Request, meter: Meter) -> urllib3.BaseHTTPResponse:
        """Return the answer with its body still to be read."""
        if request.method != "GET" and not self._writes:
            raise BrokenHarness(f"bug: {request} was to be sent by a client that only reads", "report it")
        held = self._held(meter)
        response = self._sent(request, meter, held)
        if response.status == 401 and held is not self._fixed:
            again = self._held(meter, refused=held)
            if again.headers != held.headers or again.tls is not held.tls:
                # What is refused was not carried out, whatever the method.
                response.close()
                return self._sent(request, meter, again)
        return response

    def _held(self, meter: Meter, refused: Held | None = None) -> Held:
        """Return what says who asks, and got again where it was refused."""
        credential = self._endpoint.credential
        return credential.held(meter.left(), refused=refused) if credential else self._fixed

    def _sent(self, request: Request, meter: Meter, held: Held) -> urllib3.BaseHTTPResponse:
        """Send once with a credential."""
        left = meter.left()
        timeout = urllib3.Timeout(connect=min(left, CONNECT_TIMEOUT), read=left)
        use(meter)
        try:
            return self._pool_for(held).urlopen(
                request.method,
                self._endpoint.server + request.target,
                body=request.data,
                headers=self._headers(request, held),
                timeout=timeout,
                preload_content=False,
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            raise self._broken(request, error) from error

    def _pool_for(self, held: Held) -> urllib3.PoolManager:
        """Return the connections for a credential: none that another certificate was shown on."""
        if held.tls is not self._pooled:
            self._pool, self._pooled = connections(self._endpoint, held.tls), held.tls
        return self._pool

    def _headers(self, request: Request, held: Held) -> urllib3.HTTPHeaderDict:
        """Return the headers of a request, those that say who asks and as whom among them.

        A token file is read each time, since it is replaced while we run.
        """
        headers = urllib3.HTTPHeaderDict({"User-Agent": "platform-e2e", "Accept": request.accept})
        headers.extend(held.headers)
        headers.extend(self._endpoint.impersonated)
        if self._endpoint.token_file is not None:
            headers["Authorization"] = bearer(self._endpoint.token_file)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        return headers

    def _read(self, request: Request, response: urllib3.BaseHTTPResponse) -> bytes | bytearray:
        """Return the whole body and give the connection back."""
        body, most = bytearray(), self.limits.answer
        try:
            for chunk in response.stream(1 << 16, decode_content=False):
                body += chunk
        except (HTTPError, OSError, ValueError) as error:  # ValueError: of the length of a chunk
            raise self._broken(request, error) from error
        finally:
            response.release_conn()
        return unpacked(body, response.headers.get("Content-Encoding", ""), str(request), most)

    def _refusal(self, request: Request, response: urllib3.BaseHTTPResponse) -> Exception:
        """Return the error that an answer stands for."""
        data = self._read(request, response)
        body: Mapping[str, Any] | str = data[:LONGEST].decode(errors="replace")
        try:
            found = self.parse(data, request, free=SINGLE)
        except BadAnswer:
            found = None
        if isinstance(found, dict) and found.get("kind") == "Status":
            body = found
        retry = response.headers.get("Retry-After")
        return api_error(str(request), response.status, body, secret=request.secret, retry=retry)

    def _broken(self, request: Request, error: Exception) -> Exception:
        """Return the error for an answer that never came."""
        server = self._endpoint.server
        if isinstance(error, SSLError) and isinstance(
            error.args[0] if error.args else None, ssl.SSLCertVerificationError
        ):
            return BrokenHarness(
                f"{request}: the certificate of {server} is not trusted: {error.args[0].verify_message}",
                "use the kubeconfig that was made for this cluster; a cluster that was made anew has a new CA",
            )
        through = f" through the proxy {parse_url(self._endpoint.proxy).host}" if self._endpoint.proxy else ""
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)
        return Unavailable(
            str(request),
            0,
            "Refused" if refused else "NoAnswer",
            f"{server} does not answer{through} ({_words(error)})",
            remedy=f"is the cluster running? `{command('cluster')} list` tells; its API server's log tells why not",
        )


def _words(error: Exception) -> str:
    """Return the innermost reason of an error of urllib3, which wraps the system's own."""
    if isinstance(error, ProtocolError) and not isinstance(error.args[-1], OSError):
        return "the connection ended in the middle of the answer"
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
