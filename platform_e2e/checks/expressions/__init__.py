"""What a PromQL expression of a rule or a panel asks of the series that there are, and what of it cannot be right."""

from __future__ import annotations

from platform_e2e.checks.expressions.flaws import FLAWS, Flaw, first_flaw, misspelt
from platform_e2e.checks.expressions.read import DELTAS, RATES, ReadExpression, read
from platform_e2e.checks.monitoring.series import USUAL

__all__ = ["DELTAS", "FLAWS", "RATES", "USUAL", "Flaw", "ReadExpression", "first_flaw", "misspelt", "read"]
