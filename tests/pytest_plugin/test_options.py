"""Our options beside those of every plugin that is loaded with us."""

from __future__ import annotations

from importlib import import_module

import pytest

from platform_e2e.pytest_plugin import options
from platform_e2e.pytest_plugin.options import MARKERS
from platform_e2e.settings import OPTIONS

PLUGINS = ("pytest_kind.plugin", "testinfra.plugin", "xdist.plugin")


def taken(name: str) -> tuple[set[str], set[str]]:
    """Return the options and dests that a plugin adds, by asking the plugin itself."""
    parser = pytest.Parser(_ispytest=True)
    import_module(name).pytest_addoption(parser)
    actions = [option for group in (parser._anonymous, *parser._groups) for option in group.options]
    return {name for action in actions for name in action.names()}, {action.dest for action in actions}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_no_option_of_ours_is_another_plugins(plugin: str) -> None:
    options, dests = taken(plugin)
    assert options, "the plugin has options, or this test sees nothing"
    assert not options & {option.option for option in OPTIONS}
    assert not dests & {option.dest for option in OPTIONS}


def test_all_plugins_load_together_with_every_option_given(pytestconfig: pytest.Config) -> None:
    loaded = {dist.project_name for _, dist in pytestconfig.pluginmanager.list_plugin_distinfo()}
    assert {"pytest-kind", "pytest-testinfra", "pytest-xdist"} <= loaded
    for option in OPTIONS:
        if option.flag:
            assert hasattr(pytestconfig.option, option.dest), option.option
    assert pytestconfig.getoption("cluster_name") == "pytest-kind", "pytest-kind's own options keep their meaning"
    assert pytestconfig.getoption("hosts") is None


def test_an_option_may_be_given_several_times_under_both_names() -> None:
    parser = pytest.Parser(_ispytest=True)
    options.add(parser, pytest.PytestPluginManager())
    assert parser.parse(["--root", "a", "--platform-e2e-root", "b"]).platform_e2e_root == "a,b"
    assert parser.parse([]).platform_e2e_root is None


def test_every_marker_is_registered_with_what_it_means(pytestconfig: pytest.Config) -> None:
    registered = pytestconfig.getini("markers")
    for marker in MARKERS:
        assert marker in registered
        assert ": " in marker
