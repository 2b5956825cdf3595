"""Activation of the plugin: decided before collection where the session declares it, else by the tests that it has collected."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.settings import OPTIONS

TESTS = "platform_e2e_tests"
"""Pytest's setting that names the directories whose tests prove a platform."""

HOOKS = (
    "options",
    "replay_selection",
    "run",
    "console",
    "deadline",
    "recording",
    "history",
    "reporting",
    "failures",
    "redaction",
    "cluster",
    "layer",
)
"""Modules of this package that are plugins of an active session, in the order in which they learn of it."""

ACTIVE = pytest.StashKey[bool]()

EXCLUSIVE_NAMES = pytest.StashKey[tuple[str, ...]]()
"""Every part of the cluster that some test of the session takes for itself; all other tests share them."""

RUN = "platform_e2e_run"
"""The fixture that each fixture of the platform has below it; a test that uses it needs a run."""

UNDECLARED = (
    "this test needs a cluster, which must be known before pytest-xdist starts its workers\n"
    f'  remedy: set `{TESTS} = ["DIR"]` in pytest\'s configuration, or give --layer DIR'
)

OF_BUILTINS = (("xmlpath", "junitxml"), ("basetemp", "tmpdir"))
"""Options that the run sets, and the plugins of pytest that read them when they are configured."""


def is_active(config: pytest.Config) -> bool:
    """Tell whether this session proves a platform."""
    return config.stash.get(ACTIVE, False)


def homes(config: pytest.Config) -> list[Path]:
    """Return the directories that `platform_e2e_tests` names."""
    return [config.rootpath / name for name in config.getini(TESTS)]


def is_declared(config: pytest.Config) -> bool:
    """Tell whether the command line says that tests of a platform are meant.

    It does by naming one of the directories of `platform_e2e_tests`; where there is no such setting, by any option of ours.
    """
    declared = homes(config)
    if not declared:
        return any(getattr(config.option, option.dest, None) for option in OPTIONS if option.flag)
    chosen = [Path(config.invocation_params.dir, argument.split("::")[0]).resolve() for argument in config.args]
    return any(path == home or home in path.parents or path in home.parents for path in chosen for home in declared)


def activate(config: pytest.Config) -> None:
    """Register the hooks of a run; each module's `pytest_configure` is called at once, before the next is registered.

    Raises:
        pytest.UsageError: an option or the layer cannot be used (exit status 4).
    """
    config.stash[ACTIVE] = True
    for name in HOOKS:
        # Not by pytest's own import: it would compile these modules again, for assertions that they do not have.
        module = import_module(f"{__package__}.{name}")
        config.pluginmanager.register(module, f"platform-e2e-{name}")


def activate_late(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Begin the run after collection, if a collected test needs it; a worker has only what its controller has begun."""
    config = session.config
    if is_active(config) or hasattr(config, "workerinput") or not any(needs_run(item) for item in items):
        return
    before = {name: getattr(config.option, name) for name, _ in OF_BUILTINS}
    known = set(config.pluginmanager.get_plugins())
    activate(config)
    for option, plugin in OF_BUILTINS:
        builtin = config.pluginmanager.get_plugin(plugin)
        if builtin is not None and getattr(config.option, option) != before[option]:
            builtin.pytest_configure(config)
    hook = config.pluginmanager.subset_hook_caller
    hook("pytest_sessionstart", known)(session=session)
    hook("pytest_collection_modifyitems", known)(session=session, config=config, items=items)


def note_exclusive(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Note which parts of the cluster tests take for themselves; to be called before -k and -m choose among them."""
    ours = (item for item in items if uses(item, RUN))
    names = {str(name) for item in ours for marker in item.iter_markers("exclusive") for name in marker.args}
    config.stash[EXCLUSIVE_NAMES] = tuple(sorted(names))


def needs_run(item: pytest.Item) -> bool:
    """Tell whether a test uses one of our fixtures that need a run, or says that it proves a promise."""
    return uses(item, RUN) or item.get_closest_marker("promise") is not None


def uses(item: pytest.Item, fixture: str) -> bool:
    """Tell whether a test uses a fixture of ours, rather than another plugin's or a conftest's of the same name."""
    info: Any = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.get(fixture, ()) if info is not None else ()
    return any(str(last.func.__module__).startswith("platform_e2e.") for last in found[-1:])
