"""Load what every boxed run loads, but for the plugins: pytest compiles those itself, with its own assertions."""

from __future__ import annotations

from importlib import import_module

from _pytest.config import builtin_plugins

from tests import harness_in_a_box

OF_A_RUN = (
    "cluster.place", "cluster.waiting", "errors", "finding", "kube.client", "kube.expect", "paths", "replay.comparing",
    "replay.describing", "replay.preparing", "replay.recorded", "report.checkout", "report.console", "report.digest",
    "report.entry", "report.history", "report.junit", "report.ledger", "report.observer", "report.redact",
    "report.retention", "report.run", "report.summary", "report.verdict", "settings", "timeline",
)  # fmt: skip

harness_in_a_box.install()
for _name in sorted(builtin_plugins):
    import_module(f"_pytest.{_name}")
import_module("execnet")
for _name in OF_A_RUN:
    import_module(f"platform_e2e.{_name}")
