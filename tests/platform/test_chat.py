"""The chat service of `platform/`, asked over real HTTP on a free port; where the platform has another application, nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib.util
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from platform_e2e import paths

SOURCE = paths.ROOT / "platform" / "apps" / "chat" / "chat.py"
if not SOURCE.is_file() or "A chat service: one room over a WebSocket" not in SOURCE.read_text(encoding="utf-8"):
    pytest.skip("platform/ is replaced: its chat service is not there", allow_module_level=True)

KEY = "0123456789abcdef"


def load() -> ModuleType:
    """Import the service from its file; platform/ is no package, or it would hide the standard library's module."""
    spec = importlib.util.spec_from_file_location("chat", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat"] = module  # dataclasses look their module up there
    before, sys.dont_write_bytecode = (
        sys.dont_write_bytecode,
        True,
    )  # nothing may appear in platform/: it is what is tested
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


chat: Any = load()


@pytest.fixture
def configuration(tmp_path: Path) -> Any:
    """A configuration as the Deployment mounts it."""
    for name, value in {"environment": "dev\n", "greeting": "Hello", "log_level": "info"}.items():
        (tmp_path / name).write_text(value)
    (tmp_path / "signing-key").write_text(KEY + "\n")
    return chat.Configuration(tmp_path, tmp_path / "signing-key", "1.2.3")


@pytest.fixture(autouse=True)
def root_level() -> Iterator[None]:
    """Put the root logger's level back, which the service sets from its configuration."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


@asynccontextmanager
async def served(configuration: Any) -> AsyncIterator[tuple[TestClient[Any, Any], TestClient[Any, Any]]]:
    """Yield a client of the public application and one of the metrics."""
    room = chat.Room(configuration, CollectorRegistry())
    async with (
        TestClient(TestServer(chat.public_app(room))) as public,
        TestClient(TestServer(chat.metrics_app(room))) as metrics,
    ):
        yield public, metrics


def test_index_names_application_environment_version_and_greeting(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _):
            answer = await public.get("/")
            assert answer.status == 200
            assert await answer.json() == {
                "app": "chat",
                "environment": "dev",
                "version": "1.2.3",
                "greeting": "Hello",
            }

    asyncio.run(scenario())


def test_a_changed_greeting_and_log_level_take_effect_without_a_restart(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _):
            await public.get("/")
            assert logging.getLogger().level == logging.INFO
            (configuration.directory / "greeting").write_text("Good evening")
            (configuration.directory / "log_level").write_text("warning")
            answer = await public.get("/")
            assert (await answer.json())["greeting"] == "Good evening"
            assert logging.getLogger().level == logging.WARNING

    asyncio.run(scenario())


def test_healthz_is_ok_when_everything_can_be_read(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _):
            answer = await public.get("/healthz")
            assert (answer.status, await answer.text()) == (200, "ok\n")

    asyncio.run(scenario())


@pytest.mark.parametrize("missing", ["environment", "greeting", "log_level", "signing-key"])
def test_healthz_names_the_file_that_is_missing(configuration: Any, missing: str) -> None:
    async def scenario() -> None:
        (configuration.directory / missing).unlink()
        async with served(configuration) as (public, _):
            answer = await public.get("/healthz")
            assert answer.status == 503
            assert (
                await answer.text()
                == f"{configuration.directory / missing} cannot be read: No such file or directory\n"
            )

    asyncio.run(scenario())


def test_healthz_refuses_an_unknown_log_level_and_an_empty_key(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _):
            (configuration.directory / "log_level").write_text("loud")
            assert "says LOUD, which is no log level" in await (await public.get("/healthz")).text()
            (configuration.directory / "log_level").write_text("info")
            configuration.signing_key.write_text("\n")
            assert "signing-key is empty" in await (await public.get("/healthz")).text()

    asyncio.run(scenario())


def test_a_message_reaches_everybody_with_the_signature_of_the_environment(configuration: Any) -> None:
    async def scenario() -> None:
        async with (
            served(configuration) as (public, _),
            public.ws_connect("/ws") as ann,
            public.ws_connect("/ws") as bob,
        ):
            await ann.send_str("good morning")
            expected = {
                "environment": "dev",
                "text": "good morning",
                "signature": hmac.new(KEY.encode(), b"good morning", hashlib.sha256).hexdigest(),
            }
            assert await bob.receive_json(timeout=5) == expected
            assert await ann.receive_json(timeout=5) == expected

    asyncio.run(scenario())


def test_a_message_that_is_too_long_ends_only_its_sender(configuration: Any) -> None:
    async def scenario() -> None:
        async with (
            served(configuration) as (public, _),
            public.ws_connect("/ws") as ann,
            public.ws_connect("/ws") as bob,
        ):
            await ann.send_str("x" * (chat.LONGEST_MESSAGE + 1))
            assert (await ann.receive(timeout=5)).data == 1009  # RFC 6455: message too big
            await bob.send_str("still here")
            assert (await bob.receive_json(timeout=5))["text"] == "still here"

    asyncio.run(scenario())


def test_a_plain_request_to_the_room_is_refused(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _):
            assert (await public.get("/ws")).status == 400
            with pytest.raises(WSServerHandshakeError):
                await public.ws_connect("/")

    asyncio.run(scenario())


def test_without_its_key_the_service_ends_the_connection_instead_of_sending_unsigned(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, _), public.ws_connect("/ws") as ann:
            configuration.signing_key.unlink()
            await ann.send_str("hello")
            assert (await ann.receive(timeout=5)).data == 1011  # RFC 6455: internal error

    asyncio.run(scenario())


def test_every_series_exists_at_the_first_scrape_and_counts(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, metrics):
            first = await (await metrics.get("/metrics")).text()
            assert "\nchat_connected_clients 0.0\n" in first
            assert "\nchat_messages_total 0.0\n" in first
            assert 'chat_build_info{version="1.2.3"} 1.0' in first
            async with public.ws_connect("/ws") as ann:
                await ann.send_str("hello")
                await ann.receive_json(timeout=5)
                during = await (await metrics.get("/metrics")).text()
            assert "\nchat_connected_clients 1.0\n" in during
            assert "\nchat_messages_total 1.0\n" in during

    asyncio.run(scenario())


def test_metrics_are_not_served_at_the_public_address(configuration: Any) -> None:
    async def scenario() -> None:
        async with served(configuration) as (public, metrics):
            assert (await public.get("/metrics")).status == 404
            answer = await metrics.get("/metrics")
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"

    asyncio.run(scenario())


def test_closing_the_room_tells_the_clients(configuration: Any) -> None:
    async def scenario() -> None:
        room = chat.Room(configuration, CollectorRegistry())
        async with TestClient(TestServer(chat.public_app(room))) as public, public.ws_connect("/ws") as ann:
            closing = asyncio.create_task(room.close())
            assert (await ann.receive(timeout=5)).data == 1001  # RFC 6455: going away
            await closing

    asyncio.run(scenario())


def test_the_process_ends_at_sigterm_with_status_zero(tmp_path: Path) -> None:
    """Run the file as the container does; its ports may be taken on this machine, so others are put in their place."""
    script = tmp_path / "chat.py"
    source = SOURCE.read_text()
    assert "port=8080, metrics_port=9090" in source
    script.write_text(source.replace("port=8080, metrics_port=9090", "port=0, metrics_port=0"))
    (tmp_path / "VERSION").write_text("9.9.9\n")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "CHAT_CONFIG": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "chat 9.9.9 listens on" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()
