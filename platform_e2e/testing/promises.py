"""The recorder through which a test reports findings and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e import redact
from platform_e2e.finding import Finding
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.runs.verdict import PromiseBroken, Unproven


class Promises:
    """Record the findings of a check, and the figures that prove what it looked at.

    Args:
        properties: `user_properties` of the test in pytest.
    """

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self.properties = properties
        self.figures: dict[str, Any] = {}

    def report(
        self,
        findings: Sequence[Finding] = (),
        figures: Mapping[str, Any] | None = None,
        unknown: NotJudged | None = None,
    ) -> None:
        """Record figures for the verdict, and fail the test if there are findings.

        Args:
            findings: what a check returned.
            figures: plain values by name; texts are listed, integers summed, floats (`..._seconds`) shown as a range.
            unknown: what is not proven, though nothing is broken.

        Raises:
            PromiseBroken: there are findings; its text has object, expected, observed, cause and remedy of each.
            Unproven: something is not proven.
        """
        self.figures.update(redact.plain(dict(figures or {})))
        others = [item for item in self.properties if item[0] != "figures"]
        self.properties[:] = [*others, ("figures", json.dumps(self.figures, default=str))]
        if findings:
            raise PromiseBroken(findings)
        if unknown is not None:
            raise Unproven(unknown)
