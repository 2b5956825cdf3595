"""Load what every boxed run loads, but for the plugins: pytest compiles those itself, with its own assertions."""

from __future__ import annotations

import gc
from importlib import import_module, metadata

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
for _name in ("execnet", "tomllib"):
    import_module(_name)
for _name in OF_A_RUN:
    import_module(f"platform_e2e.{_name}")

# What is not of the harness costs each run a third of its time: fourteen looks at all that is installed, and what the
# collector of garbage goes through.
_PLUGINS = [one for one in metadata.distributions() if one.entry_points.select(group="pytest11")]
metadata.distributions = lambda **_: _PLUGINS
gc.freeze()
