"""A credential that is obtained on first use, cached until it expires, and renewed when the API server refuses it."""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from platform_e2e.errors import BrokenHarness

EARLY = 10.0
"""Seconds before its expiry from which on a credential is not used: client-go's `expiryDelta` of OIDC."""

REST = 5.0
"""Seconds for which a failure is cached: concurrent requests of a command fail together, after one attempt."""


class CredentialError(BrokenHarness):
    """A credential could not be obtained: its plugin or login failed."""


@dataclass(frozen=True)
class ValidCredential:
    """A valid credential.

    Attributes:
        headers: for authentication.
        tls: TLS settings with the client certificate, or None for plain HTTP.
        left: seconds for which it is valid from when it was obtained.
    """

    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    left: float = math.inf


class Credential:
    """Cache a credential; thread-safe.

    Args:
        get: obtains it within the given seconds.
    """

    def __init__(self, get: Callable[[float], ValidCredential]) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._held: ValidCredential | None = None
        self._ends = 0.0
        self._failed: CredentialError | None = None
        self._again = 0.0

    def held(self, timeout: float, *, refused: ValidCredential | None = None) -> ValidCredential:
        """Return a valid credential, obtained now if there is none.

        Args:
            timeout: seconds that this may take.
            refused: credential that the API server has just refused; it is renewed, not returned.

        Raises:
            CredentialError: it could not be obtained.
        """
        began = time.monotonic()
        if not self._lock.acquire(timeout=max(timeout, 0.0)):
            raise CredentialError(
                f"no credential could be obtained within {timeout:g} s", "allow more time by --timeout"
            )
        try:
            if self._held is not None and self._held is not refused and time.monotonic() < self._ends:
                return self._held
            if self._failed is not None and time.monotonic() < self._again:
                raise self._failed
            return self._renewed(timeout - (time.monotonic() - began))
        finally:
            self._lock.release()

    def _renewed(self, timeout: float) -> ValidCredential:
        """Obtain it; with the lock held."""
        self._failed = None
        try:
            held = self._get(timeout)
        except CredentialError as error:
            self._failed, self._again = error, time.monotonic() + REST
            raise
        self._held, self._ends = held, time.monotonic() + held.left - EARLY
        return held
