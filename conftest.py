"""The only place that names pytest plugins: fixtures and hooks over the harness library."""

from __future__ import annotations

# Whoever imports another one comes after it, so that pytest can rewrite its assertions.
pytest_plugins = [
    "pytester",
    "fixtures.options",
    "fixtures.run",
    "fixtures.console",
    "fixtures.deadline",
    "fixtures.layer",
    "fixtures.recording",
    "fixtures.remembering",
    "fixtures.replay",
    "fixtures.reporting",
    "fixtures.blocking",
    "fixtures.redaction",
    "fixtures.cluster",
    "fixtures.platform",
    "fixtures.probes",
]
