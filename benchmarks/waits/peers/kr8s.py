"""kr8s: `get`, then `wait` with a jsonpath condition, by its asyncio API, which it recommends for many at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import kr8s.asyncio
from kr8s.asyncio.objects import ConfigMap

from benchmarks.waits.contender import JSONPATH, Contender, Done, Order, Setup, words


class Peer(Contender):
    """Wait by coroutines of one event loop."""

    def __init__(self, setup: Setup) -> None:
        """Start the event loop."""
        super().__init__(setup)
        self._loop = asyncio.new_event_loop()
        self._api = asyncio.Lock()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self, order: Order, done: Callable[[Done], None]) -> None:
        """Begin a wait as a task of the loop."""
        asyncio.run_coroutine_threadsafe(self._attempt(order, done), self._loop)

    async def _attempt(self, order: Order, done: Callable[[Done], None]) -> None:
        began = time.monotonic_ns()
        try:
            await self._wait(order)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its verdict
            done(Done(order.number, began, time.monotonic_ns(), words(error, order.name)))
        else:
            done(Done(order.number, began, time.monotonic_ns()))

    async def _wait(self, order: Order) -> None:
        async with self._api:  # the first one makes it, or hundreds would make one each
            api = await kr8s.asyncio.api(kubeconfig=str(self.setup.kubeconfig))
        config_map = await ConfigMap.get(order.name, namespace=self.setup.namespace, api=api)
        await config_map.wait(JSONPATH, timeout=order.timeout)

    def close(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
