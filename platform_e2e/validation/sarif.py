"""The findings of a validation as SARIF 2.1.0 (OASIS, sarif-v2.1.0-os), which code hosts show beside the files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from platform_e2e import redact
from platform_e2e.finding import Finding
from platform_e2e.validation.verdict import Verdict

VERSION = "2.1.0"

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"

PLACE = re.compile(r"(?<![\w/:])((?:[\w.@+-]+/)*[\w.@+-]+\.(?:ya?ml|json|tpl)):(\d+)\b")
"""File and line in a remedy, as `Cause.located` puts them there."""


def document(found: Sequence[Verdict]) -> str:
    """Return the findings as one run for each cluster.

    Args:
        found: the verdict on each cluster; what it excuses is a result that is suppressed.
    """
    return json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [_run(each) for each in found]}, indent=1) + "\n"


def _run(found: Verdict) -> dict[str, Any]:
    results = [_result(finding) for finding in found.findings]
    results += [
        {**_result(finding), "suppressions": [{"kind": "external", "justification": redact.text(why)}]}
        for judged in found.promises
        for finding, why in judged.excused
    ]
    rules = sorted({result["ruleId"] for result in results})
    return {
        "tool": {"driver": {"name": "platform-e2e", "rules": [{"id": rule} for rule in rules]}},
        "automationDetails": {"id": f"platform-e2e/{redact.text(found.cluster)}/"},
        "results": results,
    }


def _result(finding: Finding) -> dict[str, Any]:
    text = redact.text(f"{finding.headline}: {finding.cause.sentence}. Remedy: {finding.cause.remedy}")
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": finding.object}]}
    found = place(finding)
    if found is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": found[0], "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": found[1]},
        }
    return {
        "ruleId": finding.cause.id,
        "level": "error",
        "message": {"text": text},
        "locations": [location],
        # By this a host knows a result again although its line has moved.
        "partialFingerprints": {"objectAndCause/v1": f"{finding.object} {finding.cause.id}"},
    }


def place(finding: Finding) -> tuple[str, int] | None:
    """Return file and line, from 1, that the remedy of a finding names; None where it names none.

    Args:
        finding: at hand.
    """
    found = PLACE.search(finding.cause.remedy)
    return (found[1], int(found[2])) if found else None
