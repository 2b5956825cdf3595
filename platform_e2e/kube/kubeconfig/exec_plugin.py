"""Exec plugins: the program that a kubeconfig names to get a credential (client.authentication.k8s.io), as kubectl runs it."""

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
from platform_e2e.outside.documents import NoDocument, from_json
from platform_e2e.shell import CommandError, confidential

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
"""Of the ExecCredential; v1alpha1 was removed in Kubernetes 1.24."""

MODES = ("Never", "IfAvailable", "Always")
"""What `interactiveMode` may be."""

EXTENSION = f"{GROUP}/exec"
"""Which of a cluster's extensions is handed on to the plugin."""

LONGEST = 60.0
"""Seconds that a plugin gets at most: one that asks a cloud for a token needs about two, over a slow line ten."""

MOST_BYTES = 1 << 20
"""Of what it prints: a token, or a certificate with its key, has a few thousand."""


@dataclass(frozen=True)
class Plugin:
    """A program that gets a credential.

    Attributes:
        whose: user and kubeconfig, for an error.
        words: the program, by its path, and its arguments.
        env: variables added to this process's own.
        version: of the ExecCredential that it is asked for and must answer with.
        remedy: how to get it, where it is not there or fails.
    """

    whose: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    version: str
    remedy: str

    def ask(self, timeout: float) -> Mapping[str, Any]:
        """Run it and return the status of its answer, which has a token, or a certificate and its key.

        Args:
            timeout: seconds that it may take.

        Raises:
            CredentialError: it failed, was too slow, or answered with what cannot be read. Never quotes the answer.
        """
        try:
            done = confidential(
                self.words, timeout=min(timeout, LONGEST), most=MOST_BYTES, env=self.env, remedy=self.remedy
            )
        except CommandError as error:
            raise CredentialError(
                f"the credential plugin of {self.whose} failed: {error.problem}", self.remedy
            ) from None
        try:
            answer = from_json(done.stdout.encode())
        except NoDocument:
            raise self._odd("JSON") from None
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            raise self._odd("an ExecCredential")
        if answer.get("apiVersion") != self.version:
            raise self._odd(f"one of {self.version}")
        status = answer.get("status")
        if not isinstance(status, dict) or not all(
            isinstance(value, str) for value in status.values() if value is not None
        ):
            raise self._odd("an ExecCredential whose status has texts")
        pair = bool(status.get("clientCertificateData")), bool(status.get("clientKeyData"))
        if not (any(pair) or status.get("token")) or any(pair) != all(pair):
            raise self._odd("one with a token, or with clientCertificateData and clientKeyData")
        return status

    def _odd(self, wanted: str) -> CredentialError:
        """Return the error for an answer that is not as it must be."""
        return CredentialError(
            f"the credential plugin {self.words[0]} of {self.whose} must print {wanted}, got something else",
            f"run it by hand and see what it prints; {self.remedy}",
        )


def of(path: Path, user: str, entry: Any, cluster: Mapping[str, Any]) -> Plugin:
    """Return the plugin that a user's `exec` names; nothing runs yet.

    Args:
        path: of the kubeconfig.
        user: its name there.
        entry: what `exec` holds.
        cluster: entry of the cluster that the credential is for.

    Raises:
        KubeconfigError: it cannot be run like that, or the program is not there.
    """
    whose = f"user {user!r} of {path}"
    if not isinstance(entry, dict):
        raise KubeconfigError(f"exec of {whose} must be a mapping, got another value", "see `kubectl config view`")
    version, command, hint = (text_of(path, entry, field) for field in ("apiVersion", "command", "installHint"))
    if version not in VERSIONS:
        raise KubeconfigError(
            f"exec.apiVersion of {whose} must be {' or '.join(VERSIONS)}, got {version[:100]!r}",
            "make the entry again with a newer version of the tool that wrote it",
        )
    _check_mode(whose, version, text_of(path, entry, "interactiveMode"))
    args, env = entry.get("args") or [], entry.get("env") or []
    if not _texts(args) or not isinstance(env, list) or not all(_variable(each) for each in env):
        raise KubeconfigError(
            f"exec.args of {whose} must be a list of texts, and exec.env one of names and values, got another value",
            "put numbers in quotation marks",
        )
    remedy = " ".join(hint.split())[:1000] or f"install {command[:100]!r}, or see that it works when run by hand"
    info: dict[str, Any] = {"interactive": False}
    if entry.get("provideClusterInfo") is True:
        info["cluster"] = _cluster(path, cluster)
    said = {"kind": "ExecCredential", "apiVersion": version, "spec": info}
    return Plugin(
        whose,
        (_program(path, whose, command, remedy), *args),
        {**{each["name"]: each["value"] for each in env}, "KUBERNETES_EXEC_INFO": json.dumps(said)},
        version,
        remedy,
    )


def _check_mode(whose: str, version: str, mode: str) -> None:
    """Refuse a plugin that needs a person at a terminal: commands here have none to offer.

    Raises:
        KubeconfigError: it does, or does not say whether.
    """
    # client-go has the same default for v1beta1, and none for v1.
    mode = mode or ("IfAvailable" if version.endswith("beta1") else "")
    if mode not in MODES:
        raise KubeconfigError(
            f"exec.interactiveMode of {whose} must be one of {', '.join(MODES)}, got {mode[:100]!r}",
            "write `interactiveMode: Never`, or IfAvailable where the plugin can also ask",
        )
    if mode == "Always":
        raise KubeconfigError(
            f"the credential plugin of {whose} must run without a terminal, got interactiveMode: Always",
            "use a way to log in that asks nothing, or a token: `kubectl create token NAME -n NAMESPACE`",
        )


def _program(path: Path, whose: str, command: str, remedy: str) -> str:
    """Return the path of a plugin's program: beside the kubeconfig where it has a slash, else on PATH.

    Raises:
        KubeconfigError: there is none.
    """
    found = ""
    if "\0" in command:
        there = False
    elif "/" in command:
        beside = path.absolute().parent / command
        found, there = str(beside), beside.is_file() and os.access(beside, os.X_OK)
    else:
        # Never out of the working directory, as Go's exec.LookPath: somebody else may have written that.
        absolute = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part.startswith("/")]
        found = (shutil.which(command, path=os.pathsep.join(absolute)) or "") if command else ""
        there = bool(found)
    if not there:
        raise KubeconfigError(f"{whose} gets its credential by {command[:200]!r}, which is not there", remedy)
    return found


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) and "\0" not in value for value in values)


def _variable(entry: Any) -> bool:
    """Tell whether an entry of `env` is a variable."""
    if not isinstance(entry, dict):
        return False
    name, value = entry.get("name"), entry.get("value")
    return _texts([name, value]) and bool(name) and "=" not in str(name)


def _cluster(path: Path, cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plugin is told of the cluster (client.authentication.k8s.io/v1, Cluster)."""
    fields = ("server", "tls-server-name", "proxy-url", "insecure-skip-tls-verify", "disable-compression")
    told = {field: cluster[field] for field in fields if cluster.get(field)}
    authority = pem(path, cluster, "certificate-authority")
    if authority:
        told["certificate-authority-data"] = base64.b64encode(authority).decode()
    extensions = cluster.get("extensions") or []
    for extension in extensions if isinstance(extensions, list) else []:
        if isinstance(extension, dict) and extension.get("name") == EXTENSION:
            told["config"] = extension.get("extension")
    return told
