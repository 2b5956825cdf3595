"""Load what the tests and all that they start need, but for what pytest compiles itself: its plugins and the tests.

To load it takes two seconds of processor time, and eighty processes need most of it.
"""

from __future__ import annotations

import gc
import inspect
import sys
from importlib import import_module, metadata
from pkgutil import walk_packages

from _pytest.config import builtin_plugins

import platform_e2e
from tests.support import harness_in_a_box

OF_OTHERS = (
    "aiohttp.web",
    "execnet",
    "jsonschema",
    "prometheus_client",
    "requests_oauthlib",
    "rich.console",
    "rich.table",
    "tomllib",
)

# Those that pytest itself compiles are no part of every run.
for _name in sorted(builtin_plugins - {"pytester", "pytester_assertions"}):
    import_module(f"_pytest.{_name}")
for _name in OF_OTHERS:
    import_module(_name)
# A plugin of pytest's as well, which must compile it: what imports it is loaded by whoever needs it.
sys.modules["testinfra"] = None  # type: ignore[assignment]
for _module in walk_packages(platform_e2e.__path__, "platform_e2e."):
    try:
        if not _module.name.endswith(".__main__"):
            import_module(_module.name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "testinfra":
            raise
del sys.modules["testinfra"]
import_module("tests.fakes.supervisor")

PLUGINS = [one for one in metadata.distributions() if one.entry_points.select(group="pytest11")]
"""Pytest looks fourteen times at all that is installed; in a box it is shown only these."""

OF_THE_HARNESS = harness_in_a_box.OfTheHarness.look()

# For a traceback `inspect` looks for the file of each module, and keeps what it has found.
inspect.getmodule(harness_in_a_box.OfTheHarness.look.__code__)

# What the collector of garbage need not go through in each of the processes.
gc.freeze()
