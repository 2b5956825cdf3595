"""The harness as it is installed: a wheel of this checkout, and environments that have it."""

from __future__ import annotations

import os
import site
import subprocess
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
        # With a place of its own for what is compiled, all packages would be compiled once more. The results lie in its repository.
        dropped = {"PYTHONPATH", "PYTHONPYCACHEPREFIX", "PLATFORM_E2E_ARTIFACTS"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped and "PYTEST" not in name}
        return subprocess.run(
            [self.python, "-m", *words],
            cwd=where,
            env={
                **kept,
                "PYTHONDONTWRITEBYTECODE": "1",
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
