"""TLS settings from a kubeconfig's entries: trusted authorities and the client certificate. Keys are loaded from memory."""

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
"""Most bytes of a kubeconfig and of each file that it names: enough for two hundred contexts with their certificates."""


def settings(path: Path, cluster: Mapping[str, Any], certificate: bytes | None, key: bytes | None) -> ssl.SSLContext:
    """Return the TLS settings for a cluster, with the user's certificate if there is one.

    Not `ssl.create_default_context`: from Python 3.13 on it requires extensions that the CAs of many clusters lack.

    Args:
        path: of the kubeconfig.
        cluster: entry of the cluster.
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
                # Without a password, OpenSSL would prompt for one at the terminal.
                found.load_cert_chain(name, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(
            f"a certificate or key of {path} cannot be loaded: {error}",
            "write it as PEM, and the certificate together with its key",
        ) from error
    return found


def pem(path: Path, entry: Mapping[str, Any], field: str) -> bytes | None:
    """Return the content of `field-data` or of the file named by `field`; data wins, as for kubectl.

    Raises:
        KubeconfigError: it cannot be read.
    """
    inline, name = text_of(path, entry, f"{field}-data"), text_of(path, entry, field)
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        if name:
            # A relative path starts at the kubeconfig's directory.
            return file_bytes(path.parent / name)
    except ValueError as error:  # binascii.Error is one
        raise KubeconfigError(
            f"{field}-data of {path} must be base64, got another text", "encode the PEM text with `base64 -w0`"
        ) from error
    except OSError as error:
        raise KubeconfigError(
            f"{field} of {path} cannot be read: {error.strerror or error}",
            f"does {name[:200]} exist, and may this user read it?",
        ) from error
    return None


def text_of(path: Path, entry: Mapping[str, Any], field: str) -> str:
    """Return a text field, or an empty text if it is absent.

    Raises:
        KubeconfigError: the value is not a text; it is never quoted, since it may be long, or a secret.
    """
    value = entry.get(field)
    if value is not None and not isinstance(value, str):
        raise KubeconfigError(f"{field} of {path} must be a text, got another value", "put it in quotation marks")
    return value or ""


def file_bytes(path: Path) -> bytes:
    """Return the content of a regular file; a device or a named pipe could be endless.

    Raises:
        OSError: it cannot be read, is too large, or is not a regular file.
    """
    # Non-blocking, since opening a named pipe can block for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        # `--kubeconfig <(command)` is a pipe with a writer.
        if not stat.S_ISREG(mode) and not (
            stat.S_ISFIFO(mode) and str(path).startswith(("/dev/fd/", "/proc/self/fd/"))
        ):
            raise OSError("it must be a regular file")
        os.set_blocking(file.fileno(), True)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"it must have at most {MOST_BYTES} bytes, got more")
    return content


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Put a key into a file, since the ssl module loads only files, and yield the file's name.

    On Linux the file is in memory, so that nothing remains if the process is killed; elsewhere only its owner can read it.
    """
    in_memory = sys.platform == "linux"
    with os.fdopen(os.memfd_create("key"), "wb") if in_memory else tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}" if in_memory else file.name
