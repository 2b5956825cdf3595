"""Renderings kept in files, for tests that must run where no kustomize is.

    python -m tests.fakes.recorded LAYER RECORDS KUSTOMIZE

renders every kustomization that the layer's Applications read and writes one file for each into RECORDS. A record says which
input it was made from: one that no longer fits is refused, so a test never runs on an old rendering.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from platform_e2e.errors import BrokenHarness
from platform_e2e.layer import kustomize as kustomizations
from platform_e2e.layer import load, tree, yamlfile
from platform_e2e.shell import run
from tests.fakes import rendering
from tests.fakes.rendering import Kustomize

_HEAD = "# Rendered by kustomize from input with the SHA-256 "


def kustomize(layer: Path, records: Path) -> Kustomize:
    """Return what kustomizations become, from records.

    Args:
        layer: whose kustomizations were recorded.
        records: the directory of the records.

    Raises (the function):
        BrokenHarness: the record does not exist, or its input has changed since.
    """
    root = layer.resolve()

    def render(directory: Path) -> list[dict[str, Any]]:
        file = records / _name(root, directory)
        remedy = f"run: python -m tests.fakes.recorded {layer} {records} KUSTOMIZE"
        if not file.is_file():
            raise BrokenHarness(f"{directory} has no recorded rendering {file.name}", remedy)
        text = file.read_text(encoding="utf-8")
        if text.partition("\n")[0] != _HEAD + _input(root, directory):
            raise BrokenHarness(f"{directory} has changed since {file.name} was recorded", remedy)
        return [document.data for document in yamlfile.parse(text, file.name)]

    return render


def record(layer: Path, records: Path, real: Kustomize) -> list[Path]:
    """Render every kustomization of a layer and write the records.

    Args:
        layer: to render.
        records: the directory to write to; records of kustomizations that are gone are removed.
        real: the function that runs kustomize.

    Returns:
        The files written.
    """
    root, written = layer.resolve(), []

    def render(directory: Path) -> list[dict[str, Any]]:
        objects = real(directory)
        text = io.StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.width = 4096
        yaml.dump_all(objects, text)
        file = records / _name(root, directory)
        file.write_text(f"{_HEAD}{_input(root, directory)}\n---\n{text.getvalue()}", encoding="utf-8")
        written.append(file)
        return objects

    records.mkdir(parents=True, exist_ok=True)
    load(layer, rendering.renderer(render))
    for file in set(records.glob("*.yaml")) - set(written):
        file.unlink()
    return written


def _name(root: Path, directory: Path) -> str:
    return directory.relative_to(root).as_posix().replace("/", ".") + ".yaml"


def _input(root: Path, directory: Path) -> str:
    """Return the SHA-256 over all that the kustomization reads."""
    return tree.fingerprint(root, tuple(sorted(kustomizations.reads(root, directory).files)))


def program(path: Path) -> Kustomize:
    """Return the function that runs the real kustomize, of which nothing may be fetched."""

    def build(directory: Path) -> list[dict[str, Any]]:
        done = run([path, "build", directory], timeout=30, env={"PATH": os.devnull})
        return [document.data for document in yamlfile.parse(done.stdout, f"{directory.name} (rendered)")]

    return build


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    for path in record(arguments[0], arguments[1], program(arguments[2])):
        print(path)  # noqa: T201 - a command line prints
