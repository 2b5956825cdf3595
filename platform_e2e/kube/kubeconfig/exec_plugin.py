"""Exec plugins: run the program that a kubeconfig names to obtain a credential (client.authentication.k8s.io), as kubectl does."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig.credential import CredentialError
from platform_e2e.kube.kubeconfig.tls import pem, text_of
from platform_e2e.shell import CommandError, confidential
from platform_e2e.untrusted.documents import NoDocument, from_json

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
"""Versions of the ExecCredential; v1alpha1 was removed in Kubernetes 1.24."""

MODES = ("Never", "IfAvailable", "Always")
"""Values of `interactiveMode`."""

EXTENSION = f"{GROUP}/exec"
"""Name of the cluster's extension that is passed to the plugin."""

LONGEST = 60.0
"""Longest seconds for a plugin: one that asks a cloud for a token needs about two, or ten over a slow network."""

MOST_BYTES = 1 << 20
"""Most bytes of its output: a token, or a certificate with its key, has a few thousand."""


@dataclass(frozen=True)
class Plugin:
    """A program that prints a credential.

    Attributes:
        owner: user and kubeconfig, for an error.
        words: path of the program, and its arguments.
        env: variables added to the environment of this process.
        version: of the ExecCredential that it is sent and must print.
        remedy: how to install or repair it.
    """

    owner: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    version: str
    remedy: str

    def ask(self, timeout: float) -> Mapping[str, Any]:
        """Run it and return the status of the ExecCredential, which has a token, or a certificate and its key.

        Args:
            timeout: seconds that it may take.

        Raises:
            CredentialError: it failed, was too slow, or printed something else. The output is never quoted.
        """
        try:
            done = confidential(
                self.words, timeout=min(timeout, LONGEST), most=MOST_BYTES, env=self.env, remedy=self.remedy
            )
        except CommandError as error:
            raise CredentialError(
                f"the credential plugin of {self.owner} failed: {error.problem}", self.remedy
            ) from None
        try:
            answer = from_json(done.stdout.encode())
        except NoDocument:
            raise self._malformed("JSON") from None
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            raise self._malformed("an ExecCredential")
        if answer.get("apiVersion") != self.version:
            raise self._malformed(f"one of {self.version}")
        status = answer.get("status")
        if not isinstance(status, dict) or not all(
            isinstance(value, str) for value in status.values() if value is not None
        ):
            raise self._malformed("an ExecCredential with texts in its status")
        pair = bool(status.get("clientCertificateData")), bool(status.get("clientKeyData"))
        if not (any(pair) or status.get("token")) or any(pair) != all(pair):
            raise self._malformed("one with a token, or with clientCertificateData and clientKeyData")
        return status

    def _malformed(self, wanted: str) -> CredentialError:
        """Return the error for malformed output."""
        return CredentialError(
            f"the credential plugin {self.words[0]} of {self.owner} must print {wanted}, got something else",
            f"run it by hand and look at its output; {self.remedy}",
        )


def of(path: Path, user: str, entry: Any, cluster: Mapping[str, Any]) -> Plugin:
    """Return the plugin that a user's `exec` names; nothing runs yet.

    Args:
        path: of the kubeconfig.
        user: name of the user in it.
        entry: value of `exec`.
        cluster: entry of the cluster that the credential is for.

    Raises:
        KubeconfigError: the entry is invalid, or the program is absent.
    """
    owner = f"user {user!r} of {path}"
    if not isinstance(entry, dict):
        raise KubeconfigError(f"exec of {owner} must be a mapping, got another value", "see `kubectl config view`")
    version, command, hint = (text_of(path, entry, field) for field in ("apiVersion", "command", "installHint"))
    if version not in VERSIONS:
        raise KubeconfigError(
            f"exec.apiVersion of {owner} must be {' or '.join(VERSIONS)}, got {version[:100]!r}",
            "make the entry again with a newer version of the tool that wrote it",
        )
    _check_mode(owner, version, text_of(path, entry, "interactiveMode"))
    args, env = entry.get("args") or [], entry.get("env") or []
    if not _texts(args) or not isinstance(env, list) or not all(_is_variable(variable) for variable in env):
        raise KubeconfigError(
            f"exec.args of {owner} must be a list of texts, and exec.env a list of names and values, got another value",
            "put numbers in quotation marks",
        )
    remedy = " ".join(hint.split())[:1000] or f"install {command[:100]!r}, or check that it works when run by hand"
    info: dict[str, Any] = {"interactive": False}
    if entry.get("provideClusterInfo") is True:
        info["cluster"] = _cluster(path, cluster)
    request = {"kind": "ExecCredential", "apiVersion": version, "spec": info}
    return Plugin(
        owner,
        (_program(path, owner, command, remedy), *args),
        {**{variable["name"]: variable["value"] for variable in env}, "KUBERNETES_EXEC_INFO": json.dumps(request)},
        version,
        remedy,
    )


def _check_mode(owner: str, version: str, mode: str) -> None:
    """Reject a plugin that needs a terminal, since commands here do not give it one.

    Raises:
        KubeconfigError: the mode is `Always`, unknown, or missing.
    """
    # client-go has the same default for v1beta1, and none for v1.
    mode = mode or ("IfAvailable" if version.endswith("beta1") else "")
    if mode not in MODES:
        raise KubeconfigError(
            f"exec.interactiveMode of {owner} must be one of {', '.join(MODES)}, got {mode[:100]!r}",
            "write `interactiveMode: Never`, or IfAvailable if the plugin can also prompt",
        )
    if mode == "Always":
        raise KubeconfigError(
            f"the credential plugin of {owner} must run without a terminal, got interactiveMode: Always",
            "use a login that does not prompt, or a token: `kubectl create token NAME -n NAMESPACE`",
        )


def _program(path: Path, owner: str, command: str, remedy: str) -> str:
    """Return the path of a plugin's program: relative to the kubeconfig if it has a slash, else on PATH.

    Raises:
        KubeconfigError: the program is absent.
    """
    found = ""
    if "\0" in command:
        present = False
    elif "/" in command:
        beside = path.absolute().parent / command
        found, present = str(beside), beside.is_file() and os.access(beside, os.X_OK)
    else:
        # Never from the working directory, as with Go's exec.LookPath: it may not be trusted.
        absolute = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
        found = (shutil.which(command, path=os.pathsep.join(absolute)) or "") if command else ""
        present = bool(found)
    if not present:
        raise KubeconfigError(f"{owner} gets its credential by {command[:200]!r}, which is not there", remedy)
    return found


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) and "\0" not in value for value in values)


def _is_variable(entry: Any) -> bool:
    """Tell whether an entry of `env` is a valid variable."""
    if not isinstance(entry, dict):
        return False
    name, value = entry.get("name"), entry.get("value")
    return _texts([name, value]) and bool(name) and "=" not in str(name)


def _cluster(path: Path, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of the cluster for a plugin (client.authentication.k8s.io/v1, Cluster)."""
    fields = ("server", "tls-server-name", "proxy-url", "insecure-skip-tls-verify", "disable-compression")
    info = {field: cluster[field] for field in fields if cluster.get(field)}
    authority = pem(path, cluster, "certificate-authority")
    if authority:
        info["certificate-authority-data"] = base64.b64encode(authority).decode()
    extensions = cluster.get("extensions") or []
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, dict) and extension.get("name") == EXTENSION:
            info["config"] = extension.get("extension")
    return info
