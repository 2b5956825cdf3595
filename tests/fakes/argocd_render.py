"""A stand-in for `argocd-render`: it renders nothing, and does what the name of an object says.

`die`, `hang`, `flood`, `lie` and `garble` are what a renderer does that a layer has got hold of; `note` tells what it sees.
Others become one ConfigMap.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

WORKERS = 3


def install(directory: Path) -> Path:
    """Write an executable program into the directory."""
    program = directory / "argocd"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {Path(__file__).resolve()} "$@"\n')
    program.chmod(0o755)
    return program


def answer(number: int, named: str, root: Path) -> dict[str, Any]:
    if named.startswith("die"):
        os._exit(2)
    if named.startswith("hang"):
        signal.pause()
    if named.startswith("flood"):
        say('{"id":' + "0" * 300_000)
    if named.startswith("lie"):
        return {"id": number + 1000, "sources": []}
    if named.startswith("garble"):
        return {"id": number, "sources": "none"}
    if named.startswith("half"):
        return {"id": number, "applications": [{"a": "\ud800"}]}
    if named.startswith("many"):
        return {"id": number, "applications": [{"a": [0] * 3000}]}
    if named.startswith("refuse"):
        return {"id": number, "problem": {"reason": "plugin", "text": "tanka", "source": 1}}
    data = {"name": named, "environment": " ".join(sorted(os.environ)), "config": (root / "config.json").read_text()}
    manifests = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": named}, "data": data}]
    return {
        "id": number,
        "sources": [{"type": "Directory", "manifests": manifests}, {"type": "Ref", "manifests": None}],
    }


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(root: Path) -> int:
    log = root.parent / "starts"
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    how = (
        (root / "repositories" / "0" / "how").read_text().strip()
        if root.joinpath("repositories/0/how").exists()
        else ""
    )
    if how == "refuse":
        sys.stderr.write("a layer cannot be kept apart from your files: operation not permitted\n")
        return 78
    if how == "fail":
        sys.stderr.write("first\nconfig.json: unexpected end\n")
        return 1
    say(
        json.dumps(
            {
                "confined": "namespaces",
                "argocd": "v3.2.11+unknown",
                "helm": "v3.19.4",
                "kustomize": "v5.8.1 x",
                "workers": WORKERS,
            }
        )
    )
    for line in sys.stdin:
        asked = json.loads(line)
        say(json.dumps(answer(asked["id"], asked["object"]["metadata"]["name"], root)))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
