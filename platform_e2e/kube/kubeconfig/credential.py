"""A credential that is got when it is first needed, kept until it ends, and got again when the API server refuses it."""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from platform_e2e.errors import BrokenHarness

EARLY = 10.0
"""Seconds before its end from which on a credential is not used any more: client-go's `expiryDelta` of OIDC."""

REST = 5.0
"""Seconds for which a failure stands: the requests of a command that are under way together fail by one try."""


class CredentialError(BrokenHarness):
    """A credential could not be got: the plugin or the login behind it failed."""


@dataclass(frozen=True)
class Held:
    """What a request is sent with.

    Attributes:
        headers: that say who asks.
        tls: whom to trust and the client certificate, or None for plain HTTP.
        left: seconds for which it is valid, counted from when it was got.
    """

    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    left: float = math.inf


class Credential:
    """Hold what a function gets; from any thread.

    Args:
        get: asks for it, given the seconds that this may take.
    """

    def __init__(self, get: Callable[[float], Held]) -> None:
        """Ask for nothing yet."""
        self._get = get
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._ends = 0.0
        self._failed: CredentialError | None = None
        self._again = 0.0

    def held(self, timeout: float, *, refused: Held | None = None) -> Held:
        """Return the credential, asking for it where there is none that is still valid.

        Args:
            timeout: seconds that it may take.
            refused: what the API server has just refused, which is not returned unless it is got again.

        Raises:
            CredentialError: it could not be got.
        """
        began = time.monotonic()
        if not self._lock.acquire(timeout=max(timeout, 0.0)):
            raise CredentialError(f"no credential was there within {timeout:g} s", "allow more time by --timeout")
        try:
            if self._held is not None and self._held is not refused and time.monotonic() < self._ends:
                return self._held
            if self._failed is not None and time.monotonic() < self._again:
                raise self._failed
            return self._renewed(timeout - (time.monotonic() - began))
        finally:
            self._lock.release()

    def _renewed(self, timeout: float) -> Held:
        """Ask for it; with the lock."""
        self._failed = None
        try:
            held = self._get(timeout)
        except CredentialError as error:
            self._failed, self._again = error, time.monotonic() + REST
            raise
        self._held, self._ends = held, time.monotonic() + held.left - EARLY
        return held
