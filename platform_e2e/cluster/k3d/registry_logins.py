"""The user's registry logins in Docker's configuration: read for the registries of a run, and handed to its nodes.

They are written into one file in the cluster's directory, readable by its owner only, which k3d copies into the nodes; both
are removed with the cluster. No log and no variable contains them.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.shell import CommandError, run

HUB = "docker.io"

HUBS = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", HUB)
"""Names of Docker Hub: in `docker login`'s files, for Docker itself, for containerd, and for a person."""

HELPER_SECONDS = 20.0
"""Timeout for a helper; one that shows a dialog to a person never answers."""

TOKEN_USER = "<token>"  # noqa: S105 - no password: a helper's word
"""A helper's user name if the secret is an identity token."""


@dataclass(frozen=True, repr=False)
class Login:
    """A user's login at a registry; never printed.

    Attributes:
        user: the user's name.
        password: the password of the user.
        token: identity token instead of both, or empty.
    """

    user: str = ""
    password: str = ""
    token: str = ""

    def as_k3s(self) -> dict[str, str]:
        """Return the `auth` of k3s' registries.yaml."""
        if self.token:
            return {"identity_token": self.token}
        return {"username": self.user, "password": self.password}


def file(environment: Mapping[str, str]) -> Path:
    """Return the path of this user's Docker configuration.

    Args:
        environment: environment variables; DOCKER_CONFIG names another directory.
    """
    directory = environment.get("DOCKER_CONFIG") or os.environ.get("DOCKER_CONFIG")
    return (Path(directory) if directory else Path.home() / ".docker") / "config.json"


def read(path: Path) -> dict[str, Any]:
    """Return Docker's configuration; empty if the file is missing.

    Raises:
        K3dFailed: it cannot be read.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise K3dFailed(
            f"{path} must be Docker's configuration, got a file that cannot be read: {type(error).__name__}",
            "correct it, or name another directory by DOCKER_CONFIG",
        ) from error
    return said if isinstance(said, dict) else {}


def logins(config: Mapping[str, Any], registries: Iterable[str]) -> tuple[dict[str, Login], list[str]]:
    """Return the user's logins at registries, and why some could not be read.

    Args:
        config: Docker's configuration, as `read` returns it.
        registries: the registries in use; others are not looked up.

    Returns:
        The login of each registry that has one; and a sentence for each helper that failed.
    """
    found: dict[str, Login] = {}
    failed: list[str] = []
    for registry in sorted(set(registries)):
        names = HUBS if registry == HUB else (registry, f"https://{registry}", f"http://{registry}")
        helper = next(
            (config.get("credHelpers", {}).get(name) for name in names if name in config.get("credHelpers", {})), None
        )
        helper = helper or config.get("credsStore")
        try:
            login = _of_helper(str(helper), names) if helper else _of_file(config.get("auths") or {}, names)
        except CommandError as error:
            failed.append(f"the login at {registry} cannot be read: {error.problem}")
            continue
        if login is not None:
            found[registry] = login
    return found, failed


def _of_file(auths: Mapping[str, Any], names: Iterable[str]) -> Login | None:
    """Return the login in the configuration itself."""
    plain = {_host(str(key)): entry for key, entry in auths.items() if isinstance(entry, dict)}
    entry = next((plain[_host(name)] for name in names if _host(name) in plain), {})
    if entry.get("identitytoken"):
        return Login(token=str(entry["identitytoken"]))
    user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    return Login(user, password.rstrip("\0")) if user else None


def _of_helper(helper: str, names: Iterable[str]) -> Login | None:
    """Return the login of a credential helper.

    Raises:
        CommandError: it is not installed, or does not answer.
    """
    for name in names:
        told = run([f"docker-credential-{helper}", "get"], timeout=HELPER_SECONDS, stdin=name, ok=range(256))
        if told.returncode:
            # The protocol's only sign of a missing login.
            if "credentials not found" in (told.stdout + told.stderr).lower():
                continue
            raise CommandError(told.argv, f"ended with status {told.returncode}")
        try:
            said = json.loads(told.stdout)
        except ValueError:
            raise CommandError(told.argv, "must answer JSON, got something else") from None
        user, secret = str(said.get("Username", "")), str(said.get("Secret", ""))
        if secret:
            return Login(token=secret) if user == TOKEN_USER else Login(user, secret)
    return None


def _host(key: str) -> str:
    """Return the host in a key of `auths`, which may be a URL."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]
