"""Reads a kubeconfig: where the API server is, whom to trust, who asks and as whom. It may come from a stranger.

By hand, since the import of the official client takes 0.3 s and every command of this harness would pay it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import stat
import string
import sys
import tempfile
from collections.abc import Iterator, Mapping
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

MOST_BYTES = 1 << 20
"""Of a kubeconfig, and of each file that it names: two hundred contexts with their certificates have that."""

MOST_PARTS = 30_000
"""Line ends, commas and brackets of a kubeconfig: the parser takes up to 60 microseconds for each, and a context has about 50."""

DEEPEST = 32
"""Brackets in each other: a context nests four deep, and the parser takes the square of the depth in time."""

REMEDY = "give the path of a kubeconfig, as `kubectl config view --raw` prints one"

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
        headers: that say who asks; sent with each request.
        impersonated: headers that say as whom, each as often as it has values; sent with each request.
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
    impersonated: tuple[tuple[str, str], ...] = ()

    @property
    def verified(self) -> bool:
        """Tell whether the API server's certificate is verified, where it has one."""
        return self.tls is None or self.tls.verify_mode != ssl.CERT_NONE


def load(path: Path, context: str | None = None) -> Endpoint:
    """Read a kubeconfig and return the API server of its context.

    Args:
        path: of the file.
        context: name of a context; the current one by default.

    Raises:
        KubeconfigError: the file is absent or broken, has no such context, or asks for a credential plugin.
    """
    data = _read(path)
    name = context or _text(path, data, "current-context")
    if not name:
        raise KubeconfigError(f"{path} has no current-context", "name one, or set it by `kubectl config use-context`")
    chosen = _entry(path, data, "contexts", "context", name)
    of_cluster, of_user = _text(path, chosen, "cluster"), _text(path, chosen, "user")
    cluster = _entry(path, data, "clusters", "cluster", of_cluster)
    user = _entry(path, data, "users", "user", of_user) if of_user else {}
    for field, meaning in REFUSED.items():
        if field in user:
            raise KubeconfigError(
                f"user {of_user!r} of {path} {meaning} ({field}), which is not supported",
                "make a kubeconfig with a token: `kubectl create token NAME -n NAMESPACE`",
            )
    if cluster.get("proxy-url"):
        raise KubeconfigError(
            f"cluster {of_cluster!r} of {path} has a proxy-url, which is not supported",
            "run where the API server can be reached directly",
        )
    server = _server(path, of_cluster, _text(path, cluster, "server").rstrip("/"))
    token_file = _text(path, user, "tokenFile")
    return Endpoint(
        server=server,
        tls=_tls(path, cluster, user) if server.startswith("https://") else None,
        server_name=_text(path, cluster, "tls-server-name") or None,
        headers=_headers(path, user),
        token_file=path.parent / token_file if token_file else None,
        context=name,
        namespace=_text(path, chosen, "namespace") or None,
        impersonated=_impersonated(path, user),
    )


def bearer(file: Path) -> str:
    """Return the header for the token in a file.

    Raises:
        BrokenHarness: the file cannot be read, or has no token.
    """
    try:
        token = _file_bytes(file).decode("ascii").strip()
    except OSError as error:
        problem = f"the token file {file} cannot be read: {error.strerror or error}"
        raise BrokenHarness(problem, "renew the token") from error
    except UnicodeDecodeError:
        token = ""
    if not token.isprintable() or not token:
        raise BrokenHarness(f"the token file {file} must have one token in one line, and has not", "renew the token")
    return f"Bearer {token}"


def _server(path: Path, cluster: str, server: str) -> str:
    """Return the URL of an API server.

    Raises:
        KubeconfigError: it is none.
    """
    try:
        sound = server.startswith(("https://", "http://")) and server.isprintable() and parse_url(server).host
    except (LocationParseError, ValueError):
        sound = None
    if not sound:
        raise KubeconfigError(
            f"cluster {cluster!r} of {path} has the server {server[:200]!r}", "write it as https://HOST:PORT"
        )
    return server


def _read(path: Path) -> Mapping[str, Any]:
    """Parse the file."""
    try:
        text = _file_bytes(path).decode()
        _check_size(path, text)
        yaml = YAML(typ="safe", pure=True)
        if "*" in text and any(isinstance(event, AliasEvent) for event in yaml.parse(text)):
            # A few of them can stand for more than any memory has.
            raise KubeconfigError(
                f"kubeconfig {path} must have no YAML aliases, got one", "write out what it stands for"
            )
        data = YAML(typ="safe", pure=True).load(text)
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path} cannot be read: {error.strerror or error}", REMEDY) from error
    except (YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # Only where, never what: a parser quotes the line, and the line may be a key.
        raise KubeconfigError(f"kubeconfig {path} is not YAML{_where(error)}", REMEDY) from None
    if not isinstance(data, dict):
        raise KubeconfigError(f"kubeconfig {path} is not a mapping", REMEDY)
    return data


def _check_size(path: Path, text: str) -> None:
    """Refuse what the parser would take minutes for.

    Raises:
        KubeconfigError: it has too many parts, or nests too deeply.
    """
    if sum(map(text.count, "\n,[{")) > MOST_PARTS:
        raise KubeconfigError(
            f"kubeconfig {path} must have at most {MOST_PARTS} lines and items, got more",
            "write the context that is meant into a file of its own: `kubectl config view --raw --minify`",
        )
    steps = (1 if sign in "[{" else -1 for sign in text if sign in "[]{}")
    # What is only closed, such as in a comment, lowers nothing.
    if any(depth > DEEPEST for depth in accumulate(steps, lambda depth, step: max(depth + step, 0))):
        raise KubeconfigError(f"kubeconfig {path} must nest at most {DEEPEST} brackets deep, got more", REMEDY)


def _file_bytes(path: Path) -> bytes:
    """Return what a file has; a device or a pipe that never ends is no file.

    Raises:
        OSError: it cannot be read, has too much, or is none.
    """
    # Without blocking: to open a named pipe can take for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        # `--kubeconfig <(command)` is a pipe that somebody writes already.
        if not stat.S_ISREG(mode) and not (
            stat.S_ISFIFO(mode) and str(path).startswith(("/dev/fd/", "/proc/self/fd/"))
        ):
            raise OSError("it is no regular file")
        os.set_blocking(file.fileno(), True)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"it must have at most {MOST_BYTES} bytes, got more")
    return content


def _where(error: Exception) -> str:
    """Return the line that a parser complains about."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _entry(path: Path, data: Mapping[str, Any], section: str, field: str, name: str) -> dict[str, Any]:
    """Return the named entry of one of the file's lists."""
    several = data.get(section) or []
    if not isinstance(several, list) or not all(isinstance(entry, dict) for entry in several):
        raise KubeconfigError(f"{section} of {path} must be a list of mappings, got another value", REMEDY)
    entries = {_text(path, entry, "name"): entry.get(field) or {} for entry in several}
    if name not in entries:
        raise KubeconfigError(
            f"{path} has no {field} {name[:200]!r} in {section}",
            f"it has: {', '.join(sorted(entries))[:1000] or 'none'}",
        )
    if not isinstance(entries[name], dict):
        raise KubeconfigError(f"{field} {name!r} of {path} must be a mapping, got another value", REMEDY)
    return dict(entries[name])


def _text(path: Path, entry: Mapping[str, Any], field: str) -> str:
    """Return a field that is a text, or an empty one where it is absent.

    Raises:
        KubeconfigError: it is something else, which is never quoted: it may be long, or a secret.
    """
    value = entry.get(field)
    if value is not None and not isinstance(value, str):
        raise KubeconfigError(f"{field} of {path} must be a text, got another value", "put it in quotation marks")
    return value or ""


def _headers(path: Path, user: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that say who asks."""
    token, name = _text(path, user, "token"), _text(path, user, "username")
    if token and not user.get("tokenFile"):
        return {"Authorization": _header(path, "token", f"Bearer {token}")}
    if name:
        pair = f"{name}:{_text(path, user, 'password')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _impersonated(path: Path, user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers for `as` and its companions, as kubectl sends them (client-go, transport/round_trippers.go).

    Raises:
        KubeconfigError: one of them cannot be sent, or stands there without `as`.
    """
    name, uid = _text(path, user, "as"), _text(path, user, "as-uid")
    groups, extra = user.get("as-groups") or [], user.get("as-user-extra") or {}
    if not _texts(groups) or not isinstance(extra, dict) or not all(map(_texts, extra.values())):
        raise KubeconfigError(
            f"as-groups of {path} must be a list of texts, and as-user-extra a mapping of such lists, got another value",
            "correct it, or remove it to ask as yourself",
        )
    if not name and (uid or groups or extra):
        raise KubeconfigError(
            f"as-uid, as-groups and as-user-extra of {path} must stand beside `as`, got none",
            "say by `as` which user is meant, or remove them to ask as yourself",
        )
    pairs = [("Impersonate-User", name)] if name else []
    pairs += [("Impersonate-Uid", uid)] if uid else []
    pairs += [("Impersonate-Group", group) for group in groups]
    pairs += [(f"Impersonate-Extra-{_escaped(str(one))}", value) for one, values in extra.items() for value in values]
    return tuple((header, _header(path, header, value)) for header, value in pairs)


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _escaped(key: str) -> str:
    """Return a key of as-user-extra as a part of a header's name (client-go, headerKeyEscape)."""
    legal = frozenset(f"{string.ascii_letters}{string.digits}!#$&'*+-.^_`|~".encode())
    return "".join(chr(byte) if byte in legal else f"%{byte:02X}" for byte in key.encode())


def _header(path: Path, field: str, value: str) -> str:
    """Return a value as a header may have it: UTF-8 without control characters, in the letters that http.client sends.

    Raises:
        KubeconfigError: it has a control character, such as a line end.
    """
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
        raise KubeconfigError(f"{field} of {path} must have no control characters, got one", "remove it")
    return value.encode().decode("latin-1")


def _tls(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the TLS settings: the cluster's CA and the user's certificate.

    Not `ssl.create_default_context`: from Python 3.13 on that demands extensions which the CAs of many clusters lack.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority = _pem(path, cluster, "certificate-authority")
    certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
    try:
        if cluster.get("insecure-skip-tls-verify") is True:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authority:
            context.load_verify_locations(cadata=authority.decode("ascii"))
        else:
            context.load_default_certs()
        if certificate and key:
            with _file(certificate + b"\n" + key) as name:
                # Without a password OpenSSL would ask for it at the terminal.
                context.load_cert_chain(name, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
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
    inline, name = _text(path, entry, f"{field}-data"), _text(path, entry, field)
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        if name:
            # A relative path is relative to the kubeconfig.
            return _file_bytes(path.parent / name)
    except ValueError as error:  # binascii.Error is one
        raise KubeconfigError(
            f"{field}-data of {path} is not base64", "encode the PEM text with `base64 -w0`"
        ) from error
    except OSError as error:
        raise KubeconfigError(
            f"{field} of {path} cannot be read: {error.strerror or error}",
            f"is {name[:200]} there, and may this user read it?",
        ) from error
    return None
