"""Ask the live Argo CD, through its own API, what an Application is to become."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object

FORWARD_SECONDS = 30.0
"""Seconds until kubectl has a port; one is usual."""

ANSWER_SECONDS = 60.0
"""Seconds for one Application; the repo server renders two at once."""

_PORT = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


class Refused(Exception):
    """Argo CD cannot render an Application; the text is its own."""


@dataclass
class LiveArgoCD:
    """The API of Argo CD's server; not for several threads.

    Attributes:
        port: of this machine, forwarded to the server.
        tls: trusts the server's own certificate.
        headers: of every request.
    """

    port: int
    tls: ssl.SSLContext
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def open(cls, kube: Kube, kubectl: Path, kubeconfig: Path, scratch: Path) -> Iterator[LiveArgoCD]:
        """Forward a port to the server, and log in as its first administrator.

        Args:
            kube: the cluster.
            kubectl: the program.
            kubeconfig: of the cluster.
            scratch: directory for kubectl's log and cache.
        """
        words = (f"--kubeconfig={kubeconfig}", f"--cache-dir={scratch / 'cache'}", f"--namespace={argocd.NAMESPACE}")
        argv = [str(kubectl), *words, "port-forward", "--address=127.0.0.1", "service/argocd-server", ":443"]
        log = scratch / "port-forward.log"
        with shell.conversing(argv, most=1 << 20, log_file=log, env={"PATH": os.environ["PATH"]}) as dialogue:
            line = dialogue.hear(time.monotonic() + FORWARD_SECONDS)
            found = _PORT.match(line or b"")
            if found is None:
                raise BrokenHarness(f"kubectl must forward a port, got {line!r}: {log.read_text()}")
            certificate = _secret(kube, "argocd-secret")["tls.crt"].decode()
            self = cls(int(found[1]), ssl.create_default_context(cadata=certificate))
            password = _secret(kube, "argocd-initial-admin-secret")["password"].decode()
            token = self.request("POST", "/api/v1/session", {"username": "admin", "password": password})["token"]
            self.headers["Authorization"] = f"Bearer {token}"
            yield self

    def manifests(self, name: str) -> list[Object]:
        """Return the objects that an Application is to become.

        Raises:
            Refused: it cannot be rendered.
        """
        answer = self.request("GET", f"/api/v1/applications/{name}/manifests")
        return [json.loads(manifest) for manifest in answer.get("manifests") or ()]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return the answer.

        Raises:
            Refused: the answer is an error.
        """
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=ANSWER_SECONDS, context=self.tls)
        with contextlib.closing(connection):
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **self.headers})
            answer = connection.getresponse()
            said = answer.read().decode()
        if answer.status != http.HTTPStatus.OK:
            raise Refused(said)
        return json.loads(said)


def _secret(kube: Kube, name: str) -> dict[str, bytes]:
    found = kube.get("v1/Secret", name, argocd.NAMESPACE) or {}
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
