from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.commands import arguments
from platform_e2e.commands.arguments import Parser, add_options
from platform_e2e.errors import WrongUsage
from platform_e2e.option_values import Keep, seconds
from platform_e2e.settings import OPTIONS, as_markdown, resolve


def test_nothing_chosen_gives_the_defaults() -> None:
    settings = resolve({}, {})
    assert settings.provider == "auto"
    assert settings.nodes == 1
    assert settings.keep is Keep.NEVER
    assert settings.deadline == 1800
    assert settings.layer == paths.ROOT / "platform"
    assert settings.charts_dir is None
    assert settings.strict_versions is False
    assert settings.cluster.startswith("e2e-")
    # Two containers that share a cache have processes of the same number, and a kept cluster outlives its process.
    assert settings.cluster != resolve({}, {}).cluster


def test_an_option_outranks_its_variable_and_a_variable_the_default() -> None:
    environment = {"PLATFORM_E2E_NODES": "3", "PLATFORM_E2E_STRICT_VERSIONS": "1"}
    assert resolve({"nodes": "2"}, environment).nodes == 2
    assert resolve({"nodes": None}, environment).nodes == 3
    assert resolve({"strict_versions": False}, environment).strict_versions is True
    assert resolve({"strict_versions": True}, {}).strict_versions is True


def test_a_kept_cluster_has_a_name_that_the_next_run_finds() -> None:
    assert resolve({"keep": "always"}, {}).cluster == "e2e"
    assert resolve({"keep": "always", "cluster": "mine"}, {}).cluster == "mine"
    assert resolve({"keep": "on-failure"}, {}).cluster != "e2e"


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1h1m1s", 3661), ("2h", 7200)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "m", "soon", "-5m", "0", "0s", "1.5h", "30 m", "5m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be "):
        seconds(text)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("nodes", "many", "must be a whole number from 1 to 9, got `many`"),
        ("nodes", "0", "must be a whole number from 1 to 9, got `0`"),
        ("keep", "sometimes", "must be one of never, on-failure, always, got `sometimes`"),
        ("layer", "/nowhere", "must be a directory that exists, got `/nowhere`"),
        ("deadline", "soon", "must be a duration such as 90s, 30m or 1h30m, got `soon`"),
        ("cluster", "Prod_1", "must be 1 to 20 characters"),
        ("cluster", "a" * 21, "must be 1 to 20 characters"),
        ("cluster", "../../etc", "must be 1 to 20 characters"),
        ("strict_versions", "maybe", "must be one of"),
        ("root", "../other", "must be paths from the root of the layer's repository"),
        ("root", "a,/etc", "must be paths from the root of the layer's repository"),
        ("root", ",", "must be paths from the root of the layer's repository"),
        ("destination", ",", "must be names or URLs"),
        ("rendered", "one", "must be APP=DIR"),
        ("rendered", "One=/", "must be APP=DIR"),
        ("rendered", "one=/nowhere", "must be a directory that exists"),
        ("repository", "=/", "must be DIR or URL=DIR"),
        ("repository", "/,/etc", "must be one checkout of the layer's own repository"),
    ],
)
def test_a_wrong_value_names_where_it_came_from_and_the_remedy(name: str, value: str, said: str) -> None:
    option = next(option for option in OPTIONS if option.name == name)
    with pytest.raises(WrongUsage) as by_option:
        resolve({name: value}, {})
    with pytest.raises(WrongUsage) as by_variable:
        resolve({}, {option.variable: value})
    assert str(by_option.value).startswith(f"{option.option} must be ")
    assert str(by_variable.value).startswith(f"{option.variable} must be ")
    assert said in str(by_option.value)
    assert f"remedy: {option.option}: {option.help}" in str(by_option.value)


def test_the_page_of_options_is_the_table() -> None:
    page = (paths.ROOT / "docs" / "options.md").read_text()
    assert page.endswith(as_markdown()), "write what settings.as_markdown() returns at the end of docs/options.md"


def test_relative_paths_are_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve({"layer": "mine"}, {}).layer == tmp_path / "mine"


def test_roots_are_several_and_each_counts_once() -> None:
    assert resolve({}, {}).roots == ()
    assert resolve({}, {"PLATFORM_E2E_ROOT": "argocd/overlays/prod, bootstrap"}).roots == (
        "argocd/overlays/prod",
        "bootstrap",
    )
    parser = Parser()
    add_options(parser)
    args = parser.parse_args(["--root", "./a/", "--root", "b/c", "--root", "a"])
    assert arguments.settings_of(args).roots == ("a", "b/c")


def test_options_that_are_given_several_times_are_taken_apart(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    found = resolve(
        {
            "rendered": f"chat={one}, argocd/shop={two}",
            "repository": f"https://git.example/a?x=1={one},{two}",
            "root": "argocd/, charts/apps",
            "destination": "prod, https://prod.example:6443",
        },
        {},
    )
    assert found.renderings == {"chat": one, "argocd/shop": two}
    assert found.repositories == (("https://git.example/a?x=1", one),)
    assert found.checkout == two
    assert found.roots == ("argocd", "charts/apps")
    assert found.destinations == ("prod", "https://prod.example:6443")
