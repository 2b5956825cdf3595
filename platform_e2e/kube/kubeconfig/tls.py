"""TLS settings from a kubeconfig's entries: whom to trust, and which certificate to show. Keys are loaded from memory."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platform_e2e.kube.errors import KubeconfigError

MOST_BYTES = 1 << 20
"""Of a kubeconfig, and of each file that it names: two hundred contexts with their certificates have that."""


def settings(path: Path, cluster: Mapping[str, Any], certificate: bytes | None, key: bytes | None) -> ssl.SSLContext:
    """Return the TLS settings for a cluster, and for the user's certificate where there is one.

    Not `ssl.create_default_context`: from Python 3.13 on that demands extensions which the CAs of many clusters lack.

    Args:
        path: of the kubeconfig.
        cluster: its entry.
        certificate: of the user, as PEM.
        key: of that certificate, as PEM.

    Raises:
        KubeconfigError: a certificate or key cannot be loaded.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority = pem(path, cluster, "certificate-authority")
    try:
        if cluster.get("insecure-skip-tls-verify") is True:
            found.check_hostname = False
            found.verify_mode = ssl.CERT_NONE
        elif authority:
            found.load_verify_locations(cadata=authority.decode("ascii"))
        else:
            found.load_default_certs()
        if certificate and key:
            with _file(certificate + b"\n" + key) as name:
                # Without a password OpenSSL would ask for it at the terminal.
                found.load_cert_chain(name, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(
            f"a certificate or key of {path} cannot be loaded: {error}",
            "write it as PEM, certificate and key in a pair",
        ) from error
    return found


def pem(path: Path, entry: Mapping[str, Any], field: str) -> bytes | None:
    """Return what `field-data` or the file of `field` holds; data wins, as it does for kubectl.

    Raises:
        KubeconfigError: it cannot be read.
    """
    inline, name = text_of(path, entry, f"{field}-data"), text_of(path, entry, field)
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        if name:
            # A relative path is relative to the kubeconfig.
            return file_bytes(path.parent / name)
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


def text_of(path: Path, entry: Mapping[str, Any], field: str) -> str:
    """Return a field that is a text, or an empty one where it is absent.

    Raises:
        KubeconfigError: it is something else, which is never quoted: it may be long, or a secret.
    """
    value = entry.get(field)
    if value is not None and not isinstance(value, str):
        raise KubeconfigError(f"{field} of {path} must be a text, got another value", "put it in quotation marks")
    return value or ""


def file_bytes(path: Path) -> bytes:
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
