"""A chat service: one room over a WebSocket, with the probe, the metrics and the configuration that a platform asks for."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

log = logging.getLogger("chat")

LONGEST_MESSAGE = 4096
"""Bytes; a longer one ends the sender's connection."""

HEARTBEAT = 20.0
"""Seconds between the pings that find clients which went away without a word."""

SLOWEST_CLIENT = 2.0
"""Seconds that a client may take to accept a message before it is put out of the room."""


class ConfigurationError(Exception):
    """A file of the configuration is missing or has a value that cannot be used."""


@dataclass(frozen=True)
class Configuration:
    """Where the service's settings are; each is read when it is needed, so that a change needs no restart.

    Attributes:
        directory: a file for each setting, as a mounted ConfigMap has.
        signing_key: the file with the key of this environment.
        version: of the service.
    """

    directory: Path
    signing_key: Path
    version: str

    @classmethod
    def of_container(cls) -> Configuration:
        """Return the places that the Deployment mounts; the variables are for running it by hand."""
        return cls(
            Path(os.environ.get("CHAT_CONFIG", "/etc/chat")),
            Path(os.environ.get("CHAT_SIGNING_KEY", "/etc/chat-secret/signing-key")),
            Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip(),
        )

    def setting(self, name: str) -> str:
        """Return one setting, without the white space around it.

        Raises:
            ConfigurationError: it is missing or empty.
        """
        return _content(self.directory / name)

    def log_level(self) -> int:
        """Return the level that is asked for.

        Raises:
            ConfigurationError: there is no such level.
        """
        name = self.setting("log_level").upper()
        level = logging.getLevelNamesMapping().get(name)
        if level is None:
            raise ConfigurationError(f"{self.directory / 'log_level'} says {name}, which is no log level")
        return level

    def sign(self, text: str) -> str:
        """Return the signature of a message.

        Raises:
            ConfigurationError: the key is missing.
        """
        return hmac.new(_content(self.signing_key).encode(), text.encode(), hashlib.sha256).hexdigest()


def _content(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if not text:
        raise ConfigurationError(f"{path} is empty")
    return text


class Room:
    """All clients of this replica, and what Prometheus is told about them.

    Args:
        configuration: for the signature and the environment's name.
        registry: where the metrics are registered.
    """

    def __init__(self, configuration: Configuration, registry: CollectorRegistry) -> None:
        self.configuration = configuration
        self.registry = registry
        self._clients: set[web.WebSocketResponse] = set()
        self._connected = Gauge("chat_connected_clients", "Clients in the room now.", registry=registry)
        self._messages = Counter("chat_messages", "Messages that clients have sent.", registry=registry)
        Gauge("chat_build_info", "Always 1.", ["version"], registry=registry).labels(configuration.version).set(1)

    async def join(self, client: web.WebSocketResponse) -> None:
        """Pass on what a client sends, until it leaves."""
        self._clients.add(client)
        self._connected.set(len(self._clients))
        log.info("a client has come, %d are here", len(self._clients))
        try:
            async for message in client:
                if message.type is WSMsgType.TEXT:
                    self._messages.inc()
                    await self._pass_on(message.data)
        except ConfigurationError as error:
            log.warning("%s", error)
            await client.close(code=WSCloseCode.INTERNAL_ERROR, message=b"the service is not configured")
        finally:
            self._clients.discard(client)
            self._connected.set(len(self._clients))
            log.info("a client has gone, %d are here", len(self._clients))

    async def close(self) -> None:
        """Tell every client that the service ends."""
        await asyncio.gather(
            *(client.close(code=WSCloseCode.GOING_AWAY, message=b"the service ends") for client in set(self._clients))
        )

    async def _pass_on(self, text: str) -> None:
        log.debug("a message of %d characters for %d clients", len(text), len(self._clients))
        message = {
            "environment": self.configuration.setting("environment"),
            "text": text,
            "signature": self.configuration.sign(text),
        }
        await asyncio.gather(*(self._send(client, message) for client in set(self._clients)))

    async def _send(self, client: web.WebSocketResponse, message: dict[str, str]) -> None:
        try:
            await asyncio.wait_for(client.send_json(message), SLOWEST_CLIENT)
        except (TimeoutError, ConnectionError):
            # One client that does not listen must not hold up the others; its own loop in `join` ends with the close.
            log.warning("a client does not listen and is put out")
            await client.close(code=WSCloseCode.TRY_AGAIN_LATER)


ROOM = web.AppKey("room", Room)


async def index(request: web.Request) -> web.Response:
    """Say who answers: the application, its environment, its version, and the greeting of this environment."""
    configuration = request.app[ROOM].configuration
    logging.getLogger().setLevel(configuration.log_level())
    log.debug("a visitor from %s", request.remote)
    return web.json_response(
        {
            "app": "chat",
            "environment": configuration.setting("environment"),
            "version": configuration.version,
            "greeting": configuration.setting("greeting"),
        }
    )


async def room(request: web.Request) -> web.WebSocketResponse:
    """Let a client into the room."""
    client = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LONGEST_MESSAGE)
    await client.prepare(request)
    await request.app[ROOM].join(client)
    return client


async def healthz(request: web.Request) -> web.Response:
    """Answer 200 when the service can do its work."""
    configuration = request.app[ROOM].configuration
    configuration.setting("greeting")
    configuration.setting("environment")
    configuration.log_level()
    configuration.sign("")
    return web.Response(text="ok\n")


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in Prometheus' text format."""
    text = generate_latest(request.app[ROOM].registry)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


@web.middleware
async def refuse_without_configuration(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 503 with the reason while a setting cannot be read: a probe then takes the replica out of service."""
    try:
        return await handler(request)
    except ConfigurationError as error:
        log.warning("%s", error)
        return web.Response(status=503, text=f"{error}\n")


def public_app(chat_room: Room) -> web.Application:
    """Return the application that users reach."""
    app = web.Application(middlewares=[refuse_without_configuration])
    app[ROOM] = chat_room
    app.router.add_get("/", index)
    app.router.add_get("/ws", room)
    app.router.add_get("/healthz", healthz)
    return app


def metrics_app(chat_room: Room) -> web.Application:
    """Return the application that Prometheus reaches, on a port that is not public."""
    app = web.Application()
    app[ROOM] = chat_room
    app.router.add_get("/metrics", metrics)
    return app


async def serve(chat_room: Room, *, port: int, metrics_port: int, stop: asyncio.Event) -> None:
    """Serve both applications until `stop` is set, then send the clients away."""
    runners = [
        web.AppRunner(public_app(chat_room), access_log=None),
        web.AppRunner(metrics_app(chat_room), access_log=None),
    ]
    try:
        for runner, number in zip(runners, (port, metrics_port), strict=True):
            await runner.setup()
            await web.TCPSite(runner, port=number, shutdown_timeout=1.0).start()
        log.info("chat %s listens on %d, its metrics on %d", chat_room.configuration.version, port, metrics_port)
        await stop.wait()
        await chat_room.close()
    finally:
        for runner in runners:
            await runner.cleanup()


async def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(Room(Configuration.of_container(), CollectorRegistry()), port=8080, metrics_port=9090, stop=stop)


if __name__ == "__main__":
    asyncio.run(main())
