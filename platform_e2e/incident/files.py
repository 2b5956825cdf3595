"""The files of an archive. Whatever was done before, all of it goes through redaction here once more."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

from platform_e2e import redact
from platform_e2e.incident.drift import kept
from platform_e2e.incident.model import Drift, Incident, plain_drift
from platform_e2e.kube.objects import Object


def files_of(incident: Incident, apps: Sequence[Object], lines: Sequence[str]) -> dict[str, bytes]:
    """Return the files of an archive without the layer's.

    Args:
        incident: what was read.
        apps: the Applications as the cluster has them.
        lines: one for each event.
    """
    found = {
        "incident.json": _json(incident.head()),
        "applications.json": _json([kept(app) for app in apps]),
        "foundations.json": _json([one.__dict__ for one in incident.foundations]),
        "findings.json": _json([one.as_json() for one in incident.findings]),
        "alerts.json": _json(list(incident.alerts)),
        "events.txt": "".join(f"{redact.text(line)}\n" for line in lines).encode(),
    }
    for index, one in enumerate(incident.drift):
        kind = one.kind.rsplit("/", 1)[-1].lower()
        where = f"{one.namespace}." if one.namespace else ""
        found[f"drift/{index:03}-{kind}-{where}{one.name}.yaml".replace(":", "-")] = _yaml(one)
    return found


def _json(value: Any) -> bytes:
    return (json.dumps(redact.plain(value), indent=1, default=str) + "\n").encode()


def _yaml(one: Drift) -> bytes:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    written = io.StringIO()
    yaml.dump(_plain(redact.plain(plain_drift(one))), written)
    return written.getvalue().encode()


def _plain(value: Any) -> Any:
    """Return plain data without the types that ruamel gives what it has read."""
    return json.loads(json.dumps(value, default=str))
