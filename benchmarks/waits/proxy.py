"""A reverse proxy before the API server, in a process of its own: it counts what each client sends, and misbehaves.

Each port has its own counters and its own fault. Clients speak TLS to it, as they would to the API server, since that is
part of what a wait costs them. Bytes are those of HTTP heads and bodies in both directions, without TLS and chunk framing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from benchmarks.waits.faults import Asked, Faults, Manner, Refusal, error_event, expired
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube import kubeconfig

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
"""Headers of one connection, not of the message (RFC 9110 7.6.1), and the length, which aiohttp writes anew."""

OURS = frozenset({"host", "authorization"})
"""Headers of a request that the proxy writes itself: it asks as the administrator, by its certificate."""

START_SECONDS = 30.0
SHUTDOWN_SECONDS = 0.2


class ProxyEnded(BrokenHarness):
    """The proxy's process has ended before its time."""


@dataclass(frozen=True)
class Port:
    """One port of the proxy: its name, and the fault with its seed."""

    name: str
    faults: type[Faults] = Faults
    seed: int = 0


@dataclass(frozen=True)
class Counts:
    """What came and went through one port: requests, and bytes in both directions."""

    requests: int = 0
    bytes: int = 0

    def __sub__(self, other: Counts) -> Counts:
        """Return what came since."""
        return Counts(self.requests - other.requests, self.bytes - other.bytes)


class Gate:
    """One port at work.

    Args:
        session: asks the API server.
        server: its URL.
        faults: what is done to requests while `hostile`.
    """

    def __init__(self, session: aiohttp.ClientSession, server: str, faults: Faults) -> None:
        """Count from nothing, and let everything pass."""
        self.hostile = False
        self.faults = faults
        self.requests = 0
        self.bytes = 0
        self._session = session
        self._server = server

    @property
    def counts(self) -> Counts:
        """Return the counters."""
        return Counts(self.requests, self.bytes)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request: by the fault, or by what the API server answers."""
        self.requests += 1
        body = await request.read()
        line = f"{request.method} {request.raw_path} HTTP/1.1\r\n"
        self.bytes += len(line) + head(request.raw_headers) + len(body)
        asked = asked_by(request)
        refusal = self.faults.refuse(asked) if self.hostile else None
        if refusal is not None:
            return await self._refuse(request, refusal)
        headers = [(k.decode(), v.decode("latin-1")) for k, v in request.raw_headers if passes(k.decode(), OURS)]
        try:
            async with self._session.request(
                request.method,
                URL(self._server + request.raw_path, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                return await self._pass(request, answer, asked)
        except (aiohttp.ClientError, OSError):
            # An API server that is not there is a connection that breaks, not an answer.
            return broken(request)

    async def _pass(self, request: web.BaseRequest, answer: aiohttp.ClientResponse, asked: Asked) -> web.StreamResponse:
        """Hand the answer on, whole or as it comes."""
        headers = [(k.decode(), v.decode("latin-1")) for k, v in answer.raw_headers if passes(k.decode(), frozenset())]
        self.bytes += len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n") + head(answer.raw_headers)
        if not asked.watch or answer.status != 200:
            body = await answer.read()
            self.bytes += len(body)
            whole = web.Response(status=answer.status, reason=answer.reason, body=body)
            set_headers(whole, headers)
            return whole
        stream = web.StreamResponse(status=answer.status, reason=answer.reason)
        set_headers(stream, headers)
        await stream.prepare(request)
        ending = self.faults.ending(time.monotonic()) if self.hostile else None
        try:
            async with asyncio.timeout(ending.after if ending else None):
                async for chunk in answer.content.iter_any():
                    self.bytes += len(chunk)
                    await stream.write(chunk)
        except TimeoutError:
            if ending is not None and ending.manner is Manner.BROKEN:
                return broken(request)
            if ending is not None and ending.manner is Manner.EXPIRED:
                await stream.write(line_of(error_event(expired(asked.version or 1, self.faults.newest))))
        return stream

    async def _refuse(self, request: web.BaseRequest, refusal: Refusal) -> web.StreamResponse:
        """Answer in the API server's place."""
        body = line_of(refusal.body)
        answer = web.Response(status=refusal.status, body=body, content_type="application/json")
        set_headers(answer, refusal.headers.items())
        await answer.prepare(request)
        self.bytes += len(body) + head([(k.encode(), v.encode()) for k, v in answer.headers.items()])
        return answer

    async def keep_time(self) -> None:
        """Look at the API server's newest version at whole periods of the clock, where the fault needs it."""
        period = self.faults.period
        while period is not None:
            await asyncio.sleep(period - time.monotonic() % period)
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with self._session.get(f"{self._server}/api/v1/namespaces?limit=1") as answer:
                    self.faults.newest = int((await answer.json())["metadata"]["resourceVersion"])


class _Server(web.Server):
    """A server that can hang up on clients that do not take leave of it.

    aiohttp ends a connection by TLS' farewell and waits for the client's, for 30 s: longer than its event loop lives.
    """

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        """Begin without clients."""
        super().__init__(handler, **options)
        self._transports: dict[RequestHandler, asyncio.Transport] = {}
        self._alone = asyncio.Event()
        self._alone.set()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Remember a client's connection."""
        super().connection_made(handler, transport)
        self._transports[handler] = transport
        self._alone.clear()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget it."""
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)
        if not self._transports:
            self._alone.set()

    async def hang_up(self) -> None:
        """Close the connections that are left."""
        for transport in list(self._transports.values()):
            _abort(transport)
        await self._alone.wait()


def asked_by(request: web.BaseRequest) -> Asked:
    """Return what a fault needs to know of a request."""
    version = request.query.get("resourceVersion", "")
    watch = request.query.get("watch", "").lower() in {"true", "1"}
    return Asked(watch, int(version) if version.isdecimal() else None)


def head(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return how many bytes the headers are on the wire, with the empty line after them."""
    return sum(len(name) + len(value) + 4 for name, value in headers) + 2


def passes(name: str, own: frozenset[str]) -> bool:
    """Tell whether a header is handed on."""
    return name.lower() not in HOP_BY_HOP and name.lower() not in own


def set_headers(answer: web.StreamResponse, headers: Iterable[tuple[str, str]]) -> None:
    """Set headers, those that may come more than once too."""
    answer.headers.popall("Content-Type", None)
    for name, value in headers:
        answer.headers.add(name, value)


def line_of(body: Mapping[str, Any]) -> bytes:
    """Return JSON as a line of a watch has it."""
    return json.dumps(body).encode() + b"\n"


def _abort(transport: asyncio.BaseTransport) -> None:
    """Abort a connection. One that is over is an error of asyncio's own TLS (Python 3.11.2, sslproto.py: its protocol is gone)."""
    with contextlib.suppress(AttributeError):
        cast("asyncio.Transport", transport).abort()


def broken(request: web.BaseRequest) -> web.StreamResponse:
    """Break the client's connection in the middle of whatever it carries."""
    if request.transport is not None:
        _abort(request.transport)
    return web.Response(status=502)


async def serve(pipe: Connection, config: Path, certificate: Path, ports: tuple[Port, ...]) -> None:
    """Serve all ports until told to stop, or until nobody is there any more to tell.

    Args:
        pipe: the driver's; it is sent the ports' numbers, then the counts whenever it asks for them.
        config: kubeconfig of the API server.
        certificate: PEM file with the proxy's certificate and key.
        ports: to be opened.
    """
    endpoint = kubeconfig.load(config)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    connector = aiohttp.TCPConnector(limit=0, ssl=endpoint.tls or False)
    timeout = aiohttp.ClientTimeout(total=None)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        )
        gates, numbers = {}, {}
        for port in ports:
            gate = gates[port.name] = Gate(session, endpoint.server, port.faults(port.seed))
            numbers[port.name] = await _open(gate, tls, stack)
            stack.callback(asyncio.create_task(gate.keep_time()).cancel)
        pipe.send(numbers)
        await _obey(pipe, gates)


async def _open(gate: Gate, tls: ssl.SSLContext, stack: contextlib.AsyncExitStack) -> int:
    """Open a port of 127.0.0.1 and return its number."""
    server = _Server(gate.handle, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(server.hang_up)
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls, backlog=1024).start()
    return int(runner.addresses[0][1])


async def _obey(pipe: Connection, gates: Mapping[str, Gate]) -> None:
    """Do what the driver says until it says None, or is no more."""
    over = asyncio.Event()

    def heard() -> None:
        try:
            message = pipe.recv()
        except EOFError:
            message = None
        if message is None:
            over.set()
        elif isinstance(message, bool):
            for gate in gates.values():
                gate.hostile = message
        else:
            pipe.send({name: gate.counts for name, gate in gates.items()})

    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), heard)
    try:
        await over.wait()
    finally:
        loop.remove_reader(pipe.fileno())


def main(pipe: Connection, config: Path, certificate: Path, ports: tuple[Port, ...]) -> None:
    """Be the proxy's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business, which then stops this one
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(pipe, config, certificate, ports))
    os._exit(0)


class Proxy:
    """The proxy in its process, as the driver sees it.

    Args:
        config: kubeconfig of the API server.
        certificate: PEM file with a certificate for 127.0.0.1 and its key.
        ports: to be opened.
    """

    def __init__(self, config: Path, certificate: Path, ports: tuple[Port, ...]) -> None:
        """Start it and learn the ports' numbers."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(theirs, config, certificate, ports), daemon=True)
        self._process.start()
        theirs.close()
        self.numbers: dict[str, int] = self._hear()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def counts(self, name: str) -> Counts:
        """Return what came and went through a port until now."""
        self._pipe.send("counts")
        found: Counts = self._hear()[name]
        return found

    def hostile(self, on: bool) -> None:  # noqa: FBT001 - it is the whole sentence
        """Let the faults begin or end on all ports."""
        self._pipe.send(on)

    def _hear(self) -> Any:
        try:
            if self._pipe.poll(START_SECONDS):
                return self._pipe.recv()
        except (EOFError, OSError):
            pass
        raise ProxyEnded("the proxy before the API server does not answer", "see what it printed above")
