"""HTTP to one API server: typed errors, bounded retries, and streams that another thread can end."""

from __future__ import annotations

import json
import logging
import math
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, SSLError
from urllib3.util import parse_url

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.answers import OURS, SINGLE, Limits, NoJson, cost, parsed, too_much, unpacked
from platform_e2e.kube.backoff import Backoff, pause
from platform_e2e.kube.connections import FRAMING, AnswerLimits, connections, use
from platform_e2e.kube.errors import LONGEST, BadAnswer, Unavailable, api_error
from platform_e2e.kube.kubeconfig import Endpoint, bearer
from platform_e2e.kube.kubeconfig.credential import ValidCredential
from platform_e2e.paths import command

# It warns with tracebacks; where a warning matters, an error reports it as well.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT_TIMEOUT = 5.0
"""Seconds to connect to the API server: it is on this machine or in this network."""

SILENCE = 90.0
"""Seconds after which a silent stream counts as broken: the API server sends a bookmark each minute (cacher.go, bookmarkFrequency)."""

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Methods that may be repeated although the first request may have been executed."""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: of HTTP.
        path: from the root, without the query.
        params: of the query; None values are left out, booleans are written as in JSON.
        body: JSON value to send, or bytes, or None.
        content_type: of the body.
        what: name of the requested object for a person; the path by default.
        secret: whether it contains a Secret, so that errors must not quote values.
        again: whether it may be repeated although it may have been executed; None to decide by the method.
        accept: media types of the answer.
        headers: more of them, for what stands behind the API server's proxy.
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
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Return its name for an error."""
        return f"{self.method} {self.what or self.path}"

    @property
    def repeatable(self) -> bool:
        """Tell whether it may be repeated although it may have been executed."""
        return self.method in IDEMPOTENT if self.again is None else self.again

    @property
    def target(self) -> str:
        """Return the path with its query."""
        params = (self.params or {}).items()
        written = {k: json.dumps(v) if isinstance(v, bool) else v for k, v in params if v is not None}
        return f"{self.path}?{urlencode(written)}" if written else self.path

    @property
    def data(self) -> bytes | None:
        """Return the encoded body."""
        return self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Stream:
    """The lines of a streaming answer.

    Args:
        response: the answer, with its body still to be read.
        request: for the error.
        meter: of the answer.
        longest: most bytes of a line.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, request: Request, meter: AnswerLimits, longest: int) -> None:
        self._response = response
        self._request = request
        self._meter = meter
        self._longest = longest

    def lines(self) -> Iterator[bytes]:
        """Yield each line as it arrives, and end when the server ends the stream.

        Raises:
            Unavailable: the connection broke, or nothing arrived for `SILENCE` seconds.
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
        except (HTTPError, OSError, ValueError) as error:  # ValueError: another thread closed it
            raise Unavailable(str(self._request), 0, "Broken", _words(error)) from error
        finally:
            self.close()

    def interrupt(self) -> None:
        """End `lines`, from any thread."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            # It has ended already.
            return

    def close(self) -> None:
        """Close the connection, which cannot be reused."""
        self._response.close()


class Transport:
    """Send requests to one API server, from any thread.

    Args:
        endpoint: the API server, with the user's credentials.
        patience: seconds that a request is retried for while there is no answer or a 429 or 5xx.
        writes: whether anything but GET may be sent.
        limits: of the answers.
        ends: monotonic time after which no request is sent.
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
        self._writes = writes
        self._endpoint = endpoint
        self._ends = ends
        self._spent = 0
        self.limits = limits
        self.patience = patience
        self._fixed = ValidCredential(endpoint.headers, endpoint.tls)
        self._pool = connections(endpoint, endpoint.tls)
        self._pooled = endpoint.tls

    def json(self, request: Request, *, patience: float | None = None, or_text: bool = False) -> Any:
        """Send a request and return the JSON value of the answer.

        Args:
            request: what to send.
            patience: seconds to retry for, the transport's by default.
            or_text: return the text of an answer that is not JSON.

        Raises:
            ApiError: the API server refused, could not be reached in time, or its answer cannot be read.
        """
        body = self.request(request, patience=patience)
        try:
            return self.parse(body, request, free=SINGLE)
        except NoJson:
            if or_text:
                return body.decode(errors="replace")
            raise

    def parse(self, body: bytes | bytearray, request: Request, *, free: int = 0) -> Any:
        """Return the JSON value of an answer, and count the memory of all answers, for a client that keeps them.

        Args:
            body: of the answer.
            request: for the error.
            free: bytes of the answer that are not counted.

        Raises:
            BadAnswer: the answer cannot be read, or takes too much memory, alone or together with earlier ones.
        """
        size = cost(body)
        self._spent += max(size - free, 0)
        if size > self.limits.memory:
            raise too_much(str(request), self.limits.memory)
        if self._spent > self.limits.whole:
            raise too_much(f"{request}, together with earlier answers", self.limits.whole)
        return parsed(body, str(request))

    def give_back(self, size: int) -> None:
        """Subtract bytes of answers that are not kept."""
        self._spent -= size

    def request(self, request: Request, *, patience: float | None = None) -> bytes | bytearray:
        """Send a request and return the body of the answer.

        Args:
            request: what to send.
            patience: seconds to retry for, the transport's by default.

        Raises:
            ApiError: the API server refused, or could not be reached in time.
        """
        deadline = time.monotonic() + (self.patience if patience is None else patience)
        backoff = Backoff()
        while True:
            try:
                return self._once(request)
            except Unavailable as error:
                # After 429 or a refused connection, the request was certainly not executed.
                certain = request.repeatable or error.status == 429 or error.reason == "Refused"
                wait = backoff.pause(error.retry_after)
                if not certain or time.monotonic() + wait >= min(deadline, self._ends):
                    raise
                pause(wait)

    def open(self, request: Request) -> Stream:
        """Send one request with a streaming answer, without retries.

        Raises:
            ApiError: the API server refused, or could not be reached.
        """
        meter = self._meter(request, self.limits.line)
        response = self._send(request, meter)
        if response.status != 200:
            raise self._refusal(request, response)
        meter.ends = math.inf  # from here on each line is limited, and the stream is ended by its reader
        return Stream(response, request, meter, self.limits.line)

    def close(self) -> None:
        """Close the pooled connections."""
        self._pool.clear()

    def _meter(self, request: Request, most: int) -> AnswerLimits:
        """Return the meter for an answer, starting now."""
        ends = min(time.monotonic() + self.limits.seconds, self._ends)
        return AnswerLimits(str(request), ends=ends, most=most + FRAMING, silence=SILENCE)

    def _once(self, request: Request) -> bytes | bytearray:
        """Send a request once and return the body of the answer."""
        response = self._send(request, self._meter(request, self.limits.answer))
        if not 200 <= response.status < 300:
            raise self._refusal(request, response)
        return self._read(request, response)

    def _send(self, request: Request, meter: AnswerLimits) -> urllib3.BaseHTTPResponse:
        """Send a request, with a renewed credential after a 401, and return the answer with its body still to be read."""
        if request.method != "GET" and not self._writes:
            raise BrokenHarness(f"bug: a read-only client must not send {request}", "report it")
        held = self._held(meter)
        response = self._sent(request, meter, held)
        if response.status == 401 and held is not self._fixed:
            again = self._held(meter, refused=held)
            if again.headers != held.headers or again.tls is not held.tls:
                # A rejected request was not executed, so it may be repeated.
                response.close()
                return self._sent(request, meter, again)
        return response

    def _held(self, meter: AnswerLimits, refused: ValidCredential | None = None) -> ValidCredential:
        """Return the credential, renewed if it is the refused one."""
        credential = self._endpoint.credential
        return credential.held(meter.left(), refused=refused) if credential else self._fixed

    def _sent(self, request: Request, meter: AnswerLimits, held: ValidCredential) -> urllib3.BaseHTTPResponse:
        """Send a request once, with a credential."""
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

    def _pool_for(self, held: ValidCredential) -> urllib3.PoolManager:
        """Return the connections for a credential: never one that was opened with another client certificate."""
        if held.tls is not self._pooled:
            self._pool, self._pooled = connections(self._endpoint, held.tls), held.tls
        return self._pool

    def _headers(self, request: Request, held: ValidCredential) -> urllib3.HTTPHeaderDict:
        """Return the headers of a request, including authentication and impersonation.

        A token file is read each time, since it may be replaced at any time.
        """
        headers = urllib3.HTTPHeaderDict({"User-Agent": "platform-e2e", "Accept": request.accept})
        headers.extend(request.headers)
        headers.extend(held.headers)
        headers.extend(self._endpoint.impersonated)
        if self._endpoint.token_file is not None:
            headers["Authorization"] = bearer(self._endpoint.token_file)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        return headers

    def _read(self, request: Request, response: urllib3.BaseHTTPResponse) -> bytes | bytearray:
        """Return the complete body and release the connection."""
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
        """Return the error for an answer."""
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
        """Return the error for a missing answer."""
        server = self._endpoint.server
        if isinstance(error, SSLError) and isinstance(
            error.args[0] if error.args else None, ssl.SSLCertVerificationError
        ):
            return BrokenHarness(
                f"{request}: the certificate of {server} is not trusted: {error.args[0].verify_message}",
                "use the kubeconfig that was made for this cluster; a cluster that was created again has a new CA",
            )
        through = f" through the proxy {parse_url(self._endpoint.proxy).host}" if self._endpoint.proxy else ""
        refused = isinstance(error, urllib3.exceptions.NewConnectionError)
        return Unavailable(
            str(request),
            0,
            "Refused" if refused else "NoAnswer",
            f"{server} does not answer{through} ({_words(error)})",
            remedy=f"is the cluster running? `{command('cluster')} list` shows it; the API server's log shows why not",
        )


def _words(error: Exception) -> str:
    """Return the innermost reason of an error of urllib3, which wraps that of the system."""
    if isinstance(error, ProtocolError) and not isinstance(error.args[-1], OSError):
        return "the connection ended in the middle of the answer"
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
