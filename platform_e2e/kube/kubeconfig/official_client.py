"""The official client's rules of authentication: which method of a user counts, expiry of tokens, and OIDC's id-tokens.

Imported only for a kubeconfig that needs it, since it takes 150 ms. Three of its methods are replaced:

* Its exec provider has no timeout, gives the plugin the terminal, logs failures and continues without a credential, and writes
  certificates and keys into temporary files, which remain when the process is killed.
* Its refresh of OIDC verifies no certificate if the kubeconfig names no authority, has no timeout, and writes files as well.
* Its reading of the cluster writes the user's key into a file; it is not needed, since the transport is our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.kube_config import KubeConfigLoader

from platform_e2e.errors import BrokenHarness

REPLACED = ("_load_from_exec_plugin", "_refresh_oidc", "_load_oid_token", "_load_cluster_info")
"""Methods of the official loader that are overridden here."""


class Unreadable(Exception):
    """The official client found no credential, or cannot read it; the text never quotes it."""


class Loader(KubeConfigLoader):
    """Load one user of a kubeconfig.

    Args:
        user: entry of the user.
        plugin: runs the exec plugin and returns the status of its ExecCredential.
        refresh: renews an OIDC login and returns its new tokens.
    """

    def __init__(
        self,
        user: Mapping[str, Any],
        plugin: Callable[[], Mapping[str, Any]],
        refresh: Callable[[], Mapping[str, str]],
    ) -> None:
        missing = [name for name in REPLACED if not hasattr(KubeConfigLoader, name)]
        if missing:
            # Ours would not be called then.
            raise BrokenHarness(
                f"the installed kubernetes client must have KubeConfigLoader.{missing[0]}, got a release without it",
                "install the release that platform-e2e was tested with",
            )
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": ""}}],
            "users": [{"name": "u", "user": dict(user)}],
        }
        super().__init__(config)  # type: ignore[no-untyped-call]  # as below
        self._plugin = plugin
        self._refresh = refresh
        self.status: Mapping[str, Any] = {}
        self._renewed = False

    def authorization(self) -> str:
        """Return the header Authorization, empty if a certificate is used instead.

        Raises:
            Unreadable: there is no credential, or it cannot be read.
        """
        configuration, self.status, self._renewed = Configuration(), {}, False
        for known in ("token", "expiry"):
            self.__dict__.pop(known, None)
        try:
            self.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except (ConfigException, ValueError, TypeError, LookupError, AttributeError) as error:
            raise Unreadable from error
        header = str(configuration.api_key.get("BearerToken", ""))
        if not header and not self.status:
            raise Unreadable
        return header

    def left(self) -> float | None:
        """Return for how many seconds the credential is valid, None if it has no expiry."""
        expiry = getattr(self, "expiry", None)
        return None if expiry is None else float((expiry - datetime.now(UTC)).total_seconds())

    def _load_from_exec_plugin(self) -> bool:
        self.status = self._plugin()
        if self.status.get("token"):
            self.token = f"Bearer {self.status['token']}"
        if self.status.get("expirationTimestamp"):
            self.expiry = parse_rfc3339(self.status["expirationTimestamp"])
        return True

    def _load_oid_token(self, provider: Any) -> Any:
        """Use the id-token; get one first if there is none, and renew an expired one, as kubectl does."""
        if not provider["config"].safe_get("id-token"):
            self._refresh_oidc(provider)
        return super()._load_oid_token(provider)  # type: ignore[no-untyped-call]

    def _refresh_oidc(self, provider: Any) -> None:
        # Once per load: the client treats a token as expired five minutes early, and many tokens live no longer than that.
        if not self._renewed:
            self._renewed = True
            provider["config"].value.update(self._refresh())

    def _load_cluster_info(self) -> None:
        """Leave the cluster to our transport."""
