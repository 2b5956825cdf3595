"""Read a kubeconfig: the API server, whom to trust, authentication and impersonation. The file is not trusted.

It is not read by the official client, which takes 0.2 s to import and writes keys into files; that one is used only for credentials
that must be obtained first (`authentication.py`).
"""

from __future__ import annotations

import base64
import ssl
import string
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig import authentication
from platform_e2e.kube.kubeconfig.credential import Credential
from platform_e2e.kube.kubeconfig.tls import file_bytes, pem, settings, text_of

MOST_PARTS = 30_000
"""Most line ends, commas and brackets of a kubeconfig: the parser takes up to 60 microseconds for each; a context has about 50."""

DEEPEST = 32
"""Deepest nesting of brackets: a context nests four deep; the parser's time grows with the square of the depth."""

REMEDY = "give the path of a kubeconfig, as `kubectl config view --raw` prints one"

PROXIES = ("http://", "https://")
"""Allowed starts of a proxy-url."""


@dataclass(frozen=True)
class Endpoint:
    """An API server and the credentials for it.

    Attributes:
        server: its URL without a slash at the end.
        tls: TLS settings with the client certificate, or None for plain HTTP.
        server_name: host name in the server's certificate, None if it is that of the URL.
        headers: for authentication, sent with each request.
        token_file: file of the bearer token, read again for each request, or None.
        context: name of the context that it was read from, or empty.
        namespace: of the context, or None.
        impersonated: headers for impersonation, one for each value, sent with each request.
        credential: a credential that must be obtained first, or None.
        proxy: URL of the proxy to the server, or None.
    """

    server: str
    tls: ssl.SSLContext | None
    server_name: str | None
    headers: Mapping[str, str]
    token_file: Path | None = None
    context: str = ""
    namespace: str | None = None
    impersonated: tuple[tuple[str, str], ...] = ()
    credential: Credential | None = None
    proxy: str | None = None

    @property
    def verified(self) -> bool:
        """Tell whether the API server's certificate is verified; true for plain HTTP."""
        return self.tls is None or self.tls.verify_mode != ssl.CERT_NONE


def load(path: Path, context: str | None = None, *, trusted: bool = False) -> Endpoint:
    """Read a kubeconfig and return the API server of its context; executes nothing and sends no request yet.

    Args:
        path: of the file.
        context: name of a context; the current one by default.
        trusted: whether the user's own environment names the file, so that its exec plugin or login may be used.

    Raises:
        KubeconfigError: the file is absent or invalid, lacks the context, or is not trusted to run its plugin or login.
    """
    data = _read(path)
    name = context or text_of(path, data, "current-context")
    if not name:
        raise KubeconfigError(
            f"{path} has no current-context", "name a context, or set one by `kubectl config use-context`"
        )
    chosen = _entry(path, data, "contexts", "context", name)
    of_cluster, of_user = text_of(path, chosen, "cluster"), text_of(path, chosen, "user")
    cluster = _entry(path, data, "clusters", "cluster", of_cluster)
    user = _entry(path, data, "users", "user", of_user) if of_user else {}
    server = _server(path, of_cluster, text_of(path, cluster, "server").rstrip("/"))
    token_file = text_of(path, user, "tokenFile")
    certificate, key = pem(path, user, "client-certificate"), pem(path, user, "client-key")
    tls = settings(path, cluster, certificate, key) if server.startswith("https://") else None
    return Endpoint(
        server=server,
        tls=tls,
        server_name=text_of(path, cluster, "tls-server-name") or None,
        headers=_headers(path, user),
        token_file=path.parent / token_file if token_file else None,
        context=name,
        namespace=text_of(path, chosen, "namespace") or None,
        impersonated=_impersonated(path, user),
        credential=authentication.of(path, of_user, user, cluster, tls, trusted=trusted),
        proxy=_proxy(path, of_cluster, text_of(path, cluster, "proxy-url")),
    )


def bearer(file: Path) -> str:
    """Return the header for the token in a file.

    Raises:
        BrokenHarness: the file cannot be read, or does not contain a token.
    """
    try:
        token = file_bytes(file).decode("ascii").strip()
    except OSError as error:
        problem = f"the token file {file} cannot be read: {error.strerror or error}"
        raise BrokenHarness(problem, "renew the token") from error
    except UnicodeDecodeError:
        token = ""
    if not token.isprintable() or not token:
        raise BrokenHarness(
            f"the token file {file} must have one token in one line, got something else", "renew the token"
        )
    return f"Bearer {token}"


def _server(path: Path, cluster: str, server: str) -> str:
    """Return the URL of an API server after checking it.

    Raises:
        KubeconfigError: it is invalid.
    """
    try:
        sound = server.startswith(("https://", "http://")) and server.isprintable() and parse_url(server).host
    except (LocationParseError, ValueError):
        sound = None
    if not sound:
        raise KubeconfigError(
            f"the server of cluster {cluster!r} of {path} must be a URL, got {server[:200]!r}",
            "write it as https://HOST:PORT",
        )
    return server


def _proxy(path: Path, cluster: str, proxy: str) -> str | None:
    """Return the URL of a proxy after checking it; errors never quote it, since it may contain a password.

    Raises:
        KubeconfigError: it is invalid.
    """
    try:
        sound = not proxy or (proxy.startswith(PROXIES) and proxy.isprintable() and parse_url(proxy).host)
    except (LocationParseError, ValueError):
        sound = None
    if sound:
        return proxy or None
    raise KubeconfigError(
        f"proxy-url of cluster {cluster!r} of {path} must be {' or '.join(PROXIES)}HOST:PORT, got another URL",
        "put an HTTP proxy in front of a SOCKS proxy",
    )


def _read(path: Path) -> Mapping[str, Any]:
    """Parse the file."""
    try:
        content = file_bytes(path).decode()
        _check_size(path, content)
        yaml = YAML(typ="safe", pure=True)
        if "*" in content and any(isinstance(event, AliasEvent) for event in yaml.parse(content)):
            # A few nested aliases can expand beyond any memory.
            raise KubeconfigError(
                f"kubeconfig {path} must have no YAML aliases, got one", "write out what the alias stands for"
            )
        data = YAML(typ="safe", pure=True).load(content)
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be read: {error.strerror or error}", REMEDY) from error
    except (YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # Only the place, never the content: the parser quotes the line, which may be a key.
        raise KubeconfigError(f"kubeconfig {path} must be YAML, got something else{_where(error)}", REMEDY) from None
    if not isinstance(data, dict):
        raise KubeconfigError(f"kubeconfig {path} must be a mapping, got another value", REMEDY)
    return data


def _check_size(path: Path, content: str) -> None:
    """Reject a file that the parser would take minutes for.

    Raises:
        KubeconfigError: the file has too many parts, or nests too deeply.
    """
    if sum(map(content.count, "\n,[{")) > MOST_PARTS:
        raise KubeconfigError(
            f"kubeconfig {path} must have at most {MOST_PARTS} lines and items, got more",
            "write the context into a separate file: `kubectl config view --raw --minify`",
        )
    steps = (1 if sign in "[{" else -1 for sign in content if sign in "[]{}")
    # Unbalanced closing brackets, such as in a comment, do not lower the depth.
    if any(depth > DEEPEST for depth in accumulate(steps, lambda depth, step: max(depth + step, 0))):
        raise KubeconfigError(f"kubeconfig {path} must nest at most {DEEPEST} brackets deep, got more", REMEDY)


def _where(error: Exception) -> str:
    """Return the line of a parser's error."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _entry(path: Path, data: Mapping[str, Any], section: str, field: str, name: str) -> dict[str, Any]:
    """Return the named entry of one of the file's lists."""
    listed = data.get(section) or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise KubeconfigError(f"{section} of {path} must be a list of mappings, got another value", REMEDY)
    entries = {text_of(path, entry, "name"): entry.get(field) or {} for entry in listed}
    if name not in entries:
        raise KubeconfigError(
            f"{path} has no {field} {name[:200]!r} in {section}",
            f"it has: {', '.join(sorted(entries))[:1000] or 'none'}",
        )
    if not isinstance(entries[name], dict):
        raise KubeconfigError(f"{field} {name!r} of {path} must be a mapping, got another value", REMEDY)
    return dict(entries[name])


def _headers(path: Path, user: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers for authentication."""
    token, name = text_of(path, user, "token"), text_of(path, user, "username")
    if token and not user.get("tokenFile"):
        return {"Authorization": _header(path, "token", f"Bearer {token}")}
    if name:
        pair = f"{name}:{text_of(path, user, 'password')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _impersonated(path: Path, user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers for impersonation by `as` and its companions, as in client-go (transport/round_trippers.go).

    Raises:
        KubeconfigError: a value cannot be sent, or a companion is present without `as`.
    """
    name, uid = text_of(path, user, "as"), text_of(path, user, "as-uid")
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not _texts(groups) or not isinstance(extra, dict) or not all(map(_texts, extra.values())):
        raise KubeconfigError(
            f"as-groups of {path} must be a list of texts, and as-user-extra a mapping of such lists, got another value",
            "correct it, or remove it to send requests as yourself",
        )
    if not name and (uid or groups or extra):
        raise KubeconfigError(
            f"as-uid, as-groups and as-user-extra of {path} must be given together with `as`, got none",
            "name the user by `as`, or remove them to send requests as yourself",
        )
    pairs = [("Impersonate-User", name)] if name else []
    pairs += [("Impersonate-Uid", uid)] if uid else []
    pairs += [("Impersonate-Group", group) for group in groups]
    pairs += [(f"Impersonate-Extra-{_escaped(str(key))}", value) for key, values in extra.items() for value in values]
    return tuple((header, _header(path, header, value)) for header, value in pairs)


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _escaped(key: str) -> str:
    """Return a key of as-user-extra escaped for a header's name (client-go, headerKeyEscape)."""
    legal = frozenset(f"{string.ascii_letters}{string.digits}!#$&'*+-.^_`|~".encode())
    return "".join(chr(byte) if byte in legal else f"%{byte:02X}" for byte in key.encode())


def _header(path: Path, field: str, value: str) -> str:
    """Return a value for a header: UTF-8 without control characters, in the Latin-1 form that http.client needs.

    Raises:
        KubeconfigError: it has a control character, such as a line end.
    """
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        raise KubeconfigError(f"{field} of {path} must have no control characters, got one", "remove it")
    return value.encode().decode("latin-1")
