"""Reads a kubeconfig: where the API server is, whom to trust, and who asks.

By hand, since the import of the official client takes 0.3 s and every command of this harness would pay it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.kube.errors import KubeconfigError

REFUSED = {
    "exec": "runs a program to get a credential",
    "auth-provider": "uses an auth provider, which Kubernetes removed in 1.26",
}
"""What a user entry may hold that is not supported, and what it means."""


@dataclass(frozen=True)
class Endpoint:
    """An API server and the credentials for it.

    Attributes:
        server: its URL without a slash at the end.
        tls: whom to trust and the client certificate, or None for plain HTTP.
        server_name: host name that the certificate must have, where it is not the URL's.
        headers: sent with each request.
        token_file: where the bearer token is read from anew, or None.
        context: name of the context that it was read from, or empty.
        namespace: that the context is for, or None.
    """

    server: str
    tls: ssl.SSLContext | None
    server_name: str | None
    headers: Mapping[str, str]
    token_file: Path | None = None
    context: str = ""
    namespace: str | None = None


def load(path: Path, context: str | None = None) -> Endpoint:
    """Read a kubeconfig and return the API server of its context.

    Args:
        path: of the file.
        context: name of a context; the current one by default.

    Raises:
        KubeconfigError: the file is absent or broken, has no such context, or asks for a credential plugin.
    """
    data = _read(path)
    name = context or data.get("current-context")
    if not name:
        raise KubeconfigError(f"{path} has no current-context", "name one, or set it by `kubectl config use-context`")
    chosen = _entry(path, data, "contexts", "context", str(name))
    cluster = _entry(path, data, "clusters", "cluster", str(chosen.get("cluster")))
    user = _entry(path, data, "users", "user", str(chosen["user"])) if chosen.get("user") else {}
    for field, meaning in REFUSED.items():
        if field in user:
            raise KubeconfigError(
                f"user {chosen['user']!r} of {path} {meaning} ({field}), which is not supported",
                "make a kubeconfig with a token: `kubectl create token NAME -n NAMESPACE`",
            )
    if cluster.get("proxy-url"):
        raise KubeconfigError(
            f"cluster {chosen['cluster']!r} of {path} has a proxy-url, which is not supported",
            "run where the API server can be reached directly",
        )
    server = str(cluster.get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError(
            f"cluster {chosen['cluster']!r} of {path} has the server {server!r}", "write it as https://HOST:PORT"
        )
    return Endpoint(
        server=server,
        tls=_tls(path, cluster, user) if server.startswith("https://") else None,
        server_name=cluster.get("tls-server-name"),
        headers=_headers(user),
        token_file=path.parent / user["tokenFile"] if user.get("tokenFile") else None,
        context=str(name),
        namespace=chosen.get("namespace") or None,
    )


def _read(path: Path) -> Mapping[str, Any]:
    """Parse the file."""
    remedy = "give the path of a kubeconfig, as `kubectl config view --raw` prints one"
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be read: {error.strerror}", remedy) from error
    except (YAMLError, UnicodeDecodeError) as error:
        # Only where, never what: a parser quotes the line, and the line may be a key.
        raise KubeconfigError(f"kubeconfig {path} is not YAML{_where(error)}", remedy) from None
    if not isinstance(data, dict):
        raise KubeconfigError(f"kubeconfig {path} is not a mapping", remedy)
    return data


def _where(error: Exception) -> str:
    """Return the line that a parser complains about."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _entry(path: Path, data: Mapping[str, Any], section: str, field: str, name: str) -> dict[str, Any]:
    """Return the named entry of one of the file's lists."""
    entries = {str(entry.get("name")): entry.get(field) or {} for entry in data.get(section) or []}
    if name not in entries:
        raise KubeconfigError(
            f"{path} has no {field} {name!r} in {section}", f"it has: {', '.join(sorted(entries)) or 'none'}"
        )
    return dict(entries[name])


def _headers(user: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that say who asks."""
    if user.get("token") and not user.get("tokenFile"):
        return {"Authorization": f"Bearer {user['token']}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _tls(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the TLS settings: the cluster's CA and the user's certificate.

    Not `ssl.create_default_context`: from Python 3.13 on that demands extensions which the CAs of many clusters lack.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority = _pem(path, cluster, "certificate-authority")
    certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
    try:
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authority:
            context.load_verify_locations(cadata=authority.decode("ascii"))
        else:
            context.load_default_certs()
        if certificate and key:
            with _file(certificate + b"\n" + key) as name:
                context.load_cert_chain(name)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise KubeconfigError(
            f"a certificate or key of {path} cannot be loaded: {error}",
            "write it as PEM, certificate and key in a pair",
        ) from error
    return context


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Put a key where the ssl module can load it, which is from files only, and yield the file's name.

    In memory where the system can: of a process that is killed meanwhile nothing stays. Elsewhere it is its owner's alone.
    """
    in_memory = sys.platform == "linux"
    with os.fdopen(os.memfd_create("key"), "wb") if in_memory else tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}" if in_memory else file.name


def _pem(path: Path, entry: Mapping[str, Any], field: str) -> bytes | None:
    """Return what `field-data` or the file of `field` holds; data wins, as it does for kubectl."""
    inline = entry.get(f"{field}-data")
    try:
        if inline:
            return base64.b64decode(str(inline), validate=True)
        if entry.get(field):
            # A relative path is relative to the kubeconfig.
            return (path.parent / str(entry[field])).read_bytes()
    except binascii.Error as error:
        raise KubeconfigError(
            f"{field}-data of {path} is not base64", "encode the PEM text with `base64 -w0`"
        ) from error
    except OSError as error:
        raise KubeconfigError(
            f"{field} of {path} cannot be read: {error.strerror}",
            f"is {entry[field]} there, and may this user read it?",
        ) from error
    return None
