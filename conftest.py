"""Loads the plugin of this checkout, unless one is installed: a module must not be loaded from two places."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

INSTALLED, HERE = "platform-e2e", "platform_e2e.fixtures"
"""The plugin's name as an entry point (pyproject.toml), and as a module."""


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin, early enough for it to add its options."""
    if not pluginmanager.has_plugin(INSTALLED):
        pluginmanager.import_plugin(HERE)
