"""The harness as it is installed: a wheel of this checkout, and environments that have it."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hatchling import build

ROOT = Path(__file__).resolve().parents[2]

SECONDS = 50.0
"""For a run without a cluster."""


@dataclass
class Environment:
    """An environment of Python that has what the tests have, and one thing more.

    Attributes:
        python: its interpreter.
        packages: its directory of packages.
    """

    python: Path
    packages: Path

    def run(
        self, *words: str, where: Path, timeout: float = SECONDS, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        # The results lie in its repository.
        dropped = {"PYTHONPATH", "PLATFORM_E2E_ARTIFACTS"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped and "PYTEST" not in name}
        return subprocess.run(
            [self.python, "-m", *words],
            cwd=where,
            env={
                **kept,
                # Where nox keeps what is compiled, the second run of an environment is spared it; else nothing is written into the tree.
                "PYTHONDONTWRITEBYTECODE": "" if sys.pycache_prefix else "1",
                "COLUMNS": "140",
                "PYTHONSAFEPATH": "1",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def environment(directory: Path, wheel: Path | None) -> Environment:
    """Make an environment, and install a wheel in it as an installer does: by unpacking it."""
    venv.create(directory, with_pip=False, symlinks=True)
    packages = next(directory.glob("lib/python*/site-packages"))
    (packages / "of-the-tests.pth").write_text("".join(f"{path}\n" for path in [*site.getsitepackages()]))
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    return Environment(directory / "bin" / "python", packages)


def built(how: str, directory: Path) -> Path:
    here = Path.cwd()
    os.chdir(ROOT)
    try:
        return directory / str(getattr(build, how)(str(directory)))
    finally:
        os.chdir(here)


PLUGIN = """
def pytest_plugin_registered(plugin):
    # Not before: it must be found where the run finds it.
    if getattr(plugin, "__name__", "") == "platform_e2e.fixtures":
        import fake_rendering
        from platform_e2e.toolbox import layer_renderer

        layer_renderer.renderer = lambda *_built, **_options: fake_rendering.renderer()
"""


def renderer(directory: Path) -> dict[str, str]:
    """Write a plugin of pytest, `fake_renderer`, that renders layers as `tests/fakes/rendering.py` does.

    An installation has nothing of the tests, and must not find the checkout's modules beside its own.

    Args:
        directory: to write it to.

    Returns:
        The variables by which a run has it.
    """
    for name in ("generators", "rendering", "templates"):
        text = (ROOT / "tests" / "fakes" / f"{name}.py").read_text(encoding="utf-8")
        for other in ("generators", "templates"):
            text = text.replace(f"from tests.fakes import {other}", f"import fake_{other} as {other}")
            text = text.replace(f"from tests.fakes.{other} import", f"from fake_{other} import")
        (directory / f"fake_{name}.py").write_text(text, encoding="utf-8")
    (directory / "fake_renderer.py").write_text(PLUGIN, encoding="utf-8")
    return {"PYTHONPATH": str(directory), "PYTEST_PLUGINS": "fake_renderer"}
