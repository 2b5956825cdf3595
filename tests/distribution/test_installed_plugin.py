"""The plugin in each way in which it can be had: a checkout, an installation of it, a wheel, and a checkout with a wheel beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installed import ROOT, SECONDS, Environment, built, environment, renderer

QUICK = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
"""Hypothesis takes as long to load as all else together, and is nothing that the plugin could meet."""

SAYS_WHERE = """
import sys
def test_it(layer):
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("platform_e2e")]
    for module in modules:
        print("from", module.__file__)
    print("applications:", *layer.applications)
"""

APPLICATION = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: root, namespace: argocd}
spec:
  project: default
  source: {repoURL: "https://git.example/platform.git", targetRevision: main, path: manifests}
  destination: {server: "https://kubernetes.default.svc", namespace: shop}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("build_editable", tmp_path_factory.mktemp("editable"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A team's repository: its layer, one test, no conftest.py and no settings."""
    made = tmp_path / "team"
    for path, text in {
        ".git/HEAD": "ref: refs/heads/main\n",
        "platform/foundations.yaml": "foundations: []\n",
        "platform/argocd/root.yaml": APPLICATION,
        "platform/manifests/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n",
        "test_layer.py": SAYS_WHERE,
    }.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return environment(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture
def rendering(tmp_path: Path) -> dict[str, str]:
    """The variables of a run that renders layers without a program."""
    return renderer(tmp_path)


def where_from(out: str) -> set[Path]:
    return {Path(line.removeprefix("from ")) for line in out.splitlines() if line.startswith("from ")}


def test_a_wheel_serves_a_repository_that_has_one_test_and_a_layer(
    installed: Environment, repository: Path, rendering: dict[str, str]
) -> None:
    here = installed
    done = here.run("pytest", "-s", *QUICK, where=repository, timeout=SECONDS, **rendering)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "applications: application/root -n argocd" in done.stdout
    assert all(path.is_relative_to(here.packages) for path in where_from(done.stdout))
    assert sorted(path.name for path in repository.iterdir()) == [".git", "platform", "test_layer.py"]


def test_an_editable_installation_serves_the_same_repository(
    editable: Path, tmp_path: Path, repository: Path, rendering: dict[str, str]
) -> None:
    here = environment(tmp_path / "env", editable)
    done = here.run("pytest", "-s", *QUICK, where=repository, timeout=SECONDS, **rendering)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "applications: application/root -n argocd" in done.stdout
    assert all(path.is_relative_to(ROOT) for path in where_from(done.stdout))


@pytest.mark.parametrize("has_wheel", [False, True], ids=["alone", "with-a-wheel-beside-it"])
def test_in_a_checkout_each_module_is_loaded_from_one_place(
    installed: Environment, tmp_path: Path, repository: Path, rendering: dict[str, str], *, has_wheel: bool
) -> None:
    here = installed if has_wheel else environment(tmp_path / "env", None)
    (tmp_path / "places.py").write_text(
        "import sys\n"
        "def pytest_collection_finish(session):\n"
        "    names = [name for name, _ in session.config.pluginmanager.list_name_plugin()]\n"
        "    print('plugins:', [name for name in names if name in {'platform-e2e', 'platform_e2e.fixtures'}])\n"
        "    for name in sorted(sys.modules):\n"
        "        if name.startswith('platform_e2e'):\n"
        "            print('from', sys.modules[name].__file__)\n"
    )
    layer = str(repository / "platform")
    words = ("pytest", "-s", *QUICK, "-p", "places", "--collect-only", "-q", "e2e", "--layer", layer)
    done = here.run(
        *words,
        where=ROOT,
        timeout=SECONDS,
        **rendering,
        PLATFORM_E2E_ARTIFACTS=str(tmp_path / "artifacts"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_loadbalancer.py" in done.stdout
    assert f"plugins: {['platform-e2e'] if has_wheel else ['platform_e2e.fixtures']}" in done.stdout
    # Of both the checkout's own code is tested: `pythonpath` puts it first.
    assert [path for path in where_from(done.stdout) if not path.is_relative_to(ROOT)] == []


def test_tests_that_do_not_use_the_plugin_see_nothing_of_it(installed: Environment, tmp_path: Path) -> None:
    here, other = installed, tmp_path / "other"
    other.mkdir()
    (other / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef cluster():\n    return 'of mine'\n@pytest.fixture\ndef layer():\n    return 1\n"
    )
    (other / "test_other.py").write_text(
        "import sys\n"
        "def test_other(cluster, layer):\n"
        "    assert (cluster, layer) == ('of mine', 1)\n"
        "    heavy = {'kubernetes', 'requests', 'testinfra', 'jinja2', 'cryptography', 'ruamel', 'rich', 'urllib3', 'msgspec'}\n"
        "    print('loaded:', len([name for name in sys.modules if name.startswith('platform_e2e')]))\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    words = ("pytest", "-s", *QUICK, "-p", "no:testinfra", "-p", "no:pytest-kind")
    done = here.run(*words, where=other, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_PLUGINS="platform_e2e.fixtures")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "heavy: []" in done.stdout
    assert sorted(path.name for path in other.iterdir()) == ["conftest.py", "test_other.py"]


TAKES = """
def pytest_addoption(parser):
    parser.addoption("--layer", dest="their_layer")
"""


@pytest.mark.parametrize("theirs", ["a-before-ours", "z-after-ours"])
def test_an_option_that_another_plugin_has_stays_that_plugins(
    installed: Environment, tmp_path: Path, repository: Path, rendering: dict[str, str], theirs: str
) -> None:
    place = tmp_path / "theirs"
    info = place / f"{theirs.replace('-', '_')}-1.dist-info"
    info.mkdir(parents=True)
    (place / "their_plugin.py").write_text(TAKES)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {theirs}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{theirs} = their_plugin\n")
    (repository / "other").symlink_to("platform")
    words = ("pytest", "-s", *QUICK, "--layer", "nowhere", "--platform-e2e-layer", "other")
    both = {**rendering, "PYTHONPATH": f"{place}:{rendering['PYTHONPATH']}"}
    done = installed.run(*words, where=repository, timeout=SECONDS, **both)
    assert "ValueError" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert "applications: application/root -n argocd" in done.stdout
    if theirs == "z-after-ours":
        shown = installed.run("pytest", "--help", where=repository, PYTHONPATH=str(place)).stdout
        assert "--platform-e2e-layer" in shown
        assert "--platform-e2e-deadline" not in shown, "a long name is shown where the short one is taken"
