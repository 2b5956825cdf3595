"""The few requests that making a cluster sends to its API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from platform_e2e.cluster.kubernetes.credentials import API_PORT, Identities, write
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.errors import BrokenHarness

SECONDS = 5.0
"""Timeout of one request: an API server on two busy processors was seen to take one second for its first answers."""


class ApiTrouble(BrokenHarness):
    """The new API server refused a request that every cluster accepts."""


class Api:
    """A new cluster's API server.

    Args:
        plan: the cluster's addresses.
        identities: its keys; the administrator's own are written below `directory`, for its owner only.
        directory: the directory of the cluster.
    """

    def __init__(self, plan: Plan, identities: Identities, directory: Path) -> None:
        write(
            directory / "admin",
            {
                "ca.crt": identities.authority,
                "tls.crt": identities.client.certificate,
                "tls.key": identities.client.key,
            },
        )
        self._base = f"https://{plan.nodes[0]}:{API_PORT}"
        self._session = requests.Session()
        # The user's environment, such as a proxy, does not apply to an address on this host's own segment.
        self._session.trust_env = False
        self._session.verify = str(directory / "admin" / "ca.crt")
        self._session.cert = (str(directory / "admin" / "tls.crt"), str(directory / "admin" / "tls.key"))

    def ready(self) -> bool | str:
        """Return True if it accepts requests, else the reason."""
        try:
            answer = self._session.get(f"{self._base}/readyz", timeout=SECONDS)
        except requests.RequestException as error:
            return f"the API server does not answer: {type(error).__name__}"
        return True if answer.ok else f"/readyz says {answer.status_code}: {answer.text[:200]}"

    def version(self) -> str:
        """Return the version that it reports."""
        return str(self._call("GET", "/version")["gitVersion"])

    def nodes(self) -> list[dict[str, Any]]:
        """Return every Node."""
        items: list[dict[str, Any]] = self._call("GET", "/api/v1/nodes")["items"]
        return items

    def create(self, path: str, obj: dict[str, Any]) -> None:
        """Create an object; leave an existing one unchanged.

        Args:
            path: the path of its collection.
            obj: the object.
        """
        self._call("POST", path, obj, ok=(201, 409))

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        """Merge fields into an object."""
        self._call("PATCH", path, patch, kind="application/merge-patch+json")

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        ok: tuple[int, ...] = (200,),
        kind: str = "application/json",
    ) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method, self._base + path, json=body, headers={"Content-Type": kind}, timeout=SECONDS
            )
        except requests.RequestException as error:
            raise ApiTrouble(f"{method} {path}: {error}", "see kube-apiserver.log in the cluster's logs") from error
        if answer.status_code not in ok:
            raise ApiTrouble(
                f"{method} {path}: {answer.status_code} {answer.text[:300]}",
                "see kube-apiserver.log in the cluster's logs",
            )
        data: dict[str, Any] = answer.json()
        return data
