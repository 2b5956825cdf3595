"""Send HTTP requests to a Service: to its load balancer's address, or else through the API server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import requests

from platform_e2e.checks import external_client
from platform_e2e.diagnosis.explain.loadbalancer import ingress
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.objects import Object

ANSWER_SECONDS = 10.0
"""Seconds for connecting, and again for each read."""

UNTIL_SECONDS = 90.0
"""Seconds until an answer must be the wanted one. A pod sees a changed ConfigMap after the kubelet's sync period of a minute and the
time of its cache (kubernetes.io/docs/concepts/configuration/configmap, mounted ConfigMaps are updated automatically)."""


@dataclass(frozen=True)
class Answer:
    """The answer of a Service.

    Attributes:
        status: of HTTP.
        text: the body.
        url: of the request.
        headers: of the answer; empty where it came through the API server.
    """

    status: int
    text: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Http:
    """A client of one Service.

    Attributes:
        kube: the client of the cluster.
        there: returns the Service, or fails the test because it does not exist.
        fail: fails the test with what was expected and what was observed.
    """

    kube: Kube
    there: Callable[[], Object]
    fail: Callable[[str, str], NoReturn]

    def get(
        self,
        path: str = "/",
        *,
        port: int | None = None,
        timeout: float = ANSWER_SECONDS,
        until: Callable[[Answer], bool] | None = None,
        within: float = UNTIL_SECONDS,
    ) -> Answer:
        """Send one GET and return the answer with any status.

        Args:
            path: with a slash at its start.
            port: of the Service; its first port by default.
            timeout: seconds for connecting, and again for each read.
            until: tells whether an answer is the wanted one. With it the request is sent again and again, and the last answer is
                returned, wanted or not.
            within: seconds for that.

        Raises:
            PromiseBroken: the Service does not exist or does not answer; the finding has the known cause.
        """
        answers = [self._get(path, port, timeout)]
        if until is None or until(answers[0]):
            return answers[0]

        def again() -> Verdict:
            answers.append(self._get(path, port, timeout))
            return Met(answers[-1]) if until(answers[-1]) else Pending(f"status {answers[-1].status}")

        with contextlib.suppress(Timeout):
            poll(again, timeout=within, what=f"GET {path} is answered as wanted")
        return answers[-1]

    def _get(self, path: str, port: int | None, timeout: float) -> Answer:
        service = self.there()
        chosen = port or int(service["spec"]["ports"][0]["port"])
        address = next(iter(ingress(service)), "")
        try:
            if address:
                return _asked(f"http://{f'[{address}]' if ':' in address else address}:{chosen}{path}", timeout)
            return self._proxied(service["metadata"], chosen, path)
        except requests.RequestException as error:
            self.fail(f"it answers GET {path}", f"{type(error).__name__} at {address}:{chosen}")
        except ApiError as error:
            self.fail(f"it answers GET {path}", str(error))

    def _proxied(self, meta: Mapping[str, Any], port: int, path: str) -> Answer:
        """Send the request through the API server; a refusal by the API server itself is not an answer of the Service."""
        namespace, name = str(meta["namespace"]), str(meta["name"])
        url = f"service/{name}:{port}{path} -n {namespace}, through the API server"
        try:
            return Answer(200, self.kube.proxy(namespace, name, port, path).decode(errors="replace"), url)
        except ApiError as error:
            if not 400 <= error.status < 500 or error.reason in {"Forbidden", "Unauthorized"}:
                raise
            return Answer(error.status, str(error), url)


def _asked(url: str, timeout: float) -> Answer:
    answer = external_client.get(url, timeout)
    return Answer(answer.status_code, answer.text, url, dict(answer.headers))
