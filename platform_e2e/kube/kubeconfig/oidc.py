"""Renew an OIDC login: get a new id-token by the refresh token, and store it in the kubeconfig as kubectl does."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from urllib3.exceptions import HTTPError

from platform_e2e.atomic import whole_file
from platform_e2e.kube.kubeconfig.credential import CredentialError
from platform_e2e.untrusted.documents import NoDocument, from_json

log = logging.getLogger(__name__)

DISCOVERY = "/.well-known/openid-configuration"
"""Path of an issuer's configuration (OpenID Connect Discovery 1.0, section 4)."""

MOST_BYTES = 1 << 20
"""Most bytes of an issuer's answer, which has a few thousand."""

Tokens = Mapping[str, str]
"""`id-token` and `refresh-token`, with their names in a kubeconfig."""


def refreshed(owner: str, login: Mapping[str, str], tls: ssl.SSLContext, timeout: float) -> Tokens:
    """Renew a login and return its new tokens.

    Args:
        owner: user and kubeconfig, for an error.
        login: the `config` of the auth provider.
        tls: TLS settings for the issuer.
        timeout: seconds that this may take.

    Raises:
        CredentialError: the issuer does not answer, or refuses. Tokens are never quoted.
    """
    issuer, known = login.get("idp-issuer-url", "").rstrip("/"), login.get("refresh-token", "")
    if not known or not issuer:
        raise CredentialError(
            f"the login of {owner} must have a refresh-token and an idp-issuer-url to be renewed after its end, got none",
            "log in again with the tool that wrote it",
        )
    ends = time.monotonic() + timeout
    with urllib3.PoolManager(ssl_context=tls, retries=False) as pool:
        endpoint = _asked(pool, owner, issuer + DISCOVERY, ends=ends).get("token_endpoint")
        form = {"grant_type": "refresh_token", "refresh_token": known, "client_id": login.get("client-id", "")}
        headers = {}
        if login.get("client-secret"):
            pair = f"{login.get('client-id', '')}:{login['client-secret']}".encode()
            headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        answer = _asked(pool, owner, str(endpoint), ends=ends, form=form, headers=headers)
    token, following = answer.get("id_token"), answer.get("refresh_token") or known
    if not isinstance(token, str) or not isinstance(following, str):
        raise CredentialError(
            f"the issuer of {owner} must answer with an id_token, got none", "log in again, with the scope openid"
        )
    return {"id-token": token, "refresh-token": following}


def _asked(
    pool: urllib3.PoolManager,
    owner: str,
    url: str,
    *,
    ends: float,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return an issuer's answer."""
    if not url.startswith("https://"):
        raise CredentialError(f"the issuer of {owner} must be asked by https, got {url[:200]!r}", "correct its URL")
    remedy = f"is {url[:200]} reachable, and the login still valid? log in again with the tool that wrote it"
    left = max(ends - time.monotonic(), 0.001)
    try:
        response = pool.request(
            "POST" if form else "GET",
            url,
            body=urlencode(form) if form else None,
            headers={**(headers or {}), **({"Content-Type": "application/x-www-form-urlencoded"} if form else {})},
            timeout=left,
            redirect=False,
            preload_content=False,
        )
        body, status = response.read(MOST_BYTES), response.status
        answer = from_json(body)
    except (HTTPError, OSError) as error:
        raise CredentialError(f"the issuer of {owner} does not answer ({type(error).__name__})", remedy) from None
    except NoDocument:
        raise CredentialError(
            f"the issuer of {owner} must answer with JSON, got something else with status {status}", remedy
        ) from None
    if not isinstance(answer, dict) or status != 200:
        # Only the code of RFC 6749: the description may quote what was sent.
        code = str(answer.get("error", ""))[:100] if isinstance(answer, dict) else ""
        raise CredentialError(f"the issuer of {owner} refuses to renew the login: {status} {code}".rstrip(), remedy)
    return answer


def keep(path: Path, user: str, tokens: Tokens) -> None:
    """Write the new tokens into the kubeconfig, as kubectl does: many issuers accept a refresh token only once.

    A failure is only logged, since the tokens are valid for this command.
    """
    try:
        path = path.resolve(strict=True)
        with _locked(path):
            yaml = YAML()
            yaml.preserve_quotes = True
            yaml.width = 1 << 20
            data = yaml.load(path.read_bytes())
            (entry,) = [candidate for candidate in data["users"] if candidate["name"] == user]
            entry["user"]["auth-provider"]["config"].update(tokens)
            with whole_file(path, mode=path.stat().st_mode & 0o777) as file:
                yaml.dump(data, file)
    except (OSError, YAMLError, LookupError, TypeError, ValueError) as error:
        log.warning(
            "the renewed login of user %r could not be stored in %s (%s): log in again if it is refused next time",
            *(user, path, getattr(error, "strerror", None) or type(error).__name__),
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold kubectl's lock on a kubeconfig: a file of this name that must not exist before (client-go, lockFile)."""
    lock = path.with_name(f"{path.name}.lock")
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
