"""Credentials that a kubeconfig does not contain and that must be obtained first: by an exec plugin, or by OIDC.

This executes what the kubeconfig names: a program, or a request with a refresh token to any address. So it is done only for a
kubeconfig that the user's own environment names, as by kubectl; one that comes from an archive or a layer executes nothing.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig import exec_plugin, oidc
from platform_e2e.kube.kubeconfig.credential import Credential, CredentialError, ValidCredential
from platform_e2e.kube.kubeconfig.tls import settings, text_of

if TYPE_CHECKING:
    from platform_e2e.kube.kubeconfig.official_client import Loader

REMEDY = "make a kubeconfig with a token: `kubectl create token NAME -n NAMESPACE`"

RENEW = "log in again with the tool that wrote it"

LOGIN_SECONDS = 30.0
"""Seconds for an issuer to renew a login, which takes two requests."""

FIELDS = ("exec", "auth-provider")
"""Fields of a user that name the way to a credential."""


def of(
    path: Path,
    name: str,
    user: Mapping[str, Any],
    cluster: Mapping[str, Any],
    tls: ssl.SSLContext | None,
    *,
    trusted: bool,
) -> Credential | None:
    """Return the credential that must be obtained for a user; None if the user's entry contains one. Executes nothing yet.

    Args:
        path: of the kubeconfig.
        name: of the user in it.
        user: entry of the user.
        cluster: entry of the cluster.
        tls: TLS settings with the client certificate of the user's entry.
        trusted: whether the user's own environment names the kubeconfig.

    Raises:
        KubeconfigError: the kubeconfig is not trusted to execute anything, or is invalid.
    """
    given = [field for field in FIELDS if user.get(field)]
    # A static credential needs no plugin, as in client-go (plugin/pkg/client/auth/exec, UpdateTransportConfig).
    if not given or any(user.get(field) for field in ("token", "tokenFile", "username")):
        return None
    owner = f"user {name!r} of {path}"
    if not trusted:
        raise KubeconfigError(
            f"{owner} gets its credential by {given[0]}, which runs only for a kubeconfig that your own environment names",
            REMEDY,
        )
    if len(given) > 1:
        raise KubeconfigError(f"{owner} must have exec or auth-provider, got both", "remove one of them")
    if "exec" in given:
        return Credential(_Exec(path, exec_plugin.of(path, name, user["exec"], cluster), user, cluster, tls).get)
    return Credential(_Login(path, name, owner, user, tls).get)


class _Exec:
    """Get a credential by an exec plugin."""

    def __init__(
        self,
        path: Path,
        program: exec_plugin.Plugin,
        user: Mapping[str, Any],
        cluster: Mapping[str, Any],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._path, self._program, self._cluster, self._tls = path, program, cluster, tls
        self._timeout = 0.0
        self._user = {"exec": user["exec"]}
        self._loader: Loader | None = None

    def get(self, timeout: float) -> ValidCredential:
        from platform_e2e.kube.kubeconfig.official_client import Loader, Unreadable  # noqa: PLC0415  it takes 150 ms

        self._timeout = timeout
        loader = self._loader = self._loader or Loader(self._user, lambda: self._program.ask(self._timeout), dict)
        try:
            header, left = loader.authorization(), loader.left()
        except Unreadable:
            raise CredentialError(
                f"the credential plugin of {self._program.owner} must print an expirationTimestamp in the format of RFC 3339",
                self._program.remedy,
            ) from None
        headers = {"Authorization": _header(self._program.owner, header, self._program.remedy)} if header else {}
        return ValidCredential(headers, self._settings(loader.status), math.inf if left is None else left)

    def _settings(self, status: Mapping[str, Any]) -> ssl.SSLContext | None:
        """Return the TLS settings with the plugin's certificate, or the given ones if it has none."""
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if not certificate or not key or self._tls is None:
            return self._tls
        try:
            return settings(self._path, self._cluster, certificate.encode(), key.encode())
        except KubeconfigError as error:
            raise CredentialError(
                f"the credential plugin of {self._program.owner} must print a certificate and its key as PEM",
                self._program.remedy,
            ) from error


class _Login:
    """Get a credential by OIDC."""

    def __init__(self, path: Path, name: str, owner: str, user: Mapping[str, Any], tls: ssl.SSLContext | None) -> None:
        provider = user["auth-provider"]
        kind = provider.get("name") if isinstance(provider, dict) else None
        if kind != "oidc":
            raise KubeconfigError(
                f"auth-provider of {owner} must be oidc, got {str(kind)[:100]!r}; Kubernetes removed the others in 1.26",
                f"use the exec plugin of that cloud, or {REMEDY}",
            )
        login = provider.get("config") or {}
        if not isinstance(login, dict) or not all(isinstance(value, str) for value in login.values()):
            raise KubeconfigError(
                f"auth-provider.config of {owner} must be a mapping of texts, got another value",
                "put it in quotation marks",
            )
        self._path, self._name, self._owner, self._tls = path, name, owner, tls
        self._login: dict[str, str] = dict(login)
        self._timeout = 0.0
        self._loader: Loader | None = None
        authority = "certificate-authority"
        trusted = {f"{authority}{end}": text_of(path, login, f"idp-{authority}{end}") for end in ("", "-data")}
        self._issuer = settings(path, trusted, None, None)

    def get(self, timeout: float) -> ValidCredential:
        from platform_e2e.kube.kubeconfig.official_client import Loader, Unreadable  # noqa: PLC0415  it takes 150 ms

        self._timeout = timeout
        user = {"auth-provider": {"name": "oidc", "config": self._login}}
        loader = self._loader = self._loader or Loader(user, dict, self._renewed)
        try:
            header = loader.authorization()
        except Unreadable:
            raise CredentialError(
                f"the login of {self._owner} must have an id-token that is a JWT, got another value or none",
                RENEW,
            ) from None
        return ValidCredential({"Authorization": _header(self._owner, header, RENEW)}, self._tls)

    def _renewed(self) -> oidc.Tokens:
        """Renew the tokens, store them in the kubeconfig, and return them."""
        tokens = oidc.refreshed(self._owner, self._login, self._issuer, min(self._timeout, LOGIN_SECONDS))
        oidc.keep(self._path, self._name, tokens)
        return tokens


def _header(owner: str, value: str, remedy: str) -> str:
    """Return a header's value after checking it.

    Raises:
        CredentialError: it has characters that a header must not have; it is never quoted.
    """
    if not value.isascii() or not value.isprintable():
        raise CredentialError(
            f"the token of {owner} must be printable ASCII in one line, got something else",
            remedy,
        )
    return value
