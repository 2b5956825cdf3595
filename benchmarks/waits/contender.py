"""What a contender is to the benchmark: something that is told to wait for one ConfigMap, and says when it has."""

from __future__ import annotations

import importlib
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.waits.peers import PEERS

FIELD = "state"
"""The key of a ConfigMap's data that is waited for."""

READY = "ready"
"""What its value must be."""

JSONPATH = f"jsonpath='{{.data.{FIELD}}}'={READY}"
"""The same as kubectl and kr8s write it."""

KLOG = re.compile(r"[IWE]\d{4} ")

WORDS = 90
"""How many characters of an error the tables and the JSON have."""


@dataclass(frozen=True)
class Setup:
    """Where a contender works.

    Attributes:
        kubeconfig: of the API server, or of the proxy before it.
        namespace: of the ConfigMaps.
        programs: directory with kubectl.
        scratch: a directory of its own, its HOME as well.
    """

    kubeconfig: Path
    namespace: str
    programs: Path
    scratch: Path


@dataclass(frozen=True)
class Order:
    """One wait: its number, the ConfigMap's name, and the seconds after which to give up."""

    number: int
    name: str
    timeout: float


@dataclass(frozen=True)
class Done:
    """How a wait ended.

    Attributes:
        number: of the order.
        began: monotonic time in nanoseconds at which it was begun.
        ended: monotonic time in nanoseconds at which it returned.
        error: what it raised, in a few words; empty where it returned, which says that the ConfigMap is ready.
    """

    number: int
    began: int
    ended: int
    error: str = ""


class Contender(ABC):
    """Wait for ConfigMaps; several at once.

    Args:
        setup: where.
    """

    def __init__(self, setup: Setup) -> None:
        """Prepare what a user prepares once; ask the API server nothing yet."""
        self.setup = setup

    @abstractmethod
    def begin(self, order: Order, done: Callable[[Done], None]) -> None:
        """Begin a wait and return; tell its end from whatever thread it ends in."""

    @abstractmethod
    def close(self) -> None:
        """End what is still waiting, as far as that can be done."""


class Threaded(Contender):
    """A contender whose wait is a call that blocks: each gets a thread."""

    def begin(self, order: Order, done: Callable[[Done], None]) -> None:
        """Begin a wait in a thread of its own."""
        threading.Thread(target=self._attempt, args=(order, done), daemon=True).start()

    def _attempt(self, order: Order, done: Callable[[Done], None]) -> None:
        began = time.monotonic_ns()
        try:
            self.wait(order.name, order.timeout)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its verdict
            done(Done(order.number, began, time.monotonic_ns(), words(error, order.name)))
        else:
            done(Done(order.number, began, time.monotonic_ns()))

    @abstractmethod
    def wait(self, name: str, timeout: float) -> None:
        """Return when the ConfigMap is ready, raise anything when it did not come to be so in time."""


class NotSeen(Exception):
    """What a peer that only returns a value, or ends a loop, would have to say: it was not seen."""


def words(error: Exception, name: str) -> str:
    """Return an error in few words that are the same for each object and each time.

    Args:
        error: what was raised.
        name: of the object, which is left out.
    """
    # kubectl logs its client's troubles first, each line with a letter and the date.
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not KLOG.match(line)]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    text = re.sub(r"\b(0x[0-9a-f]+|\d{4,})\b", "N", text.replace(name, "NAME"))
    text = re.sub(r"\d+(\.\d+)? ?(s|seconds)\b", r"N \2", text)
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"


def make(title: str, setup: Setup) -> Contender:
    """Import a contender and prepare it.

    Args:
        title: one of `PEERS`.
        setup: where it works.
    """
    module = importlib.import_module(f"benchmarks.waits.peers.{PEERS[title].module}")
    contender: Contender = module.Peer(setup)
    return contender
