"""What a LoadBalancer Service must answer to a client outside of the cluster, as the layer's annotation says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.own_annotations import PROBE

_TYPES: dict[str, type | tuple[type, ...]] = {
    "scheme": str,
    "port": (int, str),
    "path": str,
    "status": int,
    "contains": (str, list),
    "json": dict,
}
"""What each field of the annotation must be."""


@dataclass(frozen=True)
class Probe:
    """One HTTP request and what must come back.

    Attributes:
        scheme: `http` or `https`; the certificate is not verified, an address from the pool has none.
        port: number of the Service's port; the annotation may name it, without one the first is asked.
        path: of the request.
        status: the HTTP status expected.
        contains: texts that the body must contain.
        json: fields that the body, a JSON object, must have with these values; it may have others.
    """

    port: int
    scheme: str = "http"
    path: str = "/"
    status: int = 200
    contains: tuple[str, ...] = ()
    json: Mapping[str, Any] = field(default_factory=dict)

    def difference(self, status: int, body: str) -> str:
        """Return in one sentence how an answer differs from what is expected, empty where it does not."""
        if status != self.status:
            return f"status {status} instead of {self.status}"
        missing = [text for text in self.contains if text not in body]
        if missing:
            return f"the answer does not contain {missing[0]!r}"
        if not self.json:
            return ""
        try:
            answer = json.loads(body)
        except json.JSONDecodeError:
            return "the answer is not JSON"
        if not isinstance(answer, dict):
            return "the answer is not a JSON object"
        return ", ".join(f"{key} is {answer.get(key)!r} instead of {self.json[key]!r}" for key in self._wrong(answer))

    def wanted(self, status: int, body: str) -> str:
        """Return in words what must come back of what an answer lacks, with the status."""
        expected = f"status {self.status}"
        missing = [text for text in self.contains if text not in body]
        if status != self.status:
            return expected
        if missing:
            return f"{expected}, with {missing[0]!r} in the answer"
        fields = [f"{json.dumps(key)}: {_written(self.json[key])}" for key in self._wrong(_object(body))]
        return f"{expected}, with {', '.join(fields)}" if fields else expected

    def matched(self, body: str) -> tuple[tuple[str, str], ...]:
        """Return what an answer has of the texts that must be there: field of the JSON object, empty for a text alone, and text."""
        answer = _object(body)
        fields = [
            (key, value) for key, value in self.json.items() if isinstance(value, str) and answer.get(key) == value
        ]
        return (*fields, *(("", text) for text in self.contains if text in body))

    def _wrong(self, answer: Mapping[str, Any]) -> list[str]:
        return [key for key, value in self.json.items() if answer.get(key) != value]


def _object(body: str) -> Mapping[str, Any]:
    """Return an answer that is a JSON object, an empty one for every other."""
    try:
        answer = json.loads(body)
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _written(value: Any) -> str:
    """Return a value as the annotation has it."""
    return json.dumps(value, ensure_ascii=False)


def probe_of(service: Rendered) -> Probe | None:
    """Return the probe that a Service's annotation describes, None without one.

    Raises:
        LayerError: the annotation is not a JSON object, has an unknown field, or names a port that the Service does not have.
    """
    text = service.annotations.get(PROBE)
    if text is None:
        return None
    remedy = 'write it as {"path": "/", "status": 200, "json": {"app": "chat"}}'
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Python refuses numbers of more than 4,300 digits by a ValueError of its own.
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise service.error(f"{PROBE} is not JSON: {said}", remedy) from error
    if not isinstance(data, dict):
        raise service.error(f"{PROBE} is not a JSON object", remedy)
    for key, value in data.items():
        if key not in _TYPES:
            raise service.error(f"{PROBE} has an unknown field {key}", f"known are {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise service.error(f"{PROBE} has a wrong value for {key}: {value!r}", remedy)
    if data.get("scheme", "http") not in ("http", "https"):
        raise service.error(f"{PROBE} has a wrong value for scheme: {data['scheme']!r}", "http and https are known")
    contains = data.pop("contains", [])
    texts = (contains,) if isinstance(contains, str) else tuple(str(item) for item in contains)
    return Probe(**{**data, "port": _port(service, data.get("port")), "contains": texts})


def _port(service: Rendered, wanted: int | str | None) -> int:
    ports = service.spec.get("ports") or []
    for port in ports:
        if wanted is None or wanted in (port.get("name"), port.get("port")):
            return int(port["port"])
    raise service.error(f"{PROBE} asks for the port {wanted}, which the Service does not have")
