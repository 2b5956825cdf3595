"""Puts the package that `platform_e2e.cluster.packing` has laid out into the wheel, and says for which platform it is."""

from __future__ import annotations

import os
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "PROGRAMS_WHEEL_PACKAGE"
"""The variable that names the package's directory."""


class Programs(BuildHookInterface[Any]):
    """Takes the package from where the variable says."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Say what goes into the wheel."""
        del version
        package = os.environ.get(PACKAGE)
        if not package:
            raise SystemExit(
                f"{PACKAGE} must name the directory of the package, got nothing; use nox -s programs-wheel"
            )
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data.update({"pure_python": False, "tag": f"py3-none-{platform}"})
        build_data["force_include"][package] = "platform_e2e_programs"
