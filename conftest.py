"""The only place that names pytest plugins: fixtures and hooks over the harness library."""

from __future__ import annotations

pytest_plugins = [
    "pytester",
    "fixtures.options",
    "fixtures.run",
    "fixtures.console",
    "fixtures.reporting",
    "fixtures.deadline",
    "fixtures.blocking",
    "fixtures.layer",
    "fixtures.cluster",
    "fixtures.platform",
    "fixtures.probes",
]
